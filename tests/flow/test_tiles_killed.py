"""Whatever ends a run in the middle, the same command goes on, and comes to the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import psutil
import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tiling.check.tileset import check
from tiling.disk.folder import version_at

BUILDING = """
    INSERT INTO city.building (footprint, footprint_area, height, height_method, floors_above,
                               floors_method)
    SELECT ST_Multi(ST_MakeEnvelope(113.5 + n % 120 * 3e-3, 23 + n / 120 * 3e-3,
                                    113.5003 + n % 120 * 3e-3, 23.0003 + n / 120 * 3e-3, 4490)),
           900, 6, 'given', 2, 'given' FROM generate_series(1, 12000) n"""

KILLS = 6
"""How often one run after the other is ended."""

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    with engine.begin() as connection:
        connection.execute(text(BUILDING))
    return settings


@pytest.fixture
def start(city: Settings, tmp_path: Path) -> Start:
    """Begins a command, in a session of its own, that writes into the test's folder."""

    def start(*words: str, data: str = "数据 of the city") -> subprocess.Popen[str]:
        found = {"CIM_DATABASE_URL": str(city.database_url), "CIM_DATA_DIR": str(tmp_path / data)}
        return subprocess.Popen(
            [sys.executable, "-m", "cim", "tile", *words],
            env=os.environ | found,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return start


def ended(run: "subprocess.Popen[str]") -> str:
    """What a run said that must end well."""
    said, fault = run.communicate(timeout=120)
    assert run.returncode == 0, said + fault
    return said


def go_on(start: Start, *words: str) -> None:
    """The command again, once the database has noticed that the one before is gone."""
    ends = time.monotonic() + 60
    while True:
        run = start(*words)
        _, fault = run.communicate(timeout=120)
        if run.returncode == 0:
            return
        assert "another build" in fault and time.monotonic() < ends, fault
        time.sleep(0.5)


def files(data: Path) -> dict[str, bytes]:
    found = version_at(data / "tiles/buildings/current").files()
    return {path: file.read_bytes() for path, file in found.items()}


def change(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1"))


@pytest.mark.parametrize("command", ["build", "update"])
def test_a_run_killed_at_any_moment_is_gone_on_with_and_comes_to_the_same(
    start: Start, engine: Engine, tmp_path: Path, command: str
) -> None:
    words = (command, "--tileset", "buildings", "--jobs", "2")
    data = tmp_path / "数据 of the city"
    began = time.monotonic()
    ended(start("build", *words[1:]))
    usual = time.monotonic() - began
    served = files(data)
    change(engine)
    random = Random(2026)
    for _ in range(KILLS):
        run = start(*words)
        time.sleep(random.uniform(0.3, 1.0) * usual)
        whole = run.poll() is not None
        if not whole:
            os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        now = files(data)
        assert now == served or check(data / "tiles/buildings/current").faults == []
        served = now
        if whole:
            change(engine)
    go_on(start, *words)
    ended(start("build", *words[1:], data="elsewhere"))
    assert files(data) == files(tmp_path / "elsewhere")
    assert check(data / "tiles/buildings/current").faults == []


def test_one_worker_that_is_killed_is_made_up_for(
    start: Start, engine: Engine, tmp_path: Path
) -> None:
    run = start("build", "--tileset", "buildings", "--jobs", "2")
    work = tmp_path / "数据 of the city/tiles/buildings/.work"
    ends = time.monotonic() + 60
    while not any(work.rglob("*.glb")) and run.poll() is None:
        assert time.monotonic() < ends
        time.sleep(0.002)
    if run.poll() is None:
        children = psutil.Process(run.pid).children()
        if children:
            children[0].kill()
    ended(run)
    ended(start("build", "--tileset", "buildings", "--jobs", "1", data="elsewhere"))
    assert files(tmp_path / "数据 of the city") == files(tmp_path / "elsewhere")


def test_a_database_that_breaks_off_is_said_and_the_same_command_goes_on(
    start: Start, engine: Engine, tmp_path: Path
) -> None:
    """As when PostgreSQL is restarted: every connection ends."""
    words = ("build", "--tileset", "buildings", "--jobs", "2")
    data = tmp_path / "数据 of the city"
    ended(start(*words))
    served, said = files(data), []
    for after in (0, 3, 12):  # contents that stand by then
        change(engine)
        run = start(*words)
        work = data / "tiles/buildings/.work"
        ends = time.monotonic() + 60
        while len(list(work.rglob("*.glb"))) < after and run.poll() is None:
            assert time.monotonic() < ends
            time.sleep(0.002)
        while run.poll() is None:
            with engine.connect() as connection:
                connection.execute(
                    text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
                         " current_database() AND pid <> pg_backend_pid()")
                )  # fmt: skip
            time.sleep(0.02)
        _, fault = run.communicate()
        said.append(fault)
        assert "Traceback" not in fault and "a fault of this program" not in fault, fault
        assert run.returncode in (0, 2)
        assert files(data) == served or run.returncode == 0
        engine.dispose()
        go_on(start, *words)
        served = files(data)
    assert any("database" in fault for fault in said), said
    ended(start(*words, data="elsewhere"))
    assert files(data) == files(tmp_path / "elsewhere")


def test_of_two_builds_at_once_one_is_refused_and_the_other_is_whole(
    start: Start, engine: Engine, tmp_path: Path
) -> None:
    change(engine)
    words = ("build", "--tileset", "buildings", "--jobs", "1")
    runs = [start(*words) for _ in range(4)]
    said = [(run.communicate(timeout=120), run.returncode) for run in runs]
    assert any(code == 0 for _, code in said)
    for (_, fault), code in said:
        assert code == 0 or (code == 2 and "another build" in fault and "正在进行" in fault)
    assert check(tmp_path / "数据 of the city/tiles/buildings/current").faults == []
