"""A polygon that a caller drew: GeoJSON read into WKB, or refused in a sentence."""

import math
from itertools import pairwise
from typing import Any, Final

import orjson
import shapely

from cim.errors import InvalidQuery, TooLarge
from cim.geometry.cover import Cover, cover

MOST_VERTICES: Final = 100_000
"""Corners of a polygon with all its rings."""

KINDS: Final = ("Polygon", "MultiPolygon")

_CONTENT: Final = {
    "schema": {
        "type": "object",
        "description": "a Polygon, a MultiPolygon, or a Feature of one, in degrees",
    },
    "example": {
        "type": "Polygon",
        "coordinates": [[[113.87, 22.91], [113.89, 22.91], [113.89, 22.93], [113.87, 22.91]]],
    },
}
DRAWN: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": f"GeoJSON, with at most {MOST_VERTICES:,} corners",
        "content": {"application/geo+json": _CONTENT, "application/json": _CONTENT},
    }
}
"""How the description of the service tells of such a body."""


def polygon(body: bytes) -> tuple[bytes, Cover]:
    """A polygon as `outline` reads it, as WKB in degrees, and its cells."""
    found = outline(body)
    return shapely.to_wkb(found), cover(found)


def outline(body: bytes) -> shapely.Geometry:
    """A GeoJSON Polygon or MultiPolygon, or a Feature of one, in degrees.

    Heights are left aside; a ring that is not closed is closed; one that crosses itself holds all
    that it goes around. Raises InvalidQuery, which says what else is wrong, and TooLarge.
    """
    parts = _parts(body)
    if sum(len(ring) for part in parts for ring in part) > MOST_VERTICES:
        raise TooLarge(
            f"The polygon has more than {MOST_VERTICES:,} corners.",
            f"多边形的顶点超过 {MOST_VERTICES:,} 个。",
        )
    made = [[_ring(ring) for ring in part] for part in parts]
    if any(not part for part in made) or not made:
        raise _wrong("has no ring", "没有环")
    drawn = shapely.MultiPolygon([(shell, holes) for shell, *holes in made])
    west, south, east, north = drawn.bounds
    if west == east or south == north:
        raise _wrong("holds no area", "面积为零")
    return drawn if len(made) > 1 else drawn.geoms[0]


def _parts(body: bytes) -> list[list[Any]]:
    """The polygons of the body as lists of rings, whatever these hold."""
    try:
        read = orjson.loads(body)
    except ValueError:
        raise InvalidQuery("The body is not valid JSON.", "请求体不是有效的 JSON。") from None
    if isinstance(read, dict) and read.get("type") == "Feature":
        read = read.get("geometry")
    if not isinstance(read, dict) or read.get("type") not in KINDS:
        raise InvalidQuery(
            "The body must be a GeoJSON Polygon or MultiPolygon, or a Feature of one.",
            "请求体必须为 GeoJSON 的 Polygon 或 MultiPolygon，或其 Feature。",
        )
    given = read.get("coordinates")
    parts: Any = [given] if read["type"] == "Polygon" else given
    for each in (parts, *(parts if isinstance(parts, list) else ())):
        if not isinstance(each, list):
            raise _malformed()
    if not all(isinstance(ring, list) for part in parts for ring in part):
        raise _malformed()
    found: list[list[Any]] = parts
    return found


def _ring(ring: list[Any]) -> list[tuple[float, float]]:
    """The corners of a ring, closed; InvalidQuery where it cannot be one."""
    corners = [_corner(corner) for corner in ring]
    if corners and corners[0] != corners[-1]:
        corners.append(corners[0])
    if len(set(corners)) < 3:
        raise _wrong("has a ring of fewer than three corners", "有不足三个顶点的环")
    if any(abs(one[0] - other[0]) > 180 for one, other in pairwise(corners)):
        raise _wrong(
            "crosses the antimeridian; cut it there into a MultiPolygon (RFC 7946, 3.1.9)",
            "跨越 180° 经线；请在该经线处切分为 MultiPolygon（RFC 7946 3.1.9）",
        )
    return corners


def _corner(corner: Any) -> tuple[float, float]:
    """Longitude and latitude of one corner."""
    if not isinstance(corner, list) or not 2 <= len(corner) <= 4:
        raise _malformed()
    lon, lat = corner[:2]
    if type(lon) not in (int, float) or type(lat) not in (int, float):
        raise _malformed()
    if not (math.isfinite(lon) and math.isfinite(lat) and abs(lon) <= 180 and abs(lat) <= 90):
        raise _wrong("lies outside -180,-90,180,90 degrees", "超出 -180,-90,180,90 度的范围")
    return float(lon), float(lat)


def _malformed() -> InvalidQuery:
    return _wrong(
        "must have coordinates that are lists of rings of [longitude, latitude]",
        "的 coordinates 必须为由 [经度, 纬度] 组成的环列表",
    )


def _wrong(en: str, zh: str) -> InvalidQuery:
    return InvalidQuery(f"The polygon {en}.", f"多边形{zh}。")
