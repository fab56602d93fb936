"""Which tile each building is in and by what, the tiles there are, and what they do not show yet.

What was known of members is made anew by the next build, which the tilesets there are then need.
"""

from importlib.resources import files

from alembic import op

revision = "0010"
down_revision = "0007"


def upgrade() -> None:
    """The new columns, and the new tables as frozen in the file beside this one."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        TRUNCATE platform.tile_member;
        ALTER TABLE platform.tile_member
            ADD COLUMN place bigint NOT NULL, ADD COLUMN size double precision NOT NULL,
            ADD COLUMN weight integer NOT NULL, ADD COLUMN vertices integer NOT NULL,
            ADD COLUMN highest smallint NOT NULL;
        COMMENT ON TABLE platform.tile_member
            IS 'which tile each building, or its units, is in, and by what it was put there';
        COMMENT ON COLUMN platform.tile_member.place
            IS 'cell of its centre on the deepest level';
        COMMENT ON COLUMN platform.tile_member.size IS 'its diagonal, m';
        COMMENT ON COLUMN platform.tile_member.weight IS 'features it counts for';
        COMMENT ON COLUMN platform.tile_member.vertices IS 'vertices it costs, estimated';
        COMMENT ON COLUMN platform.tile_member.highest
            IS 'highest level at which it may stand in a tile that has others below';
        CREATE INDEX ix_tile_member_lower ON platform.tile_member (tileset, highest, place)
            WHERE level > highest;
        ALTER TABLE platform.tile_skip
            ADD COLUMN level smallint DEFAULT -1 NOT NULL,
            ADD COLUMN cell bigint DEFAULT 0 NOT NULL,
            DROP CONSTRAINT pk_tile_skip,
            ADD CONSTRAINT pk_tile_skip PRIMARY KEY (tileset, object_id, level, cell);
        COMMENT ON COLUMN platform.tile_skip.level IS
            'level of the tile it is missing from; -1 for a building that no tile can hold';
        COMMENT ON COLUMN platform.tile_skip.cell IS 'Morton code of that tile''s cell';
        ALTER TABLE platform.tileset ADD COLUMN format text DEFAULT '' NOT NULL;
        COMMENT ON COLUMN platform.tileset.format
            IS 'digest of all that the tiles'' bytes come from besides their rows';
    """)
    statements = files("cim.store.migrations") / "versions" / "0010_tiles.sql"
    driver.execute(statements.read_text("utf-8"))
