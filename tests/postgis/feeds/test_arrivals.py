"""A message without a time that comes again has the time at which it arrived first."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.feeds import arrivals
from cim.feeds.arrivals import Arrival
from cim.feeds.ingest import Item
from cim.feeds.reading import Message
from cim.settings import Settings
from tests.feeding import NOW, Ingester, furnish, reading

SECOND = 1_000_000


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    return engine


@pytest.fixture
def sender(city: Engine, settings: Settings) -> Iterator[Ingester]:
    found = Ingester(settings)
    yield found
    found.close()
    with city.begin() as connection:
        connection.execute(
            text("""TRUNCATE city.observation, platform.dead_letter, platform.arrival;
                UPDATE city.datastream SET last_at = NULL""")
        )


def untimed(sender: Ingester, at: int, value: float = 1.0, **known: Any) -> Item:
    """A message without a time that arrives at some time, by a number of a session."""
    item = sender.item("plain", {"device": "meter-1", "stream": "energy", "value": value})
    item.message = Message("x", received_at=at)
    item.arrival = Arrival(**{"session": "one", "number": 7, **known})
    return item


def times(city: Engine) -> list[int]:
    """When what is stored was measured, in µs after NOW."""
    sql = f"""SELECT (extract(epoch FROM phenomenon_time) * 1000000)::bigint - {NOW}
        FROM city.observation ORDER BY 1"""
    with city.connect() as connection:
        return list(connection.execute(text(sql)).scalars())


def test_what_comes_again_is_stored_once(sender: Ingester, city: Engine) -> None:
    sender.enter([untimed(sender, NOW)])
    again = sender.enter([untimed(sender, NOW + SECOND, again=True)])
    assert again.count("duplicate") == 1
    assert times(city) == [0]


@pytest.mark.parametrize(
    "other",
    [
        {"again": False},
        {"number": 8},
        {"session": "two"},
        {"value": 2.0},
        {"began": NOW + SECOND // 2},
    ],
)
def test_what_is_another_message_has_the_time_of_its_own(
    sender: Ingester, city: Engine, other: dict[str, Any]
) -> None:
    sender.enter([untimed(sender, NOW)])
    sender.enter([untimed(sender, NOW + SECOND, **{"again": True, **other})])
    assert times(city) == [0, SECOND]


def test_nothing_is_remembered_of_what_says_its_time(sender: Ingester, city: Engine) -> None:
    item = sender.item("plain", reading(1.0))
    item.arrival = Arrival("one", 7)
    sender.enter([item])
    with city.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM platform.arrival")).scalar_one() == 0


def test_no_more_is_remembered_than_may_be_under_way(
    sender: Ingester, city: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrivals, "KEPT", 10)
    for number in range(120):
        message = Message("x", received_at=NOW)
        sender.run(arrivals.remember(sender.connection, [(Arrival("one", number), message, b"")]))
    with city.connect() as connection:
        kept = connection.execute(text("SELECT sum(messages) FROM platform.arrival")).scalar_one()
    assert 10 <= kept <= 10 + arrivals.EVERY + 1


def test_a_session_that_begins_anew_forgets_what_was_before(sender: Ingester, city: Engine) -> None:
    sender.enter([untimed(sender, NOW)])
    with city.begin() as connection:
        connection.execute(text("UPDATE platform.arrival SET made_at = made_at - interval '1 h'"))
        began = connection.execute(text("SELECT extract(epoch FROM now()) * 1000000")).scalar_one()
    sender.enter([untimed(sender, NOW + SECOND, number=9, began=int(began) - 1)])
    with city.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM platform.arrival")).scalar_one() == 1


def test_our_own_clock_may_be_put_back(sender: Ingester, city: Engine) -> None:
    found = sender.enter([untimed(sender, NOW + 3600 * SECOND)])
    assert found.count("stored") == 1
    assert times(city) == [3600 * SECOND]
