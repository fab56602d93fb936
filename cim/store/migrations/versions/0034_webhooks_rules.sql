-- What is sent to others over HTTP: alarms, written down for each with the alarm, and readings.

-- ── alarms: the service is told by a notice, others by what waits for them ───────────────────────────

CREATE OR REPLACE FUNCTION city.tell_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    INSERT INTO platform.webhook_delivery (webhook_id, entry_id)
    SELECT h.id, n.id
      FROM fresh n JOIN city.event e ON e.id = n.event_id
      LEFT JOIN city.device d ON d.id = e.device_id
      JOIN platform.webhook h ON h.enabled AND h.ended_at IS NULL
     WHERE coalesce((h.filter ->> 'alarms')::boolean, true)
       AND (h.filter -> 'entries' IS NULL OR h.filter -> 'entries' ? n.kind)
       -- Who goes in and out is told to those alone who name it.
       AND coalesce(h.filter -> 'kinds' ? e.kind, e.kind <> '门禁')
       AND (h.filter -> 'classes' IS NULL OR h.filter -> 'classes' ? d.class_code)
       AND coalesce(e.severity, 1) >= coalesce((h.filter ->> 'severity')::int, 1)
       AND coalesce(d.secrecy, 0) <= coalesce((h.filter ->> 'secrecy')::int, 0)
       AND (e.object_type IS DISTINCT FROM 'unit' OR coalesce((h.filter ->> 'homes')::boolean, false))
       AND (h.filter -> 'estate' IS NULL OR e.estate_id = (h.filter ->> 'estate')::bigint)
       AND (h.filter -> 'area' IS NULL
            OR city.lies_in(e.area_id, ARRAY[(h.filter ->> 'area')::bigint]))
     ORDER BY n.id, h.id
    ON CONFLICT DO NOTHING;
    -- A notice takes less than 8,000 bytes: a hundred entries are told of at once.
    PERFORM pg_notify('cim_alarms', string_agg(t.line, E'\n' ORDER BY t.id))
       FROM (SELECT n.id, n.id || ',' || n.event_id || ',' || n.kind AS line,
                    (row_number() OVER (ORDER BY n.id) - 1) / 100 AS part FROM fresh n) t
      GROUP BY t.part;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER tell AFTER INSERT ON city.event_entry
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION city.tell_entries();

-- ── readings ─────────────────────────────────────────────────────────────────────────────────────────

-- Readings sent to others: who writes them leaves a row a batch, in the same transaction, and who
-- sends takes the rows that are there, whatever order their transactions ended in, and leaves in
-- their place what waits for each receiver. So nothing is skipped, and nothing is asked of the table
-- of readings but by its key.

-- Note readings that were written, corrected or taken away, where somebody is sent readings: streams
-- and times, as many of the one as of the other. What nobody has taken for a day is let go.
CREATE OR REPLACE FUNCTION platform.log_readings(streams bigint[], times timestamptz[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    made bigint;
    lost bigint;
BEGIN
    INSERT INTO platform.reading_log (streams, times)
    SELECT $1, $2 WHERE $1 IS NOT NULL AND EXISTS (SELECT FROM platform.webhook h
        WHERE h.enabled AND h.ended_at IS NULL AND h.filter ? 'readings')
    RETURNING id INTO made;
    IF made % 1000 = 0 THEN
        WITH gone AS (
            DELETE FROM platform.reading_log l WHERE l.id IN (
                SELECT o.id FROM (SELECT x.id, x.made_at FROM platform.reading_log x
                    ORDER BY x.id LIMIT 2000 FOR UPDATE SKIP LOCKED) o
                 WHERE o.made_at < now() - interval '1 day')
            RETURNING cardinality(l.streams) AS n)
        SELECT sum(n) INTO lost FROM gone;
        UPDATE platform.webhook h SET readings_dropped = h.readings_dropped + lost
         WHERE lost > 0 AND h.enabled AND h.ended_at IS NULL AND h.filter ? 'readings';
    END IF;
END $$;

-- Whether a receiver was allowed what a device says: those in units and those that are not public
-- where its filter says so, who goes in and out where it names the class.
CREATE OR REPLACE FUNCTION platform.may_be_sent(
    filter jsonb, class_code text, bind_type text, secrecy integer) RETURNS boolean
LANGUAGE sql IMMUTABLE
AS $$ SELECT ($3 IS DISTINCT FROM 'unit' OR coalesce(($1 ->> 'homes')::boolean, false))
    AND coalesce($4, 0) <= coalesce(($1 ->> 'secrecy')::int, 0)
    AND ($2 IS DISTINCT FROM 'access' OR coalesce($1 -> 'classes' ? 'access', false)) $$;

-- Take up to `most` rows of the log, the oldest first, and add the readings to what waits for each
-- receiver that they are for: messages of up to `size`, the last of which is filled until its time
-- comes. Of one for whom more than `backlog` messages wait, the oldest are dropped and counted. How
-- many rows were taken.
CREATE OR REPLACE FUNCTION platform.spread_readings(most integer, size integer, backlog integer)
RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET join_collapse_limit TO 1
SET jit TO off
AS $$
#variable_conflict use_variable
DECLARE
    streams bigint[];
    times timestamptz[];
    took integer;
    one record;
BEGIN
    IF NOT pg_try_advisory_xact_lock(1667853720) THEN
        RETURN 0;
    END IF;
    WITH taken AS (
        DELETE FROM platform.reading_log l WHERE l.id IN (
            SELECT x.id FROM platform.reading_log x ORDER BY x.id LIMIT most)
        RETURNING l.id, l.streams, l.times)
    SELECT array_agg(u.stream), array_agg(u.at), count(DISTINCT t.id)
      INTO streams, times, took
      FROM taken t CROSS JOIN LATERAL unnest(t.streams, t.times) AS u(stream, at);
    FOR one IN
        WITH read AS MATERIALIZED (
            SELECT u.stream, array_agg(DISTINCT u.at) AS ats
              FROM unnest(streams, times) AS u(stream, at) GROUP BY 1),
        known AS MATERIALIZED (
            SELECT t.id, t.name, t.observed_property, d.id AS device_id, d.class_code, d.bind_type,
                d.bind_id, d.building_id, d.secrecy, r.ats
              FROM read r JOIN city.datastream t ON t.id = r.stream
              JOIN city.device d ON d.id = t.device_id),
        hook AS MATERIALIZED (
            SELECT h.id, h.filter, coalesce((h.filter ->> 'every_s')::int, 10) AS every_s,
                nullif(jsonb_strip_nulls(jsonb_build_object('estate', h.filter -> 'estate', 'area',
                    CASE WHEN h.filter ? 'area' THEN jsonb_build_array(h.filter -> 'area') END)),
                    '{}') AS place
              FROM platform.webhook h
             WHERE h.enabled AND h.ended_at IS NULL AND h.filter ? 'readings'),
        wanted AS MATERIALIZED (
            SELECT h.id AS webhook, h.every_s, k.id AS stream, k.ats
              FROM known k
              JOIN hook h ON (h.filter -> 'classes' IS NULL OR h.filter -> 'classes' ? k.class_code)
               AND (h.filter -> 'properties' IS NULL
                    OR h.filter -> 'properties' ? k.observed_property)
               AND (h.filter -> 'datastreams' IS NULL
                    OR h.filter -> 'datastreams' @> to_jsonb(k.id))
               AND platform.may_be_sent(h.filter, k.class_code, k.bind_type, k.secrecy)
             WHERE h.place IS NULL OR city.in_scope(h.place, k.device_id, k.class_code,
                k.bind_type, k.bind_id, k.building_id, k.name, k.observed_property))
        SELECT w.webhook, w.every_s, array_agg(w.stream ORDER BY a.at, w.stream) AS streams,
            array_agg(a.at ORDER BY a.at, w.stream) AS times
          FROM wanted w CROSS JOIN LATERAL unnest(w.ats) AS a(at) GROUP BY 1, 2 ORDER BY 1
    LOOP
        PERFORM platform.put_readings(one.webhook, one.streams, one.times, one.every_s, size);
        WITH gone AS (
            DELETE FROM platform.webhook_delivery d WHERE d.id IN (
                SELECT x.id FROM platform.webhook_delivery x
                 WHERE x.webhook_id = one.webhook AND x.entry_id IS NULL
                 ORDER BY x.id DESC OFFSET backlog)
            RETURNING cardinality(d.streams) AS n)
        UPDATE platform.webhook h SET readings_dropped = h.readings_dropped + g.n
          FROM (SELECT sum(n) AS n FROM gone) g WHERE h.id = one.webhook AND g.n > 0;
    END LOOP;
    RETURN took;
END $$;

-- Add readings to the message of a receiver that is filled, and begin others; one that is full goes
-- at once. All of them at once: a part of an array costs as much as the whole.
CREATE OR REPLACE FUNCTION platform.put_readings(
    webhook bigint, streams bigint[], times timestamptz[], every_s integer, size integer)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
    filled bigint;
    room integer;
BEGIN
    SELECT d.id, size - cardinality(d.streams) INTO filled, room
      FROM platform.webhook_delivery d
     WHERE d.webhook_id = webhook AND d.entry_id IS NULL AND d.filling
     ORDER BY d.id DESC LIMIT 1 FOR UPDATE;
    WITH part AS MATERIALIZED (
        SELECT (u.n - 1 - coalesce(room, 0) + size) / size AS no, count(*) AS n,
            array_agg(u.stream ORDER BY u.n) AS streams, array_agg(u.at ORDER BY u.n) AS times
          FROM unnest(streams, times) WITH ORDINALITY AS u(stream, at, n) GROUP BY 1),
    added AS (
        UPDATE platform.webhook_delivery AS d
           SET streams = d.streams || p.streams, times = d.times || p.times,
               filling = p.n < room,
               next_at = CASE WHEN p.n < room THEN d.next_at ELSE now() END
          FROM part p WHERE d.id = filled AND p.no = 0)
    INSERT INTO platform.webhook_delivery (webhook_id, streams, times, filling, next_at)
    SELECT webhook, p.streams, p.times, p.n < size,
        now() + CASE WHEN p.n < size THEN every_s ELSE 0 END * interval '1 second'
      FROM part p WHERE p.no > 0 ORDER BY p.no;
END $$;

-- Numbers do not become smaller by being packed; it only takes time.
ALTER TABLE platform.reading_log ALTER COLUMN streams SET STORAGE EXTERNAL,
    ALTER COLUMN times SET STORAGE EXTERNAL;

REVOKE ALL ON FUNCTION city.tell_entries(), platform.log_readings(bigint[], timestamptz[]),
    platform.may_be_sent(jsonb, text, text, integer),
    platform.spread_readings(integer, integer, integer),
    platform.put_readings(bigint, bigint[], timestamptz[], integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platform.log_readings(bigint[], timestamptz[]) TO cim_feeder;
REVOKE ALL ON platform.reading_log
    FROM cim_reader, cim_resident_reader, cim_intake, cim_editor, cim_feeder;

-- Leave marks for readings just written, corrected or taken away: streams and times, as many of the
-- one as of the other; who is sent readings is sent them too. Called in their transaction. The lock is
-- held until it ends, and whoever closes an hour waits for it: so a reading is either seen by who sums
-- the hour up, or marked. Marks are only added, so nobody waits for who works them off.
CREATE OR REPLACE FUNCTION city.mark_rollups(streams bigint[], times timestamptz[]) RETURNS integer
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    closed timestamptz;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1667853702);
    SELECT l.closed_until INTO closed FROM city.rollup_level AS l WHERE l.level = 'hour';
    INSERT INTO city.rollup_mark (datastream_id, since, until)
    SELECT DISTINCT r.stream, h.hour, h.hour + interval '1 hour'
      FROM unnest(streams, times) AS r(stream, at)
      CROSS JOIN LATERAL date_bin('1 hour', r.at, '2000-01-01 00:00+00') AS h(hour)
     WHERE r.at < closed;
    GET DIAGNOSTICS made = ROW_COUNT;
    PERFORM platform.log_readings(streams, times);
    RETURN made;
END $$;
