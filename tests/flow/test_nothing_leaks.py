"""People brought in, looked up, set aside and mistaken for something else: nothing gets out.

They have names, numbers and phones that belong to nobody and are known at sight (`tests/leaks.py`).
"""

import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests import leaks
from tests.accounts import PASSWORD, add_key

HOMES = 12


def number(id: int) -> str:
    return f"9900001980{'0101'}{100 + id}X"


def name(id: int) -> str:
    return f"查无{'此人甲乙丙丁戊己庚辛'[id % 10]}{id}"


def phone(id: int) -> str:
    return f"1000{7000000 + id}"


def register(bad: bool = False) -> bytes:
    """People of the first houses; of a bad one none has a home."""
    lines = ["姓名,身份证号码,联系电话,楼栋编号,备注"]
    for id in range(HOMES):
        home = "NOWHERE" if bad else f"B{id}"
        lines.append(f"{name(id)},{number(id)},{phone(id)},{home},{number(id)}的邻居")
    return "\n".join(lines).encode()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("service") / "service.log"


@pytest.fixture(scope="module")
def base(keyed: Settings, engine: Engine, log: Path) -> Iterator[str]:
    """A service that logs every request, with its worker, into a file."""
    for key, roles in {"plain": ["residents_plain"], "duty": ["people_officer"]}.items():
        add_key(engine, key, f"key-{key}", roles)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    found = {"CIM_DATABASE_URL": str(keyed.database_url), "CIM_DATA_DIR": str(keyed.data_dir)}
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cim", "serve", "--port", str(port)],
            env=os.environ | found | {"CIM_LOG": "text"},
            stdout=out,
            stderr=out,
        )
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                if httpx2.get(f"{url}/health").status_code == 200:
                    break
            except httpx2.TransportError:
                assert process.poll() is None, log.read_text()
        yield url
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module")
def hand_in(base: str, keyed: Settings) -> Callable[..., Any]:
    """Bring a file in and wait for what comes of it."""
    found = {"CIM_DATABASE_URL": str(keyed.database_url), "CIM_DATA_DIR": str(keyed.data_dir)}

    def load(kind: str, content: bytes, suffix: str, *more: str) -> Any:
        path = keyed.data_dir / f"brought-{len(content)}-{kind}{suffix}"
        path.write_bytes(content)
        words = [sys.executable, "-m", "cim", "load", kind, str(path), "--source", "s", *more]
        return subprocess.run(
            words, env=os.environ | found, capture_output=True, text=True, check=False, timeout=120
        )

    return load


@pytest.fixture(scope="module")
def brought(hand_in: Callable[..., Any], footprints: Callable[..., bytes]) -> list[Any]:
    """Houses, their people; people without a home; and people taken for something else."""
    houses = footprints(HOMES)
    done = [
        hand_in("buildings", houses, ".geojson"),
        hand_in("people", register(), ".csv"),
        hand_in("people", register(bad=True), ".csv", "--source", "t"),
        hand_in("organisations", register(), ".csv"),
        hand_in("addresses", register(), ".csv"),
        hand_in("people", register()[:-3] + b'"\xff\x00\n', ".csv", "--source", "u"),
    ]
    assert [run.returncode for run in done[:2]] == [0, 0], done[1].stderr
    return done


def ask(url: str) -> int:
    """The status that a caller of an address gets, by a client that nobody watches."""
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_what_loads_say_names_nobody(brought: list[Any]) -> None:
    for run in brought:
        assert list(leaks.kinds(run.stdout + run.stderr)) == []


def test_the_service_shows_people_and_lets_nothing_else_out(
    brought: list[Any], base: str, log: Path, engine: Engine
) -> None:
    known = {"Authorization": "Bearer key-plain", "X-Purpose": "emergency"}
    with httpx2.Client(base_url=base, headers=known) as plain:
        shown = plain.post("/people/lookup", json={"id_no": number(3), "plain": True})
        # They are there, and who may sees them; or the rest of this would prove nothing.
        assert set(leaks.kinds(shown.text)) == set(leaks.PLANTED), shown.text
        for bad in ({"id_no": number(3), "name": name(3)}, {"name": [phone(3)]}, number(3)):
            refused = plain.post("/people/lookup", json=bad)
            assert refused.status_code == 422 and not list(leaks.kinds(refused.text))
        for path in ("/metrics", "/openapi.json", "/health", "/changes", "/city"):
            answer = plain.get(path)
            assert answer.status_code in (200, 404) and not list(leaks.kinds(answer.text)), path
    with httpx2.Client(base_url=base, headers={"Authorization": "Bearer key-duty"}) as duty:
        page = duty.post("/people/export", json={"id_no": number(4), "reference": "1"})
        assert set(leaks.kinds(page.text)) == set(leaks.PLANTED)
        gone = duty.post("/people/erase", json={"id_no": number(4), "reference": "2"})
        assert gone.json()["persons"] == 1 and not list(leaks.kinds(gone.text))
    # Who puts a number where it does not belong is told of his own address, and no log is.
    for path in (
        f"/units/{number(5)}/card",
        f"/units/1/card?id_no={number(5)}",
        f"/{name(5)}",
        f"/addresses/search?q={name(5)}{phone(5)}",
        f"/tiles/3d/{number(5)}/tileset.json",
    ):
        assert ask(base + quote(path, safe="/?=&")) < 500
    written = log.read_text()
    assert "/people/lookup" in written, "the log is not of this run"
    assert list(leaks.kinds(written)) == []


def test_tiles_tables_and_the_audit_log_hold_nobody(
    brought: list[Any], base: str, keyed: Settings, engine: Engine, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found = {"CIM_DATABASE_URL": str(keyed.database_url), "CIM_DATA_DIR": str(keyed.data_dir)}

    def run(*words: str, say: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-m", "cim", *words], env=os.environ | found, input=say,
            capture_output=True, text=True, check=True, timeout=120,
        )  # fmt: skip
        return done.stdout + done.stderr

    said = run("tile", "build")
    exported = tmp_path / "audit.jsonl"
    said += run("audit", "export", str(exported), "--as", "audit", say=PASSWORD + "\n")
    said += run("quarantine") + run("people", "retain") + run("audit", "verify")
    assert list(leaks.kinds(said)) == []
    lines = [json.loads(line) for line in exported.read_text("utf-8").splitlines()]
    assert {"people.open", "people.export", "people.erase"} <= {line["event"] for line in lines}
    assert list(leaks.kinds(exported.read_text("utf-8"))) == []
    mine = leaks.Leaks()
    monkeypatch.setattr(leaks, "FOUND", mine)
    leaks.search_files(keyed.data_dir)
    leaks.search_tables(str(keyed.database_url))
    assert mine.found == set()
    assert list(keyed.data_dir.rglob("*.glb")), "no tile was made"
    with engine.connect() as connection:
        aside = connection.execute(
            text("SELECT count(*) FROM platform.quarantine WHERE record_enc IS NOT NULL")
        ).scalar_one()
    assert aside == HOMES - 1  # of whom one was erased
