"""Where the pass over an address stands: what is read, and what waits for its level."""

import re
from typing import Final

from cim.addresses.gazetteer import Gazetteer
from cim.addresses.ladder import LADDER, canonical
from cim.addresses.words import GENERIC, SIDE

Span = tuple[str, int, int, bool]
"""A level's name, empty for none; where its characters begin and end; whether they count."""

LONGEST_NAME: Final = 60
"""Characters of a name and its word."""

SEPARATORS: Final = " -"
_CLOSED: Final = re.compile(r"[() ]")


class Walk:
    """How deep on the ladder the pass is; `start` is where what waits begins."""

    __slots__ = ("known", "levels", "rank", "spans", "spelt", "start", "text")

    def __init__(self, text: str, known: Gazetteer | None = None) -> None:
        """Stand at the beginning of a text that is normalised."""
        self.text = text
        self.known = known
        self.start = 0
        self.rank = -1
        self.levels: dict[str, str] = {}
        self.spans: list[Span] = []
        self.spelt: dict[str, str] = {}

    def take(self, level: str, end: int, begin: int | None = None) -> None:
        """Give the characters up to `end` to a level; those before `begin` to none."""
        if begin is not None:
            self.leave(begin)
        text, begin = self.text, self.start
        if text[end - 1] == " ":
            end = max(begin + 1, begin + len(text[begin:end].rstrip(" ")))
        written = self.levels.get(level)
        if written is None:
            self.levels[level] = text[begin:end]
            rank = LADDER[level]
            self.rank = max(self.rank, rank)
        elif len(written) > LONGEST_NAME:
            self.leave(end)
            return
        else:
            self.levels[level] = written + text[begin:end]
            self.spelt.pop(level, None)
        self.spans.append((level, begin, end, True))
        self.start = end

    def spell(self, level: str, end: int, name: str) -> None:
        """Give the characters up to `end` to a level that is spelt otherwise than here."""
        self.take(level, end)
        self.spelt[level] = name

    def shorten(self, end: int) -> None:
        """Leave what waits before `end` but its last characters: no name is that long.

        So what waits is bounded, and every step costs no more than a constant.
        """
        if end - self.start > LONGEST_NAME:
            self.leave(end - LONGEST_NAME)

    def again(self, level: str, end: int) -> None:
        """Give the characters up to `end` to a level that has said the same already."""
        self.spans.append((level, self.start, end, False))
        self.start = end

    def leave(self, end: int) -> None:
        """Give the characters up to `end` to no level."""
        if end > self.start:
            self.spans.append(("", self.start, end, True))
            self.start = end

    def waiting(self, level: str, end: int) -> None:
        """Give what waits before `end` to a level where that is free, else to none."""
        if end <= self.start:
            return
        if level in self.levels or LADDER[level] < self.rank:
            self.leave(end)
        else:
            self.take(level, end)

    def rename(self, level: str, other: str) -> None:
        """Move what a level was given to another one, as if it had been read so."""
        self.levels[other] = self.levels.pop(level)
        self.spelt.pop(level, None)
        self.spans = [
            (other if name == level else name, begin, end, counts)
            for name, begin, end, counts in self.spans
        ]
        self.rank = max((LADDER[name] for name in self.levels), default=-1)

    def gap(self) -> None:
        """Leave hyphens and spaces at the beginning of what waits."""
        text, at = self.text, self.start
        while at < len(text) and text[at] in SEPARATORS:
            at += 1
        self.leave(at)

    def idle(self, end: int) -> bool:
        """Leave what waits where it only says on which side; tell whether nothing waits then."""
        if end > self.start:
            if GENERIC.fullmatch(self.text, self.start, end):
                self.leave(end)
            else:
                self.aim(end)
        return end <= self.start

    def aim(self, end: int) -> None:
        """Leave the side that what waits begins with, where a name follows."""
        side = SIDE.match(self.text, self.start, end)
        if side is not None and side.end() < end:
            self.leave(side.end())

    @property
    def last(self) -> str:
        """The level of the characters right before what waits; empty for none."""
        return self.spans[-1][0] if self.spans else ""

    def words(self, level: str) -> str:
        """What was written for a level; empty for nothing."""
        return self.levels.get(level, "")

    def spelling(self, level: str, words: str) -> str:
        """The canonical spelling of what was written for a level here."""
        return self.spelt.get(level) or canonical(level, words, self.city)

    @property
    def city(self) -> str | None:
        """The city's name, in full."""
        return self.spelt.get("city") or self.levels.get("city")

    def values(self) -> dict[str, str]:
        """The canonical levels."""
        return {level: self.spelling(level, words) for level, words in self.levels.items()}

    def aside(self) -> list[tuple[tuple[int, int], ...]]:
        """The runs of characters that belong to no level, each as its pieces."""
        runs: list[list[tuple[int, int]]] = []
        for level, begin, end, _ in self.spans:
            if level:
                continue
            if runs and runs[-1][-1][1] == begin:
                runs[-1].append((begin, end))
            else:
                runs.append([(begin, end)])
        return [tuple(run) for run in runs]


def tidy(runs: list[str]) -> str:
    """What was left over, without brackets, spaces and hyphens around it.

    >>> tidy(["(近市场)", "-", "旁"]), tidy([])
    ('近市场 旁', '')
    """
    bare = [_CLOSED.sub("", run).strip("-") for run in runs]
    return " ".join(run for run in bare if run)
