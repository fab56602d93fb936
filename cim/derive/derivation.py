"""The derivation from store to store: batches read, drawn by other processes, and written."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, fields
from multiprocessing import get_context
from os import cpu_count

import numpy as np
from sqlalchemy import Connection, TextClause

from cim.derive.drawing import Drawing, draw
from cim.derive.inputs import Columns, buildings
from cim.derive.merging import merge
from cim.derive.placing import first, place
from cim.derive.rules import Rules
from cim.geometry.cuts import Flags
from cim.settings import Settings
from cim.store.copy import columns
from cim.store.queries.incoming import derive as queries

BATCH = 8_000
"""Buildings drawn and written at a time."""

Progress = Callable[[int], None]
"""Told how many further buildings are done."""


@dataclass(frozen=True)
class Derived:
    """How much was derived."""

    buildings: int = 0
    """Buildings whose inputs had changed."""
    entrances: int = 0
    plans: int = 0
    storeys: int = 0
    units: int = 0
    """Units that these buildings have now, loaded ones without a place apart."""
    undrawn: int = 0
    """Units without geometry, because their floor could not be divided."""
    ended: int = 0
    """Storeys and units that are no more."""

    def __str__(self) -> str:
        """A sentence for people."""
        return (
            f"{self.buildings:,} buildings: {self.entrances:,} entrances, {self.storeys:,} storeys "
            f"on {self.plans:,} plans and {self.units:,} units; {self.undrawn:,} of these units "
            f"have no outline; {self.ended:,} storeys and units ended"
        )

    @property
    def zh(self) -> str:
        """The same in Chinese."""
        return (
            f"{self.buildings:,} 栋建筑：{self.entrances:,} 个单元门、{self.storeys:,} 个楼层"
            f"（{self.plans:,} 个平面）、{self.units:,} 套房屋，其中 {self.undrawn:,} 套无轮廓；"
            f"{self.ended:,} 个楼层和房屋已注销"
        )

    def __add__(self, other: "Derived") -> "Derived":
        """Both together."""
        names = [field.name for field in fields(self)]
        return Derived(*(getattr(self, name) + getattr(other, name) for name in names))


def run(
    connection: Connection,
    settings: Settings,
    *,
    building_ids: Sequence[int] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Derived:
    """Derive the buildings whose inputs changed, of those named or of all, and say how much.

    Runs in the connection's transaction.  Derived before and unchanged since: nothing is touched,
    unless `force`.  A first derivation is written without a row a unit in the change feed; what a
    later one changes is in it.  Memory does not grow with the city.  Many buildings are drawn by
    spawned processes, so a script that calls this does so under `if __name__ == "__main__"`.
    Raises StoreError where the database refuses.
    """
    rules = Rules.of(settings)
    done = Derived(ended=_end_departed(connection, building_ids))
    chosen = building_ids
    size = len(chosen) if chosen is not None else connection.scalar(queries.how_many())
    with first(connection, int(size or 0)), _Drawers(rules) as drawers:
        for fresh, drawing in _drawings(connection, drawers, chosen, force):
            ended = 0
            if fresh:
                place(connection, drawing)
            else:
                ended = merge(connection, drawing)
            done += _counted(drawing, ended)
            if progress:
                progress(len(drawing.building))
    if done.buildings and connection.execute(queries.much(), {"count": done.buildings}).scalar():
        # Else the next reader plans for empty tables until the server's own round comes by.
        connection.exec_driver_sql(queries.ANALYZE)
    return done


def count(
    connection: Connection,
    settings: Settings,
    *,
    building_ids: Sequence[int] | None = None,
    force: bool = False,
) -> Derived:
    """What `run` would derive, without writing any of it."""
    done = Derived()
    with _Drawers(Rules.of(settings)) as drawers:
        for _, drawing in _drawings(connection, drawers, building_ids, force):
            done += _counted(drawing, 0)
    return done


@dataclass(frozen=True)
class _Job:
    """A part of a batch as it travels to a worker: columns as the store gave them."""

    rows: Columns
    chosen: Flags
    storeys: Columns
    units: Columns


class _Drawers:
    """Draws jobs in turn: here when they are few, in other processes when they are many."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "_Drawers":
        return self

    def __exit__(self, *_: object) -> None:
        if self.pool:
            self.pool.shutdown(cancel_futures=True)

    def submit(self, job: _Job) -> Future[Drawing]:
        """Start drawing; a full batch is what makes it worth a process."""
        if not self.pool and int(job.chosen.sum()) < BATCH:
            here: Future[Drawing] = Future()
            here.set_result(_draw(job, self.rules))
            return here
        if not self.pool:
            # Spawned, not forked: a fork would share the database's socket.
            workers = max(1, (cpu_count() or 1) - 1)
            self.pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
        return self.pool.submit(_draw, job, self.rules)

    @property
    def ahead(self) -> int:
        """Jobs that may wait at a time."""
        return (cpu_count() or 1) + 1 if self.pool else 0


def _draw(job: _Job, rules: Rules) -> Drawing:
    return draw(buildings(job.rows, job.chosen, job.storeys, job.units), rules)


def _drawings(
    connection: Connection, drawers: _Drawers, ids: Sequence[int] | None, force: bool
) -> Iterator[tuple[bool, Drawing]]:
    """Drawings in the order of the buildings, and whether these are new."""
    waiting: deque[tuple[bool, Future[Drawing]]] = deque()
    for fresh, job in _jobs(connection, drawers.rules, ids, force):
        waiting.append((fresh, drawers.submit(job)))
        while len(waiting) > drawers.ahead:
            was_fresh, drawn = waiting.popleft()
            yield was_fresh, drawn.result()
    for was_fresh, drawn in waiting:
        yield was_fresh, drawn.result()


def _jobs(
    connection: Connection, rules: Rules, ids: Sequence[int] | None, force: bool
) -> Iterator[tuple[bool, _Job]]:
    parameters: dict[str, object] = {"seed": rules.seed}
    if ids is not None:
        parameters["ids"] = [int(number) for number in ids]
    statement = queries.outdated(chosen=ids is not None, force=force)
    for rows in columns.read(connection, statement, parameters, size=BATCH):
        fresh = np.array(rows["fresh"], dtype=bool)
        if fresh.any():
            yield True, _Job(rows, fresh, {}, {})
        if not fresh.all():
            yield False, _given(connection, rows, ~fresh)


def _given(connection: Connection, rows: Columns, chosen: Flags) -> _Job:
    ids = {"ids": [rows["id"][row] for row in np.flatnonzero(chosen).tolist()]}
    storeys = _all(connection, queries.given_storeys(), ids)
    units = _all(connection, queries.given_units(), ids)
    return _Job(rows, chosen, storeys, units)


def _all(
    connection: Connection, statement: TextClause, parameters: dict[str, list[int]]
) -> Columns:
    """A whole result as columns; it is as large as the batch it belongs to."""
    whole: dict[str, list[object]] = {}
    for batch in columns.read(connection, statement, parameters):
        for name, values in batch.items():
            whole.setdefault(name, []).extend(values)
    return whole


def _end_departed(connection: Connection, ids: Sequence[int] | None) -> int:
    """End the storeys and units of buildings that have ended."""
    chosen = ids is not None
    named = {"ids": [int(number) for number in ids]} if ids is not None else {}
    steps = queries.end_departed(chosen=chosen)
    ended = sum(int(connection.execute(step, named).scalar_one()) for step in steps)
    connection.execute(queries.forget_departed(chosen=chosen), named)
    return ended


def _counted(drawing: Drawing, ended: int) -> Derived:
    return Derived(
        buildings=len(drawing.building),
        entrances=len(drawing.entrances.no),
        plans=len(drawing.plans.kind),
        storeys=len(drawing.floors.no),
        units=len(drawing.units.storey),
        undrawn=int((drawing.units.slot < 0).sum()),
        ended=ended,
    )
