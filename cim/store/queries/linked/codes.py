"""Which object an official code is of, under any coding rule."""

from cim.store.queries.ready import Asked, Ready

OWN: dict[str, tuple[str, str, str, str]] = {
    "area": ("行政区划代码", "area", "city.admin_area", "code"),
    "grid": ("网格编码", "grid", "city.grid", "code"),
    "parcel": ("宗地代码", "parcel", "city.parcel", "cadastral_code"),
    "uscc": ("统一社会信用代码", "organisation", "city.organisation", "uscc"),
    "std_address": ("标准地址编码", "address", "city.std_address", "std_code"),
}
"""Codes that are columns of their own: title, type of object, table and column."""

_LABELS = """CASE f.type
        WHEN 'unit' THEN (SELECT u.room_no FROM city.unit u WHERE u.id = f.id)
        WHEN 'building' THEN (SELECT b.name FROM city.building b WHERE b.id = f.id)
        WHEN 'address' THEN (SELECT a.full_text FROM city.std_address a WHERE a.id = f.id)
        WHEN 'area' THEN (SELECT a.name FROM city.admin_area a WHERE a.id = f.id)
        WHEN 'grid' THEN (SELECT g.name FROM city.grid g WHERE g.id = f.id)
        WHEN 'estate' THEN (SELECT e.name FROM city.estate e WHERE e.id = f.id)
        WHEN 'organisation' THEN (SELECT o.name FROM city.organisation o WHERE o.id = f.id) END"""

_BUILDING = """CASE f.type
        WHEN 'building' THEN f.id
        WHEN 'unit' THEN (SELECT u.building_id FROM city.unit u WHERE u.id = f.id)
        WHEN 'storey' THEN (SELECT s.building_id FROM city.storey s WHERE s.id = f.id)
        WHEN 'entrance' THEN (SELECT e.building_id FROM city.entrance e WHERE e.id = f.id)
        WHEN 'address' THEN (SELECT CASE l.object_type WHEN 'building' THEN l.object_id
                WHEN 'unit' THEN (SELECT u.building_id FROM city.unit u WHERE u.id = l.object_id)
                WHEN 'entrance' THEN (SELECT e.building_id FROM city.entrance e
                    WHERE e.id = l.object_id) END
            FROM city.address_link l WHERE l.address_id = f.id
                AND (l.valid_to IS NULL OR l.valid_to > current_date)
            ORDER BY (l.role = '主') DESC, l.score DESC LIMIT 1) END"""

_UNIT = """CASE f.type WHEN 'unit' THEN f.id
        WHEN 'address' THEN (SELECT l.object_id FROM city.address_link l
            WHERE l.address_id = f.id AND l.object_type = 'unit' AND l.role <> '所在'
                AND (l.valid_to IS NULL OR l.valid_to > current_date)
            ORDER BY (l.role = '主') DESC, l.score DESC LIMIT 1) END"""

_FOUND = """
    SELECT c.object_type AS type, c.object_id AS id, c.status, c.valid_from, c.valid_to
    FROM city.object_code c WHERE c.scheme = :scheme AND c.code = :code""" + "".join(
    f"""
    UNION SELECT '{kind}', t.id, 'current', NULL, NULL FROM {table} t
    WHERE :scheme = '{scheme}' AND t.{column} = :code AND t.ended_at IS NULL"""
    for scheme, (_, kind, table, column) in OWN.items()
)

_OF = Ready(
    f"""SELECT json_agg(json_build_object('type', f.type, 'id', f.id, 'status', f.status,
        'valid_from', f.valid_from, 'valid_to', f.valid_to, 'label', {_LABELS},
        'building_id', {_BUILDING}, 'unit_id', {_UNIT})
        ORDER BY f.valid_to NULLS FIRST, f.type, f.id)::text AS answer
    FROM (SELECT * FROM ({_FOUND}) every LIMIT 100) f""",
    scheme="text",
    code="text",
)

_RULES = Ready(
    """SELECT coalesce(json_agg(json_build_object('scheme', s.code, 'title', s.title,
        'issuer', s.issuer, 'pattern', s.regex, 'applies_to', s.applies_to)
        ORDER BY s.code), '[]')::text AS answer FROM city.code_scheme s"""
)


def objects(scheme: str, code: str) -> Asked:
    """What has a code as JSON in column `answer`, or NULL; what is in force first."""
    return _OF(scheme=scheme, code=code)


def schemes() -> Asked:
    """The coding rules that are known, as JSON in column `answer`."""
    return _RULES()
