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

_PERIOD = """make_interval(secs => least(greatest(
        {0}.every * coalesce((r.condition ->> 'intervals')::float8, 3),
        coalesce((r.condition ->> 'least_s')::float8, 600)), 1e9))"""
"""How long a device may be silent whose most frequent stream is expected `every` so many seconds;
31 years at most, which moments are reckoned with."""

_HEARD_OF = """max(t.received_at) AS heard,
        min(t.interval_s) FILTER (WHERE {0}) AS every,
        (array_agg(t.id ORDER BY t.interval_s, t.id) FILTER (WHERE {0}))[1] AS stream"""
"""Of the streams of a device: when one of them spoke last, how often the most frequent of those
that a rule is for is expected, and which that is."""

_FOR = """t.interval_s IS NOT NULL AND coalesce(o.enabled, true)
        AND (r.scope - 'class' = '{}' OR city.in_scope(r.scope, d.id, d.class_code, d.bind_type,
            d.bind_id, d.building_id, t.name, t.observed_property))"""
"""Whether a rule of silence is for a stream."""

_RULED = """r.type = 'silence' AND r.enabled AND r.ended_at IS NULL
        AND d.ended_at IS NULL AND d.status = 'active'
        AND (r.scope -> 'class' IS NULL OR r.scope -> 'class' ? d.class_code)"""
"""Whether it may be for a device."""

_SILENCES = Ready(
    f"""
WITH every AS (
    SELECT r.id AS rule_id, d.id AS device_id, {_HEARD_OF.format(_FOR)}
    FROM city.rule r JOIN city.device d ON {_RULED} JOIN city.datastream t ON t.device_id = d.id
    LEFT JOIN city.rule_override o ON o.rule_id = r.id AND o.datastream_id = t.id
    WHERE t.id > :after
    GROUP BY r.id, d.id)
SELECT v.rule_id, floor(extract(epoch FROM greatest(coalesce(v.heard, :now), :now - p.allowed,
        :since) + p.allowed) / :round)::bigint AS due, array_agg(v.device_id) AS devices
FROM every v JOIN city.rule r ON r.id = v.rule_id
CROSS JOIN LATERAL (SELECT {_PERIOD.format("v")} AS allowed) p
WHERE v.stream IS NOT NULL GROUP BY 1, 2""",
    after="bigint",
    now="timestamptz",
    since="timestamptz",
    round="float8",
)

_QUIET = Ready(
    f"""
SELECT a.rule_id, a.device_id, s.stream, s.spoken + p.allowed AS since,
    greatest(s.spoken + p.allowed,
        w.done + make_interval(secs => coalesce(r.cooldown_s, 0))) AS due,
    s.heard IS NOT NULL AND NOT coalesce(w.goes_on, false)
        AND NOT EXISTS (SELECT FROM city.event_entry h WHERE h.event_id = w.last
            AND h.kind IN ('end', 'false') AND NOT h.detail ? 'why' AND w.done >= s.heard) AS may,
    p.allowed
FROM unnest(:rules, :devices) AS a(rule_id, device_id)
JOIN city.rule r ON r.id = a.rule_id JOIN city.device d ON d.id = a.device_id AND {_RULED}
CROSS JOIN LATERAL (
    SELECT {_HEARD_OF.format(_FOR)}, greatest(max(t.received_at), :since) AS spoken
    FROM city.datastream t
    LEFT JOIN city.rule_override o ON o.rule_id = r.id AND o.datastream_id = t.id
    WHERE t.device_id = d.id) s
CROSS JOIN LATERAL (SELECT {_PERIOD.format("s")} AS allowed) p
CROSS JOIN LATERAL (
    SELECT max(e.ended_at) AS done, bool_or(e.ended_at IS NULL) AS goes_on, max(e.id) AS last
    FROM city.event e WHERE e.device_id = d.id AND e.rule_id = r.id) w
WHERE s.stream IS NOT NULL""",
    rules="bigint[]",
    devices="bigint[]",
    since="timestamptz",
)

_HEARD = Ready(
    """SELECT e.id, max(t.received_at) AS at FROM city.event e
    JOIN city.rule r ON r.id = e.rule_id AND r.type = 'silence'
    JOIN city.datastream t ON t.device_id = e.device_id
    WHERE e.ended_at IS NULL
    GROUP BY e.id, e.started_at HAVING max(t.received_at) > e.started_at LIMIT 1000"""
)

SILENT_RULES: Final = """
    SELECT md5(string_agg(concat_ws('|', r.id, r.enabled, r.ended_at, r.scope, r.condition, (
        SELECT string_agg(concat(o.datastream_id, o.enabled), ',' ORDER BY o.datastream_id)
        FROM city.rule_override o WHERE o.rule_id = r.id)), ';' ORDER BY r.id)) AS rules,
        (SELECT coalesce(max(t.id), 0) FROM city.datastream t) AS last
    FROM city.rule r WHERE r.type = 'silence'"""
"""What rules of silence say, in short, and the last stream that was made."""


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


def silences(now: object, since: object, after: int, round_s: float) -> Asked:
    """Devices that rules of silence are for, of streams after an id: `rule_id`, the round in which
    they are `due`, `devices`. What nobody could hear before `since` is no silence."""
    return _SILENCES(now=now, since=since, after=after, round=round_s)


def quiet(rules: Sequence[int], devices: Sequence[int], since: object) -> Asked:
    """How it stands with these rules and devices: the `stream` that speaks most often, `since` when
    it is silent, when it is `due` to be looked at, and whether an alarm `may` begin.

    Pairs that are no longer watched are missing. One that somebody ended by hand may not begin
    again before its device has spoken.
    """
    return _QUIET(rules=list(rules), devices=list(devices), since=since)


def heard() -> Asked:
    """Alarms of silence whose device has spoken since."""
    return _HEARD()
