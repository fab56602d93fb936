"""Statements about rows that were set aside; values as parameters, NULL meaning any."""

_FILTER = """(CAST(:kind AS text) IS NULL OR q.kind = :kind)
    AND (CAST(:reason AS text) IS NULL OR q.reason = :reason)
    AND q.cleared_at IS NULL"""

_WANTED = """(CAST(:kind AS text) IS NULL OR q.kind = :kind)
    AND (CAST(:import_id AS bigint) IS NULL OR q.import_id = :import_id)
    AND (CAST(:reason AS text) IS NULL OR q.reason = :reason
         OR (q.reason = 'companion' AND EXISTS (
             SELECT FROM platform.quarantine p
             WHERE p.kind = q.kind AND p.source_id = q.source_id AND p.ext_id = q.ext_id
               AND p.reason = :reason AND p.cleared_at IS NULL)))
    AND q.cleared_at IS NULL"""
"""What is to be mended: with a row the others of its key, for they come in together."""

_JOINED = """platform.quarantine q JOIN city.source_system s ON s.id = q.source_id
    JOIN platform.data_import i ON i.id = q.import_id"""

_BUNDLE = f"""{_WANTED} AND q.source_id = :source_id AND i.crs IS NOT DISTINCT FROM :crs
    AND i.mapping IS NOT DISTINCT FROM CAST(:mapping AS jsonb)"""

SUMMARY = f"""
    SELECT q.kind, s.name AS source, q.file, q.reason, q.reason_en, q.reason_zh, count(*) AS rows
    FROM platform.quarantine q JOIN city.source_system s ON s.id = q.source_id
    WHERE {_FILTER} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 7 DESC"""
"""Open rows by kind, source, file and reason."""

BUNDLES = f"""
    SELECT q.kind, q.source_id, s.name AS source, i.crs, i.mapping, count(*) AS rows,
           bool_or(q.record_enc IS NOT NULL) AS sealed
    FROM {_JOINED} WHERE {_WANTED} GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 3, 6 DESC"""
"""Open rows that can stand in one file: of one kind and source, read in one way."""

ROWS = f"""
    SELECT q.file, q.row_no, q.field, q.value, q.reason_en, q.reason_zh, q.record, q.record_enc,
           q.geom
    FROM {_JOINED} WHERE {_BUNDLE} ORDER BY q.file, q.row_no, q.id"""
"""Open rows of a bundle as they came."""

COLUMNS = f"""
    SELECT k.key AS name, array_agg(DISTINCT jsonb_typeof(k.value)) AS types,
           bool_and(k.value::text !~ '[.eE]') AS whole
    FROM {_JOINED}, jsonb_each(q.record) k
    WHERE {_BUNDLE} GROUP BY 1 ORDER BY 1"""
"""Every column that the rows of a bundle came with, and what its values are."""

CLEAR = f"UPDATE platform.quarantine q SET cleared_at = now() WHERE {_FILTER}"
"""Forget about open rows; they stay as history."""

SOLIDS = """
    SELECT DISTINCT ON (o.row_no) o.row_no, q.solid, q.solid_lods, q.solid_above
    FROM unnest(CAST(:row_no AS bigint[]), CAST(:file AS text[]), CAST(:origin AS bigint[]))
         AS o(row_no, file, origin)
    JOIN platform.quarantine q ON q.kind = :kind AND q.file = o.file AND q.row_no = o.origin
    JOIN city.source_system s ON s.id = q.source_id AND s.name = :source
    ORDER BY o.row_no, q.id DESC"""
"""The solids that rows came with when they were last set aside, by their rows in another file."""
