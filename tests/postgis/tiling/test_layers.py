"""What is planned, and what is below the ground, in tilesets of their own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from cim import derive
from cim.crs.geoid import geoid
from cim.settings import Settings
from tests.postgis.tiling.test_update import anew, files, insert, sql
from tiling.check.census import compare
from tiling.check.reading import Glb, read_glb
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS, LAYERS, PLANNED, UNDERGROUND, UNITS, Layer
from tiling.disk import combined
from tiling.run.build import build
from tiling.run.update import update
from tiling.shapes.reasons import Reason

COUNT = 40

PLANNED_IDS, CELLAR_IDS, TUNNEL = range(3, 9), range(8, 20), 30
"""Buildings that are to be, those with two basements (one of them is to be), and one that is
nothing but basements."""


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    insert(engine, settings, COUNT)
    sql(engine, "UPDATE city.building SET state = 'planned' WHERE id = ANY(:i)", i=[*PLANNED_IDS])
    sql(engine, "UPDATE city.building SET floors_below = 2 WHERE id = ANY(:i)", i=[*CELLAR_IDS])
    sql(
        engine,
        "UPDATE city.building SET floors_below = 3, floors_above = 0, height = 0 WHERE id = :i",
        i=TUNNEL,
    )
    with engine.begin() as connection:
        derive.run(connection, settings)
    for layer in LAYERS.values():
        build(settings, engine, layer)
    return settings


@pytest.fixture(autouse=True)
def current(city: Settings, engine: Engine) -> None:
    """Every test begins with tiles that are true."""
    for layer in LAYERS.values():
        update(city, engine, layer)


def tiles(settings: Settings, layer: Layer) -> list[Glb]:
    folder = settings.tiles_dir / layer.name / "current"
    return [read_glb(path) for path in sorted(folder.resolve().rglob("*.glb"))]


def ids(settings: Settings, layer: Layer, column: str = "id") -> set[int]:
    """What a property of the tileset's features says, of all of them."""
    return {value for tile in tiles(settings, layer) for value in tile.column(column).tolist()}


def asked(engine: Engine, statement: str) -> set[int]:
    with engine.connect() as connection:
        return set(connection.scalars(text(statement)))


def test_what_is_planned_does_not_stand_among_what_is_there(city: Settings, engine: Engine) -> None:
    assert ids(city, PLANNED) == set(PLANNED_IDS)
    assert ids(city, BUILDINGS) == set(range(1, COUNT + 1)) - set(PLANNED_IDS) - {TUNNEL}
    assert not ids(city, UNITS, "building_id") & set(PLANNED_IDS)
    assert ids(city, UNDERGROUND, "building_id") == {*CELLAR_IDS, TUNNEL} - set(PLANNED_IDS)


def test_every_storey_below_the_ground_is_a_volume_of_its_own(
    city: Settings, engine: Engine
) -> None:
    below = "SELECT s.id FROM city.storey s JOIN city.building b ON b.id = s.building_id"
    below += " WHERE s.no < 0 AND s.ended_at IS NULL AND b.state <> 'planned'"
    assert ids(city, UNDERGROUND) == asked(engine, below)
    assert ids(city, UNDERGROUND, "no") == {-1, -2, -3}
    for tile in tiles(city, UNDERGROUND):
        (part,) = tile.document["meshes"][0]["primitives"]
        normals = tile.values(part["attributes"]["NORMAL"])
        # glTF's y is up: as much of it is floors as is ceilings, and all else is walls.
        assert {-1, 0, 1} == set(np.rint(normals[:, 1]).astype(int).tolist())
        assert (normals[:, 1] > 0.9).sum() == (normals[:, 1] < -0.9).sum()


def test_a_storey_tells_what_most_of_its_units_are(city: Settings, engine: Engine) -> None:
    codes = list(asked(engine, "SELECT code FROM city.code_item WHERE list_code = 'unit_kind'"))
    assert "parking" in codes
    sql(
        engine,
        "UPDATE city.unit u SET kind = 'equipment' FROM city.storey s"
        " WHERE s.id = u.storey_id AND s.no = -2 AND s.building_id = 10",
    )
    update(city, engine, UNDERGROUND)
    told: dict[tuple[int, int], str] = {}
    for tile in tiles(city, UNDERGROUND):
        schema = tile.document["extensions"]["EXT_structural_metadata"]["schema"]
        names = [value["name"] for value in schema["enums"]["unit_kind"]["values"]]
        columns = (tile.column(name).tolist() for name in ("building_id", "no", "kind"))
        told |= {(of, no): names[kind] for of, no, kind in zip(*columns, strict=True)}
    assert told[10, -2] == "equipment"
    assert told[10, -1] == told[11, -2] == "parking"


def test_they_are_what_the_database_says_they_are(city: Settings, engine: Engine) -> None:
    for layer in LAYERS.values():
        report = check(city.tiles_dir / layer.name / "current")
        assert report.faults == [] and report.features
        with engine.connect() as connection:
            assert compare(connection, layer.name, report, geoid(city)) == []


@pytest.mark.parametrize(
    ("statement", "lost", "strange"),
    [
        ("UPDATE city.building SET state = 'planned' WHERE id = 20", "planned", "buildings"),
        ("UPDATE city.building SET state = 'existing' WHERE id = 5", "buildings", "planned"),
        (
            "UPDATE city.storey SET ended_at = now() WHERE no = -2 AND building_id = 12",
            None,
            "underground",
        ),
    ],
)
def test_a_tileset_that_is_behind_is_found(
    city: Settings, engine: Engine, statement: str, lost: str | None, strange: str
) -> None:
    reports = {name: check(city.tiles_dir / name / "current") for name in LAYERS}
    with engine.connect() as connection:
        connection.execute(text(statement))
        for name, words in ((lost, "in no tile"), (strange, "the city does not have")):
            if name:
                found = compare(connection, name, reports[name], geoid(city))
                assert [words in fault.en for fault in found] == [True], name
        connection.rollback()


EDITS = (
    "UPDATE city.building SET state = 'under_construction' WHERE id = 4",
    "UPDATE city.building SET state = 'planned' WHERE id = 15",
    "UPDATE city.storey SET elev_bottom = elev_bottom - 1 WHERE no = -2 AND building_id = 16",
    "UPDATE city.unit SET kind = 'shop' WHERE building_id = 17",
    "UPDATE city.storey SET ended_at = now() WHERE no = -1 AND building_id = 18",
    "UPDATE city.building SET footprint = ST_Translate(footprint, 0.01, 0.01) WHERE id = 19",
)


@pytest.mark.parametrize("edit", EDITS)
def test_updates_keep_all_of_them_true(
    city: Settings, engine: Engine, edit: str, tmp_path: Path
) -> None:
    sql(engine, edit)
    for layer in LAYERS.values():
        update(city, engine, layer)
        assert files(city, layer) == anew(city, engine, layer, tmp_path)


def test_the_root_of_all_leads_to_what_holds_something(
    city: Settings, engine: Engine, tmp_path: Path
) -> None:
    def below(settings: Settings) -> set[str]:
        root = json.loads(combined.write(settings.tiles_dir).read_bytes())["root"]
        return {child["content"]["uri"].split("/")[0] for child in root["children"]}

    assert below(city) == set(LAYERS)
    with engine.connect() as connection:
        before: Any = connection.execute(
            text("SELECT array_agg(id) FROM city.building WHERE state = 'planned'")
        ).scalar_one()
    sql(engine, "UPDATE city.building SET state = 'existing'")
    update(city, engine, PLANNED)
    assert below(city) == set(LAYERS) - {"planned"}
    sql(engine, "UPDATE city.building SET state = 'planned' WHERE id = ANY(:i)", i=before)


def test_what_is_all_below_the_ground_and_has_no_storeys_yet_is_named(
    city: Settings, engine: Engine
) -> None:
    named = "SELECT object_id FROM platform.tile_skip WHERE tileset = 'underground'"
    buried = "floors_above = 0, floors_below = 2, height = 0"
    sql(engine, "UPDATE city.storey SET ended_at = now() WHERE building_id IN (31, 32)")
    sql(engine, f"UPDATE city.building SET {buried} WHERE id IN (31, 32)")
    update(city, engine, BUILDINGS)
    update(city, engine, UNDERGROUND)
    assert asked(engine, named) == {31, 32}
    both = [(31, Reason.NO_STOREYS), (32, Reason.NO_STOREYS)]
    assert build(city, engine, UNDERGROUND).named == both
    assert not ids(city, BUILDINGS) & {31, 32}
    assert not ids(city, UNDERGROUND, "building_id") & {31, 32}
    report = check(city.tiles_dir / "underground/current")
    with engine.connect() as connection:
        assert compare(connection, "underground", report, geoid(city)) == []
    with engine.begin() as connection:
        derive.run(connection, city)
    assert asked(engine, "SELECT 1 FROM platform.tile_touched WHERE tileset = 'buildings'") == set()
    update(city, engine, UNDERGROUND)
    assert asked(engine, named) == set()
    assert {31, 32} <= ids(city, UNDERGROUND, "building_id")
