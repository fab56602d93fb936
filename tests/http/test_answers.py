"""What each route answers about the small city of conftest."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel

from api.schemas import buildings, features, observations, places, service, session, units

COLLECTIONS = [name.value for name in features.Collection]
AREA = "bbox=113.8,22.8,114,23"
ANSWERS: list[tuple[str, type[BaseModel]]] = [
    ("/health", service.Health),
    ("/ready", service.Ready),
    ("/session", session.Session),
    ("/city", service.City),
    ("/tilesets", service.Tilesets),
    ("/buildings/1", buildings.Building),
    ("/buildings/2", buildings.Building),
    ("/buildings/1/floor-grid", buildings.FloorGrid),
    ("/buildings/2/floor-grid", buildings.FloorGrid),
    *((f"/units/{key}/card", units.UnitCard) for key in (101, 201, 304, 901)),
    ("/locate?lon=113.88005&lat=22.9201&h=17", places.Location),
    ("/locate?lon=0&lat=0", places.Location),
    ("/addresses/search?q=示范小区", places.AddressItems),
    ("/datastreams/2/observations", observations.Observations),
    *((f"/features/{name}?{AREA}", features.FeatureCollection) for name in COLLECTIONS),
]


@pytest.mark.parametrize(("path", "model"), ANSWERS)
def test_an_answer_has_exactly_the_documented_fields(
    client: TestClient, key: Any, path: str, model: type[BaseModel]
) -> None:
    response = client.get(path, headers=key("statistics"))
    assert response.status_code == 200, response.text
    model.model_validate_json(response.text)
    assert "json" in response.headers["content-type"]


def test_who_is_nobody_is_told_whether_requests_can_be_answered_and_no_more(
    client: TestClient,
) -> None:
    assert client.get("/health").json()["status"] == "ok"
    assert client.get("/ready").json() == {"status": "ready", "details": None}


def test_the_city_is_named_bounded_counted_and_explained(client: TestClient) -> None:
    found = client.get("/city").json()
    assert found["name"] == "东莞市"
    assert found["bounds"] == [113.88, 22.92, 113.8852, 22.9202]
    assert found["focus"]["name"] == "示范小区" and found["focus"]["ground"] == 17.5
    assert found["grounds"] == {"step": 0.005, "cells": [[22776, 4584, 17.5], [22777, 4584, 5.0]]}
    assert found["counts"]["residents"] is None and found["counts"]["devices"] == 4
    assert {"code": "residential", "zh": "住宅", "en": "residential"} in found["legend"]["use"]
    assert {"unit_kind", "device_class", "facility_class"} <= set(found["legend"])


def test_a_tileset_without_files_is_not_offered(client: TestClient) -> None:
    (only,) = client.get("/tilesets").json()["tilesets"]
    assert only["name"] == "buildings" and only["features"] == 2
    assert client.get(only["url"]).status_code == 200


def test_a_building_tells_what_stands_around_it(client: TestClient) -> None:
    found = client.get("/buildings/1").json()
    assert [area["level"] for area in found["areas"]] == [1, 2, 4, 5]
    assert found["estate"] == {"id": 1, "name": "示范小区"}
    assert found["grid"]["code"] == "G01"
    assert found["use"]["zh"] == "住宅"
    assert found["counts"] == {
        "storeys": 4,
        "entrances": 2,
        "units": 13,
        "residents": None,
        "devices": 3,
        "organisations": 1,
    }
    assert found["address"] == "广东省东莞市示范镇示范社区示范小区3栋"
    assert found["height_shift"] == 5.0


def test_a_building_of_which_little_is_known_still_answers(client: TestClient) -> None:
    found = client.get("/buildings/2").json()
    assert found["name"] is None and found["estate"] is None and found["areas"] == []
    assert client.get("/buildings/2/floor-grid").json()["storeys"] == []


def test_the_floor_grid_runs_from_the_top_down_by_entrance_and_room(client: TestClient) -> None:
    found = client.get("/buildings/1/floor-grid").json()
    assert [storey["no"] for storey in found["storeys"]] == [3, 2, 1, -1]
    second = found["storeys"][1]["units"]
    assert [unit["room_no"] for unit in second] == ["201", "202", "203", "204"]
    assert [unit["entrance"] for unit in second] == [1, 1, 2, 2]
    assert [unit["organisations"] for unit in found["storeys"][2]["units"]] == [1, 0, 0, 0]
    assert found["storeys"][3]["units"][0]["kind"]["zh"] == "车位"
    assert [entrance["name"] for entrance in found["entrances"]] == ["1单元", "2单元"]


def test_a_unit_card_reaches_everything_one_hop_away(client: TestClient, key: Any) -> None:
    found = client.get("/units/201/card", headers=key("statistics")).json()
    assert found["unit"]["area"] == 227.2
    assert found["storey"] == {
        "id": 2,
        "no": 2,
        "label": "2",
        "elev_bottom": 3,
        "elev_top": 6,
    }
    assert found["centre"] == [113.88005, 22.9201, 12.5 + 4.5 + 5.0]
    assert found["facilities"][0]["serves"] == {"type": "entrance", "label": "1单元"}
    meter, lift = found["devices"]
    assert meter["bound_to"] == {"type": "unit", "label": "201"}
    assert meter["datastreams"][0]["value"] == 12.5 and meter["datastreams"][0]["unit"] == "m3"
    assert lift["bound_to"] == {"type": "facility", "label": "1单元电梯"}


def test_the_other_entrance_is_not_served_by_this_ones_lift(client: TestClient) -> None:
    found = client.get("/units/303/card").json()
    assert found["facilities"] == []
    assert [device["class"]["code"] for device in found["devices"]] == ["smoke"]


def test_a_secret_device_is_on_no_card_and_in_no_list(client: TestClient) -> None:
    assert {device["id"] for device in client.get("/units/201/card").json()["devices"]} == {1, 2}
    assert client.get("/datastreams/3/observations").status_code == 404
    listed = client.post("/features/devices/by-ids", json={"ids": [2, 3]}).json()["features"]
    assert [feature["id"] for feature in listed] == [2]


def test_a_loaded_address_is_shown_as_loaded(client: TestClient) -> None:
    found = client.get("/units/101/card").json()["address"]
    assert found["source"] == "loaded"
    assert found["text"] == "广东省东莞市示范路12号示范小区3栋1单元1层101室"
    assert found["levels"]["door_no"] == "12号" and "zone" not in found["levels"]


@pytest.mark.parametrize(
    ("unit", "end"), [(304, "示范小区3栋2单元3层304室"), (901, "示范小区3栋地下1层B1-001号车位")]
)
def test_an_address_that_was_not_loaded_is_composed(
    client: TestClient, unit: int, end: str
) -> None:
    found = client.get(f"/units/{unit}/card").json()["address"]
    assert found["source"] == "composed"
    assert found["text"] == "广东省东莞市示范镇示范社区" + end


def test_a_unit_without_a_shape_has_no_area_and_no_geometry(client: TestClient) -> None:
    assert client.get("/units/901/card").json()["unit"]["area"] is None
    (found,) = client.post("/features/units/by-ids", json={"ids": [901]}).json()["features"]
    assert found["geometry"] is None and found["properties"]["storey_no"] == -1


def test_a_searched_address_leads_to_its_unit(client: TestClient) -> None:
    found = client.get("/addresses/search", params={"q": "示范小区3栋1单元101室"}).json()["items"]
    assert found[0]["unit_id"] == 101 and found[0]["building_id"] == 1
    assert found[0]["object"] == {"type": "unit", "id": 101}


def test_two_characters_and_one_are_enough_to_search(client: TestClient) -> None:
    for text in ("示范", "示", "小区3栋"):
        assert client.get("/addresses/search", params={"q": text, "limit": 1}).status_code == 200
    assert (
        len(client.get("/addresses/search", params={"q": "示范", "limit": 1}).json()["items"]) == 1
    )


def test_readings_are_oldest_first_and_the_latest_when_there_are_too_many(
    client: TestClient, key: Any
) -> None:
    found = client.get("/datastreams/2/observations?limit=3", headers=key("statistics")).json()
    assert [value for _, value in found["points"]] == [12.7, 12.8, 12.9]
    assert found["truncated"] is True
    assert found["datastream"]["device"]["class"]["zh"] == "水表"


def test_readings_of_a_period_exclude_its_end(client: TestClient, key: Any) -> None:
    period = {"start": "2026-11-20T09:00:00+08:00", "end": "2026-11-20T03:00:00Z"}
    path, known = "/datastreams/2/observations", key("statistics")
    found = client.get(path, params=period, headers=known).json()
    assert [value for _, value in found["points"]] == [12.1, 12.2]
    later = {"start": "2027-01-01T00:00:00Z"}
    empty = client.get(path, params=later, headers=known)
    assert empty.json()["points"] == []
