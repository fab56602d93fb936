-- Who changes single features: a login of its own, which writes what files of those kinds write and
-- what follows from them. It sees neither people nor who signs in, owns nothing, and can become
-- nobody. Roles belong to the server, so another city's database may have made it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'cim_editor') THEN
        BEGIN
            CREATE ROLE cim_editor LOGIN NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF NOT pg_has_role('cim_editor', 'MEMBER')
       OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        EXECUTE format('GRANT cim_editor TO %I', current_user);
    END IF;
END $$;

-- Every list is the whole of it: a table made later is not the editor's until it is named here.
REVOKE ALL ON ALL TABLES IN SCHEMA city, pii, platform, security FROM cim_editor;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA city, pii, platform, security FROM cim_editor;
GRANT USAGE ON SCHEMA city, platform, security TO cim_editor;
GRANT EXECUTE ON FUNCTION security.record(text, boolean, text, bigint, integer, jsonb, text)
    TO cim_editor;

-- What is looked up: codes, rules, ground, settings.
GRANT SELECT ON city.code_list, city.code_item, city.code_scheme, city.object_code, city.rule,
    city.terrain, city.parcel, platform.setting TO cim_editor;
-- The key that people's rows are sealed with is remembered by whoever first loads what is personal.
GRANT INSERT ON platform.setting TO cim_editor;

-- What features are, and what hangs on them.
GRANT SELECT, INSERT, UPDATE ON city.source_system, city.admin_area, city.grid, city.estate,
    city.street, city.building, city.building_geom, city.entrance, city.storey, city.unit,
    city.unit_storey, city.unit_space, city.facility, city.project, city.device, city.organisation,
    city.org_location, city.place_name, platform.data_import TO cim_editor;
-- Rows that were set aside: that there are some, not what was in them.
GRANT INSERT, SELECT (id, import_id, kind, source_id, ext_id, file, row_no, reason, cleared_at),
    UPDATE (cleared_at) ON platform.quarantine TO cim_editor;
-- Of these rows are taken away besides: they are made anew from what they follow from.
GRANT SELECT, INSERT, UPDATE, DELETE ON city.floor_plan, city.floor_slot, city.std_address,
    city.address_link, city.facility_service, platform.derived TO cim_editor;
-- Devices get the streams of their class; what they were bound to stands in their history.
GRANT SELECT ON city.stream_type, city.device_binding TO cim_editor;
GRANT SELECT, INSERT, UPDATE (unit_ucum, result_type, interval_s) ON city.datastream TO cim_editor;
-- How many units a building has; how many live there is not asked.
GRANT SELECT (building_id, units), INSERT (building_id, units), UPDATE (units)
    ON city.building_pop TO cim_editor;
DO $$
DECLARE
    numbers regclass;
BEGIN
    FOR numbers IN SELECT d.objid::regclass FROM pg_depend d
            JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
            WHERE t.relnamespace IN ('city'::regnamespace, 'platform'::regnamespace)
              AND d.classid = 'pg_class'::regclass
              AND has_table_privilege('cim_editor', t.oid, 'INSERT') LOOP
        EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %s TO cim_editor', numbers);
    END LOOP;
END $$;
