"""The queue's tables are the library's own, are brought up with it, and are nobody else's."""

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from cim.store import jobs

SHAPE = {
    "columns": """
        SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
        WHERE table_schema = 'jobs'""",
    "functions": """
        SELECT proname, pg_get_function_identity_arguments(oid) FROM pg_proc
        WHERE pronamespace = 'jobs'::regnamespace""",
    "triggers": """
        SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = 'jobs'::regnamespace AND NOT tgisinternal""",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'jobs'",
}


def shape(connection: Connection) -> dict[str, list[str]]:
    return {
        name: sorted(str(tuple(row)) for row in connection.execute(text(query)))
        for name, query in SHAPE.items()
    }


def test_a_migrated_database_has_the_tables_where_the_library_stands(
    connection: Connection,
) -> None:
    assert jobs.revision(connection) == max(jobs.scripts())
    assert any("procrastinate_jobs" in row for row in shape(connection)["columns"])


def test_nothing_of_the_queue_is_outside_its_schema(connection: Connection) -> None:
    strays = text(
        "SELECT relname FROM pg_class WHERE relname LIKE 'procrastinate%' "
        "AND relnamespace <> 'jobs'::regnamespace"
    )
    assert connection.execute(strays).all() == []


def test_bringing_it_up_again_changes_nothing(connection: Connection) -> None:
    before = shape(connection)
    jobs.bring_up(connection)
    assert shape(connection) == before


def test_names_without_a_schema_mean_afterwards_what_they_did(connection: Connection) -> None:
    before = connection.execute(text("SHOW search_path")).scalar_one()
    jobs._run(connection, "SELECT 1")
    assert connection.execute(text("SHOW search_path")).scalar_one() == before


def test_a_newer_library_brings_its_tables_up_once(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = jobs.scripts() | {"98.00.00_01_pre_more.sql": "CREATE TABLE more (n int)"}
    monkeypatch.setattr(jobs, "scripts", lambda: newer)
    for _ in range(2):
        jobs.bring_up(connection)
        assert jobs.revision(connection) == "98.00.00_01_pre_more.sql"
    assert connection.execute(text("SELECT count(*) FROM jobs.more")).scalar_one() == 0


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM jobs.procrastinate_jobs", "INSERT INTO platform.upload DEFAULT VALUES",
     "UPDATE platform.intake SET state = 'done'"],
)  # fmt: skip
def test_who_reads_the_city_neither_sees_the_queue_nor_hands_in(
    connection: Connection, statement: str
) -> None:
    connection.execute(text("SET LOCAL ROLE cim_reader"))
    with pytest.raises(ProgrammingError, match="permission denied"):
        connection.execute(text(statement))
