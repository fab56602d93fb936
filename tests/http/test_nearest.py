"""The nearest facilities: by class, from units, buildings and points, ordered by metres."""

import math
import random
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.schemas.nearest import Nearest
from tests.problems import check_problem

HERE = (113.88, 22.92)
COUNT = 300


def metres(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Near enough over ten kilometres, for the order of what lies a metre apart or more."""
    lat = math.radians((one[1] + other[1]) / 2)
    east = (one[0] - other[0]) * (111_412.84 * math.cos(lat) - 93.5 * math.cos(3 * lat))
    north = (one[1] - other[1]) * (111_132.92 - 559.82 * math.cos(2 * lat))
    return math.hypot(east, north)


@pytest.fixture(scope="module")
def places(city: Any, engine: Engine) -> list[tuple[int, str, tuple[float, float]]]:
    """Facilities around the tower, many of them; some have ended."""
    chance = random.Random(7)
    made = []
    with engine.begin() as connection:
        for key in range(1000, 1000 + COUNT):
            at = (HERE[0] + chance.uniform(-0.05, 0.05), HERE[1] + chance.uniform(-0.05, 0.05))
            kind = chance.choice(["clinic", "hospital", "school", "park"])
            ended = key % 10 == 0
            connection.execute(
                text(
                    "INSERT INTO city.facility (id, class_code, name, geom, ended_at) VALUES "
                    "(:id, :kind, :name, ST_SetSRID(ST_MakePoint(:lon, :lat), 4490), "
                    "CASE WHEN :ended THEN now() END)"
                ),
                {"id": key, "kind": kind, "name": f"{kind} {key}", "lon": at[0], "lat": at[1]}
                | {"ended": ended},
            )
            if not ended:
                made.append((key, kind, at))
        connection.execute(text("UPDATE city.facility SET elevation = 3.0 WHERE id = 1"))
    return made


def ask(client: TestClient, query: str) -> dict[str, Any]:
    response = client.get(f"/nearest?{query}")
    assert response.status_code == 200, response.text
    Nearest.model_validate_json(response.text)
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize("seed", range(8))
def test_the_nearest_are_those_that_a_search_of_all_finds(
    places: list[Any], client: TestClient, seed: int
) -> None:
    chance = random.Random(seed)
    lon, lat = HERE[0] + chance.uniform(-0.04, 0.04), HERE[1] + chance.uniform(-0.04, 0.04)
    found = ask(client, f"class=clinic,school&lon={lon}&lat={lat}&limit=7")["items"]
    for kind in ("clinic", "school"):
        every = sorted((metres((lon, lat), at), key) for key, code, at in places if code == kind)
        mine = [one for one in found if one["class"]["code"] == kind]
        assert [one["id"] for one in mine] == [key for _, key in every[:7]]
        for one, (far, _) in zip(mine, every, strict=False):
            assert one["distance"] == pytest.approx(far, rel=2e-4, abs=0.2)
    assert [one["distance"] for one in found] == sorted(one["distance"] for one in found)


def test_without_a_class_the_nearest_are_of_all_together(
    places: list[Any], client: TestClient
) -> None:
    found = ask(client, "lon=113.9&lat=22.93&limit=20")["items"]
    every = sorted((metres((113.9, 22.93), at), key) for key, _, at in places)
    assert [one["id"] for one in found] == [key for _, key in every[:20]]


def test_a_class_brings_the_narrower_ones(places: list[Any], client: TestClient) -> None:
    found = ask(client, "class=medical&lon=113.88&lat=22.92&limit=3")["items"]
    assert {one["class"]["code"] for one in found} == {"clinic", "hospital"} and len(found) == 6


def test_beyond_a_distance_nothing_is_near(places: list[Any], client: TestClient) -> None:
    found = ask(client, "class=park&lon=113.88&lat=22.92&limit=100&within=2000")["items"]
    every = [far for _, kind, at in places if kind == "park" and (far := metres(HERE, at)) <= 2000]
    assert len(found) == len(every) and all(one["distance"] <= 2000 for one in found)


def test_from_a_unit_the_height_of_what_is_near_is_told(
    places: list[Any], client: TestClient
) -> None:
    found = ask(client, "class=lift&unit=301&limit=1")
    assert found["from"][2] == pytest.approx(12.5 + 7.5)
    (lift,) = found["items"]
    assert lift["id"] == 1 and lift["height"] == pytest.approx(3.0 - 7.5)
    assert lift["distance"] < 30
    (lift,) = ask(client, "class=lift&building=1&limit=1")["items"]
    assert lift["height"] == pytest.approx(3.0)
    (far,) = ask(client, "class=park&unit=301&limit=1")["items"]
    assert far["height"] is None


def test_nothing_is_near_in_the_ocean(places: list[Any], client: TestClient) -> None:
    assert ask(client, "lon=0&lat=0&class=park")["items"] == []
    assert ask(client, "lon=179.99&lat=90")["items"] == []


@pytest.mark.parametrize(
    ("query", "status", "part"),
    [
        ("", 422, "Say one of unit, building"),
        ("unit=1&building=1", 422, "Say one of unit, building"),
        ("lon=1", 422, "Say one of unit, building"),
        ("unit=77", 404, "No unit has the id 77"),
        ("building=77", 404, "No building has the id 77"),
        ("unit=0", 422, "unit must be at least 1"),
        ("unit=x", 422, "unit must be a whole number"),
        ("unit=9223372036854775808", 422, "unit must be at most"),
        ("lon=nan&lat=1", 422, "lon must be a finite number"),
        ("lon=1&lat=91", 422, "lat must be at most 90"),
        ("lon=1&lat=1&h=inf", 422, "h must be a finite number"),
        ("unit=201&class=castle", 422, "class may hold"),
        ("unit=201&class=%00", 422, "class may hold"),
        ("unit=201&class=%ed%a0%80", 422, "class may hold"),
        ("unit=201&class=" + "clinic," * 500, 422, "class must have at most 500"),
        ("unit=201&limit=0", 422, "limit must be at least 1"),
        ("unit=201&limit=101", 422, "limit must be at most 100"),
        ("unit=201&within=0", 422, "within"),
        ("unit=201&within=1e9", 422, "within must be at most"),
        ("unit=201&datum=moon", 422, "datum must be one of"),
    ],
)
def test_a_malformed_question_is_told_what_is_wrong(
    client: TestClient, query: str, status: int, part: str
) -> None:
    check_problem(client.get(f"/nearest?{query}"), status, part)
