"""Write the SQL of new tables for a migration, from the tables themselves.

    python -m cim.store.migrations.freeze 0002_intake platform.intake platform.match

A developer's step, once: what has landed is history, and a change of a table that has is a new
migration of its own.  tests/postgis/test_migrations.py says whether the migrations end where the
tables stand.
"""

import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.schema import CreateIndex, CreateTable, SetColumnComment, SetTableComment
from sqlalchemy.sql.ddl import ExecutableDDLElement

from cim.model import metadata

VERSIONS = Path(__file__).parent / "versions"
"""Where the frozen statements are."""


def tables(names: Collection[str]) -> str:
    """The SQL that makes these tables (`schema.name`) with indexes, constraints and comments."""
    # The plain dialect: that of a driver would double the percent signs.
    dialect = PGDialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own omission
    made = [str(step.compile(dialect=dialect)).strip() for step in _steps(names)]
    return "\n".join(line.rstrip() for one in made for line in f"{one};".splitlines()) + "\n"


def _steps(names: Collection[str]) -> Iterator[ExecutableDDLElement]:
    """Every statement, in an order that depends on nothing but the tables."""
    for table in metadata.sorted_tables:
        if table.fullname not in names:
            continue
        yield CreateTable(table)
        yield from map(CreateIndex, sorted(table.indexes, key=lambda index: str(index.name)))
        yield SetTableComment(table)
        yield from map(SetColumnComment, table.columns)


if __name__ == "__main__":
    revision, *wanted = sys.argv[1:]
    (VERSIONS / f"{revision}.sql").write_text(tables(wanted), "utf-8")
