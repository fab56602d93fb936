"""Statements on readings that are sent to others: what waits, and what each message says."""

from typing import Final

from sqlalchemy import text

from cim.store.queries.linked.pieces import OF_A_HOME_BEFORE

SIZE: Final = 1000
"""Most readings of one message."""

BACKLOG: Final = 10_000
"""Most messages with readings that wait for one receiver; the oldest are dropped and counted."""

SPREAD: Final = text(f"SELECT platform.spread_readings(:most, {SIZE}, {BACKLOG}) AS took")
"""Put up to `most` batches that were written into what waits for each receiver."""

CLEAR: Final = text("""
    DELETE FROM platform.reading_log WHERE NOT EXISTS (SELECT FROM platform.webhook h
        WHERE h.enabled AND h.ended_at IS NULL AND h.filter ? 'readings')""")
"""What nobody is sent any more."""

CLAIM: Final = text("""
    UPDATE platform.webhook_delivery SET filling = false
    WHERE next_at <= now() AND sent_at IS NULL AND id = (
        SELECT d.id FROM platform.webhook_delivery d
        WHERE d.webhook_id = :id AND d.entry_id IS NULL AND d.dead_at IS NULL
        ORDER BY d.id LIMIT 1)
    RETURNING id AS delivery, key, tries, (SELECT min(t) FROM unnest(times) t) AS since,
        (SELECT max(t) FROM unnest(times) t) AS until""")
"""The first message with readings that waits for a receiver, if its time has come; it is filled no
more."""

# A device in a unit, or one that was there when it said this or later, is of a home; the same rule
# as of what is read (`cim.store.queries.observations`), for the moment of each reading.
_OF_A_HOME: Final = OF_A_HOME_BEFORE.replace("t.last_at", "r.at")

_CHANGED: Final = """
    (w.mode <> 'changed' OR NOT EXISTS (SELECT FROM (
        SELECT p.result, p.result_text, p.quality FROM city.observation p
        WHERE p.datastream_id = r.stream AND p.phenomenon_time < r.at
            AND p.phenomenon_time >= r.at - interval '1 day'
            AND p.phenomenon_time >= CAST(:since AS timestamptz) - interval '1 day'
            AND p.phenomenon_time <= CAST(:until AS timestamptz) + interval '1 day'
        ORDER BY p.phenomenon_time DESC LIMIT 1) p
        WHERE ROW(p.result, p.result_text, p.quality)
            IS NOT DISTINCT FROM ROW(r.result, r.result_text, r.quality)))"""
"""Whether it says something else than the reading before it, of the same day."""

_WANTED: Final = """w.mode IS NOT NULL
            AND (w.filter -> 'classes' IS NULL OR w.filter -> 'classes' ? d.class_code)
            AND (w.filter -> 'properties' IS NULL OR w.filter -> 'properties' ? t.observed_property)
            AND (w.filter -> 'datastreams' IS NULL
                OR w.filter -> 'datastreams' @> to_jsonb(t.id))"""
"""Whether it is for the receiver still; where it was said, what waits was held against already."""

BODY: Final = text(f"""
    WITH w AS MATERIALIZED (
        SELECT h.id, h.filter, h.readings_dropped, d.streams, d.times,
            h.filter ->> 'readings' AS mode
        FROM platform.webhook_delivery d JOIN platform.webhook h ON h.id = d.webhook_id
        WHERE d.id = :delivery),
    key AS MATERIALIZED (
        SELECT DISTINCT u.stream, u.at
        FROM w CROSS JOIN LATERAL unnest(w.streams, w.times) AS u(stream, at)),
    asked AS MATERIALIZED (
        SELECT stream, at, true AS own FROM key
        -- What comes after one that came late has another before it now.
        UNION ALL SELECT k.stream, n.at, false FROM w JOIN key k ON w.mode = 'changed'
        CROSS JOIN LATERAL (SELECT o.phenomenon_time AS at FROM city.observation o
            WHERE o.datastream_id = k.stream AND o.phenomenon_time > k.at
                AND o.phenomenon_time <= k.at + interval '1 day'
                AND o.phenomenon_time >= CAST(:since AS timestamptz)
                AND o.phenomenon_time <= CAST(:until AS timestamptz) + interval '1 day'
            ORDER BY o.phenomenon_time LIMIT 1) n
        WHERE NOT EXISTS (SELECT FROM key x WHERE x.stream = k.stream AND x.at = n.at)),
    read AS MATERIALIZED (
        SELECT a.stream, a.at, o.datastream_id IS NOT NULL AS there, o.result, o.result_text,
            o.quality
        FROM (SELECT DISTINCT stream, at FROM asked) a LEFT JOIN city.observation o
            ON o.datastream_id = a.stream AND o.phenomenon_time = a.at
            AND o.phenomenon_time >= CAST(:since AS timestamptz)
            AND o.phenomenon_time <= CAST(:until AS timestamptz) + interval '1 day'),
    told AS MATERIALIZED (
        SELECT r.* FROM w CROSS JOIN read r
        JOIN city.datastream t ON t.id = r.stream JOIN city.device d ON d.id = t.device_id
        WHERE platform.may_be_sent(w.filter, d.class_code, d.bind_type, d.secrecy) AND {_WANTED}
            AND (coalesce((w.filter ->> 'homes')::boolean, false) OR NOT {_OF_A_HOME})
            AND (NOT r.there OR {_CHANGED})
            AND (w.mode <> 'latest' OR NOT EXISTS (SELECT FROM read x
                WHERE x.stream = r.stream AND x.at > r.at AND x.there)))
    SELECT count(*)::int AS readings, json_build_object(
        'type', 'readings', 'timestamp', now(), 'data', json_build_object(
            'readings', (SELECT coalesce(json_agg(json_strip_nulls(json_build_object(
                    'datastream', r.stream, 'at', r.at, 'value', r.result, 'text', r.result_text,
                    'quality', nullif(r.quality, 0))) ORDER BY r.at, r.stream), '[]')
                FROM told r WHERE r.there),
            'removed', (SELECT coalesce(json_agg(json_build_object(
                    'datastream', r.stream, 'at', r.at) ORDER BY r.at, r.stream), '[]')
                FROM told r WHERE NOT r.there),
            'datastreams', (SELECT json_agg(json_build_object('id', t.id, 'name', t.name,
                    'property', t.observed_property, 'unit', t.unit_ucum,
                    'device', json_build_object('id', d.id, 'name', d.name,
                        'class', d.class_code, 'building_id', d.building_id,
                        'bound_to', CASE WHEN d.bind_type IS NOT NULL THEN
                            json_build_object('type', d.bind_type, 'id', d.bind_id) END))
                    ORDER BY t.id)
                FROM city.datastream t JOIN city.device d ON d.id = t.device_id
                WHERE t.id IN (SELECT stream FROM told)),
            'dropped', (SELECT readings_dropped FROM w)))::text AS body
    FROM told""")
"""What a message says (`body`), of how many readings; those that are there no more are named.

Values are as they are now: one that was corrected since is told of as it was corrected.
"""

TAKEN: Final = text("""
    WITH gone AS (DELETE FROM platform.webhook_delivery WHERE id = :id RETURNING webhook_id)
    UPDATE platform.webhook h SET readings_sent = h.readings_sent + :readings,
        readings_at = CASE WHEN :readings > 0 THEN now() ELSE h.readings_at END
    FROM gone WHERE h.id = gone.webhook_id""")
"""The receiver has it, or there was nothing in it for them."""

FORGET: Final = text("""
    WITH gone AS (DELETE FROM platform.webhook_delivery
        WHERE entry_id IS NULL AND dead_at < now() - make_interval(days => :days)
        RETURNING webhook_id, cardinality(streams) AS n)
    UPDATE platform.webhook h SET readings_dropped = h.readings_dropped + g.n
    FROM (SELECT webhook_id, sum(n) AS n FROM gone GROUP BY 1) g WHERE h.id = g.webhook_id""")
"""Readings that were given up long ago."""
