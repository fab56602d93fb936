"""What is sent, written once for all who get it."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import orjson

BEAT: Final = "beat"
"""The event that only says that all is well, and up to where."""

WHO: Final = "who"
"""The event each line begins with: for whom the service takes who listens. It has no id."""


@dataclass(frozen=True)
class Mark:
    """Up to where a reader has all there is: what is younger comes again after it was cut off."""

    transaction: int
    """The oldest that had not ended."""

    entry: int
    """The last entry of an alarm's history then."""

    def __str__(self) -> str:
        """As the id of an event."""
        return f"{self.transaction}-{self.entry}"

    @classmethod
    def read(cls, said: str) -> "Mark | None":
        """The same of an event's id; None for what is none.

        >>> Mark.read("12-7"), Mark.read("x"), Mark.read("9" * 30 + "-1")
        (Mark(transaction=12, entry=7), None, None)
        """
        one, _, other = said.partition("-")
        if not (one.isdecimal() and other.isdecimal() and len(one) < 19 and len(other) < 19):
            return None
        return cls(int(one), int(other))


@dataclass(frozen=True)
class Frame:
    """One event.

    >>> Frame("readings", "[[7,1000,2.5]]", Mark(12, 3)).events
    b'id: 12-3\\nevent: readings\\ndata: [[7,1000,2.5]]\\n\\n'
    >>> Frame("readings", "[[7,1000,2.5]]", Mark(12, 3)).message
    '{"event":"readings","id":"12-3","data":[[7,1000,2.5]]}'
    >>> Frame(BEAT, "null", Mark(12, 3)).events
    b'id: 12-3\\n\\n'
    >>> Frame("readings", "[]", Mark(12, 3)).part.events
    b'event: readings\\ndata: []\\n\\n'
    """

    event: str
    data: str
    """JSON in one line."""

    mark: Mark | None
    """None for what is for this one alone, or is not whole yet."""

    @cached_property
    def part(self) -> "Frame":
        """The same as part of a beginning that is not whole yet: who is cut off begins anew."""
        return Frame(self.event, self.data, None)

    @cached_property
    def events(self) -> bytes:
        """As a server-sent event; a beat has no data and tells nobody anything but its id."""
        if self.event == BEAT:
            return f"id: {self.mark}\n\n".encode()
        id = "" if self.mark is None else f"id: {self.mark}\n"
        return f"{id}event: {self.event}\ndata: {self.data}\n\n".encode()

    @cached_property
    def message(self) -> str:
        """As a message of a socket."""
        id = "null" if self.mark is None else f'"{self.mark}"'
        return f'{{"event":"{self.event}","id":{id},"data":{self.data}}}'


def of(event: str, data: Any, mark: Mark | None) -> Frame:
    """An event of a value."""
    return Frame(event, orjson.dumps(data).decode(), mark)


def of_lines(lines: Iterable[str], mark: Mark) -> Frame:
    """Readings as they were told: each line is what goes between brackets."""
    joined = "],[".join(lines)
    return Frame("readings", f"[[{joined}]]" if joined else "[]", mark)
