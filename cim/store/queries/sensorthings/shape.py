"""What an entity set is: a relation with keys, properties and links, as pieces of SQL.

In every piece `{a}` stands for the alias of its relation, and `{b}` for that of what it leads to.
The pieces are written here; what callers write is a parameter.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cim.store.queries.ready import Asked

_PLACE = re.compile(r"\$(\d+)::")

Place = tuple[tuple[int, ...], tuple[int, ...]] | None
"""Areas and grids, or None for the whole city."""

Kind = Literal["id", "string", "number", "boolean", "time", "json", "geometry", "any"]


class Values:
    """The values of a statement: each becomes a parameter with its type."""

    def __init__(self) -> None:
        """None so far."""
        self.given: list[Any] = []
        self._aliases = 0

    def add(self, value: Any, type_: str) -> str:
        """A place for a value, in SQL.

        >>> values = Values()
        >>> values.add("x'; DROP", "text"), values.add(7, "int8"), values.given
        ('$1::text', '$2::int8', ["x'; DROP", 7])
        """
        self.given.append(value)
        return f"${len(self.given)}::{type_}"

    def once(self, value: Any, type_: str) -> str:
        """A place for a value that others of the statement may share."""
        if value in self.given:
            return f"${self.given.index(value) + 1}::{type_}"
        return self.add(value, type_)

    def asked(self, sql: str) -> Asked:
        """The statement with its values; one that it does not use after all is left out.

        >>> values = Values()
        >>> values.asked(f"SELECT {(values.add(1, 'int8'), values.add(2, 'int8'))[1]}")
        Asked(sql='SELECT $1::int8', values=(2,))
        """
        used = sorted({int(number) for number in _PLACE.findall(sql)})
        places = {number: place for place, number in enumerate(used, 1)}
        numbered = _PLACE.sub(lambda found: f"${places[int(found[1])]}::", sql)
        return Asked(numbered, tuple(self.given[number - 1] for number in used))

    def alias(self) -> str:
        """A name for a relation that no other has."""
        self._aliases += 1
        return f"r{self._aliases}"


@dataclass(frozen=True)
class Asking:
    """For whom a statement is made: what they may see, and the address of the root."""

    root: str
    living: Place = ((), ())
    """Where they may see what tells whether somebody is at home."""

    sight: tuple[tuple[int, Place], ...] = ()
    """Up to which secrecy they see devices, and where."""

    values: Values = field(default_factory=Values)
    near: str | None = None
    """A geometry that what is sought must meet, as a parameter: an index finds it."""

    def fresh(self) -> "Asking":
        """The same caller, for another statement."""
        return replace(self, values=Values(), near=None)

    def rooted(self) -> str:
        """The address of the root as a parameter, one however often it is used."""
        return self.values.once(self.root + "/", "text")


Relation = Callable[[Asking], str]


@dataclass(frozen=True)
class Property:
    """A property of an entity."""

    name: str
    kind: Kind
    sql: str
    """Its value: text, double, boolean, timestamptz, jsonb or geometry."""

    json: str = ""
    """Its JSON as text, where it is not just that of the value; NULL leaves it out."""

    end: str = ""
    """The end of a time that is a period; `sql` is its begin."""

    other: str = ""
    """Of a result, its value as text; `sql` is the number."""

    written: str = ""
    """The column a client may write, where it is one."""


@dataclass(frozen=True)
class Link:
    """Where an entity leads."""

    name: str
    to: str
    """The entity by its name in the singular."""

    on: str
    """The condition between both, and `{v}` where it goes by way of something."""

    via: str = ""
    """What it goes by way of: a statement over `{a}`."""

    many: bool = False
    order: str = ""
    """What its entities are in the order of, where not of their ids."""

    keys: tuple[str, ...] = ()
    """What of `{a}` is the key of the other, where it is known without going there."""

    open: Callable[[Asking, str], str] | None = None
    """What holds of an alias of `{a}` where any of the others may be seen."""


@dataclass(frozen=True)
class Key:
    """How entities of a set are told apart: one number, a number with its kind, or a moment."""

    columns: tuple[tuple[str, str], ...]
    """SQL and type of each, in the order in which they sort."""

    json: str
    text: str
    """As it stands in the brackets of an address."""

    number: str = ""
    """As one number, to compare by."""


NUMBER = Key((("{a}.key", "int8"),), "{a}.key::text", "{a}.key::text", "{a}.key")
PAIR = Key(
    (("{a}.key", "int8"), ("{a}.kind", "int4")),
    "({a}.key * 8 + {a}.kind)::text",
    "({a}.key * 8 + {a}.kind)::text",
    "({a}.key * 8 + {a}.kind)",
)
MICROSECONDS = "(extract(epoch FROM {a}.at) * 1000000)::int8"
MOMENT = Key(
    (("{a}.stream", "int8"), ("{a}.at", "timestamptz")),
    f"""'"' || {{a}}.stream || '_' || {MICROSECONDS} || '"'""",
    f"'''' || {{a}}.stream || '_' || {MICROSECONDS} || ''''",
)


@dataclass(frozen=True)
class Entity:
    """One kind of entity."""

    name: str
    many: str
    key: Key
    relation: Relation
    properties: dict[str, Property]
    links: dict[str, Link]
    present: Callable[[Asking, str], str] = lambda _asking, _a: "true"
    """What holds of those that the caller may see, of an alias."""

    nameless: bool = False
    """Whether its entities are worked out, and have no id to be asked by."""

    walk: str = ""
    """The table whose ids are walked along where the whole set is sent, if it is one."""


def by_name(*each: Any) -> dict[str, Any]:
    """Properties or links by their names."""
    return {one.name: one for one in each}


def geojson(expression: str) -> str:
    """A geometry as GeoJSON has it since RFC 7946: without a system, and one part as that part.

    Buildings are stored in several parts; a client that asks for polygons finds those of one.
    """
    return f"ST_AsGeoJSON(ST_CollectionHomogenize({expression}), 8, 0)"


def part_of(expression: str, path: tuple[str, ...], place: str) -> str:
    """A part of a geometry's GeoJSON; `place` is the SQL of its path.

    Clients ask of every object whether it is a point: that is not worked out through its GeoJSON.
    """
    if path == ("type",):
        return f"to_jsonb(substr(ST_GeometryType(ST_CollectionHomogenize({expression})), 4))"
    if path[0] == "coordinates":
        return f"{geojson(expression)}::jsonb #> {place}"
    return "NULL::jsonb"


def iso(expression: str) -> str:
    """A moment as JSON: in UTC, with as many digits as it has."""
    return f"""left(to_json({expression} AT TIME ZONE 'UTC')::text, -1) || 'Z"'"""


def span(begin: str, end: str) -> str:
    """A period as JSON: `begin/end`, however short it is; clients read no moment in its place."""
    first, last = (f"trim('\"' FROM {iso(each)})" for each in (begin, f"coalesce({end}, {begin})"))
    return f"CASE WHEN {begin} IS NOT NULL THEN '\"' || {first} || '/' || {last} || '\"' END"


def period(begin: str, end: str) -> str:
    """The same, or the moment where both are one."""
    return (
        f"CASE WHEN {end} IS NULL OR {end} = {begin} THEN {iso(begin)} ELSE {span(begin, end)} END"
    )
