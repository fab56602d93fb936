"""Parts of the city as tilesets of their own say what they are parts of."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """The columns."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        ALTER TABLE platform.tileset ADD COLUMN base text, ADD COLUMN selection jsonb;
        COMMENT ON COLUMN platform.tileset.base
            IS 'the tileset that it is a part of; NULL where it is of the whole city';
        COMMENT ON COLUMN platform.tileset.selection
            IS 'which part: states, box (degrees), area, grid or estate';
    """)
