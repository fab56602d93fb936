"""Dead letters: one for what is alike, as many as there is room for, gone once they are settled."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.feeds import collecting
from cim.feeds.throttle import Throttle
from cim.settings import Settings
from cim.store.retention import retain
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
    with city.begin() as connection:
        connection.execute(
            text("""TRUNCATE city.observation, platform.dead_letter;
                UPDATE city.datastream SET last_at = NULL""")
        )


def rows(city: Engine, sql: str) -> list[tuple[Any, ...]]:
    with city.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_many_rows_of_one_message_that_differ_or_are_refused_are_one_letter(
    sender: Ingester, city: Engine
) -> None:
    sender.send([reading(1.0, NOW + n) for n in range(30)])
    found = sender.send([reading(2.0, NOW + n) for n in range(30)])
    assert (found.count("differs"), len(found.faults[0])) == (30, 30)
    with city.begin() as connection:
        connection.execute(
            text("ALTER TABLE city.observation ADD CONSTRAINT odd CHECK (result <> 13)")
        )
    try:
        odd = [reading(13.0 if n % 2 else 3.0, NOW + 60 + n) for n in range(20)]
        found = sender.send(odd)
    finally:
        with city.begin() as connection:
            connection.execute(text("ALTER TABLE city.observation DROP CONSTRAINT odd"))
    assert (found.count("stored"), found.count("refused"), len(found.faults[0])) == (10, 10, 10)
    told = rows(city, "SELECT reason, repeats FROM platform.dead_letter ORDER BY id")
    assert told == [("differs", 29), ("refused", 9)]


def test_payloads_of_dead_letters_are_kept_as_far_as_there_is_room(
    sender: Ingester, city: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cim.feeds.throttle.BYTES", 100)
    sender.ways.throttle = Throttle()
    sender.send(b"x" * 60, b"y" * 60, b"z" * 30)
    told = rows(city, "SELECT payload, detail FROM platform.dead_letter ORDER BY id")
    assert [payload for payload, _ in told] == [b"x" * 60, None, b"z" * 30]
    assert "60 bytes" in told[1][1]


def test_a_batch_that_is_tried_again_and_again_uses_up_no_room_of_letters(
    sender: Ingester, city: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr("cim.feeds.throttle.LETTERS", 3)
    monkeypatch.setattr("cim.feeds.throttle.BYTES", 30)
    sender.ways.throttle = Throttle()
    items = [sender.item("plain", b"x" * 10) for _ in range(3)]
    with monkeypatch.context() as patch:
        patch.setattr("cim.feeds.writing.write", away)
        for _ in range(5):
            with pytest.raises(OSError, match="full"):
                sender.enter(items)
    sender.enter(items)
    told = rows(city, "SELECT payload, repeats FROM platform.dead_letter")
    assert told == [(b"x" * 10, 0)] * 3


def test_letters_that_are_settled_long_since_are_taken_away_and_others_are_not(
    sender: Ingester, city: Engine
) -> None:
    sender.send(b"1", b"2", b"3")
    with city.begin() as connection:
        connection.execute(
            text("""UPDATE platform.dead_letter SET received_at = now() - interval '200 days',
                settled_at = CASE payload WHEN '1' THEN now() - interval '91 days'
                                          WHEN '2' THEN now() - interval '89 days' END""")
        )
    day = datetime.now(UTC)
    [taken] = [one for one in retain(city, day, dry_run=True) if one.table == "dead_letter"]
    assert (taken.how, taken.rows) == ("settled", 1)
    retain(city, day)
    assert rows(city, "SELECT payload FROM platform.dead_letter ORDER BY id") == [(b"2",), (b"3",)]
    retain(city, day + timedelta(days=2))
    assert rows(city, "SELECT payload FROM platform.dead_letter") == [(b"3",)]


def test_what_was_counted_is_told_though_no_message_comes_any_more(
    sender: Ingester, city: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "TELLING", 0.05)
    collector = collecting.Collector(sender.open, sender.ways, lambda *_: None, wait=0)
    collector.put(sender.item("plain", reading("much")))

    async def quiet() -> list[Any]:
        running = asyncio.ensure_future(collector.run())
        await asyncio.sleep(0.3)
        with city.connect() as connection:
            told = text("SELECT fate, readings FROM platform.feed_tally")
            found = [tuple(row) for row in connection.execute(told)]
        collector.end()
        await running
        return found

    assert sender.run(quiet()) == [("not_a_number", 1)]
