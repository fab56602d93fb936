"""The audit log: told apart from what anybody wrote into it by hand, and given out.

Lines are written by `security.record` (cim/store/rules/security.sql), in the transaction that does
what they tell of.  Here they are read again and their chains followed, without trusting the
database's own arithmetic.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any

from sqlalchemy import Connection

from cim.security.chains import (
    CHANGED,
    CUT_OFF,
    PUT_IN,
    REMOVED,
    REWRITTEN,
    Anchor,
    End,
    Verdict,
    digest_of,
    follow,
    read_anchor,
    write_anchor,
)
from cim.store.queries.security import audit as queries

__all__ = [
    "CHANGED",
    "CUT_OFF",
    "PUT_IN",
    "REMOVED",
    "REWRITTEN",
    "Anchor",
    "Verdict",
    "digest_of",
    "export",
    "read_anchor",
    "verify",
    "write_anchor",
]

FIELDS = (
    "lane", "no", "at", "event", "success", "actor", "roles", "purpose", "object_type",
    "object_id", "persons", "address", "request", "detail", "previous",
)  # fmt: skip
"""What the digest of a line is made of, in this order, each as text."""

STREAMED = {"stream_results": True, "max_row_buffer": 2000}
"""How a log of millions of lines is read."""

TEXTS = tuple(f"{name}_text" if name in ("lane", "no") else name for name in FIELDS)


def verify(connection: Connection, anchor: Anchor | None = None) -> Verdict:
    """Follow every chain from its first line to its last; what is not as it was written.

    With an `anchor` of an earlier time the chains must hold it too. Reads the whole log, in the
    order of the chains, and keeps none of it.
    """
    verdict, held = Verdict(), dict(anchor or {})
    ends = {row.lane: row for row in connection.execute(queries.lanes())}
    for lane, row in ends.items():
        end = End(lane, row.first, bytes(row.before), row.last, bytes(row.digest))
        follow(verdict, end, _streamed(connection, lane), TEXTS, held)
    for lane in sorted(set(held) - set(ends)):
        verdict.blame(lane, 0, None, CUT_OFF)
    return verdict


def _streamed(connection: Connection, lane: int) -> Iterator[Any]:
    """The lines of a chain by their numbers, a few thousand at a time."""
    yield from connection.execute(queries.chain(lane), execution_options=STREAMED)


def export(
    connection: Connection, out: IO[str], since: datetime | None, until: datetime | None
) -> int:
    """Write the lines of a time as JSON, one a line, oldest first; how many."""
    count = 0
    for row in connection.execute(queries.lines(since, until), execution_options=STREAMED):
        out.write(row.line + "\n")
        count += 1
    return count
