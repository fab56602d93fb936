"""What every request passes through, as plain ASGI: guards, HEAD, the size of bodies, headers."""

import asyncio
from collections.abc import MutableMapping

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem, unforeseen

LARGEST_BODY = 1_000_000
"""Bytes of a request's body; ten thousand ids are a fifth of it."""

PATIENCE = 60.0
"""Seconds in which a body must have come that is read whole."""

STREAMED = ("PATCH", "/uploads/")
"""Method and path of bodies that are not read whole: they are written as they come."""

CONTENT_SECURITY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
    "connect-src 'self' blob: data:; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)
"""Nothing from elsewhere; Cesium needs wasm, blob workers and styles on elements."""

SECURITY = {
    "Content-Security-Policy": CONTENT_SECURITY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Guard:
    """Turns a fault into a problem document; a traceback could carry what it failed with."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and answer for a fault unless an answer has begun."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:  # the last resort of the service
            answer = unforeseen(Request(scope), error)
            if not begun:
                await answer(scope, receive, send)


class Headers:
    """Adds the security headers, and answers HEAD as GET without its body."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on with the method GET where it is HEAD."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        bare = scope["method"] == "HEAD"

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message.setdefault("headers", []))
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            elif bare:
                message = {**message, "body": b""}
            await send(message)

        inner: MutableMapping[str, object] = {**scope, "method": "GET"} if bare else scope
        await self.app(inner, receive, dressed)


class Limits:
    """Refuses bodies above a size, announced or not."""

    def __init__(
        self, app: ASGIApp, largest: int = LARGEST_BODY, patience: float = PATIENCE
    ) -> None:
        """Wrap the app; `largest` is in bytes, `patience` in seconds."""
        self.app = app
        self.largest, self.patience = largest, patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body whole up to the limit, so that nothing runs on half of it."""
        if (
            scope["type"] != "http"
            or scope["method"] in ("GET", "HEAD", "OPTIONS")
            or (scope["method"] == STREAMED[0] and scope["path"].startswith(STREAMED[1]))
        ):
            await self.app(scope, receive, send)
            return
        try:
            body = await asyncio.wait_for(self._whole(receive), self.patience)
        except TimeoutError:
            answer = problem(
                Request(scope), 408, "The request took too long to arrive.", "请求传输超时。"
            )
            await answer(scope, receive, send)
            return
        if body is None:
            return
        if len(body) > self.largest:
            answer = problem(
                Request(scope),
                413,
                f"The request is larger than {self.largest:,} bytes.",
                f"请求超过 {self.largest:,} 字节。",
            )
            await answer(scope, receive, send)
            return
        kept: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return kept.pop() if kept else await receive()

        await self.app(scope, replay, send)

    async def _whole(self, receive: Receive) -> bytes | None:
        """The body as far as the limit; None where the connection was lost."""
        body, more = b"", True
        while more and len(body) <= self.largest:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return body
