"""What happens to alarms, told to who subscribed: each entry of their history once, none missed."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any, Final

import asyncpg
import orjson
from sqlalchemy.exc import DBAPIError

from api.database.store import Store
from api.live import frames
from api.live.frames import Frame, Mark
from api.live.groups import Group
from cim.errors import CimError
from cim.store.queries.feeds import live as queries
from cim.store.queries.feeds import told
from cim.store.queries.feeds.live import Audience

OPEN: Final = 1_000
"""Open alarms that somebody who joins is told of; there are more at `GET /alarms`."""

ENTRIES: Final = 20_000
"""Entries that are read at a time."""

AGAIN: Final = 2_000
"""Entries that somebody who was cut off is told of; there are more at `GET /alarms`."""

BEHIND: Final = 50_000
"""Entries after which nobody goes on where they were: to look for theirs would take too long."""

MISSED: Final = {
    "detail": "More happened than is told again: alarms that are open were told, all others are at "
    "GET /alarms?state=all.",
    "detail_zh": "中断期间的事件过多，不再逐条补发：未关闭的告警已给出，"
    "其余见 GET /alarms?state=all。",
}
"""What is said to them."""

TOGETHER: Final = 100
"""Entries of one event."""

LOST = (CimError, OSError, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What is said of a connection that has gone."""

Alarm = dict[str, Any]
Happened = tuple[dict[str, Any], frozenset[int]]
"""An entry with its alarm, and the units that it affects."""


class Alarms:
    """Reads what happened when it is rung, once for each audience."""

    def __init__(
        self,
        store: Store,
        groups: Callable[[], Collection[Group]],
        mark: Callable[[], Mark],
        send: Callable[[Group, Frame], None],
    ) -> None:
        """For these groups; `mark` is up to where all was heard."""
        self.store, self.groups, self.mark, self.send = store, groups, mark, send
        self._rings = 0
        self._seen: set[int] = set()
        self._reading: asyncio.Task[None] | None = None
        self._open: dict[Audience, list[Alarm]] = {}

    def forget(self) -> None:
        """What is known of open alarms is not true any more."""
        self._rings += 1
        self._open.clear()

    def ring(self) -> None:
        """Something happened: read it, and once more where it is being read already."""
        self.forget()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())

    async def stop(self) -> None:
        """Read nothing more."""
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    async def begin(self, group: Group, mark: Mark, since: Mark | None) -> list[Frame]:
        """The alarms that are open, and what happened since a mark to any of them."""
        if group.ask.alarms == "none":
            return []
        found = [Frame("alarms", await self._of(group), mark)]
        if since is None:
            return found
        if mark.entry - since.entry > BEHIND:
            return [*found, frames.of("missed", MISSED, mark)]
        rows = await self.store.rows(queries.entries(since.entry, since.transaction, AGAIN + 1))
        if len(rows) > AGAIN:
            return [*found, frames.of("missed", MISSED, mark)]
        return found + _framed(await self._happened(rows, [group]), group, mark)

    async def _of(self, group: Group) -> str:
        """The alarms that are open of what a group subscribed to, as JSON."""
        rung = self._rings
        if group.opened is not None and group.opened[0] == rung:
            return group.opened[1]
        known = self._open.get(group.audience)
        if known is None:
            ids = [row.id for row in await self.store.rows(queries.open_alarms(OPEN))]
            known = list((await self._told(ids, group.audience)).values())
            if rung == self._rings:
                self._open[group.audience] = known
        units = await self._units([one["id"] for one in known], [group])
        here = [one for one in known if group.wants(one, units.get(one["id"], frozenset()))]
        said = frames.of("alarms", here, Mark(0, 0)).data
        if rung == self._rings:
            group.opened = (rung, said)
        return said

    async def _read(self) -> None:
        rung = -1
        while rung != self._rings:
            rung = self._rings
            with suppress(*LOST):  # who listens is listening anew, and rings then
                await self._tell(self.mark())

    async def _tell(self, mark: Mark) -> None:
        """Give every group what it has not been told since a mark."""
        rows = await self.store.rows(queries.entries(mark.entry, mark.transaction, ENTRIES))
        fresh = [row for row in rows if row.id not in self._seen]
        by_audience: dict[Audience, list[Group]] = {}
        for group in self.groups():
            if group.ask.alarms != "none":
                by_audience.setdefault(group.audience, []).append(group)
        for groups in by_audience.values():
            happened = await self._happened(fresh, groups)
            for group in groups:
                for frame in _framed(happened, group, mark):
                    self.send(group, frame)
        self._seen = {row.id for row in rows}  # a mark only grows: no other comes again

    async def _happened(self, rows: Sequence[Any], groups: Sequence[Group]) -> list[Happened]:
        """What happened, with the alarms as they are now, for groups of one audience."""
        ids = sorted({row.event_id for row in rows})
        known = await self._told(ids, groups[0].audience)
        units = await self._units(ids, groups)
        return [
            (
                {"entry": row.id, "what": row.kind, "at": row.ms, "alarm": known[row.event_id]},
                units.get(row.event_id, frozenset()),
            )
            for row in rows
            if row.event_id in known
        ]

    async def _told(self, ids: Sequence[int], audience: Audience) -> dict[int, Alarm]:
        """Alarms by id, as far as an audience may hear of them."""
        if not ids:
            return {}
        everywhere, areas, grids = audience.living
        who = told.rights(None if everywhere else (areas, grids), True, audience.sight)
        asked = told.told(list(ids), who)
        async with self.store.alone() as connection:
            rows = (await connection.exec_driver_sql(asked.sql, asked.values)).all()
        return {row.id: orjson.loads(row.answer) for row in rows}

    async def _units(
        self, ids: Sequence[int], groups: Sequence[Group]
    ) -> dict[int, frozenset[int]]:
        """The units that alarms affect, where one of the groups, all of one audience, asks."""
        if not ids or not any(g.ask.alarms == "here" and g.ask.ids("unit") for g in groups):
            return {}
        rows = await self.store.rows(queries.affected(ids, groups[0].audience))
        return {row.event_id: frozenset(row.units) for row in rows}


def _framed(happened: Sequence[Happened], group: Group, mark: Mark) -> list[Frame]:
    """What of it a group asked for, as events."""
    found = [entry for entry, units in happened if group.wants(entry["alarm"], units)]
    return [
        frames.of("alarm", found[at : at + TOGETHER], mark) for at in range(0, len(found), TOGETHER)
    ]
