"""Statements that put things into the areas they stand in, and areas into their tree."""

from collections.abc import Mapping

PLACES = {
    "admin_area_id": ("city.admin_area", "a.level DESC, a.id"),
    "grid_id": ("city.grid", "a.level DESC NULLS LAST, a.id"),
    "estate_id": ("city.estate", "a.id"),
}
"""Column → the table it refers to, and which of several to take."""


def has_outlines(table: str) -> str:
    """1 where the table has an outline in force, else 0."""
    return f"""SELECT count(*) FROM (
        SELECT FROM {table} WHERE geom IS NOT NULL AND ended_at IS NULL LIMIT 1) x"""


def outlines(table: str, order: str) -> str:
    """Id and outline (WKB) of the places in force, the one to take first."""
    return f"""
        SELECT a.id, ST_AsBinary(a.geom) AS wkb FROM {table} a
        WHERE a.ended_at IS NULL AND a.geom IS NOT NULL ORDER BY {order}"""


_STATES = " || ' ' || ".join(
    f"(SELECT concat(count(*), ' ', max(updated_at)) FROM {table} WHERE ended_at IS NULL)"
    for table, _ in PLACES.values()
)
STATE = f"SELECT {_STATES}"
"""What changes when a place is drawn, drawn anew or ended."""


def place_stage(rows: str, geometry: str, column: str, table: str, order: str) -> str:
    """Set a staged column to the place that holds a point on each row's surface."""
    return f"""
        UPDATE {rows} s SET {column} = f.place FROM (
            SELECT DISTINCT ON (b.row_no) b.row_no, a.id AS place
            FROM {table} a JOIN {rows} b
              ON a.geom && b.{geometry} AND ST_Intersects(a.geom, ST_PointOnSurface(b.{geometry}))
            WHERE a.ended_at IS NULL
            ORDER BY b.row_no, {order}) f
        WHERE f.row_no = s.row_no"""


_POINT = "ST_SetSRID(ST_MakePoint(lon, lat), 4490)"


def index_points(rows: str) -> str:
    """An index on where each row is, by its `lon` and `lat`."""
    return f"CREATE INDEX ON {rows} USING gist (({_POINT}))"


def place_points(rows: str, columns: Mapping[str, tuple[str, str]]) -> str:
    """Set several staged columns at once from the place that holds each row's `lon` and `lat`.

    OFFSET 0 has the places go round the points and not the other way: an outline is then prepared
    once for all its points, which is ten times faster.
    """
    found = " ".join(
        f"""LEFT JOIN (
            SELECT DISTINCT ON (b.row_no) b.row_no, a.id AS place
            FROM {table} a CROSS JOIN LATERAL (
                SELECT row_no FROM {rows} WHERE ST_Intersects(a.geom, {_POINT}) OFFSET 0) b
            WHERE a.ended_at IS NULL ORDER BY b.row_no, {order}) of_{column} USING (row_no)"""
        for column, (table, order) in columns.items()
    )
    put = ", ".join(f"{column} = f.{column}" for column in columns)
    places = ", ".join(f"of_{column}.place AS {column}" for column in columns)
    return f"""
        UPDATE {rows} s SET {put} FROM (SELECT row_no, {places} FROM {rows} {found}) f
        WHERE f.row_no = s.row_no"""


def place_buildings(column: str, table: str, order: str) -> str:
    """The same for buildings that are kept, where it is no longer what it was."""
    return f"""
        UPDATE city.building t SET {column} = f.place, updated_at = now() FROM (
            SELECT b.id, (SELECT a.id FROM {table} a
                          WHERE a.ended_at IS NULL
                            AND ST_Intersects(a.geom, ST_PointOnSurface(b.footprint))
                          ORDER BY {order} LIMIT 1) AS place
            FROM city.building b WHERE b.ended_at IS NULL) f
        WHERE f.id = t.id AND t.{column} IS DISTINCT FROM f.place"""


def repeats(column: str) -> str:
    """Condition: an earlier staged row has the same value."""
    return f"""EXISTS (SELECT FROM (SELECT {column} AS value, min(row_no) AS first
        FROM stage_rows GROUP BY {column} HAVING count(*) > 1) o
        WHERE o.value = s.{column} AND s.row_no > o.first)"""


AREAS_BY_NAME = """
    UPDATE stage_rows s SET code = f.code, level = f.level, is_pseudo = f.is_pseudo,
        name = CASE WHEN f.known = s.name THEN s.name ELSE f.name END,
        ext_id = f.code || '/' || s.name
    FROM (SELECT known, min(name) AS name, min(code) AS code, min(level) AS level,
              bool_or(is_pseudo) AS is_pseudo
          FROM (SELECT name AS known, name, code, level, is_pseudo FROM city.admin_area
                WHERE ended_at IS NULL
                UNION SELECT short_name, name, code, level, is_pseudo FROM city.admin_area
                WHERE ended_at IS NULL AND short_name IS NOT NULL) n
          GROUP BY known HAVING count(*) = 1) f
    WHERE s.code IS NULL AND (s.level IS NULL OR s.level = f.level)
      AND f.known IN (s.name, regexp_replace(s.name, '(办事处|管理委员会|管委会)$', ''))"""
"""Codes for rows that have a name alone; that of an area's office means the area."""

ADOPT_AREAS = """
    UPDATE city.admin_area t SET source_id = :source_id, ext_id = s.ext_id FROM stage_rows s
    WHERE t.code = s.code AND t.ended_at IS NULL
      AND (t.source_id, t.ext_id) IS DISTINCT FROM (CAST(:source_id AS smallint), s.ext_id)"""

AREAS_ABOVE = """
    UPDATE city.admin_area t SET parent_id = p.id FROM city.admin_area c
    CROSS JOIN LATERAL (
        SELECT a.id FROM city.admin_area a WHERE a.ended_at IS NULL
          AND a.code IN (left(c.code, 9), left(c.code, 6), left(c.code, 4), left(c.code, 2))
          AND length(a.code) < length(c.code) ORDER BY length(a.code) DESC LIMIT 1) p
    WHERE t.id = c.id AND c.ended_at IS NULL AND c.parent_id IS NULL"""
"""Areas without an area above get the one with the longest code that begins theirs."""

AREAS_ABOVE_AS_SAID = """
    UPDATE city.admin_area t SET parent_id = p.id FROM stage_rows s
    JOIN city.admin_area p ON p.code = s.parent_code AND p.ended_at IS NULL
    WHERE t.code = s.code AND t.ended_at IS NULL AND t.parent_id IS DISTINCT FROM p.id
      AND p.id <> t.id"""

GRIDS_ABOVE = """
    UPDATE city.grid t SET parent_id = p.id FROM stage_rows s
    JOIN city.grid p ON p.code = s.parent_code AND p.ended_at IS NULL
    WHERE t.code = s.code AND t.ended_at IS NULL AND t.kind = p.kind
      AND t.parent_id IS DISTINCT FROM p.id AND p.id <> t.id"""


def adopt_grids(kind: str) -> str:
    """Grids of the same kind and code get this source; `kind` is an expression over `s`."""
    return f"""
        UPDATE city.grid t SET source_id = :source_id, ext_id = s.ext_id FROM stage_rows s
        WHERE t.code = s.code AND t.kind = {kind} AND t.ended_at IS NULL
          AND (t.source_id, t.ext_id) IS DISTINCT FROM (CAST(:source_id AS smallint), s.ext_id)"""
