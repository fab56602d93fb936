-- SensorThings: what is observed has one row a name, and who writes has a login of its own.

-- ── what is observed ─────────────────────────────────────────────────────────────────────────────

-- Every datastream names what it observes; clients ask for that as an entity with an id.
CREATE OR REPLACE FUNCTION city.keep_observed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    INSERT INTO city.sta_property (code, name, definition, description)
    SELECT DISTINCT observed_property, observed_property, observed_property, observed_property
      FROM fresh ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION city.keep_observed() FROM PUBLIC;

CREATE OR REPLACE TRIGGER keep_observed_insert AFTER INSERT ON city.datastream
    REFERENCING NEW TABLE AS fresh FOR EACH STATEMENT EXECUTE FUNCTION city.keep_observed();
ALTER TABLE city.datastream ENABLE ALWAYS TRIGGER keep_observed_insert;

-- ── who writes ───────────────────────────────────────────────────────────────────────────────────

-- What those who ingest may do, and what clients may change besides: entities of their own, and
-- what is said of datastreams. Roles belong to the server: another city's database may have it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cim_sensing') THEN
        BEGIN
            CREATE ROLE cim_sensing LOGIN INHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role('cim_sensing', 'cim_feeder', 'MEMBER') THEN
        GRANT cim_feeder TO cim_sensing;
    END IF;
    IF NOT pg_has_role('cim_sensing', 'MEMBER')
       OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT cim_sensing TO %I', current_user);
    END IF;
END $$;

GRANT USAGE ON SCHEMA city, platform, security TO cim_sensing;
GRANT SELECT, INSERT, UPDATE, DELETE ON city.sta_thing, city.sta_location, city.sta_thing_location,
    city.sta_history, city.sta_history_location, city.sta_sensor, city.sta_property,
    city.sta_feature, city.sta_datastream, city.sta_part, city.sta_observation TO cim_sensing;
GRANT UPDATE (observed_property, unit_ucum, result_type, last_value, last_text, last_at, quality,
    first_at, received_at), DELETE ON city.datastream TO cim_sensing;
GRANT DELETE ON city.observation TO cim_sensing;
GRANT SELECT ON city.unit, city.building, city.facility, city.entrance, city.storey, city.estate,
    city.grid, city.admin_area, city.floor_plan, city.floor_slot, city.project TO cim_sensing;
GRANT EXECUTE ON FUNCTION security.record(text, boolean, text, bigint, integer, jsonb, text)
    TO cim_sensing;
