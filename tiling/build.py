"""From rows to a tileset on disk.

`build` assigns every building to a tile, has the tiles made out of their rows, and lets the new
tileset take the old one's place only when it is whole.
"""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from sqlalchemy import Connection, Engine

from cim.crs.geoid import Geoid, geoid
from cim.settings import Settings
from cim.store import columns
from cim.store.queries import tiles as queries
from tiling import subtree, tiles3d
from tiling.batch import Work, carried_out, tiles
from tiling.folder import Folder
from tiling.layers import Layer
from tiling.members import keep, place_all
from tiling.mesh import REASONS, Reason
from tiling.metadata import Table
from tiling.subtree import Region
from tiling.tile import Tile
from tiling.tree import DEEPEST, Key, bounds

WORTH_SHARING = 100_000
"""Features from which further processes are worth their start."""

Progress = Callable[[int, int], None]
"""Called with the features done and their total."""


@dataclass
class Built:
    """What a run did."""

    name: str
    path: Path
    version: str = ""
    features: int = 0
    tiles: int = 0
    bytes: int = 0
    height_model: str = ""
    height_shift: float = 0.0
    seconds: float = 0.0
    skipped: Counter[Reason] = field(default_factory=Counter)


@dataclass
class _Run:
    """A run as it goes: where each tile lies, a digest of each, and what was left out."""

    regions: dict[Key, Region] = field(default_factory=dict)
    digests: dict[Key, bytes] = field(default_factory=dict)
    skipped: list[tuple[int, int]] = field(default_factory=list)
    features: int = 0
    bytes: int = 0


def build(
    settings: Settings,
    engine: Engine,
    layer: Layer,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
    dry_run: bool = False,
) -> Built:
    """Build a tileset from the city as it stands now; the old one serves until this one is whole.

    A `dry_run` builds every tile and writes nothing.  Raises TilingError where a build of the same
    tileset is under way, the disk is full, or the geoid grid does not reach.
    """
    began = monotonic()
    heights = geoid(settings)
    built = Built(layer.name, settings.tiles_dir / layer.name)
    with (
        Folder(built.path, dry_run=dry_run) as folder,
        engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin() as transaction,
    ):
        run = _Run()
        table, total = _prepare(connection, layer, heights, run, built)
        work = Work(layer, table, folder.fresh)
        shared = executor if total >= WORTH_SHARING else None
        for done in carried_out(work, tiles(connection, layer, heights), shared):
            _note(run, *done)
            if progress:
                progress(run.features + len(run.skipped), total)
        _finish(connection, layer, folder, run, built)
        if dry_run:
            transaction.rollback()
    built.seconds = monotonic() - began
    return built


def _prepare(
    connection: Connection, layer: Layer, heights: Geoid, run: _Run, built: Built
) -> tuple[Table, int]:
    """Assign every building to its tile; the property table to be written, and the features."""
    for statement in queries.forget(layer.name):
        connection.execute(statement)
    for name in connection.scalars(queries.unsampled()):  # a plan without statistics takes minutes
        connection.exec_driver_sql(f"ANALYZE city.{name}")
    members = place_all(connection, layer)
    run.skipped += [(int(lost), Reason.NO_OUTLINE) for lost in members.lost]
    keep(connection, layer, members)
    built.height_model = heights.name
    if len(members):
        middle = np.array([bounds(Key(DEEPEST, place)) for place in members.place.tolist()])
        west, south = middle[:, :2].min(0)
        east, north = middle[:, 2:].max(0)
        centre = np.array([(west + east) / 2]), np.array([(south + north) / 2])
        built.height_shift = float(heights.height(*centre)[0])
    return _table(connection, layer), int(members.weight.sum())


def _table(connection: Connection, layer: Layer) -> Table:
    lists = [item.enum for item in layer.properties if item.enum]
    codes = {name: tuple(connection.scalars(queries.codes(name))) for name in lists}
    return layer.table(codes)


def _note(run: _Run, key: Key, tile: Tile, digest: bytes) -> None:
    run.skipped += tile.skipped
    run.features += tile.features
    if tile.features:
        run.regions[key] = tile.region
        run.digests[key] = digest
        run.bytes += int.from_bytes(digest[-8:], "big")


def _finish(connection: Connection, layer: Layer, folder: Folder, run: _Run, built: Built) -> None:
    """Write the tree, then the record, and switch."""
    built.features, built.tiles = run.features, len(run.regions)
    built.skipped = Counter(Reason(reason) for _, reason in run.skipped)
    named = b"".join(f"{key}".encode() + run.digests[key] for key in sorted(run.digests))
    model = f"{built.height_model} {built.height_shift} {tiles3d.POLICY} {subtree.LEVELS}"
    built.version = blake2b(named + model.encode(), digest_size=6).hexdigest()
    facts = tiles3d.Facts(
        layer.title, built.height_model, built.height_shift, built.features, built.version
    )
    files = tiles3d.files(facts, subtree.grow(run.regions), layer.inner_error)
    built.bytes = run.bytes + sum(map(len, files.values()))
    _record(connection, run, built)
    for path, content in files.items():
        folder.write(path, content)
    folder.finish(built.version)


def _record(connection: Connection, run: _Run, built: Built) -> None:
    reasons = [REASONS[Reason(reason)] for _, reason in run.skipped]
    skips: dict[str, Any] = {
        "tileset": [built.name] * len(reasons),
        "object_id": [identity for identity, _ in run.skipped],
        "reason_en": [en for en, _ in reasons],
        "reason_zh": [zh for _, zh in reasons],
    }
    columns.write(connection, "platform.tile_skip", skips, queries.SKIP_TYPES)
    values = {
        "name": built.name,
        "version": built.version,
        "built_at": datetime.now(UTC),
        "feature_count": built.features,
        "tile_count": built.tiles,
        "bytes": built.bytes,
        "height_shift": built.height_shift,
        "skipped": len(run.skipped),
    }
    connection.execute(queries.record(values))
