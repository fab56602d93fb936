"""The intake over real HTTP: a file sent in pieces, looked into, tried, loaded, mended — by a
service with its worker — and what becomes of a load whose worker or service is killed."""

import base64
import csv
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx2
import psutil
import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings

KEYS = {"data-office": ["intake"], "people-office": ["intake", "residents"]}
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {"Content-Type": "application/offset+octet-stream"}


def footprints(count: int, bad: tuple[int, ...] = ()) -> bytes:
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
            [sys.executable, "-m", "cim", "serve", "--port", str(port), *words],
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

    def wait(self, id: int, until: Callable[[Any], bool], seconds: float = 60) -> Any:
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
        self.process.terminate()
        self.process.wait(60)

    def worker(self) -> psutil.Process:
        """The worker that the service started."""
        for child in psutil.Process(self.process.pid).children():
            if "worker" in child.cmdline():
                return child
        raise AssertionError("no worker")


@pytest.fixture(scope="module")
def keyed(settings: Settings) -> Settings:
    entries = [
        {"name": name, "sha256": sha256(f"key-{name}".encode()).hexdigest(), "roles": roles}
        for name, roles in KEYS.items()
    ]
    (settings.data_dir / "access.json").write_text(json.dumps(entries), "utf-8")
    return settings


@pytest.fixture(scope="module")
def service(keyed: Settings) -> Iterator[Service]:
    service = Service(keyed)
    yield service
    service.stop()


def buildings(engine: Engine, source: str) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(
            text(
                "SELECT count(*) FROM city.building b JOIN city.source_system s "
                "ON s.id = b.source_id WHERE s.name = :source AND b.ended_at IS NULL"
            ),
            {"source": source},
        ).scalar_one()
        return found


@contextmanager
def blocked(engine: Engine) -> Iterator[None]:
    """While this holds, a load of buildings waits in a statement of its own."""
    lock = "SELECT pg_advisory_xact_lock(hashtextextended('cimtwin load buildings', 0))"
    with engine.connect() as connection:
        connection.execute(text(lock))
        yield
        connection.rollback()


def waiting_in_a_statement(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(
            connection.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                    "AND datname = current_database() AND query LIKE '%cimtwin load%'"
                )
            ).scalar_one()
        )


def mend(rows: list[dict[str, str]]) -> bytes:
    """The rows with the outlines that they should have had."""
    for row in rows:
        west = 113.7 + int(row["楼栋编号"][1:]) / 1000
        east = west + 0.0002
        row["geometry"] = (
            f"POLYGON(({west} 22.93,{east} 22.93,{east} 22.9302,{west} 22.9302,{west} 22.93))"
        )
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8-sig")


def test_the_whole_journey_of_a_file(service: Service, engine: Engine) -> None:
    content = footprints(50, bad=(7, 9))
    group = str(uuid4())
    address = service.announce("东城 楼栋.geojson", len(content), group)
    service.send(address, content[:3000])
    assert service.http.post("/imports/inspect", json={"group": group}).status_code == 409
    offset = int(service.http.head(address, headers=TUS).headers["upload-offset"])
    assert offset == 3000
    service.send(address, content[offset:], offset)

    seen = service.http.post("/imports/inspect", json={"group": group}).json()
    assert (seen["kind"], seen["rows"]) == ("buildings", 50)
    fields = {entry["field"]: entry["column"] for entry in seen["mapping"] if entry["column"]}
    assert fields["floors_above"] == "层数"

    order = {"fields": fields, "source": "journey"}
    tried = service.finish(service.ask(group, dry_run=True, **order))
    assert (tried["state"], tried["report"]["new"], tried["report"]["set_aside"]) == ("done", 48, 2)
    assert tried["quarantine"] is None
    assert buildings(engine, "journey") == 0

    loaded = service.finish(service.ask(group, **order))
    assert (loaded["state"], loaded["report"]["new"], loaded["rows_done"]) == ("done", 48, 50)
    assert buildings(engine, "journey") == 48
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM city.storey")).scalar_one() == 144

    given = service.http.get(loaded["quarantine"])
    assert given.status_code == 200
    assert "filename*=UTF-8''%E4%B8%9C%E5%9F%8E" in given.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(given.content.decode("utf-8-sig"))))
    assert [row["楼栋编号"] for row in rows] == ["B7", "B9"]
    assert all(row["reason_zh"] for row in rows)

    mended = service.hand_in("东城 楼栋-待改.csv", mend(rows))
    ended = service.finish(service.ask(mended, mends=loaded["id"]))
    assert (ended["state"], ended["report"]["new"], ended["report"]["set_aside"]) == ("done", 2, 0)
    assert buildings(engine, "journey") == 50
    assert service.http.get(loaded["quarantine"]).status_code == 404

    again = service.finish(service.ask(group, **order))
    assert (again["report"]["new"], again["report"]["unchanged"]) == (0, 48)
    assert buildings(engine, "journey") == 50


def test_a_file_that_is_none_fails_with_a_sentence(service: Service) -> None:
    job = service.finish(service.ask(service.hand_in("坏.geojson", b"no GeoJSON at all")))
    assert (job["state"], job["report"]) == ("failed", None)
    assert "坏.geojson" in job["error"]["en"]
    assert "坏.geojson" in job["error"]["zh"]


def test_a_file_that_vanished_fails_with_a_sentence(service: Service, keyed: Settings) -> None:
    with blocked_worker(service):
        group = service.hand_in("a.geojson", footprints(2))
        id = service.ask(group)
        (keyed.uploads_dir / group / "a.geojson").unlink()
    job = service.finish(id)
    assert job["state"] == "failed"
    assert job["error"]["zh"] == "a.geojson 已不存在"


@contextmanager
def blocked_worker(service: Service) -> Iterator[None]:
    """While this holds, the worker does nothing."""
    worker = service.worker()
    worker.suspend()
    yield
    worker.resume()


def test_a_running_load_is_cancelled_in_the_midst_of_a_statement(
    service: Service, engine: Engine
) -> None:
    with blocked(engine):
        id = service.ask(service.hand_in("c.geojson", footprints(20)), source="cancelled")
        service.wait(id, lambda job: job["state"] == "running" and waiting_in_a_statement(engine))
        for _ in range(2):
            assert service.http.post(f"/imports/{id}/cancel").status_code == 200
        job = service.finish(id)
    assert job["state"] == "cancelled"
    assert buildings(engine, "cancelled") == 0
    assert not waiting_in_a_statement(engine)
    assert service.http.post(f"/imports/{id}/cancel").json()["state"] == "cancelled"
    after = service.finish(service.ask(service.hand_in("d.geojson", footprints(2)), source="d"))
    assert after["state"] == "done"


def test_a_load_whose_process_is_killed_fails_and_the_next_one_runs(
    service: Service, engine: Engine
) -> None:
    with blocked(engine):
        id = service.ask(service.hand_in("k.geojson", footprints(20)), source="killed")
        service.wait(id, lambda job: job["state"] == "running" and waiting_in_a_statement(engine))
        for child in service.worker().children():
            child.kill()
        job = service.finish(id)
    assert job["state"] == "failed"
    assert "内存" in job["error"]["zh"]
    assert buildings(engine, "killed") == 0
    after = service.finish(service.ask(service.hand_in("e.geojson", footprints(2)), source="e"))
    assert after["state"] == "done"


def test_a_load_whose_worker_is_killed_is_begun_again(service: Service, engine: Engine) -> None:
    with blocked(engine):
        id = service.ask(service.hand_in("w.geojson", footprints(20)), source="again")
        service.wait(id, lambda job: job["state"] == "running" and waiting_in_a_statement(engine))
        before = service.worker()
        before.kill()
        service.wait(id, lambda job: job["state"] == "waiting")
        assert buildings(engine, "again") == 0
    job = service.finish(id)
    assert (job["state"], job["report"]["new"]) == ("done", 20)
    assert service.worker().pid != before.pid
    assert buildings(engine, "again") == 20


def test_a_load_goes_on_after_the_service_was_stopped(keyed: Settings, engine: Engine) -> None:
    first = Service(keyed)
    content = footprints(20)
    address = first.announce("half.geojson", len(content), "group-of-a-restart")
    first.send(address, content[:100])
    with blocked(engine):
        id = first.ask(first.hand_in("s.geojson", content), source="stopped")
        first.wait(id, lambda job: job["state"] == "running" and waiting_in_a_statement(engine))
        first.stop()
    assert buildings(engine, "stopped") == 0
    second = Service(keyed)
    try:
        assert second.http.head(address, headers=TUS).headers["upload-offset"] == "100"
        second.send(address, content[100:], 100)
        job = second.finish(id)
        assert (job["state"], job["report"]["new"]) == ("done", 20)
        assert buildings(engine, "stopped") == 20
    finally:
        second.stop()


def test_what_arrived_stays_when_connection_or_service_breaks(keyed: Settings) -> None:
    first = Service(keyed, "--no-worker")
    address = first.announce("long.csv", 10_000_000, str(uuid4()))
    with dangling(first, address, 0, bytes(3_000_000)):
        pass
    offset = settled(first, address)
    assert offset == 3_000_000
    with dangling(first, address, offset, bytes(2_500_000)):
        first.process.kill()
        first.process.wait()
    first.http.close()

    second = Service(keyed, "--no-worker")
    try:
        offset = settled(second, address)
        assert 4_000_000 < offset <= 5_500_000
        second.send(address, bytes(10_000_000 - offset), offset)
        assert second.http.get(address, headers=TUS).json()["complete"]
    finally:
        second.stop()


def settled(service: Service, address: str) -> int:
    """The offset once it stands still."""
    before = -1
    for _ in range(50):
        now = int(service.http.head(address, headers=TUS).headers["upload-offset"])
        if now == before:
            return now
        before = now
        time.sleep(0.3)
    raise AssertionError("it never stands still")


def test_rows_set_aside_of_people_are_opened_for_those_who_may(
    service: Service, engine: Engine
) -> None:
    people = "姓名,身份证号,房号,手机\n甲乙丙,00000019000101000X,,00000000000\n"
    group = service.hand_in("people.csv", people.encode())
    job = service.finish(service.ask(group, "people", source="register"))
    assert job["report"]["set_aside"] == 1, job
    closed = service.http.get(job["quarantine"])
    assert closed.status_code == 200
    assert "甲乙丙" not in closed.text
    rows = list(csv.DictReader(io.StringIO(closed.content.decode("utf-8-sig"))))
    assert (rows[0]["file"], bool(rows[0]["reason_zh"])) == ("people.csv", True)

    with service.caller("people-office") as allowed:
        assert allowed.get(job["quarantine"]).status_code == 404  # the job is another key's


def test_every_opening_of_such_rows_is_logged(service: Service, engine: Engine) -> None:
    people = "姓名,身份证号,房号,手机\n甲乙丙,00000019000101000X,,00000000000\n"
    mine, service.http = service.http, service.caller("people-office")
    try:
        group = service.hand_in("people.csv", people.encode())
        job = service.finish(service.ask(group, "people", source="register-2"))
        without = service.http.get(job["quarantine"])
        assert "甲乙丙" not in without.text
        opened = service.http.get(job["quarantine"], headers={"X-Purpose": "housing_management"})
        assert "甲乙丙" in opened.content.decode("utf-8-sig")
        assert opened.headers["cache-control"] == "no-store"
    finally:
        service.http.close()
        service.http = mine
    with engine.connect() as connection:
        lines = connection.execute(
            text("SELECT actor, role, purpose, object_type, persons FROM pii.access_log")
        ).all()
    assert [tuple(line) for line in lines] == [
        ("people-office", "residents", "housing_management", "import", 1)
    ]


def test_uploads_are_taken_away_after_their_days(keyed: Settings, engine: Engine) -> None:
    service = Service(keyed, "--no-worker")
    try:
        old, new = (service.hand_in(name, b"1,2\n") for name in ("old.csv", "new.csv"))
        needed = service.hand_in("needed.geojson", footprints(1))
        service.ask(needed)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE platform.upload SET created_at = now() - interval '8 days' "
                    "WHERE group_name IN (:old, :needed)"
                ),
                {"old": old, "needed": needed},
            )
        stray = keyed.uploads_dir / "stray"
        stray.mkdir()
        worker = subprocess.Popen(
            [sys.executable, "-m", "cim", "worker"],
            env=service.environment,
            stdout=subprocess.DEVNULL,
        )
        try:
            for _ in range(150):
                if not (keyed.uploads_dir / old).exists() and not stray.exists():
                    break
                time.sleep(0.1)
            assert not (keyed.uploads_dir / old).exists()
            assert not stray.exists()
            assert (keyed.uploads_dir / new).exists()
            assert (keyed.uploads_dir / needed).exists()
        finally:
            worker.terminate()
            assert worker.wait(60) == 0
    finally:
        service.stop()


def test_a_worker_that_is_told_to_stop_leaves_nothing_running(
    keyed: Settings, engine: Engine
) -> None:
    def signed_on() -> set[int]:
        with engine.connect() as connection:
            return set(
                connection.execute(text("SELECT id FROM jobs.procrastinate_workers")).scalars()
            )

    before = signed_on()
    service = Service(keyed)
    worker = service.worker()
    for _ in range(100):
        if signed_on() - before:
            break
        time.sleep(0.1)
    assert signed_on() - before
    service.stop()
    assert not worker.is_running()
    assert not signed_on() - before
    assert service.process.returncode == 0


def test_a_connection_that_went_silent_does_not_hold_a_file(keyed: Settings) -> None:
    service = Service(keyed, "--no-worker")
    try:
        content = bytes(3_000_000)
        address = service.announce("silent.csv", len(content), str(uuid4()))
        with dangling(service, address, 0, content[:1_500_000]):
            offset = int(service.http.head(address, headers=TUS).headers["upload-offset"])
            assert offset == 1_500_000
            service.send(address, content[offset:], offset)
        assert service.http.get(address).json()["complete"]
    finally:
        service.stop()


def test_two_that_send_at_once_leave_one_whole_file(service: Service, keyed: Settings) -> None:
    content = bytes(range(256)) * 20_000
    group = str(uuid4())
    address = service.announce("twice.csv", len(content), group)
    for number in range(3):
        before = service.http.get(address).json()["offset"]
        piece = content[before : before + 700_000]
        first = piece[: 100_000 * number]
        with dangling(service, address, before, first), suppress(AssertionError):
            service.send(address, piece, before)  # refused where the other's bytes were first
        assert service.http.get(address).json()["offset"] > before
    offset = service.http.get(address).json()["offset"]
    service.send(address, content[offset:], offset)
    assert (keyed.uploads_dir / group / "twice.csv").read_bytes() == content


@contextmanager
def dangling(service: Service, address: str, offset: int, content: bytes) -> Iterator[None]:
    """While this holds, a connection has sent some bytes and promised more."""
    with socket.create_connection(("127.0.0.1", int(service.base.rpartition(":")[2]))) as line:
        line.sendall(
            f"PATCH {address} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "Authorization: Bearer key-data-office\r\nTus-Resumable: 1.0.0\r\n"
            f"Upload-Offset: {offset}\r\nContent-Length: {len(content) + 1}\r\n"
            "Content-Type: application/offset+octet-stream\r\n\r\n".encode()
            + content
        )
        time.sleep(0.5)
        yield
