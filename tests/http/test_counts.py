"""How much there is where: areas, grids, estates, drawn polygons, whole and grouped."""

import asyncio
import math
from typing import Any

import orjson
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.security.gate import Gate
from tests.accounts import add_key

TOWER = {
    "buildings": 1, "storeys": 4, "units": 13, "organisations": 1, "facilities": 1, "devices": 3,
}  # fmt: skip
PEOPLE = 40
"""So many live in the tower; a multiple of five is told as it is."""

AROUND = [[113.879, 22.919], [113.882, 22.919], [113.882, 22.922], [113.879, 22.922]]
BOTH = [[113.87, 22.91], [113.89, 22.91], [113.89, 22.93], [113.87, 22.93]]
FAR = [[10, 10], [10.1, 10], [10.1, 10.1], [10, 10.1]]


def drawn(*rings: Any, kind: str = "Polygon") -> dict[str, Any]:
    return {"type": kind, "coordinates": list(rings)}


@pytest.fixture(scope="module")
def full(city: object, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building_pop SET residents = :n"), {"n": PEOPLE})
        connection.execute(
            text(
                "INSERT INTO city.facility (id, class_code, name, geom) VALUES "
                "(7, 'parking', '停车场', ST_SetSRID(ST_Point(113.8805, 22.9215), 4490))"
            )
        )
        connection.execute(text("INSERT INTO city.grid (id, code, name) VALUES (9, 'G09', '别格')"))
    add_key(engine, "of-the-grid", "key-of-the-grid", ["statistics"], at="G01")
    add_key(engine, "of-the-other", "key-of-the-other", ["statistics"], at="G09")


@pytest.fixture
def of_the_grid() -> dict[str, str]:
    return {"Authorization": "Bearer key-of-the-grid"}


@pytest.fixture
def of_the_other() -> dict[str, str]:
    return {"Authorization": "Bearer key-of-the-other"}


@pytest.mark.parametrize("query", ["area=1", "area=3", "area=5", "grid=1", "estate=1"])
def test_the_tower_counts_in_every_place_it_stands_in(
    full: None, client: TestClient, key: Any, query: str
) -> None:
    found = client.get(f"/counts?{query}", headers=key("statistics")).json()
    assert found["counts"] == TOWER | {"people": PEOPLE, "facilities": 2}
    assert found["place"]["type"] in query and found["groups"] == []


def test_a_polygon_holds_what_stands_in_it(full: None, client: TestClient, key: Any) -> None:
    def ask(body: Any) -> Any:
        return client.post("/counts", json=body, headers=key("statistics")).json()

    assert ask(drawn(AROUND))["counts"] == TOWER | {"people": PEOPLE, "facilities": 2}
    assert ask(drawn(BOTH))["counts"]["buildings"] == 2
    assert set(ask(drawn(FAR))["counts"].values()) == {0}  # nothing to live in is no secret
    both = drawn([AROUND], [FAR], kind="MultiPolygon")
    assert ask({"type": "Feature", "properties": {}, "geometry": both})["counts"]["units"] == 13
    hole = [[113.8799, 22.9199], [113.8806, 22.9199], [113.8806, 22.9204], [113.8799, 22.9204]]
    assert ask(drawn(BOTH, hole))["counts"]["buildings"] == 1


def test_only_what_is_asked_for_is_counted(full: None, client: TestClient) -> None:
    found = client.get("/counts?area=4&of=units,buildings").json()
    assert found["counts"] == {"buildings": 1, "units": 13} and found["people"] is None


def test_people_alone_are_counted_as_with_everything_else(
    full: None, client: TestClient, key: Any
) -> None:
    whole = client.post("/counts?of=people", json=drawn(AROUND), headers=key("statistics")).json()
    grouped = client.post(
        "/counts?of=people&by=use", json=drawn(AROUND), headers=key("statistics")
    ).json()
    assert whole["counts"] == grouped["counts"] == {"people": PEOPLE}
    assert [(g["key"], g["counts"]) for g in grouped["groups"]] == [
        ("residential", {"people": PEOPLE})
    ]


@pytest.mark.parametrize(
    ("query", "key_of", "zh"),
    [
        ("area=1&by=area", "2", "东莞市"),
        ("area=2&by=area", "4", "示范镇"),  # the county that only fills a slot is passed over
        ("area=5&by=area", "5", "示范社区"),
        ("area=4&by=grid", "1", "第一网格"),
        ("area=4&by=estate", "1", "示范小区"),
        ("area=4&by=use", "residential", "住宅"),
        ("grid=1&by=area", "5", "示范社区"),
    ],
)
def test_groups_are_named_and_add_up(
    full: None, client: TestClient, key: Any, query: str, key_of: str, zh: str
) -> None:
    found = client.get(f"/counts?{query}", headers=key("statistics")).json()
    group = next(group for group in found["groups"] if group["key"] == key_of)
    assert group["zh"] == zh and group["counts"]["people"] == PEOPLE
    for what, number in found["counts"].items():
        assert sum(group["counts"][what] or 0 for group in found["groups"]) == number


def test_facilities_and_devices_have_a_class(full: None, client: TestClient) -> None:
    found = client.get("/counts?area=4&by=class").json()
    groups = {group["key"]: group for group in found["groups"]}
    assert groups["lift"]["counts"] == {"facilities": 1, "devices": 1}
    assert groups["parking"]["counts"] == {"facilities": 1, "devices": 0}
    assert groups["lift"]["en"] == "lift" and "camera" not in groups  # not public


def test_everybody_is_told_hundreds_of_people_in_whole_areas(
    full: None, client: TestClient, engine: Engine
) -> None:
    found = client.get("/counts?area=4&by=area").json()
    assert found["counts"]["people"] is None and found["people"] == {
        "shown": True, "step": 100, "reason": None,
    }  # fmt: skip
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building_pop SET residents = 1265"))
    assert client.get("/counts?area=4").json()["counts"]["people"] == 1300
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building_pop SET residents = :n"), {"n": PEOPLE})


@pytest.mark.parametrize("query", ["grid=1", "estate=1", "area=4&by=use", "area=4&by=grid"])
def test_nobody_without_the_right_is_told_of_people_in_less(
    full: None, client: TestClient, of_the_other: dict[str, str], query: str
) -> None:
    for headers in ({}, of_the_other):
        found = client.get(f"/counts?{query}", headers=headers).json()
        assert found["counts"]["people"] is None and found["counts"]["units"] == 13
        assert all(group["counts"]["people"] is None for group in found["groups"])
        assert (
            found["people"]["shown"] is False and "living.read" in found["people"]["reason"]["zh"]
        )


def test_one_of_a_grid_counts_its_people_alone(
    full: None,
    client: TestClient,
    of_the_grid: dict[str, str],
    of_the_other: dict[str, str],
) -> None:
    assert client.get("/counts?grid=1", headers=of_the_grid).json()["counts"]["people"] == PEOPLE
    here = client.post("/counts", json=drawn(BOTH), headers=of_the_grid).json()
    assert here["counts"]["people"] == PEOPLE and here["people"]["reason"]["en"]
    for query in ("", "?of=people", "?of=people&by=use"):
        there = client.post(f"/counts{query}", json=drawn(BOTH), headers=of_the_other).json()
        assert there["counts"]["people"] is None and there["people"]["shown"]
    assert client.post("/counts", json=drawn(BOTH)).json()["people"]["shown"] is False


def test_a_building_tells_its_people_in_fives_to_those_who_may_know(
    full: None, client: TestClient, key: Any, of_the_other: dict[str, str]
) -> None:
    def told(headers: dict[str, str]) -> Any:
        return client.get("/buildings/1", headers=headers).json()["counts"]["residents"]

    assert told(key("statistics")) == PEOPLE
    assert told({}) is None and told(of_the_other) is None


def test_a_ring_that_crosses_itself_holds_what_it_goes_around(
    full: None, client: TestClient
) -> None:
    bow_tie = [[113.879, 22.91], [113.886, 22.93], [113.886, 22.91], [113.879, 22.93]]
    for ring in (bow_tie, bow_tie[::-1]):  # the tower is in one of its halves, the shed in another
        found = client.post("/counts?of=buildings", json=drawn(ring)).json()
        assert found["counts"] == {"buildings": 2}


def test_a_polygon_may_have_100_000_corners_and_no_more(full: None, client: TestClient) -> None:
    def circle(corners: int) -> list[list[float]]:
        turns = [2 * math.pi * n / corners for n in range(corners)]
        ring = [[113.88 + 0.05 * math.cos(a), 22.92 + 0.05 * math.sin(a)] for a in turns]
        return [*ring, ring[0]]

    most = client.post("/counts", content=orjson.dumps(drawn(circle(99_999))))
    assert most.status_code == 200 and most.json()["counts"]["buildings"] == 2
    more = client.post("/counts", content=orjson.dumps(drawn(circle(100_000))))
    assert more.status_code == 413 and "100,000" in more.json()["detail"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b"[" * 5000, "JSON"),
        (b"\xff\xfe", "JSON"),
        (b'{"type":"Polygon","coordinates":[[["\\ud800",0]]]}', "JSON"),
        (orjson.dumps({"type": "Point", "coordinates": [1, 2]}), "Polygon"),
        (orjson.dumps({"type": "Feature", "geometry": None}), "Polygon"),
        (orjson.dumps(["Polygon"]), "Polygon"),
        (orjson.dumps({"type": "Polygon"}), "coordinates"),
        (orjson.dumps(drawn()), "ring"),
        (orjson.dumps(drawn([])), "three"),
        (orjson.dumps(drawn(kind="MultiPolygon")), "ring"),
        (orjson.dumps(drawn([], kind="MultiPolygon")), "ring"),
        (orjson.dumps(drawn([[0, 0], [1, 1]])), "three"),
        (orjson.dumps(drawn([[0, 0], [1, 1], [2, 2], "x"])), "coordinates"),
        (orjson.dumps(drawn([[0, 0], [1, True], [2, 2]])), "coordinates"),
        (orjson.dumps(drawn([[0, 0], ["1", "2"], [2, 2]])), "coordinates"),
        (orjson.dumps(drawn([[0, 0], [1], [2, 2]])), "coordinates"),
        (orjson.dumps(drawn([[[0, 0]], [1, 2], [2, 2]])), "coordinates"),
        (b'{"type":"Polygon","coordinates":[[[0,0],[1e999,1],[1,2]]]}', "JSON"),
        (orjson.dumps(drawn([[0, 0], [181, 0], [1, 1]])), "degrees"),
        (orjson.dumps(drawn([[0, 0], [1, 91], [1, 1]])), "degrees"),
        (orjson.dumps(drawn([[0, 0], [1, 0], [2, 0]])), "area"),
        (orjson.dumps(drawn([[179, 0], [-179, 0], [-179, 1], [179, 1]])), "antimeridian"),
    ],
)
def test_what_is_no_polygon_is_refused_in_a_sentence(
    full: None, client: TestClient, body: bytes, said: str
) -> None:
    answer = client.post("/counts", content=body)
    problem = answer.json()
    assert answer.status_code == 422 and said in problem["detail"] and problem["detail_zh"]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("", 422, "area, grid and estate"),
        ("?area=1&grid=1", 422, "area, grid and estate"),
        ("?area=0", 422, "area"),
        ("?area=99999999999999999999", 422, "area"),
        ("?area=x", 422, "area"),
        ("?area=77", 404, "77"),
        ("?area=1&of=", 422, "of "),
        ("?area=1&of=cats", 422, "of "),
        ("?area=1&of=units,,people", 422, "of "),
        ("?area=1&by=name", 422, "by"),
    ],
)
def test_a_bad_parameter_is_named(
    full: None, client: TestClient, query: str, status: int, said: str
) -> None:
    answer = client.get(f"/counts{query}")
    assert answer.status_code == status and said in answer.json()["detail"]


def test_a_body_is_read_however_late_it_is_asked_for(
    full: None, client: TestClient, key: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks whether the caller has left must not take the body away from the handler."""
    found = Gate.caller

    async def slowly(self: Gate, request: Request) -> Any:
        await asyncio.sleep(0.3)
        return await found(self, request)

    monkeypatch.setattr(Gate, "caller", slowly)
    answer = client.post("/counts?of=buildings", json=drawn(BOTH), headers=key("statistics"))
    assert answer.json()["counts"] == {"buildings": 2}
