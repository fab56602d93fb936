"""One time for a whole question: many statements, each within its own limit, are over by then too.

It ends where the answer begins: what is sent after that is there, or asked for piece by piece, with
no connection held between.  Changes are not broken off here, where nobody could say whether they
were done: one of a feature has a time of its own in the database (`api.ogc.writing`).
"""

import asyncio
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import BUSY, problem
from api.serving.guard import reads

LONGEST: Final = 30.0
"""Seconds that a question may take until its answer begins: as long as its longest statement."""

EXEMPT: Final = ("/live", "/changes")
"""Where one waits for what comes, as long as that takes, and holds no connection meanwhile."""


class Deadline:
    """Gives a question up that takes too long, in the database too, and says so."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on; 503 where the time is over before the answer begins."""
        if scope["type"] != "http" or not reads(scope) or exempt(scope["path"]):
            await self.app(scope, receive, send)
            return

        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            if not limit.expired():
                limit.reschedule(None)
            await send(message)

        try:
            async with asyncio.timeout(LONGEST) as limit:
                await self.app(scope, receive, watched)
        except TimeoutError:
            if begun or not limit.expired():
                raise
            await problem(Request(scope), 503, str(BUSY), BUSY.zh)(scope, receive, send)


def exempt(path: str) -> bool:
    """Whether one waits there for what comes.

    >>> [exempt(path) for path in ("/live", "/live/readings", "/lively", "/changes", "/within")]
    [True, True, False, True, False]
    """
    return any(path == each or path.startswith(f"{each}/") for each in EXEMPT)
