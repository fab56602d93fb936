"""The unit card: everything one hop from a unit, in one statement."""

from sqlalchemy import BigInteger, TextClause, bindparam, text

from cim.store.queries.parts import (
    UNIT_OUTLINE,
    UNIT_PLACE,
    address,
    areas,
    coded,
)

STREAMS = """(SELECT coalesce(json_agg(json_build_object('id', t.id, 'name', t.name,
        'property', t.observed_property, 'unit', t.unit_ucum, 'value', t.last_value,
        'text', t.last_text, 'at', t.last_at) ORDER BY t.name), '[]')
    FROM city.datastream t WHERE t.device_id = d.id)"""

ADDRESS = address(("unit", "h.id"), ("entrance", "h.entrance_id"), ("building", "h.building_id"))

FURTHER = """(SELECT coalesce(sum(ST_Area(p.outline::geography)), 0)
    FROM city.unit_storey p WHERE p.unit_id = u.id)"""
"""m² that a unit has on storeys other than that of its door."""

SPACES = """(SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name,
        'kind', r.kind, 'area', round(r.area::numeric, 2), 'storey', t.label)
        ORDER BY t.no, r.name, r.id), '[]')
    FROM city.unit_space r JOIN city.storey t ON t.id = r.storey_id
    WHERE r.unit_id = h.id AND r.ended_at IS NULL)"""

CARD = f"""
WITH here AS MATERIALIZED (
    SELECT u.id, u.room_no, u.kind, u.occupancy_status, u.area_gross, u.geom_status, u.rooms,
        u.layout_code, u.building_id, u.storey_id, u.entrance_id,
        s.no AS storey_no, s.label, s.elev_bottom, s.elev_top,
        e.no AS entrance_no, e.name AS entrance_name,
        b.name AS building_name, b.use_code, b.height, b.floors_above, b.estate_id, b.grid_id,
        es.name AS estate_name, g.code AS grid_code, g.name AS grid_name,
        coalesce(b.admin_area_id, es.admin_area_id, g.admin_area_id) AS area_id,
        ST_PointOnSurface({UNIT_OUTLINE}) AS middle,
        CASE WHEN u.geom_status = 'none' THEN NULL
            WHEN u.outline IS NOT NULL THEN ST_Area(u.outline::geography) + {FURTHER}
            ELSE coalesce(fs.area, fp.area, b.footprint_area) END AS area,
        b.ground_elev + (coalesce(u.z_bottom, s.elev_bottom, 0)
            + coalesce(u.z_top, s.elev_top, 0)) / 2 AS middle_height
    FROM {UNIT_PLACE}
    LEFT JOIN city.entrance e ON e.id = u.entrance_id
    LEFT JOIN city.estate es ON es.id = b.estate_id AND es.ended_at IS NULL
    LEFT JOIN city.grid g ON g.id = b.grid_id AND g.ended_at IS NULL
    WHERE u.id = :id AND u.ended_at IS NULL),
chain(type, id, rank, label) AS MATERIALIZED (
    SELECT v.* FROM here, LATERAL (VALUES ('unit', here.id, 0, room_no),
        ('entrance', entrance_id, 1, entrance_name), ('storey', storey_id, 2, here.label),
        ('building', building_id, 3, building_name), ('estate', estate_id, 4, estate_name),
        ('grid', grid_id, 5, coalesce(grid_name, grid_code))) v(type, id, rank, label)
    WHERE v.id IS NOT NULL),
served AS MATERIALIZED (
    SELECT DISTINCT ON (f.id) f.id, f.name, f.class_code, c.type, c.label, c.rank
    FROM chain c
    JOIN city.facility_service v ON v.object_type = c.type AND v.object_id = c.id
    JOIN city.facility f ON f.id = v.facility_id AND f.ended_at IS NULL
    ORDER BY f.id, c.rank)
SELECT json_build_object(
    'unit', json_build_object('id', h.id, 'room_no', h.room_no,
        'kind', {coded("unit_kind", "h.kind")}, 'occupancy', h.occupancy_status,
        'area_gross', h.area_gross, 'area', round(h.area::numeric, 2),
        'geom_status', h.geom_status, 'rooms', h.rooms, 'layout', h.layout_code),
    'building', json_build_object('id', h.building_id, 'name', h.building_name,
        'use', {coded("building_use", "h.use_code")}, 'height', h.height,
        'floors_above', h.floors_above),
    'storey', json_build_object('id', h.storey_id, 'no', h.storey_no, 'label', h.label,
        'elev_bottom', h.elev_bottom, 'elev_top', h.elev_top),
    'entrance', CASE WHEN h.entrance_id IS NOT NULL THEN json_build_object(
        'id', h.entrance_id, 'no', h.entrance_no, 'name', h.entrance_name) END,
    'estate', CASE WHEN h.estate_name IS NOT NULL THEN json_build_object(
        'id', h.estate_id, 'name', h.estate_name) END,
    'areas', {areas("h.area_id")},
    'grid', CASE WHEN h.grid_code IS NOT NULL THEN json_build_object(
        'id', h.grid_id, 'code', h.grid_code, 'name', h.grid_name) END,
    'centre', json_build_array(ST_X(h.middle), ST_Y(h.middle), h.middle_height),
    'address', {ADDRESS},
    'spaces', {SPACES},
    'residents', city.resident_count(h.id),
    'organisations', (SELECT coalesce(json_agg(json_build_object('id', o.id, 'name', o.name,
            'kind', o.kind, 'tags', coalesce(o.tags, '{{}}'), 'role', l.role)
            ORDER BY o.name, l.role), '[]')
        FROM city.org_location l JOIN city.organisation o ON o.id = l.org_id
        WHERE l.unit_id = h.id AND o.ended_at IS NULL
            AND (l.to_date IS NULL OR l.to_date > current_date)),
    'facilities', (SELECT coalesce(json_agg(json_build_object('id', f.id, 'name', f.name,
            'class', {coded("facility_class", "f.class_code")},
            'serves', json_build_object('type', f.type, 'label', f.label))
            ORDER BY f.rank, f.class_code, f.name), '[]')
        FROM served f),
    'devices', (SELECT coalesce(json_agg(json_build_object('id', d.id, 'name', d.name,
            'class', {coded("device_class", "d.class_code")},
            'bound_to', json_build_object('type', k.type, 'label', k.label),
            'status', d.status, 'withheld', false, 'datastreams', {STREAMS})
            ORDER BY k.rank, d.class_code, d.name, d.id), '[]')
        FROM (SELECT type, id, rank, label FROM chain
            UNION ALL SELECT 'facility', id, rank, name FROM served) k
        JOIN city.device d ON d.bind_type = k.type AND d.bind_id = k.id
        WHERE d.ended_at IS NULL AND d.secrecy = 0))::text AS answer
FROM here h
"""


STATEMENT = text(CARD).bindparams(bindparam("id", type_=BigInteger))
"""Read once: to find the parameters in so long a text takes longer than to send it."""


def card(key: int) -> TextClause:
    """Everything one hop from a unit as JSON in column `answer`.

    `centre` is longitude, latitude and height in the 1985 datum; `residents` is their number;
    `address` is the loaded address of the unit, else of its entrance, else of its building, with
    its `type`, or null.
    """
    return STATEMENT.bindparams(id=key)
