"""Devices bound to units, their datastreams and readings."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql

from cim.model.base import CITY, geometry, identity, metadata, provenance, reference

device = Table(
    "device",
    metadata,
    identity(),
    Column("class_code", Text, nullable=False, comment="code of list device_class"),
    Column("name", Text, comment="name"),
    reference("vendor_org_id", f"{CITY}.organisation", "vendor"),
    Column("model", Text, comment="model"),
    Column("serial_no", Text, comment="serial number"),
    Column("protocol", Text, comment="how its messages arrive"),
    Column(
        "bind_type",
        Text,
        comment="unit, entrance, storey, building, estate, facility, project; NULL while unbound",
    ),
    Column("bind_id", BigInteger, comment="id of what it is bound to"),
    reference(
        "building_id", f"{CITY}.building", "building of the bound object, repeated for look-up"
    ),
    geometry("geom", "POINT", "place"),
    Column("elevation", Float, comment="above ground_elev, m"),
    Column("azimuth", Float, comment="degrees from north"),
    Column("pitch", Float, comment="degrees above the horizon"),
    Column("fov_h", Float, comment="horizontal field of view, degrees"),
    Column("fov_v", Float, comment="vertical field of view, degrees"),
    Column("range_m", Float, comment="reach, m"),
    Column("install_on", Date, comment="installed"),
    Column(
        "status",
        Text,
        nullable=False,
        server_default=sql("'active'"),
        comment="active, faulty, removed",
    ),
    Column("last_seen", DateTime(timezone=True), comment="last message"),
    Column("signage_present", Boolean, comment="a camera's public sign is up"),
    Column(
        "secrecy",
        SmallInteger,
        nullable=False,
        server_default=sql("0"),
        comment="0 public; higher is more secret",
    ),
    *provenance(),
    reference("gateway_id", f"{CITY}.device", "the device that it speaks through"),
    Index("uq_device_source", "source_id", "ext_id", unique=True),
    Index("ix_device_bind", "bind_type", "bind_id"),
    Index("ix_device_building", "building_id"),
    Index("ix_device_geom", "geom", postgresql_using="gist"),
    Index("ix_device_gateway", "gateway_id", postgresql_where=sql("gateway_id IS NOT NULL")),
    schema=CITY,
    comment="devices and what each is bound to",
)

datastream = Table(
    "datastream",
    metadata,
    identity(),
    reference(
        "device_id", f"{CITY}.device", "the device; NULL where a client of SensorThings made it"
    ),
    Column("name", Text, nullable=False, comment="name within the device"),
    Column("observed_property", Text, nullable=False, comment="what is measured"),
    Column("unit_ucum", Text, comment="unit of measure, UCUM"),
    Column(
        "result_type",
        Text,
        nullable=False,
        server_default=sql("'number'"),
        comment="number, text, boolean, code",
    ),
    Column("interval_s", Integer, comment="expected seconds between readings"),
    Column("last_value", Float, comment="latest number"),
    Column("last_text", Text, comment="latest text"),
    Column("last_at", DateTime(timezone=True), comment="time of the latest reading"),
    Column("quality", SmallInteger, comment="quality of the latest reading"),
    Column(
        "kind",
        Text,
        nullable=False,
        server_default=sql("'gauge'"),
        comment="gauge; counter, which grows and may begin anew; state",
    ),
    Column("low", Float, comment="least that can be true; a reading below it is of quality 4"),
    Column("high", Float, comment="most that can be true; a reading above it is of quality 4"),
    Column(
        "retention",
        Text,
        ForeignKey(f"{CITY}.retention_class.code"),
        nullable=False,
        server_default=sql("'normal'"),
        comment="how long its raw readings are kept",
    ),
    Column("first_at", DateTime(timezone=True), comment="time of its oldest reading"),
    Column("received_at", DateTime(timezone=True), comment="when the latest reading arrived"),
    Column(
        "ruled",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="an alarm rule watches it",
    ),
    Index("uq_datastream_name", "device_id", "name", unique=True),
    Index("ix_datastream_observed", "observed_property", "id"),
    schema=CITY,
    comment="one measured quantity of one device, with its latest value",
    postgresql_with={"fillfactor": "70"},
)

observation = Table(
    "observation",
    metadata,
    Column(
        "datastream_id", BigInteger, primary_key=True, autoincrement=False, comment="the datastream"
    ),
    Column(
        "phenomenon_time", DateTime(timezone=True), primary_key=True, comment="when it was measured"
    ),
    Column("result", Float, comment="number"),
    Column("result_text", Text, comment="text"),
    Column("quality", SmallInteger, comment="0 good; others by list reading_quality"),
    Index("ix_observation_time", "phenomenon_time", postgresql_using="brin"),
    schema=CITY,
    comment="readings, one partition a day",
    postgresql_partition_by="RANGE (phenomenon_time)",
)

retention_class = Table(
    "retention_class",
    metadata,
    Column("code", Text, primary_key=True, comment="short, normal, long"),
    Column("days", Integer, nullable=False, comment="days that raw readings are kept"),
    Column("name_zh", Text, nullable=False, comment="name in Chinese"),
    Column("name_en", Text, nullable=False, comment="name in English"),
    Column(
        "dropped_before",
        DateTime(timezone=True),
        comment="raw readings of before this have been taken away",
    ),
    schema=CITY,
    comment="how long raw readings are kept; what is rolled up stays",
)

device_type = Table(
    "device_type",
    metadata,
    Column("class_code", Text, primary_key=True, comment="code of list device_class"),
    Column("note_zh", Text, comment="what is to be known of its streams, in Chinese"),
    Column("note_en", Text, comment="the same in English"),
    schema=CITY,
    comment="classes of devices whose streams are known beforehand",
)

stream_type = Table(
    "stream_type",
    metadata,
    Column(
        "class_code",
        Text,
        ForeignKey(f"{CITY}.device_type.class_code"),
        primary_key=True,
        comment="class of the device",
    ),
    Column("name", Text, primary_key=True, comment="name of the stream within the device"),
    Column("name_zh", Text, nullable=False, comment="as a screen shows it, in Chinese"),
    Column("name_en", Text, nullable=False, comment="the same in English"),
    Column("observed_property", Text, nullable=False, comment="what is measured"),
    Column("unit_ucum", Text, comment="unit of measure, UCUM"),
    Column("result_type", Text, nullable=False, comment="number, text, boolean, code"),
    Column("kind", Text, nullable=False, comment="gauge, counter, state"),
    Column("low", Float, comment="least that can be true"),
    Column("high", Float, comment="most that can be true"),
    Column("interval_s", Integer, comment="expected seconds between readings"),
    Column(
        "retention",
        Text,
        ForeignKey(f"{CITY}.retention_class.code"),
        nullable=False,
        comment="how long its raw readings are kept",
    ),
    schema=CITY,
    comment="streams that a device of a class has",
)

device_binding = Table(
    "device_binding",
    metadata,
    identity(),
    reference("device_id", f"{CITY}.device", "the device", nullable=False),
    Column("bind_type", Text, comment="kind of object; NULL while it was bound to none"),
    Column("bind_id", BigInteger, comment="id of what it was bound to"),
    Column(
        "valid_from", DateTime(timezone=True), nullable=False, comment="bound from this moment on"
    ),
    Column("valid_to", DateTime(timezone=True), comment="until this one; NULL is still"),
    Index("ix_device_binding_device", "device_id", "valid_from"),
    Index("ix_device_binding_object", "bind_type", "bind_id"),
    Index(
        "ix_device_binding_home",
        "device_id",
        "valid_to",
        postgresql_where=sql("bind_type = 'unit' AND valid_to IS NOT NULL"),
    ),
    schema=CITY,
    comment="what each device was bound to and when, kept by triggers; old readings stay with it",
)
