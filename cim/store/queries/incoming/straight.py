"""Statements of a first load, whose rows are written where they belong as they are read."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Table

TYPES = """
    SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
    WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped"""
"""Columns of a table with their types."""

NEXT = "SELECT nextval(pg_get_serial_sequence(:table, 'id'))"
"""A key that nobody has."""

COUNT_ON = """
    SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}
    HAVING max(id) IS NOT NULL"""
"""The next key after those that were given by hand."""


def is_first(table: Table) -> str:
    """1 where the table holds nothing, and nothing of the source waits in the quarantine."""
    return f"""
        SELECT count(*) FROM (SELECT 1) one
        WHERE NOT EXISTS (SELECT FROM {table.fullname})
          AND NOT EXISTS (SELECT FROM platform.quarantine q WHERE q.kind = :kind
                          AND q.source_id = :source_id AND q.cleared_at IS NULL)"""


def beside(faults: str) -> str:
    """Condition on `t`: a row that was set aside has its key."""
    return f"t.ext_id IN (SELECT f.ext_id FROM {faults} f WHERE f.ext_id IS NOT NULL)"


def repeated(table: Table) -> str:
    """Condition on `t`: another row has its key."""
    return f"""t.ext_id IN (SELECT o.ext_id FROM {table.fullname} o
                            GROUP BY o.ext_id HAVING count(*) > 1)"""


def take_back(
    rows: str,
    table: Table,
    types: Iterable[str],
    lost: Mapping[str, str],
    wanted: Iterable[str],
) -> str:
    """Move rows `t` that meet one of the conditions from the table to the staging table."""
    names = list(types)
    kept = ", ".join(name if name in table.c else f"{lost[name]} AS {name}" for name in names)
    return f"""
        WITH gone AS (DELETE FROM {table.fullname} t WHERE t.source_id = :source_id
                      AND ({" OR ".join(f"({one})" for one in wanted)}) RETURNING t.*)
        INSERT INTO {rows} (row_no, ext_id, {", ".join(names)})
        SELECT t.id - :base, t.ext_id, {kept} FROM gone t"""


def written(table: Table) -> str:
    """How many rows of the source the table holds."""
    return f"SELECT count(*) FROM {table.fullname} t WHERE t.source_id = :source_id"
