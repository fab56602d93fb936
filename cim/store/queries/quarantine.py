"""Statements about rows that were set aside; values as parameters, NULL meaning any."""

_FILTER = """(CAST(:kind AS text) IS NULL OR q.kind = :kind)
    AND (CAST(:reason AS text) IS NULL OR q.reason = :reason)
    AND q.cleared_at IS NULL"""

SUMMARY = f"""
    SELECT q.kind, s.name AS source, q.file, q.reason, q.reason_en, q.reason_zh, count(*) AS rows
    FROM platform.quarantine q JOIN city.source_system s ON s.id = q.source_id
    WHERE {_FILTER} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 7 DESC"""
"""Open rows by kind, source, file and reason."""

ROWS = f"""
    SELECT q.kind, s.name AS source, q.file, q.row_no, q.field, q.value, q.reason,
           q.reason_en, q.reason_zh, q.record, q.record_enc, q.geom
    FROM platform.quarantine q JOIN city.source_system s ON s.id = q.source_id
    WHERE {_FILTER} ORDER BY q.kind, q.file, q.row_no"""
"""Open rows as they came."""

COLUMNS = f"""
    SELECT DISTINCT k.key FROM platform.quarantine q, jsonb_object_keys(q.record) k(key)
    WHERE {_FILTER} ORDER BY 1"""
"""Every column that the open rows came with."""

CLEAR = f"UPDATE platform.quarantine q SET cleared_at = now() WHERE {_FILTER}"
"""Forget about open rows; they stay as history."""

SEALED = f"""
    SELECT EXISTS (
        SELECT FROM platform.quarantine q WHERE q.record_enc IS NOT NULL AND {_FILTER})"""
"""Whether some of the open rows are encrypted."""
