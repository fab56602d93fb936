"""The change feed over HTTP: read, waited for, streamed, and gone on with."""

import json
from collections.abc import Iterator
from threading import Thread, Timer
from time import monotonic, sleep
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from api.database import feed
from cim.settings import Settings


def rename(engine: Engine, name: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET name = :n WHERE id = 2"), {"n": name})


def changes(client: TestClient, **ask: Any) -> dict[str, Any]:
    answer = client.get("/changes", params=ask)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_the_whole_city_is_told_from_the_beginning(client: TestClient) -> None:
    found: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        page = changes(client, limit=7, **after)
        found += page["changes"]
        after = {"after": page["next"]}
        if not page["more"]:
            break
    made = {(one["collection"], one["id"]) for one in found if one["kind"] == "created"}
    assert {("buildings", 1), ("units", 201), ("devices", 1), ("organisations", 1)} <= made
    assert ("devices", 3) not in made  # a camera that is not public
    assert "persons" not in {one["collection"] for one in found}
    assert changes(client, **after)["changes"] == []


def test_a_change_is_answered_with_what_and_where(client: TestClient, engine: Engine) -> None:
    begin = changes(client, after="latest")["next"]
    rename(engine, "甲")
    (change,) = changes(client, after=begin)["changes"]
    assert {key: change[key] for key in ("collection", "id", "kind", "fields")} == {
        "collection": "buildings", "id": 2, "kind": "changed", "fields": ["name"],
    }  # fmt: skip
    assert change["bbox"] == pytest.approx([113.885, 22.92, 113.8852, 22.9202], abs=1e-4)
    assert "甲" not in json.dumps(change, ensure_ascii=False)
    assert changes(client, after=begin, collection="units,parcels")["changes"] == []
    assert changes(client, after=begin, bbox="113.8,22.9,113.88,23")["changes"] == []
    assert changes(client, after=begin, bbox="113.8,22.9,113.89,23")["changes"] == [change]


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        ({"after": "nothing"}, "after"),
        ({"after": "zzzzzzzz.1.1.1"}, "after"),
        ({"after": "0123abcd.1.1.x"}, "after"),
        ({"after": ""}, "after"),
        ({"after": "\x00"}, "after"),
        ({"after": "0" * 8 + ".1" * 3}, "after=latest"),
        ({"limit": 0}, "limit"),
        ({"limit": 100_000}, "limit"),
        ({"collection": "persons"}, "collection"),
        ({"collection": ","}, "collection"),
        ({"bbox": "1,2"}, "bbox"),
    ],
)
def test_what_is_malformed_is_named(client: TestClient, ask: dict[str, Any], named: str) -> None:
    for path in ("/changes", "/changes/stream"):
        if path == "/changes/stream" and "limit" in ask:
            continue
        answer = client.get(path, params=ask)
        assert answer.status_code == (410 if named == "after=latest" else 422)
        assert named in answer.json()["detail"] and answer.json()["detail_zh"]


def test_who_waits_is_answered_when_something_comes(client: TestClient, engine: Engine) -> None:
    begin = changes(client, after="latest")["next"]
    began = monotonic()
    nothing = client.get("/changes", params={"after": begin}, headers={"Prefer": "wait=1"})
    assert nothing.json()["changes"] == [] and 0.9 < monotonic() - began < 5
    Timer(0.5, rename, (engine, "乙")).start()
    began = monotonic()
    told = client.get("/changes", params={"after": begin}, headers={"Prefer": "wait=20"})
    assert [one["id"] for one in told.json()["changes"]] == [2]
    assert 0.4 < monotonic() - began < 5


@pytest.fixture(scope="module")
def served(city: Settings) -> Iterator[str]:
    """The address of a service that really listens: streams do not end in a test client."""
    config = uvicorn.Config(create_app(city), host="127.0.0.1", port=0, log_level="warning")
    config.timeout_graceful_shutdown = 3
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    until = monotonic() + 30
    while not server.started and monotonic() < until:
        sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


def events(lines: Iterator[str], many: int) -> list[tuple[str, str, Any]]:
    """So many events of a stream that tell a change: id, event, data."""
    found: list[tuple[str, str, Any]] = []
    here: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        here[name] = value
        if not line:
            if here.get("data"):
                found.append((here["id"], here["event"], json.loads(here["data"])))
            here = {}
        if len(found) == many:
            break
    return found


def test_a_stream_is_gone_on_with_where_it_was_cut_off(served: str, engine: Engine) -> None:
    with httpx.Client(base_url=served, timeout=20) as client:
        begin = client.get("/changes", params={"after": "latest"}).json()["next"]
        rename(engine, "一")
        with client.stream("GET", "/changes/stream", params={"after": begin}) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            Timer(0.3, rename, (engine, "二")).start()
            first, second = events(stream.iter_lines(), 2)
        rename(engine, "三")
        assert first[1] == second[1] == "changed" and second[2]["id"] == 2
        again = {"Last-Event-ID": first[0]}
        with client.stream("GET", "/changes/stream", headers=again) as stream:
            rest = events(stream.iter_lines(), 2)
        assert rest[0] == second and rest[1][0] > second[0]


def test_one_caller_does_not_take_every_place_of_those_who_wait(
    served: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_EACH", 2)
    wait = {"Prefer": "wait=1"}
    with httpx.Client(base_url=served, timeout=20) as client:
        begin = client.get("/changes", params={"after": "latest"}).json()["next"]
        with (
            client.stream("GET", "/changes/stream") as one,
            client.stream("GET", "/changes/stream") as two,
        ):
            begun = [one.iter_bytes(), two.iter_bytes()]  # whose end is the stream's
            assert all(map(next, begun))
            with client.stream("GET", "/changes/stream") as third:
                assert third.status_code == 429 and third.headers["retry-after"] == "10"
            refused = client.get("/changes", params={"after": begin}, headers=wait)
            assert refused.status_code == 429
            assert client.get("/changes", params={"after": begin}).status_code == 200
        until = monotonic() + 10
        answer = refused
        while answer.status_code == 429 and monotonic() < until:
            answer = client.get("/changes", params={"after": begin}, headers=wait)
        assert answer.status_code == 200
        with client.stream("GET", "/changes/stream") as again:
            assert again.status_code == 200
