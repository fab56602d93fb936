"""Statements that take away readings and sums that are past their days."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT

Classes = Sequence[str]


def _of_classes(sql: str, past: Classes | None = None) -> TextClause:
    return text(sql).bindparams(bindparam("past", past, type_=ARRAY(TEXT), required=past is None))


TRY_LOCK: Final = text("SELECT pg_try_advisory_lock(:key)")
UNLOCK: Final = text("SELECT pg_advisory_unlock(:key)")

CLASSES: Final = text("SELECT code, days, dropped_before FROM city.retention_class ORDER BY days")

LETTERS: Final = text("""
    SELECT count(*) AS rows, min(received_at) AS since FROM platform.dead_letter
    WHERE received_at < :before AND settled_at < :before""")
"""Messages that could not come in, and are settled long since."""

DELETE_LETTERS: Final = text("""
    DELETE FROM platform.dead_letter WHERE received_at < :before AND settled_at < :before""")

DELETE_ARRIVALS: Final = text("DELETE FROM platform.arrival WHERE made_at < :before")
"""Of sessions that a broker does not keep any more."""

LEVELS: Final = text("SELECT level, days FROM city.rollup_level WHERE days IS NOT NULL")

PARTS: Final = text("""
    SELECT c.relname AS name, greatest(c.reltuples, 0)::bigint AS rows
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = CAST(:parent AS regclass) ORDER BY c.relname""")
"""The partitions of a table, oldest first, with as many rows as the server thinks they have."""

UNSUMMED: Final = text("""
    SELECT :until > rolled_until OR EXISTS (
        SELECT FROM city.rollup_mark m WHERE m.since < :until AND m.until > :since)
    FROM city.rollup_level WHERE level = 'hour'""")
"""Whether something of a time has to be summed up yet."""

DROPPED: Final = _of_classes("""
    UPDATE city.retention_class SET dropped_before = greatest(dropped_before, :until)
    WHERE code = ANY (:past)""")

LEVEL_DROPPED: Final = text("""
    UPDATE city.rollup_level SET dropped_before = greatest(dropped_before, :until)
    WHERE level = :level""")

_GONE: Final = """coalesce((SELECT t.retention FROM city.datastream t
    WHERE t.id = o.datastream_id) = ANY (:past), false)"""


def patience(time: str) -> TextClause:
    """Wait no longer than that for a lock, in this transaction."""
    return text(f"SET LOCAL lock_timeout = '{time}'")


def lock(part: str) -> TextClause:
    """Have nobody else in a partition until the transaction ends."""
    return text(f"LOCK TABLE city.{part} IN ACCESS EXCLUSIVE MODE")


def drop(part: str) -> TextClause:
    """Take a partition away."""
    return text(f"DROP TABLE city.{part}")


def counted(part: str, past: Classes) -> TextClause:
    """How many of its readings are of classes that are past, and how many are not."""
    return _of_classes(f"""
        SELECT count(*) FILTER (WHERE gone) AS gone, count(*) FILTER (WHERE NOT gone) AS kept
        FROM (SELECT {_GONE} AS gone FROM city.{part} o) s""", past)  # fmt: skip


def _deleted(part: str, _: datetime, past: Classes) -> list[TextClause]:
    return [_of_classes(f"DELETE FROM city.{part} o WHERE {_GONE}", past)]


def _copied(part: str, day: datetime, past: Classes) -> list[TextClause]:
    kept, following = f"{part}_kept", day + timedelta(days=1)
    bounds = f"FROM ('{day:%Y-%m-%d} 00:00+00') TO ('{following:%Y-%m-%d} 00:00+00')"
    return [
        text(f"CREATE TABLE city.{kept} (LIKE city.observation INCLUDING ALL)"),
        _of_classes(
            f"INSERT INTO city.{kept} SELECT o.* FROM city.{part} o WHERE NOT {_GONE}", past
        ),
        text(f"DROP TABLE city.{part}"),
        text(f"ALTER TABLE city.{kept} RENAME TO {part}"),
        text(f"ALTER TABLE city.observation ATTACH PARTITION city.{part} FOR VALUES {bounds}"),
    ]


LESSEN: Final[Mapping[str, Callable[[str, datetime, Classes], list[TextClause]]]] = {
    "deleted": _deleted,
    "copied": _copied,
}
"""How readings of some classes go from a partition: statements, one after the other."""
