"""Statements of the loaders: pure text, names from our own tables, values as parameters."""

from collections.abc import Iterable, Mapping

from sqlalchemy import Table, TextClause, text
from sqlalchemy.schema import DefaultClause

from cim.store.queries.changes import TELLING


def bound(sql: str) -> TextClause:
    """A statement whose `:name` words are its parameters."""
    return text(sql)


def create_stage(name: str, types: Mapping[str, str]) -> str:
    """A temporary table that ends with the transaction."""
    listed = ", ".join(f"{column} {kind}" for column, kind in types.items())
    return f"CREATE TEMPORARY TABLE {name} ({listed}) ON COMMIT DROP"


def set_aside(rows: str, faults: str, condition: str, value: str) -> str:
    """Move rows `s` from one temporary table to the other, with field and reason."""
    return f"""
        WITH gone AS (DELETE FROM {rows} s WHERE {condition}
                      RETURNING s.row_no, s.ext_id, ({value})::text AS value)
        INSERT INTO {faults} (row_no, ext_id, field, value, reason)
        SELECT row_no, ext_id, CAST(:field AS text), value, CAST(:reason AS text) FROM gone"""


def staged(table: Table, column: str, kept: Mapping[str, str] | None = None) -> str:
    """A staged value; the column's default where it may not be NULL, or what `kept` says."""
    known = table.c[column]
    if kept and column in kept:
        return kept[column]
    default = known.server_default
    if known.nullable or not isinstance(default, DefaultClause):
        return f"s.{column}"
    return f"coalesce(s.{column}, {default.arg})"


def repeats_of(rows: str) -> str:
    """Condition: an earlier row of the file has the same key."""
    return f"""EXISTS (SELECT FROM (SELECT ext_id, min(row_no) AS first FROM {rows}
                             GROUP BY ext_id HAVING count(*) > 1) o
                   WHERE o.ext_id = s.ext_id AND s.row_no > o.first)"""


ONE_ROW_A_KEY = """
    DELETE FROM stage_rows s
    USING (SELECT ext_id, min(row_no) AS first FROM stage_rows
           GROUP BY ext_id HAVING count(*) > 1) o
    WHERE o.ext_id = s.ext_id AND s.row_no > o.first"""
"""Of several rows with one key the first stays, where the others were not lost by it."""


def changed_rows(
    rows: str, table: Table, columns: Iterable[str], kept: Mapping[str, str] | None = None
) -> str:
    """A temporary table `stage_changed` (id, row_no, before) of rows unlike what is kept."""
    columns = list(columns)
    old = ", ".join(f"t.{c}" for c in columns)
    new = ", ".join(f"{staged(table, c, kept)} AS {c}" for c in columns)
    unlike = ", ".join(staged(table, c, kept) for c in columns)
    return f"""
        CREATE TEMPORARY TABLE stage_changed ON COMMIT DROP AS
        SELECT t.id, s.row_no,
               (SELECT jsonb_object_agg(o.key, o.value) FROM jsonb_each(to_jsonb(
                    (SELECT x FROM (SELECT {old}, t.ended_at) x))) o
                LEFT JOIN jsonb_each(to_jsonb(
                    (SELECT x FROM (SELECT {new}, NULL::timestamptz AS ended_at) x))) n
                     ON n.key = o.key
                WHERE o.value IS DISTINCT FROM n.value) AS before
        FROM {rows} s JOIN {table.fullname} t
          ON t.source_id = :source_id AND t.ext_id = s.ext_id
        WHERE t.ended_at IS NOT NULL OR ROW({old}) IS DISTINCT FROM ROW({unlike})"""


def update_changed(
    rows: str, table: Table, columns: Iterable[str], kept: Mapping[str, str] | None = None
) -> str:
    """Write `stage_changed` into the table."""
    put = ", ".join(f"{c} = {staged(table, c, kept)}" for c in columns)
    return f"""
        UPDATE {table.fullname} t SET {put}, updated_at = now(), ended_at = NULL
        FROM stage_changed c JOIN {rows} s USING (row_no) WHERE t.id = c.id"""


def knows_source(table: Table) -> str:
    """1 where the table holds a row of the source, else 0."""
    return f"""SELECT count(*) FROM (
        SELECT FROM {table.fullname} t WHERE t.source_id = :source_id LIMIT 1) x"""


def insert_new(
    rows: str, table: Table, columns: Iterable[str], order: str | None, *, first: bool = False
) -> str:
    """Write rows whose key is not kept yet.

    The `first` rows of a source are all new: nobody looks for their keys.
    """
    columns = list(columns)
    new = f"""NOT EXISTS (SELECT FROM {table.fullname} t
                              WHERE t.source_id = :source_id AND t.ext_id = s.ext_id)"""
    names = ", ".join(columns)
    values = ", ".join(staged(table, c) for c in columns)
    written = f"""
            INSERT INTO {table.fullname} (source_id, ext_id, {names})
            SELECT :source_id, s.ext_id, {values} FROM {rows} s
            WHERE {"true" if first else new}
            {f"ORDER BY {order}" if order else ""}"""
    return told(table, written, "insert")


def told(table: Table, written: str, op: str) -> str:
    """A statement that writes, with a line in the change feed for each row.

    Of a public table the database tells by itself (`rules/changes.sql`).
    """
    if table.fullname in TELLING:
        return written
    return f"""
        WITH done AS ({written} RETURNING id)
        INSERT INTO platform.change (object_type, object_id, op, import_id)
        SELECT :object_type, id, '{op}', :import_id FROM done"""


RECORD_CHANGED = """
    INSERT INTO platform.change (object_type, object_id, op, import_id, before)
    SELECT :object_type, id, 'update', :import_id, before FROM stage_changed"""


def missing(rows: str, faults: str, table: Table) -> str:
    """Condition on `t`: of this source, current, and not in the file (set aside is in)."""
    return f"""t.source_id = :source_id AND t.ended_at IS NULL AND t.ext_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM {rows} s WHERE s.ext_id = t.ext_id)
        AND NOT EXISTS (SELECT FROM {faults} f WHERE f.ext_id = t.ext_id)"""


def met_and_missing(rows: str, faults: str, table: Table) -> str:
    """How many staged rows are kept already, and how many kept ones are `missing`."""
    return f"""
        SELECT count(s.ext_id),
               count(*) FILTER (WHERE s.ext_id IS NULL AND f.ext_id IS NULL AND t.ended_at IS NULL)
        FROM {table.fullname} t LEFT JOIN {rows} s ON s.ext_id = t.ext_id
        LEFT JOIN (SELECT DISTINCT ext_id FROM {faults}) f ON f.ext_id = t.ext_id
        WHERE t.source_id = :source_id AND t.ext_id IS NOT NULL"""


def end_missing(rows: str, faults: str, table: Table) -> str:
    """Mark as ended what the file no longer has; never delete."""
    ended = f"""UPDATE {table.fullname} t SET ended_at = now(), updated_at = now()
                      WHERE {missing(rows, faults, table)}"""
    return told(table, ended, "end")


SOURCE = """
    WITH made AS (INSERT INTO city.source_system (name) VALUES (:name)
                  ON CONFLICT (name) DO NOTHING RETURNING id)
    SELECT id FROM made UNION ALL SELECT id FROM city.source_system WHERE name = :name LIMIT 1"""

BEGIN_IMPORT = """
    WITH begun AS (
        INSERT INTO platform.data_import (kind, file, layer, source_id, mapping, crs)
        VALUES (:kind, :file, :layer, :source_id, CAST(:mapping AS jsonb), :crs) RETURNING id)
    SELECT id, set_config('cim.import', CAST(id AS text), true) FROM begun"""
"""What the transaction writes from here on is told of as brought by the import."""

END_IMPORT = """
    UPDATE platform.data_import SET finished_at = clock_timestamp(), stats = CAST(:stats AS jsonb)
    WHERE id = :import_id"""

LACKING_RECORD = "SELECT row_no FROM stage_faults WHERE record IS NULL AND record_enc IS NULL"

FILL_RECORDS = """
    UPDATE stage_faults f SET record = r.record, record_enc = r.record_enc, geom = r.geom,
        solid = r.solid, solid_lods = r.solid_lods, solid_above = r.solid_above
    FROM stage_records r WHERE r.row_no = f.row_no AND f.record IS NULL AND f.record_enc IS NULL"""

KEEP_FAULTS = """
    INSERT INTO platform.quarantine (import_id, kind, source_id, ext_id, file, row_no, field,
        value, reason, reason_en, reason_zh, record, record_enc, geom,
        solid, solid_lods, solid_above)
    SELECT :import_id, :kind, :source_id, f.ext_id, :file, f.row_no, f.field, f.value, f.reason,
        r.en, r.zh, f.record, f.record_enc, f.geom, f.solid, f.solid_lods, f.solid_above
    FROM stage_faults f
    JOIN unnest(CAST(:codes AS text[]), CAST(:en AS text[]), CAST(:zh AS text[]))
         AS r(code, en, zh) ON r.code = f.reason
    ORDER BY f.row_no"""

FAULTS_BY_REASON = "SELECT reason, count(*) FROM stage_faults GROUP BY reason ORDER BY 2 DESC, 1"

FAIR = "SET LOCAL default_statistics_target = 30"
"""ANALYZE looks at 9,000 rows from here on: enough until the server's own round comes by."""

COARSE = "SET LOCAL default_statistics_target = 10"
"""ANALYZE looks at 3,000 rows from here on: enough for what is joined over a staging table."""

USUAL = "SET LOCAL default_statistics_target = DEFAULT"
"""And from here on at as many as the server is set to."""

INDEXES = """
    SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
    FROM pg_index i WHERE i.indrelid = CAST(:table AS regclass)
      AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.indexrelid)"""
"""Indexes of a table that no constraint stands on, with what makes them again."""

FOREIGN_KEYS = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = CAST(:table AS regclass) AND contype = 'f'"""
"""Foreign keys of a table to others, with what makes them again."""

PRIMARY_KEY = """
    SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = CAST(:table AS regclass) AND contype = 'p'"""
"""The primary key of a table, with what makes it again."""

NEVER_FILLED = "SELECT pg_relation_size(CAST(:table AS regclass)) = 0"
"""Whether a table has no rows, not even some that this transaction does not see."""


PLANNED_ANEW = "SET LOCAL plan_cache_mode = force_custom_plan"
"""Statements that are run again while their tables grow are planned each time."""

HASHED = tuple(f"SET LOCAL enable_{way} = off" for way in ("mergejoin", "sort", "seqscan"))
"""Rows whose number the planner cannot know are many: they are hashed, not sorted.  And they are
few beside the tables of a city, which are not read as a whole for each batch."""

SORTED = tuple(f"SET LOCAL enable_{way} = DEFAULT" for way in ("mergejoin", "sort", "seqscan"))
"""And as it likes from here on."""


NEVER_GROUPED_BY_HASH = "SET LOCAL enable_hashagg = off"
"""Nearly as many groups as rows: a million numbers took 0.6 s by hash, and 0.2 s sorted."""

GROUPED_AS_USUAL = "SET LOCAL enable_hashagg = DEFAULT"
"""And as the planner likes from here on."""


def holds_at_most(table: str, rows: int) -> str:
    """Whether a table holds no more than so many rows."""
    return f"SELECT NOT EXISTS (SELECT FROM {table} OFFSET {rows})"


IS_SUPERUSER = "SELECT current_setting('is_superuser') = 'on'"


LEFT_OVER = """
    SELECT 'pg_temp.' || quote_ident(relname) FROM pg_class
    WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' AND relname ~ '^stage_'"""
"""Staging tables of an earlier load in the same transaction."""


LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('cimtwin load ' || :kind, 0))::text"
"""One load of a kind at a time; the next one waits."""

TRY_LOCK = LOCK.replace("pg_advisory", "pg_try_advisory").replace("::text", "")
"""Whether there is nobody to wait for; then the turn is taken."""


SETTINGS = (
    "SET LOCAL jit = off",
    "SET LOCAL work_mem = '64MB'",
    "SET LOCAL maintenance_work_mem = '64MB'",
)
"""For this transaction: statements over every staged row gain nothing from being compiled (it cost
0.3 s each), their sorts should stay in memory, and indexes not take more of it for a large city:
with 128 MB those of 1.7 million footprints were made no faster."""
