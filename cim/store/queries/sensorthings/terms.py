"""What conditions are made of: terms with a kind, and how two of them compare."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from cim.errors import BadParameter
from cim.store.queries.sensorthings.asked import Value, refused
from cim.store.queries.sensorthings.shape import Key, Values
from cim.store.queries.sensorthings.tokens import moment

Kind = Literal[
    "id", "string", "number", "boolean", "time", "duration", "date", "clock", "json", "geometry",
    "any", "null",
]  # fmt: skip

TYPES: dict[str, str] = {
    "string": "text", "number": "float8", "boolean": "bool", "time": "timestamptz",
    "duration": "interval", "date": "date", "clock": "time",
}  # fmt: skip
"""As what a literal of each kind is bound."""

SIGNS = {"eq": "=", "ne": "IS DISTINCT FROM", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(frozen=True)
class Term:
    """Something with a value: a property, a literal, or what is worked out of them."""

    kind: Kind
    sql: str
    end: str = ""
    """The end of a time that is a period."""

    other: str = ""
    """Of a result: its value as text."""

    written: Any = None
    """The value where the caller wrote it."""

    key: tuple[str, ...] = ()
    """Of an id: the columns that it is made of."""

    made: Key | None = None
    """Of an id: how it is made of them."""


def literal(value: Value, values: Values) -> Term:
    """A literal as a parameter."""
    kind, found = value.kind, value.value
    if kind == "null":
        return Term("null", "NULL")
    if kind == "geometry":
        return Term(
            "geometry", f"ST_GeomFromWKB({values.add(found, 'bytea')}, 4490)", written=found
        )
    if kind == "interval":
        first, last = (values.add(each, "timestamptz") for each in found)
        return Term("time", first, end=last, written=found)
    return Term(kind, values.add(found, TYPES[kind]), written=found)


def kinds(name: str, *found: Term) -> BadParameter:
    """What is said where something does not take terms of these kinds."""
    names = ", ".join(term.kind for term in found)
    return refused("$filter", f"{name} does not take {names}", f"{name} 不支持类型 {names}")


def as_kind(term: Term, kind: str, values: Values) -> Term | None:
    """A term as one of another kind, where it has that: JSON, results, times in quotes."""
    if term.kind == kind:
        return term
    if term.kind == "any":
        return _result(term, kind)
    if term.kind == "json" and kind in ("number", "string", "boolean"):
        return Term(kind, _out_of(term.sql, kind))  # type: ignore[arg-type]  # one of three
    if term.kind == "string" and isinstance(term.written, str) and kind in ("time", "date"):
        return Term("time", values.add(moment(term.written), "timestamptz"))
    if term.kind == "date" and kind == "time":
        return replace(term, kind="time", sql=f"({term.sql}::timestamp AT TIME ZONE 'UTC')")
    return None


def _result(term: Term, kind: str) -> Term | None:
    if kind == "number":
        return Term("number", term.sql)
    if kind == "string":
        return Term("string", f"coalesce({term.other}, ({term.sql})::text)")
    return Term("boolean", f"({term.sql} <> 0)") if kind == "boolean" else None


def _out_of(sql: str, kind: str) -> str:
    text = f"({sql} #>> '{{}}')"
    if kind == "string":
        return text
    type_ = "float8" if kind == "number" else "bool"
    return f"(CASE WHEN jsonb_typeof({sql}) = '{kind}' THEN {text}::{type_} END)"


def compared(op: str, left: Term, right: Term, values: Values) -> str:
    """The condition that two terms compare so; BadParameter where they cannot."""
    if "null" in (left.kind, right.kind):
        return _nothing(op, left, right)
    if "id" in (left.kind, right.kind):
        return _ids(op, left, right, values)
    left, right = _alike(op, left, right, values)
    if left.kind == "geometry":
        raise kinds(op, left, right)
    if left.end or right.end:
        return _periods(op, left, right)
    return f"({left.sql} {SIGNS[op]} {right.sql})"


def _nothing(op: str, left: Term, right: Term) -> str:
    if op not in ("eq", "ne"):
        raise kinds(op, left, right)
    other = right if left.kind == "null" else left
    if other.kind == "null":
        return "true" if op == "eq" else "false"
    found = f"({other.sql} IS NULL)"
    if other.kind == "any":
        found = f"({other.sql} IS NULL AND {other.other} IS NULL)"
    if other.kind == "json":
        found = f"({other.sql} IS NULL OR {other.sql} = 'null'::jsonb)"
    return found if op == "eq" else f"(NOT {found})"


def _alike(op: str, left: Term, right: Term, values: Values) -> tuple[Term, Term]:
    if left.kind == right.kind:
        if left.kind == "any":
            return Term("number", left.sql), Term("number", right.sql)
        return left, right
    for kind in (right.kind, left.kind):
        both = as_kind(left, kind, values), as_kind(right, kind, values)
        if both[0] is not None and both[1] is not None:
            return both[0], both[1]
    if left.kind == "any" or right.kind == "any":
        both = as_kind(left, "number", values), as_kind(right, "number", values)
        if both[0] is not None and both[1] is not None:
            return both[0], both[1]
    raise kinds(op, left, right)


def _periods(op: str, left: Term, right: Term) -> str:
    """Periods compare by their ends; what the begin alone rules out is said too, for an index."""
    lb, le = left.sql, left.end or left.sql
    rb, re = right.sql, right.end or right.sql
    match op:
        case "lt":
            return f"({lb} < {rb} AND {le} < {rb})"
        case "le":
            return f"({lb} <= {re} AND {le} <= {re})"
        case "gt":
            return f"({lb} > {re})"
        case "ge":
            return f"({lb} >= {rb})"
        case "eq":
            return f"({lb} = {rb} AND {le} = {re})"
        case _:
            return f"(NOT ({lb} = {rb} AND {le} = {re}))"


def _ids(op: str, left: Term, right: Term, values: Values) -> str:
    if left.kind != "id":
        turned = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
        return _ids(turned.get(op, op), right, left, values)
    if right.kind == "id":
        if len(left.key) != len(right.key) or left.made != right.made:
            raise kinds(op, left, right)
        sides = f"({', '.join(left.key)})", f"({', '.join(right.key)})"
        return f"({sides[0]} {SIGNS[op].replace('IS DISTINCT FROM', '<>')} {sides[1]})"
    parts = parts_of(left, right.written)
    if parts is None:
        return "true" if op == "ne" else "false"
    if op in ("eq", "ne"):
        found = " AND ".join(
            f"{column} = {part if isinstance(part, str) else values.add(*part)}"
            for column, part in zip(left.key, parts, strict=True)
        )
        return f"({found})" if op == "eq" else f"(NOT ({found}))"
    bound = ", ".join(part if isinstance(part, str) else values.add(*part) for part in parts)
    return f"(({', '.join(left.key)}) {SIGNS[op]} ({bound}))"


def parts_of(term: Term, written: Any) -> list[Any] | None:
    """The columns of an id as the caller wrote it; None where nothing can have it."""
    number = _whole(written)
    if len(term.key) == 1:
        return None if number is None else [(number, "int8")]
    if term.made is not None and not term.made.number:
        return moment_of(written)
    if number is None:
        return None
    # Which kind it is goes into the text, one of eight: tables of others are not looked into.
    return [(number >> 3, "int8"), str(number & 7)]


def _whole(written: Any) -> int | None:
    if isinstance(written, str) and written.isascii() and written.isdigit():
        written = int(written) if len(written) < 19 else None
    if isinstance(written, bool) or not isinstance(written, int | float):
        return None
    whole = int(written)
    return whole if whole == written and 0 <= whole < 2**62 else None


def moment_of(written: Any) -> list[tuple[Any, str]] | None:
    """Stream and time in the id of a reading, such as `17_1425340800000000`."""
    if not isinstance(written, str):
        return None
    stream, mark, microseconds = written.partition("_")
    bare = microseconds.removeprefix("-")
    if not mark or not (
        stream.isascii() and stream.isdigit() and bare.isascii() and bare.isdigit()
    ):
        return None
    if len(stream) > 18 or len(bare) > 17:
        return None
    at = stamp(int(microseconds))
    return None if at is None else [(int(stream), "int8"), (at, "timestamptz")]


def stamp(microseconds: int) -> datetime | None:
    """A moment by its microseconds since 1970; None beyond the calendar."""
    try:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    except OverflowError:
        return None
