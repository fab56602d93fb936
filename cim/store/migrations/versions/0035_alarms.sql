DROP FUNCTION city.worded(text, double precision, text, text, text, text);

-- Where devices are, in words and by what they stand in; and what follows for rules and open alarms
-- when a device, or what it stands in, is moved.

-- ── names ────────────────────────────────────────────────────────────────────────────────────────

-- Whether one name says another again: 3栋1单元1号电梯 says 1单元, 11单元 and 1层 do not say 1单元 or 1.
CREATE OR REPLACE FUNCTION city.says_again(longer text, name text) RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT length(name) > 1 AND name !~ '^[0-9]+$' AND longer ~ (
        CASE WHEN name ~ '^[0-9A-Za-z]' THEN '(?<![0-9A-Za-z])' ELSE '' END
        || regexp_replace(name, '([][\\^$.|?*+(){}-])', '\\\1', 'g')
        || CASE WHEN name ~ '[0-9A-Za-z]$' THEN '(?![0-9A-Za-z])' ELSE '' END) $$;

-- Names from the largest to the smallest, as a place is called; none that a later one says again.
CREATE OR REPLACE FUNCTION city.place_called(VARIADIC names text[]) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT nullif(string_agg(n.name, ' ' ORDER BY n.no), '')
      FROM unnest(names) WITH ORDINALITY AS n(name, no)
     WHERE n.name <> '' AND NOT EXISTS (SELECT FROM unnest(names) WITH ORDINALITY AS m(name, no)
            WHERE m.no > n.no AND city.says_again(m.name, n.name)) $$;

-- ── what an object stands in ─────────────────────────────────────────────────────────────────────

-- Building, estate and area of what a device is, or was, bound to; `building` where that says none.
CREATE OR REPLACE FUNCTION city.place_of(bind_type text, bind_id bigint, building bigint)
RETURNS TABLE (building_id bigint, estate_id bigint, area_id bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT b.id, es.id,
        coalesce(b.admin_area_id, es.admin_area_id, g.admin_area_id, p.admin_area_id)
      FROM (VALUES (1)) one
      LEFT JOIN city.facility f ON $1 = 'facility' AND f.id = $2
      LEFT JOIN city.unit u ON u.id = CASE $1 WHEN 'unit' THEN $2 ELSE f.unit_id END
      LEFT JOIN city.entrance e ON e.id = CASE $1 WHEN 'entrance' THEN $2
            WHEN 'facility' THEN (SELECT min(v.object_id) FROM city.facility_service v
                WHERE v.facility_id = f.id AND v.object_type = 'entrance') END
      LEFT JOIN city.storey s ON $1 = 'storey' AND s.id = $2
      LEFT JOIN city.building b ON b.id = coalesce(CASE $1 WHEN 'building' THEN $2 END,
            u.building_id, e.building_id, s.building_id, f.building_id, $3)
      LEFT JOIN city.estate es ON es.id = coalesce(
            CASE $1 WHEN 'estate' THEN $2 END, b.estate_id, f.estate_id)
      LEFT JOIN city.grid g ON g.id = b.grid_id
      LEFT JOIN city.project p ON $1 = 'project' AND p.id = $2 $$;

-- ── what is moved ────────────────────────────────────────────────────────────────────────────────

-- Open alarms of devices that were bound elsewhere: each ends, and begins anew where its device is.
CREATE OR REPLACE FUNCTION city.move_alarms(devices bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    over bigint[];
    by_rule bigint[];
    streams bigint[];
    vals double precision[];
    texts text[];
    nows timestamptz[];
BEGIN
    -- As who takes readings does it: what is watched is locked first, and then the alarm.
    PERFORM FROM city.rule_watch w
       JOIN city.event e ON e.rule_id = w.rule_id AND e.datastream_id = w.datastream_id
      WHERE e.device_id = ANY (devices) AND e.ended_at IS NULL
      ORDER BY w.rule_id, w.datastream_id FOR UPDATE OF w;
    SELECT array_agg(e.id ORDER BY e.id), array_agg(e.rule_id ORDER BY e.id),
           array_agg(e.datastream_id ORDER BY e.id), array_agg(e.value ORDER BY e.id),
           array_agg(e.value_text ORDER BY e.id), array_agg(now() ORDER BY e.id)
      INTO over, by_rule, streams, vals, texts, nows
      FROM city.event e JOIN city.rule r ON r.id = e.rule_id
     WHERE e.device_id = ANY (devices) AND e.ended_at IS NULL AND e.datastream_id IS NOT NULL;
    IF over IS NULL THEN
        RETURN;
    END IF;
    PERFORM city.end_alarms(over, nows, array_fill(NULL::float8, ARRAY[cardinality(over)]),
        array_fill(NULL::text, ARRAY[cardinality(over)]), 'moved');
    UPDATE city.rule_watch w SET event_id = b.event_id
      FROM city.begin_alarms(by_rule, streams, nows, vals, texts) b
      JOIN city.rule_watch o ON o.rule_id = b.rule_id AND o.datastream_id = b.datastream_id
     WHERE w.rule_id = o.rule_id AND (w.datastream_id = o.datastream_id
           OR w.group_type = o.group_type AND w.group_id = o.group_id);
END $$;

-- Rules for areas, estates and kinds of facilities are held anew against devices whose place is
-- another; their open alarms are counted there.
CREATE OR REPLACE FUNCTION city.move_devices(devices bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    placed bigint[];
    streams bigint[];
BEGIN
    SELECT array_agg(r.id) INTO placed FROM city.rule r
     WHERE r.enabled AND r.ended_at IS NULL
       AND r.scope ?| '{building,estate,area,facility_class}';
    IF placed IS NOT NULL THEN
        SELECT array_agg(t.id) INTO streams FROM city.datastream t
         WHERE t.device_id = ANY (devices);
        IF streams IS NOT NULL THEN
            PERFORM city.watch(streams, placed);
        END IF;
    END IF;
    UPDATE city.event e SET estate_id = w.estate_id, area_id = w.area_id, grid_id = w.grid_id
      FROM city.event o CROSS JOIN LATERAL city.where_is(o.device_id) w
     WHERE o.device_id = ANY (devices) AND o.ended_at IS NULL AND e.id = o.id
       AND ROW(e.estate_id, e.area_id, e.grid_id)
           IS DISTINCT FROM ROW(w.estate_id, w.area_id, w.grid_id);
END $$;

-- The devices that stand in, or are bound to, what a statement moved.
CREATE OR REPLACE FUNCTION city.move_places() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved bigint[];
    houses bigint[];
    devices bigint[];
BEGIN
    IF TG_TABLE_NAME = 'building' THEN
        SELECT array_agg(n.id) INTO houses FROM stale o JOIN fresh n ON n.id = o.id
         WHERE ROW(o.estate_id, o.admin_area_id, o.grid_id)
               IS DISTINCT FROM ROW(n.estate_id, n.admin_area_id, n.grid_id);
    ELSIF TG_TABLE_NAME = 'facility' THEN
        SELECT array_agg(n.id) INTO moved FROM stale o JOIN fresh n ON n.id = o.id
         WHERE ROW(o.class_code, o.building_id, o.estate_id, o.unit_id)
               IS DISTINCT FROM ROW(n.class_code, n.building_id, n.estate_id, n.unit_id);
    ELSIF TG_TABLE_NAME = 'admin_area' THEN
        -- What an area lies in: of everything below it, which only its rules know of.
        IF EXISTS (SELECT FROM stale o JOIN fresh n ON n.id = o.id
                WHERE o.parent_id IS DISTINCT FROM n.parent_id) THEN
            SELECT array_agg(r.id) INTO moved FROM city.rule r
             WHERE r.enabled AND r.ended_at IS NULL AND r.scope ? 'area';
            IF moved IS NOT NULL THEN
                PERFORM city.watch(NULL, moved);
            END IF;
        END IF;
        RETURN NULL;
    ELSE
        SELECT array_agg(n.id) INTO moved FROM stale o JOIN fresh n ON n.id = o.id
         WHERE o.admin_area_id IS DISTINCT FROM n.admin_area_id;
    END IF;
    IF TG_TABLE_NAME = 'estate' THEN
        SELECT array_agg(b.id) INTO houses FROM city.building b WHERE b.estate_id = ANY (moved);
    ELSIF TG_TABLE_NAME = 'grid' THEN
        SELECT array_agg(b.id) INTO houses FROM city.building b WHERE b.grid_id = ANY (moved);
    END IF;
    IF moved IS NULL AND houses IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT array_agg(d.id) INTO devices
      FROM (SELECT x.id FROM city.device x WHERE x.building_id = ANY (houses)
            UNION SELECT x.id FROM city.device x
             WHERE x.bind_type = TG_TABLE_NAME AND x.bind_id = ANY (moved)
            UNION SELECT x.id FROM city.facility f JOIN city.device x
                ON x.bind_type = 'facility' AND x.bind_id = f.id
             WHERE TG_TABLE_NAME = 'estate' AND f.estate_id = ANY (moved)) d;
    IF devices IS NOT NULL THEN
        PERFORM city.move_devices(devices);
    END IF;
    RETURN NULL;
END $$;

DO $$
DECLARE
    moved text;
BEGIN
    FOREACH moved IN ARRAY '{building,facility,estate,grid,admin_area,project}'::text[] LOOP
        EXECUTE format('CREATE OR REPLACE TRIGGER move_places AFTER UPDATE ON city.%I '
            'REFERENCING OLD TABLE AS stale NEW TABLE AS fresh '
            'FOR EACH STATEMENT EXECUTE FUNCTION city.move_places()', moved);
        -- They fire for loads too, which switch others off.
        EXECUTE format('ALTER TABLE city.%I ENABLE ALWAYS TRIGGER move_places', moved);
    END LOOP;
END $$;

REVOKE ALL ON FUNCTION city.move_alarms(bigint[]), city.move_devices(bigint[]), city.move_places()
    FROM PUBLIC;

-- Where a device is, as its alarm tells: what it is bound to, and what that stands in.
CREATE OR REPLACE FUNCTION city.where_is(device bigint)
RETURNS TABLE (object_type text, object_id bigint, building_id bigint, storey_id bigint,
    entrance_id bigint, estate_id bigint, area_id bigint, grid_id bigint, geom public.geometry,
    height double precision, place text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT d.bind_type, d.bind_id, b.id, s.id, e.id, es.id,
        coalesce(b.admin_area_id, es.admin_area_id, g.admin_area_id,
            p.admin_area_id), b.grid_id,
        coalesce(d.geom, f.geom,
            CASE WHEN u.id IS NOT NULL THEN ST_PointOnSurface(
                coalesce(u.outline, fs.outline, fp.outline, b.footprint)) END,
            e.geom, ST_PointOnSurface(b.footprint), ST_PointOnSurface(es.geom),
            ST_PointOnSurface(p.geom)),
        b.ground_elev + coalesce(d.elevation, f.elevation,
            (coalesce(u.z_bottom, s.elev_bottom) + coalesce(u.z_top, s.elev_top)) / 2, 0),
        city.place_called(es.name, b.name, e.name, s.label || '层', u.room_no, f.name, p.name)
      FROM city.device d
      LEFT JOIN city.facility f ON d.bind_type = 'facility' AND f.id = d.bind_id
      LEFT JOIN city.unit u
        ON u.id = CASE d.bind_type WHEN 'unit' THEN d.bind_id ELSE f.unit_id END
      LEFT JOIN city.entrance e ON e.id = CASE d.bind_type
            WHEN 'entrance' THEN d.bind_id
            WHEN 'facility' THEN (SELECT min(v.object_id) FROM city.facility_service v
                WHERE v.facility_id = f.id AND v.object_type = 'entrance')
            ELSE u.entrance_id END
      LEFT JOIN city.building b ON b.id = coalesce(
            CASE d.bind_type WHEN 'building' THEN d.bind_id END, u.building_id, e.building_id,
            (SELECT x.building_id FROM city.storey x
              WHERE d.bind_type = 'storey' AND x.id = d.bind_id), f.building_id, d.building_id)
      LEFT JOIN city.storey s ON s.id = CASE
            WHEN d.bind_type = 'storey' THEN d.bind_id
            WHEN u.id IS NOT NULL THEN u.storey_id
            -- One bound to a building is on the storey that its height says, where it has one.
            WHEN d.elevation IS NOT NULL THEN (SELECT x.id FROM city.storey x
                WHERE x.building_id = b.id AND x.ended_at IS NULL
                  AND d.elevation >= x.elev_bottom AND d.elevation < x.elev_top
                ORDER BY x.no LIMIT 1) END
      LEFT JOIN city.floor_slot fs ON fs.id = u.slot_id
      LEFT JOIN city.floor_plan fp ON fp.id = coalesce(fs.plan_id, s.plan_id)
      LEFT JOIN city.estate es ON es.id = coalesce(
            CASE d.bind_type WHEN 'estate' THEN d.bind_id END, b.estate_id, f.estate_id)
      LEFT JOIN city.grid g ON g.id = b.grid_id
      LEFT JOIN city.project p ON d.bind_type = 'project' AND p.id = d.bind_id
     WHERE d.id = device $$;


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
    PERFORM city.add_entry(e.id, 'begin', e.started_at, e.value, e.value_text, NULL,
            jsonb_build_object('rule', r.id, 'code', r.code, 'kind', e.kind, 'severity', e.severity,
                'device', e.device_id, 'stream', e.datastream_id, 'object_type', e.object_type,
                'object_id', e.object_id, 'condition', r.condition))
       FROM city.event e JOIN city.rule r ON r.id = e.rule_id
      WHERE e.id = ANY (begun) ORDER BY e.id;
    RETURN QUERY SELECT e.id, e.rule_id, e.datastream_id FROM city.event e WHERE e.id = ANY (begun);
END $$;


-- A message; of a place and a device that stand beside each other, no name is said twice.
CREATE OR REPLACE FUNCTION city.worded(
    template text, value double precision, said text, unit text, device text, place text,
    stream text DEFAULT NULL)
RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT btrim(replace(replace(replace(replace(replace(template,
        '{value}', coalesce(said, round(value::numeric, 3)::float8::text, '')),
        '{unit}', coalesce(unit, '')), '{stream}', coalesce(stream, '')),
        '{device}', coalesce(device, '')), '{place}', coalesce(CASE
            WHEN template NOT LIKE '%{device}%' THEN place
            WHEN right(place, length(device)) = device
                THEN rtrim(left(place, length(place) - length(device)))
            WHEN city.says_again(device, substring(place from '[^ ]+$'))
                THEN rtrim(regexp_replace(place, '[^ ]+$', ''))
            ELSE place END, ''))) $$;


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
    PERFORM city.add_entry(here.id, act, moment, NULL, NULL, note);
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


REVOKE ALL ON FUNCTION city.in_scope(jsonb, bigint, text, text, bigint, bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION city.in_scope(jsonb, bigint, text, text, bigint, bigint, text, text)
    TO cim_feeder, cim_editor;
GRANT SELECT (event_id, kind, detail) ON city.event_entry TO cim_feeder;
