"""Tiles follow the city: what is touched is marked, built anew, and is what a full build makes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from sqlalchemy import Engine, text

from cim import derive
from cim.errors import TilingError
from cim.settings import Settings
from cim.store.copy import columns
from cim.store.incoming import bulk
from tiling.check.reading import read_glb
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS, LAYERS, UNITS, Layer
from tiling.disk.folder import LONGEST, Folder, complete, version_at
from tiling.formats.tiles3d import content_path
from tiling.formats.tree import Key
from tiling.run import build as runs
from tiling.run.build import build
from tiling.run.update import outdated, update

COUNT = 60
TYPES = {"footprint": "geometry", "footprint_area": "float8", "height": "float8"}
TYPES |= {"height_method": "text", "floors_above": "int2", "floors_method": "text"}
TYPES |= {"use_code": "text"}


def insert(engine: Engine, settings: Settings, count: int, seed: int = 1) -> None:
    """Buildings of several sizes over several kilometres, with storeys and units."""
    random = np.random.default_rng(seed)
    west, south = 113.75 + random.uniform(0, 0.06, count), 23.0 + random.uniform(0, 0.06, count)
    size = random.uniform(1e-4, 6e-4, count)
    shapes = [
        shapely.MultiPolygon([box]) for box in shapely.box(west, south, west + size, south + size)
    ]
    floors = random.integers(1, 7, count)
    rows: dict[str, Any] = {
        "footprint": shapely.to_wkb(np.array(shapes)).tolist(),
        "footprint_area": np.full(count, 900.0),
        "height": 3.0 * floors,
        "height_method": ["given"] * count,
        "floors_above": floors,
        "floors_method": ["given"] * count,
        "use_code": ["residential"] * count,
    }
    with engine.begin() as connection:
        columns.write(connection, "city.building", rows, TYPES)
        derive.run(connection, settings)


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    insert(engine, settings, COUNT)
    for layer in LAYERS.values():
        build(settings, engine, layer)
    return settings


@pytest.fixture(autouse=True)
def current(city: Settings, engine: Engine) -> None:
    """Every test begins with tiles that are true."""
    for layer in LAYERS.values():
        update(city, engine, layer)


def sql(engine: Engine, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def files(settings: Settings, layer: Layer) -> dict[str, bytes]:
    """Every file of what is served now, by its path."""
    found = version_at(settings.tiles_dir / layer.name / "current").files()
    return {path: file.read_bytes() for path, file in found.items()}


def anew(settings: Settings, engine: Engine, layer: Layer, folder: Path) -> dict[str, bytes]:
    """Every file of a full build elsewhere."""
    elsewhere = settings.model_copy(update={"data_dir": folder})
    build(elsewhere, engine, layer)
    return files(elsewhere, layer)


def marks(engine: Engine, layer: Layer = BUILDINGS) -> set[int | None]:
    with engine.connect() as connection:
        found = connection.scalars(
            text("SELECT building_id FROM platform.tile_touched WHERE tileset = :name"),
            {"name": layer.name},
        )
        return set(found)


EDITS = (
    "UPDATE city.building SET height = height + 7 WHERE id = :one",
    "UPDATE city.building SET footprint = ST_Translate(footprint, 0.02, 0.01) WHERE id = :one",
    "UPDATE city.building SET state = 'demolished' WHERE id = :one",
    "UPDATE city.building SET use_code = 'office' WHERE id IN (:one, :other)",
    "UPDATE city.unit SET ended_at = now() WHERE building_id = :one",
    "UPDATE city.unit SET kind = 'office' WHERE building_id = :one",
    "UPDATE city.storey SET elev_top = elev_top + 0.5 WHERE building_id = :one",
    "UPDATE city.floor_slot SET outline = NULL WHERE plan_id IN "
    "(SELECT id FROM city.floor_plan WHERE building_id = :one)",
    "UPDATE city.building SET ground_elev = ground_elev + 2 WHERE id IN (:one, :other)",
    "DELETE FROM city.unit_storey WHERE unit_id IN "
    "(SELECT id FROM city.unit WHERE building_id = :one)",
    "UPDATE city.building SET state = 'existing'",
    "UPDATE city.building SET footprint = ST_Multi(ST_GeomFromText("
    "'POLYGON((113.8 23,113.81 23.01,113.81 23,113.8 23.013,113.8 23))', 4490)) WHERE id = :one",
)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=lambda layer: layer.name)
def test_after_random_edits_an_update_has_the_bytes_of_a_full_build(
    city: Settings, engine: Engine, layer: Layer, tmp_path: Path
) -> None:
    random = np.random.default_rng(7)
    for turn in range(4):
        for edit in random.choice(EDITS, 3):
            one, other = (int(value) for value in random.integers(1, COUNT + 1, 2))
            sql(engine, str(edit), **({"one": one} if ":one" in edit else {}),
                **({"other": other} if ":other" in edit else {}))  # fmt: skip
        built = update(city, engine, layer)
        assert files(city, layer) == anew(city, engine, layer, tmp_path / str(turn))
        assert os.readlink(city.tiles_dir / layer.name / "current") == built.version


def test_an_update_builds_the_tile_that_changed_and_no_other(
    city: Settings, engine: Engine
) -> None:
    before = files(city, BUILDINGS)
    sql(engine, "UPDATE city.building SET height = height + 1 WHERE id = 5")
    assert len(outdated(engine, BUILDINGS)) == 1 and marks(engine) == {5}
    built = update(city, engine, BUILDINGS)
    after = files(city, BUILDINGS)
    assert built.changed == 1 and not marks(engine)
    tiles = {path for path in after if path.endswith(".glb") and after[path] != before.get(path)}
    assert len(tiles) == 1
    stored = {path for path in after if (city.tiles_dir / "buildings/current" / path).is_file()}
    assert stored >= tiles and len(stored) < len(after)


def test_nothing_touched_is_nothing_done(city: Settings, engine: Engine) -> None:
    before = os.readlink(city.tiles_dir / "buildings/current")
    built = update(city, engine, BUILDINGS)
    assert (built.changed, built.version) == (0, before)
    assert outdated(engine, BUILDINGS) == []


def test_columns_that_no_tile_shows_are_no_change(city: Settings, engine: Engine) -> None:
    sql(engine, "UPDATE city.building SET name = 'x', updated_at = now()")
    sql(engine, "UPDATE city.unit SET occupancy_status = '出租'")
    assert marks(engine) == set() == marks(engine, UNITS)


def test_loads_that_switch_triggers_off_mark_too(city: Settings, engine: Engine) -> None:
    with engine.begin() as connection, bulk.trusted(connection) as trusted:
        assert trusted
        connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id = 9"))
    assert marks(engine) == {9}


def test_whatever_a_building_hangs_together_of_marks_it(city: Settings, engine: Engine) -> None:
    for edit in (
        "UPDATE city.storey SET elev_top = elev_top + 1 WHERE building_id = 3",
        "UPDATE city.unit SET kind = 'retail' WHERE building_id = 3",
        "UPDATE city.floor_plan SET outline = (SELECT footprint FROM city.building WHERE id = 4) "
        "WHERE building_id = 3",
        "UPDATE city.floor_slot SET outline = (SELECT footprint FROM city.building WHERE id = 4) "
        "WHERE plan_id IN (SELECT id FROM city.floor_plan WHERE building_id = 3)",
        "INSERT INTO city.unit_storey SELECT u.id, max(s.id) + 999999 FROM city.unit u "
        "JOIN city.storey s USING (building_id) WHERE u.building_id = 3 GROUP BY u.id",
        "DELETE FROM city.unit_storey",
    ):
        sql(engine, "DELETE FROM platform.tile_touched")
        sql(engine, edit)
        assert marks(engine, UNITS) == {3}, edit
        assert marks(engine) == set()


def test_rows_that_move_to_another_building_mark_both(city: Settings, engine: Engine) -> None:
    with engine.connect() as connection:
        moved = connection.scalar(text("SELECT max(id) FROM city.unit WHERE building_id = 3"))
    sql(engine, "UPDATE city.unit SET building_id = 4, room_no = 'x' WHERE id = :id", id=moved)
    assert marks(engine, UNITS) == {3, 4}
    sql(engine, "UPDATE city.unit SET building_id = 3 WHERE id = :id", id=moved)


def test_an_edit_rolled_back_leaves_no_mark(city: Settings, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("UPDATE city.building SET height = 1"))
        connection.rollback()
    assert marks(engine) == set()


class Stopped(Exception):
    """Stands for whatever ends a run."""


@pytest.fixture
def after_two(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Runs end after two tiles, as often as is left in the list."""
    carry_out, left = runs.carry_out, [2]

    def broken(*args: Any) -> Iterator[Any]:
        for number, done in enumerate(carry_out(*args)):
            if left and number == left[0]:
                raise Stopped
            yield done

    monkeypatch.setattr(runs, "carry_out", broken)
    yield left


def test_a_build_that_was_broken_off_goes_on_with_what_is_left(
    city: Settings, engine: Engine, after_two: list[int], tmp_path: Path
) -> None:
    served = files(city, UNITS)
    with pytest.raises(Stopped):
        build(city, engine, UNITS)
    assert files(city, UNITS) == served
    with engine.connect() as connection:
        made = text("SELECT level, cell FROM platform.tile WHERE tileset = 'units' AND state = 1")
        begun = [Key(*row) for row in connection.execute(made)]
    work = city.tiles_dir / "units/.work"
    stamps = {path: (work / path).stat().st_mtime_ns for path in map(content_path, begun)}
    assert len(stamps) == 2
    sql(engine, "UPDATE city.building SET ground_elev = 9 WHERE id = 8")
    after_two.clear()
    built = build(city, engine, UNITS)
    kept = city.tiles_dir / "units" / built.version
    assert any((kept / path).stat().st_mtime_ns == at for path, at in stamps.items())
    assert files(city, UNITS) == anew(city, engine, UNITS, tmp_path)
    assert check(kept).faults == []


def test_a_tile_that_empties_after_it_was_made_is_not_left_over(
    city: Settings, engine: Engine, after_two: list[int], tmp_path: Path
) -> None:
    sql(engine, "UPDATE city.building SET height = height + 1")
    with pytest.raises(Stopped):
        update(city, engine, UNITS)
    made = sorted((city.tiles_dir / "units/.work").rglob("*.glb"))
    gone = read_glb(made[0]).column("building_id").tolist()
    sql(engine, "UPDATE city.building SET state = 'demolished' WHERE id = ANY(:ids)", ids=gone)
    after_two.clear()
    update(city, engine, UNITS)
    assert files(city, UNITS) == anew(city, engine, UNITS, tmp_path)
    sql(engine, "UPDATE city.building SET state = 'existing'")


def test_what_is_damaged_while_a_run_lies_is_built_again(
    city: Settings, engine: Engine, after_two: list[int], tmp_path: Path
) -> None:
    with pytest.raises(Stopped):
        build(city, engine, UNITS)
    damaged = next((city.tiles_dir / "units/.work").rglob("*.glb"))
    damaged.write_bytes(b"glTF")
    after_two.clear()
    build(city, engine, UNITS)
    assert files(city, UNITS) == anew(city, engine, UNITS, tmp_path)


@pytest.mark.parametrize("where", ["finish", "switch"])
def test_an_update_that_breaks_at_its_end_is_made_good_by_the_next(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    served = files(city, BUILDINGS)

    def fail(*_: object) -> None:
        raise Stopped

    sql(engine, "UPDATE city.building SET height = height + 1 WHERE id IN (6, 20)")
    monkeypatch.setattr(Folder, where, fail)
    with pytest.raises(Stopped):
        update(city, engine, BUILDINGS)
    monkeypatch.undo()
    assert files(city, BUILDINGS) == served
    update(city, engine, BUILDINGS)
    assert files(city, BUILDINGS) == anew(city, engine, BUILDINGS, tmp_path) != served


def test_an_update_whose_record_is_lost_after_its_files_is_made_good_by_the_next(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    publish = runs.publish

    def fail(*words: Any) -> None:
        publish(*words)
        raise Stopped

    sql(engine, "UPDATE city.building SET height = height + 3 WHERE id IN (7, 21)")
    sql(engine, "UPDATE city.building SET state = 'demolished' WHERE id = 30")
    monkeypatch.setattr(runs, "publish", fail)
    with pytest.raises(Stopped):
        update(city, engine, BUILDINGS)
    monkeypatch.undo()
    sql(engine, "UPDATE city.building SET state = 'existing' WHERE id = 30")
    update(city, engine, BUILDINGS)
    assert files(city, BUILDINGS) == anew(city, engine, BUILDINGS, tmp_path)


def test_a_visit_keeps_its_version_and_long_chains_are_made_whole(
    city: Settings, engine: Engine
) -> None:
    began = os.readlink(city.tiles_dir / "buildings/current")
    before = files(city, BUILDINGS)
    lengths = []
    for _ in range(LONGEST + 2):
        sql(engine, "UPDATE city.building SET height = height + 1 WHERE id = 11")
        update(city, engine, BUILDINGS)
        lengths.append(len(version_at(city.tiles_dir / "buildings/current").steps))
    assert max(lengths) == LONGEST and 1 in lengths
    visit = version_at(city.tiles_dir / "buildings" / began).files()
    assert {path: file.read_bytes() for path, file in visit.items()} == before
    complete(city.tiles_dir / "buildings/current")
    assert check(city.tiles_dir / "buildings/current").faults == []


def test_an_edit_taken_back_leads_back_to_the_version_before(
    city: Settings, engine: Engine
) -> None:
    began = os.readlink(city.tiles_dir / "buildings/current")
    sql(engine, "UPDATE city.building SET height = height + 1 WHERE id = 12")
    there = update(city, engine, BUILDINGS).version
    sql(engine, "UPDATE city.building SET height = height - 1 WHERE id = 12")
    assert update(city, engine, BUILDINGS).version == began != there


def test_tiles_that_empty_and_fill_again(city: Settings, engine: Engine, tmp_path: Path) -> None:
    sql(engine, "UPDATE city.building SET state = 'demolished' WHERE id > 10")
    update(city, engine, BUILDINGS)
    assert files(city, BUILDINGS) == anew(city, engine, BUILDINGS, tmp_path / "few")
    sql(engine, "UPDATE city.building SET state = 'existing'")
    update(city, engine, BUILDINGS)
    assert files(city, BUILDINGS) == anew(city, engine, BUILDINGS, tmp_path / "all")


def test_a_damaged_tileset_is_put_right_by_a_full_build(city: Settings, engine: Engine) -> None:
    before = files(city, BUILDINGS)
    described = version_at(city.tiles_dir / "buildings/current").find("tileset.json")
    assert described
    described.write_bytes(b"{}")
    build(city, engine, BUILDINGS)
    assert files(city, BUILDINGS) == before


def test_two_runs_on_one_tileset_are_refused_wherever_they_are(
    city: Settings, engine: Engine, tmp_path: Path
) -> None:
    elsewhere = city.model_copy(update={"data_dir": tmp_path})
    with runs.held(engine, "buildings"), pytest.raises(TilingError, match="another build"):
        update(elsewhere, engine, BUILDINGS)
    update(city, engine, BUILDINGS)


def test_a_truncated_table_marks_all(city: Settings, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("TRUNCATE city.unit_storey"))
        found = connection.scalars(text("SELECT tileset FROM platform.tile_touched")).all()
        assert found == ["units"]
        connection.rollback()
