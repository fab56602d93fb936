"""Items in the forms they are asked for; none holds more than ten thousand."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyogrio

from api.ogc.reading import Items
from cim.store.queries.collections.shape import Kind, Property

ARROW: dict[Kind, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "date-time": pa.timestamp("ms", tz="UTC"),
    "strings": pa.string(),
}


def feature(row: Any, links: Sequence[Any] = ()) -> str:
    """One feature as GeoJSON, of texts that are JSON already."""
    more = f',"links":{orjson.dumps(links).decode()}' if links else ""
    return (
        f'{{"type":"Feature","id":{row.id},"geometry":{row.geometry or "null"},'
        f'"properties":{row.properties}{more}}}'
    )


def geojson(rows: Sequence[Any], links: Sequence[Any], counted: dict[str, int]) -> bytes:
    """A page of features as GeoJSON, joined without being parsed."""
    head = {"type": "FeatureCollection", **counted, "numberReturned": len(rows), "links": links}
    opened = orjson.dumps(head)[:-1]
    return b"".join((opened, b',"features":[', ",".join(map(feature, rows)).encode(), b"]}"))


def comma_separated(rows: Sequence[Any], properties: Sequence[Property]) -> bytes:
    """A page of features as CSV: id, properties, and the geometry as WKT in the last column.

    The mark before the first byte tells spreadsheets that it is UTF-8.
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["id", *(each.name for each in properties), "geometry"])
    for row in rows:
        cells = (_cell(getattr(row, f"p_{each.name}"), each.kind) for each in properties)
        writer.writerow([row.id, *cells, row.geometry])
    return out.getvalue().encode("utf-8-sig")


def _cell(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "strings":
        return ";".join(value)
    return value.isoformat() if kind in ("date", "date-time") else value


def flatgeobuf(rows: Sequence[Any], asked: Items) -> bytes:
    """A page of features as FlatGeobuf; features without a place have no geometry."""
    properties = asked.ask.properties
    columns: dict[str, pa.Array] = {"id": pa.array([row.id for row in rows], pa.int64())}
    for each in properties:
        values = [getattr(row, f"p_{each.name}") for row in rows]
        if each.kind == "strings":
            values = [None if value is None else ";".join(value) for value in values]
        columns[each.name] = pa.array(values, ARROW[each.kind])
    columns["geometry"] = pa.array([row.geometry for row in rows], pa.binary())
    out = io.BytesIO()
    pyogrio.write_arrow(
        pa.table(columns),
        out,
        layer=asked.ask.collection.name,
        driver="FlatGeobuf",
        geometry_name="geometry",
        geometry_type=asked.ask.collection.geometry_kind,
        crs=f"EPSG:{asked.system.srid}",
        SPATIAL_INDEX="NO",
    )
    return out.getvalue()
