"""Webhooks are kept by the system administrator, signed in; their secrets are shown once."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from cim.settings import Settings
from tests.accounts import PASSWORD

HOOK = {"name": "电梯安检", "url": "https://regulator.example/alarms", "filter": {"severity": 3}}


@pytest.fixture(scope="module")
def admin(city: Settings) -> Iterator[TestClient]:
    """The system administrator's browser."""
    with TestClient(create_app(city)) as page:
        sign_in(page, "system")
        yield page


def sign_in(page: TestClient, name: str) -> None:
    page.headers.pop("X-CSRF-Token", None)
    answer = page.post("/session", json={"name": name, "password": PASSWORD})
    page.headers["X-CSRF-Token"] = answer.json()["csrf"]


def test_a_webhook_is_added_changed_and_taken_away(admin: TestClient, engine: Engine) -> None:
    made = admin.post("/webhooks", json=HOOK)
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    secret, id = made.json()["secret"], made.json()["id"]
    assert secret.startswith("whsec_")
    assert admin.post("/webhooks", json=HOOK).status_code == 409
    (shown,) = admin.get("/webhooks").json()["webhooks"]
    assert (shown["name"], shown["filter"], shown["waiting"]) == ("电梯安检", {"severity": 3}, 0)
    assert "secret" not in shown
    changed = admin.patch(f"/webhooks/{id}", json={"secret": True, "enabled": False}).json()
    assert changed["secret"] not in (None, secret)
    assert admin.get("/webhooks").json()["webhooks"][0]["enabled"] is False
    assert admin.delete(f"/webhooks/{id}").status_code == 204
    assert admin.delete(f"/webhooks/{id}").status_code == 404
    with engine.connect() as connection:
        logged = text("SELECT event, actor FROM security.audit_log WHERE event LIKE 'webhook.%'")
        assert {tuple(row) for row in connection.execute(logged)} == {
            ("webhook.add", "system"), ("webhook.change", "system"), ("webhook.end", "system"),
        }  # fmt: skip


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://a:b@c.example/"}, "url"),
        ({"name": " "}, "name"),
        ({"filter": {"colour": 1}}, "colour"),
        ({"filter": {"kinds": ["\x00"]}}, "kinds"),
        ({"filter": {"area": -1}}, "area"),
        ({"filter": {"readings": "some"}}, "readings"),
        ({"filter": {"properties": ["fault"]}}, "properties"),
        ({"filter": {"readings": "every", "every_s": 0}}, "every_s"),
        ({"filter": {"readings": "every", "datastreams": [True]}}, "datastreams"),
        ({"filter": {"alarms": False}}, "nothing"),
    ],
)
def test_what_cannot_be_sent_to_is_refused(
    admin: TestClient, more: dict[str, Any], names: str
) -> None:
    answer = admin.post("/webhooks", json=HOOK | more)
    assert answer.status_code == 422 and names in answer.json()["detail"]


def test_what_was_given_up_is_sent_again(admin: TestClient, engine: Engine) -> None:
    id = admin.post("/webhooks", json=HOOK | {"name": "平台"}).json()["id"]
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO city.event (id, kind, device_id, object_type, object_id, started_at,
                severity, state) VALUES (900, '故障', 1, 'facility', 1, '2026-11-20Z', 3, 'open');
            SELECT city.add_entries('{900}', 'begin', '{2026-11-20Z}', NULL, '{E07}');
            UPDATE platform.webhook_delivery SET dead_at = now(), tries = 12, error = 'HTTP 503'""")
        )
    (dead,) = admin.get(f"/dead-webhooks?webhook={id}").json()["dead"]
    assert (dead["event_id"], dead["error"], dead["tries"]) == (900, "HTTP 503", 12)
    assert admin.post(f"/webhooks/{id}/again?delivery={dead['id']}").json() == {"waiting": 1}
    assert admin.get("/dead-webhooks").json() == {"dead": []}
    assert admin.get("/webhooks").json()["webhooks"][0]["waiting"] == 1


def test_what_tells_of_homes_is_for_the_security_administrator_to_give(admin: TestClient) -> None:
    homes = HOOK | {"name": "燃气", "filter": {"classes": ["gas"], "homes": True}}
    plain = admin.post("/webhooks", json=HOOK | {"name": "物业"}).json()["id"]
    refused = admin.post("/webhooks", json=homes)
    assert refused.status_code == 403 and "security administrator" in refused.json()["detail"]
    widened = {"filter": {"classes": ["access"], "readings": "every"}}
    assert admin.patch(f"/webhooks/{plain}", json=widened).status_code == 403
    try:
        sign_in(admin, "security")
        given = admin.post("/webhooks", json=homes).json()["id"]
        assert admin.patch(f"/webhooks/{plain}", json={"secret": True}).status_code == 403
        sign_in(admin, "system")
        # Where it is sent, and what with, is not for who may not decide on what is in it.
        for change in ({"url": "https://elsewhere.example/"}, {"secret": True}, {"filter": {}}):
            assert admin.patch(f"/webhooks/{given}", json=change).status_code == 403
        assert admin.patch(f"/webhooks/{given}", json={"enabled": False}).status_code == 200
        assert admin.delete(f"/webhooks/{given}").status_code == 204
        assert admin.post(f"/webhooks/{given}/again").status_code == 404
    finally:
        sign_in(admin, "system")
