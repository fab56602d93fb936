"""Parquet and GeoParquet (WKB and native encodings), streamed by row group."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from numpy.typing import NDArray
from shapely.errors import GEOSException

from cim.errors import SourceError
from cim.load.readers import heading, place
from cim.load.source import BATCH_ROWS, Batch, Source, without_nul

DEFAULT_CRS = "OGC:CRS84"
"""What GeoParquet means by a geometry column without a `crs` member."""

NATIVE = {
    "point": (shapely.GeometryType.POINT, 0),
    "linestring": (shapely.GeometryType.LINESTRING, 1),
    "polygon": (shapely.GeometryType.POLYGON, 2),
    "multipoint": (shapely.GeometryType.MULTIPOINT, 1),
    "multilinestring": (shapely.GeometryType.MULTILINESTRING, 2),
    "multipolygon": (shapely.GeometryType.MULTIPOLYGON, 3),
}
"""GeoParquet 1.1's encodings by struct of x and y: what they are, and in how many lists."""

_FAULTS = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class _Place:
    """The column of geometry and its encoding, or columns of coordinates, and their system.

    `without` are the columns that hold the place, or repeat it.
    """

    columns: tuple[str, ...] = ()
    encoding: str | None = None
    crs: str | None = None
    without: tuple[str, ...] = ()


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a Parquet file; `layer` and `encoding` mean nothing to it."""
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        where = _place(path, file.schema_arrow)
    except _FAULTS as error:
        raise _unreadable(path, error) from error
    if len(names) > heading.MOST_COLUMNS:
        raise heading.too_wide(path.name, len(names))
    if len(set(names)) < len(names):
        raise SourceError(f"{path.name}: columns named twice", f"{path.name}：列名重复")
    return Source(
        batches=_batches(path, file, where),
        crs=where.crs,
        fields=[name for name in names if name not in where.without],
        count=file.metadata.num_rows,
        format="GeoParquet" if where.encoding else "Parquet",
    )


def _unreadable(path: Path, error: Exception) -> SourceError:
    what = str(error).partition("\n")[0]
    if "magic bytes" in what or "smaller than" in what:
        return SourceError(
            f"{path.name} is no Parquet file, or is cut off",
            f"{path.name} 不是 Parquet 文件，或不完整",
        )
    return SourceError(
        f"{path.name} is no readable Parquet file: {what or type(error).__name__}",
        f"{path.name} 不是可读的 Parquet 文件：{what or type(error).__name__}",
    )


def _place(path: Path, schema: pa.Schema) -> _Place:
    """Where the geometry is, from the "geo" metadata, or from the names of the columns."""
    raw = (schema.metadata or {}).get(b"geo")
    if raw is None:
        names = place.columns(schema.names)
        return _Place(names, None, None, names)
    known: dict[str, Any] = json.loads(raw)
    name = known["primary_column"]
    column = known["columns"][name]
    if name not in schema.names:
        raise SourceError(
            f"{path.name} names a geometry column that it does not have",
            f"{path.name} 声明的几何列不存在",
        )
    encoding = column.get("encoding", "WKB")
    if encoding != "WKB" and encoding not in NATIVE:
        raise SourceError(
            f"{path.name}: geometry is encoded as {encoding}; WKB and GeoParquet 1.1's own "
            "encodings are read",
            f"{path.name}：几何编码为 {encoding}，只支持 WKB 和 GeoParquet 1.1 的原生编码",
        )
    crs = DEFAULT_CRS
    if "crs" in column:
        crs = json.dumps(column["crs"]) if column["crs"] else ""
    boxes = {path[0] for path in column.get("covering", {}).get("bbox", {}).values()}
    return _Place((name,), encoding, crs or None, (name, *sorted(boxes & set(schema.names))))


def _batches(path: Path, file: pq.ParquetFile, where: _Place) -> Iterator[Batch]:
    row = 1
    try:
        for part in map(without_nul, file.iter_batches(BATCH_ROWS)):
            geometry = _geometry(part, where) if where.columns else None
            yield Batch(part.drop_columns(list(where.without)), geometry, row)
            row += part.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path.name} cannot be read after row {row - 1}: it is damaged",
            f"{path.name} 在第 {row - 1} 行之后无法读取：文件已损坏",
        ) from error


def _geometry(part: pa.RecordBatch, where: _Place) -> NDArray[np.object_]:
    if where.encoding is None:
        return place.geometry(part, where.columns)
    column = part.column(where.columns[0])
    if where.encoding == "WKB":
        return place.shallow(np.array(column.to_pylist(), dtype=object))
    return native(column, where.encoding)


def native(column: pa.Array, encoding: str) -> NDArray[np.object_]:
    """WKB of a column in one of GeoParquet's own encodings; heights are left out.

    None where the column has null; what is no geometry comes as the bytes `broken`.

    >>> points = pa.array([{"x": 1.0, "y": 2.0}, None])
    >>> [item and shapely.from_wkb(item) for item in native(points, "point")]
    [<POINT (1 2)>, None]
    """
    known = np.asarray(column.is_valid().to_numpy(zero_copy_only=False), bool)
    found = np.full(len(column), None, dtype=object)
    some = column.drop_null()
    try:
        found[known] = shapely.to_wkb(_ragged(some, *NATIVE[encoding]))
    except (GEOSException, ValueError):
        found[known] = [_single(some.slice(row, 1), encoding) for row in range(len(some))]
    return found


def _single(one: pa.Array, encoding: str) -> bytes:
    try:
        made: bytes = shapely.to_wkb(_ragged(one, *NATIVE[encoding]))[0]
    except (GEOSException, ValueError):
        return b"broken"
    return made


def _ragged(column: pa.Array, kind: shapely.GeometryType, depth: int) -> NDArray[np.object_]:
    """Geometries from lists in lists of x and y."""
    offsets: list[NDArray[np.int64]] = []
    for _ in range(depth):
        starts = np.asarray(column.offsets, np.int64)
        offsets.insert(0, starts - starts[0])
        column = column.flatten()
    points = np.column_stack([np.asarray(column.field(name), np.float64) for name in ("x", "y")])
    made: NDArray[np.object_] = shapely.from_ragged_array(kind, points, tuple(offsets) or None)
    return made
