"""The feature that was sent, and what it says of an object."""

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any

import orjson
import shapely
from fastapi import Depends, Header, Request

from api.ogc.systems import DEFAULT, System, system
from cim.errors import BadParameter
from cim.geometry.intricacy import intricate
from cim.intake.edits import Edit, writable, wrong
from cim.store.queries.collections.shape import Collection

NO_OBJECT = BadParameter("properties must be an object.", "properties 必须为对象。")
KINDS = {
    "MultiPolygon": ("Polygon", "MultiPolygon"),
    "MultiLineString": ("LineString", "MultiLineString"),
    "Point": ("Point",),
}
"""What may be sent for each kind of geometry."""


async def content_system(
    content_crs: Annotated[str | None, Header(max_length=200)] = None,
) -> System:
    """The system of the coordinates that are sent."""
    return DEFAULT if content_crs is None else system("Content-Crs", content_crs.strip("<> "))


SystemDep = Annotated[System, Depends(content_system)]


async def body(request: Request) -> dict[str, Any]:
    """The feature that was sent; BadParameter where it is none."""
    try:
        found = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict) or found.get("type", "Feature") != "Feature":
        raise BadParameter("The body must be a GeoJSON feature.", "请求体必须为 GeoJSON 要素。")
    if not isinstance(found.get("properties") or {}, dict):
        raise NO_OBJECT
    return found


BodyDep = Annotated[dict[str, Any], Depends(body)]


def placed(here: Collection, sent: Mapping[str, Any], within: System) -> shapely.Geometry | None:
    """The geometry that was sent, in CGCS2000 degrees; InvalidQuery where it is none."""
    given = sent.get("geometry")
    if given is None:
        return None
    try:
        found = shapely.from_geojson(orjson.dumps(given))
    except (shapely.errors.GEOSException, orjson.JSONEncodeError, TypeError, ValueError):
        raise wrong("geometry", "is no geometry of GeoJSON", "不是有效的几何") from None
    known = KINDS[here.geometry_kind]
    if found is None or found.is_empty or found.geom_type not in known:
        words = " or ".join(known)
        raise wrong("geometry", f"must be a {words}", f"必须为 {' 或 '.join(known)}")
    moved = within.place(found)
    west, south, east, north = moved.bounds
    inside = -180 <= west <= east <= 180 and -90 <= south <= north <= 90
    if not all(map(isfinite, moved.bounds)) or not inside:
        raise wrong("geometry", "lies outside its coordinate system", "超出坐标系范围")
    if intricate(moved):
        raise wrong("geometry", "is too intricate: simplify it", "过于复杂，请简化")
    return moved


def edit_of(
    here: Collection, key: int | None, sent: Mapping[str, Any], within: System, *, whole: bool
) -> Edit:
    """What was sent, as what the object is to be. What follows from other data is left aside."""
    said = sent.get("properties") or {}
    derived = set(here.properties) - writable(here.name)
    properties = {name: each for name, each in said.items() if name not in derived}
    told = "geometry" in sent
    geometry = placed(here, sent, within)
    return Edit(here, key, properties, geometry, placed=told, whole=whole)
