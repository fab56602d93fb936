"""Terrain from the file to the ground that buildings stand on."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Engine, select, text

from cim.cli import main
from cim.commands.check import examine
from cim.derive import ground as derived
from cim.model.buildings import building
from cim.settings import Settings
from cim.store import terrain as rasters
from cim.store.queries.incoming.load import LOCK, bound
from cim.store.queries.terrain import SKIRT, foot
from tiling.city.layers import LAYERS

WEST, NORTH, CELL = 113.70, 23.10, 0.0002
Rows = list[tuple[Any, ...]]


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(autouse=True)
def clean(engine: Engine, settings: Settings) -> Iterator[None]:
    yield
    with engine.begin() as connection:
        connection.execute(
            text("TRUNCATE city.building, city.terrain, platform.change, platform.data_import,"
                 " platform.derived, platform.quarantine CASCADE")
        )  # fmt: skip
    for path in rasters.folder(settings).glob("*"):
        path.unlink()


def dem(path: Path, values: np.ndarray, west: float = WEST, **profile: Any) -> Path:
    height, width = values.shape
    what = {"driver": "GTiff", "dtype": "float32", "count": 1, "crs": "EPSG:4490"} | profile
    transform = Affine(CELL, 0, west, 0, -CELL, NORTH)
    with rasterio.open(path, "w", width=width, height=height, transform=transform, **what) as file:
        file.write(values.astype(what["dtype"]), 1)
    return path


def slope(folder: Path, name: str = "slope", *, lift: float = 0.0, **profile: Any) -> Path:
    """20 m in the west, rising a metre a cell to the east."""
    values = np.broadcast_to(20 + lift + np.arange(100.0), (100, 100))
    return dem(folder / f"{name}.tif", values, **profile)


def houses(folder: Path, cells: dict[str, float], **columns: dict[str, Any]) -> Path:
    """Houses two cells wide, by name the column in which each begins; CSV with their outlines."""
    lines = [",".join(["编号", "高度", *columns, "wkt"])]
    for name, column in cells.items():
        west, south = WEST + (column + 0.5) * CELL, NORTH - 50 * CELL
        outline = shapely.box(west, south, west + 2 * CELL, south + 3 * CELL).wkt
        values = [str(of.get(name, "")) for of in columns.values()]
        lines.append(",".join([name, "9", *values, f'"{outline}"']))
    path = folder / "houses.csv"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def grounds(engine: Engine) -> dict[str, tuple[Any, ...]]:
    with engine.connect() as connection:
        found = connection.execute(
            text("SELECT ext_id, ground_elev, ground_method, ground_low, ground_high"
                 " FROM city.building ORDER BY ext_id")
        ).all()  # fmt: skip
    return {row[0]: tuple(row[1:]) for row in found}


def value(engine: Engine, sql: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(text(sql)).scalar_one()


def load(cim: Callable[..., Result], *words: object) -> str:
    done = cim("load", *words)
    assert done.exit_code == 0, done.output
    return done.output


def test_houses_stand_on_the_lowest_ground_under_them_whichever_came_first(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    first = houses(tmp_path, {"A": 10, "B": 40, "far": 400})
    load(cim, "buildings", first, "--crs", "4490")
    assert grounds(engine)["A"] == (0.0, "default", None, None)
    said = load(cim, "terrain", slope(tmp_path))
    stands = {"A": (30.0, "terrain", 30.0, 32.0), "B": (60.0, "terrain", 60.0, 62.0),
              "far": (0.0, "default", None, None)}  # fmt: skip
    assert grounds(engine) == stands
    assert "of 3 buildings 1 stand where no terrain is" in said
    assert "3 幢中有 1 幢位于地形范围之外" in said
    later = houses(tmp_path, {"C": 70}).rename(tmp_path / "later.csv")
    load(cim, "buildings", later, "--crs", "4490")
    assert grounds(engine) == stands | {"C": (90.0, "terrain", 90.0, 92.0)}
    told = "SELECT count(*) FROM platform.change WHERE before ->> 'ground_elev' = '0'"
    assert value(engine, told) == 2


def test_what_a_file_gives_wins_over_the_terrain(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    load(cim, "terrain", slope(tmp_path))
    path = houses(tmp_path, {"A": 10, "B": 40}, 地面高程={"A": 31.5})
    load(cim, "buildings", path, "--crs", "4490")
    stands = {"A": (31.5, "given", 30.0, 32.0), "B": (60.0, "terrain", 60.0, 62.0)}
    assert grounds(engine) == stands
    load(cim, "terrain", slope(tmp_path, lift=5.0))
    moved = {"A": (31.5, "given", 35.0, 37.0), "B": (65.0, "terrain", 65.0, 67.0)}
    assert grounds(engine) == moved
    silent = houses(tmp_path, {"A": 10, "B": 40})  # a file that does not speak of the ground
    said = load(cim, "buildings", silent, "--crs", "4490")
    assert "unchanged 未变" in said
    assert grounds(engine) == moved
    for column in (80, 90):  # until it is moved
        path = houses(tmp_path, {"A": 10, "B": column}, 地面高程={"A": 31.5})
        load(cim, "buildings", path, "--crs", "4490")
        assert grounds(engine)["B"] == (25.0 + column, "terrain", 25.0 + column, 27.0 + column)


def test_the_same_again_changes_nothing(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    load(cim, "terrain", slope(tmp_path), "--surveyed", "2024-05-01")
    load(cim, "buildings", houses(tmp_path, {"A": 10}), "--crs", "4490")
    before = value(engine, "SELECT max(id) FROM platform.change")
    said = load(cim, "terrain", slope(tmp_path), "--surveyed", "2024-05-01")
    assert "1" in next(line for line in said.splitlines() if "unchanged 未变" in line)
    assert str(value(engine, "SELECT survey_date FROM city.terrain")) == "2024-05-01"
    assert "0 buildings was set" in said
    assert value(engine, "SELECT max(id) FROM platform.change") == before
    assert value(engine, "SELECT count(*) FROM city.terrain") == 1
    assert len(list(rasters.folder(settings).iterdir())) == 1


def test_of_rasters_that_overlap_the_one_loaded_last_counts(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    load(cim, "buildings", houses(tmp_path, {"A": 10, "B": 80}), "--crs", "4490")
    half = dem(tmp_path / "half.tif", np.full((100, 50), 500.0))
    load(cim, "terrain", slope(tmp_path), half)
    assert grounds(engine) == {"A": (500.0, "terrain", 500.0, 500.0),
                               "B": (100.0, "terrain", 100.0, 102.0)}  # fmt: skip
    load(cim, "terrain", slope(tmp_path, lift=1.0))
    assert grounds(engine)["A"][0] == 31.0


def test_holes_and_ends_of_the_terrain_leave_buildings_as_they_were_and_are_found(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    load(cim, "buildings", houses(tmp_path, {"A": 10, "B": 40, "C": 99}), "--crs", "4490")
    values = np.broadcast_to(20 + np.arange(100.0), (100, 100)).copy()
    values[:, 5:20] = -32768
    said = load(cim, "terrain", dem(tmp_path / "holes.tif", values, dtype="int16"))
    assert "1,500 cells (15.0%) have no height" in said
    assert grounds(engine) == {"A": (0.0, "default", None, None),
                               "B": (60.0, "terrain", 60.0, 62.0),
                               "C": (0.0, "default", None, None)}  # fmt: skip
    with engine.begin() as connection:
        found = {one["name"]: one["count"] for one in examine(connection)["findings"]}
    assert (found["no_ground"], found["off_ground"], found["sunk"]) == (2, 0, 0)


def test_a_given_ground_far_off_the_terrain_is_found_and_so_is_a_sunk_house(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    steep = np.broadcast_to(20 + 8 * np.arange(100.0), (100, 100))
    load(cim, "terrain", dem(tmp_path / "steep.tif", steep))
    path = houses(tmp_path, {"A": 10, "B": 40}, 地面高程={"A": 31.5})
    load(cim, "buildings", path, "--crs", "4490")
    with engine.begin() as connection:
        found = {one["name"]: one["count"] for one in examine(connection)["findings"]}
    assert (found["no_ground"], found["off_ground"], found["sunk"]) == (0, 1, 2)


def test_a_dry_run_keeps_nothing_and_a_look_needs_no_city(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    load(cim, "buildings", houses(tmp_path, {"A": 10}), "--crs", "4490")
    assert "dry run" in load(cim, "terrain", slope(tmp_path), "--dry-run")
    assert grounds(engine)["A"] == (0.0, "default", None, None)
    assert value(engine, "SELECT count(*) FROM city.terrain") == 0
    said = load(cim, "--inspect", slope(tmp_path))
    assert "20 to 119 m above the city's height datum" in said
    assert '"terrain"' in load(cim, "--inspect", slope(tmp_path), "--json")


def test_a_crash_leaves_the_old_ground_and_what_it_left_is_tidied(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    load(cim, "buildings", houses(tmp_path, {"A": 10, "B": 40}), "--crs", "4490")
    load(cim, "terrain", slope(tmp_path))
    before, known = grounds(engine), set(rasters.folder(settings).iterdir())
    settle = derived.settle

    def crash(*words: Any, **named: Any) -> Any:
        settle(*words, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(derived, "settle", crash)
        assert cim("load", "terrain", slope(tmp_path, lift=9.0)).exit_code != 0
    assert grounds(engine) == before
    left = set(rasters.folder(settings).iterdir()) - known
    assert len(left) == 1, "the file of the load that failed"
    monkeypatch.setattr(rasters, "SPARED", -1.0)
    load(cim, "terrain", slope(tmp_path))
    assert set(rasters.folder(settings).iterdir()) == known
    load(cim, "terrain", slope(tmp_path, lift=9.0))
    assert grounds(engine)["A"] == (39.0, "terrain", 39.0, 41.0)


def test_several_files_come_in_together_or_not_at_all(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "bad.tif").write_text("no raster")
    done = cim("load", "terrain", slope(tmp_path), tmp_path / "bad.tif")
    assert done.exit_code != 0
    assert "bad.tif" in done.output
    assert value(engine, "SELECT count(*) FROM city.terrain") == 0


def test_heights_above_the_ellipsoid_come_down_to_the_citys_datum(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIM_GEOID_OFFSET", "-4")
    load(cim, "buildings", houses(tmp_path, {"A": 10}), "--crs", "4490")
    load(cim, "terrain", slope(tmp_path, crs="EPSG:4979"))
    assert grounds(engine)["A"] == (34.0, "terrain", 34.0, 36.0)
    load(cim, "terrain", slope(tmp_path), "--heights", "1985")
    assert grounds(engine)["A"] == (30.0, "terrain", 30.0, 32.0)


def test_walls_reach_below_the_slope_and_where_there_is_no_terrain_to_the_ground(
    cim: Callable[..., Result], connection: Connection, engine: Engine, tmp_path: Path
) -> None:
    load(cim, "terrain", slope(tmp_path))
    path = houses(tmp_path, {"A": 10, "B": 40, "far": 400}, 地面高程={"A": 31.5, "far": 3.0})
    load(cim, "buildings", path, "--crs", "4490")
    with engine.connect() as own:
        found = dict(own.execute(select(building.c.ext_id, foot())).all())
    assert found == {"A": 30.0 - SKIRT, "B": 60.0 - SKIRT, "far": 3.0}
    read = [str(statement) for statement in LAYERS["buildings"].reads()]
    assert any("ground_low" in statement for statement in read), "so the tiles have it"


def test_rasters_that_a_full_load_does_not_name_end(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wrong = dem(tmp_path / "wrong.tif", np.full((100, 50), 500.0))
    load(cim, "terrain", slope(tmp_path), wrong)
    load(cim, "buildings", houses(tmp_path, {"A": 10}), "--crs", "4490")
    assert grounds(engine)["A"][0] == 500.0
    monkeypatch.setattr(rasters, "SPARED", -1.0)
    said = load(cim, "terrain", slope(tmp_path), "--full")
    assert "1" in next(line for line in said.splitlines() if "ended 已终止" in line)
    assert grounds(engine)["A"] == (30.0, "terrain", 30.0, 32.0)
    assert len(list(rasters.folder(settings).iterdir())) == 1
    load(cim, "terrain", wrong)
    assert grounds(engine)["A"][0] == 500.0, "it may come back"


def test_the_ground_does_not_change_under_a_load_of_buildings(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    path = slope(tmp_path)
    with ThreadPoolExecutor(1) as pool, engine.begin() as other:
        other.execute(bound(LOCK), {"kind": "buildings"})
        waiting = pool.submit(cim, "load", "terrain", path)
        with pytest.raises(TimeoutError):
            waiting.result(1.5)
        other.rollback()
        assert waiting.result(60).exit_code == 0


def test_a_raster_that_ends_takes_back_what_it_told_and_shows_what_lies_beneath(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    half = dem(tmp_path / "half.tif", np.full((100, 50), 500.0))
    said = load(cim, "terrain", slope(tmp_path), half)
    assert "it lies on top of slope" in said
    path = houses(tmp_path, {"A": 10, "B": 80, "C": 90}, 地面高程={"C": 7.5})
    load(cim, "buildings", path, "--crs", "4490")
    assert grounds(engine)["A"] == (500.0, "terrain", 500.0, 500.0)
    refused = cim("load", "terrain", "--end", "quarter")
    assert refused.exit_code != 0
    assert "there are, the topmost first: half, slope" in refused.output
    tried = load(cim, "terrain", "--end", "half", "--dry-run")
    assert "dry run" in tried
    assert grounds(engine)["A"][0] == 500.0
    said = load(cim, "terrain", "--end", "half")
    assert "1" in next(line for line in said.splitlines() if "ended 已终止" in line)
    assert grounds(engine)["A"] == (30.0, "terrain", 30.0, 32.0)
    said = load(cim, "terrain", "--end", "slope")
    assert "3 buildings stand on no terrain any more" in said
    assert "on the default ground, 0 m, stand buildings" in said
    left = (0.0, "default", None, None)
    assert grounds(engine) == {"A": left, "B": left, "C": (7.5, "given", None, None)}
    told = "SELECT count(*) FROM platform.change WHERE before ->> 'ground_elev' = '30'"
    assert value(engine, told) == 1
    load(cim, "terrain", slope(tmp_path))
    assert grounds(engine)["A"] == (30.0, "terrain", 30.0, 32.0), "it may come back"


def test_a_grid_that_is_missing_is_told_before_the_raster_is_read(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIM_GEOID_GRID", str(tmp_path / "gone.gtx"))
    done = cim("load", "terrain", slope(tmp_path), "--heights", "ellipsoid")
    assert done.exit_code != 0
    assert "no geoid grid at" in done.output and "找不到大地水准面格网" in done.output
    assert value(engine, "SELECT count(*) FROM city.terrain") == 0


def test_a_dem_that_ends_under_the_city_names_the_buildings_it_leaves(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    load(cim, "buildings", houses(tmp_path, {"A": 10, "far": 400}), "--crs", "4490")
    said = load(cim, "terrain", slope(tmp_path))
    far = value(engine, "SELECT id FROM city.building WHERE ext_id = 'far'")
    assert f"neither a file nor the terrain tells it; ids {far} " in " ".join(said.split())
