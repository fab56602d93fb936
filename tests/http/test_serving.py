"""What every request passes through: names, origins, limits, headers, packing, leaving."""

import gzip
import json
import logging
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import zstandard
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from api.serving.rates import Buckets
from cim.settings import Settings
from tests.served import serving

FAR, PROXY = "203.0.113.9", "10.1.2.3"
BIG = "/features/units?bbox=113.8,22.9,113.9,23"


@contextmanager
def served(city: Settings, client: str = FAR, **given: Any) -> Iterator[TestClient]:
    app = create_app(city.model_copy(update=given))
    with TestClient(app, client=(client, 5000)) as found:
        yield found


# ---- names and notes ------------------------------------------------------------------------


def test_a_request_has_a_name_the_callers_own_if_it_is_one(client: TestClient) -> None:
    given = client.get("/health", headers={"X-Request-ID": "7f-a.1"})
    assert given.headers["x-request-id"] == "7f-a.1"
    for bad in ("two words", "x" * 65, "<script>", "a,b"):
        made = client.get("/health", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", made)


def test_a_line_a_request_without_anything_personal(
    city: Settings, key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cim.requests")
    with served(city, log="json") as client:
        headers = key("housing-desk", "housing_management") | {"X-Request-ID": "one"}
        client.get("/units/201/card?x-secret-x=1", headers=headers)
        client.get("/nowhere/x-secret-x")
    noted = [record.__dict__["fields"] for record in caplog.records if record.msg == "request"]
    assert noted[0]["route"] == "/units/{id}/card" and noted[0]["status"] == 200
    assert noted[0]["request"] == "one" and re.fullmatch(r"key:\d+", noted[0]["who"])
    assert noted[0]["bytes"] > 0 and noted[0]["ms"] > 0
    assert noted[1]["who"] is None and noted[1]["status"] == 404
    said = json.dumps(noted)
    assert "x-secret-x" not in said and "201" not in said and FAR not in said


def test_lines_are_json_where_that_is_asked(city: Settings) -> None:
    with serving(city, "--no-worker", CIM_LOG="json") as (process, address):
        httpx2.get(f"{address}/units/201/card", headers={"X-Request-ID": "two"})
        assert process.stdout
        said = json.loads(process.stdout.readline())
        assert said["message"] == "request" and said["request"] == "two"
        assert said["time"].endswith("Z") and said["level"] == "info"


# ---- where a request comes from --------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ({}, 19),  # the proxy itself has not asked yet
        ({"X-Forwarded-For": "198.51.100.1"}, 19),
        ({"X-Forwarded-For": "198.51.100.77, 198.51.100.1"}, 19),  # who wrote the first?
        ({"X-Forwarded-For": "198.51.100.77:4711, 10.9.9.9"}, 13),
    ],
)
def test_callers_behind_a_trusted_proxy_are_counted_apart(
    city: Settings, given: dict[str, str], left: int
) -> None:
    with served(city, PROXY, trusted_proxies="10.0.0.0/8", rate_nobody=1.0) as client:
        other = {"X-Forwarded-For": "198.51.100.77"}
        for _ in range(6):
            client.get("/units/201/card", headers=other)
        told = client.get("/units/201/card", headers=given).headers["ratelimit"]
        assert f"r={left};" in told


def test_what_a_stranger_says_of_where_he_comes_from_is_not_believed(city: Settings) -> None:
    with served(city, trusted_proxies="10.0.0.0/8", rate_nobody=1.0) as client:
        lefts = []
        for number in range(3):
            said = {"X-Forwarded-For": f"198.51.100.{number}", "Forwarded": "for=192.0.2.1"}
            lefts.append(client.get("/units/201/card", headers=said).headers["ratelimit"])
        assert len(set(lefts)) == 3  # one bucket, emptied step by step


def test_the_demo_stays_closed_to_whoever_comes_through_a_proxy(city: Settings) -> None:
    given = {"demo": True, "trusted_proxies": "127.0.0.1"}
    with served(city, "127.0.0.1", **given) as client:
        at_home = {"Host": "localhost"}
        assert client.get("/session", headers=at_home).json()["demo"] is True
        for said in ("127.0.0.1", "198.51.100.1", ""):
            through = at_home | {"X-Forwarded-For": said}
            assert client.get("/session", headers=through).json()["demo"] is False


def test_another_hosts_name_is_refused_where_ours_are_told(city: Settings) -> None:
    with served(city, trusted_hosts="city.example, *.city.example") as client:
        for host, status in (("city.example:8000", 200), ("a.city.example", 200), ("evil", 421)):
            assert client.get("/health", headers={"Host": host}).status_code == status


# ---- limits ----------------------------------------------------------------------------------


def test_too_many_requests_of_one_address_are_refused_and_told_for_how_long(
    city: Settings,
) -> None:
    with served(city, rate_nobody=1.0) as client:
        for left in range(19, -1, -1):
            answer = client.get("/units/201/card")
            assert answer.status_code == 200 and f"r={left};" in answer.headers["ratelimit"]
        refused = client.get("/units/201/card")
        assert refused.status_code == 429 and refused.json()["detail_zh"]
        assert 1 <= int(refused.headers["retry-after"]) <= 2
        assert refused.headers["ratelimit-policy"] == '"nobody";q=20;w=20'
        assert client.get("/health").status_code == 200  # what watches it is not counted


def test_a_key_has_a_limit_of_its_own_and_a_made_up_key_has_not(city: Settings, key: Any) -> None:
    with served(city, rate_nobody=1.0) as client:
        for number in range(25):
            made_up = {"Authorization": f"Bearer {number}"}
            status = client.get("/units/201/card", headers=made_up).status_code
        assert status == 429
    with served(city, rate_nobody=1.0) as client:
        assert client.get("/units/201/card", headers=key("statistics")).status_code == 200
        for _ in range(25):
            answer = client.get("/units/201/card", headers=key("statistics"))
            assert answer.status_code == 200 and '"known";' in answer.headers["ratelimit"]


def test_what_costs_more_counts_for_more(city: Settings) -> None:
    with served(city, rate_nobody=1.0) as client:
        assert "r=15;" in client.get(BIG).headers["ratelimit"]


def test_counts_are_shared_by_who_names_the_same_file(tmp_path: Any) -> None:
    one, other = Buckets(tmp_path / "rates"), Buckets(tmp_path / "rates")
    who, now = b"someone'smark", 1000.0
    assert [each.take(who, 10.0, 1.0, now)[0] for each in (one, other, one)] == [True, True, False]
    assert other.take(b"another'smark", 10.0, 1.0, now)[0]
    assert one.take(who, 10.0, 1.0, now + 10)[0]


def test_a_head_that_never_ends_ends_its_connection(city: Settings) -> None:
    with serving(city, "--no-worker") as (_, address):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as large:
            large.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 200_000)
            assert large.recv(1000).startswith(b"HTTP/1.1 431")
        begun = time.monotonic()
        with socket.create_connection((host, int(port))) as slow:
            slow.settimeout(60)
            slow.sendall(b"GET / HT")
            assert slow.recv(1000) == b""
        assert 10 < time.monotonic() - begun < 30


def test_an_address_that_is_too_long_is_said_to_be(client: TestClient) -> None:
    refused = client.get("/" + "x" * 40_000, params={"q": "x" * 40_000})
    assert refused.status_code == 414 and refused.json()["detail_zh"]


# ---- headers ---------------------------------------------------------------------------------


def test_pages_elsewhere_may_read_only_where_that_is_set(city: Settings) -> None:
    asks = {"Origin": "https://map.example", "Access-Control-Request-Method": "GET"}
    asks |= {"Access-Control-Request-Headers": "authorization, x-purpose"}
    with served(city) as client:
        assert "access-control-allow-origin" not in client.get("/city", headers=asks).headers
    with served(city, cors_origins="https://map.example") as client:
        allowed = client.options("/city", headers=asks)
        assert allowed.headers["access-control-allow-origin"] == "https://map.example"
        told = client.get("/city", headers=asks).headers
        assert told["access-control-allow-origin"] == "https://map.example"
        assert "X-Request-ID" in told["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in told
        other = asks | {"Origin": "https://evil.example"}
        assert "access-control-allow-origin" not in client.get("/city", headers=other).headers


def test_answers_carry_what_keeps_pages_safe(city: Settings) -> None:
    given = {"public_url": "https://city.example", "frame_ancestors": "https://portal.example"}
    with served(city, **given) as client:
        for path in ("/", "/docs", "/ogc?f=html", "/units/201/card", "/nothing"):
            told = client.get(path).headers
            assert "frame-ancestors https://portal.example" in told["content-security-policy"]
            assert "object-src 'none'" in told["content-security-policy"]
            assert told["strict-transport-security"] == "max-age=31536000"
            assert told["x-content-type-options"] == "nosniff"
    with served(city) as client:
        told = client.get("/units/201/card").headers
        assert "frame-ancestors 'self'" in told["content-security-policy"]
        assert "strict-transport-security" not in told


# ---- packing ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("zstd, gzip", "zstd"), ("gzip", "gzip"), ("gzip, zstd;q=0", "gzip"), ("br", None)],
)
def test_answers_come_as_small_as_the_caller_takes_them(
    client: TestClient, accepted: str, coding: str | None
) -> None:
    with client.stream("GET", BIG, headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    unpack = {"zstd": zstandard.decompress, "gzip": gzip.decompress}.get(str(coding), bytes)
    assert json.loads(unpack(raw))["type"] == "FeatureCollection"


def test_what_is_small_or_compressed_already_is_left_alone(client: TestClient) -> None:
    accepted = {"Accept-Encoding": "zstd, gzip"}
    assert "content-encoding" not in client.get("/health", headers=accepted).headers
    tile = "/tiles/3d/buildings/content/0.glb"
    with client.stream("GET", tile, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())
    once = gzip.decompress(raw) if answer.headers.get("content-encoding") else raw
    assert once.startswith(b"glTF")


def test_an_answer_that_the_caller_has_is_not_sent_again(client: TestClient) -> None:
    first = client.get(BIG)
    again = client.get(BIG, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    assert again.headers["etag"] == first.headers["etag"]
    assert "etag" not in client.get("/units/201/card").headers  # may not be kept at all


# ---- leaving ---------------------------------------------------------------------------------


def test_a_question_ends_in_the_database_when_its_asker_leaves(
    city: Settings, engine: Engine
) -> None:
    running = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND state = 'active' AND wait_event_type = 'Lock'"
    )

    def waiting(number: int) -> bool:
        until = time.monotonic() + 15
        while time.monotonic() < until:
            with engine.connect() as look:
                if look.execute(running).scalar() == number:
                    return True
            time.sleep(0.05)
        return False

    with serving(city, "--no-worker") as (_, address), engine.connect() as other:
        host, port = address.removeprefix("http://").split(":")
        for path in ("/units/201/card", "/features/units?bbox=113.8,22.9,113.9,23"):
            other.execute(text("LOCK TABLE city.unit, city.building IN ACCESS EXCLUSIVE MODE"))
            with socket.create_connection((host, int(port))) as asker:
                asker.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                assert waiting(1), path
            assert waiting(0), path
            other.rollback()
            assert httpx2.get(address + path).status_code == 200
