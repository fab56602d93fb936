"""Statements that tell whether rows were written since a load; see `cim.load.again`.

Every row knows the transaction that wrote it (`xmin`); a row of a load that nobody has touched is
of the load's own transaction, or of one that it saw when it began.  Transactions are told apart
by their age, which tells nothing across two thousand million of them, and nothing in a database
that was restored from a dump: `LIVED` says so.
"""

from sqlalchemy import Table

LAST = """
    SELECT id, to_char(started_at, 'YYYY-MM-DD') AS day, stats, proof FROM platform.data_import
    WHERE kind = :kind AND source_id = :source_id AND finished_at IS NOT NULL
    ORDER BY id DESC LIMIT 1"""

KEEP = """
    UPDATE platform.data_import SET proof = jsonb_build_object(
        'print', CAST(:print AS text), 'size', CAST(:size AS bigint),
        'transaction', pg_current_xact_id()::text, 'snapshot', CAST(:snapshot AS text),
        'horizon', pg_snapshot_xmin(CAST(:snapshot AS pg_snapshot))::text,
        'server', (SELECT system_identifier::text FROM pg_control_system()))
    WHERE id = :import_id"""

REPEAT = """
    UPDATE platform.data_import i SET proof = l.proof FROM platform.data_import l
    WHERE i.id = :import_id AND l.id = :last"""

NOW = "SELECT pg_current_snapshot()::text"
"""Which transactions had ended by now."""

LIVED = """
    SELECT count(*) FROM platform.data_import i
    WHERE i.id = :import_id
      AND i.proof ->> 'server' = (SELECT system_identifier::text FROM pg_control_system())
      AND i.proof ->> 'transaction' <> pg_current_xact_id()::text
      AND CAST(pg_current_xact_id()::text AS numeric)
          - CAST(i.proof ->> 'horizon' AS numeric) BETWEEN 1 AND 2000000000"""
"""1 where ages of transactions can be trusted back to the load, and it is not of this very one."""

STILL_ASIDE = """
    SELECT count(*) FROM platform.quarantine
    WHERE import_id = :import_id AND cleared_at IS NULL"""

ASIDE_AGAIN = """
    INSERT INTO stage_faults (row_no, ext_id, field, value, reason, record, record_enc, geom,
        solid, solid_lods, solid_above)
    SELECT row_no, ext_id, field, value, reason, record, record_enc, geom,
        solid, solid_lods, solid_above
    FROM platform.quarantine WHERE import_id = :import_id AND cleared_at IS NULL"""

_SINCE = """
    SELECT age(CAST(CAST(proof ->> 'horizon' AS xid8) AS xid)) AS age,
           CAST(CAST(proof ->> 'transaction' AS xid8) AS xid) AS own,
           CAST(proof ->> 'horizon' AS bigint) AS horizon,
           CAST(proof ->> 'snapshot' AS pg_snapshot) AS snapshot
    FROM platform.data_import WHERE id = :import_id"""


_UNSEEN = """
    CASE WHEN age(t.xmin) > since.age OR t.xmin = since.own THEN false
         ELSE NOT pg_visible_in_snapshot(
             CAST(CAST(since.horizon + since.age - age(t.xmin) AS text) AS xid8), since.snapshot)
    END"""
"""Condition on `t`: written by a transaction that the load neither was nor saw."""


def touched(table: Table) -> str:
    """How many rows of the source there are, and how many were written since the load."""
    return f"""
        SELECT count(*) FILTER (WHERE t.ended_at IS NULL AND t.ext_id IS NOT NULL),
               count(*) FILTER (WHERE {_UNSEEN})
        FROM {table.fullname} t, ({_SINCE}) since WHERE t.source_id = :source_id"""


def places_touched(table: Table) -> str:
    """How many rows of another table were written since the load, and not by it."""
    return f"""
        SELECT count(*) FROM {table.fullname} t, ({_SINCE}) since
        WHERE {_UNSEEN}"""


def keys_of(table: Table, most: int) -> str:
    """Stage the keys of a source, no more than so many."""
    return f"""
        INSERT INTO stage_rows (row_no, ext_id)
        SELECT 0, t.ext_id FROM {table.fullname} t
        WHERE t.source_id = :source_id AND t.ended_at IS NULL LIMIT {most}"""
