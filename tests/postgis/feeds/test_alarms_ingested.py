"""A message from a lift begins an alarm in the transaction that takes it in."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from cim.feeds.alarms import rules
from cim.settings import Settings
from tests.feeding import MINUTE, NOW, Ingester, furnish


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    with engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO city.datastream (device_id, name, observed_property, result_type,
                low, high) VALUES (7002, 'fault', 'fault', 'code', NULL, NULL),
                (7004, 'density', 'optical density', 'number', 0, 20)""")
        )
    return engine


@pytest.fixture
def sender(city: Engine, settings: Settings) -> Iterator[Ingester]:
    found = Ingester(settings)
    yield found
    found.close()


def alarms(city: Engine, rule: str) -> list[str]:
    told = text("""SELECT e.state FROM city.event e JOIN city.rule r ON r.id = e.rule_id
        WHERE r.code = :rule ORDER BY e.id""")
    with city.connect() as connection:
        return list(connection.execute(told, {"rule": rule}).scalars())


def lift(value: str, minute: int) -> dict[str, object]:
    return {"device": "lift-1", "stream": "fault", "value": value, "at": NOW - minute * MINUTE}


def test_a_lift_breaks_is_mended_and_breaks_again(city: Engine, sender: Ingester) -> None:
    sender.send(lift("0", 9), lift("E07", 8))
    assert alarms(city, "lift_fault") == ["open"]
    sender.send(lift("E07", 8), lift("E07", 7))  # once more, and still
    assert alarms(city, "lift_fault") == ["open"]
    sender.send(lift("0", 6), lift("E07", 5))
    assert alarms(city, "lift_fault") == ["closed", "open"]
    sender.send(lift("E99", 30))  # late
    assert alarms(city, "lift_fault") == ["closed", "open"]


def test_readings_corrected_or_sent_again_leave_the_history_as_it_was_written(
    city: Engine, sender: Ingester
) -> None:
    history = text("""SELECT h.kind, h.at, h.value_text, h.digest FROM city.event_entry h
        JOIN city.event e ON e.id = h.event_id WHERE e.kind = '故障' ORDER BY h.id""")
    sender.send(lift("0", 4), lift("E11", 3), lift("0", 2))
    with city.connect() as connection:
        before = connection.execute(history).all()
    assert before[-1].kind == "end"
    sender.send(lift("0", 3) | {"correct": True}, lift("E11", 3), lift("E12", 2))
    with city.connect() as connection:
        assert connection.execute(history).all() == before


def test_a_reading_that_cannot_be_true_is_no_alarm(city: Engine, sender: Ingester) -> None:
    dense = {"device": "smoke-1", "stream": "density"}
    sender.send(dense | {"value": 21, "at": NOW - 2 * MINUTE})
    assert alarms(city, "smoke_density") == []
    sender.send(dense | {"value": 3, "at": NOW - MINUTE})
    assert alarms(city, "smoke_density") == ["open"]


def test_nothing_rises_or_falls_from_a_reading_that_cannot_be_true(
    city: Engine, sender: Ingester
) -> None:
    with city.begin() as connection:
        fall = {"below": -5, "per_s": 60, "within_s": 3600}
        rules.add(
            connection,
            {"name": "骤降", "type": "rate", "severity": 1, "condition": fall,
             "event_kind": "告警", "affects": "none", "cooldown_s": 0, "enabled": True,
             "message_zh": "{value}", "scope": {"observed_property": ["optical density"]}},
            "duty",
        )  # fmt: skip
    found = text("SELECT count(*) FROM city.event e JOIN city.rule r ON r.id = e.rule_id"
                 " WHERE r.name = '骤降'")  # fmt: skip
    dense = {"device": "smoke-1", "stream": "density"}
    for value, ago, alarms_then in ((900, 50, 0), (2, 40, 0), (19, 30, 0), (1, 20, 1)):
        sender.send(dense | {"value": value, "at": NOW - ago * MINUTE // 60})
        with city.connect() as connection:
            assert connection.execute(found).scalar_one() == alarms_then
