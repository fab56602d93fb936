"""Statements about mended rows: which set-aside row each was, under which key it comes in."""

from sqlalchemy import Table

ORIGINS = {"row_no": "int8", "file": "text", "origin": "int8"}
"""The temporary table `stage_origins`: a row of the mended file, and where it was set aside."""

_OF = """q.kind = :kind AND q.source_id = :source_id AND q.file = o.file AND q.row_no = o.origin"""

LATEST = f"""
    CREATE TEMPORARY TABLE stage_latest ON COMMIT DROP AS
    SELECT o.row_no, o.file, o.origin, q.ext_id, q.reason
    FROM stage_origins o CROSS JOIN LATERAL (
        SELECT q.ext_id, q.reason FROM platform.quarantine q WHERE {_OF}
        ORDER BY q.id DESC LIMIT 1) q"""
"""What was last said of each: the key it had or came in under, and what was wrong."""


def keep_keys(rows: str) -> str:
    """A row known by its place keeps the key it had when it was set aside."""
    return f"""
        UPDATE {rows} s SET ext_id = o.ext_id FROM stage_latest o
        WHERE o.row_no = s.row_no AND o.ext_id IS NOT NULL"""


def tell_apart(rows: str, table: Table) -> str:
    """A row without a key so far, at the place of another row of the file it came from, is told
    apart from that by a number."""
    return f"""
        UPDATE {rows} s SET ext_id = s.ext_id || '#' || (n.taken + n.nth)
        FROM (SELECT r.row_no, row_number() OVER (PARTITION BY r.ext_id ORDER BY r.row_no) AS nth,
                     (SELECT count(*) FROM {table.fullname} t WHERE t.source_id = :source_id
                      AND (t.ext_id = r.ext_id OR t.ext_id LIKE r.ext_id || '#%')) AS taken
              FROM {rows} r JOIN stage_latest o USING (row_no)
              JOIN {table.fullname} t ON t.source_id = :source_id AND t.ext_id = r.ext_id
              WHERE o.ext_id IS NULL AND EXISTS (
                  SELECT FROM platform.quarantine q
                  JOIN platform.data_import i ON i.id = q.import_id
                  WHERE {_OF} AND (t.created_at = i.started_at OR EXISTS (
                      SELECT FROM platform.change c
                      WHERE c.import_id = q.import_id AND c.object_id = t.id
                        AND c.object_type = :object_type)))) n
        WHERE n.row_no = s.row_no"""


COMPANIONS = "s.ext_id IN (SELECT f.ext_id FROM stage_faults f WHERE f.ext_id IS NOT NULL)"
"""Condition: another row of the key is set aside, so that this one alone would be a part."""


def still_repeated(table: Table) -> str:
    """Condition: set aside because another row has its key, and the key is still that."""
    return f"""
    EXISTS (SELECT FROM stage_latest o JOIN platform.quarantine q
              ON q.kind = :kind AND q.source_id = :source_id AND q.ext_id = o.ext_id
             WHERE o.row_no = s.row_no AND o.ext_id = s.ext_id
               AND o.reason IN ('duplicate', 'scattered')
               AND q.reason NOT IN ('duplicate', 'scattered') AND q.cleared_at IS NULL
               AND NOT EXISTS (SELECT FROM stage_origins p
                                WHERE p.file = q.file AND p.origin = q.row_no))
    OR EXISTS (SELECT FROM stage_latest o JOIN {table.fullname} t
                 ON t.source_id = :source_id AND t.ext_id = o.ext_id AND t.ended_at IS NULL
                WHERE o.row_no = s.row_no AND o.ext_id = s.ext_id
                  AND o.reason IN ('duplicate', 'scattered'))"""


CLEAR = f"""
    UPDATE platform.quarantine q
    SET cleared_at = now(), ext_id = coalesce(q.ext_id, s.ext_id)
    FROM stage_origins o LEFT JOIN stage_rows s USING (row_no)
    WHERE {_OF} AND q.cleared_at IS NULL"""
"""The rows that came back; those that are wrong again are kept anew."""


def number_repeats(rows: str, faults: str) -> str:
    """Make keys that were made from the place unique, those of rows set aside among them: the
    second at one place gets #2."""
    numbered = f"""
        SELECT row_no, row_number() OVER (PARTITION BY ext_id ORDER BY row_no) AS nth
        FROM (SELECT row_no, ext_id FROM {rows}
              UNION ALL SELECT row_no, ext_id FROM {faults} WHERE ext_id IS NOT NULL) x"""
    return f"""
        WITH n AS MATERIALIZED ({numbered}),
             f AS (UPDATE {faults} s SET ext_id = s.ext_id || '#' || n.nth FROM n
                   WHERE n.row_no = s.row_no AND n.nth > 1 AND s.ext_id IS NOT NULL)
        UPDATE {rows} s SET ext_id = s.ext_id || '#' || n.nth
        FROM n WHERE n.row_no = s.row_no AND n.nth > 1"""


FIRST = """
    SELECT row_no, field, value, reason FROM stage_faults ORDER BY row_no LIMIT :most"""
"""The first rows set aside."""

WHOLE, USUAL = "SET LOCAL enable_nestloop = off", "SET LOCAL enable_nestloop = on"
"""Rows set aside a moment ago are not counted yet: a plan for a few of them, row by row, would
take hours for many."""

SUPERSEDE = """
    UPDATE platform.quarantine q SET cleared_at = now()
    WHERE q.cleared_at IS NULL AND q.id IN (
        SELECT o.id FROM platform.quarantine o
        JOIN (SELECT ext_id FROM stage_rows UNION SELECT ext_id FROM stage_faults) here
          ON here.ext_id = o.ext_id
        WHERE o.kind = :kind AND o.source_id = :source_id AND o.cleared_at IS NULL
        UNION ALL
        SELECT o.id FROM platform.quarantine o
        WHERE o.kind = :kind AND o.source_id = :source_id AND o.cleared_at IS NULL
          AND o.ext_id IS NULL AND o.file = :file AND :whole)"""
"""Rows that arrived well, and rows that are set aside anew: the newest line holds."""
