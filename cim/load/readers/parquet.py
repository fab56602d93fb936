"""Parquet and GeoParquet (WKB encoding), streamed by row group."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cim.errors import SourceError
from cim.load.source import BATCH_ROWS, Batch, Source, without_nul

DEFAULT_CRS = "OGC:CRS84"
"""What GeoParquet means by a geometry column without a `crs` member."""


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a Parquet file; `layer` and `encoding` mean nothing to it."""
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        geometry, crs = _geometry(path, file.schema_arrow)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SourceError(
            f"{path.name} is no readable Parquet file: {what}",
            f"{path.name} 不是可读的 Parquet 文件：{what}",
        ) from error
    return Source(
        batches=_batches(path, file, geometry),
        crs=crs,
        fields=[name for name in names if name != geometry],
        count=file.metadata.num_rows,
    )


def _geometry(path: Path, schema: pa.Schema) -> tuple[str | None, str | None]:
    """The geometry column and its coordinate system, from the "geo" metadata."""
    raw = (schema.metadata or {}).get(b"geo")
    if raw is None:
        return None, None
    known: dict[str, Any] = json.loads(raw)
    name = known["primary_column"]
    column = known["columns"][name]
    if column.get("encoding", "WKB") != "WKB":
        raise SourceError(
            f"{path.name}: geometry is encoded as {column['encoding']}; only WKB is read",
            f"{path.name}：几何编码为 {column['encoding']}，目前只支持 WKB",
        )
    if "crs" not in column:
        return name, DEFAULT_CRS
    return name, json.dumps(column["crs"]) if column["crs"] else None


def _batches(path: Path, file: pq.ParquetFile, geometry: str | None) -> Iterator[Batch]:
    row = 1
    try:
        for part in map(without_nul, file.iter_batches(BATCH_ROWS)):
            if geometry is None:
                yield Batch(part, None, row)
            else:
                wkb = np.array(part.column(geometry).to_pylist(), dtype=object)
                yield Batch(part.drop_columns([geometry]), wkb, row)
            row += part.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{path.name} cannot be read after row {row - 1}: {error}",
            f"{path.name} 在第 {row - 1} 行之后无法读取：{error}",
        ) from error
