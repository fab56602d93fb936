"""Statements of the organisations' way in."""

from collections.abc import Mapping
from typing import Final

SAME_PLACE: Final = """s.row_no IN (
    SELECT row_no FROM (SELECT row_no, row_number() OVER (
        PARTITION BY ext_id, coalesce(unit_id, 0), coalesce(building_id, 0), coalesce(address_id, 0)
        ORDER BY row_no) AS nth FROM stage_rows) x WHERE nth > 1)"""
"""Condition: an earlier row puts the same organisation into the same place."""


def places(staged: Mapping[str, str]) -> str:
    """The places of the file, one row each; what is not staged is unknown."""
    columns = {"place_role": "text", "from_date": "date"}
    listed = ", ".join(
        name if name in staged else f"NULL::{kind} AS {name}" for name, kind in columns.items()
    )
    return f"""
        CREATE TEMPORARY TABLE stage_places ON COMMIT DROP AS
        SELECT row_no, ext_id, unit_id, building_id, address_id, {listed} FROM stage_rows"""


WHERE: Final = """
    CREATE TEMPORARY TABLE stage_where ON COMMIT DROP AS
    SELECT DISTINCT ON (o.id, coalesce(h.unit_id, 0), coalesce(h.place_role, '')) o.id AS org_id,
        h.unit_id, h.building_id, h.address_id, h.place_role AS role, h.from_date
    FROM stage_places h
    JOIN city.organisation o ON o.source_id = :source_id AND o.ext_id = h.ext_id
    WHERE coalesce(h.unit_id, h.building_id, h.address_id) IS NOT NULL
    ORDER BY o.id, coalesce(h.unit_id, 0), coalesce(h.place_role, ''), h.row_no"""

LEFT: Final = """
    UPDATE city.org_location l SET to_date = current_date
    FROM city.organisation o
    WHERE o.id = l.org_id AND o.source_id = :source_id AND l.to_date IS NULL
      AND (o.ended_at = now() OR (
        o.id IN (SELECT c.id FROM city.organisation c JOIN stage_places p ON p.ext_id = c.ext_id
                 WHERE c.source_id = :source_id)
        AND NOT EXISTS (SELECT FROM stage_where w WHERE w.org_id = l.org_id
            AND coalesce(w.unit_id, 0) = coalesce(l.unit_id, 0)
            AND coalesce(w.role, '') = coalesce(l.role, ''))))"""

STAYED: Final = """
    UPDATE city.org_location l SET building_id = w.building_id, address_id = w.address_id,
        from_date = w.from_date
    FROM stage_where w
    WHERE w.org_id = l.org_id AND l.to_date IS NULL
      AND coalesce(w.unit_id, 0) = coalesce(l.unit_id, 0)
      AND coalesce(w.role, '') = coalesce(l.role, '')
      AND ROW(l.building_id, l.address_id, l.from_date)
        IS DISTINCT FROM ROW(w.building_id, w.address_id, w.from_date)"""

CAME: Final = """
    INSERT INTO city.org_location (org_id, unit_id, building_id, address_id, role, from_date)
    SELECT w.org_id, w.unit_id, w.building_id, w.address_id, w.role, w.from_date
    FROM stage_where w WHERE NOT EXISTS (
        SELECT FROM city.org_location l WHERE l.org_id = w.org_id AND l.to_date IS NULL
        AND coalesce(l.unit_id, 0) = coalesce(w.unit_id, 0)
        AND coalesce(l.role, '') = coalesce(w.role, ''))"""
