"""Vector tiles that are kept, what they count, and which places have changed since."""

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, SmallInteger, Table, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import UserDefinedType

from cim.model.base import PLATFORM, metadata


class Native(UserDefinedType[str]):
    """A type of PostgreSQL's that SQLAlchemy has no name for; values travel as texts."""

    cache_ok = True

    def __init__(self, name: str) -> None:
        """Of a name such as xid8."""
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Its name."""
        return self.name


def _blocks(which: str) -> list[Column[int]]:
    """A rectangle of blocks, squares of which the world is 2^14 wide, from 180° W, 90° S."""
    return [
        Column("west", Integer, nullable=False, comment=f"first column of the blocks {which}"),
        Column("south", Integer, nullable=False, comment="first row, from the south pole"),
        Column("east", Integer, nullable=False, comment="last column"),
        Column("north", Integer, nullable=False, comment="last row"),
    ]


vector_tile = Table(
    "vector_tile",
    metadata,
    Column("collection", Text, primary_key=True, comment="the collection it shows"),
    Column("matrices", Text, primary_key=True, comment="the tile matrix set"),
    Column("z", SmallInteger, primary_key=True, autoincrement=False, comment="level in the set"),
    Column("x", Integer, primary_key=True, autoincrement=False, comment="column from the west"),
    Column("y", Integer, primary_key=True, autoincrement=False, comment="row from the north"),
    Column("program", Text, nullable=False, comment="digest of what it was made by, and where"),
    Column(
        "snapshot",
        Native("pg_snapshot"),
        nullable=False,
        comment="the transactions whose changes it shows",
    ),
    Column("etag", Text, nullable=False, comment="digest of its bytes"),
    Column("data", LargeBinary, nullable=False, comment="its bytes as they travel: MVT, gzipped"),
    *_blocks("of what it shows"),
    schema=PLATFORM,
    comment="vector tiles that are kept; none holds what is not public",
)

vector_cell = Table(
    "vector_cell",
    metadata,
    Column("collection", Text, primary_key=True, comment="the collection that is counted"),
    Column(
        "x",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="column of the cell, from 180° W; the world is 2^18 cells wide",
    ),
    Column(
        "y",
        Integer,
        primary_key=True,
        autoincrement=False,
        comment="row of the cell, from the south pole; cells are square in degrees",
    ),
    Column("count", Integer, nullable=False, comment="features whose middle lies in it"),
    Column("sums", ARRAY(Float), nullable=False, comment="sums of the properties that are added"),
    schema=PLATFORM,
    comment="how many features there are, cell by cell: what tiles show from afar",
)

vector_touched = Table(
    "vector_touched",
    metadata,
    Column("collection", Text, nullable=False, comment="the collection"),
    Column(
        "xid",
        Native("xid8"),
        nullable=False,
        server_default=sql("pg_current_xact_id()"),
        comment="the transaction that changed something",
    ),
    *_blocks("that were touched"),
    schema=PLATFORM,
    comment="places where something changed that kept vector tiles may not show yet",
)

vector_state = Table(
    "vector_state",
    metadata,
    Column("collection", Text, primary_key=True, comment="the collection"),
    Column(
        "sweeps",
        BigInteger,
        nullable=False,
        server_default=sql("0"),
        comment="how often stale tiles were cleared: one made across a sweep is not kept",
    ),
    Column(
        "counted",
        Native("pg_snapshot"),
        comment="the transactions whose changes the cells show; NULL before they are counted",
    ),
    schema=PLATFORM,
    comment="how far the kept vector tiles of a collection are",
)
