"""The work of a run in tasks: each reads the rows of some tiles itself, builds and stores them.

A task is a run of tiles with about as many features as any other, and may be carried out anywhere
and any number of times: what comes of it is the same.
"""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from cim.crs.geoid import Geoid, geoid
from cim.settings import Settings
from cim.store.copy import columns
from cim.store.engine import open_engine
from cim.store.queries.tiles import leaves as queries
from cim.store.queries.tiles import manifest
from tiling.city.layers import Layer
from tiling.city.members import Members
from tiling.city.rows import Pieces, Rows, take
from tiling.city.tile import build_tile
from tiling.disk.folder import PACKED, store
from tiling.formats import tiles3d
from tiling.formats.metadata import Table
from tiling.formats.packed import packed
from tiling.formats.subtree import Region
from tiling.formats.tree import Key

TASKS = 4
"""Tasks of a small run for each that is to be under way: so all end at about the same time."""

LEAST, MOST = 2_000, 24_000
"""Features of a task: fewer are not worth a statement, and more would take memory."""

WAITING = 8
"""Tasks handed out and not yet back, where the executor does not say how many `workers` it has."""

QUIET = """
    SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0;
    SET LOCAL random_page_cost = 1"""
"""How the database reads for a task: there are several of them already."""


@dataclass(frozen=True)
class Done:
    """A tile that was built: what the manifest keeps of it.

    `digest` is BLAKE2b of its plain bytes (16 bytes), `size` and `packed` count bytes, plain and
    gzipped; `skipped` are ids left out, each with its Reason.  All are 0 where nothing in it could
    be drawn.
    """

    key: Key
    region: Region
    digest: bytes
    size: int
    packed: int
    features: int
    skipped: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Task:
    """Buildings by id, and for each the number of its tile among the `keys`."""

    keys: tuple[Key, ...]
    ids: NDArray[np.int64]
    tile: NDArray[np.int32]


@dataclass(frozen=True)
class Work:
    """What a worker needs to know, whichever process it is in."""

    settings: Settings
    layer: Layer
    table: Table
    folder: Path | None
    snapshot: str

    def __call__(self, task: Task) -> list[Done]:
        """Carry out a task on a connection of this process's own."""
        reach = _reach(self.settings)
        return list(self.carry_out(task, reach.engine, reach.heights))

    def carry_out(self, task: Task, engine: Engine, heights: Geoid) -> Iterator[Done]:
        """Read the rows of the tiles, build them, and store them; their bytes stay behind."""
        with (
            engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
            connection.begin(),
        ):
            connection.exec_driver_sql(manifest.see(self.snapshot))
            connection.exec_driver_sql(QUIET)
            rows = _read(connection, self.layer, heights, task.ids)
        for key, found in _by_tile(self.layer, task, rows):
            yield self._done(key, found)

    def _done(self, key: Key, rows: Rows) -> Done:
        tile = build_tile(self.layer, self.table, key, rows)
        small = packed(tile.content) if tile.content else b""
        if self.folder and tile.content:
            path = self.folder / tiles3d.content_path(key)
            store(path, tile.content)
            store(path.with_name(path.name + PACKED), small)
        digest = blake2b(tile.content, digest_size=16).digest()
        size = len(tile.content), len(small)
        return Done(key, tile.region, digest, *size, tile.features, tile.skipped)


def carry_out(
    settings: Settings,
    engine: Engine,
    layer: Layer,
    tasks: list[Task],
    executor: Executor | None,
    target: Path | None,
    snapshot: str,
) -> Iterator[Done]:
    """Build the tiles of these tasks and store them below `target`, where one is given.

    Tiles come as they are done.  All rows are read as the city was when `snapshot` was exported;
    that transaction must stay open.  Without an executor, or for a single task, it is done here.
    """
    with engine.connect() as connection:
        table = table_of(connection, layer)
    work = Work(settings, layer, table, target, snapshot)
    if executor is None or len(tasks) == 1:
        heights = geoid(settings)
        for task in tasks:
            yield from work.carry_out(task, engine, heights)
        return
    for found in shared(work, tasks, executor):
        yield from found


def tasks_of(members: Members, executor: Executor | None = None) -> list[Task]:
    """Members, which are in the order of their tiles, cut between tiles into even tasks.

    Those of a small run are as many as keep the `executor` busy to the end.
    """
    if not len(members):
        return []
    new = np.diff(members.level, prepend=-1) != 0
    new |= np.diff(members.cell, prepend=-1) != 0
    tile, first = np.cumsum(new, dtype=np.int32) - 1, np.flatnonzero(new)
    total = int(members.weight.sum())
    size = min(max(total // (TASKS * under_way(executor)), LEAST), MOST)
    before = np.cumsum(members.weight) - members.weight
    task_of_tile = before[first] // size
    keys = members.keys()
    cuts = [*np.flatnonzero(np.diff(task_of_tile, prepend=-1)).tolist(), first.size]
    ends = [*first.tolist(), len(members)]
    return [
        Task(
            tuple(keys[start:end]),
            members.building_id[ends[start] : ends[end]],
            tile[ends[start] : ends[end]] - start,
        )
        for start, end in pairwise(cuts)
    ]


def shared(work: Work, tasks: list[Task], executor: Executor) -> Iterator[list[Done]]:
    """What comes of each task as it is done, a few under way at a time."""
    left, handed = iter(tasks), set[Future[list[Done]]]()
    try:
        while True:
            for _, task in zip(range(under_way(executor) - len(handed)), left, strict=False):
                handed.add(executor.submit(work, task))
            if not handed:
                return
            done, handed = wait(handed, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        for future in handed:
            future.cancel()


def under_way(executor: Executor | None) -> int:
    """How many tasks an executor should have at a time."""
    return 1 if executor is None else getattr(executor, "workers", WAITING)


def table_of(connection: Connection, layer: Layer) -> Table:
    """The property table of a layer, with the codes of its lists as they are now."""
    lists = [item.enum for item in layer.properties if item.enum]
    codes = {name: tuple(connection.scalars(queries.codes(name))) for name in lists}
    return layer.table(codes)


def _read(
    connection: Connection, layer: Layer, heights: Geoid, ids: NDArray[np.int64]
) -> dict[str, Any]:
    """The rows of the features of these buildings."""
    pieces = {
        name: columns.fetch(connection, query.statement, query.types)
        for name, query in layer.rows(ids.tolist()).items()
    }
    return joined(layer, heights, pieces)


def joined(layer: Layer, heights: Geoid, pieces: Pieces) -> dict[str, Any]:
    """One table of what was read in pieces, with the shift of each row up to the ellipsoid."""
    rows = layer.join(pieces)
    shift = heights.height(rows.pop("longitude"), rows.pop("latitude"))
    return {**rows, "shift": shift}


def _by_tile(layer: Layer, task: Task, rows: Rows) -> Iterator[tuple[Key, Rows]]:
    """The rows of each tile in turn, also of one that has none any more."""
    order = np.argsort(task.ids)
    place = order[np.searchsorted(task.ids, rows[layer.owner], sorter=order)]
    tile = task.tile[place]
    by_tile = np.argsort(tile, kind="stable")
    cuts = np.searchsorted(tile[by_tile], np.arange(len(task.keys) + 1))
    for number, key in enumerate(task.keys):
        places = by_tile[cuts[number] : cuts[number + 1]]
        yield key, {name: take(values, places) for name, values in rows.items()}


@dataclass(frozen=True)
class _Reach:
    """A worker's way to the database, and its heights: kept from task to task."""

    settings: Settings
    engine: Engine
    heights: Geoid


_reached: list[_Reach] = []


def _reach(settings: Settings) -> _Reach:
    """What a worker needs besides its task, of a city with these settings."""
    if not _reached or _reached[0].settings != settings:
        _reached[:] = [_Reach(settings, open_engine(settings), geoid(settings))]
    return _reached[0]
