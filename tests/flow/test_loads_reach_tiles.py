"""What a load changes is in the tiles after an update, to the byte as if all were made anew."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tiling.city.layers import LAYERS
from tiling.disk.folder import version_at

STEP = 0.0006
"""Degrees between houses: some 60 m."""

HOUSES = 1600
"""More than one tile holds."""

BOX = """v 0 0 0\nv 12 0 0\nv 12 9 0\nv 0 9 0\nv 0 0 20\nv 12 0 20\nv 12 9 20\nv 0 9 20
f 4 3 2 1\nf 5 6 7 8\nf 1 2 6 5\nf 2 3 7 6\nf 3 4 8 7\nf 4 1 5 8\n"""
"""A tower as OBJ."""


def cim(settings: Settings, *words: str, folder: Path | None = None) -> str:
    assert settings.database_url
    places = {"CIM_DATABASE_URL": settings.database_url}
    done = subprocess.run(
        [sys.executable, "-m", "cim", *words],
        env=os.environ | places | {"CIM_DATA_DIR": str(folder or settings.data_dir)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def houses(path: Path, places: dict[str, tuple[int, int]]) -> Path:
    """Houses by their keys at columns and rows of a lattice, of two storeys with two flats each."""
    features = []
    for key, (column, row) in places.items():
        west, south = 113.75 + column * STEP, 23.0 + row * STEP
        east, north = west + STEP / 3, south + STEP / 3
        ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
        said = {"编号": key, "地上层数": 2, "高度": 6, "每层户数": 2}
        outline = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": said, "geometry": outline})
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


def tiles(folder: Path) -> dict[str, dict[str, bytes]]:
    """Every file of every tileset as it is served, by its path."""
    found = {}
    for layer in LAYERS.values():
        place = folder / "tiles" / layer.name / "current"
        files = version_at(place).files()
        found[layer.name] = {path: file.read_bytes() for path, file in files.items()}
    return found


@pytest.fixture(scope="module")
def tiled(keyed: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Tiles of the first file."""
    folder = tmp_path_factory.mktemp("first")
    places = {f"H{n}": (n % 40, n // 40) for n in range(HOUSES)}
    cim(keyed, "load", "buildings", str(houses(folder / "houses.geojson", places)), "--quiet")
    cim(keyed, "tile", "build", "--jobs", "1")
    return keyed


def as_if_anew(tiled: Settings, folder: Path) -> None:
    """Updated tiles are those that a whole build makes."""
    updated = tiles(tiled.data_dir)
    cim(tiled, "tile", "build", "--jobs", "1", folder=folder)
    anew = tiles(folder)
    for name, files in anew.items():
        assert sorted(updated[name]) == sorted(files), name
        assert [path for path in files if updated[name][path] != files[path]] == [], name


def test_a_file_in_which_one_moved_one_went_and_one_came(
    tiled: Settings, engine: Engine, tmp_path: Path
) -> None:
    before = tiles(tiled.data_dir)
    places = {f"H{n}": (n % 40, n // 40) for n in range(HOUSES)}
    places["H7"] = (60, 60)
    del places["H800"]
    places["new"] = (-20, 5)
    path = houses(tmp_path / "houses.geojson", places)
    cim(tiled, "load", "buildings", str(path), "--full", "--quiet")
    cim(tiled, "tile", "update")
    after = tiles(tiled.data_dir)
    for name in ("buildings", "units"):
        kept = [p for p, content in after[name].items() if before[name].get(p) == content]
        assert kept and before[name] != after[name], "some tiles are other ones, some are not"
    with engine.connect() as connection:
        ended = "SELECT count(*) FROM city.building WHERE ended_at IS NOT NULL"
        assert connection.scalar(text(ended)) == 1
    as_if_anew(tiled, tmp_path / "anew")


def test_a_mesh_that_came_and_one_that_was_taken_back(
    tiled: Settings, engine: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "tower.obj"
    path.write_text(BOX, "ascii")
    with engine.connect() as connection:
        building = connection.scalar(text("SELECT id FROM city.building WHERE ext_id = 'H9'"))
    before = tiles(tiled.data_dir)
    cim(tiled, "load", "mesh", str(path), "--building", str(building), "--up", "z", "--quiet")
    cim(tiled, "tile", "update")
    assert tiles(tiled.data_dir) != before
    as_if_anew(tiled, tmp_path / "with")
    assert "again" in cim(tiled, "load", "mesh", "--end", "tower")
    cim(tiled, "tile", "update")
    assert tiles(tiled.data_dir) == before
