CREATE TABLE city.building_people (
	building_id BIGINT NOT NULL,
	at geometry(POINT,4490) NOT NULL,
	key BIGINT NOT NULL,
	people INTEGER NOT NULL,
	CONSTRAINT pk_building_people PRIMARY KEY (building_id)
);
CREATE INDEX ix_building_people_key ON city.building_people (key) INCLUDE (people);
COMMENT ON TABLE city.building_people IS 'people per building as they may be counted, kept by triggers; none is no row';
COMMENT ON COLUMN city.building_people.building_id IS 'the building';
COMMENT ON COLUMN city.building_people.at IS 'a place inside its outline';
COMMENT ON COLUMN city.building_people.key IS 'the place as a cell of the world''s quadtree, 20 levels down (Morton code)';
COMMENT ON COLUMN city.building_people.people IS 'residents as they may be told: a multiple of five, by a secret offset';
CREATE TABLE security.secret (
	name TEXT NOT NULL,
	value BYTEA NOT NULL,
	CONSTRAINT pk_secret PRIMARY KEY (name)
);
COMMENT ON TABLE security.secret IS 'what the database keeps to itself; no role reads it';
COMMENT ON COLUMN security.secret.name IS 'what it is for';
COMMENT ON COLUMN security.secret.value IS '32 random bytes';
