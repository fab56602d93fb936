"""How many people live where is kept as it may be told; the numbers themselves are closed.

How many live in a unit is told with who they are, by what shows them, and nowhere else.
"""

from importlib.resources import files

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Tables and triggers as frozen in the files beside this one; a secret; what there is, told."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    for name in ("0023_counts.sql", "0023_counts_told.sql"):
        statements = files("cim.store.migrations") / "versions" / name
        driver.execute(statements.read_text("utf-8"))
    driver.execute("""
        DROP FUNCTION city.resident_count(bigint);
        INSERT INTO security.secret (name, value) VALUES
            ('people', uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
        INSERT INTO city.building_people (building_id, at, key, people)
        SELECT id, at, city.place_key(at), people FROM (
            SELECT b.id, ST_PointOnSurface(b.footprint) AS at,
                security.told_people(s.value, b.id, p.residents) AS people
            FROM city.building_pop p
            JOIN city.building b ON b.id = p.building_id AND b.ended_at IS NULL
            CROSS JOIN security.secret s
            WHERE s.name = 'people' AND p.residents > 0) told
        WHERE people > 0;
    """)
