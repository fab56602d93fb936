-- What holds of alarms whoever writes: which rule watches which stream follows from the rules, an
-- alarm keeps what it began with, and its history is added to, chained, and never changed. Whoever
-- takes readings begins and ends alarms by these functions, and writes none of the tables itself.

-- ── the history: append-only, chained as the audit log is ────────────────────────────────────────

CREATE OR REPLACE FUNCTION city.digest_of(line city.event_entry) RETURNS bytea
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT security.digest(ARRAY[
        line.lane::text, line.no::text, line.event_id::text, line.kind,
        (extract(epoch FROM line.at) * 1000000)::bigint::text,
        (extract(epoch FROM line.noted_at) * 1000000)::bigint::text,
        line.actor, line.note, line.value::text, line.value_text, line.detail::text,
        encode(line.previous, 'hex')]) $$;

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

-- A history of nothing may be emptied, as a city without alarms is when it is loaded anew.
CREATE OR REPLACE FUNCTION city.keep_entries() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    IF TG_OP = 'TRUNCATE' AND NOT EXISTS (SELECT FROM city.event_entry) THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'CIM01',
        MESSAGE = 'The history of alarms is added to and never changed.',
        DETAIL = '告警历史只能追加，不能修改或删除。';
END $$;

-- What an alarm began with stays; that it was taken on, ended, and found false is written beside it.
-- Estate, area and grid are where it is counted, and who may know of it: while it goes on they follow
-- the building.
CREATE OR REPLACE FUNCTION city.keep_event() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    later text[] :=
        '{ended_at,state,acknowledged_at,acknowledged_by,false_alarm}';
BEGIN
    IF OLD.ended_at IS NULL THEN
        later := later || '{estate_id,area_id,grid_id}';
    END IF;
    IF to_jsonb(NEW) - later IS DISTINCT FROM to_jsonb(OLD) - later THEN
        RAISE EXCEPTION USING ERRCODE = 'CIM01',
            MESSAGE = 'What an alarm began with cannot be changed.',
            DETAIL = '告警发生时的信息不能修改。';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER keep BEFORE UPDATE OR DELETE ON city.event_entry
    FOR EACH ROW EXECUTE FUNCTION city.keep_entries();
CREATE OR REPLACE TRIGGER keep_all BEFORE TRUNCATE ON city.event_entry
    FOR EACH STATEMENT EXECUTE FUNCTION city.keep_entries();
CREATE OR REPLACE TRIGGER keep BEFORE UPDATE ON city.event
    FOR EACH ROW EXECUTE FUNCTION city.keep_event();

-- ── which rule watches which stream ──────────────────────────────────────────────────────────────

-- Whether an area is one of some, or lies in one of them.
CREATE OR REPLACE FUNCTION city.lies_in(area bigint, areas bigint[]) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ WITH RECURSIVE up AS (
        SELECT a.id, a.parent_id, 0 AS depth FROM city.admin_area a WHERE a.id = area
        UNION ALL
        SELECT a.id, a.parent_id, up.depth + 1 FROM up JOIN city.admin_area a ON a.id = up.parent_id
         WHERE up.depth < 8)
    SELECT EXISTS (SELECT FROM up WHERE up.id = ANY (areas)) $$;

-- Whether a stream of a device is one that a scope names; what it does not say is any.
CREATE OR REPLACE FUNCTION city.in_scope(
    scope jsonb, device bigint, class_code text, bind_type text, bind_id bigint,
    building bigint, stream text, observed_property text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ SELECT (scope -> 'class' IS NULL OR scope -> 'class' ? $3)
    AND (scope -> 'observed_property' IS NULL OR scope -> 'observed_property' ? $8)
    AND (scope -> 'stream' IS NULL OR scope -> 'stream' ? $7)
    AND (scope -> 'device' IS NULL OR scope -> 'device' @> to_jsonb($2))
    AND (scope -> 'facility_class' IS NULL OR $4 = 'facility' AND EXISTS (
        SELECT FROM city.facility f WHERE f.id = $5 AND scope -> 'facility_class' ? f.class_code))
    AND (NOT scope ?| '{building,estate,area}' OR EXISTS (
        SELECT FROM city.place_of($4, $5, $6) p
         WHERE (scope -> 'building' IS NULL OR scope -> 'building' @> to_jsonb(p.building_id))
           AND (scope -> 'estate' IS NULL OR scope -> 'estate' @> to_jsonb(p.estate_id))
           AND (scope -> 'area' IS NULL OR city.lies_in(p.area_id,
                ARRAY(SELECT a::bigint FROM jsonb_array_elements_text(scope -> 'area') a))))) $$;

-- What each rule in use is for, a row a part of a combination: classes and properties as lists, NULL
-- for any, and as `rest` what else its scope says. Silence is no rule for readings: the clock finds it.
CREATE OR REPLACE FUNCTION city.rule_parts()
RETURNS TABLE (rule_id bigint, part smallint, classes jsonb, properties jsonb, part_classes jsonb,
    part_properties jsonb, rest jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT r.id, p.no, r.scope -> 'class', r.scope -> 'observed_property', p.scope -> 'class',
        p.scope -> 'observed_property',
        nullif(r.scope - '{class,observed_property}'::text[], '{}')
      FROM city.rule r
      CROSS JOIN LATERAL (
        SELECT NULL::smallint AS no, '{}'::jsonb AS scope WHERE r.type <> 'together'
        UNION ALL SELECT x.no::smallint, x.scope
          FROM jsonb_array_elements(CASE r.type WHEN 'together' THEN r.condition -> 'parts' END)
               WITH ORDINALITY AS x(scope, no)) p
     WHERE r.enabled AND r.ended_at IS NULL AND r.type <> 'silence' $$;

-- Streams that rules are for, with the part of a combination that each is; NULL is all. Rules are
-- held against each pair of class and property once, however many streams have it. Planned anew each
-- time: a few streams are found by their keys, all of them read through.
CREATE OR REPLACE FUNCTION city.watched(streams bigint[], rules bigint[])
RETURNS TABLE (datastream_id bigint, rule_id bigint, part smallint, group_type text, group_id bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    RETURN QUERY EXECUTE format($q$
        WITH own AS MATERIALIZED (
            SELECT t.id, t.name, t.observed_property, d.id AS device_id, d.class_code, d.bind_type,
                d.bind_id, d.building_id
              FROM city.datastream t JOIN city.device d ON d.id = t.device_id
             WHERE d.ended_at IS NULL %s),
        fitting AS MATERIALIZED (
            SELECT k.*, p.rule_id, p.part, p.rest
              FROM (SELECT DISTINCT class_code, observed_property FROM own) k
              JOIN city.rule_parts() p ON (p.classes IS NULL OR p.classes ? k.class_code)
               AND (p.properties IS NULL OR p.properties ? k.observed_property)
               AND (p.part_classes IS NULL OR p.part_classes ? k.class_code)
               AND (p.part_properties IS NULL OR p.part_properties ? k.observed_property)
             WHERE $2 IS NULL OR p.rule_id = ANY ($2))
        SELECT DISTINCT ON (o.id, f.rule_id) o.id, f.rule_id, f.part,
            CASE WHEN f.part IS NOT NULL THEN coalesce(o.bind_type, 'device') END,
            CASE WHEN f.part IS NOT NULL THEN coalesce(o.bind_id, o.device_id) END
          FROM own o JOIN fitting f
            ON f.class_code = o.class_code AND f.observed_property = o.observed_property
         WHERE (f.rest IS NULL OR city.in_scope(f.rest, o.device_id, o.class_code, o.bind_type,
                o.bind_id, o.building_id, o.name, o.observed_property))
           AND NOT EXISTS (SELECT FROM city.rule_override x WHERE x.rule_id = f.rule_id
                AND x.datastream_id = o.id AND NOT x.enabled)
         ORDER BY o.id, f.rule_id, f.part $q$,
        CASE WHEN streams IS NULL THEN '' ELSE 'AND t.id = ANY ($1)' END) USING streams, rules;
END $$;

-- Bring the watches of streams and rules to what the rules say; NULL is all. What a rule is no
-- longer for ends, and so does a combination that one of its streams has left. Streams are locked
-- before watches, and by their ids, as who takes readings locks them: neither waits for the other.
CREATE OR REPLACE FUNCTION city.watch(streams bigint[], rules bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed bigint[];
    by_rule bigint[];
    parts smallint[];
    types text[];
    ids bigint[];
    wanted boolean[];
    left_open bigint[];
BEGIN
    SELECT array_agg(coalesce(n.datastream_id, w.datastream_id)),
           array_agg(coalesce(n.rule_id, w.rule_id)), array_agg(n.part), array_agg(n.group_type),
           array_agg(n.group_id), array_agg(n.rule_id IS NOT NULL)
      INTO changed, by_rule, parts, types, ids, wanted
      FROM city.watched(streams, rules) n
      FULL JOIN (SELECT * FROM city.rule_watch x
                  WHERE (streams IS NULL OR x.datastream_id = ANY (streams))
                    AND (rules IS NULL OR x.rule_id = ANY (rules))) w
        ON w.datastream_id = n.datastream_id AND w.rule_id = n.rule_id
     WHERE n.rule_id IS NULL OR w.rule_id IS NULL OR ROW(n.part, n.group_type, n.group_id)
           IS DISTINCT FROM ROW(w.part, w.group_type, w.group_id);
    IF changed IS NOT NULL THEN
        PERFORM FROM city.datastream t WHERE t.id = ANY (changed) ORDER BY t.id FOR NO KEY UPDATE;
        WITH said AS (SELECT * FROM unnest(changed, by_rule, parts, types, ids, wanted)
                AS u(stream, rule, part, group_type, group_id, stays)),
        gone AS (
            DELETE FROM city.rule_watch w USING said s
             WHERE w.datastream_id = s.stream AND w.rule_id = s.rule AND NOT s.stays
            RETURNING w.event_id),
        other AS (
            SELECT w.datastream_id, w.rule_id, w.event_id FROM city.rule_watch w
              JOIN said s ON w.datastream_id = s.stream AND w.rule_id = s.rule AND s.stays
               FOR UPDATE OF w),
        again AS (
            -- It begins anew as part of another: only what the stream itself said last is still so.
            UPDATE city.rule_watch w SET part = s.part, group_type = s.group_type,
                   group_id = s.group_id, event_id = NULL, since_at = NULL, due_at = NULL,
                   done_at = NULL
              FROM said s JOIN other o ON o.datastream_id = s.stream AND o.rule_id = s.rule
             WHERE w.datastream_id = s.stream AND w.rule_id = s.rule),
        made AS (
            INSERT INTO city.rule_watch (datastream_id, rule_id, part, group_type, group_id)
            SELECT s.stream, s.rule, s.part, s.group_type, s.group_id FROM said s
             WHERE s.stays ORDER BY s.stream, s.rule
            ON CONFLICT (datastream_id, rule_id) DO NOTHING)
        SELECT array_agg(DISTINCT event_id) INTO left_open
          FROM (SELECT event_id FROM gone UNION ALL SELECT event_id FROM other) e
         WHERE event_id IS NOT NULL;
        UPDATE city.datastream t SET ruled = NOT t.ruled
         WHERE t.id = ANY (changed)
           AND t.ruled <> EXISTS (SELECT FROM city.rule_watch w WHERE w.datastream_id = t.id);
    END IF;
    -- Silence is watched by the clock alone, of devices.
    SELECT left_open || array_agg(e.id) INTO left_open
      FROM city.event e JOIN city.rule r ON r.id = e.rule_id AND r.type = 'silence'
      JOIN city.device d ON d.id = e.device_id JOIN city.datastream t ON t.id = e.datastream_id
      LEFT JOIN city.rule_override x ON x.rule_id = r.id AND x.datastream_id = t.id
     WHERE e.ended_at IS NULL AND (streams IS NULL OR t.id = ANY (streams))
       AND (rules IS NULL OR r.id = ANY (rules))
       AND NOT (r.enabled AND r.ended_at IS NULL AND d.ended_at IS NULL AND d.status = 'active'
            AND coalesce(x.enabled, true) AND city.in_scope(r.scope, d.id, d.class_code,
                d.bind_type, d.bind_id, d.building_id, t.name, t.observed_property));
    IF left_open IS NOT NULL THEN
        UPDATE city.rule_watch w SET event_id = NULL, since_at = NULL, due_at = NULL
          FROM city.event e
         WHERE e.id = ANY (left_open) AND w.rule_id = e.rule_id AND w.part IS NOT NULL
           AND w.event_id = e.id;
        PERFORM city.end_alarms(left_open, array_fill(now(), ARRAY[cardinality(left_open)]),
            array_fill(NULL::float8, ARRAY[cardinality(left_open)]),
            array_fill(NULL::text, ARRAY[cardinality(left_open)]), 'rule');
    END IF;
END $$;

CREATE OR REPLACE FUNCTION city.watch_rule() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    changed bigint := CASE TG_OP WHEN 'DELETE' THEN OLD.id ELSE NEW.id END;
    quiet bigint[];
BEGIN
    IF TG_OP = 'UPDATE' AND ROW(OLD.condition, OLD.type) IS DISTINCT FROM ROW(NEW.condition, NEW.type)
    THEN -- What was waited for is waited for anew; what is open, the next reading ends or not.
        UPDATE city.rule_watch SET since_at = NULL, due_at = NULL, held_at = NULL
         WHERE rule_id = changed AND event_id IS NULL;
    END IF;
    PERFORM city.watch(NULL, ARRAY[changed]);
    IF TG_OP <> 'INSERT' AND OLD.type = 'silence' AND (TG_OP = 'DELETE' OR NOT NEW.enabled
            OR NEW.ended_at IS NOT NULL OR NEW.type <> 'silence') THEN
        SELECT array_agg(e.id) INTO quiet FROM city.event e
         WHERE e.rule_id = changed AND e.ended_at IS NULL;
        PERFORM city.end_alarms(quiet, array_fill(now(), ARRAY[cardinality(quiet)]),
            array_fill(NULL::float8, ARRAY[cardinality(quiet)]),
            array_fill(NULL::text, ARRAY[cardinality(quiet)]), 'rule')
          WHERE quiet IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION city.watch_override() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    stream bigint := CASE TG_OP WHEN 'DELETE' THEN OLD.datastream_id ELSE NEW.datastream_id END;
    of_rule bigint := CASE TG_OP WHEN 'DELETE' THEN OLD.rule_id ELSE NEW.rule_id END;
BEGIN
    PERFORM city.watch(ARRAY[stream], ARRAY[of_rule]);
    RETURN NULL;
END $$;

-- Streams that are made, a million at a time: no rule was another for one of them yet.
CREATE OR REPLACE FUNCTION city.watch_streams() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    WITH own AS MATERIALIZED (
        SELECT n.id, n.name, n.observed_property, d.id AS device_id, d.class_code, d.bind_type,
            d.bind_id, d.building_id
          FROM fresh n JOIN city.device d ON d.id = n.device_id AND d.ended_at IS NULL),
    fitting AS MATERIALIZED (
        SELECT k.*, p.rule_id, p.part, p.rest
          FROM (SELECT DISTINCT class_code, observed_property FROM own) k
          JOIN city.rule_parts() p ON (p.classes IS NULL OR p.classes ? k.class_code)
           AND (p.properties IS NULL OR p.properties ? k.observed_property)
           AND (p.part_classes IS NULL OR p.part_classes ? k.class_code)
           AND (p.part_properties IS NULL OR p.part_properties ? k.observed_property)),
    made AS (
        INSERT INTO city.rule_watch (datastream_id, rule_id, part, group_type, group_id)
        SELECT DISTINCT ON (o.id, f.rule_id) o.id, f.rule_id, f.part,
            CASE WHEN f.part IS NOT NULL THEN coalesce(o.bind_type, 'device') END,
            CASE WHEN f.part IS NOT NULL THEN coalesce(o.bind_id, o.device_id) END
          FROM own o JOIN fitting f
            ON f.class_code = o.class_code AND f.observed_property = o.observed_property
         WHERE f.rest IS NULL OR city.in_scope(f.rest, o.device_id, o.class_code, o.bind_type,
                o.bind_id, o.building_id, o.name, o.observed_property)
         ORDER BY o.id, f.rule_id, f.part
        ON CONFLICT DO NOTHING
        RETURNING datastream_id)
    UPDATE city.datastream t SET ruled = true
      FROM (SELECT DISTINCT datastream_id FROM made) m
     WHERE t.id = m.datastream_id AND NOT t.ruled;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION city.watch_stream() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM city.watch(ARRAY[NEW.id], NULL);
    RETURN NULL;
END $$;

-- A device that is bound elsewhere takes its alarms along: each ends where it was, and begins anew
-- where the device is now.
CREATE OR REPLACE FUNCTION city.watch_devices() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    streams bigint[];
    moved bigint[];
BEGIN
    SELECT array_agg(t.id) INTO streams
      FROM stale o JOIN fresh n ON n.id = o.id JOIN city.datastream t ON t.device_id = n.id
     WHERE ROW(o.class_code, o.bind_type, o.bind_id, o.building_id, o.status, o.ended_at IS NULL)
           IS DISTINCT FROM ROW(n.class_code, n.bind_type, n.bind_id, n.building_id, n.status,
               n.ended_at IS NULL);
    IF streams IS NULL THEN
        RETURN NULL;
    END IF;
    PERFORM city.watch(streams, NULL);
    SELECT array_agg(n.id) INTO moved FROM stale o JOIN fresh n ON n.id = o.id
     WHERE ROW(o.bind_type, o.bind_id, o.building_id)
           IS DISTINCT FROM ROW(n.bind_type, n.bind_id, n.building_id);
    IF moved IS NOT NULL THEN
        PERFORM city.move_alarms(moved);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON city.rule
    FOR EACH ROW EXECUTE FUNCTION city.watch_rule();
CREATE OR REPLACE TRIGGER watch AFTER INSERT OR UPDATE OR DELETE ON city.rule_override
    FOR EACH ROW EXECUTE FUNCTION city.watch_override();
CREATE OR REPLACE TRIGGER watch_made AFTER INSERT ON city.datastream
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION city.watch_streams();
CREATE OR REPLACE TRIGGER watch_changed
    AFTER UPDATE OF device_id, name, observed_property ON city.datastream
    FOR EACH ROW WHEN (ROW(OLD.device_id, OLD.name, OLD.observed_property)
        IS DISTINCT FROM ROW(NEW.device_id, NEW.name, NEW.observed_property))
    EXECUTE FUNCTION city.watch_stream();
CREATE OR REPLACE TRIGGER watch_changed AFTER UPDATE ON city.device
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION city.watch_devices();
-- They fire for loads too, which switch others off.
ALTER TABLE city.datastream ENABLE ALWAYS TRIGGER watch_made;
ALTER TABLE city.datastream ENABLE ALWAYS TRIGGER watch_changed;
ALTER TABLE city.device ENABLE ALWAYS TRIGGER watch_changed;

-- ── alarms begin, and end ────────────────────────────────────────────────────────────────────────

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

-- A message; of a place and a device that stand beside each other, no name is said twice, and where
-- the device has none no blank is left of it.
CREATE OR REPLACE FUNCTION city.worded(
    template text, value double precision, said text, unit text, device text, place text,
    stream text DEFAULT NULL)
RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT btrim(replace(replace(replace(replace(replace(
        CASE WHEN device <> '' THEN template ELSE replace(template, ' {device}', '') END,
        '{value}', coalesce(said, round(value::numeric, 3)::float8::text, '')),
        '{unit}', coalesce(unit, '')), '{stream}', coalesce(stream, '')),
        '{device}', coalesce(device, '')), '{place}', coalesce(CASE
            WHEN template NOT LIKE '%{device}%' THEN place
            WHEN right(place, length(device)) = device
                THEN rtrim(left(place, length(place) - length(device)))
            WHEN city.says_again(device, substring(place from '[^ ]+$'))
                THEN rtrim(regexp_replace(place, '[^ ]+$', ''))
            ELSE place END, ''))) $$;

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

-- What ended affects nobody any more; of the lifts of a building the others are looked at again.
CREATE OR REPLACE FUNCTION city.release(events bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    others bigint[];
BEGIN
    UPDATE city.event_unit SET open = false WHERE event_id = ANY (events) AND open;
    SELECT array_agg(DISTINCT o.id) INTO others
      FROM city.event e JOIN city.rule r ON r.id = e.rule_id AND r.affects = 'lift'
      JOIN city.event o ON o.building_id = e.building_id AND o.ended_at IS NULL
           AND o.id <> ALL (events)
      JOIN city.rule x ON x.id = o.rule_id AND x.affects = 'lift'
     WHERE e.id = ANY (events);
    IF others IS NOT NULL THEN
        PERFORM city.affect(others);
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

-- ── who may run what, and read what ──────────────────────────────────────────────────────────────

REVOKE ALL ON FUNCTION city.digest_of(city.event_entry), city.keep_entries(), city.keep_event(),
    city.watch(bigint[], bigint[]), city.watch_rule(), city.watch_override(),
    city.watch_streams(), city.watch_stream(), city.watch_devices(),
    city.add_entries(bigint[], text, timestamptz[], double precision[], text[], text, jsonb[]),
    city.begin_alarms(bigint[], bigint[], timestamptz[], double precision[], text[]),
    city.again_alarms(bigint[], timestamptz[], double precision[], text[]),
    city.end_alarms(bigint[], timestamptz[], double precision[], text[], text),
    city.act_on_alarm(bigint, text, text), city.release(bigint[]), city.affect(bigint[]),
    city.in_scope(jsonb, bigint, text, text, bigint, bigint, text, text)
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION city.in_scope(jsonb, bigint, text, text, bigint, bigint, text, text)
    TO cim_feeder, cim_editor;
GRANT EXECUTE ON FUNCTION
    city.begin_alarms(bigint[], bigint[], timestamptz[], double precision[], text[]),
    city.again_alarms(bigint[], timestamptz[], double precision[], text[]),
    city.end_alarms(bigint[], timestamptz[], double precision[], text[], text) TO cim_feeder;
GRANT SELECT ON city.rule, city.rule_override, city.event TO cim_feeder;
-- Whether somebody ended an alarm by hand: not who, nor what they said.
GRANT SELECT (event_id, kind, detail) ON city.event_entry TO cim_feeder;
GRANT SELECT, UPDATE (event_id, holding, since_at, judged_at, held_at, done_at, due_at)
    ON city.rule_watch TO cim_feeder;
-- Who works on alarms and rules does it through the login that changes features.
GRANT EXECUTE ON FUNCTION city.act_on_alarm(bigint, text, text) TO cim_editor;
GRANT SELECT, INSERT, UPDATE ON city.rule TO cim_editor;
GRANT SELECT, INSERT, UPDATE, DELETE ON city.rule_override TO cim_editor;
GRANT SELECT ON city.event, city.event_unit, city.event_building, city.event_entry,
    city.rule_watch, city.datastream, city.observation TO cim_editor;
-- Addresses of others, and how what is sent to them is signed (encrypted), are nobody's to read but
-- that login's, by which the administrator keeps them.
REVOKE ALL ON platform.webhook, platform.webhook_delivery
    FROM cim_reader, cim_resident_reader, cim_intake, cim_editor, cim_feeder;
GRANT SELECT, INSERT, UPDATE ON platform.webhook TO cim_editor;
GRANT SELECT, UPDATE, DELETE ON platform.webhook_delivery TO cim_editor;
