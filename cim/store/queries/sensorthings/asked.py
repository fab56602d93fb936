"""What is asked in SensorThings, as a tree that was read and is not yet compiled."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cim.errors import BadParameter

Kind = Literal[
    "number", "string", "boolean", "null", "time", "interval", "duration", "date", "clock",
    "geometry",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """A literal: a float, text, bool, datetime, pair of them, timedelta, date, time or WKB."""

    kind: Kind
    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A property, over links: `Datastream/ObservedProperty/name`."""

    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function or an operator, by its name in the language: `eq`, `and`, `geo.distance`."""

    name: str
    arguments: tuple["Node", ...]


Node = Value | Path | Call


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to sort by."""

    by: Node
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Options:
    """The query options of a set, or of one that is expanded."""

    filter: Node | None = None
    order: tuple[Order, ...] = ()
    select: tuple[str, ...] | None = None
    expand: dict[str, "Options"] = field(default_factory=dict)
    top: int | None = None
    skip: int = 0
    count: bool = False
    after: tuple[str | None, ...] | None = None
    """What the last entity of the page before was sorted by, as text."""

    array: bool = False
    """Whether readings are to come as `dataArray`."""

    rollup: str | None = None
    """Whether readings are wanted summed up: by the `hour` or the `day`."""

    given: tuple[tuple[str, str], ...] = ()
    """The options as they were written, for the link to the next page."""


@dataclass(frozen=True, slots=True)
class Step:
    """A set or a link in an address, with the id in brackets where there is one."""

    name: str
    id: Any = None


@dataclass(frozen=True, slots=True)
class Address:
    """What a path below the root leads to."""

    steps: tuple[Step, ...]
    property: tuple[str, ...] = ()
    raw: bool = False
    """Whether the value alone is wanted: `/$value`."""

    references: bool = False
    """Whether links alone are wanted: `/$ref`."""


def refused(option: str, en: str, zh: str) -> BadParameter:
    """What is said of an option that is not taken."""
    return BadParameter(f"{option}: {en}.", f"{option}：{zh}。")


def said(word: object) -> str:
    """A word of the caller's as it may be said back: short and printable.

    >>> said("pg_sleep"), said("x" * 99 + chr(0))
    ("'pg_sleep'", "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'")
    """
    text = word if isinstance(word, str) else type(word).__name__
    kept = "".join(mark if mark.isprintable() else "?" for mark in text[:40])
    return f"'{kept}…'" if len(text) > 40 else f"'{kept}'"


def merged(first: Options, second: Options) -> Options:
    """Two mentions of one link in `$expand` as one: what the second says besides is added."""
    both = dict(first.expand)
    for name, each in second.expand.items():
        both[name] = merged(both[name], each) if name in both else each
    base = first if first != Options(expand=first.expand) else second
    return replace(base, expand=both)


NOTHING = Options()
