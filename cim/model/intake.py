"""The intake: files handed in for loading, and pairs of buildings that two sources may share."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from cim.model.base import PLATFORM, identity, metadata, reference

_NOW = sql("now()")

_GROUP = "^[0-9A-Za-z][0-9A-Za-z_-]{7,63}$"
_FILE = r"^[^./\\][^/\\]*$"
"""Shapes of what becomes a path in the folder of uploads: none leads out of it."""

_OWNER = "whose it is: account:ID, key:ID, or a digest of who was vouched for"


def _a_file(column: str) -> str:
    return f"{column} ~ '{_FILE}' AND octet_length({column}) <= 255"


intake = Table(
    "intake",
    metadata,
    identity(),
    Column("upload", Text, nullable=False, comment="the group of uploads it lies in"),
    Column("file", Text, nullable=False, comment="the file's own name, without a folder"),
    Column("kind", Text, nullable=False, comment="what it is loaded as: buildings, model …"),
    Column("request", JSONB, nullable=False, comment="mapping, crs, source … as asked"),
    Column("dry_run", Boolean, nullable=False, comment="whether nothing is to be kept"),
    Column(
        "actor", Text, nullable=False, comment="name of who asked, as it was then; never a secret"
    ),
    Column(
        "state",
        Text,
        nullable=False,
        server_default=sql("'waiting'"),
        comment="waiting, running, done, failed, cancelled",
    ),
    Column("step", Text, comment="wait, read, compare, keep, units, commit"),
    Column("rows_done", BigInteger, comment="rows so far"),
    Column("rows_total", BigInteger, comment="rows in all, where known"),
    Column("report", JSONB, comment="the outcome, as `cim load` prints it"),
    Column("error_en", Text, comment="why nothing could be loaded, in English"),
    Column("error_zh", Text, comment="why nothing could be loaded, in Chinese"),
    reference("import_id", f"{PLATFORM}.data_import", "the import; NULL for a dry run"),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=_NOW,
        comment="asked for",
    ),
    Column("started_at", DateTime(timezone=True), comment="began"),
    Column("seen_at", DateTime(timezone=True), comment="last sign of life of whoever runs it"),
    Column("finished_at", DateTime(timezone=True), comment="ended"),
    Column("cancelled_at", DateTime(timezone=True), comment="asked to stop"),
    Column(
        "attempts",
        SmallInteger,
        nullable=False,
        server_default=sql("0"),
        comment="how often it was begun; a worker that dies leaves it to the next",
    ),
    Column("owner", Text, nullable=False, comment=_OWNER),
    CheckConstraint(f"upload ~ '{_GROUP}'", name="upload"),
    CheckConstraint(_a_file("file"), name="file"),
    CheckConstraint("state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name="state"),
    Index("ix_intake_created", "created_at"),
    Index("ix_intake_import", "import_id"),
    schema=PLATFORM,
    comment="files handed in through the service, and how far each has come",
)

upload = Table(
    "upload",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="the random name by which it is continued"),
    Column("group_name", Text, nullable=False, comment="files of one group lie in one folder"),
    Column("file", Text, nullable=False, comment="the file's own name, without a folder"),
    Column("size", BigInteger, nullable=False, comment="bytes that were announced"),
    Column(
        "actor", Text, nullable=False, comment="name of who sent it, as it was then; never a secret"
    ),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=_NOW,
        comment="announced",
    ),
    Column("owner", Text, nullable=False, comment=_OWNER),
    CheckConstraint(f"group_name ~ '{_GROUP}'", name="group_name"),
    CheckConstraint("name ~ '^[0-9a-f]{32}$'", name="name"),
    CheckConstraint(_a_file("file"), name="file"),
    UniqueConstraint("name"),
    UniqueConstraint("group_name", "file"),
    schema=PLATFORM,
    comment="files in the folder of uploads; how much of one is there, its size on the disk says",
)

match = Table(
    "match",
    metadata,
    identity(),
    Column("object_type", Text, nullable=False, comment="what is compared: building"),
    Column("source_a", SmallInteger, nullable=False, comment="the source held to be right"),
    Column("source_b", SmallInteger, nullable=False, comment="the source compared with it"),
    Column("a_id", BigInteger, nullable=False, comment="object of the first source"),
    Column("b_id", BigInteger, nullable=False, comment="object of the second source"),
    Column("score", SmallInteger, nullable=False, comment="0 to 100: how alike they are"),
    Column("overlap", Float, comment="shared area ÷ area of both together"),
    Column("reasons", JSONB, nullable=False, comment="what speaks for it: overlap, code, address"),
    Column(
        "decision",
        Text,
        nullable=False,
        server_default=sql("'proposed'"),
        comment="proposed, same, different",
    ),
    Column("decided_by", Text, comment="post or key that decided; never a person's name"),
    Column("decided_at", DateTime(timezone=True), comment="when"),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=_NOW,
        comment="proposed",
    ),
    CheckConstraint("decision IN ('proposed', 'same', 'different')", name="decision"),
    UniqueConstraint("object_type", "a_id", "b_id"),
    Index("ix_match_b", "object_type", "b_id"),
    schema=PLATFORM,
    comment="objects of two sources that may be one, and what was decided",
)
