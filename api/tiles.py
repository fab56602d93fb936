"""Tilesets as they are served: versions through their chains, and tiles made when asked for."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from api.files import Loaded, inside
from cim.crs.geoid import Geoid
from cim.store.queries import manifest
from tiling.batch import rows_of, table_of
from tiling.build import digest
from tiling.folder import CURRENT, PACKED, Version, store, version_at
from tiling.layers import LAYERS, Layer
from tiling.metadata import Table
from tiling.packed import packed
from tiling.tile import build_tile
from tiling.tiles3d import content_path, key_of
from tiling.tree import Key

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

AT_ONCE = 2
"""Tiles that are made at the same time, at most."""

FRESH = 10.0
"""Seconds for which code lists are taken to be what they were."""


@dataclass(frozen=True)
class Served:
    """A version of a tileset, and whether it is the one that was asked for."""

    version: Version
    fixed: bool

    def find(self, path: str) -> Path | None:
        """A file of it, or None; nothing leads out of its folders."""
        for step in self.version.steps:
            found = inside(step.folder, path)
            if found:
                return found
            if path in step.gone:
                return None
        return None


def served(top: Path, name: str, version: str | None) -> Served | None:
    """The version of a tileset that a visit began with, else the current one.

    A version stays open until it is removed, so that a session begun before a change sees one
    city, not two.
    """
    if not NAME.fullmatch(name):
        return None
    asked = version if version and NAME.fullmatch(version) and version != CURRENT else None
    for found, fixed in ((asked, True), (CURRENT, False)):
        if found and (top / name / found).is_dir():
            return Served(version_at(top / name / found), fixed)
    return None


class Maker:
    """Makes tiles that are in a tileset and not on disk, each once however many ask for it."""

    def __init__(self, engine: Engine, heights: Geoid, tiles_dir: Path) -> None:
        """Of the city in this database; what is made is kept below `tiles_dir`."""
        self.engine, self.heights, self.tiles_dir = engine, heights, tiles_dir
        self._making: dict[tuple[str, Key], asyncio.Task[Loaded | None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tables: dict[str, tuple[float, Table]] = {}

    async def get(self, name: str, path: str) -> Loaded | None:
        """The tile of that path; None where the tileset has no such tile."""
        key = key_of(path)
        if name not in LAYERS or key is None:
            return None
        task = self._making.get((name, key))
        if task is None:
            task = asyncio.create_task(self._made(LAYERS[name], key))
            self._making[name, key] = task
            task.add_done_callback(lambda _: self._making.pop((name, key), None))
        return await asyncio.shield(task)

    async def _made(self, layer: Layer, key: Key) -> Loaded | None:
        async with self._turns:
            return await run_in_threadpool(self.make, layer, key)

    def make(self, layer: Layer, key: Key) -> Loaded | None:
        """Make a tile; it is stored where it is the one that its version has."""
        with self.engine.connect() as connection:
            known = connection.execute(manifest.one(layer.name, *key)).first()
            if known is None:
                return None
            table = self._table(connection, layer)
            rows = rows_of(connection, layer, self.heights, key)
        content = build_tile(layer, table, key, rows).content
        small = packed(content)
        found = digest(content)
        folder = self.tiles_dir / layer.name / known.version
        if found == known.digest and known.state == manifest.PUBLISHED and folder.is_dir():
            path = folder / content_path(key)
            store(path, content)
            store(path.with_name(path.name + PACKED), small)
        return Loaded(content, small, found.hex()[:24])

    def _table(self, connection: Connection, layer: Layer) -> Table:
        """The property table of a layer, asked for again when it is old."""
        known = self._tables.get(layer.name)
        if known is None or monotonic() - known[0] > FRESH:
            known = self._tables[layer.name] = (monotonic(), table_of(connection, layer))
        return known[1]
