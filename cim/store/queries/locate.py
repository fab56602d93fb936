"""Which building, storey and unit a point lies in."""

from cim.store.queries.parts import BUILDING_AREA, UNIT_OUTLINE, UNIT_PLACE, areas, grid
from cim.store.queries.ready import Asked, Ready

REACH = 0.000003
"""Degrees (about 0.3 m): a point picked on a wall may lie a hair outside the outline."""

SLACK = 0.3
"""Metres: a point picked on a roof or a floor lies on the boundary of two storeys."""

ASKED = f"""asked AS MATERIALIZED (
    SELECT p.at, ST_Expand(p.at, {REACH}) AS near, :h AS up
    FROM (SELECT ST_SetSRID(ST_MakePoint(:lon, :lat), 4490) AS at) p)"""
"""The point, made once: a plan that is kept would make it anew for every row."""

BUILDING = f"""
SELECT b.id, b.name, b.ground_elev, b.grid_id, {BUILDING_AREA} AS area_id
FROM city.building b, LATERAL (SELECT ST_Distance(b.footprint, asked.at) AS off) d
WHERE b.footprint && asked.near
    AND d.off <= {REACH} AND b.ended_at IS NULL
    AND b.state NOT IN ('demolished', 'planned')
ORDER BY d.off, CASE WHEN asked.up IS NULL THEN 0
        ELSE greatest(0, asked.up - b.ground_elev - b.height - {SLACK}) END,
    (b.kind = '逻辑幢') DESC, b.footprint_area, b.id
LIMIT 1"""

STOREY = f"""
SELECT s.id, s.no, s.label FROM city.storey s, LATERAL (SELECT asked.up - here.ground_elev AS up) h
WHERE s.building_id = here.id AND s.ended_at IS NULL
    AND h.up BETWEEN s.elev_bottom - {SLACK} AND s.elev_top + {SLACK}
ORDER BY (h.up >= s.elev_bottom AND h.up < s.elev_top) DESC,
    greatest(s.elev_bottom - h.up, h.up - s.elev_top), s.no
LIMIT 1"""

UNIT = f"""
SELECT u.id, u.room_no
FROM {UNIT_PLACE}
    LEFT JOIN city.unit_storey part ON part.unit_id = u.id AND part.storey_id = level.id,
    LATERAL (SELECT ST_Distance(coalesce(part.outline, {UNIT_OUTLINE}), asked.at) AS off) d
WHERE u.id IN (
        SELECT x.id FROM city.unit x
        WHERE x.building_id = here.id AND x.storey_id = level.id AND x.ended_at IS NULL
        UNION ALL
        SELECT x.id FROM city.unit x JOIN city.unit_storey y ON y.unit_id = x.id
        WHERE x.building_id = here.id AND y.storey_id = level.id AND x.ended_at IS NULL)
    AND u.geom_status <> 'none' AND d.off <= {REACH}
ORDER BY d.off, (u.outline IS NULL), coalesce(fs.area, 0), u.id
LIMIT 1"""

PLACE = f"""
WITH {ASKED},
place AS MATERIALIZED (
    SELECT here.id, here.name, here.grid_id, here.area_id, level.id AS storey, level.no,
        level.label, room.id AS unit, room.room_no
    FROM asked CROSS JOIN LATERAL ({BUILDING}) here
    LEFT JOIN LATERAL ({STOREY}) level ON asked.up IS NOT NULL
    LEFT JOIN LATERAL ({UNIT}) room ON level.id IS NOT NULL),
ground AS MATERIALIZED (
    SELECT (SELECT g.id FROM city.grid g
            WHERE g.ended_at IS NULL AND ST_Intersects(g.geom, asked.at)
            ORDER BY (g.kind = '综合网格') DESC, g.level DESC NULLS LAST, g.id LIMIT 1) AS grid_id,
        (SELECT a.id FROM city.admin_area a
            WHERE a.ended_at IS NULL AND ST_Intersects(a.geom, asked.at)
            ORDER BY a.level DESC, a.id LIMIT 1) AS area_id
    FROM asked WHERE NOT EXISTS (SELECT FROM place)),
found AS (
    SELECT id, name, storey, no, label, unit, room_no, grid_id, area_id FROM place
    UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, grid_id, area_id FROM ground)
SELECT json_build_object(
    'unit', CASE WHEN f.unit IS NOT NULL THEN
        json_build_object('id', f.unit, 'room_no', f.room_no) END,
    'storey', CASE WHEN f.storey IS NOT NULL THEN
        json_build_object('id', f.storey, 'no', f.no, 'label', f.label) END,
    'building', CASE WHEN f.id IS NOT NULL THEN
        json_build_object('id', f.id, 'name', f.name) END,
    'grid', {grid("f.grid_id")}, 'areas', {areas("f.area_id")})::text AS answer
FROM found f
"""

AT = Ready(PLACE, lon="float8", lat="float8", h="float8")


def place(lon: float, lat: float, height: float | None) -> Asked:
    """Building, storey, unit, grid and areas at a point as JSON in column `answer`.

    `lon`, `lat` are degrees, `height` metres in the 1985 datum; without it no storey is named.
    Where buildings overlap, one that reaches the height comes first; where none stands, grid and
    areas are those of the ground.
    """
    return AT(lon=lon, lat=lat, h=height)
