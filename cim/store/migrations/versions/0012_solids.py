"""One representation of a building is the one to show; features drawn in place of solids are named.

Of several that were to be shown the newest is.
"""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """The index and the column."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute("""
        UPDATE city.building_geom g SET is_current = false WHERE is_current AND EXISTS (
            SELECT FROM city.building_geom n
            WHERE n.building_id = g.building_id AND n.is_current AND n.id > g.id);
        CREATE UNIQUE INDEX uq_building_geom_current ON city.building_geom (building_id)
            WHERE is_current;
        ALTER TABLE platform.tile_skip ADD COLUMN drawn boolean NOT NULL DEFAULT false;
        COMMENT ON COLUMN platform.tile_skip.drawn
            IS 'it is drawn all the same, as a prism in place of the solid it has';
        COMMENT ON TABLE platform.tile_skip
            IS 'features that no tile holds, or not as the solid they have, with the reason';
    """)
