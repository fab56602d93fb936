"""The built viewer, at every address that nothing else answers."""

from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.tilesets.files import IMMUTABLE, REVALIDATE, Files, answer, inside

router = APIRouter(include_in_schema=False)

UNBUILT = """<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>cimtwin</title>
</head><body><h1>The viewer is not built · 三维页面尚未构建</h1>
<p>The service works: <a href="docs">its interface</a>, <a href="health">its health</a>.
To build the viewer, run <code>make viewer</code> in the project's folder and load this page
again.</p>
<p>服务已正常运行：<a href="docs">接口文档</a>，<a href="health">运行状态</a>。
如需三维页面，请在项目目录运行 <code>make viewer</code>，然后刷新本页。</p></body></html>
"""


@router.get("/{path:path}")
async def viewer(path: str, request: Request) -> Response:
    """A file of the viewer; its hashed assets may be kept for ever, all others are revalidated."""
    static: Path = request.app.state.static
    found = inside(static, path or "index.html")
    if found is None:
        if not path:
            return HTMLResponse(UNBUILT)
        raise HTTPException(404)
    files: Files = request.app.state.files
    loaded = await run_in_threadpool(files.load, found)
    cache = IMMUTABLE if path.startswith("assets/") else REVALIDATE
    return answer(request, loaded, found.suffix, cache)
