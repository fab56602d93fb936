"""All who subscribed to the same and may hear the same: what is found for one is found for all."""

import asyncio
from collections.abc import Mapping, Sequence
from math import inf
from time import monotonic
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from api.database.store import Store
from api.live import frames
from api.live.asking import Ask
from api.live.frames import Frame, Mark
from api.live.readers import Reader
from cim.errors import InvalidQuery
from cim.store.queries.feeds import live as queries
from cim.store.queries.feeds.live import Audience

SHARED: Final = 2.0
"""Seconds for which a snapshot, with what came since, serves who joins."""

COLUMNS: Final = (
    *("id", "device_id", "device", "class", "name", "zh", "en", "property", "unit"),
    *("interval_s", "bind_type", "bind_id", "building_id", "faulty"),
)
"""What is told of each datastream."""


class Group:
    """One subscription of one audience, with its readers."""

    def __init__(self, ask: Ask, audience: Audience) -> None:
        """`find` comes next."""
        self.ask, self.audience = ask, audience
        self.ids: NDArray[np.int64] = np.empty(0, np.int64)
        self.devices: frozenset[int] = frozenset()
        self._left_home: dict[int, int] = {}
        self.readers: set[Reader] = set()
        self.spoken = monotonic()
        self.opened: tuple[int, str] | None = None  # of which ring, and the open alarms as JSON
        self._about = "{}"
        self._turn = asyncio.Lock()
        self._snapshot: Frame | None = None
        self._since: list[Frame] = []
        self._until = 0.0

    async def find(self, store: Store) -> NDArray[np.int64]:
        """Look up which datastreams it is of; those that are new to it.

        InvalidQuery where there are too many.
        """
        if self.ask.quiet:
            return self.ids
        ask = self.ask
        rows = await store.rows(
            queries.streams(dict(ask.named), dict(ask.narrowed), ask.box, self.audience)
        )
        if len(rows) > queries.MOST:
            raise InvalidQuery(
                f"This is more than {queries.MOST:,} datastreams: name fewer, take a smaller box, "
                "or narrow it by class or property.",
                f"订阅的数据流超过 {queries.MOST:,} 个：请减少对象、缩小范围，"
                "或用 class、property 筛选。",
            )
        before = self.ids
        self.ids = np.array([row.id for row in rows], np.int64)
        self.devices = frozenset(row.device_id for row in rows)
        self._left_home = {row.id: row.left_home for row in rows if row.left_home is not None}
        told = {name: [getattr(row, name) for row in rows] for name in COLUMNS}
        self._about = frames.of("streams", told, Mark(0, 0)).data
        self._until, self.opened = 0.0, None
        return np.setdiff1d(self.ids, before, assume_unique=True)

    def about(self, mark: Mark) -> Frame:
        """What it is of."""
        return Frame("streams", self._about, mark)

    async def begin(self, store: Store, mark: Mark, since: Mark | None) -> list[Frame]:
        """What somebody who joins must know first: all latest readings, or those since a mark.

        Who joins is a reader already, so that nothing is lost between.
        """
        if self.ask.quiet:
            return []
        if since is not None:
            return [self.about(mark), await self.latest(store, mark, since)]
        async with self._turn:
            if self._until < monotonic():
                self._since, self._until = [], inf  # what comes while it is read is kept as well
                try:
                    self._snapshot = await self.latest(store, mark)
                finally:
                    self._until = 0.0
                self._until = monotonic() + SHARED
            assert self._snapshot is not None
            return [self.about(mark), self._snapshot, *self._since]

    async def latest(self, store: Store, mark: Mark, since: Mark | None = None) -> Frame:
        """The latest readings as an event."""
        ids: list[int] = self.ids.tolist()
        rows = await store.rows(queries.latest(ids, since.transaction if since else None))
        return frames.of_lines(map(queries.as_values, rows), mark)

    def readings(self, ids: NDArray[np.int64], lines: Sequence[str], mark: Mark) -> Frame | None:
        """Those of some readings that it is of; `ids` are theirs, in the order of the lines."""
        if not len(self.ids):
            return None
        at = np.searchsorted(self.ids, ids)
        at[at == len(self.ids)] = 0
        found = np.flatnonzero(self.ids[at] == ids).tolist()
        if self._left_home:
            found = [each for each in found if self._is_of_now(lines[each])]
        return frames.of_lines([lines[each] for each in found], mark) if found else None

    def _is_of_now(self, line: str) -> bool:
        """Whether a reading was not measured in a unit where its device is no longer."""
        id, ms, _ = line.split(",", 2)
        return int(ms) >= self._left_home.get(int(id), -inf)

    def wants(self, alarm: Mapping[str, Any], units: frozenset[int]) -> bool:
        """Whether an alarm that affects these units is of what is subscribed to."""
        if self.ask.alarms != "here":
            return self.ask.alarms == "all"
        if (alarm["device"] or {}).get("id") in self.devices:
            return True
        place, about, ask = alarm["place"], alarm["object"] or {}, self.ask
        units = units | ({about["id"]} if about.get("type") == "unit" else set())
        houses = {*alarm["affected"]["buildings"], place["building_id"]}
        return (
            not ask.ids("unit").isdisjoint(units)
            or not ask.ids("building").isdisjoint(houses)
            or place["estate_id"] in ask.ids("estate")
            or (about.get("type") == "project" and about["id"] in ask.ids("project"))
        )

    def send(self, frame: Frame) -> int:
        """Have all read it; how many were dropped, since too much waits for them."""
        self.spoken = monotonic()
        if self.spoken < self._until:
            self._since.append(frame)
        elif self._since:
            self._since, self._snapshot = [], None
        slow = [reader for reader in self.readers if not reader.offer(frame)]
        self.readers.difference_update(slow)
        return len(slow)
