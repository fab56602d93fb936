"""Chains of lines, each with the digest of the one before: followed without trusting the database.

What the audit log and the history of alarms share.  A chain alone does not know its end, nor
whether it was written anew as a whole: for that there is an anchor, the ends as they were, kept
outside the database.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from cim.errors import SourceError

Anchor = dict[int, tuple[int, str]]
"""Of each lane: the number of its last line, and the digest of that, in hexadecimal."""

Why = tuple[str, str]
"""What is wrong, in English and in Chinese."""


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

    def blame(self, lane: int, no: int, at: datetime | None, why: Why) -> None:
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


@dataclass(frozen=True)
class End:
    """Where a chain begins and ends, as is written beside it."""

    lane: int
    first: int
    before: bytes
    last: int
    digest: bytes


def follow(
    verdict: Verdict, end: End, rows: Iterable[Any], fields: Iterable[str], held: Anchor
) -> None:
    """Follow one chain from its first line to its last, and name what is not as it was written.

    A row has `no`, `moment`, `previous` (hexadecimal), `digest`, and each of `fields` as the text
    that its digest is of.  `held` is the anchor of an earlier time.
    """
    names = tuple(fields)
    mark = held.get(end.lane, (0, ""))
    no, digest = end.first - 1, end.before
    for row in rows:
        verdict.lines += 1
        if why := _judge(row, names, no, digest, mark):
            verdict.blame(end.lane, row.no, row.moment, why)
        no, digest = max(no, row.no), bytes(row.digest)
    if (no, digest) != (end.last, end.digest) or no < mark[0]:
        verdict.blame(end.lane, no, None, CUT_OFF)
    verdict.anchor[end.lane] = (no, digest.hex())


def _judge(
    row: Any, names: tuple[str, ...], no: int, digest: bytes, mark: tuple[int, str]
) -> Why | None:
    """What is wrong with a line that follows line `no` of that digest; None for one that is well.

    `mark` is the number and digest of the anchor.
    """
    if digest_of(getattr(row, name) for name in names) != row.digest:
        return CHANGED
    if row.no > no + 1:
        return REMOVED
    if row.no <= no or bytes.fromhex(row.previous) != digest:
        return PUT_IN
    return REWRITTEN if row.no == mark[0] and row.digest.hex() != mark[1] else None


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
        raise SourceError("This file is no anchor of a chain.", "该文件不是链的锚点。") from error
