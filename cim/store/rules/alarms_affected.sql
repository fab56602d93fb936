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
