"""A load that is killed, stopped, or finds the disk full leaves the city as it was."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyogrio
import pytest
import shapely
from sqlalchemy import Engine, text

from cim.settings import Settings
from cim.store.server import embedded

ROWS = 30_000
"""Enough for every step to take longer than a signal."""


def footprints(folder: Path, name: str, rows: int, height: float) -> Path:
    """A GeoPackage of squares in a row, all of one height."""
    path = folder / f"{name}.gpkg"
    west = 113.5 + np.arange(rows) * 1e-5
    shapes = shapely.to_wkb(shapely.box(west, 23.0, west + 8e-6, 23.0001))
    keys = np.array([f"K{number}" for number in range(rows)], dtype=object)
    columns = [keys, np.full(rows, height)]
    pyogrio.raw.write(
        path, shapes, columns, ["编号", "高度"], geometry_type="Polygon", crs="EPSG:4490"
    )
    return path


class Load:
    """`cim load buildings` in a process of its own, whose words are heard as they are said."""

    def __init__(self, env: dict[str, str], path: Path) -> None:
        words = ["load", "buildings", str(path), "--source", "register", "--no-units"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cim", *words],
            env=os.environ | env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.heard: list[str] = []

    def until(self, word: str) -> None:
        """Wait until it says this word."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.heard.append(line)
            if word in line:
                return
        raise AssertionError(f"never said {word}: {self.heard}")

    def end(self) -> int:
        """Its exit code, once it has ended."""
        _, rest = self.process.communicate(timeout=120)
        self.heard.append(rest or "")
        return self.process.returncode


@pytest.fixture
def env(settings: Settings) -> dict[str, str]:
    assert settings.database_url
    return {"CIM_DATABASE_URL": settings.database_url, "CIM_DATA_DIR": str(settings.data_dir)}


@pytest.fixture
def old(env: dict[str, str], engine: Engine, tmp_path: Path) -> Iterator[tuple[Any, ...]]:
    """The state of a city with three thousand footprints."""
    assert Load(env, footprints(tmp_path, "old", 3000, 9.0)).end() == 0
    yield state(engine)
    with engine.begin() as connection:
        connection.execute(
            text(
                "TRUNCATE city.building, platform.quarantine, platform.change, "
                "platform.data_import CASCADE"
            )
        )


STATE = """
    SELECT (SELECT (count(*), sum(height), max(updated_at)) FROM city.building)::text,
           (SELECT (count(*), max(id)) FROM platform.change)::text,
           (SELECT (count(*), max(finished_at)) FROM platform.data_import)::text,
           (SELECT count(*) FROM pg_indexes WHERE schemaname = 'city')"""


def state(engine: Engine) -> tuple[Any, ...]:
    with engine.connect() as connection:
        return tuple(connection.execute(text(STATE)).one())


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_a_load_ended_at_any_step_leaves_the_city_as_it_was(
    env: dict[str, str], engine: Engine, old: tuple[Any, ...], tmp_path: Path, by: signal.Signals
) -> None:
    new = footprints(tmp_path, "new", ROWS, 12.0)
    for step in ("reading", "comparing", "keeping"):
        load = Load(env, new)
        load.until(step)
        load.process.send_signal(by)
        code = load.end()
        if code == 0:  # it had ended before the signal came: all of it is in
            break
        assert state(engine) == old
        if by == signal.SIGINT:
            assert code == 130
            assert "not kept" in "".join(load.heard)
    assert Load(env, new).end() == 0
    assert state(engine)[0].startswith(f"({ROWS},{12 * ROWS},")


def test_a_load_that_is_being_made_final_is_not_stopped_and_then_said_not_to_be_kept(
    env: dict[str, str], engine: Engine, old: tuple[Any, ...], tmp_path: Path
) -> None:
    load = Load(env, footprints(tmp_path, "new", ROWS, 12.0))
    load.until("making it final")
    load.process.send_signal(signal.SIGINT)
    assert load.end() == 0, load.heard
    assert state(engine)[0].startswith(f"({ROWS},{12 * ROWS},")


def test_of_two_loads_of_a_kind_the_second_says_that_it_waits(
    env: dict[str, str], engine: Engine, old: tuple[Any, ...], tmp_path: Path
) -> None:
    with psycopg.connect(env["CIM_DATABASE_URL"]) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('cimtwin load buildings', 0))")
        load = Load(env, footprints(tmp_path, "new", 4000, 12.0))
        load.until("waiting")
        assert state(engine) == old
    assert load.end() == 0
    assert state(engine)[0].startswith("(4000,48000,")


def test_a_load_that_waits_can_be_stopped(
    env: dict[str, str], engine: Engine, old: tuple[Any, ...], tmp_path: Path
) -> None:
    with psycopg.connect(env["CIM_DATABASE_URL"]) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('cimtwin load buildings', 0))")
        load = Load(env, footprints(tmp_path, "new", 4000, 12.0))
        load.until("waiting")
        load.process.send_signal(signal.SIGINT)
        assert load.end() == 130
    assert state(engine) == old


def test_a_full_disk_is_said_and_nothing_is_kept(
    env: dict[str, str], engine: Engine, old: tuple[Any, ...], tmp_path: Path
) -> None:
    """The server's own error, raised where it would be: while rows are written."""
    with engine.begin() as connection:
        connection.execute(
            text("""
            CREATE FUNCTION public.full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON city.building
            FOR EACH STATEMENT EXECUTE FUNCTION public.full_disk();
            ALTER TABLE city.building ENABLE ALWAYS TRIGGER full_disk""")
        )
    try:
        load = Load(env, footprints(tmp_path, "new", 4000, 12.0))
        assert load.end() == 2
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP FUNCTION public.full_disk() CASCADE"))
    said = "".join(load.heard)
    assert "no room is left on the disk" in said
    assert "磁盘已满" in said
    assert state(engine) == old


def test_a_server_killed_in_the_middle_of_a_load_comes_back_with_the_old_city(
    tmp_path: Path,
) -> None:
    tmp_path.chmod(0o755)
    for above in tmp_path.parents[:2]:
        above.chmod(0o755)  # the server may run as another user
    env = {"CIM_DATA_DIR": str(tmp_path / "cim"), "CIM_DATABASE_URL": ""}
    settings = Settings(_env_file=None, data_dir=tmp_path / "cim")
    try:
        first = Load(env, footprints(tmp_path, "old", 3000, 9.0))
        assert first.end() == 0, first.heard
        load = Load(env, footprints(tmp_path, "new", ROWS, 12.0))
        load.until("comparing")
        pid = embedded.cluster(settings).pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert load.end() == 2
        assert "cim: " in "".join(load.heard)
        assert Load(env, tmp_path / "old.gpkg").end() == 0
        with psycopg.connect(embedded.url(embedded.cluster(settings))) as connection:
            found = connection.execute("SELECT count(*), sum(height) FROM city.building").fetchone()
        assert found == (3000, 27000.0)
    finally:
        embedded.cluster(settings).stop()
