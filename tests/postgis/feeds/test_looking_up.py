"""Whose a reading is, looked up while devices change."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from cim.store.queries.feeds import resolving
from tests.feeding import NOW, Ingester, furnish, reading


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    return engine


@pytest.fixture
def sender(city: Engine, settings: Settings) -> Iterator[Ingester]:
    found = Ingester(settings)
    yield found
    found.close()


class Told:
    """A connection on which devices change once it was asked."""

    def __init__(self, sender: Ingester, change: Callable[[str], bool]) -> None:
        self.real, self.book, self.change = sender.connection, sender.ways.book, change

    async def fetch(self, asked: str, *values: Any) -> Any:
        found = await self.real.fetch(asked, *values)
        if self.change(asked):
            self.book.forget()
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_what_changes_while_it_is_looked_up_holds_for_the_next_reading(
    sender: Ingester, city: Engine
) -> None:
    def limit(high: str) -> None:
        with city.begin() as connection:
            connection.execute(text(f"UPDATE city.datastream SET high = {high} WHERE id = 7101"))

    def change(asked: str) -> bool:
        if asked == resolving.STREAMS:
            limit("5")
        return asked == resolving.STREAMS

    real, sender.connection = sender.connection, Told(sender, change)
    try:
        sender.send(reading(9.0))
        sender.connection = real
        assert sender.send(reading(9.0, NOW + 1)).count("out_of_range") == 1
    finally:
        sender.connection = real
        limit("NULL")


def test_readings_find_their_streams_however_often_devices_change(
    sender: Ingester, city: Engine
) -> None:
    real, sender.connection = sender.connection, Told(sender, lambda _: True)
    try:
        found = sender.send(reading(1.0, NOW + 2), reading(1.0, device="nobody"))
    finally:
        sender.connection = real
    assert (found.count("stored"), found.count("no_device")) == (1, 1)
