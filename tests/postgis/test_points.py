"""Point clouds of surveys become a tileset: read by our kernels, made a tree of by py3dtiles.

py3dtiles stands in the environment of the benchmarks (`make .setup/bench`).
"""

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import plyfile
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from cim.crs import plane
from cim.crs.ecef import Frame, from_geodetic, to_geodetic
from cim.errors import CimError
from cim.settings import Settings
from tests.surveys import CORNER, COUNT, TOOLS, ZONE, Numbers, facade, las
from tiling.check.tileset import check
from tiling.commands.tile import tile
from tiling.disk import combined


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`cim tile` in this city, whose heights lie 4.25 m above the ellipsoid's."""
    assert (TOOLS / "py3dtiles").is_file(), "py3dtiles is not installed: make .setup/bench"
    monkeypatch.setenv("PATH", f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CIM_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CIM_GEOID_OFFSET", "-4.25")

    def run(*words: str | Path) -> Any:
        return CliRunner().invoke(tile, [str(word) for word in words], catch_exceptions=True)

    yield run
    for name in ("points", "facades"):
        run("remove", name, "--yes")


def shown(top: Path) -> tuple[Numbers, NDArray[np.uint8]]:
    """Every point of the leaves of a tileset as a client places it: earth-centred, and colours."""
    places, colours = [np.empty((0, 3))], [np.empty((0, 3), np.uint8)]

    def walk(tile: dict[str, Any], above: Numbers) -> None:
        own = np.array(tile.get("transform", np.eye(4).ravel()), float).reshape(4, 4)
        matrix = own @ above
        if "content" in tile and not tile.get("children"):
            data = (top / tile["content"]["uri"]).read_bytes()
            header, binary = struct.unpack("<II", data[12:20])
            table = json.loads(data[28 : 28 + header])
            body, count = data[28 + header : 28 + header + binary], table["POINTS_LENGTH"]
            local = np.frombuffer(body, "<f4", 3 * count, table["POSITION"]["byteOffset"])
            rgb = np.frombuffer(body, "u1", 3 * count, table["RGB"]["byteOffset"])
            whole = np.column_stack([local.reshape(-1, 3), np.ones(count)]) @ matrix
            places.append(whole[:, :3])
            colours.append(rgb.reshape(-1, 3))
        for child in tile.get("children", []):
            walk(child, matrix)

    walk(json.loads((top / "tileset.json").read_bytes())["root"], np.eye(4))
    return np.concatenate(places), np.concatenate(colours)


def expected(points: Numbers, shift: float) -> Numbers:
    """Where the points are on Earth, (n, 3)."""
    lon, lat = plane.to_4490(points[:, 0] + CORNER[0], points[:, 1] + CORNER[1], ZONE)
    return from_geodetic(lon, lat, points[:, 2] + shift)


def apart(drawn: Numbers, true: Numbers) -> float:
    """The largest distance between points of `facade` and where each was measured."""
    assert drawn.shape == true.shape
    frame = np.array(Frame(113.75, 23.02).matrix()).reshape(4, 4)

    def ordered(points: Numbers) -> Numbers:
        local = (points - frame[3, :3]) @ frame[:3, :3].T
        steps = np.rint((local - local.min(axis=0)) * 2)  # half metres
        return points[np.lexsort([steps[:, 0] + steps[:, 1], steps[:, 2]])]

    return float(np.linalg.norm(ordered(drawn) - ordered(true), axis=1).max())


def test_every_point_of_a_survey_stands_where_it_was_measured_lifted_to_the_ellipsoid(
    cim: Any, settings: Settings, engine: Engine, tmp_path: Path
) -> None:
    points = facade()
    done = cim("points", las(tmp_path / "survey.laz", points, ZONE), "--jobs", "1")
    assert done.exit_code == 0, done.output
    assert f"{COUNT:,} points" in done.output and "-4.25 m" in done.output
    top = settings.tiles_dir / "points/current"
    places, colours = shown(top)
    assert apart(places, expected(points, -4.25)) < 0.005
    red = np.round(to_geodetic(places)[2] + 4.25, 3) * 700 // 256
    assert np.abs(colours[:, 0] - red).max() <= 1 and (colours[:, 2] == 255).all()
    with engine.connect() as connection:
        row = connection.execute(text("SELECT * FROM platform.tileset WHERE name = 'points'")).one()
    assert row.feature_count == COUNT and row.height_shift == -4.25
    region = json.loads((top / "tileset.json").read_bytes())["root"]["boundingVolume"]["region"]
    lon, lat, height = to_geodetic(places)
    sides = [np.radians(lon.min()), np.radians(lat.min()), np.radians(lon.max())]
    assert np.allclose(region[:3], sides, atol=5e-9)
    assert region[4] <= height.min() and height.max() <= region[5] < 90


def test_it_is_listed_checked_and_below_the_root_of_all(
    cim: Any, settings: Settings, tmp_path: Path
) -> None:
    survey = las(tmp_path / "survey.las", facade(), ZONE)
    assert cim("points", survey, "--name", "facades").exit_code == 0
    assert "facades" in cim("list").output
    report = check(settings.tiles_dir / "facades/current")
    assert report.faults == [] and report.tiles > 1
    root = json.loads(combined.write(settings.tiles_dir).read_bytes())["root"]
    assert [one["content"]["uri"] for one in root["children"]] == ["facades/current/tileset.json"]
    assert check(settings.tiles_dir / "tileset.json").faults == []
    checked = cim("check", settings.tiles_dir / "facades/current")
    assert checked.exit_code == 0 and "not judged" not in checked.output
    removed = cim("remove", "facades", "--yes")
    assert removed.exit_code == 0, removed.output
    assert not (settings.tiles_dir / "facades").exists()
    assert "children" not in json.loads((settings.tiles_dir / "tileset.json").read_bytes())["root"]
    assert "facades" not in cim("list").output


def test_a_survey_of_the_same_name_takes_the_place_of_the_one_before(
    cim: Any, settings: Settings, tmp_path: Path
) -> None:
    current = settings.tiles_dir / "points/current"
    assert cim("points", las(tmp_path / "a.las", facade(), ZONE)).exit_code == 0
    before = os.readlink(current)
    tried = cim("points", las(tmp_path / "b.las", facade(3000), ZONE), "--dry-run")
    assert tried.exit_code == 0 and os.readlink(current) == before
    assert cim("points", tmp_path / "a.las", tmp_path / "b.las").exit_code == 0
    assert os.readlink(current) != before
    assert (current.parent / before / "tileset.json").is_file()  # for visits under way
    assert len(shown(current)[0]) == COUNT + 3000
    assert not list(current.parent.glob(".points-*"))


def test_ply_and_lists_of_coordinates_come_out_as_the_same_points(
    cim: Any, settings: Settings, tmp_path: Path
) -> None:
    points = facade(3000)
    x, y, z = points.T + np.array([[*CORNER, 0.0]]).T
    rows = np.zeros(3000, [("x", "f8"), ("y", "f8"), ("z", "f8"), ("red", "u1"), ("green", "u1"),
                           ("blue", "u1")])  # fmt: skip
    rows["x"], rows["y"], rows["z"], rows["red"] = x, y, z, 200
    element = plyfile.PlyElement.describe(rows, "vertex")
    plyfile.PlyData([element]).write(tmp_path / "survey.ply")
    listed = [f"{a:.4f} {b:.4f} {c:.4f} 200 0 0" for a, b, c in zip(x, y, z, strict=True)]
    (tmp_path / "survey.xyz").write_text("X Y Z R G B\n" + "\n".join(listed))
    for file in ("survey.ply", "survey.xyz"):
        done = cim("points", tmp_path / file, "--crs", ZONE, "--heights", "ellipsoid")
        assert done.exit_code == 0, done.output
        places, colours = shown(settings.tiles_dir / "points/current")
        assert apart(places, expected(points, 0.0)) < 0.005
        assert (colours == [200, 0, 0]).all()


def test_noise_and_points_of_nowhere_are_left_out_and_counted(
    cim: Any, settings: Settings, tmp_path: Path
) -> None:
    points = facade(3000)
    points[5] += [2e6, 2e6, 0]
    classes = np.full(3000, 6, "u1")
    classes[:100] = 7
    classes[5] = 6
    file = las(tmp_path / "a.las", points, ZONE, classification=classes)
    done = cim("points", file)
    assert done.exit_code == 0, done.output
    assert "2,900 points" in done.output and "100 left out" in done.output
    assert "99 × noise" in done.output and "1 × over half a degree" in done.output


def cut(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("plain.las", "does not say its coordinate system"),
        ("plain.laz", "does not say its coordinate system"),
        ("empty.las", "has no points"),
        ("cut.las", "damaged or cut off"),
        ("cut.laz", "damaged or cut off"),
        ("words.las", "is no LAS file"),
        ("words.ply", "is no PLY file"),
        ("words.xyz", "is no X Y Z file"),
        ("broken.xyz", "line 3: no 3 numbers"),
        ("city.ifc", "point clouds are read from .las"),
    ],
)
def test_what_cannot_be_used_is_said_in_both_languages_and_nothing_is_made(
    cim: Any, settings: Settings, tmp_path: Path, name: str, said: str
) -> None:
    path = tmp_path / name
    kind = name.partition(".")[0]
    if kind in ("plain", "cut"):
        las(path, facade(60_000), ZONE if kind == "cut" else None)
        if kind == "cut":
            cut(path)
    elif kind == "empty":
        las(path, np.empty((0, 3)), ZONE)
    elif kind == "broken":
        path.write_text("1 2 3\n4 5 6\n7 8 x\n")
    else:
        path.write_text("nothing but words\n" * 20)
    done = cim("points", path, *(("--crs", "EPSG:4978") if kind == "broken" else ()))
    assert isinstance(done.exception, CimError), done.output
    assert said in str(done.exception)
    assert done.exception.zh != str(done.exception)
    assert not (settings.tiles_dir / "points/current").exists()


def test_the_name_of_a_tileset_of_the_city_is_not_given_to_a_survey(
    cim: Any, tmp_path: Path
) -> None:
    file = las(tmp_path / "a.las", facade(3000), ZONE)
    for name in ("buildings", "terrain", "all", "../up", ""):
        done = cim("points", file, "--name", name)
        assert isinstance(done.exception, CimError), name


@pytest.mark.parametrize("points", [np.ones((1, 3)), np.ones((50, 3)), np.eye(3)])
def test_a_few_points_or_many_at_one_place_are_a_sound_tileset(
    cim: Any, settings: Settings, tmp_path: Path, points: Numbers
) -> None:
    assert cim("points", las(tmp_path / "a.las", points, ZONE)).exit_code == 0
    assert check(settings.tiles_dir / "points/current").faults == []


def test_where_py3dtiles_fails_its_last_words_are_said_and_nothing_is_left(
    cim: Any, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = las(tmp_path / "a.las", facade(3000), ZONE)
    program = tmp_path / "py3dtiles"
    program.write_text("#!/bin/sh\necho 'WorkerException: it broke' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    done = cim("points", file)
    assert str(done.exception) == "py3dtiles failed: WorkerException: it broke"
    left = [path.name for path in (settings.tiles_dir / "points").iterdir()]
    assert set(left) <= {".lock"}


def test_points_that_py3dtiles_lost_between_two_processes_are_given_to_one(
    cim: Any, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = las(tmp_path / "a.las", facade(3000), ZONE)
    program = tmp_path / "py3dtiles"
    said = "echo 'ValueError: Invalid point count in the written file' >&2; exit 1"
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *"--jobs 1") exec {TOOLS}/py3dtiles "$@";; esac\n{said}\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert cim("points", file, "--jobs", "2").exit_code == 0
    assert len(shown(settings.tiles_dir / "points/current")[0]) == 3000


def test_what_is_missing_is_named(
    cim: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = las(tmp_path / "a.las", facade(3000), ZONE)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = cim("points", file)
    assert "pipx install 'py3dtiles[las]'" in str(done.exception)
