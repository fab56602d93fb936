"""Alarm rules, what they remember, alarms with what they affect, and the history of each.

What was once written of an alarm cannot be changed: `city.event_entry` is added to and chained,
each line to the one before (`cim/store/rules/alarms.sql`).
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from cim.model.base import CITY, geometry, identity, metadata, reference


def _moment(name: str, comment: str, *, now: bool = False) -> Column[Any]:
    stamp, default = DateTime(timezone=True), sql("now()") if now else None
    return Column(name, stamp, nullable=not now, server_default=default, comment=comment)


rule = Table(
    "rule",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="name in Chinese"),
    Column("scope", JSONB, comment="which streams: class, observed_property, stream, area …"),
    Column("type", Text, nullable=False, comment="threshold, rate, state, silence, together"),
    Column("severity", SmallInteger, comment="1 notice to 4 danger"),
    Column("cooldown_s", Integer, comment="seconds after its end before it fires again"),
    Column("enabled", Boolean, nullable=False, server_default=sql("true"), comment="in use"),
    Column("code", Text, comment="of a rule that comes with the program; NULL of the city's own"),
    Column("name_en", Text, comment="name in English"),
    Column(
        "condition",
        JSONB,
        nullable=False,
        server_default=sql("'{}'"),
        comment="when it holds: cim.feeds.alarms.judging.Condition",
    ),
    Column(
        "event_kind", Text, nullable=False, server_default=sql("'告警'"), comment="kind of alarm"
    ),
    Column(
        "affects",
        Text,
        nullable=False,
        server_default=sql("'bound'"),
        comment="how affected units are found: none, bound, lift, entrance, gas, smoke, facade, "
        "lane",
    ),
    Column("radius_m", Float, comment="metres around the device that are affected (gas)"),
    Column("message_zh", Text, comment="what an alarm says: {value} {unit} {device} {place}"),
    Column("message_en", Text, comment="the same in English"),
    _moment("updated_at", "changed last", now=True),
    Column("updated_by", Text, comment="by whom: an account or key; NULL as it came"),
    _moment("ended_at", "taken away; never deleted"),
    CheckConstraint("type IN ('threshold', 'rate', 'state', 'silence', 'together')", name="type"),
    CheckConstraint("severity BETWEEN 1 AND 4", name="severity"),
    Index("uq_rule_code", "code", unique=True),
    schema=CITY,
    comment="alarm rules",
)

rule_override = Table(
    "rule_override",
    metadata,
    Column(
        "rule_id", BigInteger, ForeignKey(f"{CITY}.rule.id"), primary_key=True, comment="the rule"
    ),
    Column(
        "datastream_id",
        BigInteger,
        ForeignKey(f"{CITY}.datastream.id"),
        primary_key=True,
        comment="the stream",
    ),
    Column("condition", JSONB, comment="what of the condition is another for it"),
    Column(
        "enabled",
        Boolean,
        nullable=False,
        server_default=sql("true"),
        comment="whether the rule is for it at all",
    ),
    schema=CITY,
    comment="where a rule is another for one stream",
)

rule_watch = Table(
    "rule_watch",
    metadata,
    Column(
        "datastream_id", BigInteger, primary_key=True, autoincrement=False, comment="the stream"
    ),
    Column("rule_id", BigInteger, primary_key=True, autoincrement=False, comment="the rule"),
    Column("part", SmallInteger, comment="which part of a combination the stream is; from 1"),
    Column("group_type", Text, comment="of a combination, the object it is of"),
    Column("group_id", BigInteger, comment="its id"),
    Column("event_id", BigInteger, comment="the alarm that is open"),
    Column(
        "holding",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="the condition held at the latest reading",
    ),
    _moment("since_at", "since when it has held, while no alarm is open"),
    _moment("judged_at", "the reading that changed this last"),
    _moment("held_at", "of a part, when it held last"),
    _moment("done_at", "when the latest alarm ended"),
    _moment("due_at", "when the clock looks again"),
    Index(
        "ix_rule_watch_group",
        "rule_id",
        "group_type",
        "group_id",
        postgresql_where=sql("part IS NOT NULL"),
    ),
    Index("ix_rule_watch_due", "due_at", postgresql_where=sql("due_at IS NOT NULL")),
    schema=CITY,
    comment="which rule watches which stream, and what it remembers",
    postgresql_with={"fillfactor": "80"},
)

event = Table(
    "event",
    metadata,
    identity(),
    reference("rule_id", f"{CITY}.rule", "the rule that fired"),
    Column(
        "kind",
        Text,
        nullable=False,
        comment="告警, 故障, 困人, 离线, 门禁, 高空抛物, 电动车入梯, 消防占道, 违建",
    ),
    reference("device_id", f"{CITY}.device", "the device"),
    Column("object_type", Text, comment="what it concerns"),
    Column("object_id", BigInteger, comment="its id"),
    geometry("geom", "POINT", "place"),
    Column("started_at", DateTime(timezone=True), nullable=False, comment="began"),
    Column("ended_at", DateTime(timezone=True), comment="ended"),
    Column("severity", SmallInteger, comment="1 notice to 4 danger"),
    Column("state", Text, comment="open, acknowledged, closed"),
    reference("datastream_id", f"{CITY}.datastream", "the stream that was judged"),
    Column("value", Float, comment="the number that it began with"),
    Column("value_text", Text, comment="the text or code that it began with"),
    Column("message_zh", Text, comment="what it says, in Chinese"),
    Column("message_en", Text, comment="the same in English"),
    Column("place", Text, comment="where, in words"),
    Column("height", Float, comment="of the place in the height datum (1985), m"),
    Column("building_id", BigInteger, comment="building it is in"),
    Column("storey_id", BigInteger, comment="storey it is on"),
    Column("entrance_id", BigInteger, comment="entrance it is behind"),
    Column("estate_id", BigInteger, comment="estate it is in"),
    Column("area_id", BigInteger, comment="lowest administrative area it is in"),
    Column("grid_id", BigInteger, comment="grid it is in"),
    _moment("noted_at", "when it was written", now=True),
    _moment("acknowledged_at", "somebody has taken it on"),
    Column("acknowledged_by", Text, comment="an account or key"),
    Column(
        "false_alarm",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="somebody found that there was nothing",
    ),
    Index("ix_event_object", "object_type", "object_id", "started_at"),
    Index("ix_event_open", "object_type", "object_id", postgresql_where=sql("ended_at IS NULL")),
    Index("ix_event_going_on", "id", postgresql_where=sql("ended_at IS NULL")),
    Index("ix_event_open_building", "building_id", postgresql_where=sql("ended_at IS NULL")),
    Index("ix_event_device", "device_id", "id"),
    Index(
        "uq_event_open_stream",
        "rule_id",
        "datastream_id",
        unique=True,
        postgresql_where=sql("ended_at IS NULL AND rule_id IS NOT NULL"),
    ),
    Index("ix_event_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="alarms and other happenings",
)

event_unit = Table(
    "event_unit",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False, comment="the alarm"),
    Column("unit_id", BigInteger, primary_key=True, autoincrement=False, comment="the unit"),
    Column(
        "how",
        Text,
        nullable=False,
        comment="own, lift, entrance, near, above, storey, facade",
    ),
    Column("distance_m", Float, comment="from the place, over the ground, m"),
    Column(
        "open",
        Boolean,
        nullable=False,
        server_default=sql("true"),
        comment="affected still",
    ),
    Index("ix_event_unit_unit", "unit_id", "open", "event_id"),
    schema=CITY,
    comment="units that an alarm affects; of a thrown object, those it may have come from",
)

event_building = Table(
    "event_building",
    metadata,
    Column("event_id", BigInteger, primary_key=True, autoincrement=False, comment="the alarm"),
    Column(
        "building_id", BigInteger, primary_key=True, autoincrement=False, comment="the building"
    ),
    Index("ix_event_building_building", "building_id", "event_id"),
    schema=CITY,
    comment="buildings that an alarm is in, or affects",
)

event_lane = Table(
    "event_lane",
    metadata,
    Column("lane", SmallInteger, primary_key=True, autoincrement=False, comment="the lane"),
    Column("last", BigInteger, nullable=False, comment="number of the last entry"),
    Column("digest", LargeBinary, nullable=False, comment="digest of the last entry"),
    schema=CITY,
    comment="where each chain of the history of alarms ends",
)

event_entry = Table(
    "event_entry",
    metadata,
    Column("id", BigInteger, Identity(), primary_key=True, comment="in the order of writing"),
    reference("event_id", f"{CITY}.event", "the alarm", nullable=False),
    Column(
        "kind",
        Text,
        nullable=False,
        comment="begin, again, acknowledge, note, end, false, reopen",
    ),
    Column("at", DateTime(timezone=True), nullable=False, comment="when it happened"),
    Column("noted_at", DateTime(timezone=True), nullable=False, comment="when this was written"),
    Column("actor", Text, comment="who: an account or key; NULL is the rule"),
    Column("note", Text, comment="what they say of it; never names or numbers of people"),
    Column("value", Float, comment="the number it happened with"),
    Column("value_text", Text, comment="the text or code it happened with"),
    Column(
        "detail",
        JSONB,
        nullable=False,
        server_default=sql("'{}'"),
        comment="of a beginning: rule, kind, device, stream, object, severity",
    ),
    Column("lane", SmallInteger, nullable=False, comment="the chain it is in"),
    Column("no", BigInteger, nullable=False, comment="1, 2, 3 … in the chain"),
    Column("previous", LargeBinary, nullable=False, comment="digest of the entry before"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of this entry and `previous`"),
    Index("ix_event_entry_event", "event_id", "id"),
    Index("uq_event_entry_chain", "lane", "no", unique=True),
    schema=CITY,
    comment="history of alarms, append-only, each entry chained to the one before",
)
