"""A polygon that a caller drew: GeoJSON read into WKB, or refused in a sentence."""

from itertools import chain
from operator import itemgetter
from typing import Any, Final

import numpy as np
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
    if not parts or not all(parts):
        raise _wrong("has no ring", "没有环")
    made = _polygons(parts)
    drawn = made[0] if len(made) == 1 else shapely.multipolygons(made)
    west, south, east, north = drawn.bounds
    if west == east or south == north:
        raise _wrong("holds no area", "面积为零")
    return drawn


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


def _polygons(parts: list[list[Any]]) -> Any:
    """The polygons of rings that are lists; InvalidQuery where one cannot be a ring.

    All corners at once, as columns: one by one, 100,000 of them take longer than an answer may.
    """
    rings = list(chain.from_iterable(parts))
    size = np.fromiter(map(len, rings), np.int64, len(rings))
    place = _corners(list(chain.from_iterable(rings)))
    if size.min() < 3:
        raise _wrong(*FEW)
    first = np.concatenate(([0], np.cumsum(size)[:-1]))
    ring = np.repeat(np.arange(len(rings)), size)
    if not _three(place, first, ring):
        raise _wrong(*FEW)
    following = np.roll(place[:, 0], -1)
    following[first + size - 1] = place[first, 0]
    if (np.abs(following - place[:, 0]) > 180).any():
        raise _wrong(
            "crosses the antimeridian; cut it there into a MultiPolygon (RFC 7946, 3.1.9)",
            "跨越 180° 经线；请在该经线处切分为 MultiPolygon（RFC 7946 3.1.9）",
        )
    made = shapely.linearrings(place, indices=ring)
    part = np.repeat(np.arange(len(parts)), [len(each) for each in parts])
    begins = np.concatenate(([True], part[1:] != part[:-1]))
    return shapely.polygons(
        np.concatenate((made[begins], made[~begins])),
        indices=np.concatenate((part[begins], part[~begins])),
    )


FEW: Final = ("has a ring of fewer than three corners", "有不足三个顶点的环")


def _corners(corners: list[Any]) -> Any:
    """Longitude and latitude of corners, shape (n, 2)."""
    if set(map(type, corners)) - {list} or set(map(len, corners)) - {2, 3, 4}:
        raise _malformed()
    columns = [list(map(itemgetter(at), corners)) for at in (0, 1)]
    if any(set(map(type, column)) - {int, float} for column in columns):
        raise _malformed()
    place = np.array(columns, np.float64).T
    if not (np.abs(place) <= (180, 90)).all():  # what is no number is not either
        raise _wrong("lies outside -180,-90,180,90 degrees", "超出 -180,-90,180,90 度的范围")
    return place


def _three(place: Any, first: Any, ring: Any) -> bool:
    """Whether each ring has three corners that differ; `first` is where each begins."""
    many = len(place)
    other = (place != place[first][ring]).any(1)
    second = np.minimum.reduceat(np.where(other, np.arange(many), many), first).clip(max=many - 1)
    third = other & (place != place[second][ring]).any(1)
    return bool(np.logical_or.reduceat(third, first).all())


def _malformed() -> InvalidQuery:
    return _wrong(
        "must have coordinates that are lists of rings of [longitude, latitude]",
        "的 coordinates 必须为由 [经度, 纬度] 组成的环列表",
    )


def _wrong(en: str, zh: str) -> InvalidQuery:
    return InvalidQuery(f"The polygon {en}.", f"多边形{zh}。")
