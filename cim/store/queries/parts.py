"""Pieces of SQL that several statements share; every argument is written here, never by a caller.

Answers are built as JSON by the database: a thousand features cost one and a half milliseconds
that way, and twenty times that through objects.
"""

LADDER = (
    "province",
    "city",
    "county",
    "town",
    "village",
    "squad",
    "natural_village",
    "zone",
    "road",
    "lane",
    "door_no",
    "estate_name",
    "building_name",
    "building_plate",
    "entrance_no",
    "floor_no",
    "room_no",
)
"""Columns of the address ladder, from the widest to the narrowest."""

UNIT_OUTLINE = "coalesce(u.outline, fs.outline, fp.outline, b.footprint)"
"""A unit's outline by inheritance; aliases u, fs, fp, b as in UNIT_PLACE."""

UNIT_PLACE = """city.unit u
    JOIN city.storey s ON s.id = u.storey_id
    JOIN city.building b ON b.id = u.building_id
    LEFT JOIN city.floor_slot fs ON fs.id = u.slot_id
    LEFT JOIN city.floor_plan fp ON fp.id = coalesce(fs.plan_id, s.plan_id)"""
"""A unit with all that its outline may be inherited from."""


def coded(list_code: str, expression: str) -> str:
    """A code with both its names as JSON, or NULL; the code itself where the list lacks it."""
    return f"""(SELECT json_build_object('code', c.code, 'zh', coalesce(i.name_zh, c.code),
            'en', coalesce(i.name_en, c.code))
        FROM (SELECT {expression} AS code) c
        LEFT JOIN city.code_item i ON i.list_code = '{list_code}' AND i.code = c.code
        WHERE c.code IS NOT NULL)"""


def areas(expression: str) -> str:
    """The administrative areas above and including one, widest first, as JSON.

    The area that only fills the county slot of a city without counties is left out. OFFSET 0 keeps
    each step an index look-up.
    """
    return f"""(WITH RECURSIVE up AS (
            SELECT id, parent_id, code, name, level, is_pseudo, 0 AS depth
            FROM city.admin_area WHERE id = {expression}
            UNION ALL
            SELECT a.id, a.parent_id, a.code, a.name, a.level, a.is_pseudo, up.depth + 1
            FROM up, LATERAL (SELECT * FROM city.admin_area
                WHERE id = up.parent_id OFFSET 0) a WHERE up.depth < 8)
        SELECT coalesce(json_agg(json_build_object(
            'id', id, 'code', code, 'name', name, 'level', level) ORDER BY depth DESC)
            FILTER (WHERE NOT is_pseudo), '[]') FROM up)"""


def grid(expression: str) -> str:
    """A grid as JSON, or NULL."""
    return f"""(SELECT json_build_object('id', id, 'code', code, 'name', name)
        FROM city.grid WHERE id = {expression} AND ended_at IS NULL)"""


BUILDING_AREA = """coalesce(b.admin_area_id,
        (SELECT admin_area_id FROM city.estate WHERE id = b.estate_id),
        (SELECT admin_area_id FROM city.grid WHERE id = b.grid_id))"""
"""The lowest area a building b stands in: its own, else its estate's, else its grid's."""

DEVICE_AREA = f"""coalesce({BUILDING_AREA}, CASE d.bind_type
        WHEN 'estate' THEN (SELECT admin_area_id FROM city.estate WHERE id = d.bind_id)
        WHEN 'project' THEN (SELECT admin_area_id FROM city.project WHERE id = d.bind_id) END)"""
"""That of a device d: of its building b, else of the estate or project that it is bound to."""


def address(*objects: tuple[str, str]) -> str:
    """The loaded address of the first of some objects that has one, as JSON, or NULL.

    Each object is its type and the SQL of its id. The main address wins over aliases.
    """
    wanted = ", ".join(f"('{kind}', {key}, {rank})" for rank, (kind, key) in enumerate(objects))
    ladder = ", ".join(f"'{name}', a.{name}" for name in LADDER)
    return f"""(SELECT json_build_object('text', a.full_text, 'type', l.object_type,
            'levels', json_strip_nulls(json_build_object({ladder})))
        FROM (VALUES {wanted}) w(type, id, rank)
        JOIN city.address_link l ON l.object_type = w.type AND l.object_id = w.id
            AND l.role <> '所在' AND (l.valid_to IS NULL OR l.valid_to > current_date)
        JOIN city.std_address a ON a.id = l.address_id AND a.ended_at IS NULL
        ORDER BY w.rank, (l.role = '主') DESC, (a.status = '标准') DESC, l.score DESC, a.id
        LIMIT 1)"""
