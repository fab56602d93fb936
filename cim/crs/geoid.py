"""From heights of the city's datum (1985) to heights above the ellipsoid.

The distance between the two is a constant, or a raster of geoid heights that rasterio reads
(`.gtx`, GeoTIFF …) in longitude and latitude, in metres.  Models of the whole world go by their
names (`egm96`, `egm2008`) or by those of their files in PROJ, and are found where PROJ has them.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cim.errors import TilingError
from cim.settings import Settings

Floats = NDArray[np.float64]

MODELS: dict[str, tuple[str, ...]] = {
    "egm96": ("us_nga_egm96_15.tif", "egm96_15.gtx"),
    "egm2008": ("us_nga_egm08_25.tif", "egm08_25.gtx"),
}
"""Geoids of the whole world, with the names of their grids in PROJ's data."""

CITY, ELLIPSOID = "1985", "ellipsoid"
"""What heights are above, besides the MODELS: the city's own height datum, and the ellipsoid."""

_DEBIAN = Path("/usr/share/proj")


@dataclass(frozen=True)
class Geoid:
    """Geoid heights: a constant `offset`, or `grid` values at the nodes of a lattice in degrees.

    `west`, `north` are the first node's, `steps` the distances to the next node east and south.
    """

    name: str
    offset: float = 0.0
    grid: Floats | None = None
    west: float = 0.0
    north: float = 0.0
    steps: tuple[float, float] = (1.0, 1.0)

    def height(self, longitude: Floats, latitude: Floats) -> Floats:
        """Metres from the height datum up to the ellipsoid at each place, degrees in.

        Bilinear between the four nodes around.  Raises TilingError where the grid does not reach.

        >>> Geoid("constant", 3.5).height(np.array([113.0, 114.0]), np.array([23.0, 23.0]))
        array([3.5, 3.5])
        >>> Geoid("constant", 3.5).height(np.array([]), np.array([])).size
        0
        >>> plane = Geoid("grid", grid=np.array([[2.0, 4.0], [0.0, 2.0]]), west=10.0, north=51.0)
        >>> plane.height(np.array([10.5]), np.array([50.25]))
        array([1.5])
        """
        if self.grid is None:
            return np.full(np.shape(longitude), self.offset)
        rows, columns = self.grid.shape
        span = columns * self.steps[0]
        round_the_world = abs(span - 360) < 1.5 * self.steps[0]
        east = np.asarray(longitude) - self.west
        x = (east % 360 if round_the_world else east) / self.steps[0]
        y = (self.north - np.asarray(latitude)) / self.steps[1]
        inside = (y >= 0) & (y <= rows - 1) & (x >= 0)
        if not round_the_world:
            inside &= x <= columns - 1
        found = np.full(np.shape(x), np.nan)
        if inside.all():
            found = self._between(x, y, columns if round_the_world else columns - 1)
        if not np.isfinite(found).all():
            raise TilingError(
                f"the geoid grid {self.name} does not cover the whole city",
                f"大地水准面格网 {self.name} 未覆盖全部城市范围",
            )
        return found

    def _between(self, x: Floats, y: Floats, wrap: int) -> Floats:
        """Bilinear values at grid coordinates; columns from `wrap` on continue at the first."""
        assert self.grid is not None
        rows, columns = self.grid.shape
        left = np.minimum(x.astype(int), max(wrap - 1, 0))
        top = np.minimum(y.astype(int), max(rows - 2, 0))
        right, bottom = (left + 1) % columns, np.minimum(top + 1, rows - 1)
        u, v = x - left, y - top
        upper = self.grid[top, left] * (1 - u) + self.grid[top, right] * u
        lower = self.grid[bottom, left] * (1 - u) + self.grid[bottom, right] * u
        found: Floats = upper * (1 - v) + lower * v
        return found


def geoid(settings: Settings) -> Geoid:
    """The city's geoid, read once; raises TilingError where its grid is missing or unreadable."""
    if settings.geoid_grid is None:
        return Geoid("constant", settings.geoid_offset)
    return read_grid(find_grid(settings.geoid_grid))


def find_grid(wanted: Path, beside: Path | None = None) -> Path:
    """The file of a grid: as it stands, or by a name of `MODELS` or of PROJ's data.

    It is looked for where PROJ looks, and in the folder `beside`.  Raises TilingError where there
    is none.
    """
    if wanted.is_file():
        return wanted
    names = MODELS.get(str(wanted).lower(), (wanted.name,))
    if wanted.name == str(wanted):
        for folder in _folders(beside):
            for name in names:
                if (folder / name).is_file():
                    return folder / name
    raise TilingError(
        f"no geoid grid at {wanted}: set CIM_GEOID_GRID to a file, install PROJ's grids (on "
        "Debian: apt-get install proj-data), or give CIM_GEOID_OFFSET",
        f"找不到大地水准面格网 {wanted}：请把 CIM_GEOID_GRID 指向文件，或安装 PROJ 格网"
        "（Debian：apt-get install proj-data），或改用 CIM_GEOID_OFFSET",
    )


def _folders(beside: Path | None) -> Iterator[Path]:
    from pyproj.datadir import (  # type: ignore[attr-defined]  # noqa: PLC0415 - pyproj's own
        get_data_dir,  # omission; a twentieth of a second for those who have no grid
        get_user_data_dir,
    )

    if beside is not None:
        yield beside
    for listed in (os.environ.get("PROJ_DATA", ""), get_data_dir()):
        yield from (Path(folder) for folder in listed.split(os.pathsep) if folder)
    yield from (Path(get_user_data_dir()), _DEBIAN)


def to_city(settings: Settings, heights: str) -> Callable[[Floats, Floats], Floats | float]:
    """What to add to heights above `heights` to have them in the city's datum; places in degrees.

    `heights` is CITY, ELLIPSOID or a name of MODELS.  Raises TilingError where a grid is missing.

    >>> above = to_city(Settings(geoid_offset=-4.0), "ellipsoid")
    >>> above(np.array([113.75]), np.array([23.02]))
    array([4.])
    """
    grid = settings.geoid_grid
    if heights == CITY or (grid and (grid.name in MODELS.get(heights, ()) or str(grid) == heights)):
        return lambda longitude, latitude: 0.0
    own = geoid(settings)
    if heights == ELLIPSOID:
        return lambda longitude, latitude: -own.height(longitude, latitude)
    other = read_grid(find_grid(Path(heights), grid.parent if grid else None))
    return lambda longitude, latitude: (
        other.height(longitude, latitude) - own.height(longitude, latitude)
    )


@lru_cache(maxsize=2)
def read_grid(path: Path) -> Geoid:
    """A geoid from a raster in degrees; rows may run either way, longitudes 0 to 360 or ±180."""
    import rasterio  # noqa: PLC0415 - a quarter of a second that a city without a grid need not wait
    from rasterio.errors import RasterioError  # noqa: PLC0415 - GDAL comes with it, for grids alone

    try:
        # The library's cache keeps the size that it has when it is first used: cim.terrain's.
        with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(path) as raster:
            values = raster.read(1, masked=True, out_dtype=np.float32).filled(np.nan)
            transform = raster.transform
    except RasterioError as fault:
        raise TilingError(
            f"the geoid grid {path.name} cannot be read: {fault}",
            f"无法读取大地水准面格网 {path.name}：{fault}",
        ) from fault
    if transform.b or transform.d or not 0 < transform.a <= 10:
        raise TilingError(
            f"the geoid grid {path.name} is not in longitude and latitude",
            f"大地水准面格网 {path.name} 不是经纬度格网",
        )
    north, step = transform.f + transform.e / 2, -transform.e
    if step < 0:  # rows run from south to north
        values, north, step = values[::-1], north - step * (len(values) - 1), -step
    return Geoid(
        path.name,
        grid=np.ascontiguousarray(values),
        west=transform.c + transform.a / 2,
        north=north,
        steps=(transform.a, step),
    )


def geoid_height(settings: Settings, longitude: Floats, latitude: Floats) -> Floats:
    """Metres to add to a height of the city's datum to reach the ellipsoid, at each place.

    Ellipsoidal height = ground elevation + elevation above ground + this.

    >>> settings = Settings(geoid_offset=-4.0)
    >>> geoid_height(settings, np.array([113.75]), np.array([23.02]))
    array([-4.])
    """
    return geoid(settings).height(longitude, latitude)
