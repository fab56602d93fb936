"""Statements on webhooks: who is told, what waits for them, what was given up."""

from typing import Any, Final

from sqlalchemy import TextClause, text

from cim.store.queries.feeds.told import ITEM

ANY: Final = text("SELECT EXISTS (SELECT FROM platform.webhook WHERE enabled AND ended_at IS NULL)")
"""Whether there is one in use."""

DUE: Final = text("""
    SELECT h.id, first.readings FROM platform.webhook h
    CROSS JOIN LATERAL (
        (SELECT false AS readings, d.next_at FROM platform.webhook_delivery d
        WHERE d.webhook_id = h.id AND d.sent_at IS NULL AND d.dead_at IS NULL
            AND d.entry_id IS NOT NULL ORDER BY d.id LIMIT 1)
        UNION ALL
        (SELECT true, d.next_at FROM platform.webhook_delivery d
        WHERE d.webhook_id = h.id AND d.dead_at IS NULL AND d.entry_id IS NULL
        ORDER BY d.id LIMIT 1)) first
    WHERE h.enabled AND h.ended_at IS NULL AND first.next_at <= now()
    ORDER BY first.readings, h.id""")
"""Webhooks for which something waits whose time has come: an alarm, or `readings`."""

HOOK: Final = text("""
    SELECT id, name, url, secret_enc FROM platform.webhook
    WHERE id = :id AND enabled AND ended_at IS NULL""")

_HOMES: Final = "coalesce((h.filter ->> 'homes')::boolean, false)"
"""Whether a webhook `h` may have what tells of homes."""

_FOR: Final = f"""(coalesce((h.filter ->> 'alarms')::boolean, true)
        AND (h.filter -> 'entries' IS NULL OR h.filter -> 'entries' ? n.kind)
        AND coalesce(h.filter -> 'kinds' ? e.kind, e.kind <> '门禁')
        AND (h.filter -> 'classes' IS NULL OR coalesce(h.filter -> 'classes' ? d.class_code, false))
        AND coalesce(e.severity, 1) >= coalesce((h.filter ->> 'severity')::int, 1)
        AND coalesce(d.secrecy, 0) <= coalesce((h.filter ->> 'secrecy')::int, 0)
        AND (e.object_type IS DISTINCT FROM 'unit' OR {_HOMES})
        AND (h.filter -> 'estate' IS NULL
            OR coalesce(e.estate_id = (h.filter ->> 'estate')::bigint, false))
        AND (h.filter -> 'area' IS NULL
            OR city.lies_in(e.area_id, ARRAY[(h.filter ->> 'area')::bigint])))"""
"""Whether an entry `n` of an alarm `e` of a device `d` is for a webhook `h`: as `city.tell_entries`
has it, for a filter may have been made another since."""

# What an alarm was when the entry was written is told by the entry; the alarm is as it is now.
NEXT: Final = text(
    f"""SELECT x.id AS delivery, x.key, x.tries, x.next_at <= now() AS due,
        json_build_object('type', 'alarm.' || n.kind, 'timestamp', n.at, 'data', json_build_object(
            'entry', json_build_object('id', n.id, 'kind', n.kind, 'at', n.at,
                'noted', n.noted_at, 'value', n.value, 'text', n.value_text, 'chain', n.lane,
                'no', n.no, 'previous', encode(n.previous, 'hex'),
                'digest', encode(n.digest, 'hex')),
            'alarm', {ITEM},
            'units', (SELECT coalesce(json_agg(y.unit_id ORDER BY y.unit_id), '[]')
                FROM (SELECT u.unit_id FROM city.event_unit u WHERE u.event_id = e.id
                    AND (u.how <> 'facade' OR {_HOMES})
                    ORDER BY u.unit_id LIMIT 2000) y)))::text AS body,
        {_FOR} AS allowed
    FROM platform.webhook_delivery x JOIN platform.webhook h ON h.id = x.webhook_id
    JOIN city.event_entry n ON n.id = x.entry_id
    JOIN city.event e ON e.id = n.event_id LEFT JOIN city.rule r ON r.id = e.rule_id
    LEFT JOIN city.device d ON d.id = e.device_id
    LEFT JOIN city.code_item i ON i.list_code = 'device_class' AND i.code = d.class_code
    WHERE x.webhook_id = :id AND x.sent_at IS NULL AND x.dead_at IS NULL
        AND x.entry_id IS NOT NULL
    ORDER BY x.id LIMIT 1"""
)
"""The first alarm that waits for a webhook, with what it says, and whether it is `allowed` still.

Homes from which something may have been thrown are named to whom homes are told of.
"""

WITHHELD: Final = text("DELETE FROM platform.webhook_delivery WHERE id = :id")
"""What waited is not for that receiver any more."""

SENT: Final = text("""
    UPDATE platform.webhook_delivery
    SET sent_at = now(), tries = tries + 1, status = :status, error = NULL WHERE id = :id""")

FAILED: Final = text("""
    UPDATE platform.webhook_delivery SET tries = tries + 1, status = :status, error = :error,
        next_at = now() + make_interval(secs => :wait),
        dead_at = CASE WHEN :dead THEN now() END WHERE id = :id""")

_WAITS: Final = """FROM platform.webhook_delivery d WHERE d.webhook_id = h.id
            AND d.sent_at IS NULL AND d.dead_at IS NULL AND d.entry_id IS"""
"""What waits for a webhook `h`: alarms where it goes on with NOT NULL, readings with NULL."""

_FAILS: Final = "AND d.error IS NOT NULL ORDER BY d.id LIMIT 1"

LIST: Final = text(f"""
    SELECT h.id, h.name, h.url, h.filter, h.enabled, h.made_by, h.made_at,
        (SELECT count(*) {_WAITS} NOT NULL) + (SELECT count(*) {_WAITS} NULL) AS waiting,
        (SELECT count(*) FROM platform.webhook_delivery d
            WHERE d.webhook_id = h.id AND d.dead_at IS NOT NULL) AS dead,
        greatest((SELECT max(d.sent_at) FROM platform.webhook_delivery d
            WHERE d.webhook_id = h.id), h.readings_at) AS last_sent,
        coalesce((SELECT d.error {_WAITS} NOT NULL {_FAILS}),
            (SELECT d.error {_WAITS} NULL {_FAILS})) AS failing,
        h.readings_sent, h.readings_dropped
    FROM platform.webhook h WHERE h.ended_at IS NULL ORDER BY h.name""")

ADD: Final = text("""
    INSERT INTO platform.webhook (name, url, secret_enc, filter, made_by)
    VALUES (:name, :url, :secret, CAST(:filter AS jsonb), :by) RETURNING id""")

CHANGE: Final = text("""
    UPDATE platform.webhook SET url = coalesce(:url, url),
        filter = coalesce(CAST(:filter AS jsonb), filter), enabled = coalesce(:enabled, enabled),
        secret_enc = coalesce(:secret, secret_enc)
    WHERE id = :id AND ended_at IS NULL RETURNING id""")

END: Final = text("""
    WITH gone AS (UPDATE platform.webhook SET ended_at = now(), enabled = false
        WHERE id = :id AND ended_at IS NULL RETURNING id),
    dropped AS (DELETE FROM platform.webhook_delivery d USING gone g
        WHERE d.webhook_id = g.id AND d.sent_at IS NULL)
    SELECT id FROM gone""")

DEAD: Final = text("""
    SELECT d.id, d.webhook_id, h.name, n.event_id, coalesce(n.kind, 'readings') AS kind,
        coalesce(n.at, (SELECT min(t) FROM unnest(d.times) t)) AS at,
        cardinality(d.streams) AS readings, d.tries, d.status, d.error, d.dead_at
    FROM platform.webhook_delivery d JOIN platform.webhook h ON h.id = d.webhook_id
    LEFT JOIN city.event_entry n ON n.id = d.entry_id
    WHERE d.dead_at IS NOT NULL AND (CAST(:webhook AS bigint) IS NULL OR d.webhook_id = :webhook)
    ORDER BY d.id LIMIT :limit""")

AGAIN: Final = text("""
    UPDATE platform.webhook_delivery SET dead_at = NULL, tries = 0, next_at = now()
    WHERE dead_at IS NOT NULL AND webhook_id = :webhook
        AND (CAST(:id AS bigint) IS NULL OR id = :id) RETURNING id""")

FORGET: Final = text("""
    DELETE FROM platform.webhook_delivery
    WHERE id IN (SELECT id FROM platform.webhook_delivery
        WHERE sent_at < now() - make_interval(days => :days) LIMIT 10000)""")
"""What was sent long ago."""


KEPT: Final = text("""
    SELECT id, name, url, filter, secret_enc FROM platform.webhook
    WHERE id = :id AND ended_at IS NULL FOR UPDATE""")
"""A webhook as it is, for who changes it."""


def by_name(name: str) -> TextClause:
    """The webhook of a name."""
    asked: Any = text("SELECT id FROM platform.webhook WHERE name = :name AND ended_at IS NULL")
    found: TextClause = asked.bindparams(name=name)
    return found
