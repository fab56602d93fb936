"""Tiles of terrain follow the rasters: only what changed is made anew, as a full build makes it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from cim.cli import main
from cim.errors import TilingError
from cim.settings import Settings
from cim.store import terrain as rasters
from tiling.commands.following import follow
from tiling.disk.folder import Folder, store, version_at
from tiling.run.pool import Pool
from tiling.terrain import build as terrain
from tiling.terrain import parts as terrain_parts
from tiling.terrain.census import compare
from tiling.terrain.check import check

WEST, NORTH = 113.70, 23.10
Files = dict[str, bytes]


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))

    def run(*words: object) -> Result:
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done

    return run


@pytest.fixture(autouse=True)
def clean(engine: Engine, settings: Settings) -> Iterator[None]:
    yield
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.terrain, platform.data_import CASCADE"))
    for path in rasters.folder(settings).glob("*"):
        path.unlink()


@pytest.fixture
def elsewhere(settings: Settings, tmp_path: Path) -> Settings:
    """The same city, its tiles in another folder: where a full build can be made beside."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "terrain").symlink_to(rasters.folder(settings))
    return settings.model_copy(update={"data_dir": folder})


def dem(
    folder: Path, name: str, *, cell: float = 0.0005, size: int = 240, at: tuple[int, int] = (0, 0),
    lift: float = 0.0, hole: slice | None = None, **profile: Any,
) -> Path:  # fmt: skip
    """Waves of 40 m; `at` is how many cells of 0.0005° east and south of the corner it begins."""
    row, column = np.mgrid[0:size, 0:size]
    values = 200 + lift + 20 * np.sin(column * cell * 900) + 20 * np.cos(row * cell * 700)
    if hole:
        values[hole, hole] = -9999
    west, north = WEST + at[0] * 0.0005, NORTH - at[1] * 0.0005
    what = {"driver": "GTiff", "dtype": "float32", "count": 1, "crs": "EPSG:4490", "nodata": -9999}
    path = folder / f"{name}.tif"
    with rasterio.open(
        path, "w", width=size, height=size, transform=Affine(cell, 0, west, 0, -cell, north),
        **what | profile,
    ) as file:  # fmt: skip
        file.write(values.astype("float32"), 1)
    return path


def files(settings: Settings) -> Files:
    """Every file of what is served now, by its path."""
    found = version_at(settings.tiles_dir / "terrain" / "current").files()
    return {path: file.read_bytes() for path, file in found.items()}


def whole(elsewhere: Settings, engine: Engine) -> Files:
    """What a full build makes of the city as it is."""
    terrain.build(elsewhere, engine)
    return files(elsewhere)


def test_only_tiles_over_another_raster_are_made_anew_and_all_are_as_a_full_build_makes_them(
    cim: Callable[..., Result], engine: Engine, settings: Settings, elsewhere: Settings,
    tmp_path: Path,
) -> None:  # fmt: skip
    cim("load", "terrain", dem(tmp_path, "coarse", hole=slice(40, 60)))
    cim("tile", "build", "--tileset", "terrain")
    before = files(settings)
    first = (settings.tiles_dir / "terrain" / "current").resolve()
    assert cim("tile", "update", "--tileset", "terrain").output == ""
    fine = {"cell": 0.0001, "size": 100}
    for name, what in (
        ("fine", fine | {"at": (30, 30), "lift": 9.0}),
        ("fine", fine | {"at": (30, 30), "lift": -9.0}),
        ("holed", {"size": 60, "at": (100, 90), "hole": slice(20, 40)}),
        ("fine", fine | {"at": (90, 90), "lift": 2.0}),
        ("holed", None),
        ("beyond", {"size": 50, "at": (230, 10)}),
        ("fine", None),
        ("beyond", None),
    ):
        cim("load", "terrain", *([dem(tmp_path, name, **what)] if what else ["--end", name]))
        listed = cim("tile", "update", "--tileset", "terrain", "--dry-run").output
        built = terrain.update(settings, engine)
        assert built is not None
        assert f"{built.changed:,} tiles would be made" in listed
        assert 0 < built.changed < built.tiles
        full = whole(elsewhere, engine)
        assert files(settings) == full, (name, what)
        assert built.tiles == sum(path.endswith(".terrain") for path in full)
        assert terrain.update(settings, engine) is None
    assert files(settings) == before, "the city is what it was"
    assert first.is_dir(), "a visit that began with it goes on"


def test_tiles_that_no_change_touches_keep_their_bytes_and_are_not_written_again(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse", size=500))
    terrain.build(settings, engine)
    before = files(settings)
    cim("load", "terrain", dem(tmp_path, "small", size=12, at=(100, 100)))
    built = terrain.update(settings, engine)
    assert built is not None
    fresh = version_at(built.path / built.version).steps[0].folder
    written = {path.relative_to(fresh).as_posix() for path in fresh.rglob("*.terrain")}
    assert len(written) == built.changed < 40 < built.tiles
    step = 180 / 2**built.deepest
    for path in written:
        level, x, y = map(int, path.removesuffix(".terrain").split("/"))
        west, south = x * step - 180, y * step - 90
        if level == built.deepest:
            assert WEST + 0.05 - 2 * step < west < WEST + 0.056 + step
            assert NORTH - 0.056 - 2 * step < south < NORTH - 0.05 + step
    after = files(settings)
    assert {path for path in before if before[path] != after.get(path)} <= {
        *written, *(f"{path}.gz" for path in written), "layer.json", "layer.json.gz"
    }  # fmt: skip


def test_however_many_updates_came_before_nothing_is_read_from_the_rasters_again(
    cim: Callable[..., Result], engine: Engine, settings: Settings, elsewhere: Settings,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(terrain, "MOST", 16)
    monkeypatch.setattr("tiling.disk.folder.LONGEST", 2)
    cim("load", "terrain", dem(tmp_path, "coarse", size=480))
    terrain.build(settings, engine)
    read: set[str] = set()
    made: set[str] = set()
    nodes = terrain_parts.Relief.nodes

    def noted(
        self: terrain_parts.Relief, key: terrain_parts.Key, place: Any = None
    ) -> terrain_parts.Nodes:
        level, x, y = key
        if place is not None:  # a quarter of a tile is read, which that below it would have
            level, x, y = level + 1, 2 * x + (place[1].start > 0), 2 * y + (place[0].start > 0)
        read.add(terrain_parts.path_of((level, x, y)))
        return nodes(self, key, *([] if place is None else [place]))

    def stored(path: Path, content: bytes) -> None:
        made.add("/".join(path.parts[-3:]))
        store(path, content)

    monkeypatch.setattr(terrain_parts, "store", stored)
    monkeypatch.setattr(terrain_parts.Relief, "nodes", noted)
    for lift in range(1, 6):
        cim("load", "terrain", dem(tmp_path, "small", size=12, at=(100, 100), lift=lift))
        read.clear()
        made.clear()
        assert terrain.update(settings, engine) is not None
        assert read & files(settings).keys() <= made and len(made) < 100
    kept = parts_of(settings)
    assert files(settings) == whole(elsewhere, engine)
    full = parts_of(elsewhere)
    assert len(kept) > 16 and kept.keys() == full.keys()
    for name, heights in full.items():
        assert np.array_equal(kept[name], heights), name


def parts_of(settings: Settings) -> dict[str, Any]:
    """The heights of each part that is kept with what is served."""
    folder = settings.tiles_dir / "terrain" / "current" / terrain_parts.KEPT
    return {file.name: np.load(file)["height"] for file in folder.glob("*.npz")}


def test_another_geoid_lifts_every_tile(
    cim: Callable[..., Result], engine: Engine, settings: Settings, elsewhere: Settings,
    tmp_path: Path,
) -> None:  # fmt: skip
    cim("load", "terrain", dem(tmp_path, "coarse"))
    terrain.build(settings, engine)
    lifted = {"geoid_offset": settings.geoid_offset - 12.5}
    built = terrain.update(settings.model_copy(update=lifted), engine)
    assert built is not None
    assert built.changed == built.tiles
    assert files(settings) == whole(elsewhere.model_copy(update=lifted), engine)


def test_one_process_and_several_make_the_same_bytes(
    cim: Callable[..., Result], engine: Engine, settings: Settings, elsewhere: Settings,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(terrain, "MOST", 8)
    cim("load", "terrain", dem(tmp_path, "coarse", hole=slice(40, 60)))
    seen: list[tuple[int, int]] = []
    with Pool(2) as executor:
        terrain.build(settings, engine, executor=executor,
                      progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert len(seen) > 5 and seen == sorted(seen)
    assert all(done <= total for done, total in seen)
    assert files(settings) == whole(elsewhere, engine)


def test_a_build_that_is_broken_off_is_gone_on_with(
    cim: Callable[..., Result], engine: Engine, settings: Settings, elsewhere: Settings,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(terrain, "MOST", 8)
    cim("load", "terrain", dem(tmp_path, "coarse"))
    (settings.tiles_dir / "terrain" / "current").unlink(missing_ok=True)
    made: list[terrain_parts.Key] = []
    make = terrain_parts.made

    def until(count: int) -> Callable[..., terrain_parts.Part]:
        def one(*words: Any) -> terrain_parts.Part:
            if len(made) == count:
                raise KeyboardInterrupt
            made.append(words[-1])
            return make(*words)

        return one

    monkeypatch.setattr(terrain, "made", until(5))
    with pytest.raises(KeyboardInterrupt):
        terrain.build(settings, engine)
    assert not (settings.tiles_dir / "terrain" / "current").exists()
    monkeypatch.setattr(terrain, "made", until(-1))
    terrain.build(settings, engine)
    assert len(made) == len(set(made)) > 10, "no part twice"
    assert files(settings) == whole(elsewhere, engine)


def test_the_last_raster_ends_the_terrain_and_the_next_brings_it_back(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse"))
    terrain.build(settings, engine)
    before = files(settings)
    cim("load", "terrain", "--end", "coarse")
    cim("tile", "update", "--tileset", "terrain")
    assert not (settings.tiles_dir / "terrain" / "current").exists()
    with pytest.raises(TilingError, match="no terrain"):
        terrain.build(settings, engine)
    cim("load", "terrain", dem(tmp_path, "coarse"))
    cim("tile", "update", "--tileset", "terrain")
    assert files(settings) == before


def test_a_dry_run_makes_every_tile_and_writes_none(
    cim: Callable[..., Result], engine: Engine, elsewhere: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse"))
    tried = terrain.build(elsewhere, engine, dry_run=True)
    assert not (elsewhere.tiles_dir / "terrain").exists()
    built = terrain.build(elsewhere, engine)
    assert (tried.tiles, tried.version) == (built.tiles, built.version)


def test_two_builds_at_once_are_one_too_many(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse"))
    with Folder(settings.tiles_dir / "terrain"), pytest.raises(TilingError, match="under way"):
        terrain.build(settings, engine)


def test_who_follows_the_city_follows_its_terrain(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse"))
    terrain.build(settings, engine)
    stop, told = Event(), list[str]()

    def heard(built: Any) -> None:
        told.append(built.name)
        stop.set()

    follower = Thread(target=follow, args=(settings, engine, stop), kwargs={"told": heard})
    follower.start()
    try:
        cim("load", "terrain", dem(tmp_path, "small", size=12, at=(100, 100)))
        assert stop.wait(60)
    finally:
        stop.set()
        follower.join()
    assert told == ["terrain"]
    with engine.connect() as connection:
        assert not terrain.behind(settings, connection)


def test_where_a_fine_raster_has_a_hole_the_coarse_one_beneath_shows(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse"),
        dem(tmp_path, "fine", lift=300.0, hole=slice(40, 60)))  # fmt: skip
    with engine.connect() as connection:
        city = terrain.city_of(settings, connection)
    assert city is not None
    there = np.array([WEST + 50 * 0.0005]), np.array([NORTH - 50 * 0.0005])
    with terrain.shown(settings, city, tmp_path / "filled") as (_, relief):
        found, told = relief.ground.found(*there)
    assert told == [1]
    assert found[0] < 250


def test_tiles_of_a_city_are_held_against_its_rasters(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse", hole=slice(40, 60)))
    terrain.build(settings, engine)
    assert " 0 faults" in cim("tile", "check").output
    current = settings.tiles_dir / "terrain" / "current"
    path = sorted(current.glob("13/*/*.terrain"))[30]
    content = bytearray(path.read_bytes())
    least, most = np.frombuffer(content[24:32], "<f4")
    content[24:32] = np.array([least + 8, most + 8], "<f4").tobytes()
    good = path.read_bytes()
    path.write_bytes(content)
    report = check(current)
    assert {fault.rule for fault in report.faults} >= {"watertight", "levels", "gzip"}
    with engine.connect() as connection:
        off = compare(settings, connection, str(current), report)
    path.write_bytes(good)
    assert all(fault.rule == "heights" for fault in off)
    cim("load", "terrain", dem(tmp_path, "small", size=12, at=(100, 100)))
    with engine.connect() as connection:
        (fault,) = compare(settings, connection, str(current), report)
    assert fault.rule == "rasters"


def test_terrain_of_other_heights_than_the_rasters_is_found(
    cim: Callable[..., Result], engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    cim("load", "terrain", dem(tmp_path, "coarse"))
    terrain.build(settings, engine)
    current = settings.tiles_dir / "terrain" / "current"
    for path in current.glob("*/*/*.terrain"):
        content = bytearray(path.read_bytes())
        heights = np.frombuffer(content[24:32], "<f4") + 3
        content[24:32] = heights.astype("<f4").tobytes()
        path.write_bytes(content)
    with engine.connect() as connection:
        found = compare(settings, connection, str(current), check(current))
    assert len(found) > 10
    assert {fault.rule for fault in found} == {"heights"}
    assert "a vertex is 3.0" in found[0].en
