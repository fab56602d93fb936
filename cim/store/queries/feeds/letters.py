"""Statements about feeds as people make them, and about messages that could not come in."""

from typing import Final

from sqlalchemy import text

LISTED: Final = text("""
    SELECT f.name, f.transport, f.decoder, y.name AS source, f.topic, f.provision, f.enabled,
        f.key_prefix, t.readings, l.letters,
        (SELECT count(*) FROM platform.feed_map m WHERE m.feed_id = f.id) AS places
    FROM platform.feed f LEFT JOIN city.source_system y ON y.id = f.source_id
    LEFT JOIN LATERAL (
        SELECT jsonb_object_agg(s.fate, s.n) AS readings FROM (
            SELECT t.fate, sum(t.readings) AS n FROM platform.feed_tally t
            WHERE t.feed_id = f.id AND t.hour > now() - interval '24 hours'
            GROUP BY t.fate) s) t ON true
    LEFT JOIN LATERAL (
        SELECT count(*) + coalesce(sum(d.repeats), 0) AS letters FROM platform.dead_letter d
        WHERE d.feed_id = f.id AND d.settled_at IS NULL) l ON true
    ORDER BY f.name""")
"""Feeds with what came by them in a day."""

ADD: Final = text("""
    INSERT INTO platform.feed (name, transport, decoder, source_id, topic, options, provision,
        key_prefix, key_digest)
    VALUES (:name, :transport, :decoder, :source, :topic, CAST(:options AS jsonb), :provision,
        :prefix, :digest)
    ON CONFLICT (name) DO UPDATE SET transport = excluded.transport, decoder = excluded.decoder,
        source_id = excluded.source_id, topic = excluded.topic, options = excluded.options,
        provision = excluded.provision, enabled = true,
        key_prefix = coalesce(excluded.key_prefix, platform.feed.key_prefix),
        key_digest = coalesce(excluded.key_digest, platform.feed.key_digest)
    RETURNING id""")

NAMES: Final = text("SELECT name FROM platform.feed ORDER BY name")

TOPICS: Final = text("""
    SELECT name, topic FROM platform.feed
    WHERE topic IS NOT NULL AND enabled AND name <> :name ORDER BY name""")
"""What the other feeds subscribe to."""

UNMAP: Final = text("DELETE FROM platform.feed_map WHERE feed_id = :feed")

MAP: Final = text("""
    INSERT INTO platform.feed_map (feed_id, class_code, device, path, stream, unit_ucum, scale,
        "offset", texts)
    VALUES (:feed, :class, :device, :path, :stream, :unit, :scale, :offset,
        CAST(:texts AS jsonb))""")

SWITCH: Final = text("""
    UPDATE platform.feed SET enabled = :enabled WHERE name = :name RETURNING id""")

_CHOSEN: Final = """
    (CAST(:feed AS text) IS NULL OR f.name = :feed)
    AND (CAST(:reason AS text) IS NULL OR d.reason = :reason)
    AND (CAST(:ids AS bigint[]) IS NULL OR d.id = ANY (CAST(:ids AS bigint[])))
    AND (:settled OR d.settled_at IS NULL)"""

LETTERS: Final = text(f"""
    SELECT d.id, d.received_at, f.name AS feed, d.topic, d.sender, d.content_type, d.payload,
        d.reason, d.detail, d.repeats, d.tries, d.tried_at, d.settled_at
    FROM platform.dead_letter d LEFT JOIN platform.feed f ON f.id = d.feed_id
    WHERE {_CHOSEN} AND d.id > :after ORDER BY d.id LIMIT :limit""")

COUNTED: Final = text(f"""
    SELECT f.name AS feed, d.reason, count(*) AS letters, sum(d.repeats) AS repeats,
        min(d.received_at) AS first, max(d.received_at) AS last
    FROM platform.dead_letter d LEFT JOIN platform.feed f ON f.id = d.feed_id
    WHERE {_CHOSEN} GROUP BY 1, 2 ORDER BY 3 DESC""")

SETTLE: Final = text("""
    UPDATE platform.dead_letter
    SET settled_at = now(), tried_at = now(), tries = tries + 1, payload = NULL
    WHERE id = ANY (:ids)""")
"""Came in at last: what they held is in the store."""

FAILED: Final = text("""
    UPDATE platform.dead_letter d SET tried_at = now(), tries = tries + 1, reason = f.reason,
        detail = f.detail
    FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[]), CAST(:details AS text[]))
        AS f(id, reason, detail) WHERE d.id = f.id""")

DROP: Final = text(f"""
    UPDATE platform.dead_letter d SET settled_at = now(), payload = NULL
    FROM platform.dead_letter x LEFT JOIN platform.feed f ON f.id = x.feed_id
    WHERE x.id = d.id AND {_CHOSEN}""")
"""Will never come in: what they held is forgotten, that they came is not."""
