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
