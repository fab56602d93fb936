"""The audit log: told apart from what anybody wrote into it by hand, and given out.

Lines are written by `security.record` (cim/store/rules/security.sql), in the transaction that does
what they tell of.  Here they are read again and their chains followed, without trusting the
database's own arithmetic.  A chain alone does not know its end, nor whether it was written anew as
a whole: for that there is an anchor, the ends as they were, kept outside the database.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import IO, Any

from sqlalchemy import Connection

from cim.errors import SourceError
from cim.store.queries.security import audit as queries

FIELDS = (
    "lane", "no", "at", "event", "success", "actor", "roles", "purpose", "object_type",
    "object_id", "persons", "address", "request", "detail", "previous",
)  # fmt: skip
"""What the digest of a line is made of, in this order, each as text."""

Anchor = dict[int, tuple[int, str]]
"""Of each lane: the number of its last line, and the digest of that, in hexadecimal."""


STREAMED = {"stream_results": True, "max_row_buffer": 2000}
"""How a log of millions of lines is read."""


@dataclass(frozen=True)
class Fault:
    """A line that is not as it was written."""

    lane: int
    no: int
    at: datetime | None
    en: str
    zh: str


@dataclass
class Verdict:
    """What following the chains came to."""

    lines: int = 0
    faults: list[Fault] = field(default_factory=list)
    anchor: Anchor = field(default_factory=dict)
    """The ends as they are now."""

    def blame(self, lane: int, no: int, at: datetime | None, why: tuple[str, str]) -> None:
        """Name a line that is at fault."""
        self.faults.append(Fault(lane, no, at, *why))


CHANGED = ("the line was changed", "该行被修改")
REMOVED = ("lines before this one were removed", "此行之前有记录被删除")
PUT_IN = ("the line was put in or written again", "该行为插入或重写")
CUT_OFF = ("lines at the end were removed or added by hand", "末尾有记录被删除或添加")
REWRITTEN = ("the chain was written anew: it does not hold the anchor", "整条链被重写，与锚点不符")


def digest_of(line: Iterable[str | None]) -> bytes:
    """The digest of a line's fields as texts: each by its length in bytes and itself.

    >>> digest_of(["1", None]).hex() == sha256(b"1:1-").hexdigest()
    True
    """
    told = sha256()
    for text in line:
        said = b"" if text is None else text.encode()
        told.update(b"-" if text is None else b"%d:%b" % (len(said), said))
    return told.digest()


def verify(connection: Connection, anchor: Anchor | None = None) -> Verdict:
    """Follow every chain from its first line to its last; what is not as it was written.

    With an `anchor` of an earlier time the chains must hold it too. Reads the whole log, in the
    order of the chains, and keeps none of it.
    """
    verdict, held = Verdict(), dict(anchor or {})
    ends = {row.lane: row for row in connection.execute(queries.lanes())}
    for lane, end in ends.items():
        mark = held.get(lane, (0, ""))
        no, digest = end.first - 1, bytes(end.before)
        for row in _streamed(connection, lane):
            verdict.lines += 1
            if why := _judge(row, no, digest, mark):
                verdict.blame(lane, row.no, row.moment, why)
            no, digest = max(no, row.no), bytes(row.digest)
        if (no, digest) != (end.last, bytes(end.digest)) or no < mark[0]:
            verdict.blame(lane, no, None, CUT_OFF)
        verdict.anchor[lane] = (no, digest.hex())
    for lane in sorted(set(held) - set(ends)):
        verdict.blame(lane, 0, None, CUT_OFF)
    return verdict


def _judge(row: Any, no: int, digest: bytes, mark: tuple[int, str]) -> tuple[str, str] | None:
    """What is wrong with a line that follows line `no` of that digest; None for one that is well.

    `mark` is the number and digest of the anchor.
    """
    if digest_of(getattr(row, name) for name in TEXTS) != row.digest:
        return CHANGED
    if row.no > no + 1:
        return REMOVED
    if row.no <= no or bytes.fromhex(row.previous) != digest:
        return PUT_IN
    return REWRITTEN if row.no == mark[0] and row.digest.hex() != mark[1] else None


TEXTS = tuple(f"{name}_text" if name in ("lane", "no") else name for name in FIELDS)


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


def write_anchor(anchor: Anchor) -> str:
    """An anchor as a file holds it."""
    return json.dumps({str(lane): list(end) for lane, end in sorted(anchor.items())}) + "\n"


def read_anchor(text: str) -> Anchor:
    """An anchor from its file; SourceError where that is none."""
    try:
        return {
            int(lane): (int(no), str(digest)) for lane, (no, digest) in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise SourceError(
            "This file is no anchor of an audit log.", "该文件不是审计日志的锚点。"
        ) from error
