"""The search for people in tables that hold none."""

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tests import leaks

NUMBER = "9900001980" + "010" + "1998X"


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        (
            "SELECT security.record('x', detail => jsonb_build_object('no', CAST(:no AS text)))",
            "audit_log",
        ),
        (
            "INSERT INTO platform.setting (name, value, is_public) "
            "VALUES ('x', to_jsonb(CAST(:no AS text)), false)",
            "setting",
        ),
    ],
)
def test_a_number_in_a_table_is_found(
    engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch, sql: str, table: str
) -> None:
    found = leaks.Leaks()
    monkeypatch.setattr(leaks, "FOUND", found)
    with engine.begin() as connection:
        connection.execute(text(sql), {"no": NUMBER})
    leaks.search_tables(database_url)
    with engine.begin() as connection:
        if table == "setting":
            connection.execute(text("DELETE FROM platform.setting WHERE name = 'x'"))
        else:
            connection.execute(text("ALTER TABLE security.audit_log DISABLE TRIGGER keep"))
            connection.execute(text("DELETE FROM security.audit_log WHERE event = 'x'"))
    assert {kind for where, kind in found.found if table in where} == {"a document's number"}
    assert NUMBER not in str(found.found)


def test_an_error_of_the_database_repeats_no_parameter(engine: Engine) -> None:
    asked = text("SELECT 1 / length(CAST(:no AS text)) / 0")
    with engine.connect() as connection, pytest.raises(DBAPIError) as fault:
        connection.execute(asked, {"no": NUMBER})
    assert "division by zero" in str(fault.value) and NUMBER not in str(fault.value)
