"""Statements that bring staged floors and units to their buildings."""

from collections.abc import Sequence

FIND_BUILDINGS = """
    UPDATE stage_rows s SET building_id = f.id FROM (
        SELECT ext_id, (array_agg(id ORDER BY (source_id = :source_id) DESC))[1] AS id,
               count(*) AS known, bool_or(source_id = :source_id) AS own
        FROM city.building WHERE ended_at IS NULL
          AND ext_id IN (SELECT building FROM stage_rows WHERE building IS NOT NULL)
        GROUP BY ext_id) f
    WHERE f.ext_id = s.building AND (f.own OR f.known = 1)"""

AMBIGUOUS = """s.building_id IS NULL AND EXISTS (
    SELECT FROM city.building b WHERE b.ext_id = s.building AND b.ended_at IS NULL)"""

HOMELESS = """s.building_id IS NULL OR NOT EXISTS (
    SELECT FROM city.building b WHERE b.id = s.building_id AND b.ended_at IS NULL)"""

BUILDINGS_BY_PLACE = """
    UPDATE stage_rows s SET building_id = f.id FROM (
        SELECT DISTINCT ON (r.row_no) r.row_no, b.id
        FROM stage_rows r
        JOIN city.building b ON b.footprint && r.outline AND b.ended_at IS NULL
         AND b.state <> 'demolished'
        CROSS JOIN LATERAL (
            SELECT ST_Area(ST_Intersection(b.footprint, r.outline)) AS shared) i
        WHERE r.by_place AND i.shared >= 0.3 * ST_Area(r.outline)
        ORDER BY r.row_no, i.shared DESC, b.id) f
    WHERE f.row_no = s.row_no"""
"""The building that takes most of an outline, and a good part of it."""

KEYS_BY_PLACE = """
    UPDATE stage_rows s SET ext_id = '@' || building_id || '/' || ext_id
    WHERE s.by_place AND s.key_made AND s.building_id IS NOT NULL"""
"""A key that was made of storey and room is the building's own."""

COUNT_LIFTED = "SELECT count(*) FROM stage_rows WHERE z IS NOT NULL AND z <> 0"

ADD_BOTTOM = "ALTER TABLE stage_rows ADD COLUMN given_bottom float8"

_BASES = """
    SELECT building_id, CASE WHEN abs(low - ground_elev) <= 3 THEN ground_elev
                             WHEN abs(low) <= 3 THEN 0 END AS base
    FROM (SELECT r.building_id, b.ground_elev, min(r.z) FILTER (WHERE r.no = 1) AS low,
                 count(*) AS drawn, count(DISTINCT r.z) AS levels, count(DISTINCT r.no) AS numbers,
                 corr(r.z, r.no) AS rising
          FROM stage_rows r JOIN city.building b ON b.id = r.building_id
          WHERE r.z IS NOT NULL GROUP BY r.building_id, b.id) f
    WHERE levels = numbers AND (numbers = 1 OR rising > 0.9)"""
"""What the heights of a building's floors count from: the datum, or its ground.

They are believed where each storey has its own, they rise, and the ground floor is near one of
the two.
"""

BOTTOMS_OF_OUTLINES = f"""
    UPDATE stage_rows s SET given_bottom = round((s.z - f.base)::numeric, 3) FROM ({_BASES}) f
    WHERE f.building_id = s.building_id AND f.base IS NOT NULL AND s.z IS NOT NULL"""

COUNT_UNCLEAR = f"""
    SELECT count(*) FROM stage_rows s LEFT JOIN ({_BASES}) f USING (building_id)
    WHERE s.z IS NOT NULL AND s.z <> 0 AND f.base IS NULL"""

_SAME_STOREY = "t.building_id = s.building_id AND t.no = s.no AND t.ended_at IS NULL"

RENAME_STOREYS = f"""
    UPDATE city.storey t SET label = s.label, updated_at = now() FROM stage_rows s
    WHERE {_SAME_STOREY} AND (t.status = 'generated' OR :full) AND t.label <> s.label
      AND NOT EXISTS (SELECT FROM city.storey o WHERE o.building_id = s.building_id
                      AND o.no = s.no AND o.label = s.label AND o.ended_at IS NULL)
      AND NOT EXISTS (SELECT FROM stage_rows o WHERE o.building_id = s.building_id
                      AND o.no = s.no AND (o.label = t.label OR o.row_no < s.row_no))"""
"""A generated storey takes the label that is given for its number; of a `full` file a given one
does too, where the file has no storey of its old label: ended, it would take its units along."""


def update_storeys(given: Sequence[str]) -> str:
    """Storeys that are there and say otherwise."""
    put = "".join(f", {name} = s.{name}" for name in given)
    old = "".join(f", t.{name}" for name in given)
    new = "".join(f", s.{name}" for name in given)
    return f"""
        UPDATE city.storey t SET status = 'given', kind = s.kind{put}, updated_at = now()
        FROM stage_rows s WHERE {_SAME_STOREY} AND t.label = s.label
          AND ROW(t.status, t.kind{old}) IS DISTINCT FROM ROW('given', s.kind{new})"""


def insert_storeys(given: Sequence[str]) -> str:
    """Storeys that are not there yet."""
    names = "".join(f", {name}" for name in given)
    values = "".join(f", s.{name}" for name in given)
    return f"""
        INSERT INTO city.storey (building_id, no, label, kind, status{names})
        SELECT s.building_id, s.no, s.label, s.kind, 'given'{values} FROM stage_rows s
        WHERE NOT EXISTS (SELECT FROM city.storey t WHERE {_SAME_STOREY} AND t.label = s.label)
        ORDER BY s.row_no"""


_MISSING_STOREY = """t.status = 'given' AND t.ended_at IS NULL
    AND t.building_id IN (SELECT building_id FROM stage_rows)
    AND NOT EXISTS (SELECT FROM stage_rows s WHERE s.building_id = t.building_id
                    AND s.no = t.no AND s.label = t.label)
    AND NOT EXISTS (SELECT FROM stage_faults f, city.building b WHERE b.id = t.building_id
                    AND f.ext_id LIKE b.ext_id || '/%')"""

COUNT_MISSING_STOREYS = f"SELECT count(*) FROM city.storey t WHERE {_MISSING_STOREY}"

END_MISSING_STOREYS = f"""
    UPDATE city.storey t SET ended_at = now(), updated_at = now() WHERE {_MISSING_STOREY}"""

DRAW_PLANS = """
    INSERT INTO city.floor_plan (building_id, kind, outline, area, geom_status)
    SELECT DISTINCT ON (s.building_id, s.outline)
           s.building_id, 'drawn', s.outline, s.outline_area, 'drawn'
    FROM stage_rows s WHERE s.outline IS NOT NULL AND NOT EXISTS (
        SELECT FROM city.floor_plan p WHERE p.building_id = s.building_id AND p.kind = 'drawn'
          AND p.outline = s.outline)
    ORDER BY s.building_id, s.outline, s.row_no"""
"""One plan for all storeys of a building that are drawn alike."""

USE_PLANS = f"""
    UPDATE city.storey t SET plan_id = p.id, updated_at = now()
    FROM stage_rows s JOIN city.floor_plan p
      ON p.building_id = s.building_id AND p.kind = 'drawn' AND p.outline = s.outline
    WHERE {_SAME_STOREY} AND t.label = s.label AND NOT EXISTS (
        SELECT FROM city.floor_plan q
        WHERE q.id = t.plan_id AND q.kind = 'drawn' AND q.outline = s.outline)"""

MAKE_ENTRANCES = """
    INSERT INTO city.entrance (building_id, no, name, geom_status)
    SELECT DISTINCT s.building_id, s.entrance_no, s.entrance_no || '单元', 'none'
    FROM stage_rows s WHERE s.entrance_no IS NOT NULL
    ON CONFLICT (building_id, no) DO UPDATE SET ended_at = NULL
    WHERE city.entrance.ended_at IS NOT NULL"""

FIND_ENTRANCES = """
    UPDATE stage_rows s SET entrance_id = e.id FROM city.entrance e
    WHERE e.building_id = s.building_id AND e.no = s.entrance_no"""

FIND_STOREYS = """
    UPDATE stage_rows s SET storey_id = f.id FROM (
        SELECT DISTINCT ON (r.row_no) r.row_no, t.id
        FROM stage_rows r JOIN city.storey t ON t.building_id = r.building_id
         AND t.ended_at IS NULL AND (t.no = r.storey_no OR t.label = r.storey)
        ORDER BY r.row_no, (t.no = r.storey_no) DESC NULLS LAST, (t.label = r.storey) DESC, t.id) f
    WHERE f.row_no = s.row_no"""
"""By number where the word is one, else by what stands on the button."""

MAKE_STOREYS = """
    INSERT INTO city.storey (building_id, no, label, kind, status)
    SELECT DISTINCT s.building_id, s.storey_no,
           CASE WHEN s.storey_no < 0 THEN 'B' || -s.storey_no WHEN s.storey_no = 0 THEN 'M'
                ELSE s.storey_no::text END,
           CASE WHEN s.storey_no < 0 THEN '地下' WHEN s.storey_no = 0 THEN '夹层'
                ELSE '标准' END, 'generated'
    FROM stage_rows s WHERE s.storey_id IS NULL"""

SAME_ROOM = """EXISTS (SELECT FROM (
    SELECT storey_id, coalesce(entrance_id, 0) AS entrance, room_no, min(row_no) AS first
    FROM stage_rows GROUP BY 1, 2, 3 HAVING count(*) > 1) o
    WHERE o.storey_id = s.storey_id AND o.entrance = coalesce(s.entrance_id, 0)
      AND o.room_no = s.room_no AND s.row_no > o.first)"""

_SAME_PLACE = """u.storey_id = s.storey_id AND u.room_no = s.room_no AND u.ended_at IS NULL
    AND coalesce(u.entrance_id, 0) = coalesce(s.entrance_id, 0)"""

TAKEN = f"""EXISTS (SELECT FROM city.unit u WHERE {_SAME_PLACE} AND u.ext_id IS NOT NULL
    AND u.source_id <> :source_id)"""

ADOPT_UNITS = f"""
    UPDATE city.unit u SET source_id = :source_id, ext_id = s.ext_id FROM stage_rows s
    WHERE {_SAME_PLACE} AND u.ext_id IS NULL AND NOT EXISTS (
        SELECT FROM city.unit o WHERE o.source_id = :source_id AND o.ext_id = s.ext_id)"""
"""A generated unit in the place of a given one becomes it, and keeps its id."""

FREE_ROOMS = f"""
    UPDATE city.unit u SET room_no = u.room_no || '~' || u.id, updated_at = now()
    FROM stage_rows s WHERE {_SAME_PLACE}
      AND (u.source_id, u.ext_id) IS DISTINCT FROM (CAST(:source_id AS smallint), s.ext_id)"""
"""Rooms that change numbers among themselves: make way before the new numbers are written."""

MARK_DRAWN = """
    UPDATE city.unit u SET geom_status = 'floorplan' FROM stage_rows s
    WHERE u.building_id = s.building_id AND u.storey_id = s.storey_id AND u.room_no = s.room_no
      AND u.outline IS NOT NULL AND u.ext_id = s.ext_id
      AND u.geom_status NOT IN ('floorplan', 'surveyed', 'ifc')"""
