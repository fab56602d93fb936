"""Files of outlines to read, and what is expected of those that cannot be."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from pyogrio.raw import write

from cim.errors import SourceError
from cim.load import readers
from cim.load.source import BATCH_ROWS

DRIVERS = {
    ".gpkg": "GPKG", ".fgb": "FlatGeobuf", ".geojson": "GeoJSON", ".geojsonl": "GeoJSONSeq",
    ".shp": "ESRI Shapefile", ".gml": "GML", ".kml": "KML", ".gdb": "OpenFileGDB",
}  # fmt: skip
NAMES = ["1栋", "2栋", "3栋"]


def _outlines(count: int) -> list[shapely.Polygon]:
    return [shapely.box(113 + n * 1e-4, 23, 113.00005 + n * 1e-4, 23.0001) for n in range(count)]


def _houses(
    path: Path, names: list[str] | None = None, crs: str | None = "EPSG:4326", **options: Any
) -> Path:
    names = names or NAMES
    geometry = shapely.to_wkb(np.array(_outlines(len(names)), dtype=object))
    write(
        path, geometry, [np.array(names, dtype=object)], ["name"], geometry_type="Polygon",
        crs=crs, driver=DRIVERS[path.suffix], **options,
    )  # fmt: skip
    return path


def _names(path: Path, **options: Any) -> list[str]:
    found = []
    for batch in readers.read(path, **options).batches:
        assert len(batch) <= BATCH_ROWS
        assert batch.geometry is not None
        key = next(n for n in batch.columns.schema.names if n.lower() == "name")
        found += batch.columns.column(key).to_pylist()
    return sorted(found) if path.suffix in (".fgb", ".zip") else found  # that one sorts by place


def _refused(path: Path, *words: str, **options: Any) -> SourceError:
    with pytest.raises(SourceError) as fault:
        for _ in readers.read(path, **options).batches:
            pass
    assert fault.value.zh != str(fault.value)
    assert path.name in str(fault.value)
    for word in words:
        assert word in str(fault.value)
    return fault.value


@pytest.fixture
def houses() -> Callable[..., Path]:
    """Writes a file of three houses in the format of its name."""
    return _houses


@pytest.fixture
def names() -> Callable[..., list[str]]:
    """Reads a file of houses, whole, and gives their names."""
    return _names


@pytest.fixture
def refused() -> Callable[..., SourceError]:
    """Reads a file that is refused with a sentence of some words, which names it."""
    return _refused
