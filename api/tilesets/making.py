"""Tilesets as they are served: versions through their chains, and tiles made when asked for."""

import asyncio
import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from sqlalchemy import Connection, Engine
from starlette.concurrency import run_in_threadpool

from api.answers.tagged import digest_of
from api.tilesets.files import Loaded, inside
from cim.crs.geoid import Geoid
from cim.errors import TilingError
from cim.store.queries.tiles import manifest
from tiling.city import parts
from tiling.city.layers import LAYERS, Layer
from tiling.city.tile import build_tile
from tiling.disk.folder import CURRENT, PACKED, Version, outlined, store, version_at
from tiling.formats.metadata import Table
from tiling.formats.packed import packed
from tiling.formats.tiles3d import content_path, key_of
from tiling.formats.tree import Key
from tiling.run.batch import table_of
from tiling.run.build import digest
from tiling.run.demand import Reader

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

AT_ONCE = 2
"""Tiles that are made at the same time, at most."""

FRESH = 10.0
"""Seconds for which code lists are taken to be what they were."""

KNOWN = manifest.one()

log = logging.getLogger("cim.api")


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


def found_in(
    top: Path, wanted: tuple[str, str | None], path: str
) -> tuple[Served | None, Path | None]:
    """The tileset of a name and version, and the file of that path in it, each where it is."""
    version = served(top, *wanted)
    return version, version.find(path) if version else None


@dataclass(frozen=True)
class Made:
    """A tile that was made, and the file that it is, where it is one of its version's."""

    loaded: Loaded
    path: Path | None

    def keep(self) -> None:
        """Write its file, and the gzipped copy beside it."""
        if self.path:
            store(self.path, self.loaded.plain)
            store(self.path.with_name(self.path.name + PACKED), self.loaded.packed or b"")


class Maker:
    """Makes tiles that are in a tileset and not on disk, each once however many ask for it."""

    def __init__(self, engine: Engine, heights: Geoid, tiles_dir: Path) -> None:
        """Of the city in this database; what is made is kept below `tiles_dir`."""
        self.engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self.heights, self.tiles_dir = heights, tiles_dir
        self._readers = {name: Reader(layer, heights) for name, layer in LAYERS.items()}
        self._making: dict[tuple[str, Key], asyncio.Task[Loaded | None]] = {}
        self._keeping = set[asyncio.Task[None]]()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._tables: dict[str, tuple[float, Table]] = {}

    async def get(self, name: str, path: str) -> Loaded | None:
        """The tile of that path; None where the tileset has no such tile."""
        key = key_of(path)
        if key is None:
            return None
        task = self._making.get((name, key))
        if task is None:
            task = asyncio.create_task(self._made(name, key))
            self._making[name, key] = task
        return await asyncio.shield(task)

    async def _made(self, name: str, key: Key) -> Loaded | None:
        """Make a tile, and have it written while it is sent; until then it is not made again."""
        made = None
        try:
            async with self._turns:
                made = await run_in_threadpool(self.make, name, key)
        finally:
            if made is None or made.path is None:
                del self._making[name, key]
        if made and made.path:
            keeping = asyncio.create_task(self._keep(made, name, key))
            self._keeping.add(keeping)
            keeping.add_done_callback(self._keeping.discard)
        return made.loaded if made else None

    async def _keep(self, made: Made, name: str, key: Key) -> None:
        try:
            await run_in_threadpool(made.keep)
        except TilingError as fault:  # it was sent all the same
            log.warning("%s of %s is not kept: %s", made.path, name, fault)
        finally:
            del self._making[name, key]

    def make(self, name: str, key: Key) -> Made | None:
        """Make a tile; its file is the one that its version has, where that is the same."""
        place = {"name": name, "level": key.level, "cell": key.cell}
        with self.engine.connect() as connection:
            known = connection.execute(KNOWN, place).first()
            reader = self._reader(connection, name) if known else None
            if known is None or reader is None:
                return None
            layer = reader.layer
            table = self._table(connection, layer)
            rows = reader.rows(connection, key)
        layer = replace(layer, outlined=outlined(self.tiles_dir / layer.name))
        content = build_tile(layer, table, key, rows).content
        found = Loaded(content, packed(content), digest_of(content))
        folder = self.tiles_dir / layer.name / known.version
        same = known.state == manifest.PUBLISHED and digest(content) == known.digest
        return Made(found, folder / content_path(key) if same and folder.is_dir() else None)

    def _reader(self, connection: Connection, name: str) -> Reader | None:
        """What reads the rows of a tileset, the same as long as it is about the same buildings."""
        reader = self._readers.get(name)
        if name in LAYERS:
            return reader
        part = parts.layer(connection, name)
        if part and (reader is None or reader.layer.which != part.which):
            reader = self._readers[name] = Reader(part, self.heights)
        return reader if part else None

    def _table(self, connection: Connection, layer: Layer) -> Table:
        """The property table of a layer, asked for again when it is old."""
        known = self._tables.get(layer.name)
        if known is None or monotonic() - known[0] > FRESH:
            known = self._tables[layer.name] = (monotonic(), table_of(connection, layer))
        return known[1]
