"""A chart gets as many points as it asks for, from the level that is enough, and told of gaps."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.feeds.history.rolling import roll

LAST = datetime(2026, 3, 1, tzinfo=UTC)
"""When the readings of these tests end."""

YEAR = 365 * 24 * 4
QUARTER = timedelta(minutes=15)

STREAMS = """
    INSERT INTO city.datastream (id, device_id, name, observed_property, kind, interval_s,
        result_type, first_at)
    VALUES (11, 1, 'power', 'power', 'gauge', 900, 'number', :first),
           (12, 1, 'energy', 'energy', 'counter', 900, 'number', :first),
           (13, 1, 'door', 'door state', 'state', NULL, 'text', :first),
           (14, 1, 'speed', 'speed', 'gauge', 10, 'number', :last),
           (15, 1, 'quiet', 'noise', 'gauge', 60, 'number', NULL)"""

SECRET = """
    INSERT INTO city.device (id, class_code, secrecy) VALUES (15, 'camera', 2);
    INSERT INTO city.datastream (id, device_id, name, observed_property)
    VALUES (16, 15, 'view', 'view')"""

POWER = """
    INSERT INTO city.observation
    SELECT 11, :first + n * interval '15 minutes',
        round((50 * sin(n / 96.0 * 2 * pi()) + n % 7)::numeric, 2), NULL, 0
    FROM generate_series(0, :year - 1) n WHERE n NOT BETWEEN 10000 AND 10400"""

ENERGY = """
    INSERT INTO city.observation
    SELECT 12, :first + n * interval '15 minutes', (n % 20000) * 0.25, NULL, 0
    FROM generate_series(0, :year - 1) n"""

DOOR = """
    INSERT INTO city.observation
    SELECT 13, CAST(:last AS timestamptz) - n * interval '1 minute', NULL,
        CASE WHEN n % 60 < 20 THEN 'open' ELSE 'closed' END, 0
    FROM generate_series(1, 600) n"""

SPEED = """
    INSERT INTO city.observation
    SELECT 14, CAST(:last AS timestamptz) - n * interval '10 seconds', sin(n / 100.0),
        NULL, CASE WHEN n = 777 THEN 4 ELSE 0 END
    FROM generate_series(1, 2 * 8640) n"""


@pytest.fixture(scope="module", autouse=True)
def history(city: Any, engine: Engine) -> None:
    """A year of readings of each quarter of an hour, and two days of each ten seconds."""
    first = LAST - YEAR * QUARTER
    known = {"first": first, "last": LAST, "year": YEAR}
    days = [(LAST - timedelta(days=n)).date() for n in range(1, 367)]
    with engine.begin() as connection:
        connection.execute(text("SELECT city.prepare_days(:days)"), {"days": days})
        connection.execute(text(STREAMS), known)
        connection.execute(text(SECRET))
        for statement in (POWER, ENERGY, DOOR, SPEED):
            connection.execute(text(statement), known)
        connection.execute(
            text("UPDATE city.observation SET result = 1e6 WHERE datastream_id = 14 "
                 "AND quality = 4")
        )  # fmt: skip
        connection.execute(
            text("INSERT INTO city.rollup_mark (datastream_id, since, until) "
                 "SELECT s, :since, :until FROM unnest(ARRAY[11, 12, 13, 14]) s"),
            {"since": first, "until": LAST},
        )  # fmt: skip
        connection.execute(
            text("UPDATE city.rollup_level SET closed_until = :last, rolled_until = :last - "
                 "CASE level WHEN 'day' THEN interval '8 hours' ELSE interval '0' END"),
            {"last": LAST},
        )  # fmt: skip
    asyncio.run(rolled(str(city.database_url)))


async def rolled(url: str, until: datetime = LAST) -> None:
    connection = await asyncpg.connect(url)
    assert await roll(connection, until) is not None
    await connection.close()


def ask(client: TestClient, id: int, days: float = 1, **more: Any) -> dict[str, Any]:
    """The series of the last days."""
    params = {"start": (LAST - timedelta(days=days)).isoformat(), "end": LAST.isoformat()} | more
    answer = client.get(f"/datastreams/{id}/series", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def kept(engine: Engine, id: int, days: float = 1) -> tuple[Any, Any]:
    """Times in milliseconds and values of the good readings of the last days."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT date_part('epoch', phenomenon_time) * 1000, result FROM city.observation "
                 "WHERE datastream_id = :id AND phenomenon_time >= :since AND quality = 0 "
                 "AND phenomenon_time < :last ORDER BY 1"),
            {"id": id, "since": LAST - timedelta(days=days), "last": LAST},
        ).all()  # fmt: skip
    return np.array([row[0] for row in rows]), np.array([row[1] for row in rows])


def test_few_readings_are_answered_as_they_are(client: TestClient, engine: Engine) -> None:
    found = ask(client, 11)
    at, value = kept(engine, 11)
    assert (found["level"], found["gaps"], found["truncated"]) == ("raw", [], False)
    assert found["t"] == at.tolist() and found["v"] == value.tolist()
    assert found["datastream"]["kind"] == "gauge" and found["datastream"]["interval_s"] == 900
    assert found["start"].endswith("Z") and found["low"] is None


@pytest.mark.parametrize("how", ["minmax", "lttb"])
def test_a_year_is_a_line_of_days_that_keeps_its_extremes(
    client: TestClient, engine: Engine, how: str
) -> None:
    found = ask(client, 11, 364, how=how)
    _, value = kept(engine, 11, 364)
    assert found["level"] == "day"
    assert 250 <= len(found["t"]) == len(found["v"]) <= 500
    assert found["t"] == sorted(found["t"])
    if how == "minmax":
        assert (min(found["v"]), max(found["v"])) == (value.min(), value.max())


def test_between_are_hours_and_five_minutes(client: TestClient, engine: Engine) -> None:
    hours = ask(client, 11, 60)
    assert hours["level"] == "hour" and len(hours["t"]) <= 500
    minutes = ask(client, 14, 2)
    at, value = kept(engine, 14, 2)
    assert minutes["level"] == "5min" and len(minutes["t"]) <= 500
    assert (min(minutes["v"]), max(minutes["v"])) == (value.min(), value.max())
    assert minutes["t"][0] == at[0]


def test_readings_out_of_range_are_in_no_level(client: TestClient) -> None:
    for days in (0.2, 1, 2):
        assert max(ask(client, 14, days)["v"]) < 2


def test_a_gap_is_told_from_readings_and_from_sums(client: TestClient) -> None:
    first = (LAST - YEAR * QUARTER).timestamp() * 1000
    silent = [first + 9999 * 900_000, first + 10401 * 900_000]
    assert silent in ask(client, 11, 364)["gaps"]
    since = datetime.fromtimestamp(silent[0] / 1000 - 86400, UTC)
    until = datetime.fromtimestamp(silent[1] / 1000 + 86400, UTC)
    near = client.get(
        "/datastreams/11/series", params={"start": since.isoformat(), "end": until.isoformat()}
    ).json()
    assert near["level"] == "raw" and near["gaps"] == [silent]


def test_no_readings_since_the_stream_began_are_a_gap_too(client: TestClient) -> None:
    params = {"start": LAST.isoformat(), "end": (LAST + timedelta(days=1)).isoformat()}
    found = client.get("/datastreams/11/series", params=params).json()
    assert found["t"] == [] and len(found["gaps"]) == 1
    assert client.get("/datastreams/15/series", params=params).json()["gaps"] == []


@pytest.mark.parametrize("days", [1, 60, 300])
def test_means_are_those_of_the_readings_in_each_bar(
    client: TestClient, engine: Engine, days: int
) -> None:
    found = ask(client, 11, days, how="mean", points=120)
    at, value = kept(engine, 11, days)
    width = found["width_s"] * 1000
    assert len(found["t"]) <= 120
    for begins, mean, low, high in list(
        zip(found["t"], found["v"], found["low"], found["high"], strict=True)
    )[1:-1]:
        inside = value[(at >= begins) & (at < begins + width)]
        assert mean == pytest.approx(inside.mean())
        assert (low, high) == (inside.min(), inside.max())


def test_a_weighted_mean_counts_each_reading_for_as_long_as_it_held(client: TestClient) -> None:
    for days in (1, 60):
        weighted = ask(client, 12, days, how="weighted", points=24)
        plain = ask(client, 12, days, how="mean", points=24)
        width = weighted["width_s"]
        # Of a counter that grows steadily the last reading of a bar holds for no time in it.
        for one, other in list(zip(weighted["v"], plain["v"], strict=True))[1:-1]:
            assert other - one == pytest.approx(0.125) or other < width


@pytest.mark.parametrize("days", [2, 90, 360])
def test_what_a_counter_grew_by_is_whole_over_bars_and_resets(
    client: TestClient, engine: Engine, days: int
) -> None:
    found = ask(client, 12, days, how="increase", points=100)
    _, value = kept(engine, 12, days)
    steps = np.diff(value)
    grown = np.where(steps < 0, value[1:], steps).sum() + 0.25
    first = datetime.fromtimestamp(found["t"][0] / 1000, UTC)
    early = (LAST - timedelta(days=days) - first) / QUARTER * 0.25
    assert sum(found["v"]) == pytest.approx(grown + early, abs=0.26)
    assert min(found["v"]) >= 0


def test_texts_are_answered_where_they_change(client: TestClient) -> None:
    found = ask(client, 13, 0.5)
    assert set(found["v"]) == {"open", "closed"}
    assert all(a != b for a, b in zip(found["v"], found["v"][1:], strict=False))
    few = ask(client, 13, 0.5, points=3)
    assert few["truncated"] and few["v"] == found["v"][-3:]


def test_a_series_is_a_table_for_a_spreadsheet_too(client: TestClient) -> None:
    end = LAST.isoformat().replace("+", "%2B")
    answer = client.get(f"/datastreams/12/series?end={end}&how=mean&points=5&f=csv")
    head, *lines = answer.content.decode("utf-8-sig").splitlines()
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert head == "time 时间 (UTC+08:00),energy (-),least 最小,greatest 最大"
    assert lines[0].split(",")[0] == "2026-02-28 06:00:00", "six hours of China Standard Time"
    same = ask(client, 12, points=5, how="mean")
    assert [float(line.split(",")[1]) for line in lines] == same["v"]


def test_what_came_late_is_in_the_sums_once_they_are_made_again(
    client: TestClient, engine: Engine, city: Any
) -> None:
    late = LAST - timedelta(days=200, minutes=7)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO city.observation VALUES (11, :at, 999, NULL, 0)"), {"at": late}
        )
        connection.execute(
            text("SELECT city.mark_rollups(ARRAY[11::bigint], ARRAY[CAST(:at AS timestamptz)])"),
            {"at": late},
        )
    assert max(ask(client, 11, 360)["v"]) < 999
    asyncio.run(rolled(str(city.database_url)))
    assert max(ask(client, 11, 360)["v"]) == 999


def test_a_home_needs_the_right_to_know_and_a_secret_device_is_not_there(
    client: TestClient, key: Any
) -> None:
    assert client.get("/datastreams/2/series").status_code == 403
    params = {"start": "2026-11-20T00:00:00Z", "end": "2026-11-20T12:00:00Z"}
    seen = client.get("/datastreams/2/series", params=params, headers=key("statistics"))
    assert seen.status_code == 200 and len(seen.json()["t"]) == 10
    assert client.get("/datastreams/16/series").status_code == 404
    assert client.get("/datastreams/99/series").status_code == 404


@pytest.mark.parametrize(
    "params",
    [
        {"start": "2026-03-02T00:00:00Z", "end": "2026-03-01T00:00:00Z"},
        {"start": "2026-03-01T00:00:00Z", "end": "2026-03-01T00:00:00Z"},
        {"start": "yesterday"},
        {"points": "1"},
        {"how": "average"},
        {"start": "1066-10-14T00:00:00Z"},
    ],
)
def test_what_is_no_period_is_refused_with_a_sentence(
    client: TestClient, params: dict[str, str]
) -> None:
    answer = client.get("/datastreams/11/series", params=params)
    assert answer.status_code == 422 and answer.json()["detail_zh"]


def test_an_end_before_all_times_is_refused_in_words(client: TestClient) -> None:
    answer = client.get("/datastreams/11/series", params={"end": "0001-01-01T00:00:00Z"})
    assert answer.status_code == 422 and "1900" in answer.json()["detail"]


def test_every_length_and_number_of_points_is_answered(client: TestClient) -> None:
    for days in (0.001, 0.5, 3, 30, 200, 3000):
        for points in (2, 3, 7, 5000):
            for how in ("minmax", "lttb", "mean", "weighted", "increase"):
                found = ask(client, 12, days, points=points, how=how)
                assert len(found["t"]) <= points and len(found["t"]) == len(found["v"])
