"""Columns → files: tables as CSV, shapes in any format GDAL writes, the same bytes every time."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pyogrio
import shapely

Columns = dict[str, Any]
"""Column name → values of equal length; `geometry` holds shapely geometries in degrees."""

DRIVERS = {
    ".geojson": "GeoJSON",
    ".gpkg": "GPKG",
    ".shp": "ESRI Shapefile",
    ".fgb": "FlatGeobuf",
}
"""Ending → GDAL driver; `.parquet` (GeoParquet) is written by Arrow itself."""

SHORT = {
    "building_id": "bldg_id",
    "区划代码": "代码",
    "上级代码": "上级",
    "虚拟区划": "虚拟",
    "街道编号": "编号",
    "小区名称": "名称",
    "社区代码": "社区",
    "建成年份": "年份",
    "封闭管理": "封闭",
    "地上层数": "层数",
    "地下层数": "地下",
    "裙楼层数": "裙楼",
    "每层户数": "户数",
    "单元数": "单元",
    "设施编号": "编号",
    "设施类别": "类别",
    "设施名称": "名称",
    "小区编号": "小区",
    "服务对象": "服务",
}
"""Names that fit the ten bytes of a Shapefile's columns."""

_MOMENT = "2026-01-01T00:00:00.000Z"
"""The time GDAL writes into GeoPackages, so that the bytes are the same tomorrow."""

_CRS = "EPSG:4490"


def write_table(path: Path, parts: Iterable[Columns]) -> int:
    """Write a CSV file, UTF-8 with a header; answers with the number of rows."""
    batches = _batches(parts)
    first = next(batches, None)
    if first is None:
        return 0
    count = 0
    with pyarrow.csv.CSVWriter(path, first.schema) as writer:
        for batch in chain((first,), batches):
            writer.write_batch(batch)
            count += batch.num_rows
    return count


def write_layer(path: Path, parts: Iterable[Columns], kind: str, layer: str | None = None) -> int:
    """Write shapes of one kind (`Polygon`, `LineString`, `Point` …) in CGCS2000 degrees.

    A further layer goes into a file that is there already where the format can hold several.
    """
    if path.suffix == ".shp":
        parts = ({SHORT.get(name, name): v for name, v in part.items()} for part in parts)
    batches = _batches(parts)
    first = next(batches, None)
    if first is None:
        return 0
    counter = [0]
    broken: list[Exception] = []

    def counted() -> Iterator[pa.RecordBatch]:
        try:
            for batch in chain((first,), batches):
                counter[0] += batch.num_rows
                yield batch
        except Exception as error:  # GDAL would only say that the stream broke
            broken.append(error)
            raise

    if path.suffix == ".parquet":
        _write_parquet(path, first.schema, counted(), kind)
        return counter[0]
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": _MOMENT})
    try:
        _write_ogr(path, pa.RecordBatchReader.from_batches(first.schema, counted()), kind, layer)
    except RuntimeError as error:
        raise (broken[0] if broken else error) from None
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})
    return counter[0]


def _write_ogr(path: Path, reader: pa.RecordBatchReader, kind: str, layer: str | None) -> None:
    options: dict[str, str] = {}
    if path.suffix == ".shp":
        options["ENCODING"] = "UTF-8"
    if path.suffix == ".geojson":
        options["COORDINATE_PRECISION"] = "7"
    if path.suffix == ".gpkg":
        options["SPATIAL_INDEX"] = "NO"
    pyogrio.write_arrow(
        reader,
        path,
        layer=layer or path.stem,
        driver=DRIVERS[path.suffix],
        geometry_name="geometry",
        geometry_type=kind,
        crs=_CRS,
        layer_options=options,
    )


def _write_parquet(
    path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch], kind: str
) -> None:
    geo = (
        '{"version":"1.0.0","primary_column":"geometry","columns":{"geometry":'
        f'{{"encoding":"WKB","geometry_types":["{kind}"]}}}}}}'
    )
    schema = schema.with_metadata({"geo": geo})
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for batch in batches:
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))


def _batches(parts: Iterable[Columns]) -> Iterator[pa.RecordBatch]:
    """Arrow batches of the parts that have rows; types are those of the first part."""
    schema: pa.Schema | None = None
    for part in parts:
        arrays = {name: _array(values) for name, values in part.items()}
        if not arrays or not len(next(iter(arrays.values()))):
            continue
        batch = pa.RecordBatch.from_pydict(arrays)
        schema = schema or _settled(batch.schema)
        yield batch.cast(schema)


def _settled(schema: pa.Schema) -> pa.Schema:
    """A column that is all null in the first part is text."""
    fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in schema]
    return pa.schema(fields)


def _array(values: Any) -> pa.Array:
    array = np.asarray(values, object) if _is_shapes(values) else values
    if _is_shapes(values):
        return pa.array(shapely.to_wkb(array), pa.binary())
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return pa.array(values, from_pandas=True)
    return pa.array(values)


def _is_shapes(values: Any) -> bool:
    return len(values) > 0 and isinstance(values[0], shapely.Geometry)
