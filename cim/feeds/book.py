"""Whose a reading is, kept in memory: sender, device and path → datastream and how it is fitted.

Bounded: the oldest entries go where it is full. Forgotten as a whole when the database tells that
something may not hold any more. An entry is a text and a number, so that a million streams take
some 200 MB.
"""

import time
from typing import Final

from cim.feeds.fitting import Shape
from cim.feeds.reading import Fault

MOST: Final = 1_100_000
"""Entries that are kept."""

PATIENCE: Final = 1.0
"""Seconds that nothing is looked up again for what was not found."""

_SHAPES: Final = 1 << 16

LEFT_OUT: Final = -1
"""What the feed's map leaves out."""


class Book:
    """The entries of one process."""

    def __init__(self, most: int = MOST) -> None:
        """Empty."""
        self.most = most
        self.targets: dict[str, int] = {}
        self.shapes: list[Shape] = []
        self._numbers: dict[Shape, int] = {}
        self._missing: dict[str, tuple[float, Fault]] = {}
        self.days: set[int] = set()
        """Days since 1970 whose partitions stand."""

        self.told = 0
        """Times that it was told that something may not hold any more."""

        self._doubted = False

    @staticmethod
    def key(feed: int, sender: str | None, device: str, path: str) -> str:
        """The key of an entry: no name holds a line feed that a message can be told apart by."""
        return f"{feed}\n{sender}\n{device}\n{path}"

    def add(self, key: str, stream: int, shape: Shape) -> int:
        """Keep where readings of a key go; the entry."""
        number = self._numbers.get(shape)
        if number is None:
            if len(self.shapes) >= _SHAPES:
                self._clear()
            number = self._numbers[shape] = len(self.shapes)
            self.shapes.append(shape)
        return self._keep(key, stream << 16 | number)

    def leave_out(self, key: str) -> int:
        """Keep that readings of a key are not wanted."""
        return self._keep(key, LEFT_OUT)

    def _keep(self, key: str, target: int) -> int:
        if len(self.targets) >= self.most:
            for old in list(self.targets)[: self.most // 10 + 1]:
                del self.targets[old]
        self.targets[key] = target
        return target

    def miss(self, key: str, fault: Fault) -> None:
        """Remember for a moment that there is none."""
        if len(self._missing) >= 10_000:
            self._missing.clear()
        self._missing[key] = (time.monotonic() + PATIENCE, fault)

    def missing(self, key: str) -> Fault | None:
        """Why there is none, where that was just looked up."""
        found = self._missing.get(key)
        if found is None:
            return None
        if found[0] < time.monotonic():
            del self._missing[key]
            return None
        return found[1]

    def forget(self) -> None:
        """Something may not hold any more: the next batch looks everything up again."""
        self.told += 1
        self._doubted = True

    def doubt(self) -> None:
        """The same, as somebody entered what was looked up before it was told."""
        self._doubted = True

    def settle(self) -> None:
        """Begin a batch: what is doubted is forgotten. Not within one, which could find no end."""
        if self._doubted:
            self._doubted = False
            self._clear()

    def _clear(self) -> None:
        self.targets.clear()
        self.shapes.clear()
        self._numbers.clear()
        self._missing.clear()
