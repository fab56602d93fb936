"""What clients write through SensorThings: entities of theirs, readings, and what is not theirs."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests.accounts import add_key

STA = "/sta/v1.1"
OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0/"
THING = {
    "name": "气象站",
    "description": "on the roof",
    "properties": {"owner": "city"},
    "Locations": [
        {
            "name": "roof",
            "description": "of the tower",
            "encodingType": "application/geo+json",
            "location": {"type": "Point", "coordinates": [113.8801, 22.9201]},
        }
    ],
    "Datastreams": [
        {
            "name": "temperature",
            "description": "of the air",
            "unitOfMeasurement": {"name": "degree", "symbol": "Cel", "definition": "ucum:Cel"},
            "observationType": OM + "OM_Measurement",
            "ObservedProperty": {"name": "气温", "definition": "urn:t", "description": "air"},
            "Sensor": {
                "name": "thermometer",
                "description": "a probe",
                "encodingType": "text/plain",
                "metadata": "model 7",
            },
            "Observations": [
                {"phenomenonTime": "2026-11-20T00:00:00Z", "result": 21.5},
                {"phenomenonTime": "2026-11-20T01:00:00Z", "result": 22},
            ],
        }
    ],
}


@pytest.fixture(scope="module")
def office(city: Any, engine: Engine) -> dict[str, str]:
    with engine.begin() as connection:
        connection.execute(text("SELECT setval('city.datastream_id_seq', 1000)"))
    add_key(engine, "sensor-office", "key-devices", ["devices"])
    add_key(engine, "sensor-office-town", "key-devices-town", ["devices"], at="441900001")
    return {"Authorization": "Bearer key-devices"}


@pytest.fixture
def station(client: TestClient, office: dict[str, str]) -> str:
    answer = client.post(f"{STA}/Things", json=THING, headers=office)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def test_a_thing_is_made_with_all_that_is_named_within_it(client: TestClient, station: str) -> None:
    query = "$expand=Locations,Datastreams($expand=ObservedProperty,Sensor,Observations"
    query += "($expand=FeatureOfInterest))"
    found = client.get(f"{station}?{query}").json()
    (stream,) = found["Datastreams"]
    assert stream["ObservedProperty"]["name"] == "气温"
    assert [each["result"] for each in stream["Observations"]] == [21.5, 22]
    assert stream["phenomenonTime"] == "2026-11-20T00:00:00Z/2026-11-20T01:00:00Z"
    features = {each["FeatureOfInterest"]["@iot.id"] for each in stream["Observations"]}
    assert len(features) == 1
    assert len(client.get(f"{station}/HistoricalLocations").json()["value"]) == 1


def test_nobody_writes_without_the_right_in_the_whole_city(client: TestClient, office: Any) -> None:
    assert client.post(f"{STA}/Things", json=THING).status_code == 401
    for key in ("key-intake", "key-devices-town"):
        sent = client.post(f"{STA}/Things", json=THING, headers={"Authorization": f"Bearer {key}"})
        assert sent.status_code == 403


@pytest.mark.parametrize("path", ["Things(1610)", "Locations(1610)", "Sensors(17)"])
def test_objects_of_the_city_are_not_changed_here(
    client: TestClient, office: dict[str, str], path: str
) -> None:
    answer = client.patch(f"{STA}/{path}", json={"name": "mine"}, headers=office)
    assert answer.status_code == 403 and "/ogc/collections" in answer.json()["message"]
    assert client.delete(f"{STA}/{path}", headers=office).status_code == 403


def test_a_datastream_of_a_device_is_described_and_stays(
    client: TestClient, office: dict[str, str]
) -> None:
    at = f"{STA}/Datastreams(1)"
    assert client.patch(at, json={"description": "1梯"}, headers=office).status_code == 200
    found = client.get(at).json()
    assert (found["description"], found["name"]) == ("1梯", "电梯控制器 floor")
    assert client.delete(at, headers=office).status_code == 409
    moved = client.patch(at, json={"Thing": {"@iot.id": 1610}}, headers=office)
    assert moved.status_code == 403


def test_readings_of_a_device_are_held_against_its_stream(
    client: TestClient, office: dict[str, str]
) -> None:
    at = f"{STA}/Datastreams(1)/Observations"
    first = {"phenomenonTime": "2026-11-20T05:00:00Z", "result": 3}
    made = client.post(at, json=first, headers=office)
    assert made.status_code == 201
    again = client.post(at, json=first, headers=office)
    assert again.headers["Location"] == made.headers["Location"]
    other = client.post(at, json=first | {"result": 4}, headers=office)
    assert other.status_code == 409
    words = client.post(at, json={"result": "somewhere"}, headers=office)
    assert words.status_code == 400
    patched = client.patch(made.headers["Location"], json={"result": 4}, headers=office)
    assert patched.status_code == 200
    found = client.get(f"{made.headers['Location']}?$expand=FeatureOfInterest").json()
    assert found["result"] == 4
    assert found["FeatureOfInterest"]["name"] == "1单元电梯"
    assert client.delete(made.headers["Location"], headers=office).status_code == 200
    assert client.get(made.headers["Location"]).status_code == 404


def test_many_readings_come_as_rows_and_each_has_its_outcome(
    client: TestClient, office: dict[str, str], station: str
) -> None:
    stream = client.get(f"{station}/Datastreams").json()["value"][0]["@iot.id"]
    block = {
        "Datastream": {"@iot.id": stream},
        "components": ["phenomenonTime", "result", "parameters"],
        "dataArray@iot.count": 3,
        "dataArray": [
            ["2026-11-20T02:00:00Z", 23, None],
            ["2026-11-20T01:00:00Z", 99, None],
            ["2026-11-20T03:00:00Z", True, {"by": "hand"}],
        ],
    }
    answer = client.post(f"{STA}/CreateObservations", json=[block], headers=office)
    assert answer.status_code == 201, answer.text
    first, second, third = answer.json()
    assert second == "error"
    assert client.get(first).json()["result"] == 23
    assert client.get(third).json()["parameters"] == {"by": "hand"}
    rows = client.get(f"{STA}/Datastreams({stream})/Observations?$resultFormat=dataArray").json()
    (found,) = rows["value"]
    assert found["components"] == ["id", "phenomenonTime", "resultTime", "result"]
    assert [row[3] for row in found["dataArray"]] == [21.5, 22, 23, True]


@pytest.mark.parametrize("when", ["1999-12-31T23:59:59Z", "2099-06-01T00:00:00Z"])
def test_a_time_that_no_reading_is_kept_of_is_refused(
    client: TestClient, office: dict[str, str], station: str, when: str
) -> None:
    stream = client.get(f"{station}/Datastreams").json()["value"][0]["@iot.selfLink"]
    body = {"phenomenonTime": when, "result": 1}
    answer = client.post(f"{stream}/Observations", json=body, headers=office)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("phenomenonTime must lie between the year 2000")
    fine = {"phenomenonTime": "2000-01-01T00:00:00Z", "result": 1}
    assert client.post(f"{stream}/Observations", json=fine, headers=office).status_code == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("Things", []),
        ("Things", {"name": 7, "description": "x"}),
        ("Things", {"name": "x\x00", "description": "x"}),
        ("Things", {"name": "x", "description": "x", "properties": "x"}),
        ("Things", {"name": "x", "description": "x", "Locations": [{"@iot.id": 999999}]}),
        ("Things", {"name": "x", "description": "x", "Locations": {"@iot.id": 1}}),
        ("Things", {"name": "x", "description": "x", "Datastreams": "none"}),
        ("Locations", {"name": "x", "description": "x", "encodingType": "application/geo+json",
                       "location": {"type": "Point", "coordinates": ["a", 1]}}),
        ("Locations", {"name": "x", "description": "x", "encodingType": "application/geo+json",
                       "location": {"type": "Point", "coordinates": [1e9, 1]}}),
        ("Locations", {"name": "x", "description": "x", "encodingType": "application/geo+json",
                       "location": 5}),
        ("HistoricalLocations", {"time": "never", "Thing": {"@iot.id": 8}}),
        ("Observations", {"result": 1}),
        ("Observations", {"result": 1, "Datastream": {"@iot.id": {}}}),
        ("Observations", {"result": 1, "Datastream": {"@iot.id": 10**30}}),
        ("Observations", {"result": 1, "Datastream": {"@iot.id": 1},
                          "phenomenonTime": "2026-11-20T05:00:00Z/2026-11-19T05:00:00Z"}),
        ("Datastreams(1)/Observations", {"result": 1, "phenomenonTime": "2100-01-01T00:00:00Z"}),
        ("Datastreams(1)/Observations", {"result": 1, "phenomenonTime": "0001-01-01T00:00:00Z"}),
        ("Datastreams(1)/Observations", {"result": 1, "parameters": [1]}),
        ("CreateObservations", {}),
        ("CreateObservations", [{"components": 1}]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words(
    client: TestClient, office: dict[str, str], path: str, body: Any
) -> None:
    answer = client.post(f"{STA}/{path}", json=body, headers=office)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["message"]
