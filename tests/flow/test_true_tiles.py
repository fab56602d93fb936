"""The service keeps its tiles true: an edit by SQL is in them a moment later."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tiling.check.reading import read_glb

PATIENCE = 30.0
"""Seconds that a change may take here; how long it does take is measured in benchmarks."""

BUILDING = """
    INSERT INTO city.building (footprint, footprint_area, height, height_method, floors_above,
                               floors_method)
    SELECT ST_Multi(ST_MakeEnvelope(113.75 + n * 1e-3, 23, 113.7503 + n * 1e-3, 23.0003, 4490)),
           900, 6, 'given', 2, 'given' FROM generate_series(1, 20) n"""


def cim(settings: Settings, *words: str) -> subprocess.CompletedProcess[str]:
    assert settings.database_url
    found = {"CIM_DATABASE_URL": settings.database_url, "CIM_DATA_DIR": str(settings.data_dir)}
    return subprocess.run(
        [sys.executable, "-m", "cim", *words],
        env=os.environ | found,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def tiled(engine: Engine, keyed: Settings) -> Settings:
    with engine.begin() as connection:
        connection.execute(text(BUILDING))
    done = cim(keyed, "tile", "build", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    return keyed


def test_an_edit_by_sql_is_served_a_moment_later(
    tiled: Settings, engine: Engine, start: Callable[..., Any], tmp_path: Path
) -> None:
    service = start()

    def served() -> str:
        described = service.http.get("/tiles/3d/buildings/tileset.json").json()
        return str(described["asset"]["tilesetVersion"])

    before = served()
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = 88 WHERE id = 7"))
    ends = time.monotonic() + PATIENCE
    while (after := served()) == before:
        assert time.monotonic() < ends, "the tileset has not changed"
        time.sleep(0.05)
    folder = (tiled.tiles_dir / "buildings" / "current").resolve()
    (path,) = (file.relative_to(folder) for file in folder.rglob("*.glb"))
    url = f"/tiles/3d/buildings/{path}"
    tile = service.http.get(url, params={"v": after}).content
    (tmp_path / "one.glb").write_bytes(tile)
    found = read_glb(tmp_path / "one.glb")
    heights = dict(zip(found.column("id").tolist(), found.column("height").tolist(), strict=True))
    assert heights[7] == 88.0
    old = service.http.get(url, params={"v": before})
    assert old.status_code == 200 and old.content != tile
    service.stop()


def test_a_build_that_was_killed_is_ended_by_the_next(tiled: Settings, engine: Engine) -> None:
    """Whatever it had done by then, the result is that of a build left alone."""
    before = cim(tiled, "tile", "list").stdout
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1"))
    assert tiled.database_url
    found = {"CIM_DATABASE_URL": tiled.database_url, "CIM_DATA_DIR": str(tiled.data_dir)}
    killed = subprocess.Popen(
        [sys.executable, "-m", "cim", "tile", "build", "--jobs", "1"], env=os.environ | found
    )
    work = tiled.tiles_dir / "buildings" / ".work"
    ends = time.monotonic() + PATIENCE
    while killed.poll() is None and not list(work.rglob("*.glb")):
        assert time.monotonic() < ends
        time.sleep(0.001)
    killed.kill()
    killed.wait()
    said = cim(tiled, "tile", "update", "--dry-run")
    assert said.returncode == 0 and "tiles would be made" in said.stdout
    for words in (("tile", "update"), ("tile", "check")):
        done = cim(tiled, *words)
        assert done.returncode == 0, done.stdout + done.stderr
    assert cim(tiled, "tile", "list").stdout != before
    first = os.readlink(tiled.tiles_dir / "buildings" / "current")
    assert cim(tiled, "tile", "build", "--jobs", "1").returncode == 0
    assert os.readlink(tiled.tiles_dir / "buildings" / "current") == first
