"""Geometries that a filter names, and how two of them may lie to one another."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any

import orjson
import shapely

from cim.geometry.intricacy import intricate
from cim.store.queries.collections.cql.terms import Node, Term, refused
from cim.store.queries.collections.items import shape

MOST_POINTS = 10_000

FUNCTIONS: dict[str, str] = {
    "s_intersects": "ST_Intersects",
    "s_equals": "ST_Equals",
    "s_disjoint": "ST_Disjoint",
    "s_touches": "ST_Touches",
    "s_within": "ST_Within",
    "s_overlaps": "ST_Overlaps",
    "s_crosses": "ST_Crosses",
    "s_contains": "ST_Contains",
}
"""By their names in CQL2; a name in SQL is one of these and no other."""

COLLECTIONS = ("s_intersects", "s_disjoint")
"""Those that PostGIS asks of a mixed collection of geometries."""

KINDS = (
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon",
    "GeometryCollection",
)  # fmt: skip


@dataclass(frozen=True)
class Places:
    """How coordinates of a filter are read: from its system into CGCS2000 degrees."""

    place: Callable[[shapely.Geometry], shapely.Geometry]
    box: Callable[[list[float]], shapely.Geometry]


def geometry(node: Node, places: Places) -> Term:
    """A geometry as GeoJSON writes it; BadParameter where it is none, or crosses itself."""
    points = count(node)
    if points > MOST_POINTS:
        raise refused(f"a geometry has more than {MOST_POINTS:,} points", "几何节点过多")
    try:
        found = shapely.from_geojson(orjson.dumps(node))
    except (shapely.GEOSException, TypeError, ValueError):
        raise refused("a geometry is malformed", "几何格式错误") from None
    return _term(places.place(found))


def box(numbers: Node, places: Places) -> Term:
    """A box of four numbers, or six of which heights are left aside."""
    good = isinstance(numbers, list) and len(numbers) in (4, 6)
    if not good or not all(isinstance(each, int | float) for each in numbers):
        raise refused("a bbox is four or six numbers", "bbox 须为四个或六个数字")
    if not all(abs(each) < 1e9 for each in numbers):
        raise refused("a bbox lies outside the globe", "bbox 超出地球范围")
    return _term(places.box([float(each) for each in numbers]))


def _term(found: shapely.Geometry) -> Term:
    if found is None or found.is_empty:
        raise refused("a geometry is empty", "几何为空")
    if not all(map(isfinite, found.bounds)):
        raise refused("a geometry lies outside its coordinate system", "几何超出其坐标系范围")
    if intricate(found):
        raise refused("a geometry is too intricate to look at", "几何过于复杂")
    if not found.is_valid:
        raise refused("a geometry crosses itself", "几何自相交")
    wkb = shapely.to_wkb(found)
    return Term("geometry", shape(wkb), found)


def count(node: Node, depth: int = 0) -> int:
    """How many numbers' lists a geometry holds, counted no further than is allowed.

    >>> count({"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]})
    4
    """
    if depth > 8:
        raise refused("a geometry is nested too deep", "几何嵌套过深")
    if isinstance(node, dict):
        return _sum(node.get("coordinates", node.get("geometries")), depth)
    if isinstance(node, list):
        if node and isinstance(node[0], int | float):
            return 1
        return _sum(node, depth)
    raise refused("a geometry is malformed", "几何格式错误")


def _sum(nodes: Any, depth: int) -> int:
    if not isinstance(nodes, list):
        raise refused("a geometry is malformed", "几何格式错误")
    if len(nodes) > MOST_POINTS:
        return len(nodes)
    if nodes and isinstance(nodes[0], int | float):
        return 1
    return sum(count(each, depth + 1) for each in nodes)
