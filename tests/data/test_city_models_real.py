"""Real city models from the file to their tiles: no building lost, each drawn as its own solid."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from cim.errors import CimError
from cim.intake.bringing import bring
from cim.load import meshes, readers
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings
from tiling.city.layers import BUILDINGS
from tiling.commands.tile import tile
from tiling.run.build import build

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
MODELS = DATA / "citymodels"
DELFT = MODELS / "cityjson-delft-zurich" / "tests" / "data"
BERLIN = MODELS / "citygml-berlin" / "citygml4j-samples" / "input" / "datasets"
STOREYS = MODELS / "cityjson-storeys" / "test" / "data"
VALID = MODELS / "cityjson-valid-invalid" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real city models cannot be tried"
)

Load = Callable[..., Report]


@dataclass(frozen=True)
class Model:
    """A file, and what it has: buildings, those set aside, level shown, west and south."""

    path: Path
    buildings: int
    aside: int
    lod: str
    place: tuple[float, float]
    ask: dict[str, Any]


CITIES = {
    "delft": Model(DELFT / "delft.json", 160, 0, "1", (4.363, 52.010), {}),
    "zurich": Model(DELFT / "zurich/zurich_subset_lod2.json", 49, 0, "2", (8.475, 47.333), {}),
    "mamre": Model(
        MODELS / "cityjson-capetown/result/citjsn_mamre3D.json",
        2344, 0, "1", (18.457, -33.525), {},
    ),
    "salt river": Model(
        MODELS / "cityjson-capetown/result/citjsn_sRiver3D.json",
        1377, 2, "1", (18.45, -33.945), {},
    ),
    "berlin": Model(BERLIN / "lod2_buildings_v2.json", 100, 0, "2", (13.038, 52.325), {}),
    "3dbag": Model(STOREYS / "delft_subset.city.jsonl", 10, 0, "2.2", (4.361, 52.001), {}),
    "rotterdam": Model(
        DELFT / "rotterdam/rotterdam_subset.json", 16, 0, "2", (4.448, 51.901),
        {"crs": "EPSG:28992"},
    ),
    "japan": Model(VALID / "japanese.city.json", 2, 0, "2", (139.42, 35.92), {}),
}  # fmt: skip


@pytest.fixture
def load(settings: Settings, engine: Engine) -> Iterator[Load]:
    """Brings a file into an empty city, which is emptied again."""

    def run(path: Path, **ask: Any) -> Report:
        return bring(settings, KINDS["buildings"], path, Request(**ask), units=None, keep=True)

    yield run
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.building, city.source_system CASCADE"))
    shutil.rmtree(settings.tiles_dir, ignore_errors=True)


def rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


@pytest.mark.parametrize("name", CITIES)
def test_a_city_comes_in_and_is_drawn_with_its_own_roofs(
    name: str, load: Load, settings: Settings, engine: Engine
) -> None:
    model = CITIES[name]
    report = load(model.path, **model.ask)
    assert (report.counts.new, report.set_aside) == (model.buildings - model.aside, model.aside)
    assert rows(
        engine,
        """
        SELECT DISTINCT lod FROM city.building_geom WHERE is_current""",
    ) == [(model.lod,)]
    west, south = rows(
        engine,
        """
        SELECT min(ST_XMin(footprint)), min(ST_YMin(footprint)) FROM city.building""",
    )[0]
    assert (west, south) == pytest.approx(model.place, abs=0.02)
    built = build(settings, engine, BUILDINGS)
    assert built.features == report.counts.new
    assert rows(engine, "SELECT reason_en FROM platform.tile_skip") == []
    checked = CliRunner(env={
        "CIM_DATABASE_URL": str(settings.database_url), "CIM_DATA_DIR": str(settings.data_dir),
    }).invoke(tile, ["check", "--jobs", "1", "--no-khronos"])  # fmt: skip
    assert checked.exit_code == 0, checked.output
    assert f"{built.features:,} features, 0 faults" in checked.output


def test_berlin_is_the_same_as_a_document_and_as_lines(load: Load) -> None:
    assert load(BERLIN / "lod2_buildings_v2.json", source="berlin").counts.new == 100
    lines = BERLIN / "lod2_buildings_as_CityJSON_features.jsonl"
    again = load(lines, source="berlin", crs="EPSG:3068").counts
    assert (again.new, again.changed, again.unchanged) == (0, 0, 100)


def test_storeys_are_counted_in_a_model_that_has_them(load: Load, engine: Engine) -> None:
    load(STOREYS / "hierarchy.city.json", crs="EPSG:4547")
    assert rows(engine, "SELECT floors_above, floors_method FROM city.building") == [(2, "given")]


def test_what_cannot_be_a_solid_is_drawn_as_a_prism_and_named(
    load: Load, settings: Settings, engine: Engine
) -> None:
    load(STOREYS / "hierarchy.city.json", crs="EPSG:4547")
    built = build(settings, engine, BUILDINGS)
    assert built.features == 1
    named = rows(engine, "SELECT reason_en, drawn FROM platform.tile_skip")
    assert named == [("drawn as a prism: its solid encloses nothing", True)]


def test_every_model_comes_in_or_is_refused_in_both_languages(load: Load) -> None:
    files = [*VALID.glob("*.json"), *VALID.glob("*.jsonl"), *STOREYS.glob("*.city.json*")]
    came = refused = 0
    for path in sorted(files):
        source = None
        try:
            source = readers.read(path)
            report = load(path, source=path.name, crs=None if source.crs else "EPSG:4547")
        except CimError as error:
            assert path.name in str(error) and path.name in error.zh, path
            refused += 1
        else:
            assert report.counts.new + report.set_aside == report.read, path
            came += 1
    assert (came, refused) == (35, 25)


def test_a_designers_mesh_stands_on_its_building(
    load: Load, settings: Settings, engine: Engine
) -> None:
    load(DELFT / "delft_1b.json")
    number = rows(engine, "SELECT id FROM city.building")[0][0]
    path = DATA / "bim/duplex-obj/models/DuplexArc Model.obj"
    report = bring(settings, meshes.KIND, path, Request(building=number), units=None, keep=True)
    assert report.counts.new == 1
    drawn = "SELECT kind, ST_NumGeometries(geom) FROM city.building_geom WHERE is_current"
    assert rows(engine, drawn) == [("mesh", 25_866)]
    assert build(settings, engine, BUILDINGS).features == 1
