"""Whether tiles say which edges are lines is chosen once, and kept to by builds and updates."""

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from cim.cli import main
from cim.settings import Settings
from tests.postgis.tiling.test_update import files, insert
from tiling.check.reading import parse_content
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS
from tiling.disk.folder import want_outlines
from tiling.run.build import build
from tiling.run.update import update

NAME = "EXT_mesh_primitive_edge_visibility"


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    insert(engine, settings, 60)
    return settings


def outlined(settings: Settings) -> set[bool]:
    """Of all tiles, whether they say it; and they are sound."""
    current = settings.tiles_dir / "buildings/current"
    assert check(current).faults == []
    contents = [parse_content(file.read_bytes()) for file in current.resolve().rglob("*.glb")]
    return {NAME in content.document["extensionsUsed"] for content in contents}


def raise_one(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 3 WHERE id = 9"))


def test_tiles_have_lines_until_somebody_wants_none(city: Settings, engine: Engine) -> None:
    build(city, engine, BUILDINGS)
    assert outlined(city) == {True}
    before = files(city, BUILDINGS)
    want_outlines(city.tiles_dir / "buildings", wanted=False)
    build(city, engine, BUILDINGS)
    assert outlined(city) == {False}
    raise_one(engine)
    update(city, engine, BUILDINGS)
    assert outlined(city) == {False}
    want_outlines(city.tiles_dir / "buildings", wanted=True)
    update(city, engine, BUILDINGS)
    assert outlined(city) == {True}
    assert files(city, BUILDINGS).keys() == before.keys()


def test_the_command_chooses_for_the_tilesets_that_it_builds(
    city: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", str(city.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    words = ["tile", "build", "--tileset", "buildings", "--jobs", "1"]
    for option, wanted in (("--no-outlines", False), (None, False), ("--outlines", True)):
        done = CliRunner().invoke(main, [*words, *([option] if option else [])])
        assert done.exit_code == 0, done.output
        assert outlined(city) == {wanted}
