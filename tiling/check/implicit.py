"""The way through an implicit tree: its subtrees, and the bounds and errors of every tile in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.check import limits
from tiling.check.findings import UNREADABLE, Notes, Piece, Place
from tiling.check.reading import Subtree, Unjudged, parse_subtree
from tiling.check.sources import Source, joined
from tiling.check.volumes import Region, Sphere, Volume, read_volume

Volumes = Callable[[int, "Cell"], Volume | None]
"""The volume of a tile by its row in a subtree's metadata, and its cell."""


@dataclass(frozen=True)
class Cell:
    """A tile of an implicit tree: its level there and its Morton code."""

    level: int
    code: int


@dataclass
class Tree:
    """An implicit tree: what tileset.json says of it, and its root's `volume`.

    `deepest` is the last level that was met on the way.
    """

    source: Source
    notes: Notes
    implicit: Mapping[str, Any]
    templates: list[str]
    volume: Volume | None
    deepest: int = -1

    @property
    def octree(self) -> bool:
        """Whether tiles have eight children, else four."""
        return bool(self.implicit["subdivisionScheme"] == "OCTREE")

    @property
    def bits(self) -> int:
        """Bits of a Morton code for each level."""
        return 3 if self.octree else 2

    def pieces(self, root: Cell, place: Place) -> Iterator[Piece]:
        """The contents of the subtree headed by `root`, which has `place`, and of those below."""
        levels = self.implicit["subtreeLevels"]
        name = place.refer(filled(self.implicit["subtrees"]["uri"], root, self.bits))
        self.notes.reach(name)
        try:
            found = parse_subtree(
                self.source.read(name),
                levels,
                1 << self.bits,
                lambda uri: self.source.read(joined(name, uri)),
            )
            tiles = self.tiles(name, found, root, place)
        except Unjudged as fault:
            self.notes.unjudged[str(fault), fault.zh] += 1
            return
        except UNREADABLE as fault:
            self.notes.broken(name, "9", fault)
            return
        self.available(name, found)
        for template, bits in zip(self.templates, found.several, strict=False):
            for cell in cells(root, bits, self.bits):
                if cell in tiles:
                    yield self.piece(template, cell, tiles[cell])
        for code in np.flatnonzero(found.children):
            below = Cell(root.level + levels, (root.code << self.bits * levels) + int(code))
            above = tiles.get(Cell(below.level - 1, below.code >> self.bits))
            if below.level >= min(self.implicit["availableLevels"], limits.DEEPEST):
                self.notes.fault(
                    name, "11", "a subtree below the deepest level", "子树超出最深层级"
                )
            elif above is None:
                self.notes.fault(
                    name, "10", "a child subtree without a parent tile", "子树缺少父瓦片"
                )
            else:
                yield from self.pieces(below, above)

    def piece(self, template: str, cell: Cell, place: Place) -> Piece:
        """A tile's content."""
        uri = place.refer(filled(template, cell, self.bits))
        self.notes.reach(uri)
        return place.piece(uri)

    def tiles(self, name: str, found: Subtree, root: Cell, place: Place) -> dict[Cell, Place]:
        """The available tiles of a subtree and their places, judged on the way down."""
        volumes = self.volumes(found, place)
        errors = found.rows(place.schema, "TILE_GEOMETRIC_ERROR")
        tiles: dict[Cell, Place] = {}
        for row, cell in enumerate(cells(root, found.tiles, self.bits)):
            self.notes.met()
            above = tiles.get(Cell(cell.level - 1, cell.code >> self.bits), place)
            halved = above.error / (2 if cell.level else 1)
            error = halved if errors is None else float(errors[row, 0])
            volume = volumes(row, cell)
            self.notes.stepped(name, error, above.error)
            if above.error <= 0:
                self.notes.fault(
                    name, "2", "error 0 on a tile with children", "有子瓦片的瓦片误差为 0"
                )
            self.notes.legal(name, volume)
            self.notes.nested(name, above, volume)
            tiles[cell] = above.below(volume, error)
            self.deepest = max(self.deepest, cell.level)
        return tiles

    def available(self, name: str, found: Subtree) -> None:
        """10: a root, no tile without its parent, no content without its tile."""
        if not found.tiles[0]:
            self.notes.fault(name, "10", "a subtree without a root", "子树没有根瓦片")
        below = np.flatnonzero(found.tiles)[1:]
        if not found.tiles[(below - 1) >> self.bits].all():
            self.notes.fault(name, "10", "a tile without its parent", "瓦片缺少父瓦片")
        if (found.contents & ~found.tiles).any():
            self.notes.fault(name, "10", "content without its tile", "内容缺少对应瓦片")

    def volumes(self, found: Subtree, place: Place) -> Volumes:
        """How the subtree tells its tiles' volumes: by its metadata, else by subdivision."""
        for kind in ("REGION", "BOX", "SPHERE"):
            rows = found.rows(place.schema, f"TILE_BOUNDING_{kind}")
            if rows is not None:
                return _told(kind.lower(), rows, place)
        low = found.rows(place.schema, "TILE_MINIMUM_HEIGHT")
        high = found.rows(place.schema, "TILE_MAXIMUM_HEIGHT")

        def divided(row: int, cell: Cell) -> Volume | None:
            if self.volume is None or isinstance(self.volume, Sphere):
                return None
            part = self.volume.part(cell.level, coordinates(cell, self.bits), octree=self.octree)
            if isinstance(part, Region) and low is not None and high is not None:
                heights = float(low[row, 0]), float(high[row, 0])
                return Region((*part.bounds[:4], *heights))
            return part

        return divided


def _told(kind: str, rows: NDArray[np.float64], place: Place) -> Volumes:
    """The volumes that a subtree's metadata tell, a row a tile."""
    return lambda row, _: read_volume({kind: rows[row]}, place.matrix)


def cells(root: Cell, found: NDArray[np.bool_], bits: int = 2) -> Iterator[Cell]:
    """The cells of a subtree whose bit is set, level by level; `bits` as in `Tree`.

    >>> [cell for cell in cells(Cell(5, 3), np.array([True, False, True, False, False]))]
    [Cell(level=5, code=3), Cell(level=6, code=13)]
    """
    fan = 1 << bits
    for number in np.flatnonzero(found).tolist():
        depth, start = 0, 0
        while number >= start + fan**depth:
            start += fan**depth
            depth += 1
        yield Cell(root.level + depth, (root.code << bits * depth) + number - start)


def coordinates(cell: Cell, bits: int = 2) -> tuple[int, int, int]:
    """x, y and z of a cell; z is 0 in a quadtree.

    >>> coordinates(Cell(3, 0b100111))
    (3, 5, 0)
    """
    found = [0, 0, 0]
    for bit in range(cell.level * bits):
        axis, depth = bit % bits, bit // bits
        found[axis] |= (cell.code >> bit & 1) << depth
    return found[0], found[1], found[2]


def filled(template: str, cell: Cell, bits: int = 2) -> str:
    """A template with the numbers of a cell.

    >>> filled("{level}/{x}/{y}.glb", Cell(3, 0b100111))
    '3/3/5.glb'
    """
    for name, number in zip("xyz", coordinates(cell, bits), strict=True):
        template = template.replace(f"{{{name}}}", str(number))
    return template.replace("{level}", str(cell.level))
