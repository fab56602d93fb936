"""Readings pushed over HTTP: whose key may, what is answered, and what a platform expects."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.database.pushing import Pushing
from cim.errors import StoreBusy
from cim.security import secrets
from cim.settings import Settings
from tests.accounts import add_key
from tests.feeding import NOW, furnish

KEYS = {"meter-1": 7001, "gateway-1": 7003}
"""Username (and key, with `key-` before it) → device."""


@pytest.fixture(scope="module")
def pushed(client: TestClient, engine: Engine) -> Iterator[TestClient]:
    furnish(engine)
    with engine.begin() as connection:
        for table in ("device", "datastream"):  # the fixtures count for themselves up to here
            connection.execute(text(f"SELECT setval('city.{table}_id_seq', 9000)"))
        for username, device in KEYS.items():
            connection.execute(
                text("""INSERT INTO platform.device_key (device_id, username, prefix, digest,
                    broker_hash) VALUES (:device, :name, 'key', :digest, '')"""),
                {"device": device, "name": username, "digest": secrets.digest(f"key-{username}")},
            )
        for name, decoder, options in (
            ("platform", "onenet", {"secret": "example-token"}),
            ("neighbour", "ctwing", {"from": ["testclient", "192.0.2.0/24"]}),
            ("lora", "chirpstack", {}),
        ):
            connection.execute(
                text("""INSERT INTO platform.feed (name, transport, decoder, source_id, provision,
                    options, key_digest) VALUES (:name, 'http', :decoder, 700, 'devices',
                    cast(:options AS jsonb), :digest)"""),
                {
                    "name": name,
                    "decoder": decoder,
                    "options": json.dumps(options),
                    "digest": secrets.digest(f"feed-{name}"),
                },
            )
    add_key(engine, "device-office", "key-devices", ["devices"])
    yield client


def key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def reading(value: Any, device: str = "meter-1", seconds: int = 0) -> dict[str, Any]:
    at = NOW + seconds * 1_000_000
    return {"device": device, "stream": "energy", "value": value, "at": at}


def stored(engine: Engine, device: str) -> set[tuple[str, float]]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("""SELECT s.name, o.result FROM city.observation o
                JOIN city.datastream s ON s.id = o.datastream_id
                JOIN city.device d ON d.id = s.device_id WHERE d.ext_id = :device"""),
            {"device": device},
        )
        return {(name, value) for name, value in rows}


def test_a_device_pushes_its_own_readings_one_and_many(pushed: TestClient, engine: Engine) -> None:
    answer = pushed.post("/feeds/plain", json=reading(1, seconds=-60), headers=key("key-meter-1"))
    assert (answer.status_code, answer.json()) == (
        200,
        {"taken": 1, "faults": [], "faults_count": 0},
    )
    many = [reading(value, seconds=value - 60) for value in (2, 3, 4)]
    answer = pushed.post("/feeds/plain", json=many, headers=key("key-meter-1"))
    assert answer.json()["taken"] == 3
    assert stored(engine, "meter-1") >= {("energy", float(value)) for value in (1, 2, 3, 4)}
    again = pushed.post("/feeds/plain", json=many, headers=key("key-meter-1"))
    assert again.json() == {"taken": 3, "faults": [], "faults_count": 0}


def test_a_device_does_not_push_for_another(pushed: TestClient, engine: Engine) -> None:
    body = [reading(5, seconds=-30), reading(5, "lift-1", -30)]
    answer = pushed.post("/feeds/plain", json=body, headers=key("key-meter-1")).json()
    assert (answer["taken"], [fault["reason"] for fault in answer["faults"]]) == (1, ["not_yours"])
    assert answer["faults"][0]["zh"] and answer["faults"][0]["en"]
    assert stored(engine, "lift-1") == set()


def test_a_gateway_pushes_for_those_behind_it(pushed: TestClient, engine: Engine) -> None:
    body = {"device": "smoke-1", "stream": "temperature", "value": 25.5, "at": NOW}
    answer = pushed.post("/feeds/streams", json=body, headers=key("key-gateway-1"))
    assert answer.json() == {"taken": 1, "faults": [], "faults_count": 0}
    assert stored(engine, "smoke-1") == {("temperature", 25.5)}


def test_readings_of_one_device_need_not_name_it(pushed: TestClient, engine: Engine) -> None:
    body = {"at": NOW - 5_000_000, "values": {"power": 2.5}}
    for secret in ("key-meter-1", "key-devices"):
        answer = pushed.post("/devices/7001/readings", json=body, headers=key(secret))
        assert (answer.status_code, answer.json()["taken"]) == (200, 1)
    assert ("power", 2.5) in stored(engine, "meter-1")
    other = pushed.post("/devices/7002/readings", json=body, headers=key("key-meter-1"))
    assert [fault["reason"] for fault in other.json()["faults"]] == ["not_yours"]
    assert other.json()["faults"][0]["detail"] == ""  # whose number that is, is not told
    assert (
        pushed.post("/devices/1/readings", json=body, headers=key("key-devices")).status_code == 404
    )


@pytest.mark.parametrize(
    ("path", "secret", "status"),
    [
        ("/feeds/plain", None, 401),
        ("/feeds/plain", "nobody's", 401),
        ("/feeds/plain", "key-residents", 403),
        ("/feeds/plain", "feed-lora", 401),
        ("/feeds/nothing", None, 401),
        ("/feeds/nothing", "key-devices", 404),
        ("/feeds/own", "key-devices", 404),
        ("/devices/7001/readings", None, 401),
        ("/devices/7001/readings", "key-residents", 403),
    ],
)
def test_who_may_not_is_told_so(
    pushed: TestClient, path: str, secret: str | None, status: int
) -> None:
    answer = pushed.post(path, json=reading(1), headers=key(secret) if secret else {})
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"] and answer.json()["detail_zh"]


def test_a_network_server_pushes_with_the_key_of_its_feed(
    pushed: TestClient, engine: Engine
) -> None:
    body = {
        "deviceInfo": {"devEui": "00000000000000FF"},
        "object": {"temperature": 20.5},
        "time": None,
    }
    answer = pushed.post("/feeds/lora?event=up", json=body, headers=key("feed-lora"))
    assert answer.json() == {"taken": 1, "faults": [], "faults_count": 0}
    assert stored(engine, "00000000000000ff") == {("temperature", 20.5)}


def test_a_key_that_has_ended_is_out_at_once(pushed: TestClient, engine: Engine) -> None:
    secret = secrets.digest("key-short")
    with engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO platform.device_key (device_id, username, prefix, digest,
                broker_hash) VALUES (7002, 'lift-1', 'key', :digest, '')"""),
            {"digest": secret},
        )
    body = {"device": "lift-1", "stream": "running", "value": "up", "at": NOW}
    assert pushed.post("/feeds/plain", json=body, headers=key("key-short")).json()["taken"] == 1
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE platform.device_key SET ended_at = now() WHERE digest = :digest"),
            {"digest": secret},
        )
    for _ in range(50):
        if pushed.post("/feeds/plain", json=body, headers=key("key-short")).status_code == 401:
            return
    raise AssertionError("the key is good still")


def signature(nonce: str, message: str) -> str:
    digest = hashlib.md5(("example-token" + nonce + message).encode()).digest()
    return base64.b64encode(digest).decode()


def test_onenet_tries_the_address_and_then_pushes(pushed: TestClient, engine: Engine) -> None:
    query = {"msg": "hello", "nonce": "abcd", "signature": signature("abcd", "hello")}
    answer = pushed.get("/feeds/platform", params=query)
    assert (answer.status_code, answer.text) == (200, "hello")
    assert pushed.get("/feeds/platform", params=query | {"nonce": "x"}).status_code == 403
    message = json.dumps({"type": 1, "dev_id": 42, "ds_id": "power", "at": NOW // 1000, "value": 7})
    body = f'{{"msg": {message}, "nonce": "n", "msg_signature": "{signature("n", message)}"}}'
    assert pushed.post("/feeds/platform", content=body).json()["taken"] == 1
    assert stored(engine, "42") == {("power", 7.0)}
    assert pushed.post("/feeds/platform", content=body.replace("7}", "8}")).status_code == 401
    assert pushed.get("/feeds/lora", params=query).status_code == 404
    assert pushed.get("/feeds/nothing").status_code == 404


def test_a_platform_without_a_key_is_known_by_where_it_is(
    pushed: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"messageType": "dataReport", "deviceId": "c-1", "payload": {"x": 1}}
    assert pushed.post("/feeds/neighbour", json=body).status_code == 401
    monkeypatch.setattr(pushed._transport, "client", ("192.0.2.7", 1))
    assert pushed.post("/feeds/neighbour", json=body).json()["taken"] == 1
    monkeypatch.setattr(pushed._transport, "client", ("198.51.100.7", 1))
    assert pushed.post("/feeds/neighbour", json=body).status_code == 401


@pytest.mark.parametrize(
    "body", [b"", b"\xff\x00", b"[" * 50_000, b'{"device": "meter-1"', b"null"]
)
def test_what_is_no_payload_is_told_and_kept(pushed: TestClient, body: bytes) -> None:
    answer = pushed.post("/feeds/plain", content=body, headers=key("key-devices"))
    assert answer.status_code == 200
    assert answer.json()["taken"] == 0
    assert answer.json()["faults_count"] == 1


def test_what_is_too_large_is_refused_before_it_is_read(pushed: TestClient) -> None:
    answer = pushed.post("/feeds/plain", content=b" " * (5 << 20), headers=key("key-devices"))
    assert answer.status_code == 413


def test_a_connection_that_is_lost_is_made_anew(pushed: TestClient, engine: Engine) -> None:
    body = reading(6, seconds=-20)
    assert pushed.post("/feeds/plain", json=body, headers=key("key-meter-1")).status_code == 200
    with engine.begin() as connection:
        ended = connection.execute(
            text("""SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND query NOT LIKE 'LISTEN "cim_changes%'""")
        ).scalar_one()
    assert ended > 0
    said = []
    for value in range(7, 27):
        body = reading(value, seconds=value - 100)
        answer = pushed.post("/feeds/plain", json=body, headers=key("key-meter-1"))
        said.append(answer.status_code)
        if answer.status_code == 503:
            assert answer.headers["Retry-After"]
        else:
            break
    assert set(said[:-1]) <= {503} and said[-1] == 200
    assert ("energy", float(value)) in stored(engine, "meter-1")


def test_a_database_that_is_away_is_told_at_once() -> None:
    away = Settings(database_url="postgresql://nobody@127.0.0.1:1/none")

    async def ask() -> None:
        pushing = Pushing(away)
        with pytest.raises(StoreBusy):
            await pushing.feed("plain")
        await pushing.stop()

    asyncio.run(ask())
