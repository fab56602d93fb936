-- Who may read what. Roles belong to the server, so another city's database may have made them.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cim_reader') THEN
        BEGIN
            CREATE ROLE cim_reader NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cim_resident_reader') THEN
        BEGIN
            CREATE ROLE cim_resident_reader NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role('cim_resident_reader', 'cim_reader', 'USAGE') THEN
        GRANT cim_reader TO cim_resident_reader;
    END IF;
    -- The connecting user takes these roles for one transaction at a time: SET LOCAL ROLE.
    IF NOT pg_has_role('cim_reader', 'MEMBER')
       OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT cim_reader, cim_resident_reader TO %I', current_user);
    ELSIF NOT pg_has_role('cim_resident_reader', 'MEMBER') THEN
        EXECUTE format('GRANT cim_resident_reader TO %I', current_user);
    END IF;
END $$;

-- What is not personal: everything in city, and the service's own records.
GRANT USAGE ON SCHEMA city, platform TO cim_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA city, platform TO cim_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA city GRANT SELECT ON TABLES TO cim_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA platform GRANT SELECT ON TABLES TO cim_reader;

-- Personal data: read by one role, which may also write down that it did, and nothing else.
GRANT USAGE ON SCHEMA pii TO cim_resident_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA pii TO cim_resident_reader;
REVOKE SELECT ON pii.access_log FROM cim_resident_reader;
GRANT INSERT ON pii.access_log TO cim_resident_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA pii GRANT SELECT ON TABLES TO cim_resident_reader;
