"""What every table shares: the metadata, the schemas, and the columns that recur."""

from typing import Any

from geoalchemy2 import Geometry
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKey,
    Identity,
    MetaData,
    SmallInteger,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

SRID = 4490
"""CGCS2000 longitude/latitude; heights are columns, never z of a footprint."""

CITY, PII, PLATFORM = "city", "pii", "platform"
"""No personal data; personal data; the service itself."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def identity(comment: str = "our key; never an official code") -> Column[int]:
    """The primary key: a generated bigint that a loader may also set."""
    return Column("id", BigInteger, Identity(), primary_key=True, comment=comment)


def geometry(
    name: str, kind: str, comment: str, *, nullable: bool = True, z: bool = False
) -> Column[Any]:
    """A geometry column in CGCS2000 degrees; its GiST index is declared with the table."""
    return Column(
        name,
        Geometry(
            kind + ("Z" if z else ""), srid=SRID, dimension=3 if z else 2, spatial_index=False
        ),
        nullable=nullable,
        comment=comment,
    )


def reference(name: str, target: str, comment: str, *, nullable: bool = True) -> Column[int]:
    """A foreign key to another table's `id`."""
    return Column(name, BigInteger, ForeignKey(f"{target}.id"), nullable=nullable, comment=comment)


def provenance() -> list[Column[Any]]:
    """Where the row came from, and when it was written and ended.

    `source_id` and `ext_id` together are the key in the source: loading again is an update.
    """
    return [
        Column(
            "source_id",
            SmallInteger,
            ForeignKey(f"{CITY}.source_system.id"),
            comment="the system the row came from",
        ),
        Column("ext_id", Text, comment="the row's key in its source system"),
        Column("attrs", JSONB, comment="further fields of the source, as they came"),
        *times(),
    ]


def times() -> list[Column[Any]]:
    """Database time of the current row; what it was before is in platform.change."""
    stamp = DateTime(timezone=True)
    return [
        Column(
            "created_at",
            stamp,
            nullable=False,
            server_default=sql("now()"),
            comment="first written",
        ),
        Column(
            "updated_at", stamp, nullable=False, server_default=sql("now()"), comment="last changed"
        ),
        Column("ended_at", stamp, comment="no longer in its source or in the world; never deleted"),
    ]
