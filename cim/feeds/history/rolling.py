"""Sums up readings when their time is over, and again when some came late or were corrected.

One at a time, under a lock. Each hour, each day and each day's marks are a transaction of their
own, which writes the sums and how far they go: whatever breaks, they are as before or as after.
All of a transaction sees one moment, so a mark is worked off only with the reading that it was left
for.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cim.store.queries.feeds import rollups as statements

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
CHINA: Final = timedelta(hours=8)

GRACE: Final = timedelta(seconds=30)
"""How long after its end an hour is closed: what is a little late needs no mark."""

STREAMS: Final = 20_000
"""Streams whose marks are worked off in one transaction."""

WAIT: Final = "300ms"
"""How long the closing of an hour may keep writers waiting; it is tried again at the next call."""

UNHURRIED: Final = """SET LOCAL statement_timeout = 0; SET LOCAL jit = off;
    SET LOCAL plan_cache_mode = force_custom_plan"""
"""As long as it takes, and planned for the days it is about."""

Told = Callable[[str, int], None]
"""Called with `hours`, `days` or `again`, and how many were summed up since the last call."""


@dataclass
class Rolled:
    """What one call did."""

    hours: int = 0
    """Hours summed up for the first time."""

    days: int = 0
    """Days summed up for the first time."""

    again: int = 0
    """Hours of streams summed up again, because of marks."""

    readings: int = 0
    """Readings that were read for it."""


async def roll(connection: Any, until: datetime, told: Told | None = None) -> Rolled | None:
    """Sum up what is over at `until`, and what was marked; None where somebody else is at it.

    The connection is asyncpg's, in no transaction, and may be that of `cim_feeder`.
    """
    if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", statements.ROLLING):
        return None
    try:
        return await _Roll(connection, told or (lambda *_: None)).run(until)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", statements.ROLLING)


class _Roll:
    """One call of `roll`."""

    def __init__(self, connection: Any, told: Told) -> None:
        self.connection, self.told, self.done = connection, told, Rolled()

    async def run(self, until: datetime) -> Rolled:
        await self._close(_hour_of(until - GRACE))
        levels = await self._levels()
        await self._prepare(levels["hour"]["rolled_until"], until, until + timedelta(days=7))
        while (hour := levels["hour"]["rolled_until"]) < levels["hour"]["closed_until"]:
            await self._together(self._hour, hour)
            await self._days()
            levels = await self._levels()
        await self._days()
        while await self._marks():
            pass
        return self.done

    async def _levels(self) -> dict[str, Any]:
        return {row["level"]: row for row in await self.connection.fetch(statements.LEVELS)}

    async def _prepare(self, *moments: datetime) -> None:
        await self.connection.fetchval("SELECT city.prepare_rollups($1)", moments)

    async def _together(self, work: Callable[..., Awaitable[Any]], *args: Any) -> Any:
        """In one transaction, which sees one moment and takes the time it needs."""
        async with self.connection.transaction(isolation="repeatable_read"):
            await self.connection.execute(UNHURRIED)
            return await work(*args)

    async def _close(self, until: datetime) -> None:
        """Have what comes in for before `until` marked, once nobody writes who does not know.

        Where somebody writes for long, nothing is closed yet: it will be by a later call.
        """
        connection = self.connection
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{WAIT}'")
            if await _locked(connection, statements.CLOSING):
                await connection.execute(statements.CLOSE, until)

    async def _hour(self, hour: datetime) -> None:
        await self._prepare(hour)
        row = await self.connection.fetchrow(statements.HOUR, hour, hour + HOUR)
        await self.connection.execute(statements.ROLLED, ["5min", "hour"], hour + HOUR)
        self.done.hours += 1
        self.done.readings += row["readings"]
        self.told("hours", 1)

    async def _days(self) -> None:
        """The days whose hours are all there."""
        while True:
            levels = await self._levels()
            day = levels["day"]["rolled_until"]
            if day + DAY > levels["hour"]["rolled_until"]:
                return
            await self._together(self._day, day)

    async def _day(self, day: datetime) -> None:
        await self._prepare(day)
        await self.connection.execute(statements.DAY, day)
        await self.connection.execute(statements.ROLLED, ["day"], day + DAY)
        self.done.days += 1
        self.told("days", 1)

    async def _marks(self) -> bool:
        """Work off marks of one day of UTC; whether there were any."""
        return bool(await self._together(self._marked))

    async def _marked(self) -> bool:
        levels = await self._levels()
        rolled = levels["hour"]["rolled_until"]
        day = await self.connection.fetchval(statements.NEXT_DAY, rolled)
        if day is None:
            return False
        spans = await self.connection.fetch(statements.MARKED, day, rolled, STREAMS)
        await self._prepare(day, day - CHINA, day + DAY - CHINA)
        anew = [span for span in spans if not span["kept"]]
        for statement in statements.FORGET:
            await self.connection.execute(statement, *_columns(anew), day, day + DAY)
        row = await self.connection.fetchrow(statements.AGAIN, *_columns(spans), day, day + DAY)
        ids = [span["id"] for span in spans]
        for begins in (day - CHINA, day + DAY - CHINA):
            if begins < levels["day"]["rolled_until"]:
                dropped = levels["hour"]["dropped_before"]
                await self._day_again(begins, ids, keep=dropped is not None and begins < dropped)
        for statement in statements.WORKED_OFF:
            await self.connection.execute(statement, day, rolled, max(ids))
        self.done.again += sum((span["until"] - span["since"]) // HOUR for span in spans)
        self.done.readings += row["readings"]
        self.told("again", len(ids))
        return True

    async def _day_again(self, day: datetime, ids: Sequence[int], *, keep: bool) -> None:
        """A day of some streams, from the hours that stand; `keep` where these are not all."""
        if not keep:
            await self.connection.execute(statements.FORGET_DAY, day, ids)
        await self.connection.execute(statements.DAY_AGAIN, day, ids)


def _hour_of(moment: datetime) -> datetime:
    """The hour that a moment lies in.

    >>> _hour_of(datetime(2026, 3, 9, 7, 59, 30, tzinfo=UTC)).isoformat()
    '2026-03-09T07:00:00+00:00'
    """
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _columns(spans: Sequence[Any]) -> tuple[list[Any], list[Any], list[Any]]:
    return (
        [span["id"] for span in spans],
        [span["since"] for span in spans],
        [span["until"] for span in spans],
    )


async def _locked(connection: Any, key: int) -> bool:
    """Whether a lock was got within the time that the transaction gives it."""
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", key)
    except Exception as error:
        if getattr(error, "sqlstate", None) == "55P03":
            return False
        raise
    return True
