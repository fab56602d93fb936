"""How the service and its databases are doing: for metrics, for readiness, for a read replica."""

from sqlalchemy import TextClause, text

STATE = """
SELECT 'connections' AS kind, coalesce(state, 'other') AS state, count(*)::float AS value
FROM pg_stat_activity WHERE datname = current_database() GROUP BY 2
UNION ALL SELECT 'connections', 'most', current_setting('max_connections')::float
UNION ALL SELECT 'jobs', state, count(*) FROM platform.intake
    WHERE state IN ('waiting', 'running') GROUP BY state
UNION ALL SELECT 'tiles', 'waiting', count(*) FROM
    (SELECT 1 FROM platform.tile WHERE state <> 0 LIMIT 100000) t
UNION ALL SELECT 'tiles', 'touched', count(*) FROM
    (SELECT 1 FROM platform.tile_touched LIMIT 100000) t"""


def state() -> TextClause:
    """Lines of kind, state and value: connections, files that wait or run, tiles not made yet."""
    return text(STATE)


def revision() -> TextClause:
    """The revision that the database is at."""
    return text("SELECT max(version_num) FROM platform.alembic_version")


def limits() -> TextClause:
    """The most connections the server takes that are not kept for its administrators."""
    return text(
        "SELECT current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
    )


WRITTEN = "SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
"""How far the primary's log has come, in bytes."""

REPLAYED = """
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() - '0/0'::pg_lsn END"""
"""How far a replica has replayed it; NULL on what is no replica."""


def written() -> TextClause:
    """One number: how far the primary's log has come."""
    return text(WRITTEN)


def replayed() -> TextClause:
    """One number: how far a replica has come in it, or NULL."""
    return text(REPLAYED)
