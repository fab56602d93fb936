"""A raster opened and judged: is it heights in metres, and where on Earth are they?"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
import shapely
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader

from cim import crs
from cim.crs.geoid import CITY
from cim.crs.vertical import Heights, split
from cim.errors import InvalidQuery, MissingCrs, SourceError
from cim.load.readers import archive
from cim.load.terrain.wish import SURFACES, only_raster
from cim.terrain.layer import Box

FORMATS = (
    "GTiff", "COG", "SRTMHGT", "AAIGrid", "USGSDEM", "HFA", "EHdr", "ENVI", "DTED", "RST", "SAGA",
    "GSBG", "GS7BG", "GSAG", "ISG",
)  # fmt: skip
"""What is opened: formats that are one file with its own cells, and lead nowhere else."""

ALONG = 32
"""Points along each side of a raster by which its extent in degrees is drawn."""

_FEET = ("ft", "foot", "feet", "us-ft", "us survey foot", "sftus", "英尺")


@dataclass
class Raster:
    """An open raster whose place and unit are known.

    `file` is as rasterio opened it, `name` the file's; `system` what `cim.crs` takes; `heights` one
    of SURFACES; `extent` a polygon in degrees; `cell` metres; `notes` what was taken how.
    """

    file: DatasetReader
    name: str
    system: str
    heights: str
    extent: shapely.Polygon
    cell: float
    notes: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def opened(path: Path, system: str | None = None, heights: str | None = None) -> Iterator[Raster]:
    """Open a raster, or the one in an archive; `system` and `heights` are what was said of it.

    Raises SourceError (with MissingCrs) where it is none, or not of heights in metres.
    """
    if heights is not None and heights not in SURFACES:
        listed = ", ".join(SURFACES)
        raise InvalidQuery(
            f"--heights {heights} is not known: {listed}",
            f"不认识 --heights {heights}：可用 {listed}",
        )
    with _found(path) as file:
        yield _judged(file, path.name, system, heights)


def numbers(path: Path) -> Box:
    """The least x and y and the most of a raster, in whatever system it is; raises SourceError."""
    with _found(path) as file:
        return tuple(file.bounds)


@contextmanager
def _found(path: Path) -> Iterator[DatasetReader]:
    """The raster at a path, or the one in the archive there."""
    if not path.is_file():
        raise SourceError(f"no such file: {path}", f"没有这个文件：{path}")
    if path.suffix.lower() != ".zip":
        with _open(path, path.name) as file:
            yield file
        return
    member = only_raster(path)
    held = archive.unpack(path, [member], archive.entries(path))
    try:
        with _open(held.folder / member, path.name) as file:
            yield file
    finally:
        held.close()


@contextmanager
def _open(path: Path, name: str) -> Iterator[DatasetReader]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)  # said in our own words
            with rasterio.Env():  # `rasterio.open` takes one driver; others may lead elsewhere
                file = DatasetReader(path, driver=list(FORMATS))
    except RasterioError as error:
        raise SourceError(
            f"{name} cannot be read as a raster of heights, or is cut off; read are "
            f"{', '.join(FORMATS)}",
            f"{name} 无法作为高程栅格读取，或文件不完整；可读格式：{'、'.join(FORMATS)}",
        ) from error
    try:
        yield file
    except RasterioError as error:
        raise SourceError(
            f"{name} is damaged or cut off: some of its cells cannot be read",
            f"{name} 已损坏或不完整：部分像元无法读取",
        ) from error
    finally:
        file.close()


def _judged(file: DatasetReader, name: str, said: str | None, heights: str | None) -> Raster:
    _one_band(file, name)
    found = _system(file, name, said)
    _metres(file, name, found)
    extent = _extent(file, name, found.plane)
    cells = file.width * file.height
    cell = float(np.sqrt(crs.areas(np.array([extent]))[0] / cells))
    notes = []
    above = heights or found.above or CITY
    if heights is None and found.name and found.above is None:
        notes.append(
            (
                f"its heights are said to be {found.name}: taken as the city's own",
                f"文件注明高程基准为 {found.name}：视为与城市高程基准一致",
            )
        )
    if heights and found.above and heights != found.above:
        notes.append(
            (
                f"its heights are said to be {found.name}; taken as {heights}, as you said",
                f"文件注明高程基准为 {found.name}；按指定的 {heights} 读取",
            )
        )
    return Raster(file, name, found.plane, above, extent, cell, notes)


def _one_band(file: DatasetReader, name: str) -> None:
    if file.count != 1 or file.colorinterp[0] == ColorInterp.palette:
        bands = f"{file.count} bands" if file.count != 1 else "colours"
        zh = f"{file.count} 个波段" if file.count != 1 else "调色板颜色"
        raise SourceError(
            f"{name} has {bands}: a picture, not a raster of heights",
            f"{name} 含{zh}：是图像而不是高程栅格",
        )
    if np.dtype(file.dtypes[0]).kind not in "iuf":
        raise SourceError(
            f"{name} has cells of {file.dtypes[0]}, which are no heights",
            f"{name} 的像元类型为 {file.dtypes[0]}，不是高程",
        )


def _system(file: DatasetReader, name: str, said: str | None) -> Heights:
    """Its coordinate system, as said or as the file has it."""
    if file.transform.is_identity:
        raise SourceError(
            f"{name} is not georeferenced: it does not say where on Earth its cells are",
            f"{name} 没有地理参考：未说明像元的位置",
        )
    if said is not None:
        if crs.canonical(said).removesuffix(crs.SWAPPED) in ("gcj02", "bd09"):
            raise SourceError(
                f"{name}: no raster of heights comes in {said}",
                f"{name}：高程栅格不会采用 {said}",
            )
        return split(said)
    if file.crs is None:
        raise MissingCrs(
            f"{name} does not say its coordinate system; say it with --crs EPSG:…",
            f"{name} 未注明坐标系；请用 --crs EPSG:… 指定",
        )
    return split(file.crs.to_wkt())


def _metres(file: DatasetReader, name: str, found: Heights) -> None:
    unit = found.unit or (file.units[0] or "").strip().lower()
    if unit in _FEET or "foot" in unit.lower() or "feet" in unit:
        raise SourceError(
            f"{name} has heights in feet ({unit}); convert them to metres first",
            f"{name} 的高程单位为英尺（{unit}）；请先换算为米",
        )
    if unit not in ("", "m", "metre", "meter", "metres", "meters", "米"):
        raise SourceError(
            f"{name} has heights in {unit}; metres are needed",
            f"{name} 的高程单位为 {unit}；应为米",
        )


def _extent(file: DatasetReader, name: str, system: str) -> shapely.Polygon:
    """The border of the raster in degrees."""
    width, height = file.width, file.height
    along = np.linspace(0, 1, ALONG + 1)[:-1]
    columns = np.concatenate([along, np.ones(ALONG), 1 - along, np.zeros(ALONG)]) * width
    rows = np.concatenate([np.zeros(ALONG), along, np.ones(ALONG), 1 - along]) * height
    a, b, c, d, e, f = file.transform[:6]
    x, y = a * columns + b * rows + c, d * columns + e * rows + f
    lon, lat = crs.to_4490(x, y, system)
    fine = np.isfinite(lon).all() and np.isfinite(lat).all()
    if not fine or np.abs(lon).max() > 180.5 or np.abs(lat).max() > 90.5:
        raise SourceError(
            f"{name}: its corners ({x[0]:.10g}, {y[0]:.10g} …) lie nowhere in its coordinate "
            "system; say the right one with --crs",
            f"{name}：角点坐标（{x[0]:.10g}, {y[0]:.10g} …）超出其坐标系范围；"
            "请用 --crs 指定正确的坐标系",
        )
    return shapely.Polygon(np.column_stack([lon, lat]))
