"""A service in a process of its own, with its worker, and a city to hand files in to."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.accounts import add_key, administrators

KEYS = {"data-office": ["intake"], "people-office": ["intake", "residents"]}
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}


class Service:
    """A service of its own process, and a caller with a key."""

    def __init__(self, settings: Settings, *words: str) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        assert settings.database_url
        found = {"CIM_DATABASE_URL": settings.database_url, "CIM_DATA_DIR": str(settings.data_dir)}
        self.environment = os.environ | found
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cim", "serve", "--no-feeds", "--port", str(port), *words],
            env=self.environment,
            stdout=subprocess.DEVNULL,
        )
        self.base = f"http://127.0.0.1:{port}"
        self.http = self.caller("data-office")
        for _ in range(300):
            try:
                if self.http.get("/health").status_code == 200:
                    return
            except httpx2.TransportError:
                assert self.process.poll() is None, "the service ended"
            time.sleep(0.1)
        raise AssertionError("the service does not answer")

    def caller(self, name: str) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.base, headers={"Authorization": f"Bearer key-{name}"}, timeout=60
        )

    def announce(self, name: str, size: int, group: str) -> str:
        said = {"filename": name, "group": group}
        values = (f"{key} {base64.b64encode(word.encode()).decode()}" for key, word in said.items())
        told = {"Upload-Length": str(size), "Upload-Metadata": ",".join(values)}
        made = self.http.post("/uploads", headers=TUS | told)
        assert made.status_code == 201, made.text
        return str(made.headers["location"])

    def send(self, address: str, content: bytes, offset: int = 0) -> None:
        told = TUS | BYTES | {"Upload-Offset": str(offset)}
        sent = self.http.patch(address, headers=told, content=content)
        assert sent.status_code == 204, sent.text

    def hand_in(self, name: str, content: bytes) -> str:
        group = str(uuid4())
        self.send(self.announce(name, len(content), group), content)
        return group

    def ask(self, group: str, kind: str = "buildings", **more: Any) -> int:
        asked = self.http.post("/imports", json={"group": group, "kind": kind} | more)
        assert asked.status_code == 202, asked.text
        return int(asked.json()["id"])

    def job(self, id: int) -> Any:
        return self.http.get(f"/imports/{id}").json()

    def wait(self, id: int, until: Callable[[Any], bool], seconds: float = 180) -> Any:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = self.job(id)
            if until(job):
                return job
            time.sleep(0.2)
        raise AssertionError(f"still {job}")

    def finish(self, id: int) -> Any:
        return self.wait(id, lambda job: job["state"] not in ("waiting", "running"))

    def stop(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)

    def worker(self) -> psutil.Process:
        """The worker that the service started."""
        for child in psutil.Process(self.process.pid).children():
            if "worker" in child.cmdline():
                return child
        raise AssertionError("no worker")

    def offset(self, address: str) -> int:
        """Where an upload goes on."""
        return int(self.http.head(address, headers=TUS).headers["upload-offset"])

    def settled(self, address: str) -> int:
        """The offset once it stands still."""
        before = -1
        for _ in range(50):
            now = self.offset(address)
            if now == before:
                return now
            before = now
            time.sleep(0.3)
        raise AssertionError("it never stands still")

    @contextmanager
    def dangling(self, address: str, offset: int, content: bytes) -> Iterator[None]:
        """While this holds, a connection has sent some bytes and promised more."""
        with socket.create_connection(("127.0.0.1", int(self.base.rpartition(":")[2]))) as line:
            line.sendall(
                f"PATCH {address} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Authorization: Bearer key-data-office\r\nTus-Resumable: 1.0.0\r\n"
                f"Upload-Offset: {offset}\r\nContent-Length: {len(content) + 1}\r\n"
                "Content-Type: application/offset+octet-stream\r\n\r\n".encode()
                + content
            )
            time.sleep(0.5)
            yield

    @contextmanager
    def idle(self) -> Iterator[None]:
        """While this holds, the worker does nothing."""
        worker = self.worker()
        worker.suspend()
        try:
            yield
        finally:
            worker.resume()


class City:
    """The database behind the service."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def buildings(self, source: str) -> int:
        with self.engine.connect() as connection:
            found: int = connection.execute(
                text(
                    "SELECT count(*) FROM city.building b JOIN city.source_system s "
                    "ON s.id = b.source_id WHERE s.name = :source AND b.ended_at IS NULL"
                ),
                {"source": source},
            ).scalar_one()
            return found

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """While this holds, a load of buildings waits in a statement of its own."""
        lock = "SELECT pg_advisory_xact_lock(hashtextextended('cimtwin load buildings', 0))"
        with self.engine.connect() as connection:
            connection.execute(text(lock))
            yield
            connection.rollback()

    def blocking(self) -> bool:
        with self.engine.connect() as connection:
            return bool(
                connection.execute(
                    text(
                        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                        "AND datname = current_database() AND query LIKE '%cimtwin load%'"
                    )
                ).scalar_one()
            )


@pytest.fixture(scope="module")
def city(engine: Engine) -> City:
    """What came of it."""
    return City(engine)


@pytest.fixture(scope="module")
def start(keyed: Settings) -> Iterator[Callable[..., Service]]:
    """A function that starts a further service, with further words; each is stopped in the end."""
    started = []

    def start(*words: str) -> Service:
        started.append(Service(keyed, *words))
        return started[-1]

    yield start
    for service in started:
        service.stop()


@pytest.fixture(scope="session")
def footprints() -> Callable[..., bytes]:
    """A function that makes a file of so many buildings, some of them bad."""
    return make_footprints


def make_footprints(count: int, bad: tuple[int, ...] = ()) -> bytes:
    """Squares of 20 m in rows; of the bad ones nothing but a line."""
    features = []
    for number in range(count):
        west, south, side = 113.7 + number % 100 / 1000, 22.93 + number // 100 / 1000, 0.0002
        ring = [[west, south], [west + side, south], [west + side, south + side],
                [west, south + side], [west, south]]  # fmt: skip
        if number in bad:
            ring = [[west, south], [west + side, south], [west, south], [west, south]]
        properties = {"楼栋编号": f"B{number}", "层数": 3}
        polygon = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": properties, "geometry": polygon})
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


@pytest.fixture(scope="module")
def keyed(settings: Settings, engine: Engine) -> Settings:
    administrators(engine)
    for name, roles in KEYS.items():
        add_key(engine, name, f"key-{name}", roles)
    return settings


@pytest.fixture(scope="module")
def service(keyed: Settings) -> Iterator[Service]:
    service = Service(keyed)
    yield service
    service.stop()
