"""What hangs on a building, beside what its own statement says: those parts that are asked for."""

from collections.abc import Collection, Sequence
from functools import lru_cache

from cim.store.queries.buildings import BUILDING
from cim.store.queries.linked import pieces
from cim.store.queries.parts import BUILDING_AREA
from cim.store.queries.ready import Asked, Ready

PARTS: dict[str, str] = {
    "entrances": """(SELECT coalesce(json_agg(json_build_object('id', e.id, 'no', e.no,
            'name', e.name, 'lift_count', e.lift_count) ORDER BY e.no), '[]')
        FROM city.entrance e WHERE e.building_id = h.id AND e.ended_at IS NULL)""",
    "storeys": """(SELECT coalesce(json_agg(json_build_object('id', s.id, 'no', s.no,
            'label', s.label, 'kind', s.kind, 'elev_bottom', s.elev_bottom,
            'elev_top', s.elev_top, 'units', (SELECT count(*) FROM city.unit u
                WHERE u.building_id = h.id AND u.storey_id = s.id AND u.ended_at IS NULL))
            ORDER BY s.elev_bottom DESC NULLS LAST, s.no DESC, s.label DESC), '[]')
        FROM city.storey s WHERE s.building_id = h.id AND s.ended_at IS NULL)""",
    "codes": pieces.codes("building", "h.id"),
    "organisations": pieces.organisations("l.building_id = h.id"),
    "facilities": pieces.FACILITIES,
    "devices": pieces.DEVICES,
    "alarms": pieces.alarms(
        f"""({pieces.BOUND} UNION ALL SELECT 'unit', u.id, 9, u.room_no FROM city.unit u
            WHERE u.building_id = h.id AND u.ended_at IS NULL AND h.living)"""
    ),
}
"""Each part of an answer and the SQL of its JSON, of `h`, which is the building."""

_HERE = f"""SELECT b.id, b.name, b.estate_id, b.grid_id,
        {pieces.LIVING.format(area=BUILDING_AREA, grid="b.grid_id")} AS living
    FROM city.building b WHERE b.id = {{id}} AND b.ended_at IS NULL"""

_CHAIN = """SELECT 'building', h.id, 0, h.name FROM here h
    UNION ALL SELECT 'entrance', e.id, 1, e.name FROM here h
        JOIN city.entrance e ON e.building_id = h.id AND e.ended_at IS NULL
    UNION ALL SELECT 'storey', s.id, 2, s.label FROM here h
        JOIN city.storey s ON s.building_id = h.id AND s.ended_at IS NULL
    UNION ALL SELECT 'estate', e.id, 3, e.name FROM here h
        JOIN city.estate e ON e.id = h.estate_id AND e.ended_at IS NULL
    UNION ALL SELECT 'grid', g.id, 4, coalesce(g.name, g.code) FROM here h
        JOIN city.grid g ON g.id = h.grid_id AND g.ended_at IS NULL"""


def _linked(key: str, parts: Collection[str]) -> str:
    """The parts of one building as JSON, by the SQL of its id."""
    tables = [f"here AS MATERIALIZED ({_HERE.format(id=key)})"]
    if not {"facilities", "devices", "alarms"}.isdisjoint(parts):
        tables += [
            f"chain(type, id, rank, label) AS MATERIALIZED ({_CHAIN})",
            f"served AS MATERIALIZED ({pieces.SERVED})",
        ]
    asked = ", ".join(f"'{name}', {sql}" for name, sql in PARTS.items() if name in parts)
    return f"WITH {', '.join(tables)} SELECT json_build_object({asked})::text FROM here h"


@lru_cache(maxsize=100)
def _many(parts: frozenset[str]) -> Ready:
    base = BUILDING.replace(":id", "k.id")
    linked = f"({_linked('k.id', parts)})" if parts else "NULL"
    return Ready(
        f"SELECT k.id, ({base}) AS answer, {linked} AS linked FROM unnest(:ids) k(id)",
        ids="bigint[]",
        **(pieces.RIGHTS if parts else {}),
    )


def buildings(keys: Sequence[int], parts: frozenset[str], living: pieces.Living) -> Asked:
    """Buildings with these PARTS: a row each, `id`, `answer` and `linked` as JSON.

    `answer` is NULL where there is no such building, `linked` where no part is asked for.
    """
    return _many(parts)(ids=list(keys), **living)
