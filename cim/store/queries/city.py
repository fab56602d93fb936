"""The city as a whole: what it holds, where it lies, what to look at first."""

from sqlalchemy import Float, TextClause, bindparam, text

COUNTED = {
    "buildings": "city.building",
    "storeys": "city.storey",
    "units": "city.unit",
    "addresses": "city.std_address",
    "organisations": "city.organisation",
    "facilities": "city.facility",
    "devices": "city.device",
}

EXACT_UP_TO = 100_000
"""Rows above which the planner's estimate is taken instead of a count."""


def _count(table: str) -> str:
    return f"""CASE WHEN (SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass)
            > {EXACT_UP_TO}
        THEN (SELECT reltuples::bigint FROM pg_class WHERE oid = '{table}'::regclass)
        ELSE (SELECT count(*) FROM (SELECT 1 FROM {table} WHERE ended_at IS NULL
            LIMIT {10 * EXACT_UP_TO}) r) END"""


COUNTS = "SELECT " + ", ".join(f"{_count(table)} AS {name}" for name, table in COUNTED.items())

BOUNDS = """
SELECT ST_XMin(e) AS west, ST_YMin(e) AS south, ST_XMax(e) AS east, ST_YMax(e) AS north
FROM (SELECT CASE WHEN :exact
    THEN (SELECT ST_Extent(footprint) FROM city.building WHERE ended_at IS NULL)
    ELSE ST_EstimatedExtent('city', 'building', 'footprint') END AS e) x
"""

NAME = """
SELECT coalesce((SELECT value #>> '{}' FROM platform.setting WHERE name = 'city_name'),
    (SELECT name FROM city.admin_area WHERE ended_at IS NULL AND NOT is_pseudo
     ORDER BY (level = 2) DESC, level, id LIMIT 1), '') AS name
"""

ESTATE_FOCUS = """
SELECT ST_X(c) AS lon, ST_Y(c) AS lat, name, ground_elev,
    greatest(height, ST_Length(ST_MakeLine(ST_MakePoint(ST_XMin(e), ST_YMin(e)),
        ST_MakePoint(ST_XMax(e), ST_YMax(e)))) * 111000) AS size
FROM (SELECT es.name, ST_Extent(b.footprint) AS e, avg(b.ground_elev) AS ground_elev,
        max(b.height) AS height, ST_SetSRID(ST_Centroid(ST_Extent(b.footprint)), 4490) AS c
    FROM (SELECT b.estate_id FROM city.building b
            LEFT JOIN city.building_pop p ON p.building_id = b.id
            WHERE b.estate_id IS NOT NULL AND b.ended_at IS NULL
            GROUP BY b.estate_id
            ORDER BY sum(coalesce(p.units, 0)) DESC, sum(b.floors_above) DESC, b.estate_id
            LIMIT 1) best
    JOIN city.building b ON b.estate_id = best.estate_id AND b.ended_at IS NULL
    JOIN city.estate es ON es.id = best.estate_id
    GROUP BY es.id, es.name) x
"""

CELL_FOCUS = """
SELECT avg(lon) AS lon, avg(lat) AS lat, NULL::text AS name, avg(ground_elev) AS ground_elev,
    greatest(max(height), 400.0) AS size
FROM (SELECT (ST_XMin(footprint) + ST_XMax(footprint)) / 2 AS lon,
        (ST_YMin(footprint) + ST_YMax(footprint)) / 2 AS lat, ground_elev, height, floors_above,
        footprint_area
    FROM city.building TABLESAMPLE SYSTEM (:percent) WHERE ended_at IS NULL) b
GROUP BY floor(lon / 0.004), floor(lat / 0.004)
ORDER BY sum(footprint_area * floors_above) DESC LIMIT 1
"""

GROUNDS = """
SELECT x, y, min(ground_elev) AS ground, min(lon) AS lon, min(lat) AS lat
FROM (SELECT lon, lat, ground_elev, floor(lon / :step)::int AS x, floor(lat / :step)::int AS y
    FROM (SELECT (ST_XMin(footprint) + ST_XMax(footprint)) / 2 AS lon,
            (ST_YMin(footprint) + ST_YMax(footprint)) / 2 AS lat, ground_elev
        FROM city.building TABLESAMPLE SYSTEM (:percent)
        WHERE ended_at IS NULL AND ground_elev IS NOT NULL) b) c
GROUP BY x, y ORDER BY x, y
"""

LEGEND = """
SELECT list_code, code, name_zh AS zh, name_en AS en FROM city.code_item
ORDER BY list_code, sort, code
"""

TILESETS = """
SELECT name, version, built_at, feature_count AS features, height_shift,
       CASE WHEN format LIKE 'points%' THEN 'points' ELSE 'features' END AS kind, base, selection
FROM platform.tileset ORDER BY name
"""


def counts() -> TextClause:
    """How many rows of each table are present; the planner's estimate above 100,000."""
    return text(COUNTS)


def residents() -> TextClause:
    """How many people the buildings have, of what may be told."""
    return text("SELECT coalesce(sum(people), 0)::bigint AS people FROM city.building_people")


def postgis() -> TextClause:
    """The version of PostGIS."""
    return text("SELECT extversion FROM pg_extension WHERE extname = 'postgis'")


def bounds(*, exact: bool) -> TextClause:
    """West, south, east, north of the buildings; estimated from the index unless exact."""
    return text(BOUNDS).bindparams(exact=exact)


def name() -> TextClause:
    """What the city is called: as set, else its city-level area, else its widest."""
    return text(NAME)


def estate_focus() -> TextClause:
    """The estate with the most units: lon, lat, name, ground_elev and size in metres."""
    return text(ESTATE_FOCUS)


def cell_focus(percent: float) -> TextClause:
    """The densest 400 m of a sample of the buildings, for a city without estates."""
    return text(CELL_FOCUS).bindparams(bindparam("percent", percent, Float))


def grounds(percent: float, step: float) -> TextClause:
    """The lowest ground of the buildings in each cell of `step` degrees, and a place in it.

    Cells x, y count from longitude and latitude 0.
    """
    return text(GROUNDS).bindparams(bindparam("percent", percent, Float), step=step)


def legend() -> TextClause:
    """Every code of every list, in the order of the screen."""
    return text(LEGEND)


def tilesets() -> TextClause:
    """Every tileset that was built."""
    return text(TILESETS)
