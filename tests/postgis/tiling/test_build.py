"""Tilesets out of a database: every feature once, named skips, one switch, nothing lost between."""

import os
from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Any

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from sqlalchemy import Engine, text

from cim import derive
from cim.errors import TilingError
from cim.settings import Settings
from cim.store.copy import columns
from cim.store.queries.tiles import leaves as queries
from tests.squares import TYPES
from tiling.check.reading import read_glb, read_subtree
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS, LAYERS, UNITS
from tiling.city.members import place_all
from tiling.commands.tile import tile
from tiling.disk.folder import KEPT, Folder
from tiling.formats.subtree import CLASS, LEVELS
from tiling.run import batch
from tiling.run.build import build
from tiling.run.pool import Pool

COUNT = 40


def footprints(count: int, west: float = 113.75) -> list[shapely.Geometry]:
    """Blocks of 30 by 12 metres in a row, every fifth with a courtyard."""
    made = []
    for number in range(count):
        block = shapely.box(0, 0, 30, 12)
        if number % 5 == 4:
            block = shapely.box(0, 0, 40, 40).difference(shapely.box(12, 12, 28, 28))
        made.append(
            shapely.multipolygons(
                [shapely.transform(block, lambda p, n=number: p * 9e-6 + [west + n * 6e-4, 23.02])]
            )
        )
    return made


def insert(engine: Engine, settings: Settings, shapes: list[shapely.Geometry]) -> None:
    count = len(shapes)
    numbers = np.arange(count)
    rows: dict[str, Any] = {
        "footprint": shapely.to_wkb(np.array(shapes)).tolist(),
        "footprint_area": np.full(count, 360.0),
        "height": 3.0 * (1 + numbers % 6),
        "height_method": ["given"] * count,
        "floors_above": 1 + numbers % 6,
        "floors_below": (numbers % 3 == 0).astype(int),
        "floors_method": ["given"] * count,
        "ground_elev": np.full(count, 12.5),
        "use_code": ["residential"] * count,
        "state": ["existing"] * count,
    }
    with engine.begin() as connection:
        columns.write(connection, "city.building", rows, TYPES)
        derive.run(connection, settings)


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    insert(engine, settings, footprints(COUNT))
    return settings.model_copy(update={"geoid_offset": -4.25})


def one(engine: Engine, statement: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(statement)).scalar_one()


def ids(folder: Path) -> list[int]:
    found = [read_glb(file).column("id").tolist() for file in sorted(folder.rglob("*.glb"))]
    return sorted(identity for tile_ids in found for identity in tile_ids)


def test_tables_that_are_empty_are_not_sampled(engine: Engine) -> None:
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM city.building")) == 0
        assert connection.scalars(queries.unsampled()).all() == []


@pytest.mark.parametrize(("layer", "table"), [(BUILDINGS, "building"), (UNITS, "unit")])
def test_every_feature_is_in_one_tile_and_every_tile_is_sound(
    city: Settings, engine: Engine, layer: Any, table: str
) -> None:
    built = build(city, engine, layer)
    with engine.connect() as connection:
        present = connection.scalars(text(f"SELECT id FROM city.{table} ORDER BY id")).all()
    report = check(built.path / "current")
    assert report.faults == []
    assert ids(built.path / "current") == list(present) != []
    assert built.features == len(present) and not built.skipped


def test_the_run_is_on_record(city: Settings, engine: Engine) -> None:
    built = build(city, engine, UNITS)
    with engine.connect() as connection:
        (row,) = [row for row in connection.execute(queries.listed()) if row.name == "units"]
    assert (row.version, row.feature_count, row.tile_count) == (
        built.version,
        built.features,
        built.tiles,
    )
    assert row.height_shift == -4.25 and row.skipped == 0
    size = sum(file.stat().st_size for file in (built.path / "current/content").rglob("*.*"))
    assert row.bytes == size
    members = "SELECT count(DISTINCT building_id) FROM platform.tile_member WHERE tileset = 'units'"
    assert one(engine, members) == COUNT


def test_units_stand_at_their_storeys_above_the_ellipsoid(city: Settings, engine: Engine) -> None:
    built = build(city, engine, UNITS)
    lowest, highest = np.inf, -np.inf
    for file in (built.path / "current").rglob("*.subtree"):
        found = read_subtree(file, LEVELS)
        regions = found.rows({"classes": {"tile": CLASS}}, "TILE_BOUNDING_REGION")
        assert regions is not None
        lowest, highest = min(lowest, regions[:, 4].min()), max(highest, regions[:, 5].max())
    with engine.connect() as connection:
        bottom, top = connection.execute(
            text("SELECT min(elev_bottom), max(elev_top) FROM city.storey")
        ).one()
    assert bottom < 0
    assert (lowest, highest) == pytest.approx((12.5 + bottom - 4.25, 12.5 + top - 4.25), abs=0.04)


def test_the_same_city_gives_the_same_version_and_leaves_its_files_alone(
    city: Settings, engine: Engine
) -> None:
    first = build(city, engine, BUILDINGS)
    stamps = {file: file.stat().st_mtime_ns for file in first.path.rglob("*.glb")}
    second = build(city, engine, BUILDINGS)
    assert second.version == first.version
    assert {file: file.stat().st_mtime_ns for file in second.path.rglob("*.glb")} == stamps


def test_processes_make_the_same_bytes(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = build(city, engine, UNITS)
    monkeypatch.setattr(batch, "LEAST", 1)
    with Pool(2) as executor:
        again = build(city, engine, UNITS, executor=executor)
    assert again.version == alone.version and again.changed == again.tiles > 1


def test_tasks_hold_every_building_once_and_split_no_tile(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LEAST", 1)
    with engine.connect() as connection:
        members = place_all(connection, UNITS)
    with Pool(8) as executor:
        tasks = batch.tasks_of(members, executor)
    assert 1 < len(tasks) <= 2 * batch.TASKS * executor.workers
    assert np.concatenate([task.ids for task in tasks]).tolist() == members.building_id.tolist()
    assert [key for task in tasks for key in task.keys] == members.keys()
    assert all(set(task.tile.tolist()) == set(range(len(task.keys))) for task in tasks)


def test_a_dry_run_makes_every_tile_of_a_city_that_was_never_tiled(
    city: Settings, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM platform.tile_member"))
        connection.execute(text("DELETE FROM platform.tile"))
    built = build(city, engine, BUILDINGS, dry_run=True)
    assert built.features == COUNT
    assert one(engine, "SELECT count(*) FROM platform.tile_member") == 0


def test_a_dry_run_touches_neither_disk_nor_database(
    city: Settings, engine: Engine, tmp_path: Path
) -> None:
    build(city, engine, BUILDINGS)
    before = one(engine, "SELECT built_at FROM platform.tileset WHERE name = 'buildings'")
    elsewhere = city.model_copy(update={"data_dir": tmp_path})
    built = build(elsewhere, engine, BUILDINGS, dry_run=True)
    assert built.features == COUNT and built.tiles > 0
    assert list(tmp_path.iterdir()) == []
    assert one(engine, "SELECT built_at FROM platform.tileset WHERE name = 'buildings'") == before


@pytest.fixture
def changed(city: Settings, engine: Engine) -> Iterator[None]:
    """One building is higher while the test runs, and another has a broken outline."""
    ring = "113.75 23.1,113.751 23.101,113.751 23.1,113.75 23.1013,113.75 23.1"
    bow = f"SRID=4490;MULTIPOLYGON((({ring})))"
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id = 1"))
        kept = connection.scalar(text("SELECT footprint::text FROM city.building WHERE id = 2"))
        connection.execute(
            text("UPDATE city.building SET footprint = CAST(:bow AS geometry) WHERE id = 2"),
            {"bow": bow},
        )
    yield
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height - 1 WHERE id = 1"))
        connection.execute(
            text("UPDATE city.building SET footprint = CAST(:kept AS geometry) WHERE id = 2"),
            {"kept": kept},
        )


def test_a_feature_that_cannot_be_drawn_is_named_and_the_rest_is_there(
    city: Settings, engine: Engine, changed: None
) -> None:
    built = build(city, engine, BUILDINGS)
    assert sum(built.skipped.values()) == 1 and built.features == COUNT - 1
    assert check(built.path / "current").faults == []
    with engine.connect() as connection:
        (row,) = connection.execute(queries.skipped("buildings", 10)).all()
    assert row.object_id == 2 and row.reason_en and row.reason_zh


@pytest.mark.parametrize("options", [[], ["--dry-run"]])
def test_a_run_names_the_first_it_left_out_and_counts_the_rest(
    city: Settings, changed: None, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", str(city.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    words = ["build", "--tileset", "buildings", "--jobs", "1", *options]
    said = CliRunner().invoke(tile, words, catch_exceptions=False).output
    assert "1 × its outline crosses itself" in said, said
    assert "    2: its outline crosses itself / 轮廓自相交" in said and "more, see" not in said
    monkeypatch.setattr("tiling.run.publish.NAMED", 0)
    monkeypatch.setattr("tiling.run.build.NAMED", 0)
    said = CliRunner().invoke(tile, words, catch_exceptions=False).output
    assert "    2: " not in said and "… 1 more, see platform.tile_skip" in said, said


def test_versions_stay_for_visits_under_way_and_old_ones_go(
    city: Settings, engine: Engine, changed: None, tmp_path: Path
) -> None:
    settings = city.model_copy(update={"data_dir": tmp_path})
    folder = tmp_path / "tiles/buildings"
    versions = [build(settings, engine, BUILDINGS).version]
    for height in (50, 60, 70):
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE city.building SET height = {height} WHERE id = 3"))
        versions.append(build(settings, engine, BUILDINGS).version)
        old = time() - KEPT - 1  # of those replaced before this one
        for version in versions[:-2]:
            if (folder / version).is_dir():
                os.utime(folder / version, (old, old))
    build(settings, engine, BUILDINGS)
    assert len(set(versions)) == 4
    stand = {path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."}
    assert stand == {*versions[2:], "current"}
    assert os.readlink(folder / "current") == versions[3]


def test_two_builds_of_one_tileset_are_refused(city: Settings, engine: Engine) -> None:
    with (
        Folder(city.tiles_dir / "buildings"),
        pytest.raises(TilingError, match="another build of buildings"),
    ):
        build(city, engine, BUILDINGS)
    assert build(city, engine, BUILDINGS).features == COUNT


def test_a_build_that_fails_leaves_what_was_served(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = build(city, engine, BUILDINGS)
    grid = city.model_copy(update={"geoid_grid": Path("egm2008.tif")})
    with pytest.raises(TilingError, match="no geoid grid"):
        build(grid, engine, BUILDINGS)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(TilingError, match="the disk is full"):
        build(city, engine, BUILDINGS)
    monkeypatch.undo()
    assert os.readlink(before.path / "current") == before.version
    assert check(before.path / "current").faults == []
    assert not list(before.path.glob(".fresh-*"))
    recorded = "SELECT version FROM platform.tileset WHERE name = 'buildings'"
    assert one(engine, recorded) == before.version


def test_units_without_a_place_of_their_own_are_not_drawn(city: Settings, engine: Engine) -> None:
    built = build(city, engine, UNITS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.unit SET geom_status = 'none' WHERE building_id = 1"))
    fewer = build(city, engine, UNITS)
    gone = one(engine, "SELECT count(*) FROM city.unit WHERE building_id = 1")
    assert built.features - fewer.features == gone > 0


def test_the_commands_build_check_and_list(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert city.database_url
    monkeypatch.setenv("CIM_DATABASE_URL", city.database_url)
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    run = CliRunner()
    built = run.invoke(tile, ["build", "--jobs", "1"], catch_exceptions=False)
    assert built.exit_code == 0 and f"buildings: {COUNT} features" in built.output
    assert "个要素" in built.output and "heights +0.00 m (constant)" in built.output
    checked = run.invoke(tile, ["check"], catch_exceptions=False)
    assert checked.exit_code == 0, checked.output
    assert checked.output.count(" 0 faults") == len(LAYERS) + 1  # and the root above them
    listed = run.invoke(tile, ["list"], catch_exceptions=False)
    assert [line.split()[0] for line in listed.output.splitlines()] == sorted(LAYERS)
    next((city.tiles_dir / "units/current").rglob("*.glb")).write_bytes(b"glTF")
    assert run.invoke(tile, ["check"], catch_exceptions=False).exit_code == 1


def test_an_empty_city_has_an_empty_tileset(city: Settings, engine: Engine, tmp_path: Path) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET state = 'demolished'"))
    for layer in LAYERS.values():
        built = build(city.model_copy(update={"data_dir": tmp_path}), engine, layer)
        assert built.features == 0
        assert check(built.path / "current").faults == []
