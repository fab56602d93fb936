-- Readings summed up: what comes in for an hour that is closed leaves a mark, and who ingests sums up.

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
REVOKE ALL ON FUNCTION city.mark_rollups(bigint[], timestamptz[]) FROM PUBLIC;

-- Make the partitions that sums of these moments lie in; how many it made.
CREATE OR REPLACE FUNCTION city.prepare_rollups(moments timestamptz[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    whole record;
    made integer := 0;
BEGIN
    FOR whole IN
        SELECT DISTINCT t.parent, t.parent || to_char(b.since, t.form) AS part,
               b.since, b.since + t.span AS until
          FROM unnest(moments) AS m(at)
          CROSS JOIN (VALUES
              ('rollup_5min', 'month', interval '1 month', '_YYYYMM'),
              ('rollup_hour', 'month', interval '1 month', '_YYYYMM'),
              ('rollup_day', 'year', interval '1 year', '_YYYY')) AS t(parent, unit, span, form)
          CROSS JOIN LATERAL date_trunc(t.unit, m.at AT TIME ZONE 'UTC') AS b(since)
         WHERE m.at BETWEEN '1999-12-01' AND now() + interval '60 days'
         ORDER BY 1, 2 LIMIT 2000 LOOP
        CONTINUE WHEN to_regclass('city.' || whole.part) IS NOT NULL;
        PERFORM pg_advisory_xact_lock(1667853703);
        CONTINUE WHEN to_regclass('city.' || whole.part) IS NOT NULL;
        EXECUTE format('CREATE TABLE city.%I (LIKE city.%I INCLUDING ALL)', whole.part, whole.parent);
        EXECUTE format('ALTER TABLE city.%I ATTACH PARTITION city.%I FOR VALUES FROM (%L) TO (%L)',
            whole.parent, whole.part, whole.since || '+00', whole.until || '+00');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION city.prepare_rollups(timestamptz[]) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION city.mark_rollups(bigint[], timestamptz[]),
    city.prepare_rollups(timestamptz[]) TO cim_feeder;
GRANT SELECT, INSERT, DELETE ON city.rollup_5min, city.rollup_hour, city.rollup_day TO cim_feeder;
GRANT SELECT, INSERT, UPDATE (since), DELETE ON city.rollup_mark TO cim_feeder;
GRANT SELECT, UPDATE (closed_until, rolled_until) ON city.rollup_level TO cim_feeder;
