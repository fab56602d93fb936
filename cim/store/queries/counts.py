"""How much of everything there is in an area, a grid, an estate or a drawn polygon.

What belongs to a building counts where a point inside its outline lies; facilities and devices
without one count where they stand themselves.  People are sums of what may be told of buildings.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import ARRAY, BigInteger, LargeBinary, TextClause, bindparam, text

from cim.geometry.cover import Cover

What = Literal["buildings", "storeys", "units", "people", "organisations", "facilities", "devices"]
Kind = Literal["area", "grid", "estate", "polygon"]
By = Literal["use", "class", "area", "grid", "estate"]

Within = tuple[Sequence[int], Sequence[int]]
"""Ids of areas and of grids, all those below them included."""

TABLES: Final = {"area": "city.admin_area", "grid": "city.grid", "estate": "city.estate"}
SHAPE: Final = "ST_GeomFromWKB(:shape, 4490)"
AREA: Final = "coalesce(b.admin_area_id, es.admin_area_id, g.admin_area_id)"
JOINED: Final = """city.building b
        LEFT JOIN city.estate es ON es.id = b.estate_id
        LEFT JOIN city.grid g ON g.id = b.grid_id"""


TOLD_WITHIN: Final = f"""
    SELECT p.* FROM unnest(:inside, :inside_to) AS run(low, high), LATERAL (
        SELECT {{0}} FROM city.building_people WHERE key >= low AND key < high) p
    UNION ALL
    SELECT p.* FROM unnest(:edge, :edge_to) AS run(low, high), LATERAL (
        SELECT {{0}} FROM city.building_people
        WHERE key >= low AND key < high AND ST_Intersects({SHAPE}, at)) p"""
"""Buildings that are told of in a polygon, by runs of keys."""

PEOPLE_WITHIN: Final = f"""
SELECT 'people' AS what, NULL::text AS key, true AS whole,
    coalesce(sum(people), 0)::bigint AS n, NULL::text AS zh, NULL::text AS en
FROM ({TOLD_WITHIN.format("sum(people) AS people")}) p"""
"""Most asked: what lies in whole cells is summed from the index alone."""


@dataclass(frozen=True)
class Place:
    """Where to count: an object by its id, or a polygon as WKB in CGCS2000 degrees."""

    kind: Kind
    id: int = 0
    shape: bytes = b""
    cover: Cover | None = None
    """Of a polygon: its cells."""


def _below(table: str) -> str:
    """Areas or grids below one: `top` is which of its children; an area that only fills a slot
    (Dongguan's county) has its children in its place."""
    through = "a.is_pseudo" if table == TABLES["area"] else "false"
    return f"""below(id, top, through, depth) AS (
    SELECT id, id, true, 0 FROM {table} WHERE id = :id AND ended_at IS NULL
    UNION ALL
    SELECT a.id, CASE WHEN w.through THEN a.id ELSE w.top END, w.through AND {through}, w.depth + 1
    FROM below w JOIN {table} a ON a.parent_id = w.id AND a.ended_at IS NULL
    WHERE w.depth < 10),"""


def _buildings(place: Place, only_people: bool) -> str:
    """Buildings of a place with what they are grouped by."""
    columns = f"b.id, b.use_code, b.estate_id, b.grid_id, {AREA} AS area_id"
    start = f"SELECT {columns}, NULL::bigint AS top FROM {JOINED}"
    if place.kind == "estate":
        return f"{start} WHERE b.estate_id = :id AND b.ended_at IS NULL"
    if place.kind == "polygon" and only_people:
        return f"""{start} JOIN ({TOLD_WITHIN.format("building_id")}) p ON p.building_id = b.id
    WHERE b.ended_at IS NULL"""
    if place.kind == "polygon":
        return f"""{start} WHERE b.footprint && {SHAPE} AND b.ended_at IS NULL
    AND ST_Intersects({SHAPE}, ST_PointOnSurface(b.footprint))"""
    start = f"SELECT {columns}, w.top FROM below w JOIN"
    if place.kind == "grid":
        return f"{start} ({JOINED}) ON b.grid_id = w.id WHERE b.ended_at IS NULL"
    # Three ways to lie in an area, each by an index, each building by the first that it has.
    return f"""{start} ({JOINED}) ON b.admin_area_id = w.id WHERE b.ended_at IS NULL
    UNION ALL {start} ({JOINED}) ON es.admin_area_id = w.id
    WHERE b.ended_at IS NULL AND b.admin_area_id IS NULL
    UNION ALL {start} ({JOINED}) ON g.admin_area_id = w.id
    WHERE b.ended_at IS NULL AND b.admin_area_id IS NULL AND es.admin_area_id IS NULL"""


def _key(place: Place, by: By | None) -> str:
    """What a building is grouped by, as text; NULL for what has none."""
    if by in (None, "class"):
        return "NULL::text"
    own = {"use": "h.use_code", "area": "h.area_id", "grid": "h.grid_id", "estate": "h.estate_id"}
    return f"({'h.top' if place.kind == by else own[by]})::text"


def _outside(place: Place, column: str) -> str:
    """Whether something without a building stands in the place."""
    if place.kind == "polygon":
        return f"ST_Intersects({SHAPE}, {column})"
    return f"""ST_Intersects((SELECT geom FROM {TABLES[place.kind]} WHERE id = :id), {column})"""


def _things(place: Place, what: What, by: By | None) -> str:
    """Facilities or devices: those of the buildings, and those that stand in the place alone."""
    table = {"facilities": "facility", "devices": "device"}[what]
    there = "t.ended_at IS NULL" + (" AND t.secrecy = 0" if what == "devices" else "")
    inside = "t.class_code" if by == "class" else _key(place, by)
    outside = "t.class_code" if by == "class" else "NULL::text"
    of_sites = ""
    if what == "devices":
        site = _outside(place, "ST_PointOnSurface(p.geom)")
        of_sites = f"""
        UNION ALL SELECT {outside} FROM city.project p
        JOIN city.device t ON t.bind_type = 'project' AND t.bind_id = p.id
        WHERE t.building_id IS NULL AND t.geom IS NULL AND {there} AND {site}"""
    return f"""SELECT '{what}' AS what, key, GROUPING(key) = 1 AS whole, count(*) AS n FROM (
        SELECT {inside} AS key FROM here h JOIN city.{table} t ON t.building_id = h.id
        WHERE {there}
        UNION ALL SELECT {outside} FROM city.{table} t
        WHERE t.building_id IS NULL AND {there} AND {_outside(place, "t.geom")}{of_sites}) x
    GROUP BY GROUPING SETS ((key), ())"""


def _of_buildings(place: Place, what: What, by: By | None, confined: bool) -> str:
    """A count that goes by buildings."""
    joined, number, where = {
        "buildings": ("", "count(*)", ""),
        "storeys": ("JOIN city.storey s ON s.building_id = h.id AND s.ended_at IS NULL",
                    "count(*)", ""),
        "units": ("JOIN city.building_pop p ON p.building_id = h.id",
                  "coalesce(sum(p.units), 0)", ""),
        "people": ("JOIN city.building_people p ON p.building_id = h.id",
                   "coalesce(sum(p.people), 0)",
                   "WHERE h.area_id = ANY (:areas) OR h.grid_id = ANY (:grids)"
                   if confined else ""),
        "organisations": (
            """JOIN city.org_location l ON l.building_id = h.id
                AND (l.to_date IS NULL OR l.to_date > current_date)
            JOIN city.organisation o ON o.id = l.org_id AND o.ended_at IS NULL""",
            "count(DISTINCT l.org_id)", ""),
    }[what]  # fmt: skip
    return f"""SELECT '{what}' AS what, h.key, GROUPING(h.key) = 1 AS whole, {number} AS n
    FROM (SELECT h.*, {_key(place, by)} AS key FROM here h) h {joined} {where}
    GROUP BY GROUPING SETS ((h.key), ())"""


OBJECT_NAME: Final = "(SELECT name FROM {} WHERE id = key::bigint) AS zh, NULL::text AS en"
NAMES: Final[dict[By | None, str]] = {
    None: "NULL::text AS zh, NULL::text AS en",
    "area": OBJECT_NAME.format(TABLES["area"]),
    "grid": OBJECT_NAME.format(TABLES["grid"]),
    "estate": OBJECT_NAME.format(TABLES["estate"]),
    "use": """(SELECT name_zh FROM city.code_item WHERE list_code = 'building_use' AND code = key)
        AS zh, (SELECT name_en FROM city.code_item WHERE list_code = 'building_use' AND code = key)
        AS en""",
    "class": """(SELECT name_zh FROM city.code_item WHERE code = key AND list_code = CASE what
            WHEN 'devices' THEN 'device_class' ELSE 'facility_class' END) AS zh,
        (SELECT name_en FROM city.code_item WHERE code = key AND list_code = CASE what
            WHEN 'devices' THEN 'device_class' ELSE 'facility_class' END) AS en""",
}


def counts(
    place: Place, of: Collection[What], by: By | None = None, people_in: Within | None = None
) -> TextClause:
    """Rows of `what`, `key`, `whole`, `n`, `zh`, `en`: the whole, and each group by its key.

    `people_in` are the areas and grids whose people are counted; None for all. An organisation in
    two groups counts in both, and once in the whole.
    """
    confined = people_in is not None
    if place.kind == "polygon" and set(of) == {"people"} and by is None and not confined:
        return _bound(text(PEOPLE_WITHIN), place, None)
    tree = _below(TABLES[place.kind]) if place.kind in ("area", "grid") else ""
    parts = [
        _things(place, what, by)
        if what in ("facilities", "devices")
        else _of_buildings(place, what, by, confined)
        for what in of
    ]
    joined = "\n    UNION ALL\n    ".join(parts)
    statement = f"""WITH RECURSIVE {tree}
here AS MATERIALIZED ({_buildings(place, set(of) == {"people"})}),
numbers AS ({joined})
SELECT what, key, whole, n::bigint AS n, {NAMES[by]} FROM numbers ORDER BY key, what"""
    return _bound(text(statement), place, people_in if "people" in of else None)


def _bound(statement: TextClause, place: Place, people_in: Within | None) -> TextClause:
    given: list[Any] = [
        bindparam("shape", place.shape, LargeBinary)
        if place.kind == "polygon"
        else bindparam("id", place.id, BigInteger)
    ]
    if place.cover is not None and ":inside" in statement.text:
        runs = {"inside": place.cover.inside, "edge": place.cover.edge}
        given += [
            bindparam(name + end, every[:, column].tolist(), ARRAY(BigInteger))
            for name, every in runs.items()
            for column, end in enumerate(("", "_to"))
        ]
    if people_in is not None:
        given += [
            bindparam("areas", list(people_in[0]), ARRAY(BigInteger)),
            bindparam("grids", list(people_in[1]), ARRAY(BigInteger)),
        ]
    return statement.bindparams(*given)


def place(kind: Kind, key: int) -> TextClause:
    """An area, a grid or an estate: `name`, and the `area` and `grid` it is or lies in."""
    area = "id" if kind == "area" else "admin_area_id"
    grid = "id" if kind == "grid" else "NULL::bigint"
    return text(
        f"SELECT name, {area} AS area, {grid} AS grid FROM {TABLES[kind]} "
        "WHERE id = :id AND ended_at IS NULL"
    ).bindparams(bindparam("id", key, BigInteger))
