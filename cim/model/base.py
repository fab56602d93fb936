"""What every table shares: the metadata, the schemas, and the columns that recur."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    LargeBinary,
    MetaData,
    SmallInteger,
    Text,
    TypeDecorator,
    event,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

SRID = 4490
"""CGCS2000 longitude/latitude; heights are columns, never z of a footprint."""

CITY, PII, PLATFORM, SECURITY = "city", "pii", "platform", "security"
"""No personal data; personal data; the service itself; who may do what, and who did."""

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


class Shape(TypeDecorator[bytes]):
    """GeoAlchemy2's Geometry, which is asked for when a table is made or its DDL written.

    Importing it takes a tenth of a second, most of it for databases that are not ours; few
    commands make a table, and rows travel by `cim.store.copy.columns`.
    """

    impl = LargeBinary
    cache_ok = True
    spatial_index = False
    """None is made unasked: GeoAlchemy2 looks here."""

    def __init__(self, kind: str) -> None:
        """Of a kind of geometry as PostGIS calls it, such as POINTZ."""
        super().__init__()
        self.kind = kind

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """What stands for it in the database."""
        from geoalchemy2 import Geometry  # noqa: PLC0415 - said above

        dimension = 3 if self.kind.endswith("Z") else 2
        made: TypeEngine[Any] = Geometry(
            self.kind, srid=SRID, dimension=dimension, spatial_index=self.spatial_index
        )
        return made


@event.listens_for(metadata, "before_create")
def _listen(*_: Any, **__: Any) -> None:
    """Let GeoAlchemy2 listen from the first table on: in the middle of one it would stumble."""
    import geoalchemy2  # noqa: F401, PLC0415 - importing it is what makes it listen


def geometry(
    name: str, kind: str, comment: str, *, nullable: bool = True, z: bool = False
) -> Column[Any]:
    """A geometry column in CGCS2000 degrees; its GiST index is declared with the table."""
    return Column(name, Shape(kind + ("Z" if z else "")), nullable=nullable, comment=comment)


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
