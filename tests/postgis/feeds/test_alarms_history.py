"""What people do with alarms, and a history that nobody changes unseen."""

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from cim.commands.alarm import alarm
from cim.errors import NotAllowed
from cim.feeds.alarms import proving
from cim.settings import Settings
from tests.alarming import Teller, forget, furnish

LIFT1 = 1011


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    return engine


@pytest.fixture
def told(city: Engine, settings: Settings) -> Iterator[Teller]:
    teller = Teller(city, settings)
    yield teller
    teller.close()
    forget(city)


def act(told: Teller, event: int, what: str, note: str | None = None) -> str:
    with told.engine.begin() as connection:
        connection.execute(text("SELECT set_config('cim.actor', 'duty-desk', true)"))
        done = text("SELECT city.act_on_alarm(:e, :what, :note)")
        return str(connection.execute(done, {"e": event, "what": what, "note": note}).scalar_one())


def test_an_alarm_is_taken_on_noted_ended_and_opened_again(told: Teller) -> None:
    (begun,) = told.say((LIFT1, 0, "E07"))
    event = begun.event_id
    assert act(told, event, "acknowledge") == "done"
    assert act(told, event, "acknowledge") == "again"
    assert told.state(event) == "acknowledged"
    assert act(told, event, "note", "维保已到场") == "done"
    assert act(told, event, "end") == "done"
    assert act(told, event, "end") == "closed"
    assert told.units(event) == {}
    assert act(told, event, "reopen") == "done"
    assert told.state(event) == "acknowledged" and len(told.units(event)["lift"]) == 6
    assert [one.event_id for one in told.say((LIFT1, 300, "0"))] == [event]
    assert told.history(event) == ["begin", "acknowledge", "note", "end", "reopen", "end"]
    actors = told.rows("SELECT DISTINCT actor FROM city.event_entry ORDER BY 1")
    assert actors == [("duty-desk",), (None,)]


def test_what_is_ended_while_it_holds_begins_anew_at_the_next_reading(told: Teller) -> None:
    (begun,) = told.say((LIFT1, 0, "E07"))
    assert act(told, begun.event_id, "false", "误报") == "done"
    with told.engine.begin() as connection:  # it ends now, and the readings are of then
        connection.execute(text("UPDATE city.rule_watch SET done_at = NULL"))
    (again,) = told.say((LIFT1, 60, "E07"))
    assert again.event_id != begun.event_id
    assert told.rows("SELECT false_alarm FROM city.event ORDER BY id") == [(True,), (False,)]


@pytest.mark.parametrize(
    "attempt",
    [
        "UPDATE city.event_entry SET note = '没有故障'",
        "DELETE FROM city.event_entry",
        "TRUNCATE city.event_entry",
        "UPDATE city.event SET started_at = now()",
        "UPDATE city.event SET value_text = '0'",
    ],
)
def test_the_fault_history_of_a_lift_cannot_be_changed(
    told: Teller, connection: Connection, attempt: str
) -> None:
    told.say((LIFT1, 0, "E07"))
    with pytest.raises(NotAllowed, match="change"):
        connection.execute(text(attempt))


ATTEMPTS = (
    "UPDATE city.event_entry SET note = '没有故障'",
    "DELETE FROM city.event_entry",
    "TRUNCATE city.event_entry",
    "INSERT INTO city.event_entry (event_id, kind, at, noted_at, lane, no, previous, digest) "
    "SELECT id, 'end', now(), now(), 0, 999, '', '' FROM city.event",
    "SELECT city.add_entries(ARRAY[id], 'end', ARRAY[now()], NULL, NULL) FROM city.event",
    "UPDATE city.event SET ended_at = now()",
    "DELETE FROM city.event",
    "TRUNCATE city.event CASCADE",
    "UPDATE city.event_lane SET digest = ''",
    "ALTER TABLE city.event_entry DISABLE TRIGGER ALL",
    "CREATE OR REPLACE FUNCTION city.keep_entries() RETURNS trigger LANGUAGE sql AS ''",
    "SET session_replication_role = replica",
)


def test_no_login_can_write_it_but_by_the_functions(told: Teller, city: Engine) -> None:
    told.say((LIFT1, 0, "E07"))
    logins = [
        name
        for (name,) in told.rows(
            r"SELECT rolname FROM pg_roles WHERE rolname LIKE 'cim\_%' AND NOT rolsuper"
        )
    ]
    assert {"cim_reader", "cim_editor", "cim_feeder", "cim_sensing", "cim_intake"} <= set(logins)
    for login in logins:
        for attempt in ATTEMPTS:
            with city.connect() as connection:
                connection.execute(text(f'SET LOCAL ROLE "{login}"'))
                with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                    connection.execute(text(attempt))
                connection.rollback()
    assert told.history(told.rows("SELECT id FROM city.event")[0][0]) == ["begin"]


def test_an_alarm_with_a_history_cannot_be_deleted(told: Teller, connection: Connection) -> None:
    told.say((LIFT1, 0, "E07"))
    with pytest.raises(DBAPIError, match="fk_event_entry_event_id"):
        connection.execute(text("DELETE FROM city.event"))


# ── the history proved ───────────────────────────────────────────────────────────────────────────


def by_hand(connection: Connection, sql: str) -> list[str]:
    """What is found of what the owner of the server did, who can switch every trigger off."""
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(text(sql))
    return [fault.en for fault in proving.verify(connection).faults]


@pytest.fixture
def some(told: Teller) -> int:
    """A lift that broke and was mended three times, the last time noted; the last alarm."""
    for n in range(3):
        told.say((LIFT1, 100 * n, "E07"), (LIFT1, 100 * n + 50, "0"))
    last = int(told.rows("SELECT max(id) FROM city.event")[0][0])
    act(told, last, "note", "门机更换")
    return last


def test_a_history_that_nobody_touched_is_proved(some: int, connection: Connection) -> None:
    verdict = proving.verify(connection)
    assert verdict.faults == [] and verdict.lines == 7


@pytest.mark.parametrize(
    ("attempt", "found"),
    [
        ("UPDATE city.event_entry SET note = '正常' WHERE note IS NOT NULL", "was changed"),
        ("DELETE FROM city.event_entry WHERE kind = 'note'", "at the end were removed"),
        ("UPDATE city.event SET started_at = started_at + interval '1 h'", "says it began as"),
        (
            "UPDATE city.event SET ended_at = NULL WHERE id IN (SELECT max(id) FROM city.event)",
            "against what its history says",
        ),
        ("DELETE FROM city.event_entry WHERE kind = 'begin'", "has no history"),
    ],
)
def test_what_somebody_did_by_hand_is_found(
    some: int, connection: Connection, attempt: str, found: str
) -> None:
    assert any(found in fault for fault in by_hand(connection, attempt))


def test_a_history_written_anew_is_known_by_an_anchor(some: int, connection: Connection) -> None:
    anchor = proving.verify(connection).anchor
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    connection.execute(
        text("""DELETE FROM city.event_entry; DELETE FROM city.event;
                UPDATE city.event_lane SET last = 0, digest = ''""")
    )
    assert proving.verify(connection).faults == []
    assert len(proving.verify(connection, anchor).faults) == sum(
        no > 0 for no, _ in anchor.values()
    )


def test_the_command_proves_it_too(some: int, city: Engine, settings: Settings) -> None:
    shown = CliRunner(env={"CIM_DATABASE_URL": settings.database_url}).invoke(alarm, ["verify"])
    assert shown.exit_code == 0 and "7 entries are as they were written" in shown.output
    listed = CliRunner(env={"CIM_DATABASE_URL": settings.database_url}).invoke(
        alarm, ["list", "--all", "--json"]
    )
    assert [one["units"] for one in json.loads(listed.output)] == [6, 6, 6]
    rules = CliRunner(env={"CIM_DATABASE_URL": settings.database_url}).invoke(
        alarm, ["rules", "--json"]
    )
    assert {"lift_fault", "offline"} <= {one["code"] for one in json.loads(rules.output)}
