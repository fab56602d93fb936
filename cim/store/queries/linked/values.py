"""One property of many buildings or units, as two columns: what tiles are coloured by."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

from cim.store.queries.linked.pieces import (
    ALARM,
    LIVING,
    OF_A_HOME_BEFORE,
    PUBLIC,
    RIGHTS,
    Living,
)
from cim.store.queries.parts import BUILDING_AREA
from cim.store.queries.ready import Asked, Ready

Of = Literal["buildings", "units"]
By = Literal["ids", "box", "tile"]

MOST: Final = 100_000
"""Values of one answer."""


@dataclass(frozen=True)
class Property:
    """What something is coloured by: the SQL of its value, of building b or unit u."""

    sql: str
    kind: Literal["number", "code"] = "number"
    codes: str | None = None
    """The list that its codes are of."""

    unit: str | None = None
    living: bool = False
    """Whether it tells if somebody is at home."""

    observed: bool = False
    """Whether it is the latest reading of a property that is named."""


def _bound(kind: str, key: str) -> str:
    """The latest reading of the named property by a device that is bound to something."""
    return f"""(SELECT t.last_value FROM city.device d
        JOIN city.datastream t ON t.device_id = d.id AND t.observed_property = :observed
        WHERE d.bind_type = '{kind}' AND d.bind_id = {key} AND d.ended_at IS NULL
            AND d.secrecy = 0 AND t.last_value IS NOT NULL AND NOT {OF_A_HOME_BEFORE}
        ORDER BY t.last_at DESC NULLS LAST, t.id LIMIT 1)"""


_SHARED_READING = f"""(SELECT t.last_value FROM city.device d
        JOIN city.datastream t ON t.device_id = d.id AND t.observed_property = :observed
        WHERE d.building_id = b.id AND d.bind_type IS DISTINCT FROM 'unit'
            AND d.ended_at IS NULL AND d.secrecy = 0 AND t.last_value IS NOT NULL
            AND NOT {OF_A_HOME_BEFORE}
        ORDER BY t.last_at DESC NULLS LAST, t.id LIMIT 1)"""


def _alarms(table: str, kind: str) -> str:
    """Open alarms of a building's storeys, entrances or facilities."""
    return f"""(SELECT count(*) FROM {table} x JOIN city.event e
        ON e.object_type = '{kind}' AND e.object_id = x.id
        WHERE x.building_id = b.id AND x.ended_at IS NULL AND {ALARM} AND {PUBLIC})"""


_BUILDING_ALARMS = f"""((SELECT count(*) FROM city.event e WHERE e.object_type = 'building'
        AND e.object_id = b.id AND {ALARM} AND {PUBLIC})
    + {_alarms("city.entrance", "entrance")} + {_alarms("city.storey", "storey")}
    + {_alarms("city.facility", "facility")})"""

_UNITS = "FROM city.unit u WHERE u.building_id = b.id AND u.ended_at IS NULL"

PROPERTIES: dict[Of, dict[str, Property]] = {
    "buildings": {
        "use": Property("b.use_code", "code", "building_use"),
        "structure": Property("b.structure_code", "code", "structure"),
        "kind": Property("b.kind", "code"),
        "state": Property("b.state", "code"),
        "height_method": Property("b.height_method", "code"),
        "safety_grade": Property("b.safety_grade", "code"),
        "height": Property("b.height", unit="m"),
        "ground_elev": Property("b.ground_elev", unit="m"),
        "floors_above": Property("b.floors_above"),
        "floors_below": Property("b.floors_below"),
        "built_year": Property("b.built_year"),
        "footprint_area": Property("b.footprint_area", unit="m2"),
        "gross_area": Property("b.gross_area", unit="m2"),
        "estate_id": Property("b.estate_id"),
        "grid_id": Property("b.grid_id"),
        "units": Property(f"(SELECT count(*) {_UNITS})"),
        "organisations": Property(
            "(SELECT count(DISTINCT l.org_id) FROM city.org_location l WHERE l.building_id = b.id "
            "AND (l.to_date IS NULL OR l.to_date > current_date))"
        ),
        "devices": Property(
            "(SELECT count(*) FROM city.device d WHERE d.building_id = b.id "
            "AND d.ended_at IS NULL AND d.secrecy = 0)"
        ),
        "alarms": Property(_BUILDING_ALARMS),
        "reading": Property(_SHARED_READING, observed=True),
        "vacant": Property(
            "(SELECT 100.0 * count(*) FILTER (WHERE u.occupancy_status = '空置') "
            f"/ nullif(count(*), 0) {_UNITS} AND u.occupancy_status <> 'unknown')",
            unit="%",
            living=True,
        ),
    },
    "units": {
        "kind": Property("u.kind", "code", "unit_kind"),
        "use_now": Property("u.use_now_code", "code", "unit_kind"),
        "geom_status": Property("u.geom_status", "code"),
        "area_gross": Property("u.area_gross", unit="m2"),
        "rooms": Property("u.rooms"),
        "organisations": Property(
            "(SELECT count(DISTINCT l.org_id) FROM city.org_location l WHERE l.unit_id = u.id "
            "AND (l.to_date IS NULL OR l.to_date > current_date))"
        ),
        "occupancy": Property("u.occupancy_status", "code", "occupancy_status", living=True),
        "alarms": Property(
            "(SELECT count(*) FROM city.event e WHERE e.object_type = 'unit' "
            f"AND e.object_id = u.id AND {ALARM} AND {PUBLIC})",
            living=True,
        ),
        "reading": Property(_bound("unit", "u.id"), living=True, observed=True),
    },
}
"""What each may be coloured by."""

_HOUSES: dict[By, str] = {
    "ids": "unnest(:ids) k(id) JOIN city.building b ON b.id = k.id",
    "box": "city.building b",
    "tile": """platform.tile_member m JOIN city.building b ON b.id = m.building_id""",
}
_WHERE: dict[By, str] = {
    "ids": "true",
    "box": "b.footprint && ST_MakeEnvelope(:west, :south, :east, :north, 4490)",
    "tile": "m.tileset = :tileset AND m.level = :level AND m.cell = :cell",
}
_TYPES: dict[By, dict[str, str]] = {
    "ids": {"ids": "bigint[]"},
    "box": dict.fromkeys(("west", "south", "east", "north"), "float8"),
    "tile": {"tileset": "text", "level": "smallint", "cell": "bigint"},
}


def _from(of: Of, by: By) -> str:
    """The buildings or units that are asked for."""
    if of == "buildings":
        return f"{_HOUSES[by]} WHERE {_WHERE[by]} AND b.ended_at IS NULL"
    if by == "ids":
        return """unnest(:ids) k(id) JOIN city.unit u ON u.id = k.id
            JOIN city.building b ON b.id = u.building_id WHERE u.ended_at IS NULL"""
    return f"""{_HOUSES[by]} JOIN city.unit u ON u.building_id = b.id
        WHERE {_WHERE[by]} AND b.ended_at IS NULL AND u.ended_at IS NULL"""


@lru_cache(maxsize=200)
def _ready(of: Of, name: str, by: By) -> Ready:
    wanted = PROPERTIES[of][name]
    key = "b.id" if of == "buildings" else "u.id"
    living = LIVING.format(area=BUILDING_AREA, grid="b.grid_id") if wanted.living else "true"
    kind = "float8" if wanted.kind == "number" else "text"
    types = _TYPES[by] | (RIGHTS if wanted.living else {})
    types |= {"observed": "text"} if wanted.observed else {}
    return Ready(
        f"""WITH found AS MATERIALIZED (
            SELECT {key} AS id, {living} AS open, b.id AS house FROM {_from(of, by)}
            ORDER BY 1 LIMIT {MOST + 1}),
        told AS (
            SELECT f.id, f.open, CASE WHEN f.open THEN ({wanted.sql})::{kind} END AS value
            FROM found f JOIN city.building b ON b.id = f.house
            {"" if of == "buildings" else "JOIN city.unit u ON u.id = f.id"})
        SELECT coalesce(array_agg(t.id ORDER BY t.id), '{{}}') AS ids,
            coalesce(array_agg(t.value ORDER BY t.id), '{{}}') AS found,
            count(*) FILTER (WHERE NOT t.open) AS withheld
        FROM told t""",
        **types,
    )


def values(
    of: Of,
    name: str,
    by: By,
    place: dict[str, Any],
    living: Living,
    observed: str | None = None,
) -> Asked:
    """One of PROPERTIES of what is asked for: `ids` in order, `found` their values, `withheld`.

    `place` is `ids`, or a box in degrees (`west`, `south`, `east`, `north`: what stands in it), or
    the `level` and `cell` of a tile of a `tileset`. At most MOST and one more, which says that
    there are more. A value that is not for the caller is NULL, and counted.
    """
    return _ready(of, name, by)(**place, **living, observed=observed)


def ids_in_order(keys: Sequence[int]) -> dict[str, list[int]]:
    """A place that is some ids, each once."""
    return {"ids": sorted(set(keys))}
