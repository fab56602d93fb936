"""From whatever system a file is in to CGCS2000 degrees.

Policy: WGS84 and CGCS2000 are one.  They differ by decimetres at most and PROJ knows no better
than "ballpark"; so every source is taken to WGS84 (which PROJ knows a way to from most datums) and
called CGCS2000.  `EQUALITY` is written beside what was loaded.

Axes are always longitude/easting first, whatever the authority's order; a system whose name ends in
`/yx` is that of a file which has them the other way round.
"""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from cim.crs import china
from cim.errors import MissingCrs

Numbers = NDArray[np.float64]
"""Coordinates, any shape."""

EQUALITY = "WGS84 = CGCS2000"
"""The policy of this module in a word, kept with every import."""

AXIS = 6378137.0
FLATTENING = 1 / 298.257222101
"""The ellipsoid of CGCS2000."""

SHIFTED: dict[str, Callable[[Numbers, Numbers], tuple[Numbers, Numbers]]] = {
    "gcj02": china.wgs84_from_gcj02,
    "bd09": china.wgs84_from_bd09,
}
"""The shifted degrees of web maps, by the name that `--crs` takes."""

SAME = frozenset({"EPSG:4490", "EPSG:4326", "OGC:CRS84"})
"""Systems whose longitude and latitude are ours already."""

NAMES = {
    "cgcs2000": "EPSG:4490",
    "wgs84": "EPSG:4326",
    "xian80": "EPSG:4610",
    "beijing54": "EPSG:4214",
}
"""Names that people type instead of a code."""

SWAPPED = "/yx"
"""What a system ends in whose file has northing or latitude first: `EPSG:4547/yx`."""


@lru_cache(maxsize=64)
def canonical(spec: str) -> str:
    """A coordinate system by one name: `gcj02`, `bd09`, `EPSG:4547`, or the WKT that was given.

    Raises MissingCrs where PROJ does not know it.

    >>> canonical("4547"), canonical("GCJ-02"), canonical("wgs84")
    ('EPSG:4547', 'gcj02', 'EPSG:4326')
    >>> canonical("cgcs2000/YX")
    'EPSG:4490/yx'
    """
    if spec.strip().lower().endswith(SWAPPED):
        return canonical(spec.strip()[: -len(SWAPPED)]) + SWAPPED
    plain = spec.strip().lower().replace("-", "").replace("_", "")
    if plain in SHIFTED:
        return plain
    spec = NAMES.get(plain, spec.strip())
    try:
        crs = CRS.from_user_input(int(spec) if spec.isdigit() else spec)
    except CRSError as error:
        raise MissingCrs(
            f"unknown coordinate system {spec!r}; say an EPSG code (EPSG:4547), gcj02 or bd09",
            f"不认识坐标系 {spec!r}；请用 EPSG 代码（如 EPSG:4547）、gcj02 或 bd09",
        ) from error
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt())


def is_projected(spec: str) -> bool:
    """Whether coordinates of this system are metres on a plane, not degrees."""
    spec = canonical(spec).removesuffix(SWAPPED)
    return spec not in SHIFTED and bool(CRS.from_user_input(spec).is_projected)


def is_approximate(spec: str) -> bool:
    """Whether a system stands on an old Chinese datum, whose shift to CGCS2000 is not public.

    Such places come out up to some hundred metres off: survey offices have the parameters.

    >>> is_approximate("EPSG:4610"), is_approximate("EPSG:4490"), is_approximate("gcj02")
    (True, False, False)
    """
    spec = canonical(spec).removesuffix(SWAPPED)
    if spec in SHIFTED:
        return False
    base = CRS.from_user_input(spec).geodetic_crs
    return base is not None and base.name.startswith(("Xian 1980", "Beijing 1954", "New Beijing"))


def is_ours(spec: str) -> bool:
    """Whether coordinates of this system are CGCS2000 degrees as they stand."""
    return canonical(spec) in SAME


def to_4490(x: Numbers, y: Numbers, spec: str) -> tuple[Numbers, Numbers]:
    """Longitude and latitude in CGCS2000 degrees; not finite where there is none.

    >>> lon, lat = to_4490(np.array([474373.087]), np.array([2546774.325]), "EPSG:4547")
    >>> round(float(lon[0]), 7), round(float(lat[0]), 7)
    (113.75, 23.02)
    >>> to_4490(np.array([]), np.array([]), "gcj02")[0].size
    0
    """
    spec = canonical(spec)
    if spec.endswith(SWAPPED):
        return to_4490(y, x, spec.removesuffix(SWAPPED))
    if spec in SHIFTED:
        return SHIFTED[spec](x, y)
    if spec in SAME:
        return x, y
    lon, lat = _transformer(spec).transform(x, y)
    return np.asarray(lon, np.float64), np.asarray(lat, np.float64)


def from_4490(lon: Numbers, lat: Numbers, spec: str) -> tuple[Numbers, Numbers]:
    """CGCS2000 degrees in another system, easting or longitude first.

    >>> x, y = from_4490(np.array([113.75]), np.array([23.02]), "EPSG:4526")
    >>> round(float(x[0]), 3), round(float(y[0]), 3)
    (38474373.087, 2546774.325)
    """
    spec = canonical(spec)
    if spec.endswith(SWAPPED):
        y, x = from_4490(lon, lat, spec.removesuffix(SWAPPED))
        return x, y
    if spec == "gcj02":
        return china.gcj02_from_wgs84(lon, lat)
    if spec == "bd09":
        return china.bd09_from_wgs84(lon, lat)
    if spec in SAME:
        return lon, lat
    x, y = _transformer(spec).transform(lon, lat, direction="INVERSE")
    return np.asarray(x, np.float64), np.asarray(y, np.float64)


@lru_cache(maxsize=32)
def _transformer(spec: str) -> Transformer:
    """The way to degrees: to CGCS2000 from its own zones, else to WGS84."""
    crs = CRS.from_user_input(spec)
    base = crs.geodetic_crs
    ours = base is not None and "2000" in base.name and "China" in base.name
    try:
        return Transformer.from_crs(crs, "EPSG:4490" if ours else "EPSG:4326", always_xy=True)
    except ProjError as error:
        raise MissingCrs(
            f"no way from {spec} to CGCS2000", f"无法从 {spec} 转换到 CGCS2000"
        ) from error


def zone(lon: float, *, prefixed: bool = False) -> int:
    """EPSG code of the CGCS2000 3° zone around a longitude, 73.5 to 136.5 E.

    >>> zone(113.75), zone(113.75, prefixed=True), zone(120.58)
    (4547, 4526, 4549)
    """
    index = min(max(round((lon - 75.0) / 3.0), 0), 20)
    return (4513 if prefixed else 4534) + index


def areas(geometries: NDArray[np.object_]) -> Numbers:
    """Area in m² on the ellipsoid of polygons in degrees; 0 for lines, points, None.

    Square degrees times the ellipsoid's m² per square degree at the centroid's latitude,
    M·N·cos φ with M and N the radii of curvature.  Taken at the centroid the first-order error
    cancels: what is left is under 1e-8 for shapes of 1 km, and under 1e-3 for shapes of 500 km.

    >>> square = shapely.box(113.0, 23.0, 113.001, 23.001)
    >>> round(float(areas(np.array([square, None]))[0]), 1)
    11353.7
    >>> areas(np.array([], dtype=object)).size
    0
    """
    flat = shapely.area(geometries)
    phi = np.radians(np.nan_to_num(shapely.get_y(shapely.centroid(geometries))))
    e2 = FLATTENING * (2 - FLATTENING)
    density = AXIS**2 * (1 - e2) / (1 - e2 * np.sin(phi) ** 2) ** 2 * np.cos(phi)
    found: Numbers = np.nan_to_num(flat * density * np.radians(1.0) ** 2)
    return found
