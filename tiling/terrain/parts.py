"""Parts of the terrain: a tile with all below it, made by whatever process, and kept when made.

What is kept of a part is its top's nodes, so that the tile above can be made without it, and a
record of each of its tiles.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from cim.crs.geoid import geoid
from cim.settings import Settings
from cim.terrain.ground import Ground
from cim.terrain.layer import Layer
from tiling.disk.folder import PACKED, store
from tiling.formats.packed import packed
from tiling.terrain import quantized
from tiling.terrain.plan import Key, Plan, Stale, bounds_of, path_of
from tiling.terrain.relief import Nodes, Relief, joined, triangulated

FINEST = 0.5
"""Metres that the triangles of a tile without others below may differ from the lattice."""

COARSE = 77_067.0 / 4
"""Metres on level 0, halved from level to level: a quarter of what Cesium reckons with."""

KEPT = ".parts"
"""The folder of a version in which parts are kept; nobody is served it."""

TILE = np.dtype(
    [("level", "u1"), ("x", "<u4"), ("y", "<u4"), ("beyond", "u1"), ("digest", "V16"),
     ("bytes", "<u4"), ("packed", "<u4")]
)  # fmt: skip
"""The record of a tile: its key, what it shows beyond the rasters, its content."""

Tiles = NDArray[np.void]


@dataclass(frozen=True)
class Order:
    """What every process must know: the layers that are shown (the rasters from the topmost down,
    then what fills their holes) with their levels, and where files go, None for nowhere."""

    settings: Settings = field(compare=False, repr=False)
    layers: tuple[Layer, ...]
    levels: tuple[int, ...]
    plan: Plan
    target: Path | None


@dataclass(frozen=True)
class Part:
    """A tile with all below it that was made: its key, its nodes, a record of each tile."""

    key: Key
    nodes: Nodes
    tiles: Tiles


def opened(order: Order) -> Relief:
    """The relief of an order; its ground is to be closed.  Raises as `Ground` does."""
    ground = Ground(order.settings, order.layers)
    return Relief(ground, geoid(order.settings), order.plan.box, order.plan.unit, order.levels)


def made_apart(order: Order, stale: Stale, key: Key) -> Part:
    """`made` in a process of its own, which keeps the rasters open for its next part."""
    return made(_relief(order), order, stale, key)


@lru_cache(maxsize=1)
def _relief(order: Order) -> Relief:
    return opened(order)


def made(relief: Relief, order: Order, stale: Stale, key: Key) -> Part:
    """Make a tile and those below it that are stale, write them, and keep the part."""
    part = Maker(relief, order, stale, lambda key: None).part(key)
    if order.target is not None:
        keep(order.target, part)
    return part


class Maker:
    """Makes tiles, the lower ones first.

    `known` gives the nodes of tiles that need not be made, where anybody has them.
    """

    def __init__(
        self, relief: Relief, order: Order, stale: Stale, known: Callable[[Key], Nodes | None]
    ) -> None:
        """For tiles of this relief."""
        self.relief, self.order, self.stale, self.known = relief, order, stale, known
        self._tiles: list[tuple[object, ...]] = []
        self._tops: list[tuple[Key, Nodes]] = []

    def part(self, key: Key) -> Part:
        """A tile with all below it that is stale and not known."""
        nodes = self._nodes(key)
        return Part(key, nodes, np.array(self._tiles, TILE))

    def parts(self, key: Key) -> list[Part]:
        """The same, each tile a part of its own."""
        self._nodes(key)
        made = zip(self._tops, self._tiles, strict=True)
        return [Part(*top, np.array([tile], TILE)) for top, tile in made]

    def _nodes(self, key: Key) -> Nodes:
        """Make a tile; its nodes."""
        below = self.order.plan.below(key)
        if any(below):
            nodes = joined(self.relief, key, [self._found(one) if one else None for one in below])
            error = max(FINEST, COARSE / 2 ** key[0])
        else:
            nodes, error = self.relief.nodes(key), FINEST
        mesh = triangulated(nodes, self.order.plan.unit, bounds_of(key), error)
        content = quantized.write(mesh)
        small = packed(content)
        if self.order.target is not None:
            path = self.order.target / path_of(key)
            store(path, content)
            store(path.with_name(path.name + PACKED), small)
        digest = blake2b(content, digest_size=16).digest()
        self._tiles.append((*key, nodes.beyond, digest, len(content), len(small)))
        self._tops.append((key, nodes))
        return nodes

    def _found(self, key: Key) -> Nodes | None:
        """The nodes of a tile below: known, or made where it is stale, else None."""
        return self.known(key) or (self._nodes(key) if self.stale(key) else None)


def keep(folder: Path, part: Part) -> None:
    """Write down that a part is made."""
    whole = BytesIO()
    nodes = part.nodes
    np.savez_compressed(
        whole, tiles=part.tiles, height=nodes.height.astype(np.int32), normal=nodes.normal,
        beyond=np.array(nodes.beyond),
    )  # fmt: skip
    store(_place(folder, part.key), whole.getvalue())


def kept(folder: Path, key: Key) -> Part | None:
    """A part that was kept in a folder, or None."""
    try:
        with np.load(_place(folder, key)) as held:
            nodes = Nodes(held["height"].astype(np.int64), held["normal"], int(held["beyond"]))
            return Part(key, nodes, held["tiles"])
    except (OSError, ValueError, KeyError, BadZipFile):
        return None


def carry(before: Path, folder: Path, made: Collection[Key]) -> None:
    """Have a version keep the parts of the one before too, by links, but for tiles made since."""
    for file in sorted((before / KEPT).glob("*.npz")):
        level, x, y = map(int, file.stem.split("-"))
        place = folder / KEPT / file.name
        if (level, x, y) in made or place.exists():
            continue
        place.parent.mkdir(exist_ok=True)
        place.hardlink_to(file)


def _place(folder: Path, key: Key) -> Path:
    return folder / KEPT / "{}-{}-{}.npz".format(*key)
