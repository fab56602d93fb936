"""A read replica made as an administrator would: streaming, behind, paused, gone and back."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from cim.settings import Settings
from cim.store.engine import open_engine
from cim.store.migrate import migrate
from cim.store.server import embedded
from cim.store.server.cluster import Cluster
from cim.store.server.programs import choose, installed
from tests.conftest import CARELESS


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that whoever runs the servers may enter."""
    made = Path(tempfile.mkdtemp(prefix="cimtwin-replica-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def primary(folder: Path) -> Iterator[Cluster]:
    settings = Settings(_env_file=None, data_dir=folder / "primary")
    found = embedded.start(settings, CARELESS)
    engine = open_engine(settings.model_copy(update={"database_url": embedded.url(found)}))
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def database_url(primary: Cluster) -> str:
    """In place of the usual database: the primary's."""
    return embedded.url(primary)


@pytest.fixture(scope="module")
def replica(city: Settings, primary: Cluster, folder: Path) -> Iterator[Cluster]:
    """A copy that follows the primary's log: what pg_basebackup writes, started."""
    home = folder / "replica"
    home.mkdir()
    if primary.account.foreign:
        os.chown(home, primary.account.uid, primary.account.gid)
    data = home / "postgres"
    program = choose(installed()).path("pg_basebackup")
    copied = [program, "-D", str(data), "-h", str(primary.sockets), "-U", "cim", "-R", "-c", "fast"]
    subprocess.run(copied, check=True, cwd="/", **primary.account.options())
    found = replace(primary, data=data, sockets=data, lock=home / "lock")
    found.ensure()
    yield found
    found.stop()


@pytest.fixture
def service(city: Settings, replica: Cluster) -> Iterator[TestClient]:
    given = {"read_database_url": embedded.url(replica), "read_lag_seconds": 3.0}
    with TestClient(create_app(city.model_copy(update=given))) as client:
        assert soon(lambda: usable(client))
        yield client


@pytest.fixture(scope="module")
def pair(engine: Engine, city: Settings) -> int:
    """Two buildings that may be one: a pair to decide on."""
    with engine.begin() as connection:
        found: int = connection.execute(
            text(
                """INSERT INTO platform.match
                   (object_type, a_id, b_id, source_a, source_b, score, reasons)
                   VALUES ('building', 1, 2, 1, 1, 50,
                           '{"code": true, "address": false, "name": false}') RETURNING id"""
            )
        ).scalar_one()
    return found


@pytest.fixture
def paused(primary: Cluster, replica: Cluster, pair: int) -> Iterator[None]:
    """The replica takes the log and replays none of it that is written from now on.

    What was written before is replayed first, the pair among it; and a pause is asked for before
    it is there.
    """
    with psycopg.connect(embedded.url(primary), autocommit=True) as connection:
        (written,) = connection.execute("SELECT pg_current_wal_insert_lsn()").fetchone() or ("",)
    with psycopg.connect(embedded.url(replica), autocommit=True) as connection:

        def says(question: str, **values: str) -> bool:
            return bool((connection.execute(question, values).fetchone() or (False,))[0])

        replayed = "SELECT pg_last_wal_replay_lsn() >= CAST(%(lsn)s AS pg_lsn)"
        assert soon(lambda: says(replayed, lsn=written))
        connection.execute("SELECT pg_wal_replay_pause()")
        assert soon(lambda: says("SELECT pg_get_wal_replay_pause_state() = 'paused'"))
        yield
        connection.execute("SELECT pg_wal_replay_resume()")


def soon(holds: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.05)
    return False


def usable(client: TestClient) -> bool:
    return bool(client.app.state.replica.told["usable"])  # type: ignore[attr-defined]  # the app's own


def sources(client: TestClient) -> list[str]:
    """Where each statement that only reads was answered, from now on."""
    noted: list[str] = []
    client.app.state.replica.asked = noted.append  # type: ignore[attr-defined]  # the app's own
    return noted


def decide(client: TestClient, pair: int, headers: dict[str, str], decision: str) -> Any:
    answer = client.put(f"/matches/{pair}", headers=headers, json={"decision": decision})
    assert answer.status_code == 200, answer.text
    return answer


def decision(client: TestClient, headers: dict[str, str]) -> str:
    (only,) = client.get("/matches", headers=headers).json()["items"]
    return str(only["decision"])


def test_what_only_reads_is_answered_by_the_replica(service: TestClient) -> None:
    noted = sources(service)
    for path in ("/units/201/card", "/features/units?bbox=113.8,22.9,113.9,23", "/buildings/1"):
        assert service.get(path).status_code == 200
    assert set(noted) == {"replica"}


def test_who_has_written_reads_what_they_wrote_and_others_soon_do(
    service: TestClient, pair: int, key: Any, paused: None
) -> None:
    writer, other = key("data-office"), key("other-office")
    before = decision(service, other)
    written = decide(service, pair, writer, "same" if before != "same" else "different")
    new = written.json()["decision"]
    assert decision(service, writer) == new, "who wrote is answered by the primary"
    assert decision(service, other) == before, "the replica has not replayed it"
    told = other | {"X-Written": written.headers["x-written"]}
    assert decision(service, told) == new, "who was told how far is answered by the primary"


def test_when_it_has_replayed_everybody_is_answered_by_the_replica(
    service: TestClient, pair: int, key: Any
) -> None:
    writer, other = key("data-office"), key("other-office")
    for wanted in ("same", "different", "proposed"):
        decide(service, pair, writer, wanted)
        assert decision(service, writer) == wanted
        assert soon(lambda wanted=wanted: decision(service, other) == wanted)
    noted = sources(service)
    assert soon(lambda: decision(service, writer) == "proposed" and noted[-1] == "replica")


def test_a_replica_that_falls_behind_is_not_asked(
    service: TestClient, pair: int, key: Any, paused: None
) -> None:
    other = key("other-office")
    before = decision(service, other)
    wanted = "same" if before != "same" else "different"
    decide(service, pair, key("data-office"), wanted)
    assert decision(service, other) == before
    assert soon(lambda: decision(service, other) == wanted), "three seconds are the most"
    assert not usable(service)


def test_a_replica_that_is_gone_is_missed_by_nobody_and_used_when_it_is_back(
    service: TestClient, replica: Cluster
) -> None:
    noted = sources(service)
    replica.stop()
    for _ in range(20):
        for path in ("/units/201/card", "/features/units?bbox=113.8,22.9,113.9,23"):
            assert service.get(path).status_code == 200
    assert noted[-1] == "primary" and not usable(service)
    assert service.get("/ready").json()["status"] == "ready"
    replica.ensure()
    assert soon(lambda: usable(service))
    assert service.get("/units/201/card").status_code == 200 and noted[-1] == "replica"


def test_a_caller_cannot_keep_the_primary_busy_by_what_they_claim(service: TestClient) -> None:
    noted = sources(service)
    for claim in ("9" * 18, "-1", "x", "9" * 400):
        service.get("/units/201/card", headers={"X-Written": claim})
    assert soon(lambda: bool(service.get("/units/201/card")) and noted[-1] == "replica")
