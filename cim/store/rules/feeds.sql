-- What holds of devices and their readings whoever writes: bindings have a history, days have their
-- partitions, and who ingests may do that and nothing else.

-- ── what a device was bound to ───────────────────────────────────────────────────────────────────

-- A statement's devices at once. The first binding holds since the device was put up, for readings of
-- before it was written down; a device that ended is bound to nothing.
CREATE OR REPLACE FUNCTION city.keep_binding() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF NOT EXISTS (SELECT FROM stale o JOIN fresh n ON n.id = o.id
                WHERE ROW(o.bind_type, o.bind_id, o.ended_at IS NULL)
                    IS DISTINCT FROM ROW(n.bind_type, n.bind_id, n.ended_at IS NULL)) THEN
            RETURN NULL;
        END IF;
        UPDATE city.device_binding b SET valid_to = now()
          FROM stale o JOIN fresh n ON n.id = o.id
         WHERE b.device_id = n.id AND b.valid_to IS NULL
           AND ROW(o.bind_type, o.bind_id, o.ended_at IS NULL)
               IS DISTINCT FROM ROW(n.bind_type, n.bind_id, n.ended_at IS NULL);
        -- Bound and bound again within one transaction was never bound to the first.
        DELETE FROM city.device_binding b USING fresh n
         WHERE b.device_id = n.id AND b.valid_to <= b.valid_from;
        INSERT INTO city.device_binding (device_id, bind_type, bind_id, valid_from)
        SELECT n.id, n.bind_type, n.bind_id,
               CASE WHEN EXISTS (SELECT FROM city.device_binding b WHERE b.device_id = n.id)
                    THEN now() ELSE least(now(), n.created_at, n.install_on) END
          FROM stale o JOIN fresh n ON n.id = o.id
         WHERE n.ended_at IS NULL AND ROW(o.bind_type, o.bind_id, o.ended_at IS NULL)
               IS DISTINCT FROM ROW(n.bind_type, n.bind_id, n.ended_at IS NULL);
    ELSE
        INSERT INTO city.device_binding (device_id, bind_type, bind_id, valid_from)
        SELECT n.id, n.bind_type, n.bind_id, least(now(), n.install_on)
          FROM fresh n WHERE n.ended_at IS NULL;
    END IF;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION city.keep_binding() FROM PUBLIC;

CREATE OR REPLACE TRIGGER keep_binding_insert AFTER INSERT ON city.device
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION city.keep_binding();
CREATE OR REPLACE TRIGGER keep_binding_update AFTER UPDATE ON city.device
    REFERENCING OLD TABLE AS stale NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION city.keep_binding();
-- They fire for loads too, which switch others off.
ALTER TABLE city.device ENABLE ALWAYS TRIGGER keep_binding_insert;
ALTER TABLE city.device ENABLE ALWAYS TRIGGER keep_binding_update;

-- ── what ingesters remember ──────────────────────────────────────────────────────────────────────

-- Who a reading belongs to is kept in memory by who ingests; it is told when that may have changed.
CREATE OR REPLACE FUNCTION platform.tell_streams() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    PERFORM pg_notify('cim_streams', '');
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION platform.tell_streams() FROM PUBLIC;

CREATE OR REPLACE TRIGGER tell_streams
    AFTER UPDATE OF source_id, ext_id, class_code, gateway_id, ended_at OR DELETE ON city.device
    FOR EACH STATEMENT EXECUTE FUNCTION platform.tell_streams();
CREATE OR REPLACE TRIGGER tell_streams
    AFTER UPDATE OF device_id, name, unit_ucum, result_type, low, high, retention, ruled OR DELETE
    ON city.datastream FOR EACH STATEMENT EXECUTE FUNCTION platform.tell_streams();
CREATE OR REPLACE TRIGGER tell_streams AFTER UPDATE ON city.retention_class
    FOR EACH STATEMENT EXECUTE FUNCTION platform.tell_streams();
CREATE OR REPLACE TRIGGER tell_streams AFTER INSERT OR UPDATE OR DELETE ON platform.feed
    FOR EACH STATEMENT EXECUTE FUNCTION platform.tell_streams();
CREATE OR REPLACE TRIGGER tell_streams AFTER INSERT OR UPDATE OR DELETE ON platform.feed_map
    FOR EACH STATEMENT EXECUTE FUNCTION platform.tell_streams();
CREATE OR REPLACE TRIGGER tell_streams
    AFTER INSERT OR UPDATE OF username, expires_at, ended_at OR DELETE ON platform.device_key
    FOR EACH STATEMENT EXECUTE FUNCTION platform.tell_streams();
ALTER TABLE city.device ENABLE ALWAYS TRIGGER tell_streams;
ALTER TABLE city.datastream ENABLE ALWAYS TRIGGER tell_streams;

-- ── days of readings ─────────────────────────────────────────────────────────────────────────────

-- Make the partitions of these days (UTC) that are missing; how many it made. As
-- cim.store.incoming.partitions does, for who may write readings and owns no table.
CREATE OR REPLACE FUNCTION city.prepare_days(days date[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    day date;
    part text;
    made integer := 0;
BEGIN
    FOR day IN SELECT DISTINCT d FROM unnest(days) d
            WHERE d BETWEEN '2000-01-01' AND (now() AT TIME ZONE 'UTC')::date + 8
              AND to_regclass('city.observation_' || to_char(d, 'YYYYMMDD')) IS NULL
            ORDER BY d LIMIT 400 LOOP
        PERFORM pg_advisory_xact_lock(1667853680);
        part := 'observation_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass('city.' || part) IS NOT NULL;
        EXECUTE format('CREATE TABLE city.%I (LIKE city.observation INCLUDING ALL)', part);
        EXECUTE format('ALTER TABLE city.observation ATTACH PARTITION city.%I '
            'FOR VALUES FROM (%L) TO (%L)', part, day || ' 00:00+00', (day + 1) || ' 00:00+00');
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
REVOKE ALL ON FUNCTION city.prepare_days(date[]) FROM PUBLIC;

-- ── who ingests ──────────────────────────────────────────────────────────────────────────────────

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cim_feeder') THEN
        BEGIN
            CREATE ROLE cim_feeder LOGIN NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role('cim_feeder', 'MEMBER')
       OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT cim_feeder TO %I', current_user);
    END IF;
END $$;

-- Payloads of strangers, and what keys are known by, are nobody's to read who reads the city.
REVOKE ALL ON platform.feed, platform.feed_map, platform.dead_letter, platform.device_key,
    platform.device_claim, platform.arrival FROM cim_reader, cim_resident_reader, cim_intake;

GRANT USAGE ON SCHEMA city, platform TO cim_feeder;
GRANT EXECUTE ON FUNCTION city.prepare_days(date[]) TO cim_feeder;
GRANT SELECT ON city.device, city.datastream, city.observation, city.device_type, city.stream_type,
    city.retention_class, city.source_system, city.device_binding TO cim_feeder;
-- Devices and streams that a feed may make when they are named first.
GRANT INSERT (class_code, source_id, ext_id, protocol, gateway_id) ON city.device TO cim_feeder;
GRANT INSERT ON city.datastream TO cim_feeder;
GRANT UPDATE (last_value, last_text, last_at, quality, first_at, received_at) ON city.datastream
    TO cim_feeder;
GRANT INSERT, UPDATE (result, result_text, quality) ON city.observation TO cim_feeder;
GRANT SELECT ON platform.feed, platform.feed_map, platform.feed_tally, platform.dead_letter
    TO cim_feeder;
GRANT INSERT, UPDATE ON platform.feed_tally TO cim_feeder;
GRANT SELECT, INSERT, DELETE ON platform.arrival TO cim_feeder;
GRANT INSERT, UPDATE (tries, tried_at, settled_at, repeats, reason, detail)
    ON platform.dead_letter TO cim_feeder;
GRANT SELECT (id, device_id, username, digest, broker_hash, expires_at, ended_at, used_at),
    UPDATE (used_at) ON platform.device_key TO cim_feeder;

-- ── keys of devices ──────────────────────────────────────────────────────────────────────────────

-- Give a device another key, known by its hashes, and end the one it had; as what it calls itself at
-- the broker. A name that cannot stand in a topic, or is somebody else's, is replaced.
CREATE OR REPLACE FUNCTION platform.give_device_key(device bigint, prefix text, digest bytea,
    broker_hash text, expires timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    named text := (SELECT d.ext_id FROM city.device d WHERE d.id = $1 AND d.ended_at IS NULL
        FOR NO KEY UPDATE);
BEGIN
    IF NOT FOUND AND NOT EXISTS (SELECT FROM city.device d
            WHERE d.id = $1 AND d.ended_at IS NULL) THEN
        RETURN NULL;
    END IF;
    IF named IS NULL OR named !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' OR named LIKE 'cim-%'
       OR EXISTS (SELECT FROM platform.device_key k
                  WHERE k.username = named AND k.ended_at IS NULL AND k.device_id <> $1) THEN
        named := 'device-' || $1;
    END IF;
    UPDATE platform.device_key k SET ended_at = now() WHERE k.device_id = $1 AND k.ended_at IS NULL;
    INSERT INTO platform.device_key (device_id, username, prefix, digest, broker_hash, expires_at)
    VALUES ($1, named, $2, $3, $4, $5);
    PERFORM security.record('device_key.make', true, 'device', $1, NULL,
        jsonb_build_object('prefix', $2));
    RETURN named;
END $$;

-- Give the device of a code its key; the code is good once. No row where it is good no more.
CREATE OR REPLACE FUNCTION platform.claim_device(code bytea, prefix text, digest bytea,
    broker_hash text) RETURNS TABLE (device_id bigint, username text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    claimed bigint;
BEGIN
    UPDATE platform.device_claim c SET used_at = now()
     WHERE c.digest = code AND c.used_at IS NULL AND c.expires_at > now()
    RETURNING c.device_id INTO claimed;
    IF claimed IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT claimed, g.name FROM platform.give_device_key(claimed, $2, $3, $4) AS g(name)
        WHERE g.name IS NOT NULL;
END $$;
REVOKE ALL ON FUNCTION platform.give_device_key(bigint, text, bytea, text, timestamptz),
    platform.claim_device(bytea, text, bytea, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION platform.give_device_key(bigint, text, bytea, text, timestamptz),
    platform.claim_device(bytea, text, bytea, text) TO cim_editor;

-- ── binding ──────────────────────────────────────────────────────────────────────────────────────

-- Bind a device to an object, or to nothing; since a moment that has been, where one is said. What
-- it came to: done; or same, none (there is no such device), early (it was bound to something else
-- since), home (what was read in a home stays of that home).
CREATE OR REPLACE FUNCTION city.bind_device(device bigint, kind text, object bigint,
    building bigint, since timestamptz DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    here city.device;
    latest city.device_binding;
    before city.device_binding;
    alike boolean;
BEGIN
    SELECT * INTO here FROM city.device d WHERE d.id = $1 AND d.ended_at IS NULL FOR UPDATE;
    IF here.id IS NULL THEN
        RETURN 'none';
    END IF;
    SELECT * INTO latest FROM city.device_binding b
     WHERE b.device_id = here.id AND b.valid_to IS NULL;
    SELECT * INTO before FROM city.device_binding b
     WHERE b.device_id = here.id AND b.id IS DISTINCT FROM latest.id
     ORDER BY b.valid_from DESC LIMIT 1;
    alike := here.bind_type IS NOT DISTINCT FROM $2 AND here.bind_id IS NOT DISTINCT FROM $3;
    IF alike AND (since IS NULL OR since >= latest.valid_from) THEN
        RETURN 'same';
    ELSIF alike AND before.id IS NOT NULL
          AND (before.bind_type IS NOT NULL OR since <= before.valid_from) THEN
        RETURN 'early';
    ELSIF NOT alike AND since <= latest.valid_from
          AND (latest.bind_type IS NOT NULL OR before.id IS NOT NULL) THEN
        RETURN 'early';
    ELSIF NOT alike AND since IS NOT NULL AND latest.bind_type = 'unit'
          AND kind IS DISTINCT FROM 'unit' THEN
        RETURN 'home';
    END IF;
    IF alike THEN
        UPDATE city.device_binding b SET valid_to = since WHERE b.id = before.id;
        UPDATE city.device_binding b SET valid_from = since WHERE b.id = latest.id;
        RETURN 'done';
    END IF;
    UPDATE city.device d SET bind_type = $2, bind_id = $3, building_id = $4, updated_at = now()
     WHERE d.id = here.id;
    IF since IS NOT NULL THEN
        -- Bound to nothing until before it was: that never held.
        DELETE FROM city.device_binding b WHERE b.id = latest.id AND b.valid_from >= since;
        UPDATE city.device_binding b SET valid_to = since WHERE b.id = latest.id;
        UPDATE city.device_binding b SET valid_from = since
         WHERE b.device_id = here.id AND b.valid_to IS NULL;
    END IF;
    RETURN 'done';
END $$;
REVOKE ALL ON FUNCTION city.bind_device(bigint, text, bigint, bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION city.bind_device(bigint, text, bigint, bigint, timestamptz)
    TO cim_editor;
