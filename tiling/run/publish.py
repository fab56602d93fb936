"""A new version out of the tiles that were built: its tree, its record, its place on disk."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from cim.crs.geoid import Geoid
from cim.store.copy import numbers
from cim.store.queries.tiles import leaves as queries
from cim.store.queries.tiles import manifest
from tiling.city import parts
from tiling.city.layers import Layer
from tiling.disk.folder import PACKED, Folder, Step, Version, version_at
from tiling.formats import subtree, tiles3d
from tiling.formats.packed import packed
from tiling.formats.subtree import Node, Region
from tiling.formats.tree import ROOT, Key, ancestor
from tiling.shapes.mesh import REASONS, Reason

SIDES = ("west", "south", "east", "north", "low", "high")

NAMED = 20
"""Features left out that a run names; platform.tile_skip has them all."""

BY_SENTENCES = {sentences: reason for reason, sentences in REASONS.items()}


@dataclass
class Built:
    """What a run did: `tiles` and what they hold are the whole tileset's, `changed` the run's.

    `named` are id and reason of the first NAMED of those `skipped`, by id.
    """

    name: str
    path: Path
    version: str = ""
    features: int = 0
    tiles: int = 0
    changed: int = 0
    bytes: int = 0
    height_model: str = ""
    height_shift: float = 0.0
    seconds: float = 0.0
    skipped: Counter[Reason] = field(default_factory=Counter)
    named: list[tuple[int, Reason]] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """Features that no tile holds; others were skipped as solids alone, and are prisms."""
        return sum(count for reason, count in self.skipped.items() if not reason.drawn)


@dataclass(frozen=True)
class Manifest:
    """The tiles of a tileset that hold something, and which of them are new since `base`.

    `base` is the version that the new one differs from, None where all is new; `gone` are the
    tiles that it had.
    """

    regions: dict[Key, Region]
    fresh: frozenset[Key]
    gone: frozenset[Key]
    base: str | None
    features: int
    bytes: int


def publish(
    connection: Connection, layer: Layer, folder: Folder, heights: Geoid, terms: str
) -> Built:
    """Write the tree of a tileset whose tiles are built, and its record; `folder.switch` serves it.

    Runs in the connection's transaction, which the caller commits before the switch.  What is
    written comes from the manifest alone, so it is the same after one change as after a full run.
    """
    found = _manifest(connection, layer)
    shift = _height_shift(found.regions, heights)
    tree = subtree.grow(found.regions)
    model = f"{heights.name} {shift} {tiles3d.POLICY} {subtree.LEVELS} {layer.title}"
    summed = connection.scalars(manifest.digest(layer.name)).one()
    version = blake2b(bytes(summed) + model.encode(), digest_size=6).hexdigest()
    facts = tiles3d.Facts(layer.title, heights.name, shift, found.features, version)
    gone = _write(folder, layer, found, facts, tree)
    connection.execute(manifest.settle(layer.name))
    built = Built(
        layer.name,
        folder.path,
        version,
        found.features,
        len(found.regions),
        len(found.fresh) + len(found.gone),
        found.bytes,
        heights.name,
        shift,
        skipped=_skipped(connection, layer),
        named=_named(connection, layer),
    )
    connection.execute(queries.record(_record(built, layer, terms)))
    folder.finish(version, found.base, gone)
    return built


def _manifest(connection: Connection, layer: Layer) -> Manifest:
    """Every tile, once those that are no more are taken out."""
    name = layer.name
    left = [Key(*row) for row in connection.execute(manifest.keys(name, manifest.DIRTY))]
    connection.execute(
        manifest.forget_skips(name, [key.level for key in left], [key.cell for key in left])
    )
    gone = frozenset(Key(*row) for row in connection.execute(manifest.empty(name)))
    connection.execute(manifest.drop_empty(name))
    rows = numbers.read(connection, manifest.tiles(name), manifest.NUMBERS)
    pairs = zip(rows["level"].tolist(), rows["cell"].tolist(), strict=True)
    keys = [Key(*pair) for pair in pairs]
    sides = zip(*(rows[side].tolist() for side in SIDES), strict=True)
    fresh = rows["state"] == manifest.BUILT
    recorded = connection.execute(manifest.recorded(name)).first()
    return Manifest(
        regions=dict(zip(keys, sides, strict=True)),
        fresh=frozenset(key for key, new in zip(keys, fresh.tolist(), strict=True) if new),
        gone=gone,
        base=recorded.version if recorded and keys and not fresh.all() else None,
        features=int(rows["features"].sum()),
        bytes=int(rows["size"].sum()) + int(rows["packed"].sum()),
    )


def _write(
    folder: Folder, layer: Layer, found: Manifest, facts: tiles3d.Facts, tree: dict[Key, Node]
) -> set[str]:
    """Write subtrees and tileset.json; the files of the version before that are no more."""
    known = tiles3d.errors(tree, layer.inner_error)
    touched = heads_over(found.fresh | found.gone)
    for key in subtree.roots(tree):
        if found.base is None or key in touched:
            content = subtree.write(key, tree, known)
            folder.write(tiles3d.subtree_path(key), content, packed(content))
    for key in found.gone:
        folder.drop(tiles3d.content_path(key))
    described = tiles3d.describe(facts, tree, layer.inner_error)
    folder.write("tileset.json", described, packed(described))
    gone: set[str] = set()
    if found.base is not None:
        gone = {tiles3d.subtree_path(key) for key in touched if key not in tree}
        gone |= {tiles3d.content_path(key) for key in found.gone}
    return gone | _write_explicit(folder, found.base)


def _write_explicit(folder: Folder, base: str | None) -> set[str]:
    """Write the explicit tree where it is wanted; its files in `base` that are no more."""
    if base is None and not folder.explicit:
        return set()
    from tiling.out import explicit  # noqa: PLC0415 - it reads all kinds of tilesets, and few want it

    before = version_at(folder.path / base) if base else Version(())
    if not folder.explicit and before.find(f"{explicit.FOLDER}/tileset.json") is None:
        return set()
    known = {path for path in before.files() if path.startswith(f"{explicit.FOLDER}/")}
    made: dict[str, bytes] = {}
    if folder.explicit:
        steps = (Step(folder.work, frozenset()), *before.steps)
        made = explicit.files(lambda path: _read(Version(steps), path))
    for path, content in made.items():
        old = before.find(path)
        if old is None or old.read_bytes() != content:
            folder.write(path, content, packed(content))
    return known - made.keys() - {path + PACKED for path in made}


def _read(version: Version, path: str) -> bytes:
    found = version.find(path)
    if found is None:
        raise FileNotFoundError(path)
    return found.read_bytes()


def heads_over(keys: Collection[Key]) -> set[Key]:
    """The heads of the subtrees that these tiles are in, and of those above.

    >>> sorted(heads_over([Key(15, 4096)]))
    [Key(level=9, cell=1), Key(level=14, cell=1024)]
    """
    return {
        ancestor(key, level) for key in keys for level in range(ROOT, key.level + 1, subtree.LEVELS)
    }


def expected(fresh: Collection[Key]) -> set[str]:
    """The files that the tiles of a version in the making have, gzipped copies included."""
    paths = {tiles3d.content_path(key) for key in fresh}
    return paths | {path + PACKED for path in paths}


def _height_shift(regions: dict[Key, Region], heights: Geoid) -> float:
    """What is added to heights at the middle of all tiles."""
    if not regions:
        return 0.0
    west, south, east, north = subtree.union(regions.values())[:4]
    middle = np.array([(west + east) / 2]), np.array([(south + north) / 2])
    return float(heights.height(*middle)[0])


def _skipped(connection: Connection, layer: Layer) -> Counter[Reason]:
    found: Counter[Reason] = Counter()
    for en, zh, count in connection.execute(manifest.skips(layer.name)):
        found[BY_SENTENCES[en, zh]] += count
    return found


def _named(connection: Connection, layer: Layer) -> list[tuple[int, Reason]]:
    rows = connection.execute(queries.skipped(layer.name, NAMED))
    return [(identity, BY_SENTENCES[en, zh]) for identity, en, zh in rows]


def _record(built: Built, layer: Layer, terms: str) -> dict[str, Any]:
    return {
        "name": built.name,
        "version": built.version,
        "built_at": datetime.now(UTC),
        "feature_count": built.features,
        "tile_count": built.tiles,
        "bytes": built.bytes,
        "height_shift": built.height_shift,
        "skipped": built.left_out,
        "format": terms,
        "base": layer.base,
        "selection": parts.written(layer.which) if layer.base else None,
    }
