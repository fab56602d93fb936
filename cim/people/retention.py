"""What has been kept long enough goes: people who moved out, rows set aside, months of the log.

How long stands in `security.rule`.  Each batch is a transaction with a line of the log; what ends
the program in between leaves the rest for the next time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine, text

from cim.security.accounts import rules
from cim.store.queries import people_keeping as statements
from cim.store.queries.incoming.load import bound
from cim.store.queries.security.callers import record

BATCH = 1000
"""Rows of a transaction."""

Progress = Callable[[int], None]


@dataclass
class Gone:
    """What went, or would go."""

    homes: int = 0
    persons: int = 0
    aside: int = 0
    months: tuple[str, ...] = ()
    """Of the log, as YYYYMM."""


def due(connection: Connection) -> Gone:
    """What has been kept longer than the rules say."""
    held = rules(connection)
    given = {name: held[name] for name in ("moved_out_days", "aside_days")}
    row = connection.execute(bound(statements.DUE), given).one()
    return Gone(row.homes, row.persons, row.aside, tuple(_months(connection, _least(held))))


def retain(engine: Engine, stand: Callable[[Connection], None], progress: Progress) -> Gone:
    """Take out what is due; `stand` says in each transaction who does it."""
    with engine.connect() as connection:
        held = rules(connection)
    gone = Gone()
    parts = (
        ("homes", statements.MOVED_OUT, statements.END_HOMES, "moved_out_days"),
        ("persons", statements.GONE, statements.FORGET, "moved_out_days"),
        ("aside", statements.OLD_ASIDE, statements.FORGET_ASIDE, "aside_days"),
    )
    for name, which, forget, rule in parts:
        last = -1
        while True:
            with engine.begin() as connection:
                stand(connection)
                asked = {"days": held[rule], "most": BATCH, "last": last}
                ids = list(connection.execute(bound(which), asked).scalars())
                if not ids:
                    break
                connection.execute(bound(forget), {"ids": ids})
                connection.execute(record("people.retain", detail={name: len(ids)}))
                last = ids[-1]
            setattr(gone, name, getattr(gone, name) + len(ids))
            progress(len(ids))
    with engine.begin() as connection:
        stand(connection)
        gone.months = _shorten(connection, _least(held))
    return gone


def _least(held: dict[str, int]) -> str:
    """The first month of the log that is kept, as YYYYMM."""
    now = datetime.now(UTC)
    months = now.year * 12 + now.month - 1 - held["audit_months"]
    return f"{months // 12:04}{months % 12 + 1:02}"


def _months(connection: Connection, least: str) -> list[str]:
    asked = {"least": f"audit_log_{least}"}
    names = connection.execute(bound(statements.MONTHS), asked).scalars()
    return [name.removeprefix("audit_log_") for name in names]


def _shorten(connection: Connection, least: str) -> tuple[str, ...]:
    """Drop old months of the log; the chains begin after them, and say so in a line.

    Where the clock once went back and a chain runs through both sides, nothing is dropped.
    """
    months = _months(connection, least)
    if not months:
        return ()
    before = datetime(int(least[:4]), int(least[4:]), 1, tzinfo=UTC)
    ends = connection.execute(bound(statements.ENDS), {"before": before}).all()
    if any(end.last is not None and end.next is not None and end.next < end.last for end in ends):
        return ()
    for end in ends:
        if end.last is not None:
            given = {"lane": end.lane, "last": end.last}
            connection.execute(bound(statements.SHORTEN), given)
    for month in months:
        connection.execute(text(f"DROP TABLE security.audit_log_{month}"))
    connection.execute(record("audit.retain", detail={"months": months}))
    return tuple(months)
