"""Alarm rules with conditions, alarms with whom they affect and a history that stays; webhooks.

The statements are frozen in the files beside this one. A rule that was written before had no
condition that anything judged by: it stays, and is not in use.
"""

from importlib.resources import files

from alembic import op

revision = "0028"
down_revision = "0027"

_COLUMNS = """
    ALTER TABLE city.rule RENAME COLUMN expr TO type;
    UPDATE city.rule SET enabled = false, type = 'threshold',
        severity = least(greatest(severity, 1::smallint), 4::smallint);
    ALTER TABLE city.rule
        ALTER COLUMN type SET NOT NULL,
        ADD COLUMN code text,
        ADD COLUMN name_en text,
        ADD COLUMN condition jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN event_kind text NOT NULL DEFAULT '告警',
        ADD COLUMN affects text NOT NULL DEFAULT 'bound',
        ADD COLUMN radius_m double precision,
        ADD COLUMN message_zh text,
        ADD COLUMN message_en text,
        ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN updated_by text,
        ADD COLUMN ended_at timestamptz,
        ADD CONSTRAINT ck_rule_type
            CHECK (type IN ('threshold', 'rate', 'state', 'silence', 'together')),
        ADD CONSTRAINT ck_rule_severity CHECK (severity BETWEEN 1 AND 4);
    CREATE UNIQUE INDEX uq_rule_code ON city.rule (code);
    ALTER TABLE city.event
        ADD COLUMN datastream_id bigint,
        ADD COLUMN value double precision,
        ADD COLUMN value_text text,
        ADD COLUMN message_zh text,
        ADD COLUMN message_en text,
        ADD COLUMN place text,
        ADD COLUMN height double precision,
        ADD COLUMN building_id bigint,
        ADD COLUMN storey_id bigint,
        ADD COLUMN entrance_id bigint,
        ADD COLUMN estate_id bigint,
        ADD COLUMN area_id bigint,
        ADD COLUMN grid_id bigint,
        ADD COLUMN noted_at timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN acknowledged_at timestamptz,
        ADD COLUMN acknowledged_by text,
        ADD COLUMN false_alarm boolean NOT NULL DEFAULT false,
        ADD CONSTRAINT fk_event_datastream_id
            FOREIGN KEY (datastream_id) REFERENCES city.datastream (id);
    CREATE INDEX ix_event_going_on ON city.event (id) WHERE ended_at IS NULL;
    CREATE INDEX ix_event_device ON city.event (device_id, id);
    CREATE UNIQUE INDEX uq_event_open_stream ON city.event (rule_id, datastream_id)
        WHERE ended_at IS NULL AND rule_id IS NOT NULL;
    CREATE INDEX ix_event_geom ON city.event USING gist (geom);
"""

_COMMENTS = {
    "rule": {
        "name": "name in Chinese",
        "scope": "which streams: class, observed_property, stream, area …",
        "type": "threshold, rate, state, silence, together",
        "cooldown_s": "seconds after its end before it fires again",
        "code": "of a rule that comes with the program; NULL of the city''s own",
        "name_en": "name in English",
        "condition": "when it holds: cim.feeds.alarms.judging.Condition",
        "event_kind": "kind of alarm",
        "affects": "how affected units are found: none, bound, lift, entrance, gas, smoke, facade, "
        "lane",
        "radius_m": "metres around the device that are affected (gas)",
        "message_zh": "what an alarm says: {value} {unit} {device} {place}",
        "message_en": "the same in English",
        "updated_at": "changed last",
        "updated_by": "by whom: an account or key; NULL as it came",
        "ended_at": "taken away; never deleted",
    },
    "event": {
        "kind": "告警, 故障, 困人, 离线, 门禁, 高空抛物, 电动车入梯, 消防占道, 违建",
        "datastream_id": "the stream that was judged",
        "value": "the number that it began with",
        "value_text": "the text or code that it began with",
        "message_zh": "what it says, in Chinese",
        "message_en": "the same in English",
        "place": "where, in words",
        "height": "of the place in the height datum (1985), m",
        "building_id": "building it is in",
        "storey_id": "storey it is on",
        "entrance_id": "entrance it is behind",
        "estate_id": "estate it is in",
        "area_id": "lowest administrative area it is in",
        "grid_id": "grid it is in",
        "noted_at": "when it was written",
        "acknowledged_at": "somebody has taken it on",
        "acknowledged_by": "an account or key",
        "false_alarm": "somebody found that there was nothing",
    },
}
"""What the columns are, as the dictionary tells it."""


def upgrade() -> None:
    """Columns, tables, rules; the chains of the history begin."""
    driver = op.get_bind().connection.driver_connection
    assert driver is not None
    driver.execute(_COLUMNS)
    for table, columns in _COMMENTS.items():
        for name, comment in columns.items():
            driver.execute(f"COMMENT ON COLUMN city.{table}.{name} IS '{comment}'")
    folder = files("cim.store.migrations") / "versions"
    for name in ("0028_alarms.sql", "0028_alarms_rules.sql"):
        driver.execute((folder / name).read_text("utf-8"))
    driver.execute(
        "INSERT INTO city.event_lane (lane, last, digest) SELECT n, 0, '' "
        "FROM generate_series(0, 7) n"
    )
