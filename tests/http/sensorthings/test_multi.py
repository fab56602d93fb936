"""MultiDatastreams: several results at a time, each of a property of its own."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests.accounts import add_key

STA = "/sta/v1.1"
OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
UNITS = [
    {"name": "degree", "symbol": "Cel", "definition": "ucum:Cel"},
    {"name": "percent", "symbol": "%", "definition": "ucum:%"},
]
STREAM = {
    "name": "climate",
    "description": "of the stairs",
    "unitOfMeasurements": UNITS,
    "multiObservationDataTypes": [OM, OM],
    "Thing": {"@iot.id": 11},
    "Sensor": {
        "name": "climate probe",
        "description": "two in one",
        "encodingType": "text/plain",
        "metadata": "model 9",
    },
    "ObservedProperties": [
        {"name": "温度", "definition": "urn:t", "description": "of the air"},
        {"name": "湿度", "definition": "urn:h", "description": "of the air"},
    ],
    "Observations": [{"phenomenonTime": "2026-11-20T00:00:00Z", "result": [21.5, 60]}],
}


@pytest.fixture(scope="module")
def office(city: Any, engine: Engine) -> dict[str, str]:
    with engine.begin() as connection:
        connection.execute(text("SELECT setval('city.datastream_id_seq', 2000)"))
    add_key(engine, "climate", "key-climate", ["devices"])
    return {"Authorization": "Bearer key-climate"}


@pytest.fixture(scope="module")
def stream(client: TestClient, office: dict[str, str]) -> str:
    answer = client.post(f"{STA}/MultiDatastreams", json=STREAM, headers=office)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def test_one_is_made_and_read_with_its_properties_in_their_order(
    client: TestClient, stream: str
) -> None:
    found = client.get(
        f"{stream}?$expand=ObservedProperties($orderby=id),Observations,Thing"
    ).json()
    assert found["unitOfMeasurements"] == UNITS
    assert found["multiObservationDataTypes"] == [OM, OM]
    assert found["observationType"].endswith("OM_ComplexObservation")
    assert [each["name"] for each in found["ObservedProperties"]] == ["温度", "湿度"]
    assert [each["result"] for each in found["Observations"]] == [[21.5, 60]]
    assert found["Thing"]["name"] == "3栋"


def test_it_is_no_datastream_and_its_thing_leads_to_it(client: TestClient, stream: str) -> None:
    name = stream.rpartition("/")[2].replace("MultiDatastreams", "Datastreams")
    assert client.get(f"{STA}/{name}").status_code == 404
    below = client.get(f"{STA}/Things(11)/MultiDatastreams").json()["value"]
    assert [each["name"] for each in below] == ["climate"]
    assert client.get(f"{STA}/Things(11)/Datastreams").json()["value"] == []
    query = "$filter=MultiDatastreams/name eq 'climate'"
    humid = client.get(f"{STA}/ObservedProperties?{query}").json()["value"]
    assert {each["name"] for each in humid} == {"温度", "湿度"}


def test_each_result_has_as_many_parts_as_there_are_properties(
    client: TestClient, stream: str, office: dict[str, str]
) -> None:
    at = f"{stream}/Observations"
    for result in ([1], [1, 2, 3], 5, "x", {"a": 1}):
        sent = client.post(at, json={"result": result}, headers=office)
        assert sent.status_code == 400, result
    made = client.post(at, json={"result": [20, 61]}, headers=office)
    assert made.status_code == 201
    latest = client.get(
        f"{stream}?$expand=Observations($top=1;$orderby=phenomenonTime desc)"
    ).json()
    assert latest["Observations"][0]["result"] == [20, 61]
    first = client.get(f"{at}?$filter=result/0 gt 21").json()["value"]
    assert [each["result"] for each in first] == [[21.5, 60]]


@pytest.mark.parametrize(
    "change",
    [
        {"unitOfMeasurements": UNITS[:1]},
        {"multiObservationDataTypes": [OM]},
        {"ObservedProperties": STREAM["ObservedProperties"][:1]},
        {"ObservedProperties": []},
        {"unitOfMeasurements": "m"},
        {"multiObservationDataTypes": [1, 2]},
    ],
)
def test_units_types_and_properties_are_as_many(
    client: TestClient, office: dict[str, str], change: dict[str, Any]
) -> None:
    answer = client.post(f"{STA}/MultiDatastreams", json=STREAM | change, headers=office)
    assert answer.status_code == 400, answer.text


def test_its_properties_come_in_the_order_of_its_results(
    client: TestClient, stream: str, office: dict[str, str]
) -> None:
    query = "$expand=ObservedProperties($select=id)"
    ids = [each["@iot.id"] for each in client.get(f"{stream}?{query}").json()["ObservedProperties"]]
    turned = STREAM | {"ObservedProperties": [{"@iot.id": id} for id in reversed(ids)]}
    made = client.post(f"{STA}/MultiDatastreams", json=turned, headers=office).headers["Location"]
    found = client.get(f"{made}?{query}").json()["ObservedProperties"]
    pages = client.get(f"{made}/ObservedProperties?$top=1").json()
    pages["value"] += client.get(pages["@iot.nextLink"]).json()["value"]
    for listed in (found, pages["value"]):
        assert [each["@iot.id"] for each in listed] == ids[::-1]


def test_it_ends_with_its_readings(client: TestClient, stream: str, office: dict[str, str]) -> None:
    assert client.delete(stream, headers=office).status_code == 200
    assert client.get(stream).status_code == 404
