"""A survey's point cloud as the service has it."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from cim.settings import Settings
from tests.surveys import TOOLS, ZONE, facade, las
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS
from tiling.commands.tile import tile
from tiling.run.build import build


@pytest.fixture
def surveyed(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    """A city with buildings and a survey."""
    assert (TOOLS / "py3dtiles").is_file(), "py3dtiles is not installed: make .setup/bench"
    monkeypatch.setenv("PATH", f"{TOOLS}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("CIM_DATABASE_URL", city.database_url or "")
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    build(city, engine, BUILDINGS)
    survey = las(tmp_path / "survey.laz", facade(), ZONE)
    words = ["points", str(survey), "--name", "facades"]
    done = CliRunner().invoke(tile, words, catch_exceptions=False)
    assert done.exit_code == 0
    return city


def test_a_survey_is_served_below_the_root_of_all_and_handed_out_as_an_archive(
    client: TestClient, surveyed: Settings
) -> None:
    listed = {one["name"]: one for one in client.get("/tilesets").json()["tilesets"]}
    survey = listed["facades"]
    assert survey["kind"] == "points" and survey["features"] == 20_000
    assert listed["buildings"]["kind"] == "features"
    described = client.get(survey["url"]).json()
    root = client.get("/tiles/3d/tileset.json").json()
    below = {one["content"]["uri"]: one["boundingVolume"] for one in root["root"]["children"]}
    uri = f"facades/tileset.json?v={survey['version']}"
    assert below[uri] == described["root"]["boundingVolume"]
    assert root["schema"]["classes"]["tile"]  # by which the buildings' subtrees are read
    content = described["root"]["children"][0]["children"][0]["content"]["uri"]
    answer = client.get(f"/tiles/3d/facades/{content}?v={survey['version']}")
    assert answer.status_code == 200 and answer.content[:4] == b"pnts"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert "immutable" in answer.headers["cache-control"]
    target = surveyed.tiles_dir / "last.3tz"
    words = ["export", "facades", "--to", str(target)]
    assert CliRunner().invoke(tile, words, catch_exceptions=False).exit_code == 0
    report = check(target)
    assert report.faults == [] and not report.unjudged
    beside = {one["name"]: one for one in client.get("/tilesets").json()["tilesets"]}["last"]
    assert (beside["kind"], beside["features"]) == ("points", 20_000)
    target.unlink()
    assert CliRunner().invoke(tile, ["remove", "facades", "--yes"]).exit_code == 0
    assert client.get(survey["url"]).status_code == 404
