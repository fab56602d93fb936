"""Readings are summed up by five minutes, hours and days.

What there is already is marked to be summed up. The statements are frozen in the files beside this
one.
"""

from importlib.resources import files

from alembic import op

revision = "0027"
down_revision = "0026"

_LEVELS = """
    INSERT INTO city.rollup_level (level, days, closed_until, rolled_until)
    SELECT v.level, v.days, v.until, v.until
    FROM (VALUES ('5min', 400, date_bin('1 hour', now(), '2000-01-01 00:00+00')),
                 ('hour', 1830, date_bin('1 hour', now(), '2000-01-01 00:00+00')),
                 ('day', NULL, date_bin('1 day', now(), '2000-01-01 00:00+08')))
         AS v(level, days, until)"""

_MARKS = """
    INSERT INTO city.rollup_mark (datastream_id, since, until)
    SELECT datastream_id, date_bin('1 hour', min(phenomenon_time), '2000-01-01 00:00+00'),
        date_bin('1 hour', max(phenomenon_time), '2000-01-01 00:00+00') + interval '1 hour'
    FROM city.observation GROUP BY datastream_id"""

_DROPPED = """
    ALTER TABLE city.retention_class ADD COLUMN dropped_before timestamptz;
    COMMENT ON COLUMN city.retention_class.dropped_before IS
        'raw readings of before this have been taken away'"""


def upgrade() -> None:
    """Tables, how far they are, what may be done with them, and what is to be summed up."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    folder = files("cim.store.migrations") / "versions"
    driver.execute((folder / "0027_history.sql").read_text("utf-8"))
    for statements in (_DROPPED, _LEVELS, _MARKS):
        driver.execute(statements)
    driver.execute((folder / "0027_history_rules.sql").read_text("utf-8"))
