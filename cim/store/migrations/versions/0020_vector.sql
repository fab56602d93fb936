CREATE TABLE platform.vector_cell (
	collection TEXT NOT NULL,
	x INTEGER NOT NULL,
	y INTEGER NOT NULL,
	count INTEGER NOT NULL,
	sums FLOAT[] NOT NULL,
	CONSTRAINT pk_vector_cell PRIMARY KEY (collection, x, y)
);
COMMENT ON TABLE platform.vector_cell IS 'how many features there are, cell by cell: what tiles show from afar';
COMMENT ON COLUMN platform.vector_cell.collection IS 'the collection that is counted';
COMMENT ON COLUMN platform.vector_cell.x IS 'column of the cell, from 180° W; the world is 2^18 cells wide';
COMMENT ON COLUMN platform.vector_cell.y IS 'row of the cell, from the south pole; cells are square in degrees';
COMMENT ON COLUMN platform.vector_cell.count IS 'features whose middle lies in it';
COMMENT ON COLUMN platform.vector_cell.sums IS 'sums of the properties that are added';
CREATE TABLE platform.vector_state (
	collection TEXT NOT NULL,
	sweeps BIGINT DEFAULT 0 NOT NULL,
	counted pg_snapshot,
	CONSTRAINT pk_vector_state PRIMARY KEY (collection)
);
COMMENT ON TABLE platform.vector_state IS 'how far the kept vector tiles of a collection are';
COMMENT ON COLUMN platform.vector_state.collection IS 'the collection';
COMMENT ON COLUMN platform.vector_state.sweeps IS 'how often stale tiles were cleared: one made across a sweep is not kept';
COMMENT ON COLUMN platform.vector_state.counted IS 'the transactions whose changes the cells show; NULL before they are counted';
CREATE TABLE platform.vector_tile (
	collection TEXT NOT NULL,
	matrices TEXT NOT NULL,
	z SMALLINT NOT NULL,
	x INTEGER NOT NULL,
	y INTEGER NOT NULL,
	program TEXT NOT NULL,
	snapshot pg_snapshot NOT NULL,
	etag TEXT NOT NULL,
	data BYTEA NOT NULL,
	west INTEGER NOT NULL,
	south INTEGER NOT NULL,
	east INTEGER NOT NULL,
	north INTEGER NOT NULL,
	CONSTRAINT pk_vector_tile PRIMARY KEY (collection, matrices, z, x, y)
);
COMMENT ON TABLE platform.vector_tile IS 'vector tiles that are kept; none holds what is not public';
COMMENT ON COLUMN platform.vector_tile.collection IS 'the collection it shows';
COMMENT ON COLUMN platform.vector_tile.matrices IS 'the tile matrix set';
COMMENT ON COLUMN platform.vector_tile.z IS 'level in the set';
COMMENT ON COLUMN platform.vector_tile.x IS 'column from the west';
COMMENT ON COLUMN platform.vector_tile.y IS 'row from the north';
COMMENT ON COLUMN platform.vector_tile.program IS 'digest of what it was made by, and where';
COMMENT ON COLUMN platform.vector_tile.snapshot IS 'the transactions whose changes it shows';
COMMENT ON COLUMN platform.vector_tile.etag IS 'digest of its bytes';
COMMENT ON COLUMN platform.vector_tile.data IS 'its bytes as they travel: MVT, gzipped';
COMMENT ON COLUMN platform.vector_tile.west IS 'first column of the blocks of what it shows';
COMMENT ON COLUMN platform.vector_tile.south IS 'first row, from the south pole';
COMMENT ON COLUMN platform.vector_tile.east IS 'last column';
COMMENT ON COLUMN platform.vector_tile.north IS 'last row';
CREATE TABLE platform.vector_touched (
	collection TEXT NOT NULL,
	xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
	west INTEGER NOT NULL,
	south INTEGER NOT NULL,
	east INTEGER NOT NULL,
	north INTEGER NOT NULL
);
COMMENT ON TABLE platform.vector_touched IS 'places where something changed that kept vector tiles may not show yet';
COMMENT ON COLUMN platform.vector_touched.collection IS 'the collection';
COMMENT ON COLUMN platform.vector_touched.xid IS 'the transaction that changed something';
COMMENT ON COLUMN platform.vector_touched.west IS 'first column of the blocks that were touched';
COMMENT ON COLUMN platform.vector_touched.south IS 'first row, from the south pole';
COMMENT ON COLUMN platform.vector_touched.east IS 'last column';
COMMENT ON COLUMN platform.vector_touched.north IS 'last row';
