"""Tiles held against the database: what is lost, strange, or not where its row says is found."""

from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, Engine, text

from cim.crs.geoid import geoid
from cim.settings import Settings
from tests.postgis.tiling.test_update import insert
from tiling.check.census import EXPECTED, compare
from tiling.check.tileset import Report, check
from tiling.city.layers import LAYERS
from tiling.commands.tile import tile
from tiling.run.build import build

Reports = dict[str, Report]


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    settings = settings.model_copy(update={"geoid_offset": -4.25})
    insert(engine, settings, 60)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET state = 'demolished' WHERE id = 60"))
        connection.execute(text("UPDATE city.unit SET geom_status = 'none' WHERE building_id = 1"))
    for layer in LAYERS.values():
        build(settings, engine, layer)
    return settings


@pytest.fixture(scope="module")
def reports(city: Settings) -> Reports:
    return {name: check(city.tiles_dir / name / "current") for name in ("buildings", "units")}


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def faults(connection: Connection, city: Settings, report: Report) -> list[tuple[str, str]]:
    name = report.titles[0].lower()
    found = compare(connection, name, report, geoid(city))
    assert all(fault.zh for fault in found)
    return [(fault.rule, fault.en) for fault in found]


def test_tiles_that_are_true_have_no_fault(
    city: Settings, reports: Reports, connection: Connection
) -> None:
    for report in reports.values():
        assert report.faults == [] and report.features
        assert faults(connection, city, report) == []


PLANTED: dict[str, tuple[str, str, str, str]] = {
    "a building that no tile holds": (
        "buildings",
        "UPDATE city.building SET state = 'existing' WHERE id = 60",
        "ids",
        "1 features of the city are in no tile",
    ),
    "a building that is no more": (
        "buildings",
        "UPDATE city.building SET state = 'demolished' WHERE id IN (7, 8)",
        "ids",
        "2 features in tiles that the city does not have: 7, 8",
    ),
    "a building that is drawn and said to be left out": (
        "buildings",
        "INSERT INTO platform.tile_skip (tileset, object_id, reason_en, reason_zh)"
        " VALUES ('buildings', 9, 'no outline', '无轮廓')",
        "ids",
        "1 features are drawn, and named as left out: 9",
    ),
    "buildings that grew by half a metre": (
        "buildings",
        "UPDATE city.building SET height = height + 0.5",
        "heights",
        "m, its row at",
    ),
    "buildings whose ground sank": (
        "buildings",
        "UPDATE city.building SET ground_elev = ground_elev - 1, height = height + 1",
        "heights",
        "begins at",
    ),
    "buildings two metres beside their outlines": (
        "buildings",
        "UPDATE city.building SET footprint = ST_Translate(footprint, 0.00002, 0)",
        "outlines",
        "not drawn on its outline",
    ),
    "units that no tile holds": (
        "units",
        "UPDATE city.unit SET geom_status = 'generated' WHERE building_id = 1",
        "ids",
        "features of the city are in no tile",
    ),
    "units that are no more": (
        "units",
        "UPDATE city.unit SET ended_at = now() WHERE building_id = 3",
        "ids",
        "in tiles that the city does not have",
    ),
    "storeys that are higher": (
        "units",
        "UPDATE city.storey SET elev_top = elev_top + 0.3",
        "heights",
        "ends at",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_tileset_that_is_not_the_citys_is_found(
    name: str, city: Settings, reports: Reports, connection: Connection
) -> None:
    tileset, statement, rule, words = PLANTED[name]
    connection.execute(text(statement))
    found = faults(connection, city, reports[tileset])
    assert any(one == rule and words in en for one, en in found), found[:5]


def test_a_feature_that_is_named_as_left_out_is_not_lost(
    city: Settings, reports: Reports, connection: Connection
) -> None:
    connection.execute(
        text(
            "UPDATE city.building SET state = 'existing' WHERE id = 60;"
            " INSERT INTO platform.tile_skip (tileset, object_id, reason_en, reason_zh)"
            " VALUES ('buildings', 60, 'no outline', '无轮廓')"
        )
    )
    assert faults(connection, city, reports["buildings"]) == []


def test_the_command_holds_the_citys_own_tiles_against_its_database(
    city: Settings, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", str(city.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    monkeypatch.setenv("CIM_GEOID_OFFSET", "-4.25")
    folder = str(city.tiles_dir / "buildings/current")

    def run(*words: str) -> Any:
        return CliRunner().invoke(tile, ["check", "--jobs", "1", *words], catch_exceptions=False)

    every = run("--all")
    assert every.exit_code == 0 and every.output.count("已与数据库核对") == len(LAYERS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id < 60"))
    try:
        wrong = run(folder)
        assert wrong.exit_code == 1 and "[heights]" in wrong.output
        assert run(folder, "--no-database").exit_code == 0
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE city.building SET height = height - 1 WHERE id < 60"))
    assert run(folder, "--against-database").exit_code == 0
    archive = city.tiles_dir / "given.3tz"
    CliRunner().invoke(tile, ["export", "buildings", "--to", str(archive)], catch_exceptions=False)
    every = run("--all")
    assert every.exit_code == 0 and f"{archive}: " in every.output
    assert every.output.count("已与数据库核对") == len(LAYERS)
    archive.write_bytes(archive.read_bytes()[:-100])
    assert run("--all").exit_code == 1


def test_a_tileset_that_is_nobodys_cannot_be_held_against_the_database(
    city: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", str(city.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(city.data_dir))
    (tmp_path / "tileset.json").write_text('{"asset": {"version": "1.1"}}')
    found = CliRunner().invoke(tile, ["check", str(tmp_path), "--against-database"])
    assert found.exit_code != 0 and "no tileset that the database knows of" in str(found.exception)


def test_every_tileset_there_is_can_be_held_against_the_database() -> None:
    assert {layer.title.lower() for layer in LAYERS.values()} == EXPECTED.keys()
