"""Devices that are silent: found when their time is over, told of once, and only where it is so."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from cim.feeds.alarms import silence
from cim.feeds.alarms.clock import listen
from cim.feeds.alarms.silence import Silences
from cim.settings import Settings
from tests.alarming import T0, Teller, forget, furnish

LIFT1, LIFT1_EBIKE, LIFT2, PRESSURE = 1011, 1013, 1021, 1091


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    return engine


@pytest.fixture
def told(city: Engine, settings: Settings) -> Iterator[Teller]:
    teller = Teller(city, settings)
    scope = teller.rows("SELECT scope::text FROM city.rule WHERE code = 'offline'")[0][0]
    yield teller
    teller.close()
    forget(city)
    with city.begin() as connection:
        again = text("UPDATE city.rule SET scope = CAST(:s AS jsonb) WHERE code = 'offline'")
        connection.execute(again, {"s": scope})


@pytest.fixture
def silences() -> Silences:
    return Silences()


def look(told: Teller, silences: Silences, seconds: float) -> list[str]:
    """What the clock finds, so long after T0."""
    at = T0 + timedelta(seconds=seconds)
    return [one.kind for one in told.run(listen(told.connection, at, silences))]


def rule(told: Teller, sql: str) -> None:
    with told.engine.begin() as connection:
        connection.execute(text(sql))


def test_each_device_is_looked_at_when_its_time_is_over(told: Teller, silences: Silences) -> None:
    told.say((LIFT1, 0, "0"), (PRESSURE, 0, 350))
    assert look(told, silences, 0) == [] and len(silences) == 3
    told.say((PRESSURE, 400, 350))
    assert look(told, silences, 901) == ["begin"]  # the lift; the pressure has spoken since
    assert look(told, silences, 1290) == []
    assert look(told, silences, 1330) == ["begin"]
    found = "SELECT device_id, started_at FROM city.event ORDER BY id"
    assert told.rows(found) == [
        (101, T0 + timedelta(seconds=900)), (109, T0 + timedelta(seconds=1300)),
    ]  # fmt: skip
    assert look(told, silences, 9000) == [] and len(silences) == 3


def test_a_device_speaks_with_any_of_its_streams(told: Teller, silences: Silences) -> None:
    told.say((LIFT1, 0, "0"))
    assert look(told, silences, 930) == ["begin"]
    told.say((LIFT1_EBIKE, 950, 0))  # which is expected when it likes
    assert look(told, silences, 960) == ["end"]
    assert look(told, silences, 990) == []


def test_what_nobody_could_hear_is_no_silence(told: Teller) -> None:
    told.say((LIFT1, 0, "0"))
    fresh = Silences(T0 + timedelta(seconds=5000))
    assert look(told, fresh, 5000) == []
    assert look(told, fresh, 5880) == []
    assert look(told, fresh, 5910) == ["begin"]


def test_a_silence_that_somebody_ended_is_not_told_of_again_before_the_device_has_spoken(
    told: Teller, silences: Silences
) -> None:
    told.say((LIFT1, 0, "0"))
    assert look(told, silences, 930) == ["begin"]
    (event,) = told.rows("SELECT id FROM city.event")[0]
    with told.engine.begin() as connection:
        connection.execute(text("SELECT city.act_on_alarm(:e, 'end', '停机检修')"), {"e": event})
    assert look(told, silences, 2000) == [] and look(told, silences, 4000) == []
    with told.engine.begin() as connection:  # it was ended now, long after T0
        connection.execute(text("UPDATE city.datastream SET received_at = now() WHERE id = 1011"))
    now = told.rows("SELECT extract(epoch FROM now())")[0][0]
    later = float(now) - T0.timestamp() + 960
    assert look(told, silences, later) == ["begin"]


def test_a_device_that_comes_and_goes_is_told_of_after_the_cool_down(
    told: Teller, silences: Silences
) -> None:
    rule(told, "UPDATE city.rule SET cooldown_s = 5000 WHERE code = 'offline'")
    told.say((LIFT1, 0, "0"))
    assert look(told, silences, 930) == ["begin"]
    told.say((LIFT1, 1000, "0"))
    assert look(told, silences, 1020) == ["end"]
    assert look(told, silences, 1950) == [] and look(told, silences, 5900) == []
    assert look(told, silences, 6930) == ["begin"]
    rule(told, "UPDATE city.rule SET cooldown_s = 0 WHERE code = 'offline'")


def test_where_many_are_silent_at_once_some_begin_in_each_round(
    told: Teller, silences: Silences, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "MOST", 1)
    told.say((LIFT1, 0, "0"), (LIFT2, 0, "0"), (PRESSURE, 0, 350))
    assert [look(told, silences, 930 + 30 * n) for n in range(4)] == [["begin"]] * 3 + [[]]


def test_a_rule_of_silence_may_be_for_an_estate_and_changes_at_once(
    told: Teller, silences: Silences
) -> None:
    told.say((LIFT1, 0, "0"), (LIFT2, 0, "0"))
    rule(told, """UPDATE city.rule SET scope = '{"class": ["lift"], "estate": [2]}'
                  WHERE code = 'offline'""")  # fmt: skip
    assert look(told, silences, 930) == [] and len(silences) == 0
    rule(told, """UPDATE city.rule SET scope = '{"class": ["lift"], "estate": [1]}'
                  WHERE code = 'offline'""")  # fmt: skip
    assert look(told, silences, 960) == ["begin", "begin"]
    rule(told, "UPDATE city.device SET status = 'removed' WHERE id = 102")
    rule(told, """UPDATE city.rule SET scope = '{"class": ["lift"], "estate": [2]}'
                  WHERE code = 'offline'""")  # fmt: skip
    assert told.rows("SELECT count(*) FROM city.event WHERE ended_at IS NULL") == [(0,)]
    rule(told, "UPDATE city.device SET status = 'active' WHERE id = 102")


def test_a_stream_that_is_made_is_listened_to_at_the_next_look(
    told: Teller, silences: Silences
) -> None:
    rule(told, """UPDATE city.rule SET scope = '{"class": ["gateway"]}' WHERE code = 'offline'""")
    assert look(told, silences, 0) == [] and len(silences) == 0
    rule(told, """INSERT INTO city.device (id, class_code, name) VALUES (200, 'gateway', 'g');
                  INSERT INTO city.datastream (id, device_id, name, observed_property, interval_s,
                      received_at)
                  VALUES (2001, 200, 'rssi', 'rssi', 60, '2026-11-20T08:00:00Z')""")  # fmt: skip
    assert look(told, silences, 30) == [] and len(silences) == 1
    assert look(told, silences, 930) == ["begin"]
