"""Signing in to the viewer: cookie, other sites' pages, signing out, passwords, one-time codes."""

import time
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from cim.security import accounts
from cim.settings import Settings
from tests.accounts import PASSWORD, add_person, stand

CARD = "/units/201/card"


@pytest.fixture(scope="module")
def people(city: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        stand(connection, "security")
        # All of these come from one address, and faster or slower than people do.
        accounts.set_rule(connection, "address_burst", 10_000)
        accounts.set_rule(connection, "account_seconds", 600)
    add_person(engine, "wang", "residents", "intake")
    add_person(engine, "chen", "statistics")


@pytest.fixture
def page(people: None, city: Settings) -> Iterator[TestClient]:
    """A browser that has just opened the viewer."""
    with TestClient(create_app(city)) as client:
        yield client


def enter(page: TestClient, name: str = "wang", password: str = PASSWORD, **more: Any) -> Any:
    answer = page.post("/session", json={"name": name, "password": password} | more)
    assert answer.status_code == 200, answer.text
    page.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return answer


def log(engine: Engine, event: str) -> list[Any]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT * FROM security.audit_log WHERE event = :event ORDER BY at"),
            {"event": event},
        )
        return list(found)


def test_who_signs_in_sees_what_the_account_may(page: TestClient) -> None:
    assert not page.get(CARD, headers={"X-Purpose": "emergency"}).json()["residents"]["shown"]
    told = enter(page).json()
    assert (told["actor"], told["roles"], told["signed_in"]) == (
        "wang",
        ["intake", "residents"],
        True,
    )
    people = page.get(CARD, headers={"X-Purpose": "emergency"}).json()["residents"]["people"]
    assert [person["name"] for person in people] == ["甲*", "乙*"]


def test_another_role_sees_no_residents(page: TestClient) -> None:
    enter(page, "chen")
    card = page.get(CARD, headers={"X-Purpose": "emergency"}).json()
    assert not card["residents"]["shown"] and card["unit"]["occupancy"] == "自住"


def test_the_cookie_is_for_the_browser_alone(page: TestClient, engine: Engine) -> None:
    cookie = enter(page).headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
    token = page.cookies["cimtwin-session"]
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT * FROM security.session")).all()
    assert kept and token not in str(kept)


def test_over_tls_the_cookie_is_bound_to_the_host(people: None, city: Settings) -> None:
    app = create_app(city.model_copy(update={"public_url": "https://city.example"}))
    with TestClient(app, base_url="https://city.example") as page:
        cookie = enter(page).headers["set-cookie"]
        assert cookie.startswith("__Host-cimtwin-session=") and "Secure" in cookie
        assert page.get("/session").json()["actor"] == "wang"
        origin = {"Origin": "http://city.example"}
        assert page.delete("/session", headers=origin).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"X-CSRF-Token": ""},
        {"X-CSRF-Token": "0" * 64},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_elsewhere_changes_nothing(page: TestClient, headers: dict[str, str]) -> None:
    enter(page)
    assert page.post("/imports", json={}, headers=headers).status_code == 403
    assert page.delete("/session", headers=headers).status_code == 403
    assert page.get("/session").json()["actor"] == "wang"


def test_a_page_elsewhere_signs_nobody_in(page: TestClient) -> None:
    asked = {"name": "wang", "password": PASSWORD}
    for headers in ({"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert page.post("/session", json=asked, headers=headers).status_code == 403


def test_the_page_itself_may_change_things(page: TestClient) -> None:
    enter(page)
    here = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert page.post("/imports", json={}, headers=here).status_code == 422  # an empty order


def test_signing_out_ends_the_session_for_whoever_has_the_cookie(
    page: TestClient, engine: Engine
) -> None:
    enter(page)
    kept = page.cookies["cimtwin-session"]
    assert page.delete("/session").status_code == 204
    assert page.get("/session").json()["actor"] is None
    page.cookies.set("cimtwin-session", kept)
    assert page.get("/session").json()["actor"] is None
    assert log(engine, "sign_out")[-1].actor == "wang"


@pytest.mark.parametrize(
    "over",
    [
        "seen_at = now() - interval '31 minutes'",
        "ends_at = now()",
        "ended_at = now()",
    ],
)
def test_a_session_is_over_after_disuse_or_in_the_evening(
    page: TestClient, engine: Engine, over: str
) -> None:
    enter(page)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE security.session SET {over}"))
    answer = page.get("/session")
    assert answer.status_code == 200 and answer.json()["actor"] is None


def test_use_keeps_a_session_alive(page: TestClient, engine: Engine) -> None:
    enter(page)
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE security.session SET seen_at = now() - interval '29 minutes'")
        )
    assert page.get("/session").json()["actor"] == "wang"
    with engine.connect() as connection:
        seen = text("SELECT max(seen_at) > now() - interval '1 minute' FROM security.session")
        assert connection.execute(seen).scalar_one()


@pytest.mark.parametrize(
    "wrong",
    [{"name": "nobody"}, {"password": "wrong"}, {"name": "nob\x00ody"}],
)
def test_a_failure_says_the_same_whatever_was_wrong(
    page: TestClient, engine: Engine, wrong: dict[str, str]
) -> None:
    answer = page.post("/session", json={"name": "wang", "password": PASSWORD} | wrong)
    assert answer.status_code in (401, 422) and "set-cookie" not in answer.headers
    if answer.status_code == 401:
        assert answer.json()["detail"] == (
            "The name, the password or the code is wrong, or the account is locked."
        )
        assert log(engine, "sign_in")[-1].success is False
    assert PASSWORD not in answer.text and PASSWORD not in str(log(engine, "sign_in"))


def test_half_a_character_is_no_password(page: TestClient) -> None:
    written = b'{"name": "wang", "password": "\\ud800"}'
    answer = page.post("/session", content=written, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_many_tries_are_answered_later(page: TestClient) -> None:
    answers = [page.post("/session", json={"name": "guess", "password": "x"}) for _ in range(12)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) == 600


def test_a_password_is_changed_by_who_knows_the_old_one(
    page: TestClient, people: None, city: Settings, engine: Engine
) -> None:
    add_person(engine, "zhao", "statistics")
    enter(page, "zhao")
    with TestClient(create_app(city)) as other:
        enter(other, "zhao")
        wrong = {"old": "wrong", "new": "Winter-harbour-52"}
        assert page.put("/session/password", json=wrong).status_code == 401
        weak = {"old": PASSWORD, "new": "zhao"}
        refused = page.put("/session/password", json=weak)
        assert refused.status_code == 422 and "12" in refused.json()["detail_zh"]
        asked = {"old": PASSWORD, "new": "Winter-harbour-52"}
        assert page.put("/session/password", json=asked).status_code == 200
        assert other.get("/session").json()["actor"] is None
    assert page.get("/session").json()["actor"] == "zhao"
    enter(page, "zhao", "Winter-harbour-52")


def test_a_password_that_ran_out_is_changed_before_anything_else(
    page: TestClient, engine: Engine
) -> None:
    add_person(engine, "qian", "residents")
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE security.account SET must_change = true WHERE name = 'qian'")
        )
    assert enter(page, "qian").json()["must_change"] is True
    card = page.get(CARD, headers={"X-Purpose": "emergency"}).json()
    assert not card["residents"]["shown"] and card["unit"]["occupancy"] == "unknown"
    asked = {"old": PASSWORD, "new": "Winter-harbour-53"}
    assert page.put("/session/password", json=asked).json()["roles"] == ["residents"]


def test_a_link_sets_a_password_and_signs_in(page: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        stand(connection, "system")
        accounts.add(connection, "sun")
        link = accounts.make_link(connection, "sun")
    asked = {"link": link.token, "password": "Autumn-bridge-64"}
    assert page.post("/session/link", json=asked).json()["actor"] == "sun"
    assert page.get("/session").json()["actor"] == "sun"
    page.headers["X-CSRF-Token"] = page.get("/session").json()["csrf"]
    assert page.post("/session/link", json=asked).status_code == 403


def test_codes_are_asked_for_once_they_are_set_up(page: TestClient, engine: Engine) -> None:
    add_person(engine, "li", "statistics")
    enter(page, "li")
    secret = page.post("/session/codes").json()["secret"]
    wrong = {"secret": secret, "code": "none"}
    assert page.put("/session/codes", json=wrong).status_code == 403
    code = pyotp.TOTP(secret).at(time.time() - 30)
    assert page.put("/session/codes", json={"secret": secret, "code": code}).status_code == 204
    page.delete("/session")
    bare = {"name": "li", "password": PASSWORD}
    assert page.post("/session", json=bare).status_code == 401
    code = pyotp.TOTP(secret).now()
    enter(page, "li", code=code)
    ended = page.post("/session/codes/end", json=bare | {"code": code})
    assert ended.status_code == 401  # a code is good once
    with engine.begin() as connection:
        connection.execute(text("UPDATE security.account SET totp_step = 0 WHERE name = 'li'"))
    again = bare | {"code": pyotp.TOTP(secret).now()}
    assert page.post("/session/codes/end", json=again).status_code == 204
    enter(page, "li")


def test_an_ended_account_is_out_at_once(page: TestClient, engine: Engine) -> None:
    add_person(engine, "zhou", "statistics")
    enter(page, "zhou")
    with engine.begin() as connection:
        stand(connection, "system")
        accounts.end(connection, "zhou")
    assert page.get("/session").json()["actor"] is None


def test_a_key_is_not_a_session(page: TestClient, key: Any) -> None:
    told = page.get("/session", headers=key("statistics")).json()
    assert told["signed_in"] is False and told["csrf"] is None
    assert page.post("/session/codes", headers=key("statistics")).status_code == 403
