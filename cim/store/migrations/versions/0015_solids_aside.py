"""A row that is set aside keeps the solid that it came with."""

from alembic import op

revision = "0015"
down_revision = "0013"


def upgrade() -> None:
    """The columns."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        ALTER TABLE platform.quarantine
            ADD COLUMN solid bytea, ADD COLUMN solid_lods text, ADD COLUMN solid_above text;
        COMMENT ON COLUMN platform.quarantine.solid
            IS 'the solid as it came, WKB: a multipolygon with heights for each level of detail';
        COMMENT ON COLUMN platform.quarantine.solid_lods
            IS 'these levels, the one to be shown first; empty where the solid cannot be read';
        COMMENT ON COLUMN platform.quarantine.solid_above
            IS 'what its heights are above; NULL for the datum of the city';
    """)
