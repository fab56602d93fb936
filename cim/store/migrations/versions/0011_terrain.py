"""Terrain: rasters of ground heights, and what they say of the ground under each building."""

from importlib.resources import files

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """The table, as frozen in the file beside this one, and the columns of buildings.

    What is not 0 in buildings loaded before was given by their file.
    """
    statements = files("cim.store.migrations") / "versions" / "0011_terrain.sql"
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(statements.read_text("utf-8"))
    driver.execute("""
        ALTER TABLE city.building ADD COLUMN ground_method text NOT NULL DEFAULT 'default',
            ADD COLUMN ground_low real, ADD COLUMN ground_high real;
        UPDATE city.building SET ground_method = 'given' WHERE ground_elev <> 0;
        COMMENT ON COLUMN city.building.ground_elev
            IS 'ground in the height datum (1985), m: its lowest place under the outline';
        COMMENT ON COLUMN city.building.height IS 'roof above ground_elev, m';
        COMMENT ON COLUMN city.building.ground_method
            IS 'how ground_elev came: given (as loaded), terrain, default';
        COMMENT ON COLUMN city.building.ground_low
            IS 'lowest ground under the outline in the terrain, m';
        COMMENT ON COLUMN city.building.ground_high
            IS 'highest ground under the outline in the terrain, m';
    """)
