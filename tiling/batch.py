"""The work of a run: the rows of tile after tile, built and stored by whoever is free."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine, select

from cim.crs.geoid import Geoid, geoid
from cim.settings import Settings
from cim.store import columns
from cim.store.queries import tiles as queries
from tiling import tiles3d
from tiling.folder import PACKED, store
from tiling.layers import Layer
from tiling.members import Members, keep
from tiling.metadata import Table
from tiling.packed import packed
from tiling.subtree import Region
from tiling.tile import Rows, build_tile
from tiling.tree import Key

FEW = 50
"""Tiles up to which each is asked for by itself."""

WAITING = 8
"""Tiles handed to an executor and not yet back: what bounds the memory."""


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
class Work:
    """What a worker needs to know, whichever process it is in."""

    layer: Layer
    table: Table
    folder: Path | None

    def __call__(self, key: Key, rows: Rows) -> Done:
        """Build a tile and put it on disk, and its gzipped copy; its bytes stay behind."""
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
    members: Members,
    executor: Executor | None,
    target: Path | None,
    snapshot: str,
) -> Iterator[Done]:
    """Build the tiles of these members and store them below `target`, where one is given."""
    wanted = set(members.keys())
    with engine.connect() as connection:
        if target is None:  # nothing stays, so the members are not kept either, but here
            keep(connection, layer, members)
        work = Work(layer, table_of(connection, layer), target)
        heights = geoid(settings)
        if len(wanted) <= FEW:
            few = ((key, rows_of(connection, layer, heights, key)) for key in sorted(wanted))
            yield from carried_out(work, few, executor)
            return
        found = tiles(connection, layer, heights)
        yield from carried_out(work, ((k, rows) for k, rows in found if k in wanted), executor)


def rows_of(connection: Connection, layer: Layer, heights: Geoid, key: Key) -> Rows:
    """The rows of one tile, as its members are kept."""
    every = layer.rows(layer.name).order_by(None).subquery()
    one = select(every).where(every.c.level == key.level, every.c.cell == key.cell)
    found = connection.execute(one)
    names = list(found.keys())
    columns_of = list(map(list, zip(*found, strict=True))) or [[] for _ in names]
    rows: dict[str, Any] = dict(zip(names, columns_of, strict=True))
    places = np.array(rows["longitude"], float), np.array(rows["latitude"], float)
    return {**rows, "shift": heights.height(*places)}


def table_of(connection: Connection, layer: Layer) -> Table:
    """The property table of a layer, with the codes of its lists as they are now."""
    lists = [item.enum for item in layer.properties if item.enum]
    codes = {name: tuple(connection.scalars(queries.codes(name))) for name in lists}
    return layer.table(codes)


def tiles(connection: Connection, layer: Layer, heights: Geoid) -> Iterator[tuple[Key, Rows]]:
    """The rows of each tile in turn, out of batches that end anywhere."""
    key: Key | None = None
    pieces: list[Rows] = []
    for batch in columns.read(connection, layer.rows(layer.name)):
        places = np.array(batch["longitude"], float), np.array(batch["latitude"], float)
        rows: dict[str, Any] = {**batch, "shift": heights.height(*places)}
        level, cell = np.array(rows.pop("level")), np.array(rows.pop("cell"))
        cuts = np.flatnonzero((np.diff(level) != 0) | (np.diff(cell) != 0)) + 1
        starts = np.concatenate([[0], cuts])
        for start, end in zip(starts, [*cuts, level.size], strict=True):
            found = Key(int(level[start]), int(cell[start]))
            if key is not None and key != found:
                yield key, _joined(pieces)
                pieces = []
            key = found
            pieces.append({name: values[start:end] for name, values in rows.items()})
    if key is not None:
        yield key, _joined(pieces)


def _joined(pieces: list[Rows]) -> Rows:
    if len(pieces) == 1:
        return pieces[0]
    return {
        name: np.concatenate([piece[name] for piece in pieces])
        if isinstance(first, np.ndarray)
        else [value for piece in pieces for value in piece[name]]
        for name, first in pieces[0].items()
    }


def carried_out(
    work: Work, found: Iterator[tuple[Key, Rows]], executor: Executor | None
) -> Iterator[Done]:
    """Every tile's result in order, with no more than WAITING tiles under way."""
    if executor is None:
        for key, rows in found:
            yield work(key, rows)
        return
    waiting: deque[Future[Done]] = deque()
    for key, rows in found:
        waiting.append(executor.submit(work, key, rows))
        if len(waiting) >= WAITING:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
