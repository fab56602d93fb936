"""A read replica: what only reads is asked there while it is near enough, and of the primary else.

A caller who has written is answered by the primary until the replica has replayed that far in the
primary's log: everybody reads what they wrote. Where the replica is away, too far behind or stops a
statement for its own sake, the primary answers; nobody is told.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from contextvars import ContextVar
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.database.store import Store
from cim.errors import StoreBusy, StoreError
from cim.store.direct import Direct
from cim.store.queries import serving

NEEDED: ContextVar[float] = ContextVar("needed", default=0.0)
"""How far in the primary's log the replica must be for the request under way, in bytes."""

PRIMARY = float("inf")
"""That only the primary will do."""

LOOKS = 0.25
"""Seconds between two looks at how far the replica is."""

PATIENCE = 2.0
"""Seconds in which it must say so."""

OWN = ("40001", "25006", "57P01", "57P02", "57P03")
"""SQLSTATEs by which a replica stops what the primary would not: replay came in between, a
statement writes after all, it ends."""

log = logging.getLogger("cim.api")
Found = TypeVar("Found")


class Replica:
    """Whether the replica can be asked, looked after in the background."""

    def __init__(self, primary: Store, second: Store, most_behind: float) -> None:
        """`second` is the replica's; `most_behind` in seconds."""
        self.primary, self.second, self.most_behind = primary, second, most_behind
        self.up, self.replayed, self.written = False, 0.0, 0.0
        self._samples: deque[tuple[float, float]] = deque()
        self._task: asyncio.Task[None] | None = None
        self.asked: Callable[[str], None] = lambda source: None
        self.noted: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def usable(self) -> bool:
        """Whether the request under way may be answered by the replica."""
        return self.up and self.replayed >= NEEDED.get() and self.behind <= self.most_behind

    @property
    def behind(self) -> float:
        """Seconds that the replica is behind: the age of the oldest it has not replayed."""
        return monotonic() - self._samples[0][0] if self._samples else 0.0

    @property
    def told(self) -> dict[str, Any]:
        """How it is."""
        behind = max(0, round(self.written - self.replayed))
        return {
            "usable": self.up and self.behind <= self.most_behind,
            "behind_bytes": behind if self.up else None,
            "behind_seconds": round(self.behind, 2) if self.up else None,
        }

    async def reached(self) -> float:
        """How far the primary's log has come."""
        self.written = float(await self.primary.value(serving.written()))
        return self.written

    def failed(self, error: Exception) -> bool:
        """Whether an error is the replica's own, so that the primary can be asked instead."""
        state = getattr(getattr(error, "orig", error), "sqlstate", None)
        if isinstance(error, DBAPIError) or state is not None:
            return state in OWN
        if isinstance(error, StoreBusy) or not isinstance(error, StoreError | OSError):
            return False
        self._down()
        return True

    async def _watch(self) -> None:
        while True:
            with suppress(StoreError, SQLAlchemyError, OSError, TimeoutError):
                await self._look()
            self.noted()
            await asyncio.sleep(LOOKS)

    async def _look(self) -> None:
        """Note how far both are; the primary's place is noted with the time it was there."""
        now, written = monotonic(), await self.reached()
        try:
            async with asyncio.timeout(PATIENCE):
                replayed = await self.second.value(serving.replayed())
        except (StoreError, SQLAlchemyError, OSError, TimeoutError):
            self._down()
            return
        if replayed is None:  # it was made a primary: what it holds is no longer ours
            self._down()
            return
        self.replayed = float(replayed)
        if not self._samples or self._samples[-1][1] < written:
            self._samples.append((now, written))
        while self._samples and self._samples[0][1] <= self.replayed:
            self._samples.popleft()
        if not self.up:
            self.up = True
            log.info("the read replica answers")

    def _down(self) -> None:
        if self.up:
            log.warning("the read replica does not answer; the primary does")
        self.up = False


async def either(
    replica: Replica,
    second: Callable[[], Awaitable[Found]],
    primary: Callable[[], Awaitable[Found]],
) -> Found:
    """What the replica answers if it may be asked, else the primary."""
    if replica.usable():
        try:
            found = await second()
        except Exception as error:  # whatever is not the replica's own travels on
            if not replica.failed(error):
                raise
        else:
            replica.asked("replica")
            return found
    replica.asked("primary")
    return await primary()


class NearStore(Store):
    """A store whose single statements the replica may answer; transactions are the primary's."""

    def __init__(self, engine: AsyncEngine, second: Store, replica: Replica) -> None:
        """`second` is the same on the replica."""
        super().__init__(engine)
        self.second, self.replica = second, replica

    async def rows(self, statement: Executable) -> Sequence[Any]:
        """Every row."""
        first = super().rows
        return await either(
            self.replica, lambda: self.second.rows(statement), lambda: first(statement)
        )

    async def row(self, statement: Executable) -> Any | None:
        """The first row as a named tuple, or None."""
        first = super().row
        return await either(
            self.replica, lambda: self.second.row(statement), lambda: first(statement)
        )


class NearDirect(Direct):
    """The same by the driver alone."""

    def __init__(self, primary: Direct, second: Direct, replica: Replica) -> None:
        """Both opened already."""
        self.primary, self.second, self.replica = primary, second, replica

    async def close(self) -> None:
        """Close every connection."""
        await self.primary.close()
        await self.second.close()

    async def _run(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        return await either(
            self.replica, lambda: self.second._run(ask), lambda: self.primary._run(ask)
        )
