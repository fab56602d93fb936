"""The data dictionary: every table and column with its meaning, as one page of Markdown."""

from sqlalchemy import Column, ForeignKeyConstraint, Index, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql.base import PGDialect

from cim.model import CITY, PII, PLATFORM, SECURITY, metadata

SCHEMAS = {
    CITY: "The city, without personal data. Read by the role `cim_reader`.",
    PII: "Personal data: names, numbers and phones are stored encrypted. Read by the role "
    "`cim_resident_reader`, with a purpose, and every read is logged.",
    PLATFORM: "The service itself: imports, quarantine, changes, tilesets.",
    SECURITY: "Accounts, roles, keys, sessions and the audit log. Read by `cim_service` alone, "
    "which may write what signing in changes and add to the log; rules that hold against SQL "
    "too are triggers.",
}
"""The schemas in the order of the page, and what stands in each."""

_HEAD = """\
# Data dictionary

Made by `cim db dictionary` from the tables' own comments; not written by hand.

Geometry is in CGCS2000 degrees (EPSG:4490); heights are metres. A key is marked **PK**; → is a
foreign key; ⚷ marks what is unique together.
"""


def render() -> str:
    """The page, schema by schema and table by table, in the order of their names."""
    parts = [_HEAD]
    for schema, meaning in SCHEMAS.items():
        parts.append(f"## {schema}\n\n{meaning}\n")
        tables = [table for table in metadata.tables.values() if table.schema == schema]
        parts += [_table(table) for table in sorted(tables, key=lambda table: table.name)]
    return "\n".join(parts)


def _table(table: Table) -> str:
    lines = [
        f"### {table.fullname}",
        "",
        f"{_cell(table.comment)}.",
        "",
        "| column | type | null | key | meaning |",
        "|---|---|---|---|---|",
        *map(_row, table.columns),
        "",
    ]
    return "\n".join(lines)


def _row(column: Column[object]) -> str:
    kind = column.type.compile(PGDialect())  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    null = "yes" if column.nullable else ""
    return f"| `{column.name}` | {_kind(kind)} | {null} | {_key(column)} | {_meaning(column)} |"


def _kind(compiled: str) -> str:
    """A type as people write it.

    >>> _kind("TIMESTAMP WITH TIME ZONE"), _kind("geometry(MULTIPOLYGON,4490)")
    ('timestamptz', 'geometry(MultiPolygon)')
    """
    plain = compiled.lower().replace("timestamp with time zone", "timestamptz")
    for name in ("MultiPolygon", "MultiLineString", "LineString", "Point", "Geometry"):
        plain = plain.replace(f"({name.lower()},4490)", f"({name})")
        plain = plain.replace(f"({name.lower()}z,4490)", f"({name}Z)")
    return plain


def _key(column: Column[object]) -> str:
    marks = ["PK"] if column.primary_key else []
    for constraint in column.table.constraints:
        if isinstance(constraint, ForeignKeyConstraint) and column.name in constraint.column_keys:
            marks.append(f"→ {constraint.referred_table.fullname}")
    uniques: list[UniqueConstraint | Index] = [
        one for one in column.table.constraints if isinstance(one, UniqueConstraint)
    ]
    uniques += [one for one in column.table.indexes if one.unique]
    if any(column.name in one.columns for one in uniques):
        marks.append("⚷")
    return "**PK**" + ", ".join(["", *marks[1:]]) if marks[:1] == ["PK"] else ", ".join(marks)


def _meaning(column: Column[object]) -> str:
    default = column.server_default
    stated = getattr(getattr(default, "arg", None), "text", "")
    return _cell(column.comment) + (f" (default `{stated}`)" if stated else "")


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("\n", " ")
