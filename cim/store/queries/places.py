"""Statements that put things into the areas they stand in."""

PLACES = {
    "admin_area_id": ("city.admin_area", "a.level DESC, a.id"),
    "grid_id": ("city.grid", "a.level DESC NULLS LAST, a.id"),
    "estate_id": ("city.estate", "a.id"),
}
"""Column → the table it refers to, and which of several to take."""


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


def place_buildings(column: str, table: str, order: str) -> str:
    """The same for buildings that are kept, where it is no longer what it was."""
    return f"""
        UPDATE city.building t SET {column} = f.place FROM (
            SELECT b.id, (SELECT a.id FROM {table} a
                          WHERE a.ended_at IS NULL
                            AND ST_Intersects(a.geom, ST_PointOnSurface(b.footprint))
                          ORDER BY {order} LIMIT 1) AS place
            FROM city.building b WHERE b.ended_at IS NULL) f
        WHERE f.id = t.id AND t.{column} IS DISTINCT FROM f.place"""
