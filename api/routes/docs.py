"""The documentation of the API, from files on this machine alone."""

import html
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

PAGE = """<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{head}</head>
<body>{body}</body></html>"""

START = """SwaggerUIBundle({ url: new URL("openapi.json", document.baseURI).href,
  dom_id: "#docs", deepLinking: true, validatorUrl: null, tryItOutEnabled: true });
"""


def has_assets(static: Path) -> bool:
    """Whether the viewer's build has put Swagger UI there."""
    return (static / "docs-assets" / "swagger-ui-bundle.js").is_file()


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Swagger UI, or a plain list of the routes where it was not built."""
    title = html.escape(request.app.title)
    if not has_assets(request.app.state.static):
        return HTMLResponse(PAGE.format(title=title, head="", body=listing(request)))
    head = '<link rel="stylesheet" href="docs-assets/swagger-ui.css">'
    body = (
        '<div id="docs"></div><script src="docs-assets/swagger-ui-bundle.js"></script>'
        '<script src="docs/start.js"></script>'
    )
    return HTMLResponse(PAGE.format(title=title, head=head, body=body))


@router.get("/docs/start.js")
async def start() -> Response:
    """Starts Swagger UI: a file of its own, since the page allows no inline script."""
    return Response(START, media_type="text/javascript")


def listing(request: Request) -> str:
    """Every route with its summary, as HTML."""
    lines = [
        f"<li><code>{method.upper()} {html.escape(path)}</code> "
        f"{html.escape(operation.get('summary', ''))}</li>"
        for path, operations in request.app.openapi()["paths"].items()
        for method, operation in operations.items()
    ]
    return (
        f"<h1>{html.escape(request.app.title)}</h1><ul>{''.join(lines)}</ul>"
        '<p><a href="openapi.json">openapi.json</a></p>'
    )
