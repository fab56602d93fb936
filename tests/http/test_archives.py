"""A tileset that is one file is served from where it is."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from cim.settings import Settings
from tiling.check.tileset import check
from tiling.city.layers import LAYERS
from tiling.commands.tile import tile
from tiling.disk.folder import version_at
from tiling.out import archive
from tiling.out.export import chosen, together
from tiling.run.build import build


@pytest.fixture(scope="module")
def tiled(city: Settings, engine: Engine) -> Path:
    """The tiles' folder, where both tilesets stand."""
    for layer in LAYERS.values():
        build(city, engine, layer)
    return city.tiles_dir


def test_each_file_comes_out_of_the_archive_as_out_of_the_folder(
    client: TestClient, tiled: Path
) -> None:
    archive.write(tiled / "old.3tz", together(chosen(tiled, "buildings")))
    for path in version_at(tiled / "buildings/current").files():
        if not path.endswith(".gz"):
            here = client.get(f"/tiles/3d/old/{path}")
            there = client.get(f"/tiles/3d/buildings/{path}")
            assert here.status_code == there.status_code == 200
            assert here.content == there.content
            assert here.headers["content-type"] == there.headers["content-type"]


def test_an_archive_answers_as_any_tileset_does(client: TestClient, tiled: Path) -> None:
    archive.write(tiled / "town.3tz", together(chosen(tiled, "units")))
    first = client.get("/tiles/3d/town/tileset.json")
    assert first.headers["content-encoding"] == "gzip"
    version = first.json()["asset"]["tilesetVersion"]
    path = next(p for p in chosen(tiled, "units")[0].contents() if p.endswith(".glb"))
    kept = client.get(f"/tiles/3d/town/{path}?v={version}")
    assert "immutable" in kept.headers["cache-control"]
    assert client.get(f"/tiles/3d/town/{path}").headers["cache-control"] == "no-cache"
    again = client.get(f"/tiles/3d/town/{path}", headers={"If-None-Match": kept.headers["etag"]})
    assert again.status_code == 304
    for lost in ("content/none.glb", "../units/current/tileset.json", "@3dtilesIndex1@/x"):
        assert client.get(f"/tiles/3d/town/{lost}").status_code == 404


def test_an_archive_that_is_replaced_is_read_anew_and_a_broken_one_is_named(
    client: TestClient, tiled: Path
) -> None:
    place = tiled / "other.3tz"
    archive.write(place, together(chosen(tiled, "units")))
    before = client.get("/tiles/3d/other/tileset.json").json()
    archive.write(place, together(chosen(tiled, "buildings")))
    assert client.get("/tiles/3d/other/tileset.json").json() != before
    place.write_bytes(place.read_bytes()[:-40])
    answer = client.get("/tiles/3d/other/tileset.json")
    assert answer.status_code == 404 and "other.3tz" in answer.json()["detail"]


def test_the_command_writes_one_archive_of_everything_and_the_check_finds_no_fault(
    tiled: Path, city: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    target = tmp_path / "city.3tz"
    words = ["export", "all", "--to", str(target)]
    first = CliRunner().invoke(tile, words, catch_exceptions=False)
    assert first.exit_code == 0 and "个文件" in first.output
    content = target.read_bytes()
    assert CliRunner().invoke(tile, words).exit_code == 0 and target.read_bytes() == content
    report = check(target)
    assert report.faults == [] and report.features > 0
    assert {"Buildings", "Units"} <= set(report.titles)


def test_what_is_not_there_or_cannot_be_written_is_said(
    tiled: Path, city: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    run = CliRunner()
    lost = run.invoke(tile, ["export", "trees", "--to", str(tmp_path / "a.3tz")])
    assert "no tileset trees" in str(lost.exception)
    wrong = run.invoke(tile, ["export", "all", "--to", str(tmp_path / "a.zip")])
    assert wrong.exit_code == 2
    (tmp_path / "file").touch()
    above = run.invoke(tile, ["export", "all", "--to", str(tmp_path / "file/a.3tz")])
    assert "cannot be written" in str(above.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_archive_stands_among_the_tilesets_and_below_the_root_of_all(
    client: TestClient, tiled: Path
) -> None:
    archive.write(tiled / "last-year.3tz", together(chosen(tiled, "buildings")))
    (tiled / "no-archive.3tz").write_bytes(b"none")
    archive.write(tiled / "units.3tz", together(chosen(tiled, "buildings")))  # hidden by the folder
    listed = {one["name"]: one for one in client.get("/tilesets").json()["tilesets"]}
    own, beside = listed["buildings"], listed["last-year"]
    same = ("version", "features", "kind", "height_shift")
    assert {key: beside[key] for key in same} == {key: own[key] for key in same}
    assert client.get(beside["url"]).status_code == 200
    assert "no-archive" not in listed and listed["units"]["features"] != own["features"]
    known = client.get("/city").json()["tilesets"]
    assert "last-year" in {one["name"] for one in known}
    root = client.get("/tiles/3d/tileset.json").json()["root"]
    urls = [child["content"]["uri"] for child in root["children"]]
    assert f"last-year/tileset.json?v={own['version']}" in urls
    assert sum(url.startswith("units/") for url in urls) == 1
    (tiled / "last-year.3tz").unlink()
    after = client.get("/tiles/3d/tileset.json").json()["root"]["children"]
    assert len(after) == len(urls) - 1


def test_an_archive_with_another_schema_of_tiles_does_not_stand_below_the_root(
    client: TestClient, tiled: Path
) -> None:
    files = together(chosen(tiled, "buildings"))
    described = Path(str(files["tileset.json"])).read_bytes()
    files["tileset.json"] = described.replace(b"TILE_GEOMETRIC_ERROR", b"TILE_HORIZON_OCCLUSION")
    archive.write(tiled / "foreign.3tz", files)
    try:
        assert "foreign" in {one["name"] for one in client.get("/tilesets").json()["tilesets"]}
        assert b"foreign/" not in client.get("/tiles/3d/tileset.json").content
    finally:
        (tiled / "foreign.3tz").unlink()
