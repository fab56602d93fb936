"""Objects of the city as Things, Locations and FeaturesOfInterest, beside those clients made.

One number goes for one object in all three: its key times eight, and its kind. What callers made
themselves is of kind 0. Each relation is one UNION ALL of plain tables, which the database takes
apart: a page in the order of ids walks along primary keys, and a number looks into one table.
"""

from cim.store.queries.sensorthings.shape import Asking

FREE, DEVICE, UNIT, BUILDING, FACILITY, ENTRANCE, STOREY, ESTATE = range(8)
BOUND = {
    "unit": UNIT,
    "building": BUILDING,
    "facility": FACILITY,
    "entrance": ENTRANCE,
    "storey": STOREY,
    "estate": ESTATE,
}
"""Kind of what a device is bound to, by its name; to a project it is bound as to nothing."""

OVERHANG = 0.0005
"""Degrees by which what belongs to a building may stand out of its outline."""


def kind_of(bind: str) -> str:
    """The kind of what something is bound to, by the SQL of the name; NULL for none of these."""
    cases = " ".join(f"WHEN '{name}' THEN {kind}" for name, kind in BOUND.items())
    return f"CASE {bind} {cases} END"


def name_of(kind: str) -> str:
    """The name of a kind as devices are bound by it."""
    cases = " ".join(f"WHEN {number} THEN '{name}'" for name, number in BOUND.items())
    return f"CASE {kind} {cases} END"


_HOUSE = "(SELECT b.name FROM city.building b WHERE b.id = {building})"


def _named(alias: str, *parts: str) -> str:
    house = _HOUSE.format(building=f"{alias}.building_id")
    return f"concat_ws(' ', {house}, {', '.join(parts)})"


_DOOR = "(SELECT e.name FROM city.entrance e WHERE e.id = u.entrance_id)"
_UNIT_SHAPE = """(SELECT coalesce(u.outline, fs.outline, fp.outline, b.footprint)
    FROM city.building b JOIN city.storey s ON s.id = u.storey_id
    LEFT JOIN city.floor_slot fs ON fs.id = u.slot_id
    LEFT JOIN city.floor_plan fp ON fp.id = coalesce(fs.plan_id, s.plan_id)
    WHERE b.id = u.building_id)"""
_STOREY_SHAPE = """(SELECT coalesce(fp.outline, b.footprint)
    FROM city.building b LEFT JOIN city.floor_plan fp ON fp.id = s.plan_id
    WHERE b.id = s.building_id)"""
_ON_SITE = """(SELECT ST_PointOnSurface(p.geom) FROM city.project p
        WHERE v.bind_type = 'project' AND p.id = v.bind_id)"""
_DEVICE_SHAPE = f"""coalesce(v.geom,
    (SELECT ST_PointOnSurface(b.footprint) FROM city.building b WHERE b.id = v.building_id),
    {_ON_SITE})"""

OBJECTS: tuple[tuple[int, str, dict[str, str]], ...] = (
    (
        DEVICE,
        "city.device v",
        {
            "name": "coalesce(v.name, v.class_code)",
            "description": "'device 设备'",
            "properties": "jsonb_build_object('type', 'device', 'id', v.id, 'class', v.class_code,"
            " 'model', v.model, 'boundTo', v.bind_type, 'boundId', v.bind_id,"
            " 'building', v.building_id, 'status', v.status)",
            "shape": _DEVICE_SHAPE,
            "placed": "(v.geom IS NOT NULL OR v.building_id IS NOT NULL"
            f" OR {_ON_SITE} IS NOT NULL)",
            "house": "v.building_id",
            "secrecy": "v.secrecy::int4",
            "near": "(v.geom && {g} OR (v.geom IS NULL AND (v.building_id IN ({houses})"
            " OR v.bind_type = 'project' AND v.bind_id IN"
            " (SELECT id FROM city.project WHERE geom && {g}))))",
        },
    ),
    (
        UNIT,
        "city.unit u",
        {
            "name": _named("u", _DOOR, "u.room_no"),
            "description": "'unit 户'",
            "properties": "jsonb_build_object('type', 'unit', 'id', u.id, 'kind', u.kind,"
            " 'room', u.room_no, 'building', u.building_id, 'storey', u.storey_id,"
            " 'entrance', u.entrance_id)",
            "shape": _UNIT_SHAPE,
            "house": "u.building_id",
            "near": "u.building_id IN ({houses})",
        },
    ),
    (
        BUILDING,
        "city.building h",
        {
            "name": "coalesce(h.name, 'building ' || h.id)",
            "description": "'building 建筑'",
            "properties": "jsonb_build_object('type', 'building', 'id', h.id, 'use', h.use_code,"
            " 'height', h.height, 'floors', h.floors_above, 'estate', h.estate_id)",
            "shape": "h.footprint",
            "house": "h.id",
            "near": "h.footprint && {g}",
        },
    ),
    (
        FACILITY,
        "city.facility f",
        {
            "name": "f.name",
            "description": "'facility 设施'",
            "properties": "jsonb_build_object('type', 'facility', 'id', f.id, 'class',"
            " f.class_code, 'building', f.building_id, 'unit', f.unit_id, 'estate', f.estate_id)",
            "shape": "f.geom",
            "placed": "(f.geom IS NOT NULL)",
            "house": "f.building_id",
            "near": "f.geom && {g}",
        },
    ),
    (
        ENTRANCE,
        "city.entrance d",
        {
            "name": _named("d", "d.name"),
            "description": "'entrance 单元入口'",
            "properties": "jsonb_build_object('type', 'entrance', 'id', d.id, 'no', d.no,"
            " 'building', d.building_id, 'lifts', d.lift_count)",
            "shape": "d.geom",
            "placed": "(d.geom IS NOT NULL)",
            "house": "d.building_id",
            "near": "d.building_id IN ({houses})",
        },
    ),
    (
        STOREY,
        "city.storey s",
        {
            "name": _named("s", "s.label"),
            "description": "'storey 楼层'",
            "properties": "jsonb_build_object('type', 'storey', 'id', s.id, 'no', s.no,"
            " 'building', s.building_id, 'bottom', s.elev_bottom, 'top', s.elev_top)",
            "shape": _STOREY_SHAPE,
            "house": "s.building_id",
            "near": "s.building_id IN ({houses})",
        },
    ),
    (
        ESTATE,
        "city.estate t",
        {
            "name": "t.name",
            "description": "'estate 小区'",
            "properties": "jsonb_build_object('type', 'estate', 'id', t.id, 'area',"
            " t.admin_area_id)",
            "shape": "t.geom",
            "placed": "(t.geom IS NOT NULL)",
            "house": "NULL::int8",
            "near": "t.geom && {g}",
        },
    ),
)
"""Kind, table with its alias, and what stands for each column."""


def things(_asking: Asking) -> str:
    """Every Thing: kind, key, name, description, properties, house, secrecy, gone."""
    found = [
        """SELECT 0 AS kind, id AS key, name, description, properties,
        NULL::int8 AS house, 0 AS secrecy, NULL::timestamptz AS gone FROM city.sta_thing"""
    ]
    for kind, table, each in OBJECTS:
        a = table.split()[-1]
        found.append(
            f"SELECT {kind}, {a}.id, {each['name']}, {each['description']}, {each['properties']},"
            f" {each['house']}, {each.get('secrecy', '0')}, {a}.ended_at FROM {table}"
        )
    return f"({' UNION ALL '.join(found)})"


def _spots(asking: Asking, table: str, column: str) -> str:
    near = asking.near
    free = f"""SELECT 0 AS kind, id AS key, name, description, encoding_type, properties,
        NULL::int8 AS house, 0 AS secrecy, NULL::timestamptz AS gone, true AS placed,
        geom AS shape, {column} AS given FROM city.{table}"""
    found = [free + (f" WHERE geom && {near}" if near else "")]
    houses = f"SELECT id FROM city.building WHERE footprint && ST_Expand({near}, {OVERHANG})"
    for kind, table_, each in OBJECTS:
        a = table_.split()[-1]
        where = f" WHERE {each['near'].format(g=near, houses=houses)}" if near else ""
        found.append(
            f"SELECT {kind}, {a}.id, {each['name']}, {each['description']}, NULL,"
            f" {each['properties']}, {each['house']}, {each.get('secrecy', '0')}, {a}.ended_at,"
            f" {each.get('placed', 'true')}, {each['shape']}, NULL::jsonb FROM {table_}{where}"
        )
    return f"({' UNION ALL '.join(found)})"


def locations(asking: Asking) -> str:
    """Every Location: as Things, with encoding_type, placed, shape, given."""
    return _spots(asking, "sta_location", "location")


def features(asking: Asking) -> str:
    """Every FeatureOfInterest, the same way."""
    return _spots(asking, "sta_feature", "feature")
