"""What live subscriptions are resolved to, and what is read for them.

A subscription is resolved to ids of datastreams by one statement, so that a reading that is heard
is found among them by its id alone. What was missed is found by transactions: a row that was
written by one that had not ended at a mark is younger than the mark, in whatever order they were
committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Float,
    Integer,
    Text,
    TextClause,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cim.store.queries.collections.items import Sight
from cim.store.queries.feeds.told import UNIT_TOLD
from cim.store.queries.linked.pieces import LABELLED, LIVING, OF_A_HOME_BEFORE, Living
from cim.store.queries.parts import BUILDING_AREA, DEVICE_AREA

READINGS: Final = "cim_readings"
"""Where the latest readings are told: a line each, `id,ms,value`, as what goes between brackets."""

ALARMS: Final = "cim_alarms"
"""Where it is told that something happened to alarms."""

MOST: Final = 5_000
"""Datastreams of one subscription."""

NAMED: Final = {
    "datastream": "SELECT id FROM city.datastream WHERE id = ANY (:datastream)",
    "unit": """SELECT t.id FROM (
            WITH home AS (SELECT * FROM city.unit WHERE id = ANY (:unit) AND ended_at IS NULL),
            chain(type, id) AS (SELECT 'unit', id FROM home
                UNION SELECT 'storey', storey_id FROM home
                UNION SELECT 'entrance', entrance_id FROM home)
            SELECT type, id FROM chain
            UNION SELECT 'facility', v.facility_id FROM chain c JOIN city.facility_service v
                ON v.object_type = c.type AND v.object_id = c.id) k
        JOIN city.device d ON d.bind_type = k.type AND d.bind_id = k.id
        JOIN city.datastream t ON t.device_id = d.id""",
    "building": """SELECT t.id FROM city.device d JOIN city.datastream t ON t.device_id = d.id
        WHERE d.building_id = ANY (:building)""",
    "estate": """SELECT t.id FROM (
            SELECT d.id FROM city.building b JOIN city.device d ON d.building_id = b.id
                WHERE b.estate_id = ANY (:estate)
            UNION SELECT id FROM city.device WHERE bind_type = 'estate' AND bind_id = ANY (:estate)
        ) d JOIN city.datastream t ON t.device_id = d.id""",
    "project": """SELECT t.id FROM city.device d JOIN city.datastream t ON t.device_id = d.id
        WHERE d.bind_type = 'project' AND d.bind_id = ANY (:project)""",
    "grid": """SELECT t.id FROM (
            WITH RECURSIVE below AS (SELECT id, geom FROM city.grid WHERE id = ANY (:grid)
                UNION ALL SELECT g.id, g.geom FROM below JOIN city.grid g ON g.parent_id = below.id)
            SELECT d.id FROM below JOIN city.building b ON b.grid_id = below.id
                JOIN city.device d ON d.building_id = b.id
            UNION SELECT d.id FROM below JOIN city.device d
                ON d.building_id IS NULL AND ST_Intersects(below.geom, d.geom)
            UNION SELECT d.id FROM below
                JOIN city.project p ON ST_Intersects(below.geom, ST_PointOnSurface(p.geom))
                JOIN city.device d ON d.bind_type = 'project' AND d.bind_id = p.id
                    AND d.building_id IS NULL AND d.geom IS NULL
        ) d JOIN city.datastream t ON t.device_id = d.id""",
}
"""Datastreams of what is named by id. A unit's are those of its card: its storey, its entrance and
the facilities that serve any of these besides its own."""

BOX: Final = """SELECT t.id FROM (
        SELECT id FROM city.device WHERE geom && ST_MakeEnvelope(:west, :south, :east, :north, 4490)
        UNION SELECT d.id FROM city.building b JOIN city.device d ON d.building_id = b.id
            WHERE b.footprint && ST_MakeEnvelope(:west, :south, :east, :north, 4490)
                AND d.geom IS NULL
        UNION SELECT d.id FROM city.project p
            JOIN city.device d ON d.bind_type = 'project' AND d.bind_id = p.id
            WHERE p.geom && ST_MakeEnvelope(:west, :south, :east, :north, 4490)
                AND d.geom IS NULL AND d.building_id IS NULL
    ) d JOIN city.datastream t ON t.device_id = d.id"""
"""Datastreams of what stands in a box, or in a building or on a site that meets it."""

ALL: Final = """SELECT t.id FROM city.device d JOIN city.datastream t ON t.device_id = d.id
    WHERE d.class_code = ANY (:class)"""

CLEARED: Final = f"""(coalesce(d.secrecy, 0) = 0 OR EXISTS (
        SELECT FROM jsonb_to_recordset(:sight) AS s(level int, areas bigint[], grids bigint[])
        WHERE d.secrecy <= s.level AND (s.areas IS NULL
            OR coalesce({DEVICE_AREA} = ANY (s.areas), false)
            OR coalesce(b.grid_id = ANY (s.grids), false))))"""
"""Whether a device is public, or the caller is cleared for it where it stands."""

AT_HOME: Final = f"""(d.bind_type IS DISTINCT FROM 'unit'
    OR {LIVING.format(area=BUILDING_AREA, grid="b.grid_id")})"""
"""Whether a device is none in a home, or the caller may know there whether somebody is at home."""


@dataclass(frozen=True)
class Audience:
    """What of the city somebody may hear: equal for all who may hear the same."""

    living: tuple[bool, tuple[int, ...], tuple[int, ...]] = (False, (), ())
    """Where they may know whether somebody is at home: everywhere, in these areas, these grids."""

    sight: tuple[tuple[int, tuple[tuple[int, ...], tuple[int, ...]] | None], ...] = ()
    """What of the not public they are cleared for."""

    @classmethod
    def of(cls, living: Living, sight: Sight) -> "Audience":
        """From the values that other statements take."""
        areas, grids = tuple(living["areas"]), tuple(living["grids"])
        return cls((living["living"], areas, grids), tuple(sight))

    @property
    def values(self) -> dict[str, Any]:
        """The values that CLEARED and AT_HOME take."""
        everywhere, areas, grids = self.living
        levels = [
            {"level": level} | ({} if where is None else {"areas": where[0], "grids": where[1]})
            for level, where in self.sight
        ]
        return {"living": everywhere, "areas": [*areas], "grids": [*grids], "sight": levels}


_TYPES: Final[dict[str, Any]] = {
    **dict.fromkeys((*NAMED, "areas", "grids", "ids", "events"), ARRAY(BigInteger)),
    **dict.fromkeys(("class", "property"), ARRAY(Text)),
    **dict.fromkeys(("west", "south", "east", "north"), Float()),
    "living": Boolean(),
    "sight": JSONB(),
    "mark": BigInteger(),
    "entry": BigInteger(),
    "most": Integer(),
}


def _bound(sql: str, **values: Any) -> TextClause:
    return text(sql).bindparams(
        *(bindparam(name, value, _TYPES[name]) for name, value in values.items())
    )


LEFT_HOME: Final = """(SELECT CAST(extract(epoch FROM max(hb.valid_to)) * 1000 AS bigint)
        FROM city.device_binding hb
        WHERE hb.device_id = d.id AND hb.bind_type = 'unit') AS left_home"""
"""When a device was last taken out of a unit, in milliseconds; what it said before is of there."""


def streams(
    named: dict[str, Sequence[int]],
    narrowed: dict[str, Sequence[str]],
    box: tuple[float, float, float, float] | None,
    audience: Audience,
) -> TextClause:
    """The datastreams of all that is `named`, as far as class, property and box allow.

    In the order of their ids, MOST and one more at most: `id`, `device_id`, `device`, `class`,
    `name`, what a screen calls it (`zh`, `en`), `property`, `unit`, `interval_s`, what the device
    is bound to (`bind_type`, `bind_id`), its `building_id`, whether it is `faulty`, and when it was
    last taken out of a unit (`left_home`, milliseconds; NULL where it never was).
    """
    values: dict[str, Any] = dict(named) | dict(narrowed) | audience.values
    bases = [NAMED[name] for name in named] or [BOX if box is not None else ALL]
    conditions = [CLEARED, AT_HOME, "d.ended_at IS NULL"]
    if "class" in narrowed:
        conditions.append("d.class_code = ANY (:class)")
    if "property" in narrowed:
        conditions.append("t.observed_property = ANY (:property)")
    if box is not None:
        values |= dict(zip(("west", "south", "east", "north"), box, strict=True))
        if named:
            conditions.append(
                "coalesce(d.geom, b.footprint, (SELECT p.geom FROM city.project p "
                "WHERE d.bind_type = 'project' AND p.id = d.bind_id)) && "
                "ST_MakeEnvelope(:west, :south, :east, :north, 4490)"
            )
    return _bound(
        f"""SELECT t.id, d.id AS device_id, d.name AS device, d.class_code AS class, t.name,
            coalesce(st.name_zh, t.name) AS zh, coalesce(st.name_en, t.name) AS en,
            t.observed_property AS property, t.unit_ucum AS unit, t.interval_s,
            d.bind_type, d.bind_id, d.building_id, d.status = 'faulty' AS faulty, {LEFT_HOME}
        FROM ({" UNION ".join(bases)}) k JOIN city.datastream t ON t.id = k.id
        LEFT JOIN city.device d ON d.id = t.device_id {LABELLED}
        LEFT JOIN city.building b ON b.id = d.building_id
        WHERE {" AND ".join(conditions)} ORDER BY t.id LIMIT {MOST + 1}""",
        **values,
    )


_SINCE: Final = """AND age({0}.xmin) <= age(CAST(CAST(:mark % 4294967296 AS text) AS xid))"""
"""Rows that were written by a transaction that had not ended at a mark."""

_LATEST: Final = f"""SELECT id, CAST(extract(epoch FROM last_at) * 1000 AS bigint) AS ms,
    last_value, last_text, coalesce(quality, 0) AS quality
FROM city.datastream t WHERE id = ANY (:ids) AND last_at IS NOT NULL
    AND NOT {OF_A_HOME_BEFORE} """


def latest(ids: Sequence[int], mark: int | None = None) -> TextClause:
    """The latest readings of some datastreams; those that came since a mark only, where given."""
    if mark is None:
        return _bound(_LATEST, ids=list(ids))
    return _bound(_LATEST + _SINCE.format("t"), ids=list(ids), mark=mark)


LOOK: Final = text("""SELECT CAST(CAST(pg_snapshot_xmin(snapshot) AS text) AS bigint) AS mark,
    CAST(CAST(pg_snapshot_xmax(snapshot) AS text) AS bigint) AS next,
    (SELECT coalesce(max(id), 0) FROM city.datastream) AS streams,
    (SELECT coalesce(max(id), 0) FROM city.event_entry) AS entry
FROM (SELECT pg_current_snapshot() AS snapshot OFFSET 0) taken""")
"""The oldest transaction under way (`mark`), the `next`, and the last stream and alarm entry."""

_MOVED: Final = """SELECT EXISTS (SELECT FROM platform.change
    WHERE xid >= CAST(CAST(:mark AS text) AS xid8) AND object_type = 'device') AS moved"""


def moved(mark: int) -> TextClause:
    """Whether devices were made, bound or changed since a mark."""
    return _bound(_MOVED, mark=mark)


OVERLAP: Final = 10_000
"""Entries before the last known one among which some may have come since: their numbers are taken
before their transactions end."""

_ENTRIES: Final = f"""SELECT id, event_id, kind,
    CAST(extract(epoch FROM at) * 1000 AS bigint) AS ms
FROM city.event_entry e
WHERE id > :entry - {OVERLAP} {_SINCE.format("e")} ORDER BY id LIMIT :most"""


def entries(entry: int, mark: int, most: int) -> TextClause:
    """What happened to alarms since a mark, at which `entry` was the last of them."""
    return _bound(_ENTRIES, entry=entry, mark=mark, most=most)


def open_alarms(most: int) -> TextClause:
    """Ids of the alarms that are open, the worst first, then the latest."""
    return _bound(
        """SELECT id FROM city.event e WHERE e.ended_at IS NULL
            AND e.state IS DISTINCT FROM 'closed' AND e.kind <> '门禁'
        ORDER BY e.severity DESC NULLS LAST, e.started_at DESC, e.id LIMIT :most""",
        most=most,
    )


def affected(events: Sequence[int], audience: Audience) -> TextClause:
    """The units that some alarms affect, `event_id` and `units`, as far as somebody is told."""
    values = {name: audience.values[name] for name in ("living", "areas", "grids")}
    return _bound(
        f"""SELECT x.event_id, array_agg(x.unit_id) AS units
        FROM city.event_unit x JOIN city.event e ON e.id = x.event_id
        WHERE x.event_id = ANY (:events) AND {UNIT_TOLD} GROUP BY x.event_id""",
        events=list(events),
        **values,
    )


def as_values(row: Any) -> str:
    """A latest reading as it is told: `id,ms,value`, and the quality where it is not good.

    >>> from types import SimpleNamespace as Row
    >>> as_values(Row(id=7, ms=1000, last_value=2.5, last_text=None, quality=0))
    '7,1000,2.5'
    >>> as_values(Row(id=7, ms=1000, last_value=None, last_text='开', quality=4))
    '7,1000,"开",4'
    """
    value = row.last_value if row.last_text is None else row.last_text
    told = f"{row.id},{row.ms},{orjson.dumps(value).decode()}"
    return f"{told},{row.quality}" if row.quality else told
