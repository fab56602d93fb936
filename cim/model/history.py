"""Readings summed up by five minutes, hours and days, and what of that is still to be done."""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    SmallInteger,
    Table,
    Text,
)

from cim.model.base import CITY, identity, metadata

_STAMP = DateTime(timezone=True)


def _rollup(name: str, comment: str, *more: Column[int]) -> Table:
    """A table of sums that can be added up further: an hour's are made of its five minutes'."""
    return Table(
        name,
        metadata,
        Column(
            "datastream_id", BigInteger, primary_key=True, autoincrement=False, comment="the stream"
        ),
        Column("at", _STAMP, primary_key=True, comment="when its time begins"),
        Column("n", Integer, nullable=False, comment="numbers read"),
        Column("texts", Integer, nullable=False, comment="texts read"),
        Column("sum", Float, comment="sum of the numbers"),
        Column("min", Float, comment="least number"),
        Column("max", Float, comment="greatest number"),
        Column("first", Float, comment="first number"),
        Column("last", Float, comment="last number"),
        Column(
            "first_at", _STAMP, nullable=False, comment="time of the first; of a text, if all are"
        ),
        Column(
            "last_at", _STAMP, nullable=False, comment="time of the last; of a text, if all are"
        ),
        Column("min_at", _STAMP, comment="time of the least, the first of several"),
        Column("max_at", _STAMP, comment="time of the greatest, the first of several"),
        Column(
            "area",
            Float,
            comment="number times seconds from the first to the last, each holding until the next",
        ),
        Column(
            "increase", Float, comment="of a counter: what it grew by from the first to the last"
        ),
        Column("resets", Integer, comment="of a counter: how often it began anew in that time"),
        Column("last_text", Text, comment="last text"),
        *more,
        Index(f"ix_{name}_at", "at", postgresql_using="brin"),
        schema=CITY,
        comment=comment,
        postgresql_partition_by="RANGE (at)",
    )


rollup_5min = _rollup(
    "rollup_5min", "good readings by five minutes, of hours with more than 24; a partition a month"
)

rollup_hour = _rollup("rollup_hour", "good readings by the hour, one partition a month")

rollup_day = _rollup(
    "rollup_day",
    "good readings by the day of China Standard Time, one partition a year",
    Column("hours", SmallInteger, nullable=False, comment="hours of the day that have readings"),
)

ROLLUPS = {"5min": rollup_5min, "hour": rollup_hour, "day": rollup_day}
"""From the finest."""

rollup_level = Table(
    "rollup_level",
    metadata,
    Column("level", Text, primary_key=True, comment="5min, hour, day"),
    Column("days", Integer, comment="days that it is kept; NULL is for ever"),
    Column(
        "closed_until",
        _STAMP,
        nullable=False,
        comment="what comes in for a time before this leaves a mark",
    ),
    Column("rolled_until", _STAMP, nullable=False, comment="summed up until this"),
    Column("dropped_before", _STAMP, comment="before this it has been taken away"),
    schema=CITY,
    comment="how far readings are summed up, and how long that is kept",
)

rollup_mark = Table(
    "rollup_mark",
    metadata,
    identity("in the order they were made"),
    Column("datastream_id", BigInteger, nullable=False, comment="the stream"),
    Column("since", _STAMP, nullable=False, comment="from this hour on"),
    Column("until", _STAMP, nullable=False, comment="until before this one"),
    Index("ix_rollup_mark_since", "since"),
    schema=CITY,
    comment="streams to be summed up again: readings came late, or were corrected",
)

__all__ = ["ROLLUPS", "rollup_5min", "rollup_day", "rollup_hour", "rollup_level", "rollup_mark"]
