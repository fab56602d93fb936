"""Parquet: GeoParquet in every encoding of its standard, and plain tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from cim.errors import SourceError
from cim.load import readers

Refused = Callable[..., SourceError]


def native(path: Path, shapes: list[shapely.Geometry | None], encoding: str) -> Path:
    """GeoParquet of coordinates in lists, as the standard's 1.1 has it."""
    given = np.array([shape for shape in shapes if shape is not None], dtype=object)
    _, points, offsets = shapely.to_ragged_array(given, include_z=False)
    column: Any = pa.StructArray.from_arrays([points[:, 0].copy(), points[:, 1].copy()], ["x", "y"])
    for level in offsets:
        column = pa.ListArray.from_arrays(pa.array(level, pa.int32()), column)
    places = np.cumsum([shape is not None for shape in shapes]) - 1
    order = pa.array(
        [int(p) if s is not None else None for p, s in zip(places, shapes, strict=True)]
    )
    table = pa.table({"name": [str(n) for n in range(len(shapes))], "geometry": column.take(order)})
    geo = {
        "version": "1.1.0", "primary_column": "geometry",
        "columns": {"geometry": {"encoding": encoding, "geometry_types": []}},
    }  # fmt: skip
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    return path


square, far = shapely.box(0, 0, 1, 1), shapely.box(5, 5, 6, 7)
ring = shapely.Polygon([(0, 0), (9, 0), (9, 9), (0, 9)], [[(1, 1), (2, 1), (2, 2)]])
SHAPES: dict[str, list[shapely.Geometry | None]] = {
    "point": [shapely.Point(1, 2), None, shapely.Point(3, 4)],
    "linestring": [shapely.LineString([(0, 0), (1, 1)]), None],
    "polygon": [square, None, ring, far],
    "multipoint": [shapely.MultiPoint([(0, 0), (1, 1)]), None],
    "multilinestring": [shapely.MultiLineString([[(0, 0), (1, 1)], [(2, 2), (3, 3)]])],
    "multipolygon": [shapely.MultiPolygon([square, far]), None, shapely.MultiPolygon([ring])],
}


@pytest.mark.parametrize("encoding", SHAPES)
def test_native_encodings_give_the_same_outlines_as_wkb(tmp_path: Path, encoding: str) -> None:
    shapes = SHAPES[encoding] * 3
    (batch,) = readers.read(native(tmp_path / "a.parquet", shapes, encoding)).batches
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry).tolist() == shapes


def test_a_ring_that_is_none_spoils_its_own_row(tmp_path: Path) -> None:
    path = native(tmp_path / "a.parquet", [square, far], "polygon")
    table = pq.read_table(path)
    short = [[{"x": 0.0, "y": 0.0}, {"x": 1.0, "y": 1.0}]]
    column = pa.array([*table["geometry"].to_pylist(), short], table["geometry"].type)
    more = pa.table({"name": ["a", "b", "c"], "geometry": column})
    pq.write_table(more.replace_schema_metadata(table.schema.metadata), path)
    (batch,) = readers.read(path).batches
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[:2]).tolist() == [square, far]
    assert batch.geometry[2] == b"broken"


def test_a_plain_parquet_file_has_places_by_the_names_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["x"], "lon": [113.0], "lat": [23.0]}), path)
    (batch,) = readers.read(path).batches
    assert batch.geometry is not None
    assert shapely.from_wkb(batch.geometry[0]) == shapely.Point(113, 23)
    assert readers.read(path).crs is None


@pytest.mark.parametrize("geo", [b"", b"[]", b"{}", b'{"primary_column": "x", "columns": {}}'])
def test_metadata_that_make_no_sense_are_refused(
    tmp_path: Path, geo: bytes, refused: Refused
) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["x"]}).replace_schema_metadata({"geo": geo}), path)
    refused(path)


@pytest.mark.parametrize("share", [0.001, 0.2, 0.5, 0.9, 0.999])
def test_parquet_that_is_cut_off_is_refused(tmp_path: Path, share: float, refused: Refused) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["1栋", "2栋", "3栋"] * 100}), path)
    data = path.read_bytes()
    path.write_bytes(data[: max(1, int(len(data) * share))])
    refused(path)
