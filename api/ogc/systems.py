"""The coordinate systems features are answered in, by the addresses that stand for them."""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.crs.plane import to_4490
from cim.errors import BadParameter

DEFINITIONS = "http://www.opengis.net/def/crs"
CRS84 = f"{DEFINITIONS}/OGC/1.3/CRS84"


@dataclass(frozen=True)
class System:
    """A coordinate system; longitude and latitude are degrees, all else metres."""

    uri: str
    srid: int
    swapped: bool
    """Whether latitude or northing comes first, as its authority orders axes."""

    def plain(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Coordinates of shape (n, 2) as written, in CGCS2000 degrees, longitude first."""
        x, y = (points[:, 1], points[:, 0]) if self.swapped else (points[:, 0], points[:, 1])
        return np.column_stack(to_4490(x, y, f"EPSG:{self.srid}"))

    def place(self, geometry: shapely.Geometry) -> shapely.Geometry:
        """A geometry as written, in CGCS2000 degrees, longitude first."""
        return shapely.transform(shapely.force_2d(geometry), self.plain)


def _epsg(code: int, swapped: bool) -> System:
    return System(f"{DEFINITIONS}/EPSG/0/{code}", code, swapped)


ZONES = range(4538, 4554)
"""CGCS2000 in zones of three degrees, central meridians 87° to 132° E, northing first."""

SYSTEMS: dict[str, System] = {
    each.uri: each
    for each in (
        System(CRS84, 4490, False),
        _epsg(4490, True),
        _epsg(4326, True),
        _epsg(3857, False),
        *(_epsg(code, True) for code in ZONES),
    )
}
"""By address; CGCS2000, WGS 84 and CRS84 are taken for one, as everywhere in the house."""

DEFAULT = SYSTEMS[CRS84]
STORED = f"{DEFINITIONS}/EPSG/0/4490"


def system(parameter: str, uri: str) -> System:
    """The system that an address stands for; BadParameter names the parameter."""
    found = SYSTEMS.get(uri.replace("https://", "http://", 1).strip("[]"))
    if found is None:
        raise BadParameter(
            f"{parameter} must be one of the systems that the collection lists in crs.",
            f"{parameter} 必须为该数据集 crs 中列出的坐标系之一。",
        )
    return found


def box(parameter: str, numbers: list[float], within: System) -> shapely.Geometry:
    """A box as written in a system, as a geometry in CGCS2000 degrees.

    Sides are followed in sixteen steps, for they may be curved in degrees. A box in degrees whose
    first edge lies east of its last one crosses the antimeridian, and becomes two.
    """
    half = len(numbers) // 2
    (x0, y0), (x1, y1) = numbers[:2], numbers[half : half + 2]
    if within.swapped:
        x0, y0, x1, y1 = y0, x0, y1, x1
    if y0 > y1:
        raise _wrong(parameter, "has its south above its north", "的南界高于北界")
    if within.srid in (4490, 4326):
        if max(abs(x0), abs(x1)) > 180 or max(abs(y0), abs(y1)) > 90:
            raise _wrong(parameter, "must lie within the globe", "必须在地球范围之内")
        if x0 > x1:
            return shapely.multipolygons(
                [shapely.box(x0, y0, 180, y1), shapely.box(-180, y0, x1, y1)]
            )
        return shapely.box(x0, y0, x1, y1)
    if x0 > x1:
        raise _wrong(parameter, "has its west beyond its east", "的西界大于东界")
    steps = np.linspace(0, 1, 17)[:-1]
    xs, ys = x0 + (x1 - x0) * steps, y0 + (y1 - y0) * steps
    ring = np.concatenate(
        [
            np.column_stack([xs, np.full(16, y0)]),
            np.column_stack([np.full(16, x1), ys]),
            np.column_stack([xs[::-1] + (x1 - x0) / 16, np.full(16, y1)]),
            np.column_stack([np.full(16, x0), ys[::-1] + (y1 - y0) / 16]),
        ]
    )
    placed = within.plain(ring[:, ::-1] if within.swapped else ring)
    if not np.isfinite(placed).all():
        raise _wrong(parameter, "lies outside its coordinate system", "超出其坐标系范围")
    return shapely.polygons(placed)


def _wrong(parameter: str, en: str, zh: str) -> BadParameter:
    return BadParameter(f"{parameter} {en}.", f"{parameter}{zh}。")
