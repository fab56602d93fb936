"""Statements that are asked very often: made once, run as they are by the driver.

To bind a statement of a toolkit anew at every request takes longer than the database takes to
answer it. The names of a text become the driver's places once, when the module is read.
"""

import re
from dataclasses import dataclass
from typing import Any

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
        self.sql = _NAME.sub(lambda found: places[found[1]], sql)

    def __call__(self, **values: Any) -> Asked:
        """The statement with these values; KeyError where one is missing."""
        return Asked(self.sql, tuple(values[name] for name in self._names))
