"""How many people live where, as it may be told; `cim/store/rules/people_counts.sql` keeps it."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, Table, Text

from cim.model.base import CITY, SECURITY, geometry, metadata

building_people = Table(
    "building_people",
    metadata,
    Column(
        "building_id", BigInteger, primary_key=True, autoincrement=False, comment="the building"
    ),
    geometry("at", "POINT", "a place inside its outline", nullable=False),
    Column(
        "key",
        BigInteger,
        nullable=False,
        comment="the place as a cell of the world's quadtree, 20 levels down (Morton code)",
    ),
    Column(
        "people",
        Integer,
        nullable=False,
        comment="residents as they may be told: a multiple of five, by a secret offset",
    ),
    Index("ix_building_people_key", "key", postgresql_include=["people"]),
    schema=CITY,
    comment="people per building as they may be counted, kept by triggers; none is no row",
)

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True, comment="what it is for"),
    Column("value", LargeBinary, nullable=False, comment="32 random bytes"),
    schema=SECURITY,
    comment="what the database keeps to itself; no role reads it",
)
