"""Statements about addresses while their file is read: what a row's own key says of it.

Each looks at the rows that were staged last, so that the database works while further ones are
being parsed.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from cim.store.queries.incoming.ladders import (
    DOORS,
    KNOWN,
    NEXT,
    PLACE,
    PLACE_COLUMNS,
    ROOMS,
    known,
    met,
    places_in,
)
from cim.store.queries.incoming.linked import link, meant_by

LOST: Final = {"field": "text", "ref": "text", "id": "int8"}
"""The temporary table `stage_lost`: keys that nobody has (NULL), or several (-1)."""

_MET: Final = ("row_no", "place_no", "level", "status", "entrance_no", "room_no")
"""What is asked of a row to find its building and its room."""

_NO_PLACES: Final = """CROSS JOIN (
    SELECT NULL::bigint AS building_id, NULL::bigint AS estate_id, NULL::smallint AS score) p"""
"""Rows that name a key are not of what stands at their place."""


def staged_from(rows: str) -> str:
    """The rows that were staged last: from a block of the table on, and after a row number.

    What block and number say is much the same: the planner is kept from multiplying the two, as it
    would think of a few rows and compare each with each.
    """
    return f"""(SELECT * FROM {rows}
        WHERE ctid >= CAST(:block AS tid) AND row_no + 0 > :row)"""


def coded(rows: str, refs: Iterable[str]) -> str:
    """Those of the rows that name the key of what they are the address of."""
    named = " OR ".join(f"{ref} IS NOT NULL" for ref in refs)
    return f"(SELECT * FROM {rows} c WHERE {named})"


def not_known(rows: str) -> str:
    """Those of the rows that were not looked at as they came."""
    return f"""(SELECT * FROM {rows} r
        WHERE NOT EXISTS (SELECT FROM stage_known k WHERE k.row_no = r.row_no))"""


def keys_of(reference: str) -> str:
    """The table of the keys that rows name by a reference, with their ids."""
    return f"stage_{reference.removesuffix('_ref')}_keys"


def sources_of(reference: str) -> str:
    """The temporary table of the sources in which the keys of a reference can be."""
    return f"stage_{reference.removesuffix('_ref')}_sources"


def sources(table: str) -> str:
    """The sources that a table has rows of, for `sources_of`."""
    return f"""
        SELECT y.id FROM city.source_system y
        WHERE EXISTS (SELECT FROM {table} t WHERE t.source_id = y.id)"""


def few_keys(rows: str, reference: str, table: str) -> str:
    """What `links.keys` finds, each key looked up by itself: a batch names few of a table's."""
    return f"""
        SELECT r.ref, CASE
            WHEN bool_or(t.source_id = :source_id)
                THEN min(t.id) FILTER (WHERE t.source_id = :source_id)
            WHEN count(t.id) = 1 THEN min(t.id) WHEN count(t.id) > 1 THEN -1 END AS id
        FROM (SELECT DISTINCT {reference} AS ref FROM {rows} w WHERE {reference} IS NOT NULL) r
        LEFT JOIN LATERAL (
            SELECT t.id, t.source_id FROM {sources_of(reference)} y
            JOIN {table} t ON t.source_id = y.id AND t.ext_id = r.ref AND t.ended_at IS NULL
            OFFSET 0) t ON true
        GROUP BY r.ref"""


def lose(reference: str) -> str:
    """Keep the keys that nobody has, or several."""
    return f"""
        INSERT INTO stage_lost (field, ref, id)
        SELECT '{reference}', ref, id FROM {keys_of(reference)} WHERE id IS NULL OR id = -1"""


def known_by_code(name: str, rows: str, keys: Mapping[str, str], staged: Iterable[str]) -> str:
    """Fill `stage_known` for new rows that name keys: what `met`, DOORS, ROOMS and `known` do.

    All in one statement, so that nothing is staged in between;
    keys that do not lead to one thing are kept in `stage_lost`.  `name` is what `rows` go by in
    the queries of `keys`, one for each reference.
    """
    steps = {name: f"SELECT {', '.join((*_MET, *keys))} FROM {rows} s"}
    steps |= {keys_of(ref): found for ref, found in keys.items()}
    steps |= {
        "stage_met": met(name, staged, _NO_PLACES),
        "stage_doors": DOORS,
        "stage_rooms": ROOMS,
    }
    return f"""
        WITH {_tables(steps)}, {_lost(keys)}
        {known(name, again=False)}"""


def _tables(steps: Mapping[str, str]) -> str:
    return ", ".join(f"{step} AS MATERIALIZED ({made})" for step, made in steps.items())


def _lost(keys: Iterable[str]) -> str:
    return ", ".join(f"lost_{ref} AS ({lose(ref)})" for ref in keys)


HOMES: Final = {"place_text": "text", "id": "int8", "made": "bool", "free": "bool"}
"""The temporary table `stage_homes`: the address that rooms of a place hang on, by its text.

`made` are those that no row has claimed yet: ids that are kept for them.  `free` as in
`stage_above`.
"""

HOMES_BY_TEXT: Final = "CREATE UNIQUE INDEX ON stage_homes (place_text)"

HOMES_THERE: Final = """
    INSERT INTO stage_homes (place_text, id, made, free)
    SELECT DISTINCT ON (norm_text) norm_text, id, false, ext_id IS NULL
    FROM city.std_address WHERE level <= 12 AND ended_at IS NULL ORDER BY norm_text, id"""
"""Addresses that the store has."""

TOWNS: Final = """
    SELECT regexp_replace(name, '(街道|镇|乡)$', '') AS short
    FROM city.admin_area WHERE level = 4 AND ended_at IS NULL"""
"""For `stage_towns`: by what a place may begin that TOWNS_WITHOUT_WORD would change."""

_DOUBTED: Final = """
    SELECT p.place_no FROM stage_fresh p
    WHERE p.town IS NULL AND p.village IS NULL AND p.estate_name IS NOT NULL
      AND EXISTS (SELECT FROM stage_towns t WHERE starts_with(p.estate_name, t.short))"""
"""Places that may become others, if the file holds rows that name no key."""


def _sought(keys: Iterable[str]) -> dict[str, str]:
    """Building, entrance and unit of each row by the keys it names."""
    joins, building, unit = "", [], "NULL::bigint AS entrance_id, NULL::bigint AS unit_id"
    if "unit_ref" in keys:
        joins += """ LEFT JOIN (SELECT k.ref, f.* FROM stage_unit_keys k LEFT JOIN LATERAL (
            SELECT id, building_id, entrance_id FROM city.unit WHERE id = k.id OFFSET 0) f ON true
            ) u ON u.ref = s.unit_ref"""
        building.append("u.building_id")
        unit = "u.entrance_id, u.id AS unit_id"
    if "building_ref" in keys:
        joins += " LEFT JOIN stage_building_keys b ON b.ref = s.building_ref"
        building.append("b.id")
    return {
        "stage_met": f"""
            SELECT {", ".join(f"s.{column}" for column in _MET)},
                coalesce({", ".join(building)}) AS building_id, {unit}
            FROM stage_batch s{joins}"""
    }


_HOMES: Final = {
    "stage_areas": """
        SELECT d.building_id, x.admin_area_id
        FROM (SELECT DISTINCT building_id FROM stage_met) d CROSS JOIN LATERAL (
            SELECT admin_area_id FROM city.building WHERE id = d.building_id OFFSET 0) x""",
    "stage_doors": DOORS,
    "stage_named": """
        SELECT b.building_id, u.room_no, u.id, u.entrance_id
        FROM (SELECT DISTINCT building_id FROM stage_met
              WHERE room_no IS NOT NULL AND unit_id IS NULL) b CROSS JOIN LATERAL (
            SELECT room_no, id, entrance_id FROM city.unit
            WHERE building_id = b.building_id AND ended_at IS NULL OFFSET 0) u""",
    "stage_near": """
        SELECT m.*, CASE WHEN m.unit_id IS NULL THEN d.id END AS door_id,
            r.units, r.id AS room_id, r.entrance_id AS behind
        FROM stage_met m LEFT JOIN stage_doors d USING (building_id, entrance_no)
        LEFT JOIN (SELECT building_id, room_no, count(*) AS units, min(id) AS id,
                       min(entrance_id) AS entrance_id
                   FROM stage_named GROUP BY 1, 2) r
            ON r.building_id = m.building_id AND r.room_no = m.room_no AND m.unit_id IS NULL""",
    "stage_rooms": """
        SELECT m.row_no, CASE WHEN count(*) = 1 THEN min(u.id) END AS unit_id
        FROM stage_near m JOIN stage_named u USING (building_id, room_no)
        WHERE m.units > 1
          AND (m.entrance_no IS NULL OR u.entrance_id = m.door_id OR u.entrance_id IS NULL)
        GROUP BY 1""",
    "stage_texts": """
        SELECT p.place_text, min(f.row_no) AS first FROM stage_fresh p
        LEFT JOIN (SELECT place_no, min(row_no) AS row_no FROM stage_met
                   WHERE level <= 12 AND building_id > 0 GROUP BY 1) f USING (place_no)
        WHERE p.place_text <> '' GROUP BY 1""",
    "stage_ids": f"""
        SELECT t.place_text, t.first, h.id IS NULL AS is_new, coalesce(h.made, true) AS unclaimed,
            coalesce(h.id, {NEXT}) AS id
        FROM stage_texts t LEFT JOIN stage_homes h USING (place_text)""",
    "stage_at": """
        SELECT p.place_no, p.level AS place_level, i.id, CASE WHEN i.unclaimed THEN i.first END
            AS first
        FROM stage_fresh p LEFT JOIN stage_ids i USING (place_text)""",
    "stage_new": f"""
        SELECT m.row_no, m.place_no, m.level, m.status, a.place_level,
            CASE WHEN m.row_no = a.first THEN a.id ELSE {NEXT} END AS address_id,
            CASE WHEN m.level >= 13 THEN a.id END AS parent_id, m.building_id,
            coalesce(m.entrance_id, m.door_id) AS entrance_id,
            coalesce(m.unit_id, CASE
                WHEN m.units > 1 THEN r.unit_id
                WHEN m.entrance_no IS NULL OR m.behind = m.door_id OR m.behind IS NULL
                    THEN m.room_id END) AS unit_id,
            NULL::bigint AS estate_id, x.admin_area_id, 'code' AS method, 100::smallint AS score,
            false AS kept, true AS written
        FROM stage_near m JOIN stage_at a USING (place_no) LEFT JOIN stage_rooms r USING (row_no)
        LEFT JOIN stage_areas x USING (building_id) WHERE m.building_id > 0""",
}
"""What each row of a batch is, with its id, and that of the address above it.

The first address of a building with a text is the one that rooms hang on; where rooms came first,
it takes the id that was kept for it.  Rooms are found as ROOMS finds them, but no row is looked at
twice where its number is one unit's.
"""

_HOMES_KEPT: Final = """
    homes_new AS (
        INSERT INTO stage_homes (place_text, id, made, free)
        SELECT place_text, id, first IS NULL, first IS NULL FROM stage_ids WHERE is_new),
    homes_claimed AS (
        UPDATE stage_homes h SET made = false, free = false FROM stage_ids i
        WHERE i.first IS NOT NULL AND NOT i.is_new AND i.unclaimed
          AND i.place_text = h.place_text)"""


def written_by_code(rows: str, keys: Mapping[str, str], columns: Iterable[str]) -> str:
    """Write new rows that name keys, linked; and keep all their places.

    Rows wait whose place may become another (`stage_towns`), and those whose key nobody has.
    Links to a thing that has several addresses are told apart at the end.  `stage_batch` is what
    the rows go by in the queries of `keys`, one for each reference.
    """
    columns = list(columns)
    of = {"admin_area_id": "k.admin_area_id", "norm_text": "p.place_text || s.tail"}
    of |= {column: f"p.{column}" for column in PLACE}
    values = ", ".join(of.get(column, f"s.{column}") for column in columns)
    steps = {
        "stage_fresh": places_in(rows),
        "stage_batch": f"""SELECT {", ".join((*_MET, *keys))} FROM {coded(rows, keys)} s
            WHERE place_no NOT IN ({_DOUBTED})""",
    }
    steps |= {keys_of(ref): found for ref, found in keys.items()}
    return f"""
        WITH {_tables(steps | _sought(keys) | _HOMES)}, {_lost(keys)}, {_HOMES_KEPT},
        places AS (INSERT INTO stage_places ({PLACE_COLUMNS}) SELECT * FROM stage_fresh),
        kept AS (INSERT INTO stage_known ({", ".join(KNOWN)})
            SELECT {", ".join(KNOWN)} FROM stage_new),
        links AS ({link(meant_by("stage_new"))})
        INSERT INTO city.std_address (id, source_id, ext_id, parent_id, {", ".join(columns)})
        SELECT k.address_id, :source_id, s.ext_id, k.parent_id, {values}
        FROM {rows} s JOIN stage_fresh p USING (place_no) JOIN stage_new k USING (row_no)"""


BLOCKS: Final = """
    SELECT pg_relation_size('stage_rows') / current_setting('block_size')::int"""
"""Blocks of the staging table: copied rows go to its end."""


LEAVE_STAGE: Final = """
    WITH gone AS (
        DELETE FROM stage_known k
        WHERE NOT EXISTS (SELECT FROM stage_rows s WHERE s.row_no = k.row_no)
        RETURNING address_id, written)
    INSERT INTO stage_gone (address_id, written) SELECT address_id, written FROM gone"""
"""Rows that were set aside after they were looked at, into `stage_gone`."""

LEAVE_HOMES: Final = """
    UPDATE city.std_address t SET parent_id = NULL FROM stage_gone g
    WHERE t.parent_id = g.address_id"""
"""What hangs on them."""

HOMES_GONE: Final = "SELECT count(*) FROM stage_homes h JOIN stage_gone g ON g.address_id = h.id"
"""Whether anything can."""

LEAVE_TABLES: Final = (
    "DELETE FROM city.address_link l USING stage_gone g WHERE l.address_id = g.address_id",
    "DELETE FROM city.std_address t USING stage_gone g WHERE t.id = g.address_id",
)
"""Their links, and themselves."""
