"""Data quality: what the last check of the city found, and where it is on the map."""

from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, Table, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from cim.model.base import PLATFORM, metadata

check_run = Table(
    "check_run",
    metadata,
    Column("result", JSONB, nullable=False, comment="the whole result, as `cim check --json`"),
    Column(
        "at", DateTime(timezone=True), nullable=False, server_default=sql("now()"), comment="when"
    ),
    schema=PLATFORM,
    comment="the result of the last `cim check`; one row",
)

finding = Table(
    "finding",
    metadata,
    Column("name", Text, primary_key=True, comment="the check, such as duplicate_addresses"),
    Column("no", Integer, primary_key=True, autoincrement=False, comment="1, 2, 3 … in the check"),
    Column("object_type", Text, nullable=False, comment="what is at fault: building, unit …"),
    Column("object_id", BigInteger, nullable=False, comment="its id"),
    Column("building_id", BigInteger, comment="the building it belongs to, where it has one"),
    Column("label", Text, comment="what it is called: name, room, address"),
    Column("lon", Float, comment="degrees; NULL where it has no place"),
    Column("lat", Float, comment="degrees; NULL where it has no place"),
    schema=PLATFORM,
    comment="what the last `cim check` found, the first of each check, with its place",
)
