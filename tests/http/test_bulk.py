"""Units and buildings by their ids, many at once; a building's links; alarms in the floor grid."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.routes.buildings import KNOWN
from api.schemas.buildings import BuildingLinks
from api.schemas.bulk import Buildings, Units
from tests.problems import check_problem


@pytest.fixture(scope="module", autouse=True)
def alarmed(city: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        for kind, what, key in (("告警", "unit", 201), ("故障", "facility", 1)):
            connection.execute(
                text(
                    "INSERT INTO city.event (kind, object_type, object_id, state, started_at)"
                    " VALUES (:kind, :what, :key, 'open', '2026-11-20T08:00:00Z')"
                ),
                {"kind": kind, "what": what, "key": key},
            )


def test_units_come_in_the_order_asked_and_unknown_ids_are_named(client: TestClient) -> None:
    body = {"ids": [304, 77, 201, 304, 78, 101], "expand": ["address", "devices"]}
    response = client.post("/units/by-ids", json=body)
    Units.model_validate_json(response.text)
    found = response.json()
    assert [item["unit"]["id"] for item in found["items"]] == [304, 201, 101]
    assert found["unknown"] == [77, 78]


def test_each_of_many_is_as_it_is_alone(client: TestClient, key: Any) -> None:
    for headers in ({}, key("statistics")):
        parts = ["address", "areas", "devices", "alarms", "facilities", "centre", "spaces"]
        body = {"ids": [201, 101, 901], "expand": parts}
        many = client.post("/units/by-ids", json=body, headers=headers).json()["items"]
        for one in many:
            path = f"/units/{one['unit']['id']}?expand={','.join(parts)}"
            assert one == client.get(path, headers=headers).json()


def test_more_than_a_batch_is_sent_whole(client: TestClient, engine: Engine) -> None:
    ids = [*range(100_000, 100_600), 201, *range(200_000, 200_600), 101]
    found = client.post("/units/by-ids", json={"ids": ids}).json()
    assert [item["unit"]["id"] for item in found["items"]] == [201, 101]
    assert found["unknown"] == [key for key in ids if key not in (201, 101)]
    assert client.post("/units/by-ids", json={"ids": []}).json() == {"items": [], "unknown": []}


def test_who_lives_in_many_units_is_not_to_be_had_at_once(client: TestClient, key: Any) -> None:
    body = {"ids": [201], "expand": ["residents"]}
    answer = client.post("/units/by-ids", json=body, headers=key("housing-desk", "emergency"))
    check_problem(answer, 422, "expand may hold building")


@pytest.mark.parametrize("part", KNOWN)
def test_a_building_answers_with_what_is_asked_for(client: TestClient, key: Any, part: str) -> None:
    plain = client.get("/buildings/1").json()
    response = client.get(f"/buildings/1?expand={part}")
    BuildingLinks.model_validate_json(response.text)
    assert set(response.json()) == {*plain, part}
    many = client.post("/buildings/by-ids", json={"ids": [2, 77, 1], "expand": [part]})
    Buildings.model_validate_json(many.text)
    assert [item["id"] for item in many.json()["items"]] == [2, 1]
    assert many.json()["items"][1] == response.json() and many.json()["unknown"] == [77]


def test_a_buildings_links_are_its_own(client: TestClient, key: Any) -> None:
    parts = "entrances,storeys,facilities,devices,organisations"
    found = client.get(f"/buildings/1?expand={parts}").json()
    assert [(one["label"], one["units"]) for one in found["storeys"]] == [
        ("3", 4), ("2", 4), ("1", 4), ("B1", 1),
    ]  # fmt: skip
    assert [one["no"] for one in found["entrances"]] == [1, 2]
    assert [one["id"] for one in found["facilities"]] == [1]
    assert [one["id"] for one in found["devices"]] == [1, 4]  # that of a flat is the flat's
    assert [one["name"] for one in found["organisations"]] == ["示范便利店"]


def test_alarms_of_homes_are_for_those_who_may_know(client: TestClient, key: Any) -> None:
    def about(**headers: str) -> list[tuple[str, str]]:
        alarms = client.get("/buildings/1?expand=alarms", headers=headers).json()["alarms"]
        return sorted((one["about"]["type"], one["about"]["label"]) for one in alarms)

    assert about() == [("facility", "1单元电梯")]
    assert about(**key("statistics")) == [("facility", "1单元电梯"), ("unit", "201")]


def test_the_floor_grid_counts_open_alarms_by_right(client: TestClient, key: Any) -> None:
    def alarms(**headers: str) -> dict[str, int | None]:
        storeys = client.get("/buildings/1/floor-grid", headers=headers).json()["storeys"]
        return {one["room_no"]: one["alarms"] for storey in storeys for one in storey["units"]}

    assert set(alarms().values()) == {None}
    seen = alarms(**key("statistics"))
    assert seen.pop("201") == 1 and set(seen.values()) == {0}


def test_features_by_ids_name_what_is_unknown(client: TestClient) -> None:
    found = client.post("/features/units/by-ids", json={"ids": [77, 201, 78, 77]}).json()
    assert [feature["id"] for feature in found["features"]] == [201]
    assert found["unknown"] == [77, 78]


@pytest.mark.parametrize("path", ["/units/by-ids", "/buildings/by-ids"])
@pytest.mark.parametrize(
    ("body", "status", "part"),
    [
        (b"", 422, "required"),
        (b'{"ids": ["1"]}', 422, "ids.0 must be a whole number"),
        (b'{"ids": [0]}', 422, "ids.0 must be at least 1"),
        (b'{"ids": [99999999999999999999]}', 422, "ids.0"),
        (b'{"ids": [1], "expand": ["secrets"]}', 422, "expand may hold"),
        (b'{"ids": [1], "expand": ["\\u0000"]}', 422, "expand may hold"),
        (b'{"ids": [1], "expand": ["' + b"x" * 50_000 + b'"]}', 422, "expand.0"),
        (b'{"ids": [1], "columns": 1}', 422, "columns is not known"),
        (b'{"ids": [' + b"1," * 10_000 + b"1]}", 422, "at most 10000"),
    ],
)
def test_a_malformed_body_is_told_what_is_wrong(
    client: TestClient, path: str, body: bytes, status: int, part: str
) -> None:
    headers = {"Content-Type": "application/json"}
    check_problem(client.post(path, content=body, headers=headers), status, part)
