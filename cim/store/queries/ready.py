"""Statements that are asked very often: made once, run as they are by the driver.

To bind a statement of a toolkit anew at every request takes longer than the database takes to
answer it. The names of a text become the driver's places once, when the module is read.
"""

import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import asyncpg

_DIALECT: Any = asyncpg.dialect()  # type: ignore[no-untyped-call]  # it comes without types
_NAME = re.compile(r"(?<![:\w]):([a-z]\w*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement with its values, in the order of their places."""

    sql: str
    values: tuple[Any, ...] = ()


class Ready:
    """A statement that takes its values by name.

    >>> ready = Ready("SELECT :id + 1, :id::text WHERE :id > :least", id="bigint", least="int")
    >>> ready(least=2, id=7)
    Asked(sql='SELECT $1::bigint + 1, $1::bigint::text WHERE $1::bigint > $2::int', values=(7, 2))
    """

    def __init__(self, sql: str, **types: str) -> None:
        """A text with `:name` for each value, and the type in SQL that each has."""
        self._names = tuple(dict.fromkeys(_NAME.findall(sql)))
        places = {name: f"${at}::{types[name]}" for at, name in enumerate(self._names, 1)}
        self._known: dict[str, Any] = {}
        self.sql = _NAME.sub(lambda found: places[found[1]], sql)

    @classmethod
    def of(cls, statement: Select[Any]) -> "Ready":
        """A statement of the toolkit, which takes the values of its named `bindparam`s.

        Those that have a value already keep it.

        >>> from sqlalchemy import Integer, bindparam, select
        >>> Ready.of(select(bindparam("id", type_=Integer) + 1))(id=7)
        Asked(sql='SELECT $1::INTEGER + $2::INTEGER AS anon_1', values=(7, 1))
        """
        made = statement.compile(dialect=_DIALECT)
        ready = cls("")
        ready.sql, ready._names = str(made), tuple(made.positiontup or ())
        ready._known = {name: value for name, value in made.params.items() if value is not None}
        return ready

    def __call__(self, **values: Any) -> Asked:
        """The statement with these values; KeyError where one is missing."""
        if self._known:
            values = self._known | values
        return Asked(self.sql, tuple(values[name] for name in self._names))
