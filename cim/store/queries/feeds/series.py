"""What a chart of a stream is drawn from: its readings, or their sums, as columns of eight bytes.

A row of numbers comes as one text of bytes a column, which becomes an array without a step for each
number: a thousand readings take the driver longer than they take the database.
"""

from typing import Final

from cim.store.queries.feeds.rollups import FINE, GOOD
from cim.store.queries.linked.pieces import (
    AT_HOME,
    HOLDER,
    HOMES_BEFORE,
    HOUSE,
    LABEL,
    LABELLED,
)
from cim.store.queries.parts import coded
from cim.store.queries.ready import Ready

STREAM: Final = Ready(
    f"""
    SELECT json_build_object('id', t.id, 'name', t.name, 'label', {LABEL},
            'property', t.observed_property, 'unit', t.unit_ucum, 'kind', t.kind,
            'interval_s', t.interval_s,
            'limits', (SELECT coalesce(json_agg(json_build_object('zh', r.name,
                    'en', coalesce(r.name_en, r.name), 'severity', r.severity,
                    'above', r.condition -> 'above', 'below', r.condition -> 'below')
                    ORDER BY r.severity DESC, r.id), '[]')
                FROM city.rule_watch w JOIN city.rule r ON r.id = w.rule_id
                WHERE w.datastream_id = t.id AND r.enabled AND r.type = 'threshold'),
            'device', CASE WHEN d.id IS NOT NULL THEN json_build_object('id', d.id, 'name', d.name,
                'class', {coded("device_class", "d.class_code")}) END)::text AS answer,
        {AT_HOME} AS in_a_home, {HOUSE} AS building_id,
        coalesce(d.secrecy, 0) AS secrecy,
        {HOMES_BEFORE} AS homes_before,
        t.kind, t.interval_s, t.result_type, t.first_at, c.dropped_before AS raw,
        m.dropped_before AS minutes, h.dropped_before AS hours,
        h.rolled_until AS hours_until, y.rolled_until AS days_until,
        (SELECT r.n + r.texts FROM city.rollup_day r WHERE r.datastream_id = t.id
         ORDER BY r.at DESC LIMIT 1) AS a_day
    FROM city.datastream t {HOLDER} {LABELLED}
    JOIN city.retention_class c ON c.code = t.retention
    JOIN city.rollup_level m ON m.level = '5min' JOIN city.rollup_level h ON h.level = 'hour'
    JOIN city.rollup_level y ON y.level = 'day'
    WHERE t.id = :id AND d.ended_at IS NULL""",
    id="bigint",
)
"""A datastream as JSON in `answer`; whose it is; how far its readings, and their sums, reach."""

_RAW: Final = f"""FROM city.observation o
    WHERE o.datastream_id = :id AND o.phenomenon_time >= :raw_from AND o.phenomenon_time < :end
    AND {GOOD} AND o.result IS NOT NULL"""

_READ: Final = f"""SELECT string_agg(timestamptz_send(at), '' ORDER BY at) AS raw_at,
        string_agg(float8send(v), '' ORDER BY at) AS raw_v
    FROM (SELECT o.phenomenon_time AS at, o.result AS v {_RAW} ORDER BY 1) o"""

RAW: Final = Ready(_READ, id="bigint", raw_from="timestamptz", end="timestamptz")
"""Good numbers from `raw_from` until before `end`: times and values."""

TIMES: Final = ("at", "first_at", "last_at", "min_at", "max_at")
NUMBERS: Final = ("n", "sum", "min", "max", "first", "last", "area", "increase")
"""The columns of sums, by what they hold."""

_COLUMNS: Final = ", ".join((*TIMES, *NUMBERS))
_SOME: Final = f"""SELECT {_COLUMNS} FROM city.rollup_{{0}}
    WHERE datastream_id = :id AND at >= :start AND at < :{{1}} AND n > 0"""
_HOURS_FROM: Final = f"""SELECT {_COLUMNS} FROM city.rollup_hour
    WHERE datastream_id = :id AND at >= :hours_from AND at < :raw_from AND n > 0"""
_SUMS: Final = {
    "5min": f"{_SOME.format('5min', 'raw_from')} UNION ALL "
    f"{_SOME.format('hour', 'raw_from')} AND n <= {FINE}",
    "hour": _SOME.format("hour", "raw_from"),
    "day": f"{_SOME.format('day', 'hours_from')} UNION ALL {_HOURS_FROM}",
}


def _rolled(level: str) -> Ready:
    columns = [f"string_agg(timestamptz_send({name}), '') AS {name}" for name in TIMES]
    columns += [
        f"string_agg(float8send(coalesce({name}::float8, 'NaN')), '') AS {name}" for name in NUMBERS
    ]
    sql = f"""SELECT s.*, r.* FROM (SELECT {", ".join(columns)}
        FROM (SELECT * FROM ({_SUMS[level]}) u ORDER BY at) o) s, ({_READ}) r"""
    moments = dict.fromkeys(("start", "hours_from", "raw_from", "end"), "timestamptz")
    return Ready(sql, id="bigint", **moments)


ROLLED: Final = {level: _rolled(level) for level in _SUMS}
"""Sums from `start` on: of days until `hours_from` (level day), else of the level itself until
`raw_from`; and readings from there until before `end`. Times are of the rows' own order."""

TEXTS: Final = Ready(
    f"""
    SELECT (date_part('epoch', at) * 1000)::bigint AS t, word AS v FROM (
        SELECT o.phenomenon_time AS at, o.result_text AS word,
            lag(o.result_text) OVER (ORDER BY o.phenomenon_time) AS before
        FROM city.observation o
        WHERE o.datastream_id = :id AND o.phenomenon_time >= :raw_from
            AND o.phenomenon_time < :end AND {GOOD} AND o.result_text IS NOT NULL) w
    WHERE word IS DISTINCT FROM before ORDER BY at DESC LIMIT :limit""",
    id="bigint", raw_from="timestamptz", end="timestamptz", limit="int",
)  # fmt: skip
"""Texts where they change, newest first."""
