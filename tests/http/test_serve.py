"""`cim serve` as a process: what it says, what it refuses, and how it stops."""

import signal
import socket
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from cim.settings import Settings
from tests.served import environment, serving


def serve(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cim", "serve", *words],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_says_where_to_open_it_answers_and_stops_when_told(city: Settings) -> None:
    with serving(city, "--no-worker") as (process, address):
        assert httpx2.get(f"{address}/health").json()["status"] == "ok"
        assert httpx2.get(f"{address}/session").json()["demo"] is False
        card = httpx2.get(f"{address}/units/201/card")
        assert card.headers["cache-control"] == "no-store" and "server" not in card.headers
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stdout and "服务已停止" in process.stdout.read()


@pytest.mark.parametrize("packed", ["identity", "gzip"])
def test_head_is_answered_as_get_is_without_a_body_and_the_next_is_understood(
    city: Settings, packed: str
) -> None:
    """One connection: a byte too much, or a length that is waited for, and what follows is lost."""
    paths = ("/health", "/units/201", "/units/no", "/nowhere", "/ogc/collections/buildings/items",
             "/tiles/buildings/tileset.json", "/openapi.json", "/")  # fmt: skip
    with serving(city, "--no-worker") as (_, address):
        there = HTTPConnection(address.removeprefix("http://"), timeout=10)
        there.connect()
        wire = there.sock
        for path in paths:
            told = []
            for method in ("GET", "HEAD", "GET"):
                there.request(method, path, headers={"Accept-Encoding": packed})
                answer = there.getresponse()
                body = answer.read()
                assert bool(body) is (method == "GET"), (method, path)
                kept = ("content-length", "content-type", "content-encoding", "etag")
                told.append([answer.status, *(answer.getheader(name) for name in kept)])
            assert told[0] == told[1] == told[2], path
            assert there.sock is wire, "it is all one connection"
        there.close()


def test_the_demo_shows_masked_residents_on_this_machine(city: Settings) -> None:
    with serving(city, "--demo", "--no-worker") as (process, address):
        session = httpx2.get(f"{address}/session").json()
        assert session["demo"] and session["default_purpose"] == "demonstration"
        stated = {"X-Purpose": session["default_purpose"]}
        card = httpx2.get(f"{address}/units/201/card", headers=stated).json()
        assert card["residents"]["shown"] is True
        elsewhere = httpx2.get(f"{address}/session", headers={"Host": "city.example"})
        assert elsewhere.json()["demo"] is False
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) in (0, -signal.SIGTERM)


def test_nothing_a_caller_sends_is_printed(city: Settings) -> None:
    with serving(city, "--no-worker") as (process, address):
        for path in ("/units/201/card", "/units/x-secret-x/card", "/addresses/search?q=x-secret-x"):
            httpx2.get(address + path, headers={"Authorization": "Bearer x-secret-x"})
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        assert process.stdout and "x-secret-x" not in process.stdout.read()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "city.example"])
def test_the_demo_is_refused_to_the_network(city: Settings, host: str) -> None:
    refused = serve(city, "--demo", "--host", host)
    assert refused.returncode == 2
    assert "--demo" in refused.stderr and "只能在本机运行" in refused.stderr


def test_a_port_in_use_is_named(city: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = serve(city, "--port", str(port))
    assert refused.returncode == 2
    assert f"port {port} is in use" in refused.stderr and "已被占用" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_address_of_another_machine_is_refused(city: Settings) -> None:
    refused = serve(city, "--host", "192.0.2.1")
    assert refused.returncode == 2 and "cannot listen at 192.0.2.1" in refused.stderr


def test_a_database_that_is_on_its_way_up_is_waited_for_and_nothing_served_before(
    city: Settings, tmp_path: Path
) -> None:
    given = urlsplit(city.database_url or "")
    query = parse_qs(given.query)
    [folder] = query["host"]
    late = given._replace(query=urlencode({**query, "host": str(tmp_path)}, doseq=True)).geturl()
    process = subprocess.Popen(
        [sys.executable, "-m", "cim", "serve", "--port", "0", "--no-worker", "--no-feeds"],
        env=environment(city.model_copy(update={"database_url": late})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout and process.stderr
    try:
        told = process.stderr.readline()
        assert "for the database" in told and "正在等待数据库" in told
        for socket_of_it in Path(folder).glob(".s.PGSQL.*"):
            (tmp_path / socket_of_it.name).symlink_to(socket_of_it)
        assert process.stdout.readline().startswith("open http")
    finally:
        process.terminate()
        _, more = process.communicate(timeout=60)
    assert "Traceback" not in more
