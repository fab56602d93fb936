"""Several requests in one: multipart as the standard has it, JSON as FROST's clients send it."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.sensorthings import batch
from tests.accounts import add_key
from tests.http.sensorthings.test_writing import THING

STA = "/sta/v1.1"
SENSOR = """{"name": "DS18B20", "description": "an air temperature sensor",
 "encodingType": "application/pdf", "metadata": "http://example.org/DS18B20.pdf"}"""
STREAM = """{"name": "Temperature", "description": "of the thing",
 "unitOfMeasurement": {"name": "degree", "symbol": "Cel", "definition": "ucum:Cel"},
 "observationType": "urn:OM_Measurement", "Thing": {"@iot.id": "$thing"},
 "ObservedProperty": {"name": "t", "definition": "urn:t", "description": "t"},
 "Sensor": {"@iot.id": "$sensor1"}}"""


@pytest.fixture(scope="module")
def office(city: Any, engine: Engine) -> dict[str, str]:
    with engine.begin() as connection:
        connection.execute(text("SELECT setval('city.datastream_id_seq', 1000)"))
    add_key(engine, "sensor-office", "key-devices", ["devices"])
    return {"Authorization": "Bearer key-devices"}


ROOF = json.dumps(THING["Locations"][0])  # type: ignore[index]  # a literal of many kinds


def http(request: str, body: str = "", id: str = "", kind: str = "application/json") -> str:
    outer = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
    outer += f"Content-ID: {id}\r\n" if id else ""
    inner = f"Content-Type: {kind}\r\n" if body else ""
    return f"{outer}\r\n{request} HTTP/1.1\r\nHost: localhost\r\n{inner}\r\n{body}\r\n"


def mixed(boundary: str, *parts: str) -> str:
    return "".join(f"--{boundary}\r\n{part}" for part in parts) + f"--{boundary}--\r\n"


def change_set(*parts: str) -> str:
    head = "Content-Type: multipart/mixed;boundary=changeset_77162fcd\r\n\r\n"
    return head + mixed("changeset_77162fcd", *parts)


def send(client: TestClient, headers: dict[str, str], *parts: str) -> str:
    kind = {"Content-Type": "multipart/mixed;boundary=batch_36522ad7"}
    body = mixed("batch_36522ad7", *parts).encode()
    answer = client.post(f"{STA}/$batch", content=body, headers=headers | kind)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("multipart/mixed; boundary=")
    return answer.text


def statuses(told: str) -> list[int]:
    return [int(line.split()[1]) for line in told.splitlines() if line.startswith("HTTP/1.1 ")]


def things(client: TestClient, name: str) -> int:
    query = {"$filter": f"name eq '{name}'", "$count": "true", "$top": "0"}
    found: int = client.get(f"{STA}/Things", params=query).json()["@iot.count"]
    return found


def test_the_example_of_the_standard(client: TestClient, office: dict[str, str]) -> None:
    told = send(
        client,
        office,
        http("GET /v1.1/Things(1610)?$select=name"),
        change_set(
            http("POST /v1.1/Things", '{"name": "New", "description": "Thing"}', "1"),
            http("PATCH /v1.1/Things($1)", '{"name": "Patched"}', "2"),
        ),
        http("GET /v1.1/Things(99999992)"),
    )
    assert statuses(told) == [200, 201, 200, 404]
    assert told.count("Content-Type: multipart/mixed; boundary=") == 1
    assert "Content-ID: 1" in told and '{"name":"' in told
    assert (things(client, "Patched"), things(client, "New")) == (1, 0)


def test_what_a_change_set_made_is_named_by_its_content_id(
    client: TestClient, office: dict[str, str]
) -> None:
    told = send(
        client,
        office,
        change_set(
            http("POST Sensors", SENSOR, "sensor1"),
            http("POST Things", '{"name": "站", "description": "$thing"}', "thing"),
            http("POST $thing/Locations", ROOF),
            http("POST /sta/v1.1/Datastreams", STREAM, "stream"),
            http("POST $stream/Observations", '{"result": 21.5}', "reading"),
        ),
    )
    assert statuses(told) == [201] * 5
    (where,) = [at for at in told.splitlines() if "/Datastreams(" in at]
    found = client.get(where.split(": ")[1] + "?$expand=Thing,Sensor,Observations").json()
    assert (found["Thing"]["name"], found["Sensor"]["name"]) == ("站", "DS18B20")
    assert [each["result"] for each in found["Observations"]] == [21.5]


def test_a_change_set_is_kept_as_a_whole_or_not_at_all(
    client: TestClient, office: dict[str, str]
) -> None:
    good = http("POST Things", '{"name": "half", "description": "x"}', "1")
    told = send(
        client,
        office,
        change_set(good, http("POST Things", '{"name": 7}', "2"), good),
        http("POST Things", '{"name": "alone", "description": "x"}'),
    )
    assert statuses(told) == [400, 201]
    assert "Content-ID: 2" in told and '"message":' in told
    assert (things(client, "half"), things(client, "alone")) == (0, 1)


def test_a_fault_of_the_database_undoes_a_change_set_too(
    client: TestClient, office: dict[str, str]
) -> None:
    first = '{"name": "first", "description": "x"}'
    far = '{"result": 1, "phenomenonTime": "2026-11-20T00:00:00Z", "Datastream": {"@iot.id": "$s"}}'
    told = send(
        client,
        office,
        change_set(http("POST Things", first, "t"), http("POST Observations", far, "o")),
    )
    assert statuses(told) == [400]
    assert things(client, "first") == 0


def test_json_batches_of_frost(client: TestClient, office: dict[str, str]) -> None:
    requests = [
        {"id": "0", "method": "get", "url": "Things(1610)?$select=name"},
        {"id": "t", "atomicityGroup": "g", "method": "post", "url": "Things",
         "body": {"name": "json", "description": "x"}},
        {"id": "2", "atomicityGroup": "g", "method": "patch", "url": "$t",
         "headers": {"content-type": "application/json-patch+json"},
         "body": [{"op": "replace", "path": "/name", "value": "json 2"}]},
        {"id": "3", "method": "get", "url": "Things(null)"},
    ]  # fmt: skip
    answer = client.post(f"{STA}/$batch", json={"requests": requests}, headers=office)
    first, made, patched, missing = answer.json()["responses"]
    assert list(first) == ["id", "status", "body"] and list(first["body"]) == ["name"]
    assert (made["status"], "/Things(" in made["location"], "body" in made) == (201, True, False)
    assert (patched["status"], missing["status"]) == (200, 404)
    assert client.get(made["location"]).json()["name"] == "json 2"


def test_a_json_batch_makes_only_what_is_not_there(
    client: TestClient, office: dict[str, str]
) -> None:
    find = "ObservedProperties?$select=id&$filter=name eq '湿度 50%25'"
    body = {"name": "湿度 50%", "definition": "urn:h", "description": "x"}
    requests = [
        {"id": "p", "atomicityGroup": "g", "method": "get", "url": find},
        {"id": "p", "atomicityGroup": "g", "if": "not $p", "method": "post",
         "url": "ObservedProperties", "body": body},
        {"id": "e", "atomicityGroup": "g", "method": "get", "url": "ObservedProperties($p)"},
    ]  # fmt: skip
    runs = [
        client.post(f"{STA}/$batch", json={"requests": requests}, headers=office).json()
        for _ in range(2)
    ]
    assert [[each["status"] for each in run["responses"]] for run in runs] == [
        [200, 201, 200],
        [200, 200],
    ]
    ids = {run["responses"][-1]["body"]["@iot.id"] for run in runs}
    assert len(ids) == 1


def test_the_others_of_a_group_that_failed_are_told_so(
    client: TestClient, office: dict[str, str]
) -> None:
    requests = [
        {"id": "1", "atomicityGroup": "g", "method": "post", "url": "Things",
         "body": {"name": "grouped", "description": "x"}},
        {"id": "2", "atomicityGroup": "g", "method": "delete", "url": "Things(1610)"},
        {"id": "3", "method": "delete", "url": "$1"},
    ]  # fmt: skip
    answer = client.post(f"{STA}/$batch", json={"requests": requests}, headers=office)
    told = {each["id"]: each["status"] for each in answer.json()["responses"]}
    assert told == {"1": 424, "2": 403, "3": 400}
    assert things(client, "grouped") == 0


def test_no_request_is_begun_when_the_time_is_over(
    client: TestClient, office: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LONGEST", -1.0)
    late = http("POST Things", '{"name": "late", "description": "x"}', "1")
    told = send(client, office, http("GET Things?$top=1"), change_set(late))
    assert statuses(told) == [503, 503]
    assert things(client, "late") == 0


def test_reading_needs_no_key_and_writing_does(client: TestClient) -> None:
    make = http("POST Things", '{"name": "no", "description": "x"}', "1")
    told = send(client, {}, http("GET Things?$top=1"), make, change_set(make))
    assert statuses(told) == [200, 401, 401]


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", "x"),
        ("multipart/mixed", "--b--"),
        ("multipart/mixed;boundary=b", ""),
        ("multipart/mixed;boundary=b", "--b\r\nContent-Type: application/http\r\n\r\nGET /"),
        ("multipart/mixed;boundary=b", "--b\r\nContent-Type: text/plain\r\n\r\nGET x\r\n--b--"),
        ("multipart/mixed;boundary=b", "--b\r\nContent-Type: application/http\r\n\r\n\r\n--b--"),
        ("multipart/mixed;boundary=b",
         "--b\r\nContent-Type: multipart/mixed\r\n\r\n--b\r\n--b--\r\n--b--"),
        ("application/json", "{"),
        ("application/json", "[]"),
        ("application/json", '{"requests": [7]}'),
        ("application/json", '{"requests": [{"method": "get"}]}'),
        ("application/json", '{"requests": [{"method": 1, "url": "Things"}]}'),
        ("application/json", '{"requests": [' + ",".join(['{"method": "get", "url": "x"}'] * 1001)
         + "]}"),
        ("application/json", '{"requests": [{"method": "get", "url": "x", "atomicityGroup": "a"},'
         '{"method": "get", "url": "x"}, {"method": "get", "url": "x", "atomicityGroup": "a"}]}'),
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused_in_words(client: TestClient, kind: str, body: str) -> None:
    answer = client.post(f"{STA}/$batch", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 400, answer.text
    assert answer.json()["message"].startswith("The batch cannot be read")


@pytest.mark.parametrize(
    ("request_line", "body"),
    [
        ("POST Things", "{"),
        ("POST Things", "["),
        ("POST $nobody", "{}"),
        ("POST Things", '{"name": "x", "description": "x", "Locations": [{"@iot.id": "$no"}]}'),
        ("POST $batch", "{}"),
        ("OPTIONS Things", ""),
        ("GET Things?$filter=%FF", ""),
        ("GET Things?$filter=nme eq 'x'", ""),
        ("GET http://[", ""),
        ("DELETE Things(%00)", ""),
    ],
)
def test_a_bad_request_harms_no_other(
    client: TestClient, office: dict[str, str], request_line: str, body: str
) -> None:
    told = send(client, office, http(request_line, body), http("GET Things?$top=1"))
    first, second = statuses(told)
    assert 400 <= first < 500 and second == 200
