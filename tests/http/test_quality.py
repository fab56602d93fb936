"""The last check and the pairs of two sources over HTTP: who sees them, what a decision does."""

from collections.abc import Callable

from fastapi.testclient import TestClient
from sqlalchemy import text

from cim.commands.check import examine
from cim.settings import Settings
from cim.store import engine as engines
from cim.store.queries import matches

Headers = dict[str, str]


def test_only_a_data_officer_sees_the_quality(
    client: TestClient, key: Callable[..., Headers]
) -> None:
    for path in ("/quality", "/quality/no_estate", "/matches"):
        assert client.get(path).status_code == 401
        assert client.get(path, headers=key("housing-desk")).status_code == 403, path
    assert client.put("/matches/1", json={"decision": "same"}).status_code == 401


def test_before_the_first_check_there_is_no_result(client: TestClient, officer: Headers) -> None:
    assert client.get("/quality", headers=officer).json() == {"at": None, "result": None}


def test_findings_are_paged_with_their_place(
    client: TestClient, officer: Headers, city: Settings
) -> None:
    database = engines.open_engine(city)
    with database.begin() as connection:
        result = examine(connection)
    database.dispose()
    told = client.get("/quality", headers=officer)
    assert told.headers["cache-control"] == "no-store"
    assert told.json()["result"] == result
    name, count = next((e["name"], e["count"]) for e in result["findings"] if e["count"] > 1)
    after, seen = 0, []
    while after is not None:
        page = client.get(f"/quality/{name}?limit=1&after={after}", headers=officer).json()
        seen += [item["object_id"] for item in page["items"]]
        after = page["next"]
    assert len(set(seen)) == len(seen) == count
    assert client.get("/quality/nothing", headers=officer).status_code == 404


def test_a_pair_is_decided_and_the_decision_taken_back(
    client: TestClient, officer: Headers, city: Settings
) -> None:
    database = engines.open_engine(city)
    with database.begin() as connection:
        first, second = connection.execute(
            text("SELECT id FROM city.building WHERE ended_at IS NULL ORDER BY id LIMIT 2")
        ).scalars()
        pair = connection.execute(
            text(
                """INSERT INTO platform.match
                       (object_type, source_a, source_b, a_id, b_id, score, reasons)
                   VALUES ('building', 1, 2, :a, :b, 80,
                           '{"code": true, "address": false, "name": false}') RETURNING id"""
            ),
            {"a": first, "b": second},
        ).scalar_one()
    told = client.get("/matches?decision=proposed", headers=officer).json()["items"]
    assert [item["id"] for item in told] == [pair]
    decided = client.put(f"/matches/{pair}", headers=officer, json={"decision": "same"})
    assert decided.status_code == 200 and decided.json()["decision"] == "same"
    assert client.get("/matches?decision=proposed", headers=officer).json()["items"] == []
    with database.begin() as connection:
        by = connection.execute(text("SELECT decided_by, decided_at FROM platform.match")).one()
        assert by.decided_by == "data-office" and by.decided_at is not None
        assert connection.execute(matches.known(), {"ids": [pair]}).scalars().all() == [pair]
    back = client.put(f"/matches/{pair}", headers=officer, json={"decision": "proposed"})
    assert back.json()["decision"] == "proposed"
    assert client.put("/matches/99", headers=officer, json={"decision": "same"}).status_code == 404
    wrong = client.put(f"/matches/{pair}", headers=officer, json={"decision": "maybe"})
    assert wrong.status_code == 422
    database.dispose()
