"""Bodies of requests: none is larger than it may be, or comes for ever."""

import asyncio

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import problem

LARGEST_BODY = 1_000_000
"""Bytes of a request's body; ten thousand ids are a fifth of it."""

LARGER = {"/counts": 4_000_000, "/within": 4_000_000}
"""Addresses that take more: a polygon of 100,000 corners."""

PUSHED, LARGEST_PUSH = "/feeds/", 4 << 20
"""Addresses that devices' messages are pushed to, and how large one may be."""

PATIENCE = 60.0
"""Seconds in which a body must have come that is read whole."""

STREAMED = ("PATCH", "/uploads/")
"""Method and path of bodies that are not read whole: they are written as they come."""


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
        largest = LARGER.get(scope["path"], self.largest)
        if scope["path"].startswith(PUSHED):
            largest = max(largest, LARGEST_PUSH)
        try:
            async with asyncio.timeout(self.patience):
                body = await self._whole(receive, largest)
        except TimeoutError:
            answer = problem(
                Request(scope), 408, "The request took too long to arrive.", "请求传输超时。"
            )
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
            return
        if body is None:
            return
        if len(body) > largest:
            answer = problem(
                Request(scope),
                413,
                f"The request is larger than {largest:,} bytes.",
                f"请求超过 {largest:,} 字节。",
            )
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
            return
        kept: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return kept.pop() if kept else await receive()

        await self.app(scope, replay, send)

    async def _whole(self, receive: Receive, largest: int) -> bytes | None:
        """The body as far as the limit; None where the connection was lost."""
        body, more = bytearray(), True
        while more and len(body) <= largest:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body)
