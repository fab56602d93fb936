"""What a filter is made of: terms with a kind, and how what cannot be used is refused."""

from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from sqlalchemy import ColumnElement, DateTime, Float, Text, cast, func, literal, literal_column

from cim.errors import BadParameter
from cim.store.queries.collections.items import bound
from cim.store.queries.collections.times import parse_date, parse_instant

Kind = Literal[
    "boolean", "number", "string", "date", "date-time", "strings", "geometry", "interval"
]
Node = Any
"""A piece of CQL2 JSON as it was parsed: not one thing about it is sure."""

TEMPORAL: tuple[Kind, ...] = ("date", "date-time")


@dataclass(frozen=True)
class Term:
    """Something with a value: a property, a literal, or what is worked out of them."""

    kind: Kind
    sql: ColumnElement[Any]
    written: Any = None
    """The value where the caller wrote it; None for a property or what is worked out."""

    whole: bool = False
    """Whether it is a property that holds whole numbers."""

    ends: tuple[ColumnElement[Any], ColumnElement[Any]] | None = None
    """The first and last moment of an interval."""


def refused(en: str, zh: str) -> BadParameter:
    """What is said of a filter that is not taken."""
    return BadParameter(f"filter: {en}.", f"filter：{zh}。")


def said(word: object) -> str:
    """A word of the caller's as it may be said back: short and printable.

    >>> said("pg_sleep"), said("x" * 99 + chr(0))
    ("'pg_sleep'", "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'")
    """
    text = word if isinstance(word, str) else type(word).__name__
    kept = "".join(mark if mark.isprintable() else "?" for mark in text[:40])
    return f"'{kept}…'" if len(text) > 40 else f"'{kept}'"


def kinds(op: str, *found: Term) -> BadParameter:
    """What is said where an operator does not take terms of these kinds."""
    names = ", ".join(term.kind for term in found)
    return refused(f"{said(op)} does not take {names}", f"{said(op)} 不支持类型 {names}")


def number(value: float) -> Term:
    """A number as written."""
    try:
        found = float(value)
    except OverflowError:
        found = float("inf")
    if not isfinite(found):
        raise refused("a number is too large", "数值过大")
    return Term("number", bound(found, "number"), found)


def text(value: str) -> Term:
    """A text as written."""
    if "\0" in value or any("\ud800" <= mark <= "\udfff" for mark in value):
        raise refused("a text holds a character that no text has", "文本含有无效字符")
    return Term("string", bound(value, "string"), value)


def date(value: object) -> Term:
    """A day as written."""
    try:
        found = parse_date(str(value))
    except ValueError:
        raise refused(f"{said(value)} is not a date", f"{said(value)} 不是日期") from None
    return Term("date", bound(found, "date"), found)


def instant(value: object) -> Term:
    """A time as written."""
    try:
        found = parse_instant(str(value))
    except ValueError:
        raise refused(f"{said(value)} is not a time", f"{said(value)} 不是时间") from None
    return Term("date-time", bound(found, "date-time"), found)


def moment(term: Term) -> ColumnElement[Any]:
    """A day or time as a time; a day begins at midnight, UTC."""
    if term.kind == "date-time":
        return term.sql
    midnight = cast(term.sql, DateTime(timezone=False))
    return func.timezone(literal("UTC", Text), midnight, type_=DateTime(timezone=True))


def open_end(sign: str) -> ColumnElement[Any]:
    """Before, or after, all time."""
    return cast(literal_column(f"'{sign}infinity'"), DateTime(timezone=True))


def double(term: Term) -> ColumnElement[Any]:
    """A number as a double, so that halves of whole numbers are halves."""
    return cast(term.sql, Float) if term.whole else term.sql


def alike(op: str, left: Term, right: Term) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Two terms as they can be compared; BadParameter where they cannot.

    A whole number beside a property of whole numbers is bound as one, or its index would not be
    used; a text beside a day or time is read as that.
    """
    left, right = _read_as(left, right), _read_as(right, left)
    if left.kind != right.kind:
        if left.kind in TEMPORAL and right.kind in TEMPORAL:
            return moment(left), moment(right)
        raise kinds(op, left, right)
    return _as_whole(left, right), _as_whole(right, left)


def _read_as(term: Term, beside: Term) -> Term:
    if term.kind == "string" and isinstance(term.written, str) and beside.kind in TEMPORAL:
        return date(term.written) if len(term.written) == 10 else instant(term.written)
    return term


def _as_whole(term: Term, beside: Term) -> ColumnElement[Any]:
    value = term.written
    if beside.whole and isinstance(value, float) and value.is_integer() and abs(value) < 2**62:
        return bound(int(value), "integer")
    return term.sql
