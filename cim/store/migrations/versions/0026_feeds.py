"""Feeds of messages, keys of devices, what could not come in; devices and streams know more.

The statements are frozen in the files beside this one.
"""

from importlib.resources import files

from alembic import op

revision = "0026"
down_revision = "0025"

_CLASSES = """
    INSERT INTO city.retention_class (code, days, name_zh, name_en) VALUES
        ('short', 30, '短期', 'short'), ('normal', 90, '一般', 'normal'),
        ('long', 400, '长期', 'long')"""
"""The streams that there are need one of them."""

_COLUMNS = """
    ALTER TABLE city.device ADD COLUMN gateway_id bigint,
        ADD CONSTRAINT fk_device_gateway_id FOREIGN KEY (gateway_id) REFERENCES city.device (id);
    COMMENT ON COLUMN city.device.gateway_id IS 'the device that it speaks through';
    CREATE INDEX ix_device_gateway ON city.device (gateway_id) WHERE gateway_id IS NOT NULL;
    ALTER TABLE city.datastream
        ADD COLUMN kind text NOT NULL DEFAULT 'gauge',
        ADD COLUMN low double precision,
        ADD COLUMN high double precision,
        ADD COLUMN retention text NOT NULL DEFAULT 'normal',
        ADD COLUMN first_at timestamptz,
        ADD COLUMN received_at timestamptz,
        ADD COLUMN ruled boolean NOT NULL DEFAULT false,
        ADD CONSTRAINT fk_datastream_retention
            FOREIGN KEY (retention) REFERENCES city.retention_class (code);
    COMMENT ON COLUMN city.datastream.kind IS
        'gauge; counter, which grows and may begin anew; state';
    COMMENT ON COLUMN city.datastream.low IS
        'least that can be true; a reading below it is of quality 4';
    COMMENT ON COLUMN city.datastream.high IS
        'most that can be true; a reading above it is of quality 4';
    COMMENT ON COLUMN city.datastream.retention IS 'how long its raw readings are kept';
    COMMENT ON COLUMN city.datastream.first_at IS 'time of its oldest reading';
    COMMENT ON COLUMN city.datastream.received_at IS 'when the latest reading arrived';
    COMMENT ON COLUMN city.datastream.ruled IS 'an alarm rule watches it';
    CREATE INDEX ix_observation_time ON city.observation USING brin (phenomenon_time)"""

_BOUND = """
    INSERT INTO city.device_binding (device_id, bind_type, bind_id, valid_from)
    SELECT id, bind_type, bind_id, least(created_at, install_on)
    FROM city.device WHERE ended_at IS NULL ORDER BY id"""


def upgrade() -> None:
    """Tables, columns, rules; what devices are bound to now begins their history."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    folder = files("cim.store.migrations") / "versions"
    driver.execute((folder / "0026_feeds.sql").read_text("utf-8"))
    for statements in (_CLASSES, _COLUMNS, _BOUND):
        driver.execute(statements)
    driver.execute((folder / "0026_feeds_rules.sql").read_text("utf-8"))
    driver.execute("SELECT platform.tell_changes('city.device', 'device', 'geom')")
