"""Tiles of buildings with roofs of their own follow what is loaded, and name what is not drawn."""

import json
from pathlib import Path
from typing import Any

import pytest
import trimesh
from sqlalchemy import Engine, text

from cim.crs.geoid import geoid
from cim.intake.bringing import bring
from cim.load import meshes
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.settings import Settings
from tests.citymodels import corners, document, houses, solid
from tiling.check.census import compare
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS
from tiling.city.tile import build_tile
from tiling.disk.folder import version_at
from tiling.formats.tiles3d import key_of
from tiling.run.batch import table_of
from tiling.run.build import build
from tiling.run.demand import Reader
from tiling.run.update import update


@pytest.fixture(autouse=True)
def empty(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.building, city.source_system CASCADE"))


@pytest.fixture
def load(settings: Settings) -> Any:
    def run(path: Path, **ask: Any) -> None:
        kind = KINDS["buildings"] if ".json" in path.name else meshes.KIND
        bring(settings, kind, path, Request(**ask), units=None, keep=True)

    return run


def files(settings: Settings) -> dict[str, bytes]:
    found = version_at(settings.tiles_dir / "buildings" / "current").files()
    return {path: file.read_bytes() for path, file in found.items()}


def anew(settings: Settings, engine: Engine, folder: Path) -> dict[str, bytes]:
    elsewhere = settings.model_copy(update={"data_dir": folder})
    build(elsewhere, engine, BUILDINGS)
    return files(elsewhere)


def faults(settings: Settings, engine: Engine) -> list[str]:
    """What is wrong with the tileset by itself, and held against the database."""

    report = check(settings.tiles_dir / "buildings" / "current")
    with engine.connect() as connection:
        found = compare(connection, "buildings", report, geoid(settings))
    return [f"{fault.rule}: {fault.en}" for fault in [*report.faults, *found]]


def test_houses_with_roofs_are_drawn_as_their_file_has_them(
    load: Any, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    load(houses(tmp_path / "a.city.json", 5))
    assert build(settings, engine, BUILDINGS).features == 5
    assert faults(settings, engine) == []


def test_a_tile_made_when_it_is_asked_for_is_the_one_on_disk(
    load: Any, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    load(houses(tmp_path / "a.city.json", 3))
    build(settings, engine, BUILDINGS)
    made = {path: content for path, content in files(settings).items() if path.endswith(".glb")}
    with engine.connect() as connection:
        table, reader = table_of(connection, BUILDINGS), Reader(BUILDINGS, geoid(settings))
        for path, content in made.items():
            key = key_of(path)
            assert key is not None
            rows = reader.rows(connection, key)
            assert build_tile(BUILDINGS, table, key, rows).content == content


def test_another_roof_is_another_tile_and_the_same_as_a_full_build(
    load: Any, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    path = houses(tmp_path / "a.city.json", 3)
    load(path)
    build(settings, engine, BUILDINGS)
    before = files(settings)
    model = json.loads(path.read_text())
    model["vertices"][8][2] += 2000  # an end of the first ridge, two metres up
    path.write_text(json.dumps(model))
    load(path)
    assert update(settings, engine, BUILDINGS).changed == 1
    assert files(settings) != before
    assert files(settings) == anew(settings, engine, tmp_path / "again")
    assert faults(settings, engine) == []


def test_a_mesh_takes_the_place_of_the_solid(
    load: Any, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    load(houses(tmp_path / "a.city.json", 2))
    build(settings, engine, BUILDINGS)
    with engine.connect() as connection:
        number = connection.execute(text("SELECT min(id) FROM city.building")).scalar_one()
    box = trimesh.creation.box((10, 8, 40))
    box.export(tmp_path / "tower.ply")
    load(tmp_path / "tower.ply", building=number)
    assert update(settings, engine, BUILDINGS).changed == 1
    assert files(settings) == anew(settings, engine, tmp_path / "again")
    assert faults(settings, engine) == []


def test_a_solid_that_cannot_be_drawn_is_a_prism_and_named_until_it_can(
    load: Any, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    def model(**leave: Any) -> Path:
        item = {"type": "Building", "geometry": [solid(0, "2", **leave)]}
        return document(tmp_path / "b.city.json", {"B": item}, corners())

    load(model(leave=["RoofSurface"]))
    built = build(settings, engine, BUILDINGS)
    assert (built.features, built.left_out) == (1, 0)
    named = "SELECT reason_en, drawn FROM platform.tile_skip"
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(text(named))] == [
            ("drawn as a prism: its solid lacks walls or the roof", True)
        ]
    assert faults(settings, engine) == []
    load(model())
    update(settings, engine, BUILDINGS)
    with engine.connect() as connection:
        assert connection.execute(text(named)).all() == []
    assert faults(settings, engine) == []


def test_a_high_roof_is_within_its_tile(
    load: Any, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    said = {"measuredHeight": 3.0}  # far less than the solid is high
    item = {"type": "Building", "attributes": said, "geometry": [solid()]}
    load(document(tmp_path / "c.city.json", {"B": item}, corners(eaves=85.0, ridge=88.0)))
    build(settings, engine, BUILDINGS)
    assert faults(settings, engine) == []
