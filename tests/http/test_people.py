"""People asked for by unit, address or document, and their own requests, through the service."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, insert, text

from cim.model import people, platform
from cim.privacy import open_vault
from cim.settings import Settings
from tests.accounts import add_key, stand

NUMBER, NAME, PHONE = "99000019800101555X", "查无此人乙", "10000005555"
WITH = {"X-Purpose": "emergency"}

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def known(city: Settings, engine: Engine) -> None:
    """Somebody in unit 302 whose number is sealed as the loader seals it."""
    vault = open_vault(city)
    row: dict[str, Any] = {"id": 50, "name_mask": "查****", "birth_year": 1980}
    for name, value in (("name", NAME), ("id_no", NUMBER), ("phone", PHONE)):
        row[f"{name}_enc"] = vault.encrypt([value], f"person.{name}")[0]
    row |= {"id_no_hash": vault.hash([NUMBER], "person.id_no")[0], "id_no_mask": "9900****555X"}
    with engine.begin() as connection:
        connection.execute(insert(people.person).values(**row, phone_mask="100****5555"))
        home = {"person_id": 50, "unit_id": 302, "building_id": 1, "role": "租客"}
        connection.execute(insert(people.residency).values(**home))
        connection.execute(
            text("UPDATE city.building_pop SET residents = residents + 1 WHERE building_id = 1")
        )
        assert platform.building_pop is not None
    add_key(engine, "look", "key-look", ["residents"])
    add_key(engine, "look-plain", "key-look-plain", ["residents_plain"])
    add_key(engine, "look-grid", "key-look-grid", ["residents"], at="G01")
    add_key(engine, "duty", "key-duty", ["people_officer"])


@pytest.fixture
def ask(known: None, client: TestClient) -> Ask:
    def post(path: str, key: str, body: Any, **headers: str) -> Any:
        stated = {"Authorization": f"Bearer key-{key}"} | headers
        return client.post(f"/people/{path}", json=body, headers=stated)

    return post


def last(engine: Engine, event: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(
            text("SELECT * FROM security.audit_log WHERE event = :e ORDER BY at DESC"), {"e": event}
        ).first()


@pytest.mark.parametrize(
    "body", [{"unit": 302}, {"id_no": NUMBER}, {"id_no": " 990000 19800101 555x"}]
)
def test_somebody_is_found_masked(ask: Ask, engine: Engine, body: dict[str, Any]) -> None:
    answer = ask("lookup", "look", body, **WITH)
    (found,) = answer.json()["people"]
    assert found == {
        "person": 50, "unit": 302, "name": "查****", "id_no": "9900****555X",
        "phone": "100****5555", "role": "租客", "kind": None, "birth_year": 1980,
    }  # fmt: skip
    assert answer.headers["cache-control"] == "no-store"
    line = last(engine, "people.open")
    assert (line.actor, line.persons, line.detail) == ("look", 1, {"people": [50]})
    assert line.address == "testclient" and line.request


def test_by_address_are_those_in_the_units_of_that_address(ask: Ask, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.address_link (address_id, object_type, object_id, method) "
                "VALUES (2, 'unit', 302, 'test')"
            )
        )
    found = ask("lookup", "look", {"address": 2}, **WITH).json()["people"]
    assert [one["person"] for one in found] == [50]
    assert ask("lookup", "look", {"address": 1}, **WITH).json()["people"] == []


def test_plain_takes_the_right_and_a_purpose_that_needs_it(ask: Ask, engine: Engine) -> None:
    body = {"id_no": NUMBER, "plain": True}
    assert ask("lookup", "look", body, **WITH).status_code == 403
    refused = ask("lookup", "look-plain", body, **{"X-Purpose": "grid_service"})
    assert refused.status_code == 403 and "unmasked" in refused.json()["detail"]
    (found,) = ask("lookup", "look-plain", body, **WITH).json()["people"]
    assert (found["name"], found["id_no"], found["phone"]) == (NAME, NUMBER, PHONE)
    assert last(engine, "people.open").detail == {"plain": True, "people": [50]}


def test_who_lives_in_another_grid_is_not_found(ask: Ask, engine: Engine) -> None:
    assert len(ask("lookup", "look-grid", {"id_no": NUMBER}, **WITH).json()["people"]) == 1
    with engine.begin() as connection:
        connection.execute(text("UPDATE pii.residency SET building_id = 2 WHERE person_id = 50"))
    try:
        answer = ask("lookup", "look-grid", {"id_no": NUMBER}, **WITH)
    finally:
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE pii.residency SET building_id = 1 WHERE person_id = 50")
            )
    assert answer.status_code == 200 and answer.json() == {"people": []}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"unit": 1, "id_no": NUMBER},
        {"unit": "x"},
        {"unit": -1},
        {"unit": 2**70},
        {"id_no": ""},
        {"id_no": NUMBER + "\x00"},
        {"id_no": "9" * 200},
        {"id_no": [NUMBER]},
        {"id_no": NUMBER, "name": NAME},
        {"name": NAME},
        [],
        None,
    ],
)
def test_a_bad_question_is_refused_and_not_repeated(ask: Ask, body: Any) -> None:
    answer = ask("lookup", "look", body, **WITH)
    assert answer.status_code == 422
    assert NUMBER not in answer.text and NAME not in answer.text


@pytest.mark.parametrize("raw", [b'{"id_no": "\\ud800"}', b'{"id_no": "1\\u0000"}', b"{", b"\xff"])
def test_a_body_that_is_no_text_is_refused(known: None, client: TestClient, raw: bytes) -> None:
    stated = {"Authorization": "Bearer key-look", "Content-Type": "application/json"} | WITH
    assert client.post("/people/lookup", content=raw, headers=stated).status_code in (400, 422)


def test_part_of_a_number_finds_nobody(ask: Ask) -> None:
    for part in (NUMBER[:-1], NUMBER[:6], "%", "_" * 18):
        assert ask("lookup", "look", {"id_no": part}, **WITH).json() == {"people": []}


def test_without_a_purpose_nobody_is_shown(ask: Ask) -> None:
    answer = ask("lookup", "look", {"unit": 302})
    assert answer.status_code == 422 and "X-Purpose" in answer.json()["detail"]


def test_look_ups_are_rationed_by_caller(ask: Ask, engine: Engine) -> None:
    def burst(value: int) -> None:
        with engine.begin() as connection:
            stand(connection, "security")
            connection.execute(
                text("UPDATE security.rule SET value = :v WHERE name = 'people_burst'"),
                {"v": value},
            )

    add_key(engine, "fast", "key-fast", ["residents"])
    burst(10)
    try:
        codes = [ask("lookup", "fast", {"unit": 302}, **WITH).status_code for _ in range(12)]
        late = ask("lookup", "fast", {"unit": 302}, **WITH)
    finally:
        burst(300)
    assert codes[:10] == [200] * 10 and late.status_code in (200, 429)
    assert 429 in codes[10:] or late.status_code == 429
    assert last(engine, "people.open").actor == "fast"


def test_a_purpose_of_the_citys_own_is_taken(ask: Ask, engine: Engine, client: TestClient) -> None:
    with engine.begin() as connection:
        stand(connection, "security")
        connection.execute(
            text(
                "INSERT INTO security.purpose (code, name_zh, name_en) "
                "VALUES ('census', '普查', 'census')"
            )
        )
    client.app.state.gate._purposes = (0.0, ())  # half a minute later
    answer = ask("lookup", "look", {"unit": 302}, **{"X-Purpose": "census"})
    assert answer.status_code == 200 and len(answer.json()["people"]) == 1


def test_a_person_gets_a_page_of_all_that_is_kept(ask: Ask, engine: Engine) -> None:
    body = {"id_no": NUMBER, "reference": "2026-17"}
    assert ask("export", "look-plain", body).status_code == 403
    answer = ask("export", "duty", body)
    assert answer.headers["content-type"].startswith("text/html")
    for told in (NAME, NUMBER, PHONE, "3栋", "居住记录"):
        assert told in answer.text
    # And when it was opened before, and what for.
    assert "emergency" in answer.text and "甲" not in answer.text
    line = last(engine, "people.export")
    assert (line.actor, line.object_id) == ("duty", 50) and line.detail["reference"] == "2026-17"


def test_an_erased_person_is_gone(ask: Ask, engine: Engine) -> None:
    body = {"id_no": NUMBER, "reference": "2026-18"}
    assert ask("erase", "look", body).status_code == 403
    gone = ask("erase", "duty", body).json()
    assert gone == {"persons": 1, "homes": 1, "aside": 0, "kept": 0}
    assert ask("lookup", "look", {"id_no": NUMBER}, **WITH).json() == {"people": []}
    assert ask("erase", "duty", body).json()["persons"] == 0
    line = last(engine, "people.erase")
    assert line.object_id is None and NUMBER not in str(line) and NAME not in str(line)
    with engine.connect() as connection:
        assert (
            connection.execute(
                text("SELECT residents FROM city.building_pop WHERE building_id = 1")
            ).scalar_one()
            == 3
        )
