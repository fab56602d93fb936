"""A data officer alone with the command line: look, confirm, load, mend; and changing her mind."""

import csv
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    assert settings.database_url
    found = {"CIM_DATABASE_URL": settings.database_url, "CIM_DATA_DIR": str(settings.data_dir)}
    return os.environ | found


@pytest.fixture
def cim(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run one command as she would, in the folder of her files."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cim", *words],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
            timeout=120,
        )  # fmt: skip

    return run


def footprints(path: Path, count: int, wrong: tuple[int, ...] = ()) -> Path:
    """Houses in metres of a zone that the file does not name, with columns of her own."""
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["栋编号(自编)", "louceng", "高度(m)", "屋面", "wkt"])
        for n in range(count):
            x, y = 38474000 + 30 * (n % 200), 2546000 + 30 * (n // 200)
            shape = f"POLYGON(({x} {y},{x + 9} {y},{x + 9} {y + 9},{x} {y + 9},{x} {y}))"
            floors = n % 30 + 1
            height = -1 if n in wrong else floors * 3
            writer.writerow([f"B{n}", floors, height, "平", "" if n in wrong[1:] else shape])
    return path


def everything(engine: Engine) -> dict[str, int]:
    """The rows of every table."""
    tables = """SELECT schemaname || '.' || tablename FROM pg_tables
                WHERE schemaname IN ('city', 'pii', 'platform')"""
    with engine.connect() as connection:
        names = connection.execute(text(tables)).scalars().all()
        return {
            name: connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one()
            for name in names
        }


def test_she_looks_confirms_loads_and_mends(cim: Run, engine: Engine, tmp_path: Path) -> None:
    footprints(tmp_path / "楼栋.csv", 40, wrong=(3, 7))
    seen = json.loads(cim("load", "--inspect", "--json", "楼栋.csv").stdout)
    assert (seen["kind"], seen["rows"], seen["crs"]) == ("buildings", 40, None)
    assert seen["crs_proposals"][0]["code"] == "EPSG:4526"
    unsaid = cim("load", "buildings", "楼栋.csv")
    assert unsaid.returncode == 2
    assert "EPSG:4526" in unsaid.stderr
    written = cim("load", "--inspect", "楼栋.csv", "--crs", "EPSG:4526", "--write-mapping")
    assert written.returncode == 0, written.stderr
    beside = json.loads((tmp_path / "楼栋.csv.map.json").read_text("utf-8"))
    assert beside["fields"]["floors_above"] == "louceng"
    assert beside["fields"]["ext_id"] == "栋编号(自编)"
    assert beside["unused"] == ["屋面"]
    assert cim("load", "--inspect", "楼栋.csv", "--write-mapping").returncode == 2, "hers by now"

    before = everything(engine)
    tried = cim("load", "楼栋.csv", "--dry-run")
    assert tried.returncode == 1, tried.stderr
    assert everything(engine) == before

    loaded = cim("load", "楼栋.csv")
    assert loaded.returncode == 1, loaded.stderr
    assert "值过小" in loaded.stdout
    assert "cim quarantine export" in loaded.stdout
    assert cim("quarantine", "export", "mend-me.csv").returncode == 0
    path = tmp_path / "mend-me.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["栋编号(自编)"] for row in rows] == ["B3", "B7"]
    for row in rows:
        row["高度(m)"] = "12.5"
        row["geometry"] = row["geometry"] or rows[0]["geometry"].replace("38474", "38475")
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    mended = cim("load", "mend-me.csv")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    assert "nothing is set aside" in cim("quarantine").stdout
    with engine.connect() as connection:
        count = "SELECT count(*), count(DISTINCT source_id) FROM city.building"
        assert tuple(connection.execute(text(count)).one()) == (40, 1)


def test_ctrl_c_leaves_nothing_however_often_it_is_pressed(
    environment: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    path = footprints(tmp_path / "many.csv", 60_000)
    before = everything(engine)
    words = ["load", "buildings", str(path), "--crs", "EPSG:4526"]
    running = subprocess.Popen(
        [sys.executable, "-m", "cim", *words],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stderr is not None
    assert "read" in running.stderr.readline()
    for _ in range(3):
        running.send_signal(signal.SIGINT)
        time.sleep(0.05)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "已中止" in said
    assert "Traceback" not in said
    assert everything(engine) == before


def test_on_a_terminal_she_is_asked_whether_to_load(
    environment: dict[str, str], engine: Engine, tmp_path: Path
) -> None:
    path = footprints(tmp_path / "asked.csv", 5)
    words = ["load", "--inspect", str(path), "--crs", "EPSG:4526"]
    answered = at_a_terminal([sys.executable, "-m", "cim", *words], "y\n", environment)
    assert "现在载入" in answered
    with engine.connect() as connection:
        found = "SELECT count(*) FROM city.building b JOIN city.source_system s ON s.id = source_id"
        assert connection.execute(text(f"{found} WHERE s.name = 'asked'")).scalar_one() == 5


def at_a_terminal(words: list[str], keys: str, environment: dict[str, str]) -> str:
    """What a command shows on a terminal, where some keys are pressed when it asks."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT, env=environment
    ) as running:
        os.close(theirs)
        shown = b""
        while (part := _read(ours)) is not None:
            shown += part
            if "？".encode() in part:
                os.write(ours, keys.encode())
        running.wait(60)
    os.close(ours)
    return shown.decode("utf-8", "replace")


def _read(descriptor: int) -> bytes | None:
    try:
        return os.read(descriptor, 65536) or None
    except OSError:  # what Linux says when the other end is gone
        return None


def test_what_she_types_wrong_is_said_in_both_languages(cim: Run) -> None:
    examples: dict[tuple[str, ...], Any] = {
        ("load", "bulding", "x.csv"): ("buildings", "是否指"),
        ("load", "x.csv", "buildings"): ("the kind comes first", "种类写在文件前面"),
        ("load", "--inspct", "x.csv"): ("--inspect", "没有选项"),
        ("lod",): ("Did you mean 'load'", "没有命令"),
        ("load", "buildings", "none.csv"): ("none.csv", "没有这个文件"),
    }
    for words, (english, chinese) in examples.items():
        done = cim(*words)
        assert done.returncode == 2, words
        assert english in done.stderr, done.stderr
        assert chinese in done.stderr, done.stderr
