"""What clients of SensorThings make themselves, beside the objects and devices of the city.

A number with its kind (`cim.store.queries.sensorthings.objects`) names an entity of either:
key × 8 + kind, kind 0 for those of these tables.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from cim.model.base import CITY, geometry, identity, metadata

NUMBER = "key × 8 + kind of it"


def _words(*more: Column[object], properties: bool = True) -> list[Column[object]]:
    return [
        Column("name", Text, nullable=False, comment="name"),
        Column("description", Text, nullable=False, comment="description"),
        *more,
        *([Column("properties", JSONB, comment="whatever else was said")] if properties else []),
    ]


def _part(name: str, target: str, comment: str, *, primary: bool = False) -> Column[int]:
    key = ForeignKey(f"{CITY}.{target}", ondelete="CASCADE")
    return Column(
        name,
        BigInteger,
        key,
        nullable=False,
        primary_key=primary,
        autoincrement=False,
        comment=comment,
    )


def _place(name: str) -> list[Column[object]]:
    return [
        Column("encoding_type", Text, nullable=False, comment="media type of what follows"),
        Column(name, JSONB, nullable=False, comment="as it was given"),
        geometry("geom", "GEOMETRY", "its geometry, where it is GeoJSON"),
    ]


thing = Table(
    "sta_thing",
    metadata,
    identity(),
    *_words(),
    schema=CITY,
    comment="Things that clients made",
)

location = Table(
    "sta_location",
    metadata,
    identity(),
    *_words(*_place("location")),
    Index("ix_sta_location_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="Locations that clients made",
)

thing_location = Table(
    "sta_thing_location",
    metadata,
    _part("thing_id", "sta_thing.id", "the Thing", primary=True),
    Column(
        "location", BigInteger, primary_key=True, autoincrement=False, comment=f"Location, {NUMBER}"
    ),
    Index("ix_sta_thing_location_location", "location"),
    schema=CITY,
    comment="where Things are that clients made",
)

history = Table(
    "sta_history",
    metadata,
    identity(),
    _part("thing_id", "sta_thing.id", "the Thing"),
    Column("time", DateTime(timezone=True), nullable=False, comment="since when it was there"),
    Index("ix_sta_history_thing", "thing_id"),
    schema=CITY,
    comment="HistoricalLocations of Things that clients made",
)

history_location = Table(
    "sta_history_location",
    metadata,
    _part("history_id", "sta_history.id", "the HistoricalLocation", primary=True),
    Column(
        "location", BigInteger, primary_key=True, autoincrement=False, comment=f"Location, {NUMBER}"
    ),
    Index("ix_sta_history_location_location", "location"),
    schema=CITY,
    comment="where Things were that clients made",
)

sensor = Table(
    "sta_sensor",
    metadata,
    identity(),
    *_words(
        Column("encoding_type", Text, nullable=False, comment="media type of the metadata"),
        Column("metadata", JSONB, nullable=False, comment="description, or its address"),
    ),
    schema=CITY,
    comment="Sensors that clients made",
)

observed = Table(
    "sta_property",
    metadata,
    identity(),
    Column(
        "code",
        Text,
        nullable=False,
        server_default=sql("gen_random_uuid()::text"),
        comment="what datastreams name it by",
    ),
    *_words(Column("definition", Text, nullable=False, comment="address of its definition")),
    Index("uq_sta_property_code", "code", unique=True),
    schema=CITY,
    comment="ObservedProperties: those of all datastreams, and those that clients made",
)

feature = Table(
    "sta_feature",
    metadata,
    identity(),
    *_words(*_place("feature")),
    Column("made_of", BigInteger, comment=f"Location it was made of, {NUMBER}; NULL for none"),
    Index("ix_sta_feature_geom", "geom", postgresql_using="gist"),
    Index(
        "uq_sta_feature_made_of",
        "made_of",
        unique=True,
        postgresql_where=sql("made_of IS NOT NULL"),
    ),
    schema=CITY,
    comment="FeaturesOfInterest that clients made, or that were made of a Location",
)

stream = Table(
    "sta_datastream",
    metadata,
    _part("datastream_id", "datastream.id", "the datastream", primary=True),
    Column("thing", BigInteger, comment=f"Thing, {NUMBER}; NULL where the device says it"),
    Column("sensor", BigInteger, comment=f"Sensor, {NUMBER}; NULL where it is the device"),
    Column("name", Text, comment="name; NULL where that of the device"),
    Column("description", Text, comment="description"),
    Column("observation_type", Text, comment="kind of its results, an address"),
    Column("unit", JSONB, comment="unit of measurement as it was given"),
    Column("properties", JSONB, comment="whatever else was said"),
    geometry("area", "GEOMETRY", "where its readings were made"),
    Column("multi", JSONB, comment="of one with several results: their units and types"),
    Column(
        "result_first", DateTime(timezone=True), comment="first result time said of its readings"
    ),
    Column("result_last", DateTime(timezone=True), comment="last of them"),
    Index("ix_sta_datastream_thing", "thing"),
    Index("ix_sta_datastream_sensor", "sensor"),
    schema=CITY,
    comment="what clients say of datastreams: of their own, and of those of devices",
)

part = Table(
    "sta_part",
    metadata,
    _part("datastream_id", "datastream.id", "the datastream", primary=True),
    Column("no", Integer, primary_key=True, autoincrement=False, comment="which of its results"),
    _part("property_id", "sta_property.id", "the ObservedProperty"),
    Index("ix_sta_part_property", "property_id"),
    schema=CITY,
    comment="what each result of a datastream with several is",
)

reading = Table(
    "sta_observation",
    metadata,
    _part("datastream_id", "datastream.id", "the datastream", primary=True),
    Column(
        "phenomenon_time",
        DateTime(timezone=True),
        primary_key=True,
        comment="of the reading; the begin of a period",
    ),
    Column("until", DateTime(timezone=True), comment="end of the period; NULL for a moment"),
    Column("result_time", DateTime(timezone=True), comment="when the result came about"),
    Column("result", JSONB, comment="result that is neither number nor text"),
    Column("result_quality", JSONB, comment="quality as it was given"),
    Column("valid_from", DateTime(timezone=True), comment="may be used from then on"),
    Column("valid_to", DateTime(timezone=True), comment="until then"),
    Column("parameters", JSONB, comment="how it was made"),
    Column("feature", BigInteger, comment=f"FeatureOfInterest, {NUMBER}; NULL where that is known"),
    Index("ix_sta_observation_feature", "feature", postgresql_where=sql("feature IS NOT NULL")),
    schema=CITY,
    comment="what clients said of readings besides time and value",
)
