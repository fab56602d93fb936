"""Keys of devices over HTTP: given by who may, or got once by a code."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.feeds import devices
from tests.accounts import add_key
from tests.feeding import NOW, furnish


@pytest.fixture(scope="module")
def office(client: TestClient, engine: Engine) -> Iterator[TestClient]:
    furnish(engine)
    add_key(engine, "device-office", "key-devices", ["devices"])
    add_key(engine, "statistics-office", "key-statistics", ["statistics"])
    yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def push(client: TestClient, key: str) -> int:
    one = {"device": "meter-1", "stream": "energy", "value": 1, "at": NOW}
    return client.post("/feeds/plain", json=one, headers=bearer(key)).status_code


def test_a_key_that_is_given_opens_and_the_one_before_does_not(office: TestClient) -> None:
    answers = [office.post("/devices/7001/key", headers=bearer("key-devices")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    first, second = (answer.json() for answer in answers)
    assert (second["device"], second["user"]) == (7001, "meter-1")
    assert answers[0].headers["cache-control"] == "no-store"
    assert push(office, second["key"]) == 200
    assert push(office, first["key"]) == 401


def test_giving_keys_is_a_line_of_the_log_without_the_key(
    office: TestClient, engine: Engine
) -> None:
    key = office.post("/devices/7002/key", headers=bearer("key-devices")).json()["key"]
    with engine.connect() as connection:
        lines = connection.execute(
            text("""SELECT actor, object_id, detail::text FROM security.audit_log
                WHERE event = 'device_key.make' AND object_id = 7002""")
        ).all()
    assert [(actor, id) for actor, id, _ in lines] == [("device-office", 7002)]
    assert key not in lines[0][2] and key.startswith(lines[0][2].split('"')[3])


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("key-statistics", 403)])
def test_keys_are_given_by_who_may(office: TestClient, key: str | None, status: int) -> None:
    headers = bearer(key) if key else {}
    assert office.post("/devices/7001/key", headers=headers).status_code == status


def test_a_device_that_is_not_public_is_given_none_by_who_is_not_cleared(
    office: TestClient, engine: Engine
) -> None:
    with engine.begin() as connection:
        made = text("INSERT INTO city.device (id, class_code, secrecy) VALUES (7900, 'camera', 1)")
        connection.execute(made)
    there, none = (
        office.post(f"/devices/{id}/key", headers=bearer("key-devices")) for id in (7900, 7901)
    )
    assert (there.status_code, none.status_code) == (404, 404)
    assert there.json()["detail"].replace("7900", "7901") == none.json()["detail"]


def test_there_is_no_key_for_what_is_not_there(office: TestClient) -> None:
    assert office.post("/devices/99/key", headers=bearer("key-devices")).status_code == 404


def test_a_code_gives_the_key_once(office: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        code = devices.make_claim(connection, devices.find(connection, "meter-1"))
    found = office.post("/devices/claim", json={"code": code.lower()})
    assert found.status_code == 200, found.text
    assert push(office, found.json()["key"]) == 200
    for wrong in (code, "0000-0000-0000-0000"):
        assert office.post("/devices/claim", json={"code": wrong}).status_code == 404
    assert office.post("/devices/claim", json={"code": "short"}).status_code == 422
