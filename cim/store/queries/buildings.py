"""Statements about one building: itself, and its floor grid (楼盘表)."""

from cim.store.queries.linked.pieces import ALARM, LIVING, PUBLIC, RIGHTS, Living
from cim.store.queries.parts import BUILDING_AREA, address, areas, coded, grid
from cim.store.queries.ready import Asked, Ready

BUILDING = f"""
SELECT json_build_object(
    'id', b.id, 'name', b.name, 'kind', b.kind, 'state', b.state,
    'use', {coded("building_use", "b.use_code")},
    'height', b.height, 'height_method', b.height_method,
    'floors_above', b.floors_above, 'floors_below', b.floors_below,
    'floors_method', b.floors_method, 'built_year', b.built_year,
    'footprint_area', b.footprint_area, 'ground_elev', b.ground_elev,
    'estate', (SELECT json_build_object('id', id, 'name', name) FROM city.estate
        WHERE id = b.estate_id AND ended_at IS NULL),
    'areas', {areas(BUILDING_AREA)},
    'grid', {grid("b.grid_id")},
    'counts', json_build_object(
        'storeys', (SELECT count(*) FROM city.storey
            WHERE building_id = b.id AND ended_at IS NULL),
        'entrances', (SELECT count(*) FROM city.entrance
            WHERE building_id = b.id AND ended_at IS NULL),
        'units', (SELECT count(*) FROM city.unit WHERE building_id = b.id AND ended_at IS NULL),
        'residents', (SELECT people FROM city.building_people WHERE building_id = b.id),
        'devices', (SELECT count(*) FROM city.device
            WHERE building_id = b.id AND ended_at IS NULL AND secrecy = 0),
        'organisations', (SELECT count(DISTINCT org_id) FROM city.org_location
            WHERE building_id = b.id AND (to_date IS NULL OR to_date > current_date))),
    'bounds', json_build_array(ST_XMin(b.footprint), ST_YMin(b.footprint),
        ST_XMax(b.footprint), ST_YMax(b.footprint)),
    'centre', json_build_array(ST_X(p.middle), ST_Y(p.middle)),
    'address', {address(("building", "b.id"))})::text AS answer
FROM city.building b, LATERAL (SELECT ST_PointOnSurface(b.footprint) AS middle) p
WHERE b.id = :id AND b.ended_at IS NULL
"""
"""One building as JSON; its `address` is the loaded one or null. Its residents are what may be told
of them: a multiple of five, null below."""

FLOOR_GRID = f"""
SELECT json_build_object(
    'building', json_build_object('id', b.id, 'name', b.name),
    'entrances', (SELECT coalesce(json_agg(json_build_object('id', id, 'no', no, 'name', name,
            'lift_count', lift_count) ORDER BY no), '[]')
        FROM city.entrance WHERE building_id = b.id AND ended_at IS NULL),
    'storeys', (SELECT coalesce(json_agg(json_build_object('id', s.id, 'no', s.no,
            'label', s.label, 'kind', s.kind, 'elev_bottom', s.elev_bottom,
            'elev_top', s.elev_top, 'status', s.status, 'units', coalesce(g.units, '[]'))
            ORDER BY s.elev_bottom DESC NULLS LAST, s.no DESC, s.label DESC), '[]')
        FROM city.storey s
        LEFT JOIN (SELECT here.storey_id, json_agg(json_build_object('id', u.id,
                'room_no', u.room_no, 'entrance', e.no,
                'kind', {coded("unit_kind", "u.kind")}, 'occupancy',
                CASE WHEN h.living THEN u.occupancy_status ELSE 'unknown' END,
                'alarms', CASE WHEN h.living THEN (SELECT count(*) FROM city.event e
                    WHERE e.object_type = 'unit' AND e.object_id = u.id
                        AND {ALARM} AND {PUBLIC}) END,
                'geom_status', u.geom_status, 'organisations', coalesce(o.n, 0))
                ORDER BY e.no NULLS LAST, length(u.room_no), u.room_no) AS units
            FROM city.unit u
            CROSS JOIN LATERAL (SELECT u.storey_id UNION ALL
                SELECT p.storey_id FROM city.unit_storey p WHERE p.unit_id = u.id) here
            LEFT JOIN city.entrance e ON e.id = u.entrance_id
            LEFT JOIN (SELECT unit_id, count(DISTINCT org_id) AS n FROM city.org_location
                WHERE building_id = :id AND (to_date IS NULL OR to_date > current_date)
                GROUP BY unit_id) o ON o.unit_id = u.id
            WHERE u.building_id = :id AND u.ended_at IS NULL
            GROUP BY here.storey_id) g ON g.storey_id = s.id
        WHERE s.building_id = b.id AND s.ended_at IS NULL))::text AS answer
FROM city.building b, LATERAL (
    SELECT {LIVING.format(area=BUILDING_AREA, grid="b.grid_id")} AS living) h
WHERE b.id = :id AND b.ended_at IS NULL
"""


GRID = Ready(FLOOR_GRID, id="bigint", **RIGHTS)


def floor_grid(key: int, living: Living) -> Asked:
    """The floor grid of one building as JSON in column `answer`: top storey first.

    A unit on several storeys stands on each of them. Who may not know there whether somebody is at
    home is told neither occupancy nor how many alarms are open in a unit.
    """
    return GRID(id=key, **living)
