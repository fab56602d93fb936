"""Readings summed up by the hour and day, at the addresses that SensorThings has for readings."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.feeds.history.rolling import roll

RESIDENT = {"Authorization": "Bearer key-residents"}
STREAM = "/sta/v1.1/Datastreams(2)"


@pytest.fixture(scope="module", autouse=True)
def rolled(city: Any, engine: Engine, database_url: str) -> None:
    """The meter's readings of the small city, one an hour, and three more in the first."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.observation (datastream_id, phenomenon_time, result, quality) "
                "SELECT 2, '2026-11-20T00:00:00Z'::timestamptz + n * interval '15 minutes', "
                "12 + n, 0 FROM generate_series(1, 3) n"
            )
        )
        connection.execute(
            text(
                "INSERT INTO city.rollup_mark (datastream_id, since, until) VALUES "
                "(2, '2026-11-20T00:00:00Z', '2026-11-20T12:00:00Z')"
            )
        )

    async def run() -> None:
        connection = await asyncpg.connect(database_url)
        await roll(connection, datetime(2026, 11, 22, tzinfo=UTC))
        await connection.close()

    asyncio.run(run())


def ask(client: TestClient, address: str, headers: dict[str, str] = RESIDENT) -> Any:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_hour_is_a_reading_of_a_period_with_its_mean(client: TestClient) -> None:
    found = ask(client, f"{STREAM}/Observations?rollup=hour&$count=true&$top=3")
    assert found["@iot.count"] == 10
    first = found["value"][0]
    assert first["phenomenonTime"] == "2026-11-20T00:00:00Z/2026-11-20T01:00:00Z"
    assert first["result"] == pytest.approx((12 + 13 + 14 + 15) / 4)
    said = first["parameters"]
    assert (said["count"], said["min"], said["max"]) == (4, 12, 15)
    assert "@iot.id" not in first
    more = ask(client, found["@iot.nextLink"])["value"]
    assert [each["phenomenonTime"][:13] for each in more] == [
        "2026-11-20T03", "2026-11-20T04", "2026-11-20T05",
    ]  # fmt: skip


def test_days_are_filtered_sorted_and_expanded_as_readings_are(client: TestClient) -> None:
    query = "rollup=day&$filter=result gt 5 and parameters/count ge 1&$orderby=phenomenonTime desc"
    assert len(ask(client, f"{STREAM}/Observations?{query}")["value"]) == 1
    inner = "$expand=Observations(rollup=hour;$top=2;$orderby=phenomenonTime desc;$select=result)"
    within = ask(client, f"{STREAM}?{inner}")["Observations"]
    assert [each["result"] for each in within] == [12.9, 12.8]
    rows = ask(client, f"{STREAM}/Observations?rollup=hour&$resultFormat=dataArray&$top=1")
    assert rows["value"][0]["components"] == ["phenomenonTime", "result", "parameters"]


def test_sums_tell_who_is_at_home_as_readings_do(client: TestClient) -> None:
    assert ask(client, f"{STREAM}/Observations?rollup=hour", {})["value"] == []


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("Datastreams?rollup=hour", 400),
        ("Datastreams(2)/Observations?rollup=year", 400),
        ("Datastreams(2)/Observations('2_1795132800000000')?rollup=hour", 404),
    ],
)
def test_only_readings_are_summed_up_and_by_what_there_is(
    client: TestClient, address: str, status: int
) -> None:
    assert client.get(f"/sta/v1.1/{address}").status_code == status
