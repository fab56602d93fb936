"""The queue's own tables, in a schema of their own: the library's, as the library makes them.

Which of its migrations they have is kept in platform.setting, so that a newer library brings them
up when the database is migrated.
"""

from importlib.resources import files

from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection, text

SCHEMA = "jobs"
"""Where the tables of the queue are; its owner sees into it, and the login that takes files."""

SETTING = "jobs.revision"
"""The key in platform.setting of the last of the library's migrations that the tables have."""


SENDING = """
GRANT USAGE ON SCHEMA jobs TO cim_intake;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA jobs TO cim_intake;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA jobs TO cim_intake;
"""
"""What takes files may put jobs into the queue."""


def scripts() -> dict[str, str]:
    """The library's migrations by name, in order: what was added by which of its versions."""
    folder = files("procrastinate.sql") / "migrations"
    found = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith(".sql")}
    return {name: found[name].read_text("utf-8") for name in sorted(found)}


def revision(connection: Connection) -> str | None:
    """The last migration that the queue's tables have; None where there are none."""
    found: str | None = connection.execute(
        text("SELECT value #>> '{}' FROM platform.setting WHERE name = :key"), {"key": SETTING}
    ).scalar_one_or_none()
    return found


def bring_up(connection: Connection) -> None:
    """Make the queue's tables, or bring them to where the library stands; in the transaction."""
    have, known = revision(connection), scripts()
    newest = max(known)
    if have is None:
        from procrastinate.schema import SchemaManager  # noqa: PLC0415 - for a migration alone

        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        _run(connection, SchemaManager.get_schema())
    else:
        for name in known:
            if name > have:
                _run(connection, known[name])
    _run(connection, SENDING)
    if have is None or newest > have:
        connection.execute(
            text(
                "INSERT INTO platform.setting (name, value, is_public) "
                "VALUES (:key, to_jsonb(CAST(:value AS text)), false) "
                "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            ),
            {"key": SETTING, "value": newest},
        )


def _run(connection: Connection, statements: str) -> None:
    """Many statements at once, whose names without a schema mean the queue's."""
    driver = connection.connection.driver_connection
    assert driver is not None
    before = connection.execute(text("SHOW search_path")).scalar_one()
    driver.execute(SQL("SET LOCAL search_path TO {}").format(Identifier(SCHEMA)))
    driver.execute(statements)
    connection.execute(text("SELECT set_config('search_path', :before, true)"), {"before": before})
