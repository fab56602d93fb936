"""The explicit tree stays beside the implicit one, and true, through builds and updates."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.postgis.tiling.test_update import files, insert
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS
from tiling.disk.folder import want_explicit
from tiling.run.build import build
from tiling.run.update import update

NAME = "explicit/tileset.json"


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    insert(engine, settings, 60)
    return settings


def trees(settings: Settings) -> list[Path]:
    current = settings.tiles_dir / "buildings/current"
    return [current / "tileset.json", current / NAME]


def test_an_update_changes_both_trees_as_a_full_build_would(
    city: Settings, engine: Engine, tmp_path: Path
) -> None:
    build(city, engine, BUILDINGS)
    assert NAME not in files(city, BUILDINGS)
    want_explicit(city.tiles_dir / "buildings", wanted=True)
    build(city, engine, BUILDINGS)
    assert NAME in files(city, BUILDINGS)
    for move in (
        "0.02, 0.01",
        "-0.3, 0",
        "0.9, 0",
    ):  # the last leaves a tree behind, and begins one
        with engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE city.building "
                    f"SET footprint = ST_Translate(footprint, {move}) WHERE id = 7"
                )
            )
        update(city, engine, BUILDINGS)
        for tree in trees(city):
            report = check(tree)
            assert report.faults == [] and report.features == 60
    elsewhere = city.model_copy(update={"data_dir": tmp_path})
    want_explicit(elsewhere.tiles_dir / "buildings", wanted=True)
    build(elsewhere, engine, BUILDINGS)
    assert files(elsewhere, BUILDINGS) == files(city, BUILDINGS)


def test_it_goes_when_it_is_wanted_no_more(city: Settings, engine: Engine) -> None:
    want_explicit(city.tiles_dir / "buildings", wanted=False)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 3 WHERE id = 9"))
    update(city, engine, BUILDINGS)
    left = [path for path in files(city, BUILDINGS) if path.startswith("explicit/")]
    assert left == []
    assert check(city.tiles_dir / "buildings/current").faults == []
