"""What vector tiles show of each collection at each zoom: the features, some of them, or counts.

Nothing is left out unsaid. Below the zoom from which every feature is drawn the larger ones are,
and of what people ask for from afar cells say how many features there are and what they add up to,
drawn or not.
"""

from dataclasses import dataclass
from typing import Literal

from cim.store.queries.collections import definitions as d
from cim.store.queries.collections.shape import Collection

FRESH = 15
"""The zoom from which tiles are made when they are asked for; those before are kept."""

FULL = 16
"""The zoom from which features have every property."""

FINE = 14
"""The zoom from which coordinates have 4,096 steps across a tile; above it 1,024 do."""

CELLS = 5
"""A cell is 2 to this many times finer than a tile: some 16 points of a screen."""

FINEST = 18
"""The world is 2 to this wide in the finest cells: 153 m at the equator."""

MOST = 20_000
"""Features of a tile of one collection; a tile that would have more has the largest."""

LARGEST = 500_000
"""Bytes of a tile of one collection as it travels, gzipped."""


@dataclass(frozen=True)
class Drawing:
    """How one collection is drawn."""

    collection: Collection
    first: int
    """The zoom from which features are drawn."""

    every: int
    """The zoom from which every feature is drawn; before it, those of at least `pixels`."""

    pixels: float = 0
    """Of the box around a feature, a tile being 512 points wide: square points, or of lines their
    length."""

    few: int = MOST
    """Features of a tile before `every`, the largest."""

    brief: tuple[str, ...] = ()
    """Properties before FULL; none named is every one."""

    summed: tuple[str, ...] = ()
    """Properties that cells add up."""

    cells: bool = False
    """Whether cells with counts are drawn from the coarsest zoom to `every`."""

    levels: tuple[tuple[int, int], ...] = ()
    """Of areas: from which zoom on which level and those above."""

    named: bool = False
    """Whether a layer of points is drawn too, one for each feature, for its name: an area that lies
    in several tiles would be named in each."""

    usual: bool = True
    """Whether it is part of the map that several collections make together."""

    @property
    def name(self) -> str:
        """The collection's name, which is that of the layer too."""
        return self.collection.name

    @property
    def begins(self) -> int:
        """The zoom from which there is anything."""
        return 0 if self.cells else self.first

    @property
    def kept(self) -> bool:
        """Whether tiles before FRESH are kept: only what is public is, and tells of its changes."""
        return self.begins < FRESH

    @property
    def size(self) -> Literal["area", "length", "none"]:
        """By what one feature is larger than another."""
        kind = self.collection.geometry_kind
        return {"MultiPolygon": "area", "MultiLineString": "length"}.get(kind, "none")  # type: ignore[return-value]  # those three

    @property
    def cells_name(self) -> str:
        """The layer of its cells."""
        return f"{self.name}_cells"

    @property
    def labels(self) -> tuple[str, ...]:
        """Properties of the layer of names."""
        return tuple(name for name in ("name", "level") if name in self.collection.properties)

    @property
    def names_name(self) -> str:
        """The layer of its names."""
        return f"{self.name}_names"

    @property
    def left_name(self) -> str:
        """The layer that says how many features a tile had no room for."""
        return f"{self.name}_left_out"

    def celled(self, zoom: int) -> bool:
        """Whether a zoom has cells."""
        return self.cells and zoom < self.every


DRAWINGS: dict[str, Drawing] = {
    each.name: each
    for each in (
        Drawing(
            d.AREAS, first=0, every=11, named=True,
            brief=("code", "name", "level", "kind", "parent_id"),
            levels=((0, 2), (7, 3), (8, 4), (11, 5)),
        ),
        Drawing(d.GRIDS, first=12, every=12, brief=("code", "name", "kind", "level")),
        Drawing(
            d.ESTATES, first=10, every=14, pixels=64, few=3_000, named=True,
            brief=("name", "kind", "renewal_state", "rating"),
        ),
        Drawing(d.STREETS, first=10, every=14, pixels=48, few=4_000, brief=("name", "kind")),
        Drawing(
            d.PARCELS, first=11, every=14, pixels=64, few=4_000,
            brief=("cadastral_code", "land_use", "area", "far_max", "height_max"),
        ),
        Drawing(d.PROJECTS, first=15, every=15, usual=False),
        Drawing(
            d.BUILDINGS, first=11, every=14, pixels=12, few=4_000,
            brief=("name", "state", "use", "built_year", "height", "floors_above"), cells=True,
            summed=("footprint_area", "gross_area", "units_total"),
        ),
        Drawing(d.STOREYS, first=17, every=17, usual=False),
        Drawing(d.UNITS, first=18, every=18, usual=False),
        Drawing(d.ENTRANCES, first=16, every=16, usual=False),
        Drawing(d.ADDRESSES, first=16, every=16, usual=False),
        Drawing(
            d.FACILITIES, first=13, every=13, brief=("class", "name", "status"), cells=True,
        ),
        Drawing(d.DEVICES, first=15, every=15, usual=False),
        Drawing(d.ORGANISATIONS, first=15, every=15, usual=False),
    )
}  # fmt: skip
"""By name; every collection has one."""

USUAL = tuple(name for name, each in DRAWINGS.items() if each.usual)
"""The collections of the map that several make together, unless others are asked for."""


def level_shown(drawing: Drawing, zoom: int) -> int | None:
    """Of areas, the lowest level that is drawn at a zoom; None of all else.

    >>> level_shown(DRAWINGS["areas"], 9), level_shown(DRAWINGS["buildings"], 9)
    (4, None)
    """
    return next((level for begin, level in reversed(drawing.levels) if zoom >= begin), None)
