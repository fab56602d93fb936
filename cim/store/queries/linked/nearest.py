"""The nearest facilities of each class to a unit, a building or a point.

The index orders by degrees, and a degree east is shorter than one north: so the nearest by degrees
say how far off the nearest can be at most, and what lies within that is ordered by metres.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

from cim.store.queries.linked.pieces import named
from cim.store.queries.parts import UNIT_OUTLINE, UNIT_PLACE
from cim.store.queries.ready import Asked, Ready

Start = Literal["unit", "building", "point"]

FARTHEST = 100_000.0
"""Metres: beyond that nothing is near."""

_STARTS: dict[Start, str] = {
    "unit": f"""SELECT ST_PointOnSurface({UNIT_OUTLINE}) AS at, b.ground_elev
            + (coalesce(u.z_bottom, s.elev_bottom, 0) + coalesce(u.z_top, s.elev_top, 0)) / 2 AS h
        FROM {UNIT_PLACE} WHERE u.id = :id AND u.ended_at IS NULL""",
    "building": """SELECT ST_PointOnSurface(b.footprint) AS at, b.ground_elev AS h
        FROM city.building b WHERE b.id = :id AND b.ended_at IS NULL""",
    "point": """SELECT ST_SetSRID(ST_MakePoint(:lon, :lat), 4490) AS at, :h AS h""",
}

_TYPES: dict[Start, dict[str, str]] = {
    "unit": {"id": "bigint"},
    "building": {"id": "bigint"},
    "point": {"lon": "float8", "lat": "float8", "h": "float8"},
}

_CLASS = named("facility_class", "n.class_code")

_EACH = """kind AS MATERIALIZED (SELECT i.code FROM city.code_item i
    WHERE i.list_code = 'facility_class'
        AND (i.code = ANY (:classes) OR i.parent_code = ANY (:classes))),
reach AS MATERIALIZED (
    SELECT k.code, least(:within, max(ST_Distance(f.geom::geography, start.at::geography))) AS far
    FROM start, kind k CROSS JOIN LATERAL (
        SELECT f.geom FROM city.facility f
        WHERE f.class_code = k.code AND f.ended_at IS NULL AND f.geom IS NOT NULL
        ORDER BY f.geom <-> start.at LIMIT :count) f
    GROUP BY k.code)"""
"""How far off the nearest of each class are at most."""

_ALL = """reach AS MATERIALIZED (
    SELECT least(:within, max(ST_Distance(f.geom::geography, start.at::geography))) AS far
    FROM start CROSS JOIN LATERAL (
        SELECT f.geom FROM city.facility f WHERE f.ended_at IS NULL AND f.geom IS NOT NULL
        ORDER BY f.geom <-> start.at LIMIT :count) f)"""
"""How far off the nearest are at most."""

_STATEMENT = """
WITH start AS MATERIALIZED ({start}),
{reach},
near AS MATERIALIZED (
    SELECT r.*, ST_Expand(start.at,
        least(180, 1.01 * r.far / (111320 * greatest(cos(radians(ST_Y(start.at))), 0.01))),
        1.01 * r.far / 110570) AS box FROM start, reach r),
found AS (
    SELECT f.id, f.name, f.class_code, f.building_id, f.unit_id, f.elevation, f.status, f.geom,
        d.metres, row_number() OVER ({part} ORDER BY d.metres, f.id) AS rank
    FROM start, near r JOIN city.facility f ON f.geom && r.box AND f.ended_at IS NULL {same}
        CROSS JOIN LATERAL (
            SELECT ST_Distance(f.geom::geography, start.at::geography) AS metres) d
    WHERE d.metres <= :within)
SELECT json_build_object(
    'from', (SELECT json_build_array(ST_X(start.at), ST_Y(start.at), start.h) FROM start),
    'items', coalesce((SELECT json_agg(json_build_object('id', n.id, 'name', n.name,
            'class', {coded}, 'distance', round(n.metres::numeric, 1),
            'height', round((b.ground_elev + n.elevation - start.h)::numeric, 1),
            'status', n.status, 'building_id', n.building_id, 'unit_id', n.unit_id,
            'lon', round(ST_X(n.geom)::numeric, 7), 'lat', round(ST_Y(n.geom)::numeric, 7))
            ORDER BY n.metres, n.id)
        FROM start, found n LEFT JOIN city.building b ON b.id = n.building_id {join}
        WHERE n.rank <= :count), '[]'))::text AS answer
FROM start
"""


@lru_cache(maxsize=10)
def _ready(start: Start, each: bool) -> Ready:
    sql = _STATEMENT.format(
        start=_STARTS[start],
        reach=_EACH if each else _ALL,
        same="AND f.class_code = r.code" if each else "",
        part="PARTITION BY f.class_code" if each else "",
        coded=_CLASS[0],
        join=_CLASS[1],
    )
    more = {"classes": "text[]"} if each else {}
    return Ready(sql, within="float8", count="integer", **more, **_TYPES[start])


def nearest(
    start: Start,
    place: dict[str, float | int | None],
    classes: Sequence[str],
    count: int,
    within: float = FARTHEST,
) -> Asked:
    """The nearest facilities as JSON in column `answer`; no row where there is no such start.

    `place` is an `id`, or `lon`, `lat` in degrees and `h` in metres of the 1985 datum or None. At
    most `count` of each of the classes, narrower ones among them; without classes, of all.
    `distance` is in metres over the ground; `height` is how far a facility lies above the start,
    where both are known.
    """
    return _ready(start, bool(classes))(classes=list(classes), within=within, count=count, **place)
