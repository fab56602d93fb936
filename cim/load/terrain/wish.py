"""What terrain goes by where kinds are named, and what may be said of it."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from cim.crs.geoid import CITY, ELLIPSOID, MODELS
from cim.errors import SourceError
from cim.load.kind import Kind
from cim.load.readers import READERS, archive
from cim.model.terrain import terrain

KIND = Kind(
    name="terrain",
    zh="地形",
    en="rasters of ground heights (GeoTIFF, SRTM …)",
    table=terrain,
    object_type="terrain",
    fields=(),
)
"""The kind; it has no columns and no mapping."""

ENDINGS = (".tif", ".tiff", ".hgt", ".asc", ".dem", ".img", ".bil", ".flt", ".dt0", ".dt1", ".dt2")
"""How names of rasters end; any of them may be in a .zip."""

SURFACES = (CITY, ELLIPSOID, *MODELS)
"""What heights may be said to be above."""


@dataclass(frozen=True)
class Wish:
    """What was said of rasters: their coordinate system, what heights are above, where they come
    from, the day of survey, whether they are all that the city is to have, and the names of those
    that it is to have no more."""

    crs: str | None = None
    heights: str | None = None
    source: str | None = None
    surveyed: date | None = None
    full: bool = False
    end: tuple[str, ...] = ()


def is_raster(path: Path) -> bool:
    """Whether a file goes by the name of a raster, or is an archive of nothing but such.

    Raises SourceError where an archive may not be opened.
    """
    if path.suffix.lower() == ".zip" and path.is_file():
        others = (Path(name).suffix.lower() in READERS for name in archive.entries(path))
        return bool(rasters_in(path)) and not any(others)
    return path.suffix.lower() in ENDINGS


def rasters_in(path: Path) -> list[str]:
    """The rasters of an archive."""
    names = [name.replace("\\", "/") for name in archive.entries(path)]
    return [
        name for name in names if Path(name).suffix.lower() in ENDINGS and "__MACOSX" not in name
    ]


def only_raster(path: Path) -> str:
    """The one raster of an archive; SourceError where there are none, or several."""
    found = rasters_in(path)
    if len(found) == 1:
        return found[0]
    listed = ", ".join(found[:10]) or ", ".join(ENDINGS)
    raise SourceError(
        f"{path.name} holds {len(found)} rasters, one is read: unpack it first ({listed})",
        f"{path.name} 中有 {len(found)} 个栅格，每次只读一个：请先解压（{listed}）",
    )
