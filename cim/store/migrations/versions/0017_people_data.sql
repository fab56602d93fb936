-- What is asked for, by whom, and how much; and the old log of reads becomes lines of the one log.
INSERT INTO security.seal (secret)
    SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

INSERT INTO security.purpose (code, name_zh, name_en, plain, demo) VALUES
    ('grid_service', '网格服务', 'grid service', false, false),
    ('housing_management', '房屋管理', 'housing management', false, false),
    ('emergency', '应急处置', 'emergency', true, false),
    ('demonstration', '演示', 'demonstration', false, true);

INSERT INTO security.role (code, name_zh, name_en) VALUES
    ('people_officer', '个人信息保护负责人', 'personal information: requests of persons');
INSERT INTO security.role_right (role, scope) VALUES ('people_officer', 'residents.requests');

INSERT INTO security.rule (name, value, least, most, name_zh, name_en) VALUES
    ('people_burst', 300, 10, 10000000, '每人可连续查询居民信息的次数',
     'look-ups of residents in a row for one caller'),
    ('people_hour', 3600, 10, 100000000, '此后每小时可查询的次数', 'look-ups an hour after that'),
    ('people_at_address', 50, 1, 10000, '按地址查询最多显示的人数',
     'persons at an address that are shown at the most'),
    ('moved_out_days', 1095, 30, 36500, '迁出后保留天数', 'days people are kept who moved out'),
    ('aside_days', 180, 7, 3650, '暂存的人员数据保留天数', 'days rows of people are kept set aside'),
    ('audit_months', 36, 6, 1200, '审计日志保留月数', 'months the audit log is kept');

ALTER TABLE pii.person ADD COLUMN restricted_at timestamptz;
COMMENT ON COLUMN pii.person.restricted_at
    IS 'erased on request but for what the law keeps; shown to nobody';
CREATE INDEX ix_residency_address ON pii.residency (address_id)
    WHERE unit_id IS NULL AND address_id IS NOT NULL;

DO $$
DECLARE old pii.access_log;
BEGIN
    FOR old IN SELECT * FROM pii.access_log ORDER BY id LOOP
        PERFORM set_config('cim.roles', old.role, true),
            set_config('cim.purpose', old.purpose, true);
        PERFORM security.record('people.open', true, old.object_type, old.object_id, old.persons,
            jsonb_build_object('was_at', old.at), old.actor);
    END LOOP;
    PERFORM set_config('cim.roles', '', true), set_config('cim.purpose', '', true);
END $$;
DROP TABLE pii.access_log;
