"""The work of a run: the rows of tile after tile, built and stored by whoever is free."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from cim.crs.geoid import Geoid
from cim.store import columns
from tiling import tiles3d
from tiling.folder import store
from tiling.layers import Layer
from tiling.metadata import Table
from tiling.tile import Rows, Tile, build_tile
from tiling.tree import Key

WAITING = 8
"""Tiles handed to an executor and not yet back: what bounds the memory."""


@dataclass(frozen=True)
class Work:
    """What a worker needs to know, whichever process it is in."""

    layer: Layer
    table: Table
    folder: Path | None

    def __call__(self, key: Key, rows: Rows) -> tuple[Key, Tile, bytes]:
        """Build a tile and put it on disk; its bytes stay behind, a digest comes back."""
        tile = build_tile(self.layer, self.table, key, rows)
        if self.folder and tile.content:
            store(self.folder / tiles3d.content_path(key), tile.content)
        digest = blake2b(tile.content, digest_size=16).digest()
        return key, replace(tile, content=b""), digest + len(tile.content).to_bytes(8, "big")


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
) -> Iterator[tuple[Key, Tile, bytes]]:
    """Every tile's result in order, with no more than WAITING tiles under way."""
    if executor is None:
        for key, rows in found:
            yield work(key, rows)
        return
    waiting: deque[Future[tuple[Key, Tile, bytes]]] = deque()
    for key, rows in found:
        waiting.append(executor.submit(work, key, rows))
        if len(waiting) >= WAITING:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
