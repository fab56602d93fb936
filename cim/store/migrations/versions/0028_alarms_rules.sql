-- The digest of texts: each by its length and itself, so that no two lists read alike.
CREATE OR REPLACE FUNCTION security.digest(fields text[]) RETURNS bytea
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT sha256(convert_to(string_agg(
            CASE WHEN field IS NULL THEN '-' ELSE octet_length(field) || ':' || field END, ''
            ORDER BY place), 'UTF8'))
      FROM unnest(fields) WITH ORDINALITY AS f(field, place) $$;

-- That of a line of the log.
CREATE OR REPLACE FUNCTION security.digest_of(line security.audit_log) RETURNS bytea
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT security.digest(ARRAY[
            line.lane::text, line.no::text,
            (extract(epoch FROM line.at) * 1000000)::bigint::text,
            line.event, line.success::text, line.actor, line.roles, line.purpose,
            line.object_type, line.object_id::text, line.persons::text, line.address,
            line.request, line.detail::text, encode(line.previous, 'hex')]) $$;

REVOKE ALL ON FUNCTION security.digest(text[]) FROM PUBLIC;

-- Where a device is, and which units and buildings its alarm affects. How each is found, and what it
-- cannot know, is said in docs/reference/alarms.md.

-- Where a device is, as its alarm tells: what it is bound to, and what that stands in.
CREATE OR REPLACE FUNCTION city.where_is(device bigint)
RETURNS TABLE (object_type text, object_id bigint, building_id bigint, storey_id bigint,
    entrance_id bigint, estate_id bigint, area_id bigint, grid_id bigint, geom public.geometry,
    height double precision, place text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    SELECT d.bind_type, d.bind_id, b.id, s.id, e.id, es.id,
        coalesce(b.admin_area_id, es.admin_area_id, g.admin_area_id), b.grid_id,
        coalesce(d.geom, f.geom,
            CASE WHEN u.id IS NOT NULL THEN ST_PointOnSurface(
                coalesce(u.outline, fs.outline, fp.outline, b.footprint)) END,
            e.geom, ST_PointOnSurface(b.footprint), ST_PointOnSurface(es.geom)),
        b.ground_elev + coalesce(d.elevation, f.elevation,
            (coalesce(u.z_bottom, s.elev_bottom) + coalesce(u.z_top, s.elev_top)) / 2, 0),
        nullif(concat_ws(' ', es.name, b.name, e.name, s.label || '层', u.room_no, f.name), '')
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
     WHERE d.id = device $$;

-- Entrances whose lift an alarm is of, or that it is at; `stopped` where none of their lifts runs.
-- Of lifts there are as many as are known by the entrance or by facilities, one at least; an alarm
-- of a lift that is a facility counts once for it, however many devices it has.
CREATE OR REPLACE FUNCTION city.entrances_of(events bigint[])
RETURNS TABLE (event_id bigint, entrance_id bigint, building_id bigint, alone boolean,
    stopped boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
    WITH at AS (
        SELECT e.id AS event_id, n.id AS entrance_id, n.building_id, n.lift_count
          FROM city.event e JOIN city.entrance n ON n.ended_at IS NULL AND (
               e.object_type = 'entrance' AND n.id = e.object_id
               OR e.object_type = 'facility' AND n.id IN (SELECT v.object_id
                    FROM city.facility_service v
                   WHERE v.facility_id = e.object_id AND v.object_type = 'entrance'))
         WHERE e.id = ANY (events)
        UNION
        -- A lift that serves a building, or stands in it and serves nothing that is known.
        SELECT e.id, n.id, n.building_id, n.lift_count
          FROM city.event e
          JOIN city.entrance n ON n.building_id = e.building_id AND n.ended_at IS NULL
         WHERE e.id = ANY (events) AND e.entrance_id IS NULL
           AND e.object_type IN ('facility', 'building'))
    SELECT a.event_id, a.entrance_id, a.building_id,
        (SELECT count(*) = 1 FROM city.entrance o
          WHERE o.building_id = a.building_id AND o.ended_at IS NULL),
        greatest(a.lift_count, (SELECT count(*) FROM city.facility_service v
                JOIN city.facility f ON f.id = v.facility_id AND f.class_code = 'lift'
                     AND f.ended_at IS NULL
               WHERE v.object_type = 'entrance' AND v.object_id = a.entrance_id), 1)
        <= (SELECT count(DISTINCT (o.object_type, CASE o.object_type WHEN 'facility'
                    THEN o.object_id ELSE o.device_id END))
              FROM city.event o JOIN city.rule r ON r.id = o.rule_id AND r.affects = 'lift'
             WHERE o.ended_at IS NULL AND o.building_id = a.building_id
               AND (o.object_type = 'facility' AND EXISTS (SELECT FROM city.facility_service v
                        WHERE v.facility_id = o.object_id AND v.object_type = 'entrance'
                          AND v.object_id = a.entrance_id)
                    OR o.object_type = 'entrance' AND o.object_id = a.entrance_id
                    OR o.id = a.event_id))
      FROM at a $$;

-- Where on a façade an object was seen that was thrown: the way that the camera looks, or that a
-- stream of it told within half a minute, meets the outline; `half` is half the strip's width, m.
CREATE OR REPLACE FUNCTION city.facade_points(events bigint[])
RETURNS TABLE (event_id bigint, building_id bigint, point public.geometry, half double precision,
    low double precision, high double precision, storey smallint, bay smallint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH said AS (
        SELECT e.id, e.building_id, d.elevation, coalesce(d.range_m, 200) AS reach,
            coalesce(d.geom, CASE WHEN d.bind_type = 'facility' THEN e.geom END) AS eye,
            coalesce(t.azimuth, d.azimuth) AS azimuth, coalesce(t.pitch,
                CASE WHEN t.azimuth IS NULL THEN NULL ELSE d.pitch END) AS pitch,
            CASE WHEN t.azimuth IS NULL THEN coalesce(d.fov_h, 20) / 2 ELSE 1 END AS off,
            t.height, t.storey::smallint, t.bay::smallint
          FROM city.event e JOIN city.device d ON d.id = e.device_id
          CROSS JOIN LATERAL (
            SELECT max(s.last_value) FILTER (WHERE s.name = 'azimuth') AS azimuth,
                max(s.last_value) FILTER (WHERE s.name = 'pitch') AS pitch,
                max(s.last_value) FILTER (WHERE s.name = 'height') AS height,
                max(s.last_value) FILTER (WHERE s.name = 'storey') AS storey,
                max(s.last_value) FILTER (WHERE s.name = 'bay') AS bay
              FROM city.datastream s
             WHERE s.device_id = d.id AND s.last_value IS NOT NULL
               AND s.name IN ('azimuth', 'pitch', 'height', 'storey', 'bay')
               AND s.last_at BETWEEN e.started_at - interval '30 seconds'
                   AND e.started_at + interval '30 seconds') t
         WHERE e.id = ANY (events)),
    seen AS (
        SELECT s.*, b.id AS house, h.point,
            ST_Distance(s.eye::geography, h.point::geography) AS away
          FROM said s JOIN city.building b ON b.id = s.building_id
          LEFT JOIN LATERAL (
            SELECT ST_ClosestPoint(ST_Intersection(ST_MakeLine(s.eye, ST_Project(
                s.eye::geography, s.reach, radians(s.azimuth))::geometry),
                ST_Boundary(b.footprint)), s.eye) AS point
             WHERE s.eye IS NOT NULL AND s.azimuth IS NOT NULL) h ON true)
    SELECT id, house, CASE WHEN NOT ST_IsEmpty(point) THEN point END,
        least(greatest(3, away * tan(radians(off))), 30),
        -- Thrown from a height that was told; else from where it was seen, or above.
        coalesce(height - 3, coalesce(elevation, 2) + away * tan(radians(pitch)) - 3),
        height + 3, storey, bay
      FROM seen $$;

-- Units that alarms affect, by the way of their rule.
CREATE OR REPLACE FUNCTION city.affected(events bigint[])
RETURNS TABLE (event_id bigint, unit_id bigint, how text, distance_m double precision)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH ev AS (
        SELECT e.*, r.affects, coalesce(r.radius_m, 15) AS radius
          FROM city.event e JOIN city.rule r ON r.id = e.rule_id
         WHERE e.id = ANY (events) AND r.affects <> 'none'),
    entered AS (SELECT * FROM city.entrances_of(ARRAY(SELECT id FROM ev
        WHERE affects IN ('lift', 'entrance') OR object_type = 'entrance'))),
    around AS (
        SELECT ev.id, ev.building_id, ev.radius, ev.height, CASE WHEN u.id IS NULL THEN ev.geom
            ELSE coalesce(u.outline, fs.outline, fp.outline, ev.geom) END AS at
          FROM ev LEFT JOIN city.unit u ON ev.object_type = 'unit' AND u.id = ev.object_id
          LEFT JOIN city.storey s ON s.id = u.storey_id
          LEFT JOIN city.floor_slot fs ON fs.id = u.slot_id
          LEFT JOIN city.floor_plan fp ON fp.id = coalesce(fs.plan_id, s.plan_id)
         WHERE ev.affects = 'gas' AND ev.geom IS NOT NULL),
    found AS (
        SELECT ev.id, u.id AS unit_id, 'own' AS how, 0::double precision AS away, 0 AS rank
          FROM ev JOIN city.unit u ON ev.object_type = 'unit' AND u.id = ev.object_id
         WHERE ev.affects <> 'facade' AND u.ended_at IS NULL
        UNION ALL
        SELECT n.event_id, u.id, ev.affects, NULL, 1
          FROM entered n JOIN ev ON ev.id = n.event_id
          JOIN city.unit u ON u.building_id = n.building_id AND u.ended_at IS NULL
               AND (u.entrance_id = n.entrance_id OR u.entrance_id IS NULL AND n.alone)
          JOIN city.storey s ON s.id = u.storey_id
         WHERE ev.affects IN ('entrance', 'bound')
            OR ev.affects = 'lift' AND n.stopped AND s.no > 2
        UNION ALL
        SELECT ev.id, u.id, 'storey', NULL, 2
          FROM ev JOIN city.unit u ON u.building_id = ev.building_id AND u.ended_at IS NULL
         WHERE ev.storey_id IS NOT NULL
           AND (ev.affects = 'smoke' OR ev.affects = 'bound' AND ev.object_type = 'storey')
           AND (u.storey_id = ev.storey_id OR EXISTS (SELECT FROM city.unit_storey x
                WHERE x.unit_id = u.id AND x.storey_id = ev.storey_id))
        UNION ALL
        -- Smoke in a building, nobody knows where.
        SELECT ev.id, u.id, 'building', NULL, 3
          FROM ev JOIN city.unit u ON u.building_id = ev.building_id AND u.ended_at IS NULL
         WHERE ev.affects = 'smoke' AND ev.storey_id IS NULL
           AND ev.object_type IN ('building', 'facility', 'entrance')
        UNION ALL
        SELECT a.id, u.id, CASE WHEN z.gap <= a.radius THEN 'near' ELSE 'above' END, away, 4
          FROM around a
          JOIN city.building b ON b.ended_at IS NULL AND b.footprint && ST_Expand(a.at,
                a.radius / (111320 * greatest(cos(radians(ST_Y(ST_PointOnSurface(a.at)))), 0.01)),
                a.radius / 110570)
          JOIN city.unit u ON u.building_id = b.id AND u.ended_at IS NULL
          JOIN city.storey s ON s.id = u.storey_id
          LEFT JOIN city.floor_slot fs ON fs.id = u.slot_id
          LEFT JOIN city.floor_plan fp ON fp.id = coalesce(fs.plan_id, s.plan_id)
          -- How far up or down it is from the device to the unit; none where that is not known.
          CROSS JOIN LATERAL (SELECT b.ground_elev + coalesce(u.z_bottom, s.elev_bottom) AS low,
                greatest(0, b.ground_elev + coalesce(u.z_bottom, s.elev_bottom) - a.height,
                    a.height - b.ground_elev - coalesce(u.z_top, s.elev_top)) AS gap) z
          CROSS JOIN LATERAL (SELECT ST_Distance(a.at::geography,
                coalesce(u.outline, fs.outline, fp.outline, b.footprint)::geography) AS away) d
         WHERE away <= a.radius
           AND (z.gap <= a.radius OR b.id = a.building_id AND z.low >= a.height)
        UNION ALL
        SELECT f.event_id, u.id, CASE WHEN f.point IS NULL AND f.bay IS NULL
                AND f.storey IS NULL THEN 'building' ELSE 'facade' END,
            ST_Distance(f.point::geography, o.outline::geography), 5
          FROM city.facade_points(ARRAY(SELECT id FROM ev WHERE affects = 'facade')) f
          JOIN city.unit u ON u.building_id = f.building_id AND u.ended_at IS NULL
          JOIN city.building b ON b.id = u.building_id
          JOIN city.storey s ON s.id = u.storey_id AND s.no > 0
          LEFT JOIN city.floor_slot fs ON fs.id = u.slot_id
          LEFT JOIN city.floor_plan fp ON fp.id = coalesce(fs.plan_id, s.plan_id)
          CROSS JOIN LATERAL (SELECT coalesce(u.outline, fs.outline, fp.outline, b.footprint)) o(outline)
         WHERE (f.storey IS NULL OR s.no = f.storey) AND (f.bay IS NULL OR fs.no = f.bay)
           AND (f.storey IS NOT NULL OR (f.low IS NULL OR s.elev_top IS NULL OR s.elev_top >= f.low)
                AND (f.high IS NULL OR s.elev_bottom IS NULL OR s.elev_bottom <= f.high))
           AND (f.bay IS NOT NULL OR f.point IS NULL
                OR ST_DWithin(f.point::geography, o.outline::geography, f.half)))
    SELECT DISTINCT ON (id, unit_id) id, unit_id, how, round(away::numeric, 1)::float8
      FROM found ORDER BY id, unit_id, rank $$;

-- Buildings that alarms are in or affect; a fire lane, those that it serves, else those beside it.
CREATE OR REPLACE FUNCTION city.affected_buildings(events bigint[])
RETURNS TABLE (event_id bigint, building_id bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, public, pg_temp
AS $$
    WITH ev AS (
        SELECT e.id, e.building_id, e.object_type, e.object_id, e.estate_id, e.geom,
               coalesce(r.affects, 'none') AS affects
          FROM city.event e LEFT JOIN city.rule r ON r.id = e.rule_id WHERE e.id = ANY (events)),
    served AS (
        SELECT ev.id, b.id AS building_id
          FROM ev JOIN city.facility_service v ON v.facility_id = ev.object_id
          JOIN city.building b ON b.ended_at IS NULL AND (
               v.object_type = 'building' AND b.id = v.object_id
               OR v.object_type = 'estate' AND b.estate_id = v.object_id
               OR v.object_type = 'entrance' AND b.id = (SELECT n.building_id
                    FROM city.entrance n WHERE n.id = v.object_id))
         WHERE ev.affects = 'lane' AND ev.object_type = 'facility')
    SELECT ev.id, ev.building_id FROM ev WHERE ev.building_id IS NOT NULL
    UNION SELECT s.id, s.building_id FROM served s
    UNION SELECT ev.id, b.id
      FROM ev JOIN city.building b ON b.ended_at IS NULL
           AND b.footprint && ST_Expand(ev.geom, 0.0005)
           AND ST_DWithin(b.footprint::geography, ev.geom::geography, 30)
     WHERE ev.affects = 'lane' AND ev.building_id IS NULL
       AND NOT EXISTS (SELECT FROM served s WHERE s.id = ev.id)
    UNION SELECT x.event_id, u.building_id
      FROM city.event_unit x JOIN city.unit u ON u.id = x.unit_id WHERE x.event_id = ANY (events) $$;

-- Alarms of lifts of one building are written by one transaction after the other, each of which sees
-- what the one before wrote: whether a lift was the last depends on all of them.
CREATE OR REPLACE FUNCTION city.lock_lifts(events bigint[]) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('lifts of building', b.id))
       FROM (SELECT DISTINCT e.building_id AS id FROM city.event e
              JOIN city.rule r ON r.id = e.rule_id AND r.affects = 'lift'
             WHERE e.id = ANY (events) AND e.building_id IS NOT NULL ORDER BY 1) b;
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
    SELECT array_agg(DISTINCT o.id) INTO every
      FROM city.event e JOIN city.rule r ON r.id = e.rule_id
      JOIN city.event o ON o.id = e.id OR r.affects = 'lift' AND o.ended_at IS NULL
           AND o.building_id = e.building_id AND EXISTS (SELECT FROM city.rule x
                WHERE x.id = o.rule_id AND x.affects = 'lift')
     WHERE e.id = ANY (events) AND e.ended_at IS NULL;
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

-- Add an entry and chain it. Chains are eight, and a transaction takes one that nobody holds.
CREATE OR REPLACE FUNCTION city.add_entry(
    event bigint, kind text, at timestamptz, value double precision, value_text text,
    note text DEFAULT NULL, detail jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    line city.event_entry;
    mine integer := pg_backend_pid() % 8;
    taken boolean := false;
BEGIN
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
    SELECT l.lane, l.last + 1, l.digest INTO line.lane, line.no, line.previous
        FROM city.event_lane AS l WHERE l.lane = mine FOR UPDATE;
    IF line.lane IS NULL THEN
        INSERT INTO city.event_lane VALUES (mine, 0, '') ON CONFLICT DO NOTHING;
        line.lane := mine; line.no := 1; line.previous := '';
    END IF;
    line.event_id := add_entry.event;
    line.kind := add_entry.kind;
    line.at := add_entry.at;
    line.noted_at := clock_timestamp();
    line.actor := nullif(current_setting('cim.actor', true), '');
    line.note := add_entry.note;
    line.value := add_entry.value;
    line.value_text := add_entry.value_text;
    line.detail := add_entry.detail;
    line.digest := city.digest_of(line);
    INSERT INTO city.event_entry (event_id, kind, at, noted_at, actor, note, value, value_text,
        detail, lane, no, previous, digest)
    VALUES (line.event_id, line.kind, line.at, line.noted_at, line.actor, line.note, line.value,
        line.value_text, line.detail, line.lane, line.no, line.previous, line.digest);
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
CREATE OR REPLACE FUNCTION city.keep_event() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    later text[] :=
        '{ended_at,state,acknowledged_at,acknowledged_by,false_alarm}';
BEGIN
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

-- ── who is told of it: the service by a notice, others by what waits for them ─────────────────────

CREATE OR REPLACE FUNCTION city.tell_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    INSERT INTO platform.webhook_delivery (webhook_id, entry_id)
    SELECT h.id, n.id
      FROM fresh n JOIN city.event e ON e.id = n.event_id
      LEFT JOIN city.device d ON d.id = e.device_id
      JOIN platform.webhook h ON h.enabled AND h.ended_at IS NULL
     WHERE (h.filter -> 'entries' IS NULL OR h.filter -> 'entries' ? n.kind)
       AND (h.filter -> 'kinds' IS NULL OR h.filter -> 'kinds' ? e.kind)
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
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT (scope -> 'class' IS NULL OR scope -> 'class' ? $3)
    AND (scope -> 'observed_property' IS NULL OR scope -> 'observed_property' ? $8)
    AND (scope -> 'stream' IS NULL OR scope -> 'stream' ? $7)
    AND (scope -> 'device' IS NULL OR scope -> 'device' @> to_jsonb($2))
    AND (scope -> 'building' IS NULL OR scope -> 'building' @> to_jsonb($6))
    AND (scope -> 'facility_class' IS NULL OR $4 = 'facility' AND EXISTS (
        SELECT FROM city.facility f WHERE f.id = $5 AND scope -> 'facility_class' ? f.class_code))
    AND (scope -> 'estate' IS NULL OR scope -> 'estate' @> to_jsonb(coalesce(
        CASE $4 WHEN 'estate' THEN $5 END,
        (SELECT b.estate_id FROM city.building b WHERE b.id = $6))))
    AND (scope -> 'area' IS NULL OR city.lies_in(
        (SELECT w.area_id FROM city.where_is($2) w),
        ARRAY(SELECT a::bigint FROM jsonb_array_elements_text(scope -> 'area') a))) $$;

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
-- longer for ends.
CREATE OR REPLACE FUNCTION city.watch(streams bigint[], rules bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    left_open bigint[];
BEGIN
    WITH wanted AS MATERIALIZED (SELECT * FROM city.watched(streams, rules)),
    gone AS (
        DELETE FROM city.rule_watch w
         WHERE (streams IS NULL OR w.datastream_id = ANY (streams))
           AND (rules IS NULL OR w.rule_id = ANY (rules))
           AND NOT EXISTS (SELECT FROM wanted n
                WHERE n.datastream_id = w.datastream_id AND n.rule_id = w.rule_id)
        RETURNING w.event_id)
    SELECT array_agg(DISTINCT event_id) INTO left_open FROM gone WHERE event_id IS NOT NULL;
    INSERT INTO city.rule_watch AS w (datastream_id, rule_id, part, group_type, group_id)
    SELECT n.datastream_id, n.rule_id, n.part, n.group_type, n.group_id
      FROM city.watched(streams, rules) n
    ON CONFLICT (datastream_id, rule_id) DO UPDATE
       SET part = excluded.part, group_type = excluded.group_type, group_id = excluded.group_id
     WHERE ROW(w.part, w.group_type, w.group_id)
           IS DISTINCT FROM ROW(excluded.part, excluded.group_type, excluded.group_id);
    EXECUTE format($q$
        UPDATE city.datastream t SET ruled = NOT t.ruled
         WHERE t.ruled <> EXISTS (SELECT FROM city.rule_watch w WHERE w.datastream_id = t.id) %s $q$,
        CASE WHEN streams IS NULL THEN '' ELSE 'AND t.id = ANY ($1)' END) USING streams;
    IF left_open IS NOT NULL THEN
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

CREATE OR REPLACE FUNCTION city.watch_devices() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    streams bigint[];
BEGIN
    SELECT array_agg(t.id) INTO streams
      FROM stale o JOIN fresh n ON n.id = o.id JOIN city.datastream t ON t.device_id = n.id
     WHERE ROW(o.class_code, o.bind_type, o.bind_id, o.building_id, o.ended_at IS NULL)
           IS DISTINCT FROM
           ROW(n.class_code, n.bind_type, n.bind_id, n.building_id, n.ended_at IS NULL);
    IF streams IS NOT NULL THEN
        PERFORM city.watch(streams, NULL);
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
            city.worded(r.message_zh, s.value, s.said, t.unit_ucum, d.name, w.place),
            city.worded(r.message_en, s.value, s.said, t.unit_ucum, d.name, w.place),
            w.place, w.height, w.building_id, w.storey_id, w.entrance_id, w.estate_id, w.area_id,
            w.grid_id
          FROM said s JOIN city.rule r ON r.id = s.rule JOIN city.datastream t ON t.id = s.stream
          JOIN city.device d ON d.id = t.device_id CROSS JOIN LATERAL city.where_is(d.id) w
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

-- A message; what a place already names, as a lift that a device is bound to, is not said twice.
CREATE OR REPLACE FUNCTION city.worded(
    template text, value double precision, said text, unit text, device text, place text)
RETURNS text LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT btrim(replace(replace(replace(replace(template,
        '{value}', coalesce(said, round(value::numeric, 3)::float8::text, '')),
        '{unit}', coalesce(unit, '')), '{device}', coalesce(device, '')),
        '{place}', CASE WHEN template LIKE '%{device}%' AND right(place, length(device)) = device
            THEN rtrim(left(place, length(place) - length(device)))
            ELSE coalesce(place, '') END)) $$;

-- Another such reading while the alarm is open: told of, and who may be affected is found again.
CREATE OR REPLACE FUNCTION city.again_alarms(
    events bigint[], ats timestamptz[], vals double precision[], texts text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM city.add_entry(u.event, 'again', u.at, u.value, u.said)
       FROM unnest(events, ats, vals, texts) AS u(event, at, value, said)
       JOIN city.event e ON e.id = u.event AND e.ended_at IS NULL ORDER BY u.event, u.at;
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
BEGIN
    PERFORM city.lock_lifts(events);
    WITH said AS (SELECT * FROM unnest(events, ats, vals, texts) AS u(event, at, value, said)),
    done AS (
        UPDATE city.event e SET ended_at = greatest(e.started_at, s.at), state = 'closed'
          FROM said s WHERE e.id = s.event AND e.ended_at IS NULL
        RETURNING e.id, e.ended_at, s.value, s.said),
    told AS (
        SELECT id, city.add_entry(id, 'end', ended_at, value, said, NULL,
            jsonb_build_object('why', why)) FROM (SELECT * FROM done ORDER BY id) d)
    SELECT array_agg(id) INTO over FROM told;
    IF over IS NOT NULL THEN
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
         WHERE w.rule_id = here.rule_id AND w.event_id = here.id;
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
    city.tell_entries(), city.watch(bigint[], bigint[]), city.watch_rule(), city.watch_override(),
    city.watch_streams(), city.watch_stream(), city.watch_devices(),
    city.add_entry(bigint, text, timestamptz, double precision, text, text, jsonb),
    city.begin_alarms(bigint[], bigint[], timestamptz[], double precision[], text[]),
    city.again_alarms(bigint[], timestamptz[], double precision[], text[]),
    city.end_alarms(bigint[], timestamptz[], double precision[], text[], text),
    city.act_on_alarm(bigint, text, text), city.release(bigint[]), city.affect(bigint[])
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    city.begin_alarms(bigint[], bigint[], timestamptz[], double precision[], text[]),
    city.again_alarms(bigint[], timestamptz[], double precision[], text[]),
    city.end_alarms(bigint[], timestamptz[], double precision[], text[], text) TO cim_feeder;
GRANT SELECT ON city.rule, city.rule_override, city.event TO cim_feeder;
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
