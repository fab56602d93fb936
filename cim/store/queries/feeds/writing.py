"""Statements of a batch of readings, for the driver itself: columns in, $1 … as it numbers them.

Moments travel as microseconds since 1970, which cost neither side a calendar. Rows come in the
order of stream and time, so that two who write at once wait for each other and never both.
"""

from typing import Final


def _at(microseconds: str) -> str:
    """Such a number as a moment; PostgreSQL multiplies an interval exactly up to 2^53."""
    return f"timestamptz 'epoch' + {microseconds} * interval '1 microsecond'"


_ROWS: Final = """unnest($1::bigint[], $2::bigint[], $3::float8[], $4::text[], $5::smallint[])
    AS f(id, us, value, txt, quality)"""
"""Stream, time, number, text, quality of each."""

PREPARE_DAYS: Final = "SELECT city.prepare_days($1::date[])"
"""The partitions of these days, made where they are missing."""

INSERT: Final = f"""
    INSERT INTO city.observation (datastream_id, phenomenon_time, result, result_text, quality)
    SELECT f.id, {_at("f.us")}, f.value, f.txt, f.quality FROM {_ROWS}
    ON CONFLICT (datastream_id, phenomenon_time) DO NOTHING"""
"""What is there already stays as it is."""

DIFFERENT: Final = f"""
    SELECT f.n::int FROM unnest($1::bigint[], $2::bigint[], $3::float8[], $4::text[])
        WITH ORDINALITY AS f(id, us, value, txt, n)
    JOIN city.observation o
      ON o.datastream_id = f.id AND o.phenomenon_time = {_at("f.us")}
    WHERE ROW(o.result, o.result_text) IS DISTINCT FROM ROW(f.value, f.txt)"""
"""Which of the rows, from 1, have another value than is there."""

CORRECT: Final = f"""
    INSERT INTO city.observation (datastream_id, phenomenon_time, result, result_text, quality)
    SELECT f.id, {_at("f.us")}, f.value, f.txt, f.quality FROM {_ROWS}
    ON CONFLICT (datastream_id, phenomenon_time) DO UPDATE
    SET result = excluded.result, result_text = excluded.result_text, quality = excluded.quality
    WHERE ROW(city.observation.result, city.observation.result_text, city.observation.quality)
        IS DISTINCT FROM ROW(excluded.result, excluded.result_text, excluded.quality)"""
"""What is there already is replaced."""

BEFORE: Final = """
    SELECT id, last_value, last_text, coalesce(quality, 0) AS quality,
        (extract(epoch FROM last_at) * 1000000)::bigint AS us
    FROM city.datastream WHERE id = ANY ($1::bigint[]) ORDER BY id FOR NO KEY UPDATE"""
"""The latest of watched streams before a batch; nobody changes them until it is through."""


def latest(*, correcting: bool) -> str:
    """Take over the latest of each stream where it is newer; ids that were, and which are watched.

    A correction replaces the latest of the same time too.
    """
    newer = "<=" if correcting else "<"
    return f"""
    WITH told AS (
        UPDATE city.datastream t
        SET last_value = f.value, last_text = f.txt, last_at = f.at, quality = f.quality,
            received_at = f.got, first_at = coalesce(t.first_at, f.at)
        FROM (SELECT f.id, {_at("f.us")} AS at, f.value, f.txt, f.quality, {_at("f.got")} AS got
              FROM unnest($1::bigint[], $2::bigint[], $3::float8[], $4::text[], $5::smallint[],
                  $6::bigint[]) AS f(id, us, value, txt, quality, got)) f
        WHERE t.id = f.id AND (t.last_at IS NULL OR t.last_at {newer} f.at)
        RETURNING t.id, t.ruled)
    SELECT coalesce(array_agg(id), '{{}}') AS ids,
        coalesce(array_agg(id) FILTER (WHERE ruled), '{{}}') AS ruled FROM told"""


ONCE: Final = f"""
    WITH f AS MATERIALIZED (
        SELECT f.id, {_at("f.us")} AS at, f.value, f.txt, f.quality, {_at("f.got")} AS got
        FROM unnest($1::bigint[], $2::bigint[], $3::float8[], $4::text[], $5::smallint[],
            $6::bigint[]) AS f(id, us, value, txt, quality, got)),
    stored AS (
        INSERT INTO city.observation (datastream_id, phenomenon_time, result, result_text, quality)
        SELECT id, at, value, txt, quality FROM f
        ON CONFLICT (datastream_id, phenomenon_time) DO NOTHING RETURNING 1),
    told AS (
        UPDATE city.datastream t
        SET last_value = f.value, last_text = f.txt, last_at = f.at, quality = f.quality,
            received_at = f.got, first_at = coalesce(t.first_at, f.at)
        FROM f WHERE t.id = f.id AND (t.last_at IS NULL OR t.last_at < f.at)
        RETURNING t.id, t.ruled)
    SELECT (SELECT count(*) FROM stored)::int AS stored,
        coalesce(array_agg(id), '{{}}') AS ids,
        coalesce(array_agg(id) FILTER (WHERE ruled), '{{}}') AS ruled,
        (SELECT city.mark_rollups(array_agg(f.id), array_agg(f.at)) FROM f) AS marked
    FROM told"""
"""All of INSERT, LATEST and MARK, of streams with one reading each: what travels, travels once."""

LATEST: Final = latest(correcting=False)
LATEST_CORRECTED: Final = latest(correcting=True)

EARLIER: Final = f"""
    UPDATE city.datastream t SET first_at = f.at
    FROM (SELECT f.id, {_at("min(f.us)")} AS at
          FROM unnest($1::bigint[], $2::bigint[]) AS f(id, us) GROUP BY f.id) f
    WHERE t.id = f.id AND t.first_at > f.at"""
"""Readings that came late may be the oldest."""

MARK: Final = f"""
    SELECT city.mark_rollups(array_agg(f.id), array_agg({_at("f.us")}))
    FROM unnest($1::bigint[], $2::bigint[]) AS f(id, us)"""
"""Sums of hours that are closed are behind where one of these came in; it sees to which."""

NOTIFY: Final = "SELECT pg_notify('cim_readings', line) FROM unnest($1::text[]) AS line"
"""Who listens is told when the transaction is through."""

NOTIFY_OTHERS: Final = "SELECT pg_notify('cim_sensorthings', line) FROM unnest($1::text[]) AS line"
"""The same of readings that are the latest of no datastream."""

LETTERS: Final = f"""
    INSERT INTO platform.dead_letter
        (received_at, feed_id, topic, content_type, payload, reason, detail, repeats,
            sender)
    SELECT {_at("f.got")}, f.feed, f.topic, f.type, f.payload, f.reason, f.detail, f.repeats,
        f.sender
    FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::bytea[], $6::text[],
        $7::text[], $8::int[], $9::text[])
        AS f(got, feed, topic, type, payload, reason, detail, repeats, sender)"""

ARRIVE: Final = """
    INSERT INTO platform.arrival (session, messages, entries) VALUES ($1, $2, $3) RETURNING id"""
"""When messages without a time arrived, in case they come again."""

ARRIVED: Final = "SELECT entries FROM platform.arrival WHERE session = $1 ORDER BY id"

BEGIN_ARRIVALS: Final = f"""
    DELETE FROM platform.arrival WHERE session = $1 AND made_at < {_at("$2::bigint")}"""
"""A session that begins anew numbers its packets anew."""

FORGET_ARRIVALS: Final = """
    DELETE FROM platform.arrival a USING (
        SELECT id, sum(messages) OVER (ORDER BY id DESC) - messages AS since
        FROM platform.arrival WHERE session = $1) s
    WHERE a.id = s.id AND s.since > $2"""
"""All of a session but what holds the last so many messages."""

TALLY: Final = """
    INSERT INTO platform.feed_tally (feed_id, hour, fate, readings)
    SELECT f.feed, date_trunc('hour', now()), f.fate, f.n
    FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS f(feed, fate, n)
    JOIN platform.feed e ON e.id = f.feed
    ON CONFLICT (feed_id, hour, fate) DO UPDATE
    SET readings = platform.feed_tally.readings + excluded.readings"""
"""How many of each fate there were since the last time."""
