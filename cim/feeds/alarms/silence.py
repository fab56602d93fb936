"""Devices that are silent: each is looked at when its time is over, and not before.

A wheel holds, by the round in which they are due, the devices that rules of silence are for: eight
bytes each.  Whether a device has spoken since is asked of the store when its round comes: then it
is due again as much later.  The store is read through only where rules changed, and now and then.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from cim.feeds.alarms.judge import AlarmEvent
from cim.feeds.alarms.states import EPOCH
from cim.store.queries.feeds import alarms as queries

ROUND: Final = 30.0
"""Seconds of a round."""

ANEW: Final = timedelta(minutes=15)
"""After which it is read anew which devices rules are for: some may have been bound elsewhere, or
be expected more often."""

LOOK: Final = 5_000
"""Devices that are asked about at once."""

MOST: Final = 1_000
"""Alarms that begin in a round; those beyond begin in the next."""


class Silences:
    """Which devices are to be looked at when."""

    def __init__(self, since: datetime = EPOCH) -> None:
        """What nobody could hear before `since` is no silence."""
        self.since = since
        self._wheel: dict[int, dict[int, array[int]]] = {}
        self._rules: str | None = None
        self._last, self._read = 0, EPOCH

    def __len__(self) -> int:
        """How many looks are waiting."""
        return sum(len(some) for due in self._wheel.values() for some in due.values())

    async def look(self, connection: Any, now: datetime) -> list[AlarmEvent]:
        """Begin alarms of devices that are silent at `now`; in a transaction for each thousand."""
        await self._follow(connection, now)
        events: list[AlarmEvent] = []
        for rules, devices in self._due(_round(now)):
            if len(events) >= MOST:
                self._put(_round(now) + 1, rules[0], devices)
                continue
            async with connection.transaction():
                events += await self._weigh(connection, now, rules, devices, MOST - len(events))
        return events

    async def _follow(self, connection: Any, now: datetime) -> None:
        """Learn which devices are watched: all, where rules changed, else those of new streams."""
        row = await connection.fetchrow(queries.SILENT_RULES)
        if row["rules"] != self._rules or now - self._read >= ANEW:
            self._wheel.clear()
            self._rules, self._read, self._last = row["rules"], now, 0
        if row["last"] > self._last:
            asked = queries.silences(now, self.since, self._last, ROUND)
            for found in await connection.fetch(asked.sql, *asked.values):
                self._put(found["due"], found["rule_id"], found["devices"])
            self._last = row["last"]

    def _put(self, due: int, rule: int, devices: Any) -> None:
        self._wheel.setdefault(due, {}).setdefault(rule, array("q")).extend(devices)

    def _due(self, until: int) -> Iterator[tuple[list[int], list[int]]]:
        """Rules and devices whose round has come, so many at once; they leave the wheel."""
        for due in sorted(each for each in self._wheel if each <= until):
            for rule, devices in self._wheel.pop(due).items():
                for at in range(0, len(devices), LOOK):
                    some = sorted(set(devices[at : at + LOOK]))
                    yield [rule] * len(some), some

    async def _weigh(
        self, connection: Any, now: datetime, rules: list[int], devices: list[int], room: int
    ) -> list[AlarmEvent]:
        """Look at some devices: those that are silent, as many as there is room for, begin alarms;
        all of them come in a round again."""
        asked = queries.quiet(rules, devices, self.since)
        begin: list[Any] = []
        again: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row in await connection.fetch(asked.sql, *asked.values):
            due = row["due"]
            if due <= now and (not row["may"] or len(begin) < room):
                begin += [row] if row["may"] else []
                due = now + row["allowed"]
            # A round that is over is not come to again in this look.
            again[max(_round(due), _round(now) + 1), row["rule_id"]].append(row["device_id"])
        events = await _begin(connection, begin)
        for (due, rule), some in again.items():
            self._put(due, rule, some)
        return events


async def _begin(connection: Any, rows: list[Any]) -> list[AlarmEvent]:
    """Alarms of devices that are silent; those that another began already are none."""
    if not rows:
        return []
    none = [None] * len(rows)
    columns = [[row[name] for row in rows] for name in ("rule_id", "stream", "since")]
    begun = await connection.fetch(queries.BEGIN, *columns, none, none)
    return [
        AlarmEvent(one["event_id"], "begin", one["rule_id"], one["datastream_id"]) for one in begun
    ]


def _round(moment: datetime) -> int:
    """The round that a moment lies in."""
    return int((moment - EPOCH).total_seconds() // ROUND)
