"""How long readings and their sums are kept: what is past its days is taken away by the day.

A day's partition holds readings of streams of all classes. When no class keeps them any more it is
dropped whole; before, those of the classes that are past are deleted, or, where they are the most,
what is still kept is copied into a new partition that takes its place. Nothing is taken away that
is not summed up, or marked to be summed up again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from cim.store.queries.feeds import retention as queries
from cim.store.queries.feeds import rollups

DAY: Final = timedelta(days=1)

SETTLED: Final = timedelta(days=90)
"""How long a dead letter is kept that came in at last, or was dropped; others are kept."""

REMEMBERED: Final = timedelta(days=8)
"""How long arrivals are kept of a session of a broker, which keeps it for seven days."""

BUSY: Final = "55P03"
"""SQLSTATE: a lock was not got in time."""

WAIT: Final = "2s"
"""How long readers may be kept waiting by who takes a partition away; it is tried again later."""


@dataclass(frozen=True)
class Taken:
    """What was taken away, or would be."""

    table: str
    """The partition."""

    since: datetime
    until: datetime
    how: str
    """`dropped`, `deleted` or `copied` (what stays), `settled` of dead letters; `waits` where
    something stands in the way."""

    rows: int
    """How many rows go; of a partition that is dropped as the server estimates it."""


def retain(engine: Engine, now: datetime, *, dry_run: bool = False) -> list[Taken]:
    """Take away what is past its days, each partition in a transaction of its own, oldest first.

    Does nothing while readings are being summed up; whoever calls comes again.
    """
    with engine.connect() as connection:
        held = {"key": rollups.ROLLING}
        if not connection.execute(queries.TRY_LOCK, held).scalar_one():
            return []
        connection.commit()
        try:
            return [
                *_readings(connection, now, dry_run),
                *_sums(connection, now, dry_run),
                *_letters(connection, now, dry_run),
            ]
        finally:
            connection.rollback()
            connection.execute(queries.UNLOCK, held)
            connection.commit()


def _readings(connection: Connection, now: datetime, dry_run: bool) -> list[Taken]:
    """Days of readings, until one that has to wait."""
    classes = connection.execute(queries.CLASSES).all()
    parts = connection.execute(queries.PARTS, {"parent": "city.observation"}).all()
    connection.commit()
    found = []
    for part in parts:
        day = _day(part.name)
        if day is None:
            continue
        past = [each for each in classes if day + DAY <= now - timedelta(days=each.days)]
        fresh = [e for e in past if e.dropped_before is None or e.dropped_before < day + DAY]
        if not past or (not fresh and len(past) < len(classes)):
            continue
        taken = _one(connection, Taken(part.name, day, day + DAY, "dropped", part.rows),
                     [each.code for each in past], whole=len(past) == len(classes),
                     dry_run=dry_run)  # fmt: skip
        if taken is not None:
            found.append(taken)
            if taken.how == "waits":
                break
    return found


def _one(
    connection: Connection, taken: Taken, past: list[str], *, whole: bool, dry_run: bool
) -> Taken | None:
    """A day's readings of the classes that are past, in one transaction; None where none go."""
    with _transaction(connection, dry_run):
        span = {"since": taken.since, "until": taken.until}
        if not dry_run and not _locked(connection, taken.table):
            return replace(taken, how="waits")
        if connection.execute(queries.UNSUMMED, span).scalar_one():
            return replace(taken, how="waits")
        if not whole:
            counted = connection.execute(queries.counted(taken.table, past)).one()
            if counted.kept:
                how = "deleted" if counted.gone < counted.kept else "copied"
                taken = replace(taken, how=how, rows=counted.gone)
        if not dry_run:
            if taken.how == "dropped":
                connection.execute(queries.drop(taken.table))
            elif taken.rows:
                for statement in queries.LESSEN[taken.how](taken.table, taken.since, past):
                    connection.execute(statement)
            connection.execute(queries.DROPPED, {"past": past, "until": taken.until})
    return taken if taken.rows or taken.how == "dropped" else None


def _sums(connection: Connection, now: datetime, dry_run: bool) -> list[Taken]:
    """Months and years of sums."""
    found = []
    for level in connection.execute(queries.LEVELS).all():
        parts = connection.execute(queries.PARTS, {"parent": f"city.rollup_{level.level}"}).all()
        connection.commit()
        for part in parts:
            since, until = _span(part.name)
            if until > now - timedelta(days=level.days):
                continue
            taken = Taken(part.name, since, until, "dropped", part.rows)
            with _transaction(connection, dry_run):
                if not dry_run and not _locked(connection, part.name):
                    found.append(replace(taken, how="waits"))
                    break
                if not dry_run:
                    connection.execute(queries.drop(part.name))
                    connection.execute(
                        queries.LEVEL_DROPPED, {"level": level.level, "until": until}
                    )
            found.append(taken)
    return found


def _letters(connection: Connection, now: datetime, dry_run: bool) -> list[Taken]:
    """Dead letters that are settled; what is remembered of messages that come no more."""
    before = {"before": now - SETTLED}
    with _transaction(connection, dry_run):
        found = connection.execute(queries.LETTERS, before).one()
        connection.execute(queries.DELETE_LETTERS, before)
        connection.execute(queries.DELETE_ARRIVALS, {"before": now - REMEMBERED})
    if not found.rows:
        return []
    return [Taken("dead_letter", found.since, now - SETTLED, "settled", found.rows)]


@contextmanager
def _transaction(connection: Connection, dry_run: bool) -> Iterator[None]:
    """One that leaves nothing behind in a dry run."""
    with connection.begin() as transaction:
        yield
        if dry_run:
            transaction.rollback()


def _locked(connection: Connection, part: str) -> bool:
    """Whether nobody else has to do with a partition now."""
    connection.execute(queries.patience(WAIT))
    try:
        with connection.begin_nested():
            connection.execute(queries.lock(part))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != BUSY:
            raise
        return False
    return True


def _day(name: str) -> datetime | None:
    """The day of a partition of readings; None of one that is no day's.

    >>> _day("observation_20260309").isoformat(), _day("observation_rest")
    ('2026-03-09T00:00:00+00:00', None)
    """
    digits = name.rpartition("_")[2]
    if len(digits) != len("20260309") or not digits.isdigit():
        return None
    return datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC)


def _span(name: str) -> tuple[datetime, datetime]:
    """The month or the year of a partition of sums.

    >>> [moment.date().isoformat() for moment in _span("rollup_hour_202612")]
    ['2026-12-01', '2027-01-01']
    >>> [moment.date().isoformat() for moment in _span("rollup_day_2026")]
    ['2026-01-01', '2027-01-01']
    """
    digits = name.rpartition("_")[2]
    year, month = int(digits[:4]), int(digits[4:] or 1)
    months = 12 if len(digits) == len("2026") else 1
    after = year * 12 + month - 1 + months
    return (
        datetime(year, month, 1, tzinfo=UTC),
        datetime(after // 12, after % 12 + 1, 1, tzinfo=UTC),
    )
