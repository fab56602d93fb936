"""A question has one time in all, and leaves nothing behind when it is over."""

from time import monotonic, sleep

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.ogc import writing
from api.serving import deadline
from tests.accounts import add_key

AREA = {
    "type": "Polygon",
    "coordinates": [[[113.8, 22.8], [114, 22.8], [114, 23], [113.8, 23], [113.8, 22.8]]],
}
KINDS = "areas,grids,estates,streets,parcels,buildings"
WAITING = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'"""


def waiting(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(WAITING)).scalar_one())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_question_whose_time_is_over_is_told_so_and_holds_nothing(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Its statements hang at a table that is locked; alone each of them would for half a minute."""
    monkeypatch.setattr(deadline, "LONGEST", 1.0)
    asked = {
        "GET": ("/ogc/collections/streets/items?sortby=name", None),
        "POST": (f"/within?kinds={KINDS}", AREA),
    }[method]
    pool = client.app.state.store.engine.pool
    with engine.begin() as other:
        other.execute(text("LOCK TABLE city.street IN ACCESS EXCLUSIVE MODE"))
        began = monotonic()
        answer = client.request(method, asked[0], json=asked[1])
        assert 0.9 < monotonic() - began < 4
        assert answer.status_code == 503 and answer.headers["retry-after"]
        assert answer.headers["content-type"] == "application/problem+json"
        assert "took too long" in answer.json()["detail"] and "超时" in answer.json()["detail_zh"]
        until = monotonic() + 3
        while (waiting(engine) or pool.checkedout()) and monotonic() < until:
            sleep(0.05)
        assert (waiting(engine), pool.checkedout()) == (0, 0)
    assert client.request(method, asked[0], json=asked[1]).status_code == 200


def test_who_waits_for_what_comes_may_wait_longer(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "LONGEST", 0.5)
    after = client.get("/changes?after=latest").json()["next"]
    began = monotonic()
    answer = client.get("/changes", params={"after": after}, headers={"Prefer": "wait=2"})
    assert answer.status_code == 200 and monotonic() - began > 1.5


def test_a_change_has_a_time_of_its_own_and_is_then_not_done(
    client: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LONGEST", 1.0)
    add_key(engine, "editing-desk", "key-editing", ["editor"])
    key = {"Authorization": "Bearer key-editing", "If-Match": "*"}
    at, change = "/ogc/collections/streets/items/1", {"properties": {"name": "新名路"}}
    with engine.begin() as other:
        other.execute(text("SELECT FROM city.street WHERE id = 1 FOR UPDATE"))
        began = monotonic()
        answer = client.patch(at, json=change, headers=key)
        assert 0.9 < monotonic() - began < 4
        assert answer.status_code == 503, answer.text
    assert client.get(at).json()["properties"]["name"] == "示范路"
    with engine.connect() as connection:
        logged = "SELECT count(*) FROM security.audit_log WHERE event LIKE 'feature.%'"
        assert connection.execute(text(logged)).scalar_one() == 0


def test_one_answer_holds_so_many_features_of_all_kinds_together(client: TestClient) -> None:
    refused = client.post(f"/within?kinds={KINDS}&limit=10000", json=AREA)
    assert refused.status_code == 422 and "limit" in refused.json()["detail"]
    assert client.post(f"/within?kinds={KINDS}&limit=3000", json=AREA).status_code == 200
