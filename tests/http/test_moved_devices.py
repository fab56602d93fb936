"""What a device said in a home stays of that home, wherever the device is taken."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests.accounts import add_key

METER, STREAM = 2, 2
ROOT = "/sta/v1.1"
INSTALLER = {"Authorization": "Bearer key-installers"}


@pytest.fixture(scope="module", autouse=True)
def moved(engine: Engine, client: TestClient) -> None:
    """The water meter of unit 201 is taken to the lobby, after all that it said."""
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE city.device SET bind_type = 'building', bind_id = 1 WHERE id = :id"),
            {"id": METER},
        )


def readings(client: TestClient, stream: int, headers: dict[str, str]) -> list[Any]:
    answer = client.get(f"{ROOT}/Datastreams({stream})/Observations", headers=headers)
    found: list[Any] = answer.json()["value"]
    return found


def test_the_public_gets_nothing_that_it_said_in_the_home(client: TestClient) -> None:
    assert client.get(f"/datastreams/{STREAM}/observations").json()["points"] == []
    span = {"start": "2020-01-01T00:00:00Z", "end": "2026-01-01T00:00:00Z"}
    assert client.get(f"/datastreams/{STREAM}/series", params=span).status_code == 403
    assert readings(client, STREAM, {}) == []
    assert "phenomenonTime" not in client.get(f"{ROOT}/Datastreams({STREAM})").json()
    oracle = {"$filter": f"id eq {STREAM} and Observations/result gt 0"}
    assert client.get(f"{ROOT}/Datastreams", params=oracle).json()["value"] == []


def test_who_may_know_of_the_home_still_reads_it(client: TestClient, key: Any) -> None:
    known = key("statistics")
    assert client.get(f"/datastreams/{STREAM}/observations", headers=known).json()["points"]
    assert readings(client, STREAM, known)


def test_the_card_of_the_lobby_does_not_show_it_as_the_lobbys(client: TestClient, key: Any) -> None:
    for headers in ({}, key("statistics")):
        shown = client.get("/units/201/card", headers=headers).json()["devices"]
        (meter,) = [device for device in shown if device["id"] == METER]
        assert meter["withheld"] is False
        assert [stream["value"] for stream in meter["datastreams"]] == [None]


def test_the_public_hears_nothing_of_it_live(client: TestClient) -> None:
    with client.websocket_connect("/live/socket") as socket:
        socket.send_json({"datastream": [STREAM], "alarms": "none"})
        said = [socket.receive_json() for _ in range(3)]
    assert {each["event"]: each["data"] for each in said}["readings"] == []


def test_what_it_kept_of_the_home_and_sends_late_is_not_heard_either(
    client: TestClient, engine: Engine
) -> None:
    shared = "SELECT min(t.id) FROM city.datastream t JOIN city.device d ON d.id = t.device_id " \
             "WHERE d.bind_type <> 'unit' AND d.secrecy = 0 AND t.id <> :id"  # fmt: skip
    with engine.connect() as connection, client.websocket_connect("/live/socket") as socket:
        other = connection.execute(text(shared), {"id": STREAM}).scalar_one()
        socket.send_json({"datastream": [STREAM, other], "alarms": "none"})
        begun = [socket.receive_json()["event"] for _ in range(3)]
        assert begun == ["who", "streams", "readings"]
        late = f"{STREAM},1700000000000,9\n{other},1700000000000,8"
        connection.execute(text("SELECT pg_notify('cim_readings', :late)"), {"late": late})
        connection.commit()
        assert socket.receive_json()["data"] == [[other, 1700000000000, 8]]


def test_a_clients_stream_on_a_device_in_a_home_is_of_the_home(
    client: TestClient, key: Any, engine: Engine
) -> None:
    add_key(engine, "installers", "key-installers", ["devices"])
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE city.datastream ALTER id RESTART WITH 700"))
        device = connection.execute(
            text("INSERT INTO city.device (id, class_code, bind_type, bind_id, building_id) "
                 "VALUES (700, 'smoke', 'unit', 201, 1) RETURNING id")
        ).scalar_one()  # fmt: skip
    body = {
        "name": "motion", "description": "in the hall", "observationType":
        "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement",
        "unitOfMeasurement": {"name": "one", "symbol": "1", "definition": "1"},
        "Thing": {"@iot.id": device * 8 + 1},
        "Sensor": {"name": "s", "description": "s", "encodingType": "text/plain", "metadata": "m"},
        "ObservedProperty": {"name": "motion", "definition": "urn:motion", "description": "m"},
        "Observations": [{"result": 1}],
    }  # fmt: skip
    made = client.post(f"{ROOT}/Datastreams", json=body, headers=INSTALLER)
    assert made.status_code == 201, made.text
    stream = int(made.headers["location"].rpartition("(")[2].rstrip(")"))
    assert readings(client, stream, {}) == []
    assert len(readings(client, stream, key("statistics"))) == 1
