"""How many costly questions one address has under way: the rest wait, so that others are answered.

A rate alone would let one caller begin hundreds of them at once, each with a connection for as long
as its statements may take; then nobody else had one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import problem
from api.serving.rates import begun_here, cost_of
from api.serving.shared import place

COSTLY: Final = 10.0
"""From what cost on a question is a costly one: counts, polygons, values, thousands of ids."""

CHEAP: Final = frozenset(
    (b"", b"f", b"limit", b"after", b"bbox", b"bbox-crs", b"crs", b"properties")
)
"""Parameters of a collection's pages that an index answers; others may read all of it."""

AT_ONCE: Final = 3
"""Of one address, in one process: half of the fewest connections of a pool on two processors."""

PATIENCE: Final = 15.0
"""Seconds that one waits for those before it."""


@dataclass
class Turns:
    """The turns of one address, and how many hold or await one."""

    free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
    wanted: int = 0


class Heavy:
    """Lets a few costly questions of an address through at a time."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the app."""
        self.app = app
        self._turns: dict[bytes, Turns] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, when it is its turn; who calls from this machine is not kept waiting."""
        if scope["type"] != "http" or not costly(scope) or begun_here(scope):
            await self.app(scope, receive, send)
            return
        async with self._turn(place(scope)) as mine:
            if mine:
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
    async def _turn(self, who: bytes) -> AsyncIterator[bool]:
        """Whether it is one's turn, within some seconds."""
        turns = self._turns.setdefault(who, Turns())
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
    """
    path: str = scope["path"]
    if path.startswith("/ogc/") and path.endswith("/items"):
        asked = {part.partition(b"=")[0] for part in scope["query_string"].split(b"&")}
        return not asked <= CHEAP
    return cost_of(scope) >= COSTLY
