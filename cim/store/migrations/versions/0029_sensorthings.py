"""What clients of SensorThings make themselves, beside the objects and devices of the city.

The statements are frozen in the files beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0029"
down_revision = "0028"

_FREE = """
    ALTER TABLE city.datastream ALTER COLUMN device_id DROP NOT NULL;
    COMMENT ON COLUMN city.datastream.device_id IS
        'the device; NULL where a client of SensorThings made it';
    CREATE INDEX ix_datastream_observed ON city.datastream (observed_property, id)"""

_OBSERVED = """
    INSERT INTO city.sta_property (code, name, definition, description)
    SELECT DISTINCT observed_property, observed_property, observed_property, observed_property
    FROM city.datastream ORDER BY 1"""


def upgrade() -> None:
    """Tables, a device that need not be, rules; what is observed already has its rows."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    folder = files("cim.store.migrations") / "versions"
    driver.execute((folder / "0029_sensorthings.sql").read_text("utf-8"))
    for statements in (_FREE, _OBSERVED):
        driver.execute(statements)
    driver.execute((folder / "0029_sensorthings_rules.sql").read_text("utf-8"))
