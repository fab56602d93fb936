"""Tiles made by the workers of a Dask cluster, each a process of its own."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from cim.cli import main
from cim.errors import TilingError
from cim.settings import Settings
from tests.squares import insert
from tests.workers import free, scheduling, working
from tiling.city.layers import BUILDINGS
from tiling.run.build import build
from tiling.run.cluster import cluster

SIDE = 150


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    """Blocks in a square, enough for some forty tiles."""
    insert(engine, SIDE)
    return settings


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with scheduling() as address:
        yield address


@pytest.fixture
def workers(scheduler: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Two workers that are there."""
    with working(scheduler) as started:
        yield started


def files(folder: Path) -> dict[str, bytes]:
    root = (folder / "current").resolve()
    return {
        str(file.relative_to(root)): file.read_bytes() for file in root.rglob("*") if file.is_file()
    }


class Watched(Executor):
    """An executor that counts what it is asked for."""

    def __init__(self, inner: Executor) -> None:
        self.inner = inner
        self.asked = 0

    def submit(self, task: Any, /, *args: Any, **more: Any) -> Any:
        self.asked += 1
        return self.inner.submit(task, *args, **more)


def test_a_worker_killed_midway_changes_no_byte(
    city: Settings,
    engine: Engine,
    scheduler: str,
    workers: list[subprocess.Popen[bytes]],
    tmp_path: Path,
) -> None:
    alone = build(city.model_copy(update={"data_dir": tmp_path}), engine, BUILDINGS)
    killed: list[int] = []

    def strike(done: int, total: int) -> None:
        if not killed and done < total:
            workers[0].send_signal(signal.SIGKILL)
            workers[0].wait()
            killed.append(done)

    with cluster(scheduler, city) as executor:
        assert executor.workers == 4
        watched = Watched(executor)
        together = build(city, engine, BUILDINGS, executor=watched, progress=strike)
    assert killed and killed[0] < SIDE * SIDE and watched.asked > 4
    assert workers[1].poll() is None
    assert together.version == alone.version and together.tiles > 20
    assert files(together.path) == files(alone.path)


@pytest.mark.parametrize(
    ("command", "says"),
    [("build", f"buildings: {SIDE * SIDE:,} features"), ("update", "tiles made in")],
)
def test_the_command_hands_the_work_to_the_cluster(
    command: str,
    says: str,
    city: Settings,
    scheduler: str,
    workers: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", city.database_url or "")
    monkeypatch.setenv("CIM_DATA_DIR", str(tmp_path))
    before = [sum(psutil.Process(one.pid).cpu_times()[:2]) for one in workers]
    words = ["tile", command, "--tileset", "buildings", "--scheduler", scheduler]
    built = CliRunner().invoke(main, words, catch_exceptions=False)
    assert built.exit_code == 0 and says in built.output
    assert not list((tmp_path / "tiles").glob(".seen-*"))
    after = [sum(psutil.Process(one.pid).cpu_times()[:2]) for one in workers]
    assert all(now > then for now, then in zip(after, before, strict=True))


@pytest.mark.parametrize(
    ("name", "other", "sentence"),
    [
        ("store", lambda path, content: None, "does not see the folder"),
        ("program", lambda: b"another", "does not have this version of cimtwin"),
        ("socket.gethostname", lambda: "elsewhere", "cannot reach an embedded database"),
    ],
    ids=["whose folder is another", "whose program is another", "on another machine"],
)
def test_a_worker_that_could_not_do_the_work_is_named(
    city: Settings,
    scheduler: str,
    workers: list[subprocess.Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    other: Any,
    sentence: str,
) -> None:
    """What is otherwise here is otherwise than at the workers, which are processes of their own."""
    monkeypatch.setattr(f"tiling.run.cluster.{name}", other)
    settings = city.model_copy(update={"database_url": None})
    with pytest.raises(TilingError, match=f"at tcp://.* {sentence}"), cluster(scheduler, settings):
        pass


def test_nobody_at_the_address_and_no_workers_are_said(
    city: Settings, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tiling.run.cluster.PATIENCE", 2)
    nobody = f"tcp://127.0.0.1:{free()}"
    for address, sentence in ((nobody, "no Dask scheduler answers"), (scheduler, "has no workers")):
        with pytest.raises(TilingError, match=sentence) as said, cluster(address, city):
            pass
        assert address in str(said.value) and address in said.value.zh


def test_without_the_package_it_is_said_which(
    city: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(TilingError, match=re.escape("pip install 'cimtwin[dask]'")),
        cluster("tcp://127.0.0.1:1", city),
    ):
        pass
