"""Write the first migration's SQL anew from the tables: `python -m cim.store.migrations.freeze`.

A developer's step for as long as no version has been released.  After the first release the file
is history: a change of the tables is then a new migration, and tests/postgis/test_migrations.py
says whether the migrations still end where the tables stand.
"""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment, SetTableComment
from sqlalchemy.sql.ddl import ExecutableDDLElement

from cim.model import metadata

FROZEN = Path(__file__).parent / "versions" / "0001_initial.sql"
"""The first migration's statements."""


def statements() -> str:
    """The SQL of a whole database: extensions and schemas, tables, roles, functions."""
    store = files("cim.store")
    parts = [
        "-- Made by cim.store.migrations.freeze; not written by hand.\n",
        store.joinpath("bootstrap.sql").read_text("utf-8"),
        tables(),
        store.joinpath("roles.sql").read_text("utf-8"),
        store.joinpath("functions.sql").read_text("utf-8"),
    ]
    return "\n".join(parts)


def tables() -> str:
    """The SQL that makes every table, index, constraint and comment of `cim.model`."""
    # The plain dialect: that of a driver would double the percent signs.
    dialect = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own omission
    made = [str(step.compile(dialect=dialect)).strip() for step in _steps()]
    return "\n".join(line.rstrip() for one in made for line in f"{one};".splitlines()) + "\n"


def _steps() -> Iterator[ExecutableDDLElement]:
    """Every statement, in an order that depends on nothing but the tables."""
    for table in metadata.sorted_tables:
        yield CreateTable(table)
        yield from map(CreateIndex, sorted(table.indexes, key=lambda index: str(index.name)))
        yield SetTableComment(table)
        yield from map(SetColumnComment, table.columns)


if __name__ == "__main__":
    FROZEN.write_text(statements(), "utf-8")
