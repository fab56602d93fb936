"""Who sees residents: the table of role and purpose, and the log that goes with every read."""

import logging
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from api.app import create_app
from cim.settings import Settings
from tests.accounts import add_key, end_key

CARD = "/units/201/card"


def log_lines(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT * FROM security.audit_log WHERE event LIKE 'people.%' ORDER BY at")
        )
        return list(found)


@pytest.mark.parametrize(
    ("name", "purpose", "role_is_missing"),
    [
        (None, None, True),
        (None, "emergency", True),
        ("statistics", None, True),
        ("statistics", "emergency", True),
        ("housing-desk", None, False),
        ("housing-desk", "", False),
    ],
)
def test_without_role_and_purpose_there_is_a_reason_and_no_number(
    client: TestClient,
    engine: Engine,
    key: Any,
    name: str | None,
    purpose: str | None,
    role_is_missing: bool,
) -> None:
    before = len(log_lines(engine))
    headers = key(name, purpose) if name else {"X-Purpose": purpose} if purpose else {}
    response = client.get(CARD, headers=headers)
    found = response.json()["residents"]
    assert found["count"] is None and found["shown"] is False and found["people"] == []
    assert ("role" in found["reason"]["en"]) is role_is_missing
    assert ("X-Purpose" in found["reason"]["zh"]) is not role_is_missing
    assert "甲" not in response.text and "000000" not in response.text
    assert len(log_lines(engine)) == before


def test_role_and_purpose_show_masked_residents_and_write_a_line(
    client: TestClient, engine: Engine, key: Any
) -> None:
    before = len(log_lines(engine))
    response = client.get(CARD, headers=key("housing-desk", "emergency"))
    found = response.json()["residents"]
    assert [person["name"] for person in found["people"]] == ["甲*", "乙*"]
    assert found["people"][0] == {
        "name": "甲*",
        "id_no": "000000**********000X",
        "phone": "000****0000",
        "role": "户主",
        "kind": "户籍",
        "birth_year": 1980,
    }
    assert response.headers["cache-control"] == "no-store"
    lines = log_lines(engine)
    assert len(lines) == before + 1
    line = lines[-1]
    assert (line.actor, line.roles, line.purpose) == ("housing-desk", "residents", "emergency")
    assert (line.object_type, line.object_id, line.persons) == ("unit", 201, 2)
    assert line.success and line.detail == {"people": [1, 2]}


def test_a_child_is_counted_and_shown_to_nobody(client: TestClient, key: Any) -> None:
    found = client.get(CARD, headers=key("housing-desk", "emergency")).json()["residents"]
    assert found["count"] == 3 and len(found["people"]) == 2
    assert "丙*" not in str(found) and "14" in found["reason"]["en"]


def test_a_record_is_shown_only_for_the_purposes_it_is_kept_for(
    client: TestClient, key: Any
) -> None:
    found = client.get(CARD, headers=key("housing-desk", "grid_service")).json()["residents"]
    assert [person["name"] for person in found["people"]] == ["甲*"]


def test_an_owner_who_lives_elsewhere_is_no_resident(client: TestClient, key: Any) -> None:
    card = client.get("/units/202/card", headers=key("housing-desk", "emergency")).json()
    assert card["residents"] == {"count": 0, "shown": True, "reason": None, "people": []}


def test_finding_nobody_is_a_read_too(client: TestClient, engine: Engine, key: Any) -> None:
    before = len(log_lines(engine))
    client.get("/units/304/card", headers=key("housing-desk", "emergency"))
    assert len(log_lines(engine)) == before + 1 and log_lines(engine)[-1].persons == 0


def test_a_unit_that_is_not_there_is_not_read(client: TestClient, engine: Engine, key: Any) -> None:
    before = len(log_lines(engine))
    missing = client.get("/units/77/card", headers=key("housing-desk", "emergency"))
    assert missing.status_code == 404 and len(log_lines(engine)) == before


@pytest.mark.parametrize(
    "header", ["Bearer nobody", "Bearer ", "Bearer key-expired", "Basic a2V5", "key-residents"]
)
def test_a_bad_key_is_refused_and_not_repeated(client: TestClient, header: str) -> None:
    response = client.get(CARD, headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert "nobody" not in response.text and "key-" not in response.text


@pytest.mark.parametrize("purpose", ["curiosity", "demonstration", "Emergency", "x" * 5000])
def test_a_purpose_must_be_on_the_list(client: TestClient, key: Any, purpose: str) -> None:
    response = client.get(CARD, headers=key("housing-desk", purpose))
    assert response.status_code == 422
    assert "X-Purpose" in response.json()["detail"]


def test_no_line_in_the_log_no_residents(client: TestClient, engine: Engine, key: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE security.audit_log RENAME TO away"))
    try:
        response = client.get(CARD, headers=key("housing-desk", "emergency"))
    finally:
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE security.away RENAME TO audit_log"))
    assert response.status_code == 500
    assert "甲" not in response.text and "audit_log" not in response.text


def test_what_reads_the_city_cannot_read_persons(client: TestClient) -> None:
    store = client.app.state.store
    for sql in (
        "SELECT * FROM pii.person",
        "SELECT pii.show('key-residents', 'emergency', 'unit', 201)",
    ):
        with pytest.raises(DBAPIError) as refused:
            client.portal.call(store.rows, text(sql))
        assert refused.value.orig.sqlstate == "42501"


def test_nothing_personal_reaches_the_log_of_the_service(
    client: TestClient, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client.get(CARD, headers=key("housing-desk", "emergency"))
    client.get(CARD, headers={"Authorization": "Bearer nobody-knows-this"})
    client.get(CARD, headers=key("housing-desk", "curiosity"))
    for secret in ("甲", "乙", "000000", "key-residents", "nobody-knows-this"):
        assert secret not in caplog.text


def test_a_key_that_is_ended_is_out_at_once(engine: Engine, client: TestClient) -> None:
    headers = {"Authorization": "Bearer key-of-a-day"}
    assert client.get(CARD, headers=headers).status_code == 401
    add_key(engine, "of-a-day", "key-of-a-day", ["residents"])
    assert client.get("/session", headers=headers).json()["roles"] == ["residents"]
    end_key(engine, "of-a-day")
    assert client.get(CARD, headers=headers).status_code == 401


def test_sessions_say_who_and_what_for(client: TestClient, key: Any) -> None:
    nobody = client.get("/session").json()
    assert nobody["actor"] is None and nobody["purposes"] == [] and not nobody["demo"]
    desk = client.get("/session", headers=key("housing-desk")).json()
    assert desk["actor"] == "housing-desk" and desk["roles"] == ["residents"]
    assert [purpose["code"] for purpose in desk["purposes"]] == [
        "grid_service",
        "housing_management",
        "emergency",
    ]
    assert client.get("/session", headers=key("statistics")).json()["purposes"] == []


@pytest.mark.parametrize(
    ("address", "base", "headers", "officer"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000", {}, True),
        ("127.0.0.1", "http://localhost:8000", {}, True),
        ("::1", "http://[::1]:8000", {}, True),
        ("10.0.0.7", "http://127.0.0.1:8000", {}, False),
        ("127.0.0.1", "http://city.example", {}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"X-Forwarded-For": "127.0.0.1"}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"Forwarded": "for=127.0.0.1"}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"X-Forwarded-Proto": "https"}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"Sec-Fetch-Site": "cross-site"}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"Sec-Fetch-Site": "same-origin"}, True),
        ("127.0.0.1", "http://127.0.0.1:8000", {"Origin": "http://city.example:8000"}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"Origin": "null"}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"Origin": "http://[broken"}, False),
        ("127.0.0.1", "http://127.0.0.1:8000", {"Origin": "http://localhost:5173"}, True),
    ],
)
def test_the_demo_officer_sits_at_this_machine(
    city: Settings, address: str, base: str, headers: dict[str, str], officer: bool
) -> None:
    app = create_app(city.model_copy(update={"demo": True}))
    with TestClient(app, base_url=base, client=(address, 50000)) as client:
        session = client.get("/session", headers=headers).json()
        assert session["demo"] is officer
        assert session["default_purpose"] == ("demonstration" if officer else None)
        stated = headers | {"X-Purpose": "demonstration"}
        response = client.get(CARD, headers=stated)
        assert response.status_code == (200 if officer else 422)
        assert ("甲" in response.text) is officer
