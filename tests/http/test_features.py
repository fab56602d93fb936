"""Features by box and by ids."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.schemas.features import Collection

AREA = {"bbox": "113.8,22.8,114,23"}
EXPECTED = {
    "areas": 5,
    "grids": 1,
    "estates": 1,
    "streets": 1,
    "buildings": 2,
    "storeys": 4,
    "units": 13,
    "entrances": 2,
    "facilities": 1,
    "projects": 0,
    "devices": 3,
}


@pytest.mark.parametrize("name", [name.value for name in Collection])
def test_a_box_finds_every_present_feature_in_order(client: TestClient, name: str) -> None:
    response = client.get(f"/features/{name}", params=AREA)
    found = response.json()
    assert response.headers["content-type"] == "application/geo+json"
    assert found["numberReturned"] == len(found["features"]) == EXPECTED[name]
    ids = [feature["id"] for feature in found["features"]]
    assert ids == sorted(ids) and not found["truncated"]
    assert "crs" not in response.text


@pytest.mark.parametrize("name", [name.value for name in Collection])
def test_a_box_elsewhere_finds_none(client: TestClient, name: str) -> None:
    found = client.get(f"/features/{name}", params={"bbox": "1,1,2,2"}).json()
    assert found == {
        "type": "FeatureCollection",
        "features": [],
        "numberReturned": 0,
        "truncated": False,
    }


def test_a_limit_says_that_there_is_more(client: TestClient) -> None:
    found = client.get("/features/units", params=AREA | {"limit": 5}).json()
    assert found["numberReturned"] == 5 and found["truncated"] is True
    whole = client.get("/features/units", params=AREA | {"limit": 13}).json()
    assert whole["numberReturned"] == 13 and whole["truncated"] is False


def test_ids_find_those_that_exist_once_each(client: TestClient) -> None:
    found = client.post("/features/units/by-ids", json={"ids": [304, 101, 101, 99999]}).json()
    assert [feature["id"] for feature in found["features"]] == [101, 304]


def test_no_ids_find_nothing(client: TestClient) -> None:
    assert client.post("/features/units/by-ids", json={"ids": []}).json()["numberReturned"] == 0


def test_a_units_geometry_is_its_slots_and_its_heights_its_storeys(client: TestClient) -> None:
    (unit,) = client.post("/features/units/by-ids", json={"ids": [202]}).json()["features"]
    assert unit["geometry"]["coordinates"][0][0][0] == [113.8801, 22.92]
    assert unit["properties"]["elev_bottom"] == 3 and unit["properties"]["elev_top"] == 6


def test_a_device_without_a_place_stands_in_its_building_and_says_so(client: TestClient) -> None:
    (meter,) = client.post("/features/devices/by-ids", json={"ids": [2]}).json()["features"]
    assert meter["geometry"]["type"] == "Point" and meter["properties"]["placed"] is False


def test_when_a_device_in_a_home_last_spoke_is_nobodys_to_know(
    client: TestClient, engine: Engine
) -> None:
    """A sensor that spoke a minute ago says that somebody is at home."""
    with engine.begin() as connection:
        before = connection.execute(text("SELECT id, last_seen FROM city.device")).all()
        connection.execute(text("UPDATE city.device SET last_seen = now()"))
        homes = {
            row.id
            for row in connection.execute(
                text("SELECT id FROM city.device WHERE bind_type = 'unit' AND secrecy = 0")
            )
        }
    devices = client.get("/features/devices", params=AREA).json()["features"]
    told = {each["id"]: each["properties"]["last_seen"] for each in devices}
    assert homes and homes < set(told)
    assert {id for id, when in told.items() if when is None} == homes
    with engine.begin() as connection:
        for id, when in before:
            put = text("UPDATE city.device SET last_seen = :when WHERE id = :id")
            connection.execute(put, {"id": id, "when": when})


def test_no_feature_carries_occupancy_or_persons(client: TestClient) -> None:
    for name in Collection:
        text = client.get(f"/features/{name.value}", params=AREA).text
        assert "自住" not in text and "resident_" not in text and "甲" not in text


def test_ten_thousand_ids_are_taken_and_one_more_is_not(client: TestClient) -> None:
    ids = list(range(1, 10_001))
    assert client.post("/features/units/by-ids", json={"ids": ids}).json()["numberReturned"] == 13
    refused = client.post("/features/units/by-ids", json={"ids": [*ids, 10_001]})
    assert refused.status_code == 422 and "10000" in refused.json()["detail"]
