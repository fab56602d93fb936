"""Which building, storey and unit a point lies in."""

from sqlalchemy import Float, TextClause, bindparam, text

from cim.store.queries.parts import BUILDING_AREA, UNIT_OUTLINE, UNIT_PLACE, areas, grid

REACH = 0.000003
"""Degrees (about 0.3 m): a point picked on a wall may lie a hair outside the outline."""

SLACK = 0.3
"""Metres: a point picked on a roof or a floor lies on the boundary of two storeys."""

POINT = "ST_SetSRID(ST_MakePoint(:lon, :lat), 4490)"
HEIGHT = "CAST(:h AS float8)"

BUILDING = f"""
SELECT b.id, b.name, b.ground_elev, b.grid_id, {BUILDING_AREA} AS area_id
FROM city.building b, LATERAL (SELECT ST_Distance(b.footprint, {POINT}) AS off) d
WHERE b.footprint && ST_Expand({POINT}, {REACH})
    AND d.off <= {REACH} AND b.ended_at IS NULL
    AND b.state NOT IN ('demolished', 'planned')
ORDER BY d.off, CASE WHEN {HEIGHT} IS NULL THEN 0
        ELSE greatest(0, {HEIGHT} - b.ground_elev - b.height - {SLACK}) END,
    (b.kind = '逻辑幢') DESC, b.footprint_area, b.id
LIMIT 1"""

STOREY = f"""
SELECT s.id, s.no, s.label FROM city.storey s, LATERAL (SELECT {HEIGHT} - here.ground_elev AS up) h
WHERE s.building_id = here.id AND s.ended_at IS NULL
    AND h.up BETWEEN s.elev_bottom - {SLACK} AND s.elev_top + {SLACK}
ORDER BY (h.up >= s.elev_bottom AND h.up < s.elev_top) DESC,
    greatest(s.elev_bottom - h.up, h.up - s.elev_top), s.no
LIMIT 1"""

UNIT = f"""
SELECT u.id, u.room_no
FROM {UNIT_PLACE}
    LEFT JOIN city.unit_storey part ON part.unit_id = u.id AND part.storey_id = level.id,
    LATERAL (SELECT ST_Distance(coalesce(part.outline, {UNIT_OUTLINE}), {POINT}) AS off) d
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
SELECT json_build_object(
    'unit', CASE WHEN room.id IS NOT NULL THEN
        json_build_object('id', room.id, 'room_no', room.room_no) END,
    'storey', CASE WHEN level.id IS NOT NULL THEN
        json_build_object('id', level.id, 'no', level.no, 'label', level.label) END,
    'building', json_build_object('id', here.id, 'name', here.name),
    'grid', {grid("here.grid_id")}, 'areas', {areas("here.area_id")})::text AS answer
FROM ({BUILDING}) here
LEFT JOIN LATERAL ({STOREY}) level ON {HEIGHT} IS NOT NULL
LEFT JOIN LATERAL ({UNIT}) room ON level.id IS NOT NULL
"""

SMALLEST_AREA = """(SELECT a.id FROM city.admin_area a
    WHERE a.ended_at IS NULL AND ST_Intersects(a.geom, p.here)
    ORDER BY a.level DESC, a.id LIMIT 1)"""

GROUND = f"""
SELECT json_build_object('unit', NULL, 'storey', NULL, 'building', NULL,
    'grid', (SELECT json_build_object('id', g.id, 'code', g.code, 'name', g.name)
        FROM city.grid g WHERE g.ended_at IS NULL AND ST_Intersects(g.geom, p.here)
        ORDER BY (g.kind = '综合网格') DESC, g.level DESC NULLS LAST, g.id LIMIT 1),
    'areas', {areas(SMALLEST_AREA)})::text AS answer
FROM (SELECT {POINT} AS here) p
"""


POSITION = (bindparam("lon", type_=Float), bindparam("lat", type_=Float))
AT = text(PLACE).bindparams(*POSITION, bindparam("h", type_=Float))
AROUND = text(GROUND).bindparams(*POSITION)


def place(lon: float, lat: float, height: float | None) -> TextClause:
    """Building, storey, unit, grid and areas at a point as JSON in column `answer`, if any.

    `lon`, `lat` are degrees, `height` metres in the 1985 datum; without it no storey is named.
    Where buildings overlap, one that reaches the height comes first.
    """
    return AT.bindparams(lon=lon, lat=lat, h=height)


def ground(lon: float, lat: float) -> TextClause:
    """The same where no building stands: grid and areas alone."""
    return AROUND.bindparams(lon=lon, lat=lat)
