"""Statements that turn references of staged rows `s` into ids; names are ours, never a caller's."""

from typing import Final

SOURCES: Final = "city.source_system y"


def found_keys(rows: str, reference: str, table: str, join: str = "") -> str:
    """Keys (`ref`) with the id of what goes by them: of this source, else of the only one.

    -1 stands for a key that several other sources have; a key that none has is missing, or NULL
    where `join` is LEFT.
    """
    return f"""
        SELECT r.ref, CASE
            WHEN bool_or(t.source_id = :source_id)
                THEN min(t.id) FILTER (WHERE t.source_id = :source_id)
            WHEN count(*) = 1 THEN min(t.id) ELSE -1 END AS id
        FROM (SELECT DISTINCT {reference} AS ref FROM {rows} w WHERE {reference} IS NOT NULL) r
        {join} JOIN ({SOURCES}
            JOIN {table} t ON t.source_id = y.id AND t.ended_at IS NULL) ON t.ext_id = r.ref
        GROUP BY r.ref"""


def keys(rows: str, reference: str, table: str) -> str:
    """Every key that is named, with its id; NULL where none has it."""
    return found_keys(rows, reference, table, "LEFT")


def by_key(rows: str, reference: str, column: str, table: str) -> str:
    """Set a staged id from a key in a source, as `found_keys` finds it."""
    return f"""
        UPDATE {rows} s SET {column} = f.id FROM ({found_keys(rows, reference, table)}) f
        WHERE f.ref = s.{reference} AND s.{column} IS NULL"""


def of_units(rows: str) -> str:
    """Building and entrance of the units that are known."""
    return f"""
        UPDATE {rows} s SET building_id = u.building_id, entrance_id = u.entrance_id
        FROM city.unit u WHERE u.id = s.unit_id"""


def entrances(rows: str, entrance: str) -> str:
    """Entrances of known buildings, by name or number."""
    return f"""
        UPDATE {rows} s SET entrance_id = e.id FROM city.entrance e
        WHERE e.building_id = s.building_id AND e.ended_at IS NULL AND s.entrance_id IS NULL
          AND s.{entrance} IN (e.name, e.no || '单元')"""


def rooms(rows: str, room: str, entrance: str | None) -> str:
    """Units of known buildings by room number, behind the entrance where one is given.

    -1 stands for a number that several units of the building have.
    """
    behind = ""
    if entrance:
        behind = f"""AND (r.{entrance} IS NULL OR r.entrance_id = u.entrance_id
                          OR u.entrance_id IS NULL)"""
    return f"""
        UPDATE {rows} s SET unit_id = f.id FROM (
            SELECT r.row_no, CASE WHEN count(*) = 1 THEN min(u.id) ELSE -1 END AS id
            FROM {rows} r JOIN city.unit u
              ON u.building_id = r.building_id AND u.room_no = r.{room} AND u.ended_at IS NULL
            WHERE r.unit_id IS NULL AND r.building_id IS NOT NULL {behind}
            GROUP BY r.row_no) f
        WHERE f.row_no = s.row_no"""


def by_address(rows: str, norm: str, target: str) -> str:
    """What the address with a given text is the address of: `target` unit or building."""
    return f"""
        UPDATE {rows} s SET {target}_id = f.id FROM (
            SELECT r.norm, min(l.object_id) AS id
            FROM (SELECT DISTINCT {norm} AS norm FROM {rows}
                  WHERE {norm} IS NOT NULL AND {target}_id IS NULL) r
            JOIN city.std_address a ON a.norm_text = r.norm AND a.ended_at IS NULL
            JOIN city.address_link l ON l.address_id = a.id AND l.object_type = '{target}'
            GROUP BY r.norm HAVING count(DISTINCT l.object_id) = 1) f
        WHERE f.norm = s.{norm} AND s.{target}_id IS NULL"""


def address_ids(rows: str, norm: str) -> str:
    """The ids of the addresses that have a given text."""
    return f"""
        UPDATE {rows} s SET address_id = f.id FROM (
            SELECT a.norm_text, min(a.id) AS id FROM city.std_address a
            WHERE a.norm_text IN (SELECT {norm} FROM {rows}) AND a.ended_at IS NULL
            GROUP BY a.norm_text) f
        WHERE f.norm_text = s.{norm} AND s.address_id IS NULL"""


def estates_by_name(rows: str) -> str:
    """Estates by their name or alias, where only one has it."""
    return f"""
        UPDATE {rows} s SET estate_id = f.id FROM (
            SELECT r.ref, min(e.id) AS id
            FROM (SELECT DISTINCT estate_ref AS ref FROM {rows} WHERE estate_id IS NULL) r
            JOIN city.estate e ON r.ref = e.name OR r.ref = ANY (e.aliases)
            WHERE e.ended_at IS NULL GROUP BY r.ref HAVING count(*) = 1) f
        WHERE f.ref = s.estate_ref AND s.estate_id IS NULL"""


def projects_by_name(rows: str) -> str:
    """Construction projects by their name, where only one has it."""
    return f"""
        UPDATE {rows} s SET project_id = f.id FROM (
            SELECT r.ref, min(p.id) AS id
            FROM (SELECT DISTINCT project_ref AS ref FROM {rows} WHERE project_id IS NULL) r
            JOIN city.project p ON p.name = r.ref
            WHERE p.ended_at IS NULL GROUP BY r.ref HAVING count(*) = 1) f
        WHERE f.ref = s.project_ref AND s.project_id IS NULL"""


def storeys(rows: str) -> str:
    """Storeys of known buildings, by number or label."""
    return f"""
        UPDATE {rows} s SET storey_id = f.id FROM (
            SELECT r.row_no, min(t.id) AS id
            FROM {rows} r JOIN city.storey t ON t.building_id = r.building_id
             AND t.ended_at IS NULL AND (t.no = r.storey_no OR t.label = r.storey_ref)
            WHERE r.storey_ref IS NOT NULL GROUP BY r.row_no) f
        WHERE f.row_no = s.row_no"""


def bound(rows: str, kind: str, table: str) -> str:
    """Set the id of a kind for rows that are to be bound to one of it by the key of its source."""
    some = f"(SELECT * FROM {rows} WHERE bind_kind = '{kind}')"
    return f"""
        UPDATE {rows} s SET {kind}_id = f.id FROM ({found_keys(some, "bind_key", table)}) f
        WHERE f.ref = s.bind_key AND s.bind_kind = '{kind}'"""


def by_id(rows: str, reference: str, column: str, table: str, condition: str = "true") -> str:
    """Set a staged id from our own, written as #7, of what is there."""
    return f"""
        UPDATE {rows} s SET {column} = o.id FROM {table} o
        WHERE o.ended_at IS NULL AND s.{column} IS NULL AND {condition}
          AND o.id = CASE WHEN s.{reference} ~ '^#[0-9]{{1,18}}$'
                THEN CAST(substr(s.{reference}, 2) AS int8) END"""


def house_of(rows: str, kind: str, table: str) -> str:
    """The building that something stands in, for rows that know no other."""
    return f"""
        UPDATE {rows} s SET building_id = o.building_id FROM {table} o
        WHERE o.id = s.{kind}_id AND s.building_id IS NULL"""
