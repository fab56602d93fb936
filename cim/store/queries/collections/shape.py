"""What a collection is: a table, or several, with a geometry and properties that anyone may see."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Float,
    FromClause,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    cast,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

Kind = Literal["integer", "number", "string", "boolean", "date", "date-time", "strings"]
"""What a property holds; `strings` is a list of texts."""

KINDS: tuple[tuple[type[TypeEngine[Any]], Kind], ...] = (
    (SmallInteger, "integer"),
    (Integer, "integer"),
    (BigInteger, "integer"),
    (Numeric, "number"),
    (Float, "number"),
    (Boolean, "boolean"),
    (DateTime, "date-time"),
    (Date, "date"),
    (ARRAY, "strings"),
    (Text, "string"),
)


@dataclass(frozen=True)
class Property:
    """One property of a collection's features."""

    name: str
    expression: ColumnElement[Any]
    kind: Kind
    about: str
    """The comment of its column in the model."""

    required: bool
    """Whether every feature has it."""


Near = Callable[[ColumnElement[Any]], ColumnElement[bool]]
"""From a geometry to a condition that an index answers, true of all that may meet it."""


@dataclass(frozen=True)
class Collection:
    """One collection: where its features are, and what is shown of them."""

    name: str
    zh: str
    en: str
    about: str
    """The comment of its table in the model."""

    tables: FromClause
    key: ColumnElement[int]
    geometry: ColumnElement[Any]
    geometry_kind: Literal["MultiPolygon", "MultiLineString", "Point"]
    properties: Mapping[str, Property]
    present: ColumnElement[bool]
    sortable: tuple[str, ...]
    """Properties that features may be sorted by."""

    near: Near | None = None
    """Where the geometry is not a column with an index of its own."""

    changed: str | None = None
    """The property that `datetime` asks of."""

    secrecy: ColumnElement[int] | None = None
    """The level up to which a caller must be cleared; None where everything is public."""

    area: ColumnElement[int] | None = None
    """The lowest area of a feature that is not public, and `grid` its grid."""

    grid: ColumnElement[int] | None = None


def kind_of(column: Column[Any]) -> Kind:
    """What a column of the model holds."""
    return next(kind for type_, kind in KINDS if isinstance(column.type, type_))


def shown(name: str, column: Column[Any], expression: ColumnElement[Any] | None = None) -> Property:
    """A column as a property; its words are those of the model. Decimals are shown as doubles."""
    kind = kind_of(column)
    value: ColumnElement[Any] = column if expression is None else expression
    if isinstance(column.type, Numeric):
        value = cast(value, Float)
    elif kind == "strings":
        value = type_coerce(value, ARRAY(Text))
    required = not column.nullable and expression is None
    return Property(name, value, kind, column.comment or "", required)


def listed(table: Table, names: str) -> list[Property]:
    """Columns by name, with a space between; `use=use_code` shows one under another name."""
    found = []
    for word in names.split():
        name, _, column = word.partition("=")
        found.append(shown(name, table.c[column or name]))
    return found


def by_name(*properties: Property) -> dict[str, Property]:
    """Properties by their names, in order."""
    return {each.name: each for each in properties}
