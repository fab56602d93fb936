"""What every answer carries; HEAD; and pages of other places that may read."""

from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cim.settings import Settings

CONTENT_SECURITY: Final = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; connect-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors {}"
)
"""Nothing from elsewhere; Cesium needs wasm, blob workers and styles on elements."""

YEAR: Final = 365 * 24 * 3600

TOLD: Final = [
    *("Content-Crs", "Content-Disposition", "ETag", "Link", "Location", "Retry-After"),
    *("RateLimit", "RateLimit-Policy", "X-Request-ID", "X-Written"),
]
"""Headers of answers that pages elsewhere may read."""

SENT: Final = ["Authorization", "Content-Type", "If-Match", "If-None-Match", "Range"]
SENT_OURS: Final = ["X-Purpose", "X-Request-ID", "X-Written"]
"""Headers of requests that pages elsewhere may send."""


def security(settings: Settings) -> list[tuple[bytes, bytes]]:
    """The headers that every answer has, as these settings want them."""
    embedding = " ".join(listed(settings.frame_ancestors)) or "'self'"
    found = {
        "content-security-policy": CONTENT_SECURITY.format(embedding),
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), payment=()",
        "cache-control": "no-cache",
    }
    if settings.public_url.startswith("https://"):
        found["strict-transport-security"] = f"max-age={YEAR}"
    return [(name.encode(), value.encode()) for name, value in found.items()]


def listed(text: str) -> list[str]:
    """The words of a list with commas.

    >>> listed(" a.example, b.example ,")
    ['a.example', 'b.example']
    """
    return [word.strip() for word in text.split(",") if word.strip()]


class Headers:
    """Adds the headers that every answer has, and answers HEAD as GET without its body."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Wrap the app."""
        self.app, self.added = app, security(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the method GET where it is HEAD."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bare = scope["method"] == "HEAD"
        if bare:
            scope["method"] = "GET"

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = message.get("headers", [])
                known = {name for name, _ in there}
                extra = [each for each in self.added if each[0] not in known]
                message["headers"] = [*there, *extra]
                if bare:  # the server has to know that the length it reads is of no body
                    scope["method"] = "HEAD"
            elif bare:
                message = {**message, "body": b""}
            await send(message)

        await self.app(scope, receive, dressed)


def open_to(app: ASGIApp, settings: Settings) -> ASGIApp:
    """The app with what pages of the origins in the settings need to read it; no cookies go there.

    Without any, browsers keep answers from pages of other places, as is usual.
    """
    origins = listed(settings.cors_origins)
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
        allow_headers=[*SENT, *SENT_OURS],
        expose_headers=TOLD,
        max_age=3600,
    )
