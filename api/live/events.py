"""A subscription as server-sent events: what there is, then what comes."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import randint
from typing import Final

from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.live import frames
from api.live.asking import Ask
from api.live.callers import Listener
from api.live.frames import WHO, Frame, Mark
from api.live.hub import Hub
from api.live.readers import Reader

ENDING: Final = "ending"
"""Under which name a request's state has what ends its answer, for whoever stops the server."""

RETRY_MS: Final = (1500, 4500)
"""Within which a browser that was cut off comes again: not a thousand of them at once."""

HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Events(StreamingResponse):
    """An answer that goes on; `stack` is left when it ends, however it does."""

    def __init__(self, content: AsyncIterator[bytes], stack: AsyncExitStack) -> None:
        """Of events as bytes."""
        super().__init__(content, media_type="text/event-stream", headers=HEADERS)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._stack.aclose()


async def events(hub: Hub, listener: Listener, ask: Ask, since: Mark | None) -> Events:
    """The answer to who listens; what stands against it is raised before it begins."""
    stack = AsyncExitStack()
    try:
        await stack.enter_async_context(hub.seat(listener.who))
        begin, reader = await stack.enter_async_context(
            hub.joined(ask, listener.known.audience, since)
        )
    except BaseException:
        await stack.aclose()
        raise
    listener.request.scope["state"][ENDING] = reader.end
    return Events(_sent(begin, reader, listener), stack)


async def _sent(begin: list[Frame], reader: Reader, listener: Listener) -> AsyncIterator[bytes]:
    yield b"retry: %d\n\n" % randint(*RETRY_MS)
    yield frames.of(WHO, listener.known.told, None).events
    while begin:  # let go of as it is sent: an answer lasts
        yield begin.pop(0).events
    while (frame := await reader.next()) is not None:
        yield frame.events
        if not await listener.good():
            return
