-- Add entries of one kind and chain them, in this order; arrays are of one length, and without
-- `details` there is none. Chains are eight, and a transaction takes one that nobody holds. Where a
-- chain ends is written once, however many entries there are.
CREATE OR REPLACE FUNCTION city.add_entries(
    events bigint[], kind text, ats timestamptz[], vals double precision[], texts text[],
    note text DEFAULT NULL, details jsonb[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    line city.event_entry;
    lines city.event_entry[];
    mine integer := pg_backend_pid() % 8;
    taken boolean := false;
BEGIN
    IF coalesce(cardinality(events), 0) = 0 THEN
        RETURN;
    END IF;
    FOR i IN 0..7 LOOP
        IF pg_try_advisory_xact_lock(1667853690, (mine + i) % 8) THEN
            mine := (mine + i) % 8;
            taken := true;
            EXIT;
        END IF;
    END LOOP;
    IF NOT taken THEN
        PERFORM pg_advisory_xact_lock(1667853690, mine);
    END IF;
    INSERT INTO city.event_lane VALUES (mine, 0, '') ON CONFLICT DO NOTHING;
    SELECT l.lane, l.last, l.digest INTO line.lane, line.no, line.digest
        FROM city.event_lane AS l WHERE l.lane = mine FOR UPDATE;
    line.kind := add_entries.kind;
    line.actor := nullif(current_setting('cim.actor', true), '');
    line.note := add_entries.note;
    FOR i IN 1..cardinality(events) LOOP
        line.no := line.no + 1;
        line.previous := line.digest;
        line.event_id := events[i];
        line.at := ats[i];
        line.noted_at := clock_timestamp();
        line.value := vals[i];
        line.value_text := texts[i];
        line.detail := coalesce(details[i], '{}');
        line.digest := city.digest_of(line);
        lines[i] := line;
    END LOOP;
    INSERT INTO city.event_entry (event_id, kind, at, noted_at, actor, note, value, value_text,
        detail, lane, no, previous, digest)
    SELECT l.event_id, l.kind, l.at, l.noted_at, l.actor, l.note, l.value, l.value_text,
        l.detail, l.lane, l.no, l.previous, l.digest FROM unnest(lines) AS l ORDER BY l.no;
    UPDATE city.event_lane AS l SET last = line.no, digest = line.digest WHERE l.lane = line.lane;
END $$;

-- Begin alarms, each of a rule and a stream; those that are open already are none. Arrays are of one
-- length.
CREATE OR REPLACE FUNCTION city.begin_alarms(
    rules bigint[], streams bigint[], ats timestamptz[], vals double precision[], texts text[])
RETURNS TABLE (event_id bigint, rule_id bigint, datastream_id bigint)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    begun bigint[];
BEGIN
    WITH said AS (
        SELECT * FROM unnest(rules, streams, ats, vals, texts) AS u(rule, stream, at, value, said)),
    made AS (
        INSERT INTO city.event AS x (rule_id, kind, device_id, object_type, object_id, geom,
            started_at, severity, state, datastream_id, value, value_text, message_zh, message_en,
            place, height, building_id, storey_id, entrance_id, estate_id, area_id, grid_id)
        SELECT r.id, r.event_kind, d.id, w.object_type, w.object_id, w.geom, s.at, r.severity,
            'open', t.id, s.value, s.said,
            city.worded(r.message_zh, s.value, s.said, t.unit_ucum, d.name, w.place,
                coalesce(y.name_zh, t.name)),
            city.worded(r.message_en, s.value, s.said, t.unit_ucum, d.name, w.place,
                coalesce(y.name_en, t.name)),
            w.place, w.height, w.building_id, w.storey_id, w.entrance_id, w.estate_id, w.area_id,
            w.grid_id
          FROM said s JOIN city.rule r ON r.id = s.rule JOIN city.datastream t ON t.id = s.stream
          JOIN city.device d ON d.id = t.device_id CROSS JOIN LATERAL city.where_is(d.id) w
          LEFT JOIN city.stream_type y ON y.class_code = d.class_code AND y.name = t.name
        ON CONFLICT (rule_id, datastream_id) WHERE ended_at IS NULL AND rule_id IS NOT NULL
        DO NOTHING
        RETURNING x.id)
    SELECT array_agg(id ORDER BY id) INTO begun FROM made;
    IF begun IS NULL THEN
        RETURN;
    END IF;
    PERFORM city.affect(begun);
    PERFORM city.add_entries(array_agg(e.id ORDER BY e.id), 'begin',
            array_agg(e.started_at ORDER BY e.id), array_agg(e.value ORDER BY e.id),
            array_agg(e.value_text ORDER BY e.id), NULL, array_agg(
            jsonb_build_object('rule', r.id, 'code', r.code, 'kind', e.kind, 'severity', e.severity,
                'device', e.device_id, 'stream', e.datastream_id, 'object_type', e.object_type,
                'object_id', e.object_id, 'condition', r.condition) ORDER BY e.id))
       FROM city.event e JOIN city.rule r ON r.id = e.rule_id
      WHERE e.id = ANY (begun);
    RETURN QUERY SELECT e.id, e.rule_id, e.datastream_id FROM city.event e WHERE e.id = ANY (begun);
END $$;

-- Another such reading while the alarm is open: told of, and who may be affected is found again.
CREATE OR REPLACE FUNCTION city.again_alarms(
    events bigint[], ats timestamptz[], vals double precision[], texts text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM city.add_entries(array_agg(u.event ORDER BY u.event, u.at), 'again',
            array_agg(u.at ORDER BY u.event, u.at), array_agg(u.value ORDER BY u.event, u.at),
            array_agg(u.said ORDER BY u.event, u.at))
       FROM unnest(events, ats, vals, texts) AS u(event, at, value, said)
       JOIN city.event e ON e.id = u.event AND e.ended_at IS NULL;
    PERFORM city.affect(events);
END $$;

-- End alarms; those that ended already stay as they are. `why`: reading, time, rule.
CREATE OR REPLACE FUNCTION city.end_alarms(
    events bigint[], ats timestamptz[], vals double precision[], texts text[],
    why text DEFAULT 'reading') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    over bigint[];
    ends timestamptz[];
    last_vals double precision[];
    last_texts text[];
BEGIN
    PERFORM city.lock_lifts(events);
    WITH said AS (SELECT * FROM unnest(events, ats, vals, texts) AS u(event, at, value, said)),
    done AS (
        UPDATE city.event e SET ended_at = greatest(e.started_at, s.at), state = 'closed'
          FROM said s WHERE e.id = s.event AND e.ended_at IS NULL
        RETURNING e.id, e.ended_at, s.value, s.said)
    SELECT array_agg(id ORDER BY id), array_agg(ended_at ORDER BY id),
           array_agg(value ORDER BY id), array_agg(said ORDER BY id)
      INTO over, ends, last_vals, last_texts FROM done;
    IF over IS NOT NULL THEN
        PERFORM city.add_entries(over, 'end', ends, last_vals, last_texts, NULL,
            array_fill(jsonb_build_object('why', why), ARRAY[cardinality(over)]));
        PERFORM city.release(over);
    END IF;
END $$;

-- What somebody does with an alarm: acknowledge, note, end, false, reopen. Who it is says the
-- setting cim.actor. What it came to: done; or why not: none, closed, open, again.
CREATE OR REPLACE FUNCTION city.act_on_alarm(event bigint, act text, note text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here city.event;
    moment timestamptz := clock_timestamp();
BEGIN
    PERFORM city.lock_lifts(ARRAY[event]);
    -- As who takes readings does it: what is watched is locked first, and then the alarm.
    PERFORM FROM city.rule_watch w
       JOIN city.event e ON e.rule_id = w.rule_id AND e.datastream_id = w.datastream_id
      WHERE e.id = event FOR UPDATE OF w;
    SELECT * INTO here FROM city.event e WHERE e.id = event FOR UPDATE;
    IF here.id IS NULL THEN
        RETURN 'none';
    ELSIF act IN ('acknowledge', 'end') AND here.ended_at IS NOT NULL THEN
        RETURN 'closed';
    ELSIF act = 'acknowledge' AND here.acknowledged_at IS NOT NULL THEN
        RETURN 'again';
    ELSIF act = 'false' AND here.false_alarm THEN
        RETURN 'again';
    ELSIF act = 'reopen' AND here.ended_at IS NULL THEN
        RETURN 'open';
    ELSIF act = 'reopen' AND EXISTS (SELECT FROM city.event o WHERE o.rule_id = here.rule_id
            AND o.datastream_id = here.datastream_id AND o.ended_at IS NULL) THEN
        RETURN 'again';
    END IF;
    UPDATE city.event e SET
        acknowledged_at = CASE act WHEN 'acknowledge' THEN moment ELSE e.acknowledged_at END,
        acknowledged_by = CASE act WHEN 'acknowledge'
            THEN nullif(current_setting('cim.actor', true), '') ELSE e.acknowledged_by END,
        false_alarm = CASE act WHEN 'false' THEN true WHEN 'reopen' THEN false
            ELSE e.false_alarm END,
        ended_at = CASE WHEN act IN ('end', 'false')
            THEN coalesce(e.ended_at, greatest(e.started_at, moment))
            WHEN act = 'reopen' THEN NULL ELSE e.ended_at END,
        state = CASE WHEN act IN ('end', 'false') THEN 'closed'
            WHEN act = 'acknowledge' THEN 'acknowledged'
            WHEN act = 'reopen' THEN CASE WHEN e.acknowledged_at IS NULL THEN 'open'
                ELSE 'acknowledged' END ELSE e.state END
     WHERE e.id = here.id;
    PERFORM city.add_entries(ARRAY[here.id], act, ARRAY[moment], NULL, NULL, note);
    IF act IN ('end', 'false') AND here.ended_at IS NULL THEN
        -- What holds still begins anew, after the cool-down.
        UPDATE city.rule_watch w
           SET event_id = NULL, since_at = NULL, due_at = NULL, done_at = moment
          FROM city.rule_watch o
         WHERE o.rule_id = here.rule_id AND o.datastream_id = here.datastream_id
           AND w.rule_id = o.rule_id AND w.event_id = here.id
           AND (w.datastream_id = o.datastream_id
               OR w.group_type = o.group_type AND w.group_id = o.group_id);
        PERFORM city.release(ARRAY[here.id]);
    ELSIF act = 'reopen' THEN
        UPDATE city.rule_watch w SET event_id = here.id, since_at = NULL, due_at = NULL
          FROM city.rule_watch o
         WHERE o.rule_id = here.rule_id AND o.datastream_id = here.datastream_id
           AND w.rule_id = o.rule_id AND (w.datastream_id = o.datastream_id
               OR w.group_type = o.group_type AND w.group_id = o.group_id);
        PERFORM city.affect(ARRAY[here.id]);
    END IF;
    RETURN 'done';
END $$;

-- Write down whom alarms affect. Units that are not affected any more stay, as no longer so; those
-- that an object may have been thrown from stay candidates while the alarm is open.
CREATE OR REPLACE FUNCTION city.affect(events bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    every bigint[];
BEGIN
    PERFORM city.lock_lifts(events);
    -- Whether a lift is the last of its entrance is another for each of them.
    WITH told AS (
        SELECT e.id, e.building_id, r.affects FROM city.event e JOIN city.rule r ON r.id = e.rule_id
         WHERE e.id = ANY (events) AND e.ended_at IS NULL)
    SELECT array_agg(a.id) INTO every FROM (
        SELECT t.id FROM told t
        UNION
        SELECT o.id FROM told t JOIN city.event o ON o.building_id = t.building_id
          JOIN city.rule x ON x.id = o.rule_id AND x.affects = 'lift'
         WHERE t.affects = 'lift' AND o.ended_at IS NULL) a;
    IF every IS NULL THEN
        RETURN;
    END IF;
    WITH now_so AS MATERIALIZED (SELECT * FROM city.affected(every)),
    gone AS (
        UPDATE city.event_unit x SET open = false
          FROM city.event e JOIN city.rule r ON r.id = e.rule_id
         WHERE e.id = x.event_id AND x.event_id = ANY (every) AND x.open AND r.affects <> 'facade'
           AND NOT EXISTS (SELECT FROM now_so n
                WHERE n.event_id = x.event_id AND n.unit_id = x.unit_id))
    INSERT INTO city.event_unit AS x (event_id, unit_id, how, distance_m)
    SELECT n.event_id, n.unit_id, n.how, n.distance_m FROM now_so n
    ON CONFLICT (event_id, unit_id) DO UPDATE
       SET open = true, how = excluded.how, distance_m = excluded.distance_m
     WHERE NOT x.open;
    INSERT INTO city.event_building (event_id, building_id)
    SELECT b.event_id, b.building_id FROM city.affected_buildings(every) b
    ON CONFLICT DO NOTHING;
END $$;

-- Alarms that go on in a building: whether a lift was the last of its entrance.
CREATE INDEX ix_event_open_building ON city.event (building_id) WHERE ended_at IS NULL;

DROP FUNCTION city.add_entry(bigint, text, timestamptz, double precision, text, text, jsonb);

REVOKE ALL ON FUNCTION
    city.add_entries(bigint[], text, timestamptz[], double precision[], text[], text, jsonb[])
    FROM PUBLIC;
