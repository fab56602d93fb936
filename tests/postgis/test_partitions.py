"""Readings have a partition a day, made once, also when two ask at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from cim.errors import InvalidQuery
from cim.store.incoming import partitions

DAYS = [date(2026, 3, 8), date(2026, 3, 9)]


def attached(connection: Connection) -> set[str]:
    found = connection.execute(
        text("""SELECT inhrelid::regclass::text FROM pg_inherits
                WHERE inhparent = 'city.observation'::regclass""")
    )
    return set(found.scalars())


def test_missing_days_are_made_and_a_second_call_makes_none(connection: Connection) -> None:
    assert partitions.ensure(connection, DAYS) == DAYS
    assert partitions.ensure(connection, DAYS) == []
    assert {"city.observation_20260308", "city.observation_20260309"} <= attached(connection)


def test_days_ahead_are_days_from_tomorrow(connection: Connection) -> None:
    today = datetime.now(UTC).date()
    made = partitions.ensure(connection, [], ahead=2)
    assert made == [today + timedelta(days=1), today + timedelta(days=2)]


def test_a_reading_lies_in_the_partition_of_its_day_of_utc(connection: Connection) -> None:
    partitions.ensure(connection, DAYS)
    connection.execute(
        text("INSERT INTO city.observation VALUES (1, '2026-03-09 07:59:59+08', 1.5, NULL, 0)")
    )
    found = connection.execute(text("SELECT tableoid::regclass::text FROM city.observation"))
    assert found.scalar_one() == "city.observation_20260308"


def test_readers_need_no_grant_on_a_partition(connection: Connection) -> None:
    partitions.ensure(connection, DAYS)
    connection.execute(text("SET LOCAL ROLE cim_reader"))
    assert connection.execute(text("SELECT count(*) FROM city.observation")).scalar_one() == 0


def test_a_reader_is_not_held_up_by_a_loader_that_makes_a_day(engine: Engine) -> None:
    with engine.connect() as loader, engine.connect() as reader:
        partitions.ensure(loader, DAYS)
        reader.execute(text("SET LOCAL lock_timeout = '2s'"))
        assert reader.execute(text("SELECT count(*) FROM city.observation")).scalar_one() == 0
        loader.rollback()


def test_two_loaders_at_once_make_a_day_once(engine: Engine) -> None:
    def make(_: int) -> list[date]:
        with engine.begin() as own:
            return partitions.ensure(own, DAYS)

    with ThreadPoolExecutor(4) as pool:
        made = [day for days in pool.map(make, range(4)) for day in days]
    assert sorted(made) == DAYS


def test_a_file_with_impossible_times_is_refused_before_anything_is_made(
    connection: Connection,
) -> None:
    days = [date(1990, 1, 1) + timedelta(days=n) for n in range(partitions.MOST + 1)]
    with pytest.raises(InvalidQuery, match="span"):
        partitions.ensure(connection, days)
