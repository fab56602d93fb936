"""Files handed in through the service, pairs of two sources, rooms within units."""

from importlib.resources import files

from alembic import op

revision = "0002"
down_revision = "0001"

PARTS = """
    ALTER TABLE city.unit_storey
        ADD COLUMN outline geometry(MULTIPOLYGON,4490),
        ADD COLUMN z_bottom FLOAT,
        ADD COLUMN z_top FLOAT;
    COMMENT ON COLUMN city.unit_storey.outline IS 'its part there; NULL where it is not drawn';
    COMMENT ON COLUMN city.unit_storey.z_bottom
        IS 'above ground_elev, m; NULL where it is the storey''s';
    COMMENT ON COLUMN city.unit_storey.z_top
        IS 'above ground_elev, m; NULL where it is the storey''s'"""
"""A unit on several storeys is drawn on each of them."""


def upgrade() -> None:
    """The tables, as frozen in the file beside this one."""
    statements = files("cim.store.migrations") / "versions" / "0002_intake.sql"
    # The driver itself runs them: many at once, and with percent signs.
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("DROP TABLE city.unit_space")  # never written to; made anew with its storey
    driver.execute(statements.read_text("utf-8"))
    driver.execute(PARTS)
