CREATE TABLE platform.tile (
	tileset TEXT NOT NULL,
	level SMALLINT NOT NULL,
	cell BIGINT NOT NULL,
	state SMALLINT NOT NULL,
	digest BYTEA,
	size INTEGER,
	packed INTEGER,
	features INTEGER,
	region FLOAT[],
	CONSTRAINT pk_tile PRIMARY KEY (tileset, level, cell)
);
COMMENT ON TABLE platform.tile IS 'the tiles of each tileset';
COMMENT ON COLUMN platform.tile.tileset IS 'the tileset';
COMMENT ON COLUMN platform.tile.level IS 'level in the world';
COMMENT ON COLUMN platform.tile.cell IS 'Morton code of the cell at that level';
COMMENT ON COLUMN platform.tile.state IS '0 published, 1 built since, 2 to be built: what a run that broke off goes on with';
COMMENT ON COLUMN platform.tile.digest IS 'BLAKE2b of its bytes, 16 bytes';
COMMENT ON COLUMN platform.tile.size IS 'bytes';
COMMENT ON COLUMN platform.tile.packed IS 'bytes of its gzipped copy';
COMMENT ON COLUMN platform.tile.features IS 'features in it; 0 where none could be drawn';
COMMENT ON COLUMN platform.tile.region IS 'west, south, east, north in degrees, lowest and highest ellipsoidal m';
CREATE TABLE platform.tile_touched (
	tileset TEXT NOT NULL,
	building_id BIGINT,
	at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL
);
CREATE INDEX ix_tile_touched_tileset ON platform.tile_touched (tileset);
COMMENT ON TABLE platform.tile_touched IS 'buildings of which something changed that their tiles do not show yet';
COMMENT ON COLUMN platform.tile_touched.tileset IS 'the tileset';
COMMENT ON COLUMN platform.tile_touched.building_id IS 'the building; NULL for all';
COMMENT ON COLUMN platform.tile_touched.at IS 'when';
