"""How many costly questions one caller has under way: the rest wait, so that others are answered.

One is counted by where they call from, and by what they show of who they are: neither many keys at
one address nor one key at many addresses gets further.

A rate alone would let one caller begin hundreds of them at once, each with a connection for as long
as its statements may take; then nobody else had one.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import problem
from api.serving.rates import begun_here, cost_of
from api.serving.shared import credential, place
from cim.settings import Settings

COSTLY: Final = 10.0
"""From what cost on a question is a costly one: counts, polygons, values, thousands of ids."""

CHEAP: Final = frozenset(
    (b"", b"f", b"limit", b"after", b"bbox", b"bbox-crs", b"crs", b"properties")
)
"""Parameters of a collection's pages that an index answers; others may read all of it."""


WHOLE: Final = re.compile(rb"(?:\$|%24)(?:filter|orderby|expand|count|skip=|top=\d{5})")
"""Options of SensorThings that may read a whole set."""

PATIENCE: Final = 15.0
"""Seconds that one waits for those before it."""


@dataclass
class Turns:
    """The turns of one caller, and how many hold or await one."""

    free: asyncio.Semaphore
    wanted: int = 0


def at_once(share: int) -> int:
    """How many questions of one caller a process works on, whose pools have so many connections.

    >>> at_once(1), at_once(2), at_once(6), at_once(7)
    (1, 1, 3, 3)
    """
    return max(1, share // 2)


class Heavy:
    """Lets a few costly questions of a caller through at a time."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        """Wrap the app."""
        self.app, self.settings = app, settings
        self._turns: dict[bytes, Turns] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, when it is its turn; who calls from this machine is not kept waiting."""
        if scope["type"] != "http" or not costly(scope) or begun_here(scope):
            await self.app(scope, receive, send)
            return
        shown = credential(scope, self.settings)
        most = at_once(scope["app"].state.share)
        async with AsyncExitStack() as turns:
            for who in (place(scope), *((shown,) if shown else ())):
                if not await turns.enter_async_context(self._turn(who, most)):
                    break
            else:
                await self.app(scope, receive, send)
                return
        answer = problem(
            Request(scope),
            429,
            "Too many costly questions at once; let some be answered first.",
            "同时进行的大型查询过多，请等待部分查询完成。",
        )
        answer.headers["Retry-After"] = "5"
        await answer(scope, receive, send)

    @asynccontextmanager
    async def _turn(self, who: bytes, most: int) -> AsyncIterator[bool]:
        """Whether it is one's turn, within some seconds."""
        turns = self._turns.setdefault(who, Turns(asyncio.Semaphore(most)))
        turns.wanted += 1
        try:
            try:
                async with asyncio.timeout(PATIENCE):
                    await turns.free.acquire()
            except TimeoutError:
                yield False
                return
            try:
                yield True
            finally:
                turns.free.release()
        finally:
            turns.wanted -= 1
            if not turns.wanted:
                self._turns.pop(who, None)


def costly(scope: Scope) -> bool:
    """Whether a question may take a connection for long.

    >>> items = "/ogc/collections/units/items"
    >>> [costly({"path": items, "query_string": q}) for q in (b"bbox=1,2,3,4", b"room_no=8")]
    [False, True]
    >>> costly({"path": "/within", "query_string": b""})
    True
    >>> [costly({"path": f"/sta/v1.1/{path}", "query_string": b"$filter=name eq 'x'"})
    ...     for path in ("Things", "Things(1)/Datastreams")]
    [True, False]
    >>> costly({"path": "/sta/v1.1/$batch", "query_string": b""})
    True
    """
    path: str = scope["path"]
    if path.startswith("/sta/") and not path.endswith("/$batch"):
        # Of one entity an index answers all that is asked; of a whole set any option may read it.
        return "(" not in path and bool(WHOLE.search(scope["query_string"]))
    if path.startswith("/ogc/") and path.endswith("/items"):
        asked = {part.partition(b"=")[0] for part in scope["query_string"].split(b"&")}
        return not asked <= CHEAP
    return cost_of(scope) >= COSTLY
