"""Feeds of messages, the keys devices come with, and messages that could not come in."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from cim.model.base import CITY, PLATFORM, identity, metadata, reference


def _made(name: str, comment: str) -> Column[object]:
    stamp = DateTime(timezone=True)
    return Column(name, stamp, nullable=False, server_default=sql("now()"), comment=comment)


feed = Table(
    "feed",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="by which it is called; in URLs"),
    Column("transport", Text, nullable=False, comment="mqtt, http, replay"),
    Column("decoder", Text, nullable=False, comment="format of its payloads"),
    Column(
        "source_id",
        SmallInteger,
        ForeignKey(f"{CITY}.source_system.id"),
        nullable=False,
        comment="the system whose keys its devices go by",
    ),
    Column("topic", Text, comment="what is subscribed to; NULL where it is pushed"),
    Column(
        "options",
        JSONB,
        nullable=False,
        server_default=sql("'{}'"),
        comment="what the decoder and the transport are told; never a secret",
    ),
    Column(
        "provision",
        Text,
        nullable=False,
        server_default=sql("'none'"),
        comment="what is made when it is named first: none, streams (of known devices), devices",
    ),
    Column("enabled", Boolean, nullable=False, server_default=sql("true"), comment="in use"),
    Column("key_prefix", Text, comment="how the key begins that pushes into it"),
    Column("key_digest", LargeBinary, comment="SHA-256 of this key"),
    _made("made_at", "made"),
    Index("uq_feed_name", "name", unique=True),
    schema=PLATFORM,
    comment="where messages of devices come from, and in what format",
)

feed_map = Table(
    "feed_map",
    metadata,
    identity(),
    reference("feed_id", f"{PLATFORM}.feed", "the feed", nullable=False),
    Column("class_code", Text, comment="for devices of this class; NULL is any"),
    Column("device", Text, comment="for this device alone, by its key; NULL is any"),
    Column("path", Text, nullable=False, comment="where in the payload"),
    Column("stream", Text, comment="the stream's name; NULL leaves what stands there out"),
    Column("unit_ucum", Text, comment="unit of the number as it comes, UCUM"),
    Column("scale", Float, nullable=False, server_default=sql("1"), comment="times this"),
    Column("offset", Float, nullable=False, server_default=sql("0"), comment="and then plus this"),
    Column("texts", JSONB, comment="value as it comes → value of the stream"),
    Index("ix_feed_map_feed", "feed_id"),
    schema=PLATFORM,
    comment="which place in a payload is which stream",
)

dead_letter = Table(
    "dead_letter",
    metadata,
    identity(),
    _made("received_at", "when the message arrived"),
    reference("feed_id", f"{PLATFORM}.feed", "the feed; NULL where none takes it"),
    Column("topic", Text, nullable=False, comment="where it was published, or pushed to"),
    Column("content_type", Text, comment="media type of a push"),
    Column("payload", LargeBinary, comment="as it came; NULL where it may not be kept"),
    Column("reason", Text, nullable=False, comment="code of the reason"),
    Column("detail", Text, comment="device, stream and value at fault"),
    Column("repeats", Integer, nullable=False, server_default=sql("0"), comment="more of them"),
    Column("tries", Integer, nullable=False, server_default=sql("0"), comment="replays"),
    Column("tried_at", DateTime(timezone=True), comment="replayed last"),
    Column("settled_at", DateTime(timezone=True), comment="came in at last, or was dropped"),
    Column("sender", Text, comment="who pushed it, by a key of its own; NULL is as the topic says"),
    Index(
        "ix_dead_letter_open",
        "feed_id",
        "reason",
        "received_at",
        postgresql_where=sql("settled_at IS NULL"),
    ),
    Index("ix_dead_letter_time", "received_at", postgresql_using="brin"),
    schema=PLATFORM,
    comment="messages that could not come in, whole or in part, with the reason",
)

arrival = Table(
    "arrival",
    metadata,
    identity(),
    Column("session", Text, nullable=False, comment="what the ingester calls itself to a broker"),
    _made("made_at", "written"),
    Column("messages", Integer, nullable=False, comment="messages of a batch that said no time"),
    Column(
        "entries",
        LargeBinary,
        nullable=False,
        comment="of each: number of the packet, hash of the payload, arrival in µs since 1970",
    ),
    Index("ix_arrival_session", "session", "id"),
    schema=PLATFORM,
    comment="when messages without a time arrived first, in case the broker sends them again",
)

feed_tally = Table(
    "feed_tally",
    metadata,
    Column(
        "feed_id",
        BigInteger,
        ForeignKey(f"{PLATFORM}.feed.id"),
        primary_key=True,
        comment="the feed",
    ),
    Column("hour", DateTime(timezone=True), primary_key=True, comment="the hour they arrived in"),
    Column(
        "fate",
        Text,
        primary_key=True,
        comment="stored, duplicate, late, corrected, out_of_range, or the reason of a dead letter",
    ),
    Column("readings", BigInteger, nullable=False, comment="how many"),
    schema=PLATFORM,
    comment="what became of the readings of each feed, by the hour",
)

device_key = Table(
    "device_key",
    metadata,
    identity(),
    reference("device_id", f"{CITY}.device", "whose it is: a device, or a gateway", nullable=False),
    Column("username", Text, nullable=False, comment="as it calls itself at the broker"),
    Column("prefix", Text, nullable=False, comment="how the key begins"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the key"),
    Column("broker_hash", Text, nullable=False, comment="the key as Mosquitto keeps it"),
    _made("made_at", "made"),
    Column("expires_at", DateTime(timezone=True), comment="good until; NULL is for ever"),
    Column("ended_at", DateTime(timezone=True), comment="taken away"),
    Column("used_at", DateTime(timezone=True), comment="used last, to the minute"),
    Index("uq_device_key_digest", "digest", unique=True),
    Index("ix_device_key_device", "device_id"),
    Index(
        "uq_device_key_username",
        "username",
        unique=True,
        postgresql_where=sql("ended_at IS NULL"),
    ),
    schema=PLATFORM,
    comment="keys of devices and gateways, hashed; each was shown once",
)

device_claim = Table(
    "device_claim",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the code"),
    reference("device_id", f"{CITY}.device", "the device that it gives a key", nullable=False),
    _made("made_at", "made"),
    Column("expires_at", DateTime(timezone=True), nullable=False, comment="good until"),
    Column("used_at", DateTime(timezone=True), comment="used; it is good once"),
    Index("ix_device_claim_device", "device_id"),
    schema=PLATFORM,
    comment="codes by which whoever puts a device up gets its key",
)
