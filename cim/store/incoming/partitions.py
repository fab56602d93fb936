"""Daily partitions of the readings: made before a batch needs them, by whoever comes first.

A day is a day of UTC.  A partition is made as a table of its own and then attached, so readers of
other days are not held up; two loaders of one new day take turns, and the second finds it made.
Readers need no grant on a partition: they ask the table that it is part of.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from cim.errors import InvalidQuery
from cim.store.queries.incoming.load import bound

MOST: Final = 4_000
"""Most days that one call makes: a file that spans more has its times wrong."""

_LOCK: Final = 0x63696D70
_TABLE: Final = "city.observation"


def name(day: date) -> str:
    """The partition of a day.

    >>> name(date(2026, 3, 9))
    'observation_20260309'
    """
    return f"observation_{day:%Y%m%d}"


def ensure(connection: Connection, days: Iterable[date], ahead: int = 0) -> list[date]:
    """Make the partitions that are missing, and those of the coming days; the days it made.

    Runs in the connection's transaction and does nothing for days that have theirs.  Raises
    InvalidQuery where more than `MOST` days are asked for at once.
    """
    wanted = set(days)
    today = datetime.now(UTC).date()
    wanted |= {today + timedelta(days=n) for n in range(1, ahead + 1)}
    missing = _missing(connection, wanted)
    if len(missing) > MOST:
        raise InvalidQuery(
            f"The readings span {len(missing)} days that have none yet; at most {MOST} at once.",
            f"读数跨越 {len(missing)} 个新的日期，一次最多 {MOST} 天。",
        )
    if missing:
        connection.execute(bound("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        missing = _missing(connection, missing)
    for day in missing:
        _make(connection, day)
    return missing


def _missing(connection: Connection, days: Iterable[date]) -> list[date]:
    found = connection.execute(
        bound("""SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                 WHERE i.inhparent = CAST(:parent AS regclass)"""),
        {"parent": _TABLE},
    ).scalars()
    there = set(found)
    return sorted(day for day in days if name(day) not in there)


def _make(connection: Connection, day: date) -> None:
    """A table like the readings, attached as the part of one day."""
    table = f"city.{name(day)}"
    following = day + timedelta(days=1)
    connection.execute(bound(f"CREATE TABLE {table} (LIKE {_TABLE} INCLUDING ALL)"))
    connection.execute(
        bound(
            f"ALTER TABLE {_TABLE} ATTACH PARTITION {table} "
            f"FOR VALUES FROM ('{day} 00:00+00') TO ('{following} 00:00+00')"
        )
    )
