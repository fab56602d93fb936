"""The quadtrees that vector tiles lie in: numbers alone.

Of a tile, `z` is the level as its set counts, `x` the column from the west, `y` the row from the
north. What is drawn goes by its *zoom*: the level at which a tile in Web Mercator is as wide.
"""

import math
from dataclasses import dataclass

from cim.model.base import SRID

DEEPEST = 18
"""The deepest zoom that is made: a step of a coordinate is 3 cm there, and maps enlarge it."""

MERCATOR = 20037508.3427892480
"""Half the width of the world in Web Mercator, m."""

MARGIN = 1 / 64
"""Part of a tile's width by which it shows what lies beyond its edges, so that none is seen."""

BLOCKS = 14
"""The world is 2 to this wide in the blocks that changes are told by: 2.4 km at the equator."""

Box = tuple[float, float, float, float]
"""West, south, east, north."""


@dataclass(frozen=True)
class MatrixSet:
    """One way to cut the world into tiles, each level twice as fine as the one above."""

    name: str
    zh: str
    en: str
    crs: str
    """The address of its coordinate system."""

    srid: int
    """The system tiles are drawn in, longitude or easting first."""

    swapped: bool
    """Whether its authority writes latitude first."""

    left: float
    top: float
    span: float
    """Width of a tile of the coarsest level."""

    columns: int
    """Tiles of the coarsest level side by side; there is one row."""

    first: int
    """The number of the coarsest level."""

    last: int
    """The number of the deepest level that it defines."""

    wider: int
    """How many zooms a tile of the coarsest level is finer than the world in Web Mercator."""

    uri: str = ""
    """Its own address, where it is one that everybody knows."""

    kept_as: str = ""
    """The set whose tiles these are under other numbers."""

    def zoom(self, z: int) -> int:
        """The zoom of a level."""
        return z - self.first + self.wider

    def level(self, zoom: int) -> int:
        """The level of a zoom; the coarsest where the zoom is coarser."""
        return max(zoom - self.wider + self.first, self.first)

    @property
    def deepest(self) -> int:
        """The deepest level that is made."""
        return self.level(DEEPEST)

    def rows(self, z: int) -> int:
        """Rows of a level."""
        return int(2 ** (z - self.first))

    def holds(self, z: int, x: int, y: int) -> bool:
        """Whether there is such a tile."""
        if not self.first <= z <= self.deepest:
            return False
        return 0 <= y < self.rows(z) and 0 <= x < self.rows(z) * self.columns

    def box(self, z: int, x: int, y: int) -> Box:
        """Its edges in the system it is drawn in."""
        width = self.span / self.rows(z)
        west, north = self.left + x * width, self.top - y * width
        return west, north - width, west + width, north

    def degrees(self, z: int, x: int, y: int, margin: float = MARGIN) -> Box:
        """Its edges in degrees, with so many of its widths beyond each, within the globe.

        >>> WEB.degrees(1, 0, 0, 0)
        (-180.0, 0.0, 0.0, 85.0511287798066)
        """
        west, south, east, north = self.box(z, x, y)
        more = margin * (east - west)
        west, south, east, north = west - more, south - more, east + more, north + more
        if self.srid == 3857:
            west, east = (side / MERCATOR * 180 for side in (west, east))
            south, north = (
                math.degrees(math.atan(math.sinh(side / MERCATOR * math.pi)))
                for side in (south, north)
            )
        return max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)

    def tiles(self, z: int, box: Box) -> tuple[range, range]:
        """Columns and rows of a level that meet a box in degrees."""
        rows = self.rows(z)
        west, south, east, north = box
        x0, x1 = ((side + 180) / 360 * rows * self.columns for side in (west, east))
        if self.srid == 3857:
            y0, y1 = (
                (1 - math.asinh(math.tan(math.radians(side))) / math.pi) / 2 * rows
                for side in (min(north, 85.05), max(south, -85.05))
            )
        else:
            y0, y1 = ((90 - side) / 180 * rows for side in (north, south))
        return _clipped(x0, x1, rows * self.columns), _clipped(y0, y1, rows)


def _clipped(first: float, last: float, count: int) -> range:
    return range(max(math.floor(first), 0), min(math.floor(last), count - 1) + 1)


def blocks(box: Box) -> tuple[int, int, int, int]:
    """The blocks of the world that a box in degrees meets: west, south, east, north.

    They are square in degrees, and counted from the antimeridian and the south pole.

    >>> blocks((113.88, 22.92, 113.8804, 22.9202))
    (13374, 5139, 13374, 5139)
    """
    a = 2**BLOCKS / 360
    west, south, east, north = box
    return (
        math.floor((west + 180) * a),
        math.floor((south + 90) * a),
        math.floor((east + 180) * a),
        math.floor((north + 90) * a),
    )


_DEFINED = "http://www.opengis.net/def/tilematrixset/OGC/1.0"
_CRS = "http://www.opengis.net/def/crs"

WEB = MatrixSet(
    "WebMercatorQuad", "球面墨卡托（网络地图通用）", "Web Mercator, as web maps have it",
    f"{_CRS}/EPSG/0/3857", 3857, False, -MERCATOR, MERCATOR, 2 * MERCATOR, 1, 0, 24, 0,
    uri=f"{_DEFINED}/WebMercatorQuad",
)  # fmt: skip
GEOGRAPHIC = MatrixSet(
    "WorldCRS84Quad", "经纬度（CRS84）", "Degrees, longitude first",
    f"{_CRS}/OGC/1.3/CRS84", SRID, False, -180.0, 90.0, 180.0, 2, 0, 17, 1,
    uri=f"{_DEFINED}/WorldCRS84Quad",
)  # fmt: skip
NATIONAL = MatrixSet(
    "CGCS2000Quad", "经纬度（CGCS2000），级别编号同天地图",
    "CGCS2000 degrees, levels as in Tianditu",
    f"{_CRS}/EPSG/0/4490", SRID, True, -180.0, 90.0, 180.0, 2, 1, 18, 1,
    kept_as="WorldCRS84Quad",
)  # fmt: skip

MATRIX_SETS: dict[str, MatrixSet] = {each.name: each for each in (WEB, GEOGRAPHIC, NATIONAL)}
"""By name."""
