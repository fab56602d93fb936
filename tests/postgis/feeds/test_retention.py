"""Readings and sums that are past their days go, and nothing else does."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Engine, text

from cim.feeds.history.rolling import roll
from cim.store.retention import retain

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAYS = {"old": 500, "middle": 200, "recent": 60, "today": 0}
"""Days back: past for all, for short and normal, for short, for none."""


def day(name: str) -> datetime:
    return (NOW - timedelta(days=DAYS[name])).replace(hour=3)


@pytest.fixture
def streams(engine: Engine) -> Any:
    """Three streams of each class in ratio 1:3:1, with a reading a minute of an hour a day."""
    with engine.begin() as connection:
        connection.execute(text("SELECT city.prepare_days(:d)"),
                           {"d": [day(name).date() for name in DAYS]})  # fmt: skip
        connection.execute(text("INSERT INTO city.device (id, class_code) VALUES (1, 'smoke')"))
        for id, kept in enumerate(("short", "normal", "normal", "normal", "long"), 1):
            connection.execute(
                text("INSERT INTO city.datastream (id, device_id, name, observed_property, "
                     "retention) VALUES (:id, 1, 's' || CAST(:id AS int), 'x', :kept)"),
                {"id": id, "kept": kept},
            )  # fmt: skip
            for name in DAYS:
                connection.execute(
                    text("INSERT INTO city.observation SELECT :id, CAST(:at AS timestamptz) + n * "
                         "interval '1 minute', n, NULL, 0 FROM generate_series(0, 59) n"),
                    {"id": id, "at": day(name)},
                )  # fmt: skip
        connection.execute(
            text("INSERT INTO city.rollup_mark (datastream_id, since, until) "
                 "SELECT id, :since, :until FROM city.datastream"),
            {"since": day("old"), "until": NOW},
        )  # fmt: skip
        connection.execute(
            text("UPDATE city.rollup_level SET rolled_until = date_bin('1 hour', :now, "
                 "'2000-01-01Z'), closed_until = date_bin('1 hour', :now, '2000-01-01Z')"),
            {"now": NOW},
        )  # fmt: skip
    yield
    with engine.begin() as connection:
        for name in ("observation", "rollup_5min", "rollup_hour", "rollup_day", "rollup_mark"):
            connection.execute(text(f"TRUNCATE city.{name}"))
        connection.execute(text("DELETE FROM city.datastream"))
        connection.execute(text("UPDATE city.retention_class SET dropped_before = NULL"))
        connection.execute(text("UPDATE city.rollup_level SET dropped_before = NULL"))
        connection.execute(text("DELETE FROM city.device_binding; DELETE FROM city.device"))


def rolled(url: str) -> None:
    async def go() -> None:
        connection = await asyncpg.connect(url)
        assert await roll(connection, NOW) is not None
        await connection.close()

    asyncio.run(go())


def readings(engine: Engine) -> dict[tuple[int, str], int]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT datastream_id, (phenomenon_time AT TIME ZONE 'UTC')::date, count(*) "
                 "FROM city.observation GROUP BY 1, 2")
        ).all()  # fmt: skip
    names = {day(name).date(): name for name in DAYS}
    return {(stream, names[date]): number for stream, date, number in rows}


def sums(engine: Engine, level: str) -> list[Any]:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM city.rollup_{level} ORDER BY 1, 2")).all()
    return [tuple(row) for row in found]


def test_what_is_not_summed_up_stays(streams: None, engine: Engine) -> None:
    before = readings(engine)
    assert [taken.how for taken in retain(engine, NOW)] == ["waits"]
    assert readings(engine) == before


def test_a_dry_run_says_what_would_go_and_takes_nothing(
    streams: None, engine: Engine, database_url: str
) -> None:
    rolled(database_url)
    before, kept = readings(engine), sums(engine, "5min")
    planned = retain(engine, NOW, dry_run=True)
    assert readings(engine) == before and sums(engine, "5min") == kept
    done = retain(engine, NOW)
    assert [(t.table, t.how) for t in planned] == [(t.table, t.how) for t in done]
    assert retain(engine, NOW) == []


def test_each_class_is_kept_for_its_days_and_sums_for_theirs(
    streams: None, engine: Engine, database_url: str
) -> None:
    rolled(database_url)
    hours, days = sums(engine, "hour"), sums(engine, "day")
    assert len(sums(engine, "5min")) == 5 * 4 * 12
    taken = {t.table: (t.how, t.rows) for t in retain(engine, NOW)}
    dated = {name: f"observation_{day(name):%Y%m%d}" for name in DAYS}
    assert taken[dated["old"]][0] == "dropped"
    assert taken[dated["middle"]] == ("copied", 240)
    assert taken[dated["recent"]] == ("deleted", 60)
    assert dated["today"] not in taken
    found = readings(engine)
    assert {s for s, name in found if name == "middle"} == {5}
    assert {s for s, name in found if name == "recent"} == {2, 3, 4, 5}
    assert {s for s, name in found if name == "today"} == {1, 2, 3, 4, 5}
    assert not any(name == "old" for _, name in found)
    # Five minutes are kept for 400 days, hours for five years, days for ever.
    assert len(sums(engine, "5min")) == 5 * 3 * 12
    assert (sums(engine, "hour"), sums(engine, "day")) == (hours, days)


def test_what_comes_for_a_day_that_was_taken_away_is_added_and_spoils_nothing(
    streams: None, engine: Engine, database_url: str
) -> None:
    rolled(database_url)
    retain(engine, NOW)
    hours, days = sums(engine, "hour"), sums(engine, "day")
    with engine.begin() as connection:
        connection.execute(text("SELECT city.prepare_days(ARRAY[CAST(:d AS date)])"),
                           {"d": day("middle").date()})  # fmt: skip
        for at in (day("middle") + timedelta(minutes=7, seconds=30),
                   day("middle") + timedelta(hours=5)):  # fmt: skip
            connection.execute(
                text("INSERT INTO city.observation VALUES (2, :at, 1000, NULL, 0)"), {"at": at}
            )
            connection.execute(
                text("SELECT city.mark_rollups(ARRAY[2::bigint], ARRAY[CAST(:at AS timestamptz)])"),
                {"at": at},
            )
    rolled(database_url)
    now_hours = sums(engine, "hour")
    assert [row for row in now_hours if row in hours] == hours
    added = [row for row in now_hours if row not in hours]
    assert [(row[0], row[2], row[6]) for row in added] == [(2, 1, 1000.0)]
    changed = [row for row in sums(engine, "day") if row not in days]
    assert [(row[0], row[2], row[6], row[17]) for row in changed] == [(2, 61, 1000.0, 2)]


def test_nothing_goes_while_readings_are_being_summed_up(
    streams: None, engine: Engine, database_url: str
) -> None:
    rolled(database_url)

    async def go() -> None:
        connection = await asyncpg.connect(database_url)
        await connection.execute("SELECT pg_advisory_lock(1667853704)")
        assert await asyncio.to_thread(retain, engine, NOW) == []
        await connection.close()

    asyncio.run(go())


def test_who_reads_a_day_is_waited_for_another_time(
    streams: None, engine: Engine, database_url: str
) -> None:
    rolled(database_url)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT count(*) FROM city.observation_{day('old'):%Y%m%d}"))
        assert retain(engine, NOW)[0].how == "waits"
    assert retain(engine, NOW)[0].how == "dropped"
