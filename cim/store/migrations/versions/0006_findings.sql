CREATE TABLE platform.check_run (
	result JSONB NOT NULL,
	at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);
COMMENT ON TABLE platform.check_run IS 'the result of the last `cim check`; one row';
COMMENT ON COLUMN platform.check_run.result IS 'the whole result, as `cim check --json`';
COMMENT ON COLUMN platform.check_run.at IS 'when';
CREATE TABLE platform.finding (
	name TEXT NOT NULL,
	no INTEGER NOT NULL,
	object_type TEXT NOT NULL,
	object_id BIGINT NOT NULL,
	building_id BIGINT,
	label TEXT,
	lon FLOAT,
	lat FLOAT,
	CONSTRAINT pk_finding PRIMARY KEY (name, no)
);
COMMENT ON TABLE platform.finding IS 'what the last `cim check` found, the first of each check, with its place';
COMMENT ON COLUMN platform.finding.name IS 'the check, such as duplicate_addresses';
COMMENT ON COLUMN platform.finding.no IS '1, 2, 3 … in the check';
COMMENT ON COLUMN platform.finding.object_type IS 'what is at fault: building, unit …';
COMMENT ON COLUMN platform.finding.object_id IS 'its id';
COMMENT ON COLUMN platform.finding.building_id IS 'the building it belongs to, where it has one';
COMMENT ON COLUMN platform.finding.label IS 'what it is called: name, room, address';
COMMENT ON COLUMN platform.finding.lon IS 'degrees; NULL where it has no place';
COMMENT ON COLUMN platform.finding.lat IS 'degrees; NULL where it has no place';
