"""Statements of the addresses' way in: places, keys, and what each staged address is of.

A place is the ladder down to the building, staged once a batch (`place_no` is the number of the
row that carries it); the rooms of a house are joined to it by a number, not by seventeen texts.
"""

from collections.abc import Iterable
from typing import Final

from cim.addresses import LADDER

PLACE: Final = tuple(name for name, level in LADDER.items() if level <= 12)
"""Levels down to the building."""

BELOW: Final = tuple(name for name, level in LADDER.items() if level > 12)
"""Levels within it."""

_LISTED = ", ".join(PLACE)

PLACES: Final = {
    "place_no": "int8",
    "place_text": "text",
    **dict.fromkeys(PLACE, "text"),
    "level": "int2",
    "building_id": "int8",
    "estate_id": "int8",
    "score": "int2",
}
"""The temporary table `stage_places`."""

KNOWN: Final = {
    "row_no": "int8",
    "place_no": "int8",
    "level": "int2",
    "status": "text",
    "address_id": "int8",
    "kept": "bool",
    "building_id": "int8",
    "entrance_id": "int8",
    "unit_id": "int8",
    "estate_id": "int8",
    "admin_area_id": "int8",
    "method": "text",
    "score": "int2",
    "written": "bool",
}
"""The temporary table `stage_known`: what each row is the address of, and its id.

`kept` are rows that the store has; `written` those that are in their table already, with
their links.
"""

SEPARATOR: Final = "\x1f"
"""Stands between the levels of a place; no normalised text has it."""

NEXT: Final = "nextval('city.std_address_id_seq')"
"""The id of an address that is to be written: known before, so that nothing is looked up after."""


NAMES: Final = """
    SELECT CASE a.level WHEN 3 THEN 'county' WHEN 4 THEN 'town' ELSE 'village' END AS level,
        a.name, CASE WHEN NOT p.is_pseudo THEN p.name END AS parent
    FROM city.admin_area a LEFT JOIN city.admin_area p ON p.id = a.parent_id
    WHERE a.level BETWEEN 3 AND 5 AND NOT a.is_pseudo AND a.ended_at IS NULL
    UNION SELECT 'estate_name', e.name, a.name
    FROM city.estate e LEFT JOIN city.admin_area a ON a.id = e.admin_area_id
    WHERE e.ended_at IS NULL AND e.name IS NOT NULL
    UNION SELECT 'road', s.name, a.name
    FROM city.street s LEFT JOIN city.admin_area a ON a.id = s.admin_area_id
    WHERE s.ended_at IS NULL AND s.name IS NOT NULL
    ORDER BY 1, 2, 3"""
"""Names of places that the city knows: level of the ladder, name, name of the place it lies in."""


PLACE_COLUMNS: Final = f"place_no, place_text, {_LISTED}, level"
"""What `places_in` gives."""


def places_in(rows: str) -> str:
    """The places that these rows carry."""
    listed = ", ".join(f"p[{n}] AS {name}" for n, name in enumerate(PLACE, 1))
    return f"""
        SELECT place_no, place_text, {listed}, {_deepest()} AS level
        FROM (SELECT row_no AS place_no, place_text,
                  string_to_array(place, E'\\x1f', '') AS p
              FROM {rows} s WHERE place IS NOT NULL OFFSET 0) s"""


def places(rows: str) -> str:
    """The places that these rows carry, into `stage_places`."""
    return f"INSERT INTO stage_places ({PLACE_COLUMNS}) {places_in(rows)}"


def _deepest() -> str:
    """The deepest level that an array of a place's levels fills."""
    whens = " ".join(
        f"WHEN p[{n}] IS NOT NULL THEN {max(LADDER[name], 1)}"
        for n, name in reversed(list(enumerate(PLACE, 1)))
    )
    return f"(CASE {whens} ELSE 1 END)::smallint"


TOWNS_WITHOUT_WORD: Final = """
    WITH short AS (
        SELECT name, regexp_replace(name, '(街道|镇|乡)$', '') AS short
        FROM city.admin_area WHERE level = 4 AND ended_at IS NULL),
    split AS (
        SELECT DISTINCT ON (r.estate_name) r.estate_name, a.name AS town,
            substr(r.estate_name, length(a.short) + 1) AS estate
        FROM (SELECT DISTINCT estate_name FROM stage_places
              WHERE town IS NULL AND village IS NULL AND estate_name IS NOT NULL) r
        JOIN short a ON length(a.short) > 1 AND starts_with(r.estate_name, a.short)
        JOIN city.estate e ON e.name = substr(r.estate_name, length(a.short) + 1)
        WHERE NOT EXISTS (SELECT FROM city.estate x WHERE x.name = r.estate_name)
        ORDER BY 1, length(a.short) DESC)
    UPDATE stage_places p SET town = f.town, estate_name = f.estate,
        place_text = replace(p.place_text, f.estate_name, f.town || f.estate)
    FROM split f WHERE f.estate_name = p.estate_name AND p.town IS NULL AND p.village IS NULL"""
"""南城翠堤春晓: a town without its word before an estate that is known becomes a town.

Only where the rest is the name of an estate and the whole is not.
"""

BUILDINGS_OF_ADDRESSES: Final = """
    UPDATE stage_places p SET building_id = f.id, score = f.score FROM (
        SELECT r.place_text, min(l.object_id) AS id, max(l.score) AS score
        FROM (SELECT DISTINCT place_text FROM stage_places WHERE place_text <> '') r
        JOIN city.std_address a
          ON a.norm_text = r.place_text AND a.level <= 12 AND a.ended_at IS NULL
          AND NOT EXISTS (SELECT FROM stage_known k WHERE k.written AND k.address_id = a.id)
        JOIN city.address_link l
          ON l.address_id = a.id AND l.object_type = 'building' AND l.role <> '所在'
        WHERE l.method <> 'place'
        GROUP BY 1 HAVING count(DISTINCT l.object_id) = 1) f
    WHERE f.place_text = p.place_text"""
"""Buildings that an address with the same text down to the building is linked to.

Not those that only lie near its point: another point says more.  Nor those that this file brings.
"""

_SPELT: Final = (
    r"regexp_replace({name}, '^第?([0-9A-Z]+)(号楼|号厂房|栋楼|栋|幢|座|棟|号|楼|#楼?)?$', '\1栋')"
)
"""A building's name as the ladder spells it."""

BUILDINGS_OF_ESTATES: Final = f"""
    WITH named AS MATERIALIZED (
        SELECT b.id, e.id AS estate_id, e.name, e.aliases,
            {_SPELT.format(name="replace(upper(b.name), upper(e.name), '')")} AS building_name,
            (SELECT string_agg(x.name, ',') FROM city.admin_area x
             WHERE x.id IN (b.admin_area_id, e.admin_area_id, v.parent_id)) AS areas
        FROM city.estate e JOIN city.building b ON b.estate_id = e.id
        LEFT JOIN city.admin_area v ON v.id = coalesce(b.admin_area_id, e.admin_area_id)
        WHERE e.ended_at IS NULL AND b.ended_at IS NULL AND b.name IS NOT NULL),
    called AS MATERIALIZED (
        SELECT n.*, n.name AS word FROM named n
        UNION SELECT n.*, unnest(n.aliases) FROM named n)
    UPDATE stage_places p SET building_id = f.id, score = 90 FROM (
        SELECT r.place_text, min(n.id) AS id
        FROM (SELECT DISTINCT place_text, estate_name, building_name, town, village
              FROM stage_places WHERE building_id IS NULL AND building_name IS NOT NULL) r
        JOIN called n ON n.word = r.estate_name AND n.building_name = r.building_name
        WHERE n.areas IS NULL OR coalesce(r.village, r.town) IS NULL
           OR strpos(n.areas, r.village) > 0 OR strpos(n.areas, r.town) > 0
        GROUP BY 1 HAVING count(DISTINCT n.id) = 1) f
    WHERE f.place_text = p.place_text AND p.building_id IS NULL"""
"""Buildings by the estate's name and their own, where only one fits.

A town or community that both know must be the same.
"""

ESTATES: Final = """
    UPDATE stage_places p SET estate_id = f.id, score = coalesce(p.score, 90::smallint) FROM (
        SELECT r.estate_name, min(e.id) AS id
        FROM (SELECT DISTINCT estate_name FROM stage_places WHERE level = 10) r
        JOIN city.estate e ON e.name = r.estate_name AND e.ended_at IS NULL
        GROUP BY 1 HAVING count(*) = 1) f
    WHERE f.estate_name = p.estate_name AND p.level = 10 AND p.building_id IS NULL"""
"""Estates by name, for addresses that end there, where only one fits."""


PLACES_OF: Final = "JOIN stage_places p USING (place_no)"


def met(rows: str, staged: Iterable[str], places: str = PLACES_OF) -> str:
    """Every row with what is known of it before its rooms, for `stage_met`.

    By code (of the unit, else of the building), else by the ladder, else by place.
    """
    staged = frozenset(staged)
    joins, building, unit, code = "", [], "NULL::bigint", []
    if "unit_ref" in staged:
        joins += " LEFT JOIN stage_unit_keys k ON k.ref = s.unit_ref"
        joins += " LEFT JOIN city.unit u ON u.id = k.id"
        unit = "u.id"
        building.append("u.building_id")
        code.append("u.building_id")
    if "building_ref" in staged:
        joins += " LEFT JOIN stage_building_keys b ON b.ref = s.building_ref"
        building.append("b.id")
        code.append("b.id")
    point, area = "NULL::bigint", "NULL::bigint"
    near = "NULL::smallint"
    if "geom" in staged:
        joins += " LEFT JOIN stage_points g ON g.geom = s.geom"
        point, near, area = "CASE WHEN s.level >= 9 THEN g.building_id END", "g.score", "g.area_id"
    by_code = f"coalesce({', '.join(code)})" if code else "NULL::bigint"
    return f"""
        SELECT m.*, coalesce(x.admin_area_id, m.area_id) AS admin_area_id FROM (
            SELECT s.row_no, s.place_no, s.level, s.status, s.entrance_no, s.room_no,
                coalesce({", ".join([*building, "p.building_id", point])}) AS building_id,
                {"u.entrance_id" if "unit_ref" in staged else "NULL::bigint"} AS entrance_id,
                {unit} AS unit_id,
                CASE WHEN s.level = 10 THEN p.estate_id END AS estate_id,
                {area} AS area_id,
                CASE WHEN {by_code} IS NOT NULL THEN 'code'
                     WHEN coalesce(p.building_id, p.estate_id) IS NOT NULL THEN 'ladder'
                     WHEN {point} IS NOT NULL THEN 'place' END AS method,
                CASE WHEN {by_code} IS NOT NULL THEN 100::smallint
                     ELSE coalesce(p.score, {near}) END AS score
            FROM {rows} s {places}{joins}) m
        LEFT JOIN city.building x ON x.id = m.building_id"""


DOORS: Final = """
    SELECT d.building_id, d.entrance_no, min(e.id) AS id
    FROM (SELECT DISTINCT building_id, entrance_no FROM stage_met
          WHERE building_id IS NOT NULL AND entrance_no IS NOT NULL) d
    JOIN city.entrance e ON e.building_id = d.building_id AND e.ended_at IS NULL
        AND d.entrance_no IN (e.name, e.no || '单元')
    GROUP BY 1, 2"""
"""Entrances of known buildings, by name or number."""

ROOMS: Final = """
    WITH named AS MATERIALIZED (
        SELECT u.id, u.building_id, u.entrance_id, u.room_no
        FROM (SELECT DISTINCT building_id FROM stage_met
              WHERE room_no IS NOT NULL AND unit_id IS NULL) b
        JOIN city.unit u ON u.building_id = b.building_id AND u.ended_at IS NULL)
    SELECT m.row_no, min(d.id) AS entrance_id,
        CASE WHEN count(u.id) = 1 THEN min(u.id) END AS unit_id
    FROM stage_met m
    LEFT JOIN stage_doors d USING (building_id, entrance_no)
    LEFT JOIN named u ON u.building_id = m.building_id AND u.room_no = m.room_no
        AND (m.entrance_no IS NULL OR u.entrance_id = d.id OR u.entrance_id IS NULL)
    WHERE m.level >= 13 AND m.building_id IS NOT NULL AND m.unit_id IS NULL
    GROUP BY m.row_no"""
"""Units of known buildings by room number, behind the entrance where one is given.

None for a number that several units of the building have.  The units of a building are read once,
not once for each of its rooms.
"""


def known(rows: str, again: bool) -> str:
    """Fill `stage_known` from what was met; where the source came `again`, `kept` is looked for."""
    kept, ids, joined = "false", NEXT, ""
    if again:
        kept, ids = "t.id IS NOT NULL", f"coalesce(t.id, {NEXT})"
        joined = f"""JOIN {rows} s ON s.row_no = m.row_no
        LEFT JOIN city.std_address t ON t.source_id = :source_id AND t.ext_id = s.ext_id"""
    return f"""
        INSERT INTO stage_known ({", ".join(KNOWN)})
        SELECT m.row_no, m.place_no, m.level, m.status, {ids}, {kept},
            m.building_id, coalesce(m.entrance_id, r.entrance_id),
            coalesce(m.unit_id, r.unit_id), m.estate_id, m.admin_area_id, m.method, m.score,
            false
        FROM stage_met m LEFT JOIN stage_rooms r USING (row_no) {joined}"""


def entry(rows: str, columns: Iterable[str]) -> str:
    """The rows as the table has them: a query that stands where a table would."""
    of = {name: f"p.{name}" for name in PLACE}
    of |= {"norm_text": "p.place_text || s.tail", "admin_area_id": "k.admin_area_id"}
    listed = ", ".join(f"{of.get(name, f's.{name}')} AS {name}" for name in columns)
    return f"""(
        SELECT s.row_no, s.ext_id, k.address_id, k.place_no, k.kept, k.written, {listed}
        FROM {rows} s JOIN stage_places p USING (place_no) JOIN stage_known k USING (row_no))"""


def adopt(rows: str) -> str:
    """Buildings' addresses that were made for their rooms become those that now come in."""
    return f"""
        UPDATE city.std_address t SET ext_id = f.ext_id FROM (
            SELECT DISTINCT ON (p.place_text) p.place_text, s.ext_id
            FROM {rows} s JOIN stage_places p USING (place_no)
            WHERE s.level <= 12 AND p.place_text <> '' ORDER BY p.place_text, s.row_no) f
        WHERE t.source_id = :source_id AND t.ext_id IS NULL AND t.norm_text = f.place_text
          AND t.level <= 12
          AND NOT EXISTS (SELECT FROM city.std_address o
                          WHERE o.source_id = :source_id AND o.ext_id = f.ext_id)"""


def above(homes: bool = False) -> str:
    """For `stage_above`: the address that rooms hang on.

    One that is there, one that comes in, else one made for them; with the id that was kept for it,
    where `stage_homes` were kept.  `free` are those that were made for rooms, now or earlier, and
    that no file speaks of.
    """
    kept, joined = "", ""
    if homes:
        kept, joined = "h.id, ", "LEFT JOIN stage_homes h ON h.place_text = n.place_text AND h.made"
    return f"""
    SELECT n.place_text, n.place_no, n.admin_area_id,
        coalesce(t.id, f.id, {kept}{NEXT}) AS id,
        t.id IS NULL AND f.id IS NULL AS made, coalesce(t.free, f.id IS NULL) AS free
    FROM (SELECT p.place_text, min(k.place_no) AS place_no, min(k.admin_area_id) AS admin_area_id
          FROM stage_known k JOIN stage_places p USING (place_no)
          WHERE k.level >= 13 AND p.place_text <> '' GROUP BY 1) n
    LEFT JOIN (
        SELECT DISTINCT ON (a.norm_text) a.norm_text, a.id, a.ext_id IS NULL AS free
        FROM city.std_address a
        WHERE a.level <= 12 AND a.ended_at IS NULL
          AND a.norm_text IN (SELECT place_text FROM stage_places)
        ORDER BY a.norm_text, a.id) t ON t.norm_text = n.place_text
    LEFT JOIN (
        SELECT p.place_text, min(k.address_id) AS id
        FROM stage_known k JOIN stage_places p USING (place_no)
        WHERE k.level <= 12 AND NOT k.kept GROUP BY 1) f ON f.place_text = n.place_text
    {joined}"""


ABOVE_FREE: Final = """
    SELECT p.place_text, min(k.place_no) AS place_no, min(k.admin_area_id) AS admin_area_id,
        h.id, h.made, h.free
    FROM (SELECT * FROM stage_homes WHERE free OFFSET 0) h
    JOIN stage_places p USING (place_text) JOIN stage_known k USING (place_no)
    WHERE k.level >= 13 GROUP BY 1, 4, 5, 6"""
"""For `stage_above` where all rows are written: those of the homes that no file speaks of."""

PARENTS: Final = f"""
    INSERT INTO city.std_address
        (id, source_id, level, full_text, norm_text, admin_area_id, {_LISTED})
    SELECT a.id, :source_id, p.level, p.place_text, p.place_text, a.admin_area_id,
        {", ".join(f"p.{name}" for name in PLACE)}
    FROM stage_above a JOIN stage_places p USING (place_no) WHERE a.made"""
"""Addresses of buildings that rooms need and nobody loaded."""


def insert(entered: str, columns: Iterable[str]) -> str:
    """Write the rows that are new, each with the address it hangs on."""
    listed = ", ".join(columns)
    return f"""
        INSERT INTO city.std_address (id, source_id, ext_id, parent_id, {listed})
        SELECT s.address_id, :source_id, s.ext_id, a.id, {listed}
        FROM {entered} s
        LEFT JOIN (SELECT p.place_no, a.id FROM stage_places p JOIN stage_above a
                   USING (place_text)) a ON a.place_no = s.place_no AND s.level >= 13
        WHERE NOT s.kept AND NOT s.written"""


HANG: Final = """
    UPDATE city.std_address t SET parent_id = a.id
    FROM stage_known k JOIN stage_places p USING (place_no) JOIN stage_above a USING (place_text)
    WHERE (k.kept OR k.written) AND k.level >= 13 AND t.id = k.address_id
      AND t.parent_id IS DISTINCT FROM a.id"""
"""Hang each entrance, storey and room that is there on the address of its building."""

END_EMPTY: Final = """
    UPDATE city.std_address t SET ended_at = now(), updated_at = now()
    WHERE t.source_id = :source_id AND t.ext_id IS NULL AND t.ended_at IS NULL AND NOT EXISTS (
        SELECT FROM city.std_address c WHERE c.parent_id = t.id AND c.ended_at IS NULL)"""
"""Addresses made for rooms that are no longer there."""
