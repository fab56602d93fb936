"""Statements of the people's way in: homes of staged persons, and sums per building."""

from collections.abc import Mapping
from typing import Final

SAME_HOME: Final = """s.row_no IN (
    SELECT row_no FROM (SELECT row_no, row_number() OVER (
        PARTITION BY ext_id, coalesce(unit_id, 0), coalesce(building_id, 0), coalesce(address_id, 0)
        ORDER BY row_no) AS nth FROM stage_rows) x WHERE nth > 1)"""
"""Condition: an earlier row puts the same person into the same home."""


def homes(staged: Mapping[str, str]) -> str:
    """The homes of the file, one row each; what is not staged is unknown."""
    columns = {"role": "text", "residency_kind": "text", "from_date": "date"}
    listed = ", ".join(
        name if name in staged else f"NULL::{kind} AS {name}" for name, kind in columns.items()
    )
    return f"""
        CREATE TEMPORARY TABLE stage_homes ON COMMIT DROP AS
        SELECT row_no, ext_id, unit_id, building_id, address_id, {listed} FROM stage_rows"""


FORGET_BEFORE: Final = """
    UPDATE platform.change SET before = NULL
    WHERE import_id = :import_id AND object_type = 'person' AND op <> 'insert'
      AND before IS NOT NULL"""
"""The change feed says that a person changed, never what was known before."""

WHO: Final = """
    CREATE TEMPORARY TABLE stage_who ON COMMIT DROP AS
    SELECT p.id AS person_id, h.unit_id, h.building_id, b.grid_id, h.address_id, h.role,
        h.residency_kind AS kind, h.from_date
    FROM stage_homes h
    JOIN pii.person p ON p.source_id = :source_id AND p.ext_id = h.ext_id
    LEFT JOIN city.building b ON b.id = h.building_id"""

TOUCHED: Final = """
    CREATE TEMPORARY TABLE stage_touched ON COMMIT DROP AS
    SELECT building_id FROM stage_who WHERE building_id IS NOT NULL
    UNION
    SELECT r.building_id FROM pii.residency r
    JOIN pii.person p ON p.id = r.person_id AND p.source_id = :source_id
    WHERE r.to_date IS NULL AND r.building_id IS NOT NULL
      AND (p.ended_at = now() OR p.id IN (SELECT person_id FROM stage_who))"""
"""Buildings in which somebody of this file lives, lived, or no longer does."""

MOVED_OUT: Final = """
    UPDATE pii.residency r SET to_date = current_date
    FROM pii.person p
    WHERE p.id = r.person_id AND p.source_id = :source_id AND r.to_date IS NULL
      AND (p.ended_at = now() OR (
        p.id IN (SELECT person_id FROM stage_who)
        AND NOT EXISTS (SELECT FROM stage_who w WHERE w.person_id = r.person_id
            AND coalesce(w.unit_id, 0) = coalesce(r.unit_id, 0))))"""
"""Who is in the file with other homes than before has left those."""

STILL_THERE: Final = """
    UPDATE pii.residency r SET building_id = w.building_id, grid_id = w.grid_id,
        address_id = w.address_id, role = w.role, kind = w.kind, from_date = w.from_date
    FROM stage_who w
    WHERE w.person_id = r.person_id AND r.to_date IS NULL
      AND coalesce(w.unit_id, 0) = coalesce(r.unit_id, 0)
      AND ROW(r.building_id, r.grid_id, r.address_id, r.role, r.kind, r.from_date)
        IS DISTINCT FROM ROW(w.building_id, w.grid_id, w.address_id, w.role, w.kind, w.from_date)"""

MOVED_IN: Final = """
    INSERT INTO pii.residency
        (person_id, unit_id, building_id, grid_id, address_id, role, kind, from_date)
    SELECT DISTINCT ON (w.person_id, coalesce(w.unit_id, 0)) w.person_id, w.unit_id, w.building_id,
        w.grid_id, w.address_id, w.role, w.kind, w.from_date
    FROM stage_who w WHERE NOT EXISTS (
        SELECT FROM pii.residency r WHERE r.person_id = w.person_id AND r.to_date IS NULL
        AND coalesce(r.unit_id, 0) = coalesce(w.unit_id, 0))
    ORDER BY 1, coalesce(w.unit_id, 0), w.building_id"""

POPULATION: Final = """
    INSERT INTO city.building_pop (building_id, units, residents)
    SELECT t.building_id,
        (SELECT count(*) FROM city.unit u
         WHERE u.building_id = t.building_id AND u.ended_at IS NULL),
        (SELECT count(DISTINCT r.person_id) FROM pii.residency r
         JOIN pii.person p ON p.id = r.person_id AND p.ended_at IS NULL
         WHERE r.building_id = t.building_id AND (r.to_date IS NULL OR r.to_date > current_date)
           AND r.role IS DISTINCT FROM '业主不住')
    FROM stage_touched t
    ON CONFLICT (building_id)
    DO UPDATE SET units = excluded.units, residents = excluded.residents"""
