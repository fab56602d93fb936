"""Who is told of alarms and sent readings over HTTP, and what waits for them.

An alarm is written down for its receivers with it, readings once a second from `reading_log`
(`cim/store/rules/webhooks.sql`).
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cim.model.base import PLATFORM, identity, metadata, reference


def _moment(name: str, comment: str, *, now: bool = False) -> Column[Any]:
    stamp, default = DateTime(timezone=True), sql("now()") if now else None
    return Column(name, stamp, nullable=not now, server_default=default, comment=comment)


webhook = Table(
    "webhook",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="whose it is: a regulator, a platform"),
    Column("url", Text, nullable=False, comment="where it is sent"),
    Column("secret_enc", LargeBinary, nullable=False, comment="what it is signed with, encrypted"),
    Column(
        "filter",
        JSONB,
        nullable=False,
        server_default=sql("'{}'"),
        comment="which alarms and which readings: cim.feeds.webhooks.filters.Filter",
    ),
    Column("enabled", Boolean, nullable=False, server_default=sql("true"), comment="in use"),
    Column("made_by", Text, comment="an account"),
    _moment("made_at", "made", now=True),
    _moment("ended_at", "taken away"),
    Column(
        "readings_sent",
        BigInteger,
        nullable=False,
        server_default=sql("0"),
        comment="readings that the receiver took",
    ),
    Column(
        "readings_dropped",
        BigInteger,
        nullable=False,
        server_default=sql("0"),
        comment="readings that waited too long or were too many, and are not sent",
    ),
    _moment("readings_at", "when it took readings last"),
    Index("uq_webhook_name", "name", unique=True, postgresql_where=sql("ended_at IS NULL")),
    schema=PLATFORM,
    comment="who is told of alarms, and sent readings, over HTTP",
)

webhook_delivery = Table(
    "webhook_delivery",
    metadata,
    identity("the order in which they are sent"),
    reference("webhook_id", f"{PLATFORM}.webhook", "to whom", nullable=False),
    Column("entry_id", BigInteger, comment="the entry that is told of; NULL of readings"),
    Column(
        "key",
        Text,
        nullable=False,
        server_default=sql("'msg_' || replace(gen_random_uuid()::text, '-', '')"),
        comment="by which the receiver knows it again",
    ),
    _moment("made_at", "when it was put here", now=True),
    Column("tries", Integer, nullable=False, server_default=sql("0"), comment="times tried"),
    Column(
        "next_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=sql("now()"),
        comment="not before",
    ),
    Column("status", Integer, comment="HTTP status of the last answer"),
    Column("error", Text, comment="why the last try failed"),
    _moment("sent_at", "taken by the receiver"),
    _moment("dead_at", "given up; it can be sent again"),
    Column("streams", ARRAY(BigInteger), comment="datastreams of the readings; NULL of an entry"),
    Column(
        "times", ARRAY(DateTime(timezone=True)), comment="when each of them was measured, as many"
    ),
    Column(
        "filling",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="readings are still added",
    ),
    CheckConstraint(
        "(entry_id IS NULL) = (streams IS NOT NULL)"
        " AND cardinality(streams) IS NOT DISTINCT FROM cardinality(times)",
        name="what",
    ),
    Index(
        "ix_webhook_delivery_waiting",
        "webhook_id",
        "id",
        postgresql_where=sql("sent_at IS NULL AND dead_at IS NULL AND entry_id IS NOT NULL"),
    ),
    Index(
        "ix_webhook_delivery_readings",
        "webhook_id",
        "id",
        postgresql_where=sql("entry_id IS NULL"),
    ),
    Index("uq_webhook_delivery_entry", "webhook_id", "entry_id", unique=True),
    Index(
        "ix_webhook_delivery_dead", "webhook_id", "id", postgresql_where=sql("dead_at IS NOT NULL")
    ),
    schema=PLATFORM,
    comment="what is to be sent to whom: alarms, written with them, and readings; at least once",
)

reading_log = Table(
    "reading_log",
    metadata,
    identity("a number of its own"),
    _moment("made_at", "when the readings were written", now=True),
    Column("streams", ARRAY(BigInteger), nullable=False, comment="datastreams, one a reading"),
    Column(
        "times",
        ARRAY(DateTime(timezone=True)),
        nullable=False,
        comment="when each of them was measured, as many",
    ),
    schema=PLATFORM,
    comment="readings that were written, corrected or taken away, a row a batch, until it is seen "
    "to whom they are sent; empty while nobody is sent any",
)
