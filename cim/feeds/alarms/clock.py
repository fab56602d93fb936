"""What no reading brings about: conditions that lasted, happenings that are over, silence.

One process at a time looks, whichever holds the advisory lock; the others stand by.
"""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime
from typing import Any, Final

import asyncpg

from cim.feeds.alarms import silence
from cim.feeds.alarms.judge import AlarmEvent, Told, write
from cim.feeds.alarms.judging import Happening, lapse
from cim.feeds.alarms.silence import Silences
from cim.feeds.alarms.states import EPOCH, MICRO, Watch, keep, watch_of
from cim.store.queries.feeds import alarms as queries

LOCK: Final = 1667853691
"""The advisory lock of who looks at the clock."""

ROUND: Final = 1.0
"""Seconds between two looks at what is due."""

LISTENING: Final = silence.ROUND
"""Seconds between two looks for devices that are silent."""

LOST: Final = "the clock of alarms lost the database: %s · 告警时钟与数据库的连接中断"

log = logging.getLogger("cim.feeds")


async def tick(connection: Any, now: datetime | None = None) -> list[AlarmEvent]:
    """Begin what has lasted long enough and end what is over; in a transaction of its own."""
    at = now or datetime.now(UTC)
    asked = queries.due(at)
    async with connection.transaction():
        rows = await connection.fetch(asked.sql, *asked.values)
        told: Told = []
        watches: dict[tuple[int, object], Watch] = {}
        for row in rows:
            watch = watch_of(row)
            key = (watch.rule.id, watch.stream if watch.group is None else watch.group)
            if key in watches:
                continue  # the streams of a combination share what is due
            watches[key] = watch
            watch.state, happening = lapse(watch.rule, watch.state, (at - EPOCH) // MICRO)
            if happening and happening.kind == "begin":
                # It has lasted: what it lasts with is the latest reading.
                told.append(
                    (watch, Happening("begin", happening.at, row["last_value"], row["last_text"]))
                )
            elif happening:
                told.append((watch, happening))
        joined = await _joined(connection, watches.values())
        events = await write(connection, told, joined, why="time")
        single = [watch for watch in watches.values() if watch.part is None]
        await keep(connection, [*single, *joined])
    return events


async def _joined(connection: Any, watches: Any) -> list[Watch]:
    """All streams of the combinations among these, with the state that these have now."""
    parts = [watch for watch in watches if watch.part is not None]
    if not parts:
        return []
    asked = queries.groups([w.stream for w in parts], [w.rule.id for w in parts])
    found = [watch_of(row) for row in await connection.fetch(asked.sql, *asked.values)]
    known = {(watch.rule.id, watch.group): watch.state for watch in parts}
    kept = [watch for watch in found if (watch.rule.id, watch.group) in known]
    for watch in kept:
        watch.state = known[watch.rule.id, watch.group]
    return kept


async def listen(
    connection: Any, now: datetime | None = None, silences: Silences | None = None
) -> list[AlarmEvent]:
    """End alarms of devices that have spoken, and begin those of devices that are silent."""
    at = now or datetime.now(UTC)
    events: list[AlarmEvent] = []
    async with connection.transaction():
        asked = queries.heard()
        spoken = await connection.fetch(asked.sql, *asked.values)
        if spoken:
            none = [None] * len(spoken)
            ids, ats = [row["id"] for row in spoken], [row["at"] for row in spoken]
            await connection.execute(queries.END, ids, ats, none, none, "reading")
            events += [AlarmEvent(id, "end", 0, 0) for id in ids]
    silences = Silences() if silences is None else silences
    return events + await silences.look(connection, at)


async def run(connect: Any, stopping: asyncio.Event) -> None:
    """Look at the clock until told to stop; `connect` opens a connection of asyncpg's.

    A database that goes away is waited for.
    """
    while not stopping.is_set():
        try:
            connection = await connect()
        except (OSError, asyncpg.PostgresError):
            await _pause(stopping, 5 * ROUND)
            continue
        try:
            await _rounds(connection, stopping)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning(LOST, type(error).__name__)
            await _pause(stopping, ROUND)
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await connection.close(timeout=5)


async def _rounds(connection: Any, stopping: asyncio.Event) -> None:
    """Wait for the lock, then look every round.

    Silence counts from then on: while nobody listened, nobody could be heard.
    """
    silences: Silences | None = None
    listened, loop = 0.0, asyncio.get_running_loop()
    while not stopping.is_set():
        if silences is None and await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            silences = Silences(datetime.now(UTC))
        if silences is not None:
            await tick(connection)
            if loop.time() - listened >= LISTENING or not listened:
                listened = loop.time()
                await listen(connection, silences=silences)
        await _pause(stopping, ROUND)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
