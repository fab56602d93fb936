"""A unit and what hangs on it, in one statement: those parts that are asked for, and no others."""

from collections.abc import Collection, Sequence
from functools import lru_cache

from cim.store.queries.linked import pieces
from cim.store.queries.parts import UNIT_OUTLINE, UNIT_PLACE, address, areas, coded
from cim.store.queries.ready import Asked, Ready

ADDRESS = address(("unit", "h.id"), ("entrance", "h.entrance_id"), ("building", "h.building_id"))

FURTHER = """(SELECT coalesce(sum(ST_Area(p.outline::geography)), 0)
    FROM city.unit_storey p WHERE p.unit_id = u.id)"""
"""m² that a unit has on storeys other than that of its door."""

SPACES = """(SELECT coalesce(json_agg(json_build_object('id', r.id, 'name', r.name,
        'kind', r.kind, 'area', round(r.area::numeric, 2), 'storey', t.label)
        ORDER BY t.no, r.name, r.id), '[]')
    FROM city.unit_space r JOIN city.storey t ON t.id = r.storey_id
    WHERE r.unit_id = h.id AND r.ended_at IS NULL)"""

UNIT = f"""json_build_object('id', h.id, 'room_no', h.room_no,
        'kind', {coded("unit_kind", "h.kind")},
        'occupancy', CASE WHEN h.living THEN h.occupancy_status ELSE 'unknown' END,
        'area_gross', h.area_gross, 'area', round(h.area::numeric, 2),
        'geom_status', h.geom_status, 'rooms', h.rooms, 'layout', h.layout_code)"""

PARTS: dict[str, str] = {
    "building": f"""json_build_object('id', h.building_id, 'name', h.building_name,
        'use', {coded("building_use", "h.use_code")}, 'height', h.height,
        'floors_above', h.floors_above)""",
    "storey": """json_build_object('id', h.storey_id, 'no', h.storey_no, 'label', h.label,
        'elev_bottom', h.elev_bottom, 'elev_top', h.elev_top)""",
    "entrance": """CASE WHEN h.entrance_id IS NOT NULL THEN json_build_object(
        'id', h.entrance_id, 'no', h.entrance_no, 'name', h.entrance_name) END""",
    "estate": """CASE WHEN h.estate_name IS NOT NULL THEN json_build_object(
        'id', h.estate_id, 'name', h.estate_name) END""",
    "areas": areas("h.area_id"),
    "grid": """CASE WHEN h.grid_code IS NOT NULL THEN json_build_object(
        'id', h.grid_id, 'code', h.grid_code, 'name', h.grid_name) END""",
    "centre": """(SELECT json_build_array(ST_X(p.at), ST_Y(p.at), h.middle_height)
        FROM (SELECT ST_PointOnSurface(h.outline) AS at) p)""",
    "address": ADDRESS,
    "codes": pieces.codes("unit", "h.id"),
    "spaces": SPACES,
    "organisations": pieces.organisations("l.unit_id = h.id"),
    "facilities": pieces.FACILITIES,
    "devices": pieces.DEVICES,
    "alarms": pieces.alarms(unit="h.id"),
}
"""Each part of an answer and the SQL of its JSON, of `h`, which is the unit."""

HERE = f"""
    SELECT u.id, u.room_no, u.kind, u.occupancy_status, u.area_gross, u.geom_status, u.rooms,
        u.layout_code, u.building_id, u.storey_id, u.entrance_id,
        s.no AS storey_no, s.label, s.elev_bottom, s.elev_top,
        e.no AS entrance_no, e.name AS entrance_name,
        b.name AS building_name, b.use_code, b.height, b.floors_above, b.estate_id, b.grid_id,
        es.name AS estate_name, g.code AS grid_code, g.name AS grid_name, a.id AS area_id,
        {pieces.LIVING.format(area="a.id", grid="b.grid_id")} AS living,
        {UNIT_OUTLINE} AS outline,
        CASE WHEN u.geom_status = 'none' THEN NULL
            WHEN u.outline IS NOT NULL THEN ST_Area(u.outline::geography) + {FURTHER}
            ELSE coalesce(fs.area, fp.area, b.footprint_area) END AS area,
        b.ground_elev + (coalesce(u.z_bottom, s.elev_bottom, 0)
            + coalesce(u.z_top, s.elev_top, 0)) / 2 AS middle_height
    FROM {UNIT_PLACE}
    LEFT JOIN city.entrance e ON e.id = u.entrance_id
    LEFT JOIN city.estate es ON es.id = b.estate_id AND es.ended_at IS NULL
    LEFT JOIN city.grid g ON g.id = b.grid_id AND g.ended_at IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(b.admin_area_id, es.admin_area_id, g.admin_area_id) AS id) a
    WHERE u.id = {{id}} AND u.ended_at IS NULL"""

CHAIN = """
    SELECT v.* FROM here, LATERAL (VALUES ('unit', here.id, 0, room_no),
        ('entrance', entrance_id, 1, entrance_name), ('storey', storey_id, 2, here.label),
        ('building', building_id, 3, building_name), ('estate', estate_id, 4, estate_name),
        ('grid', grid_id, 5, coalesce(grid_name, grid_code))) v(type, id, rank, label)
    WHERE v.id IS NOT NULL"""

BY_CODE = """(SELECT coalesce(
    (SELECT c.object_id FROM city.object_code c
        WHERE c.scheme = :scheme AND c.code = :code AND c.object_type = 'unit'),
    (SELECT l.object_id FROM city.object_code c
        JOIN city.address_link l ON l.address_id = c.object_id AND l.object_type = 'unit'
            AND l.role <> '所在' AND (l.valid_to IS NULL OR l.valid_to > current_date)
        WHERE c.scheme = :scheme AND c.code = :code AND c.object_type = 'address'
        ORDER BY (l.role = '主') DESC, l.score DESC, l.object_id LIMIT 1),
    (SELECT l.object_id FROM city.std_address a
        JOIN city.address_link l ON l.address_id = a.id AND l.object_type = 'unit'
            AND l.role <> '所在' AND (l.valid_to IS NULL OR l.valid_to > current_date)
        WHERE :scheme = 'std_address' AND a.std_code = :code AND a.ended_at IS NULL
        ORDER BY (l.role = '主') DESC, l.score DESC, l.object_id LIMIT 1)))"""
"""The unit of an official code: its own, or that of its address."""


def _answer(parts: Collection[str]) -> str:
    """The statement's end: the unit and these parts as one object."""
    asked = "".join(f",\n    '{name}', {sql}" for name, sql in PARTS.items() if name in parts)
    return f"json_build_object('unit', {UNIT}{asked})"


def _statement(key: str, parts: Collection[str]) -> str:
    """A unit by the SQL of its id; what hangs on it is looked for only where it is asked for."""
    tables = [f"here AS MATERIALIZED ({HERE.format(id=key)})"]
    if not {"facilities", "devices", "alarms"}.isdisjoint(parts):
        tables += [
            f"chain(type, id, rank, label) AS MATERIALIZED ({CHAIN})",
            f"served AS MATERIALIZED ({pieces.SERVED})",
        ]
    return f"WITH {', '.join(tables)} SELECT {_answer(parts)}::text AS answer FROM here h"


@lru_cache(maxsize=500)
def _one(parts: frozenset[str]) -> Ready:
    return Ready(_statement(":id", parts), id="bigint", **pieces.RIGHTS)


@lru_cache(maxsize=100)
def _coded(parts: frozenset[str]) -> Ready:
    kinds = {"scheme": "text", "code": "text"}
    return Ready(_statement(BY_CODE, parts), **kinds, **pieces.RIGHTS)


@lru_cache(maxsize=100)
def _many(parts: frozenset[str]) -> Ready:
    one = _statement("k.id", parts)
    return Ready(
        f"SELECT k.id, x.answer FROM unnest(:ids) k(id) LEFT JOIN LATERAL ({one}) x ON true",
        ids="bigint[]",
        **pieces.RIGHTS,
    )


def unit(key: int, parts: frozenset[str], living: pieces.Living) -> Asked:
    """A unit and these PARTS as JSON in column `answer`; no row where there is none.

    `centre` is longitude, latitude and height in the 1985 datum; `address` is the loaded address of
    the unit, else of its entrance, else of its building, with its `type`, or null.
    """
    return _one(parts)(id=key, **living)


def unit_of_code(scheme: str, code: str, parts: frozenset[str], living: pieces.Living) -> Asked:
    """The same by an official code of the unit's, or of its address."""
    return _coded(parts)(scheme=scheme, code=code, **living)


def units(keys: Sequence[int], parts: frozenset[str], living: pieces.Living) -> Asked:
    """The same for many: a row each, `id` and `answer`, which is NULL where there is no unit."""
    return _many(parts)(ids=list(keys), **living)
