"""Which addresses are here: at a point, around it, and with a height down to the unit."""

from typing import Final

from sqlalchemy import Float, TextClause, bindparam, text

from cim.store.queries.locate import BUILDING, REACH, STOREY, UNIT

FARTHEST: Final = 2_000
"""Metres that may be asked for."""

_NEAREST: Final = 60
"""Buildings and addresses that are measured exactly; the index gives them by degrees."""

_POINT: Final = "ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)"

_METRES: Final = f"""LATERAL (SELECT {_POINT} AS here,
        111320 * cos(radians(CAST(:lat AS float8))) AS x,
        111133 - 560 * cos(2 * radians(CAST(:lat AS float8))) AS y) k"""
"""The point, and metres a degree there, east and north."""

_AWAY: Final = """ST_Distance(ST_Scale({}, k.x, k.y), ST_Scale(k.here, k.x, k.y))"""

_ADDRESS_OF: Final = """(
    SELECT a.id, a.full_text, a.level, a.geom FROM city.address_link l
    JOIN city.std_address a ON a.id = l.address_id AND a.ended_at IS NULL
    WHERE l.object_type = '{type}' AND l.object_id = {id} AND l.role <> '所在'
    ORDER BY (l.role = '主') DESC, l.score DESC, a.id LIMIT 1)"""

_AROUND: Final = f"""
WITH near AS MATERIALIZED (
    SELECT b.id AS building_id, {_AWAY.format("b.footprint")} AS away
    FROM {_METRES}, city.building b
    WHERE b.footprint && ST_Expand(k.here, :radius / k.x, :radius / k.y) AND b.ended_at IS NULL
      AND b.state NOT IN ('demolished', 'planned')
    ORDER BY 2, 1 LIMIT {_NEAREST}),
points AS MATERIALIZED (
    SELECT a.id, a.full_text, a.level, a.geom, {_AWAY.format("a.geom")} AS away
    FROM {_METRES}, LATERAL (
        SELECT * FROM city.std_address a
        WHERE a.geom && ST_Expand(k.here, :radius / k.x, :radius / k.y)
          AND a.level BETWEEN 9 AND 13 AND a.ended_at IS NULL
        ORDER BY a.geom <-> k.here LIMIT {_NEAREST}) a),
found AS (
    SELECT a.id, a.full_text, a.level, a.geom, n.away, n.building_id
    FROM near n CROSS JOIN LATERAL {_ADDRESS_OF.format(type="building", id="n.building_id")} a
    UNION ALL
    SELECT p.id, p.full_text, p.level, p.geom, p.away, NULL FROM points p),
best AS (
    SELECT DISTINCT ON (f.id) f.* FROM found f WHERE f.away <= :radius
    ORDER BY f.id, f.away, f.building_id)
SELECT f.id, f.full_text AS text, f.level, round(f.away::numeric, 1)::float8 AS distance,
    l.object_type, l.object_id,
    coalesce(f.building_id, e.building_id, u.building_id,
        CASE WHEN l.object_type = 'building' THEN l.object_id END) AS building_id,
    CASE WHEN l.object_type = 'unit' THEN l.object_id END AS unit_id,
    ST_X(f.geom) AS lon, ST_Y(f.geom) AS lat
FROM (SELECT * FROM best ORDER BY away, level DESC, id LIMIT :limit) f
LEFT JOIN LATERAL (
    SELECT object_type, object_id FROM city.address_link WHERE address_id = f.id
    ORDER BY (role = '主') DESC, score DESC, object_id LIMIT 1) l ON true
LEFT JOIN city.entrance e ON l.object_type = 'entrance' AND e.id = l.object_id
LEFT JOIN city.unit u ON l.object_type = 'unit' AND u.id = l.object_id
ORDER BY f.away, f.level DESC, f.id"""

_INSIDE: Final = f"""
WITH asked AS MATERIALIZED (
    SELECT p.at, ST_Expand(p.at, {REACH}) AS near, CAST(:h AS float8) AS up
    FROM (SELECT {_POINT} AS at) p)
SELECT coalesce(own.id, house.id) AS id,
    coalesce(own.full_text, house.full_text || coalesce(e.name, e.no || '单元', '')
        || CASE WHEN room.id IS NULL THEN level.label || '层' ELSE room.room_no
            || CASE WHEN right(room.room_no, 1) ~ '[0-9A-Za-z]' THEN '室' ELSE '' END END) AS text,
    CASE WHEN room.id IS NULL THEN 14 ELSE coalesce(own.level, 15) END AS level,
    0::float8 AS distance, CASE WHEN room.id IS NULL THEN 'storey' ELSE 'unit' END AS object_type,
    coalesce(room.id, level.id) AS object_id, here.id AS building_id, room.id AS unit_id,
    ST_X(house.geom) AS lon, ST_Y(house.geom) AS lat
FROM asked CROSS JOIN LATERAL ({BUILDING}) here
JOIN LATERAL ({STOREY}) level ON true
LEFT JOIN LATERAL ({UNIT}) room ON true
LEFT JOIN city.unit v ON v.id = room.id
LEFT JOIN city.entrance e ON e.id = v.entrance_id
LEFT JOIN LATERAL {_ADDRESS_OF.format(type="unit", id="room.id")} own ON room.id IS NOT NULL
LEFT JOIN LATERAL {_ADDRESS_OF.format(type="building", id="here.id")} house ON true
WHERE coalesce(own.id, house.id) IS NOT NULL"""

_POSITION: Final = (bindparam("lon", type_=Float), bindparam("lat", type_=Float))
_AROUND_IT: Final = text(_AROUND).bindparams(*_POSITION, bindparam("radius", type_=Float))
_INSIDE_IT: Final = text(_INSIDE).bindparams(*_POSITION, bindparam("h", type_=Float))


def around(lon: float, lat: float, radius: float, limit: int) -> TextClause:
    """Addresses within `radius` metres of a point, nearest first, 0 m for the building it is in.

    Columns: id, text, level, distance (metres), object_type, object_id, building_id, unit_id, lon,
    lat (of the address).
    """
    return _AROUND_IT.bindparams(lon=lon, lat=lat, radius=radius, limit=limit)


def inside(lon: float, lat: float, height: float) -> TextClause:
    """The address of the unit at a point in three dimensions, else of its storey; columns as above.

    `height` is metres in the 1985 datum.  A unit without an address of its own has its building's
    with the room behind it.
    """
    return _INSIDE_IT.bindparams(lon=lon, lat=lat, h=height)
