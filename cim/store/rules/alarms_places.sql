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
