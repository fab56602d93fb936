"""What clients write through SensorThings: entities of theirs, readings, and what is not theirs."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.sensorthings import writing
from cim.errors import BadParameter
from cim.feeds.sensorthings import making
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


def test_a_datastream_knows_where_and_when_its_readings_were_made(
    client: TestClient, office: dict[str, str], station: str
) -> None:
    stream = client.get(f"{station}/Datastreams").json()["value"][0]["@iot.selfLink"]
    here = {"type": "Point", "coordinates": [113.8801, 22.9201]}
    assert client.get(stream).json()["observedArea"] == here
    feature = {"name": "roof", "description": "x", "encodingType": "application/geo+json",
               "feature": {"type": "Point", "coordinates": [113.8805, 22.9202]}}  # fmt: skip
    body = {"phenomenonTime": "2026-11-20T05:00:00Z", "resultTime": "2026-11-20T06:00:00Z",
            "result": 20, "FeatureOfInterest": feature}  # fmt: skip
    at = client.post(f"{stream}/Observations", json=body, headers=office).headers["Location"]
    found = client.get(stream).json()
    assert found["resultTime"] == "2026-11-20T06:00:00Z/2026-11-20T06:00:00Z"
    (ring,) = found["observedArea"]["coordinates"]
    assert {tuple(place) for place in ring} == {
        (113.8801, 22.9201), (113.8801, 22.9202), (113.8805, 22.9202), (113.8805, 22.9201)
    }  # fmt: skip
    made = client.get(f"{at}/FeatureOfInterest").json()["@iot.selfLink"]
    moved = {"feature": {"type": "Point", "coordinates": [113.8801, 22.9201]}}
    assert client.patch(made, json=moved, headers=office).status_code == 200
    assert client.get(stream).json()["observedArea"] == here
    assert client.delete(at, headers=office).status_code == 200
    assert client.get(stream).json()["resultTime"] == found["phenomenonTime"].replace("05:", "01:")


def test_where_and_when_are_those_of_the_readings_that_are_left(
    client: TestClient, office: dict[str, str], station: str
) -> None:
    stream = client.get(f"{station}/Datastreams").json()["value"][0]["@iot.selfLink"]
    for reading in client.get(f"{stream}/Observations").json()["value"]:
        assert client.delete(reading["@iot.selfLink"], headers=office).status_code == 200
    assert "observedArea" not in client.get(stream).json()
    places = [(0, 0), (4, 1), (2, 2), (1, 4), (2, 2)]  # of them the third is within the others
    made = [_read_at(client, office, stream, hour, place) for hour, place in enumerate(places)]
    first = client.get(f"{made[0]}/FeatureOfInterest").json()["@iot.id"]
    _stands(client, stream, places, hours=(0, 4))
    assert client.delete(made[2], headers=office).status_code == 200
    _stands(client, stream, places, hours=(0, 4))
    moved = {"FeatureOfInterest": {"@iot.id": first}, "resultTime": "2026-11-20T02:30:00Z"}
    assert client.patch(made[1], json=moved, headers=office).status_code == 200
    _stands(client, stream, [(0, 0), (1, 4), (2, 2)], hours=(0, 4))
    assert client.delete(made[0], headers=office).status_code == 200  # the second is there as well
    _stands(client, stream, [(0, 0), (1, 4), (2, 2)], hours=(2.5, 4))
    assert client.delete(made[4], headers=office).status_code == 200
    _stands(client, stream, [(0, 0), (1, 4)], hours=(2.5, 3))


def _read_at(
    client: TestClient, office: dict[str, str], stream: str, hour: int, place: tuple[int, int]
) -> str:
    feature = {"name": "x", "description": "x", "encodingType": "application/geo+json",
               "feature": {"type": "Point", "coordinates": place}}  # fmt: skip
    at = f"2026-11-20T0{hour}:00:00Z"
    body = {"phenomenonTime": at, "resultTime": at, "result": hour, "FeatureOfInterest": feature}
    return client.post(f"{stream}/Observations", json=body, headers=office).headers["Location"]


def _stands(
    client: TestClient, stream: str, places: list[tuple[int, int]], hours: tuple[float, float]
) -> None:
    found = client.get(stream).json()
    xs, ys = zip(*found["observedArea"]["coordinates"][0], strict=True)
    assert (min(xs), max(xs), min(ys), max(ys)) == (
        min(x for x, _ in places), max(x for x, _ in places),
        min(y for _, y in places), max(y for _, y in places),
    )  # fmt: skip
    times = (f"2026-11-20T{int(h):02}:{int(h % 1 * 60):02}:00Z" for h in hours)
    assert found["resultTime"] == "/".join(times)


def test_a_reading_says_what_it_is_of_and_where_it_belongs(
    client: TestClient, office: dict[str, str], station: str
) -> None:
    nowhere = {name: each for name, each in THING.items() if name != "Locations"}
    answer = client.post(f"{STA}/Things", json=nowhere, headers=office)
    assert (answer.status_code, "FeatureOfInterest is missing" in answer.text) == (400, True)
    stream = client.get(f"{station}/Datastreams").json()["value"][0]["@iot.selfLink"]
    other = {"result": 7, "Datastream": {"@iot.id": 1}}
    assert client.post(f"{stream}/Observations", json=other, headers=office).status_code == 400


@pytest.mark.parametrize(
    ("condition", "results"),
    [("result gt '3'", []), ("result gt '21.6'", [22]), ("startswith(result,'21')", [21.5]),
     ("not parameters/absent", [])],
)  # fmt: skip
def test_a_result_is_compared_with_a_text_as_one(
    client: TestClient, station: str, condition: str, results: list[float]
) -> None:
    query = f"$filter={condition}&$select=result"
    found = client.get(f"{station}/Datastreams?$expand=Observations({query.replace('&', ';')})")
    assert [o["result"] for o in found.json()["value"][0]["Observations"]] == results


def test_a_series_and_readings_are_answered_of_a_stream_without_a_device(
    client: TestClient, station: str
) -> None:
    id = client.get(f"{station}/Datastreams").json()["value"][0]["@iot.id"]
    query = "start=2026-11-20T00:00:00Z&end=2026-11-21T00:00:00Z"
    found = client.get(f"/datastreams/{id}/series?{query}").json()
    assert (found["v"], found["datastream"]["device"]) == ([21.5, 22], None)
    found = client.get(f"/datastreams/{id}/observations?{query}").json()
    assert ([value for _, value in found["points"]], found["datastream"]["device"]) == (
        [21.5, 22], None
    )  # fmt: skip


def test_no_more_readings_come_at_once_however_they_are_cut_into_blocks(
    client: TestClient, office: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "MOST", 5)
    block = {"Datastream": {"@iot.id": 1}, "components": ["result"], "dataArray": [["x"]] * 3}
    few, many = (client.post(f"{STA}/CreateObservations", json=[block] * n, headers=office)
                 for n in (1, 2))  # fmt: skip
    assert (few.status_code, many.status_code) == (201, 400)
    assert "More than 5 readings" in many.text


def test_a_patch_of_many_steps_on_much_is_not_done_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(writing, "ALL_STEPS", 1000)
    step = {"op": "replace", "path": "/name", "value": "x" * 90}
    assert writing.applied({"name": "a"}, [step] * 9)["name"] == "x" * 90
    with pytest.raises(BadParameter, match="more than 1,000 bytes"):
        writing.applied({"name": "a"}, [step] * 10)


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"x": value}
    return value


@pytest.mark.parametrize(
    "steps",
    [
        [{"op": "copy", "from": "/properties", "path": f"/properties/p{n}"} for n in range(60)],
        [{"op": "add", "path": "/name", "value": "x"}] * 1001,
        [{"op": "add"}], ["x"], [7], "[]", {}, None, [{"op": "add", "path": 7, "value": 1}],
        [{"op": "move", "from": "", "path": "/properties/x"}], [{"op": "remove", "path": ""}],
        [{"op": "replace", "path": "/properties", "value": nested(300)}],
        [{"op": "test", "path": "/name", "value": "another"}],
    ],
)  # fmt: skip
def test_a_patch_that_cannot_be_applied_is_refused(
    client: TestClient, office: dict[str, str], station: str, steps: Any
) -> None:
    headers = office | {"Content-Type": "application/json-patch+json"}
    answer = client.patch(station, content=json.dumps(steps), headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("Things", []),
        ("Things", {"name": "x", "description": "x", "properties": nested(300)}),
        ("Datastreams(1)/Observations", {"result": nested(300)}),
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
