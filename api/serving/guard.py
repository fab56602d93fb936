"""A fault becomes a problem document, and a question whose asker has left is not worked on."""

import asyncio

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import unforeseen

WATCHED = 0.1
"""Seconds after which it is looked whether the asker is still there: most answers are out by then.
"""

ASKING = (
    *("/within", "/counts", "/style/", "/features/", "/units/by-ids", "/buildings/by-ids"),
    *("/addresses/parse", "/addresses/normalise", "/addresses/geocode"),
)
"""Where POST asks for something and changes nothing; elsewhere it is done, whoever waits for it."""


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


class Body:
    """Hands a request's body to the app, whose it is however late it asks."""

    def __init__(self, receive: Receive, *, expected: bool) -> None:
        """Over what receives; `handed` is set once all of an expected body was handed over."""
        self.receive, self.handed = receive, asyncio.Event()
        if not expected:
            self.handed.set()

    async def __call__(self) -> Message:
        """The next message."""
        message = await self.receive()
        if not message.get("more_body", False):
            self.handed.set()
        return message


class Leaving:
    """Stops working, in the database too, when the asker has gone."""

    def __init__(self, app: ASGIApp, after: float = WATCHED) -> None:
        """Wrap the app; the asker is looked for once a request has taken `after` seconds."""
        self.app, self.after = app, after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; a reading request is given up where its connection is."""
        if scope["type"] != "http" or not reads(scope):
            await self.app(scope, receive, send)
            return
        loop, working = asyncio.get_running_loop(), asyncio.current_task()
        assert working is not None  # we are in it
        looking: asyncio.Task[None] | None = None
        left = False
        body = Body(receive, expected=scope["method"] == "POST")

        async def look() -> None:
            nonlocal left
            await body.handed.wait()
            while (await receive())["type"] != "http.disconnect":
                pass  # what is left of a body that nobody reads
            left = True
            working.cancel()

        def begin() -> None:
            nonlocal looking
            looking = loop.create_task(look())

        later = loop.call_later(self.after, begin)
        try:
            await self.app(scope, body, send)
        except asyncio.CancelledError:
            if not left or working.uncancel():
                raise
            scope["state"]["left"] = True
        finally:
            later.cancel()
            if looking:
                looking.cancel()


def reads(scope: Scope) -> bool:
    """Whether a request asks for something and changes nothing."""
    if scope["method"] in ("GET", "HEAD"):
        return True
    return bool(scope["method"] == "POST" and scope["path"].startswith(ASKING))
