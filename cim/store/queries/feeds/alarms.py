"""Statements about alarms, as the driver runs them: judging, the clock, reading."""

from collections.abc import Sequence
from typing import Final

from cim.store.queries.ready import Asked, Ready

_STATE = """w.datastream_id, w.rule_id, w.part, w.group_type, w.group_id, w.event_id, w.holding,
    w.since_at, w.judged_at, w.held_at, w.done_at, w.due_at, r.type,
    (r.condition || coalesce(o.condition, '{}'))::text AS condition, r.cooldown_s"""

_OF = """city.rule_watch w JOIN city.rule r ON r.id = w.rule_id
    LEFT JOIN city.rule_override o ON o.rule_id = w.rule_id AND o.datastream_id = w.datastream_id"""

_WATCHES = Ready(
    f"SELECT {_STATE} FROM {_OF} WHERE w.datastream_id = ANY (:streams)", streams="bigint[]"
)

_LOCKED = Ready(
    f"""SELECT {_STATE} FROM {_OF} WHERE w.datastream_id = ANY (:streams)
        AND w.rule_id = ANY (:rules) AND w.part IS NULL
    ORDER BY w.rule_id, w.datastream_id FOR UPDATE OF w""",
    streams="bigint[]",
    rules="bigint[]",
)

_GROUPS = Ready(
    f"""SELECT {_STATE} FROM {_OF}
    WHERE (w.rule_id, w.group_type, w.group_id) IN (SELECT DISTINCT x.rule_id, x.group_type,
            x.group_id FROM city.rule_watch x
            WHERE x.datastream_id = ANY (:streams) AND x.rule_id = ANY (:rules)
                AND x.part IS NOT NULL)
    ORDER BY w.rule_id, w.datastream_id FOR UPDATE OF w""",
    streams="bigint[]",
    rules="bigint[]",
)

_DUE = Ready(
    f"""SELECT {_STATE}, t.last_value, t.last_text FROM {_OF}
        JOIN city.datastream t ON t.id = w.datastream_id
    WHERE w.due_at <= :now ORDER BY w.rule_id, w.datastream_id LIMIT 1000
    FOR UPDATE OF w SKIP LOCKED""",
    now="timestamptz",
)

KEEP: Final = """
    UPDATE city.rule_watch w SET event_id = u.event, holding = u.holding, since_at = u.since,
        judged_at = u.judged, held_at = u.held, done_at = u.done, due_at = u.due
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::boolean[], $5::timestamptz[],
        $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[])
        AS u(stream, rule, event, holding, since, judged, held, done, due)
    WHERE w.datastream_id = u.stream AND w.rule_id = u.rule"""
"""Writes states, a column an array."""

BEGIN: Final = "SELECT * FROM city.begin_alarms($1, $2, $3, $4, $5)"
AGAIN: Final = "SELECT city.again_alarms($1, $2, $3, $4)"
END: Final = "SELECT city.end_alarms($1, $2, $3, $4, $5)"
"""What begins, repeats and ends: each an array a column."""

_SILENT = Ready(
    """
WITH quiet AS (
    SELECT r.id AS rule_id, d.id AS device_id, r.condition, max(t.received_at) AS heard,
        min(t.interval_s) AS every, (array_agg(t.id ORDER BY t.interval_s, t.id))[1] AS stream
    FROM city.rule r
    JOIN city.device d ON d.ended_at IS NULL AND d.status = 'active'
        AND (r.scope -> 'class' IS NULL OR r.scope -> 'class' ? d.class_code)
    JOIN city.datastream t ON t.device_id = d.id AND t.interval_s IS NOT NULL
    LEFT JOIN city.rule_override o ON o.rule_id = r.id AND o.datastream_id = t.id
    WHERE r.type = 'silence' AND r.enabled AND r.ended_at IS NULL AND coalesce(o.enabled, true)
        AND (r.scope - 'class' = '{}' OR city.in_scope(r.scope, d.id, d.class_code, d.bind_type,
            d.bind_id, d.building_id, t.name, t.observed_property))
    GROUP BY r.id, d.id),
late AS (
    SELECT q.*, q.heard + make_interval(secs => greatest(
            q.every * coalesce((q.condition ->> 'intervals')::float8, 3),
            coalesce((q.condition ->> 'least_s')::float8, 600))) AS since
    FROM quiet q WHERE q.heard IS NOT NULL)
SELECT l.rule_id, l.stream, l.since FROM late l
WHERE l.since <= :now AND NOT EXISTS (SELECT FROM city.event e
    WHERE e.rule_id = l.rule_id AND e.device_id = l.device_id AND e.ended_at IS NULL)
ORDER BY l.since, l.stream LIMIT 1000""",
    now="timestamptz",
)

_HEARD = Ready(
    """SELECT e.id, max(t.received_at) AS at FROM city.event e
    JOIN city.rule r ON r.id = e.rule_id AND r.type = 'silence'
    JOIN city.datastream t ON t.device_id = e.device_id
    WHERE e.ended_at IS NULL
    GROUP BY e.id, e.noted_at HAVING max(t.received_at) > e.noted_at LIMIT 1000"""
)


def watches(streams: Sequence[int]) -> Asked:
    """What rules remember of streams."""
    return _WATCHES(streams=list(streams))


def locked(streams: Sequence[int], rules: Sequence[int]) -> Asked:
    """The same of these streams and rules, kept from others until the transaction ends.

    Without combinations, whose streams are locked together, in one order: `groups`.
    """
    return _LOCKED(streams=list(streams), rules=list(rules))


def groups(streams: Sequence[int], rules: Sequence[int]) -> Asked:
    """Of combinations, every stream of the objects that these streams are of; kept likewise."""
    return _GROUPS(streams=list(streams), rules=list(rules))


def due(now: object) -> Asked:
    """What the clock looks at, kept likewise; what others hold is looked at the next time."""
    return _DUE(now=now)


def silent(now: object) -> Asked:
    """Devices that should have spoken: rule, the stream that speaks most often, since when."""
    return _SILENT(now=now)


def heard() -> Asked:
    """Alarms of silence whose device has spoken since."""
    return _HEARD()
