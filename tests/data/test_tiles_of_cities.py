"""Real cities as tiles: what a file has is in a tile or named, and the check finds no fault.

Each city has a database of its own; the counts of all are told at the end as one table.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from uuid import uuid4

import psycopg
import pyogrio
import pytest
from click.testing import CliRunner, Result
from psycopg.sql import SQL, Identifier
from sqlalchemy import Engine, text

from cim.cli import main
from cim.settings import Settings
from cim.store.copy import numbers
from cim.store.engine import open_engine
from tests import spread
from tiling.check.census import EXPECTED
from tiling.check.tileset import check
from tiling.city.layers import LAYERS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MODELS = "citymodels/cityjson-delft-zurich/tests/data"
CAPE = "citymodels/cityjson-capetown"

Cim = Callable[..., Result]


@dataclass(frozen=True)
class Counts:
    """What became of a city: a row of the table; its columns are HEADS."""

    city: str
    rows: int
    aside: int
    buildings: int
    in_tiles: int
    named: int
    units: int
    faults: int


HEADS = ("city", "rows", "set aside", "buildings", "in tiles", "named", "units", "faults")


@pytest.fixture(scope="module")
def table() -> Iterator[list[Counts]]:
    """The counts of each city that was tried; told at the end of the run."""
    found: list[Counts] = []
    yield found
    for row in (HEADS, *map(astuple, found)):
        spread.LINES.append(f"{row[0]:<20}" + "".join(f"{value!s:>11}" for value in row[1:]))


@pytest.fixture
def settings(
    server: str, template: str, url_of: Callable[..., str], tmp_path: Path
) -> Iterator[Settings]:
    """Settings that lead to an empty database of the test's own."""
    name = f"cim_test_{os.getpid()}_{uuid4().hex[:8]}"
    words = Identifier(name), Identifier(template)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(*words))
        url = url_of(name)
        yield Settings(_env_file=None, database_url=url, data_dir=tmp_path / "data")
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(words[0]))


@pytest.fixture
def city(settings: Settings) -> Iterator[Engine]:
    """The database of the test's own."""
    engine = open_engine(settings)
    yield engine
    engine.dispose()


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cim:
    """A command as a user types it, which must end well; rows set aside are well."""
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))

    def run(*words: str | Path) -> Result:
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code in ((0, 1) if words[0] == "load" else (0,)), done.output
        return done

    return run


def houses(extract: Path, folder: Path) -> Path:
    """The buildings of an OpenStreetMap extract, as a file of their own."""
    _, found = pyogrio.read_arrow(
        extract, layer="multipolygons", columns=["name"], where="building IS NOT NULL"
    )
    target = folder / "houses.gpkg"
    pyogrio.write_arrow(found, target, layer="houses", driver="GPKG", crs="EPSG:4326",
                        geometry_name="wkb_geometry", geometry_type="MultiPolygon")  # fmt: skip
    return target


@dataclass(frozen=True)
class City:
    """A city's file, the raster of its ground, with how each is loaded, and its buildings."""

    name: str
    buildings: int
    file: str
    options: tuple[str, ...] = ()
    ground: str = ""
    heights: tuple[str, ...] = ()


SUZHOU = City("Suzhou", 3_076, "buildings/suzhou/example/data/bd_demo_2.json")
NEWYORK = City(
    "New York", 113_087, "buildings/newyork/nyc_buildings_asis.parquet", ("--map", "kind=")
)
ANDORRA = City(
    "Andorra",
    292,
    "terrain/andorra.osm.pbf",
    ground="terrain/N42E001.hgt.zip",
    heights=("--heights", "egm96"),
)
MAMRE = City(
    "Cape Town, Mamre",
    2_344,
    f"{CAPE}/result/citjsn_mamre3D.json",
    ground=f"{CAPE}/raster/LO19_050M_3318CB.tif",
)
SALT_RIVER = City(
    "Cape Town, Salt R.",
    1_377,
    f"{CAPE}/result/citjsn_sRiver3D.json",
    ground=f"{CAPE}/raster/LO19_050M_3318CD.tif",
)
DELFT = City("Delft", 160, f"{MODELS}/delft.json")
ZURICH = City("Zürich", 49, f"{MODELS}/zurich/zurich_subset_lod2.json")


@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is absent: no real cities")
@pytest.mark.parametrize(
    "real",
    [
        SUZHOU,
        pytest.param(MAMRE, marks=pytest.mark.trial),  # as Salt River, of the same makers
        SALT_RIVER,
        ANDORRA,
        DELFT,
        ZURICH,
        pytest.param(NEWYORK, marks=pytest.mark.trial),
    ],
    ids=lambda city: city.name,
)
def test_a_real_city_is_whole_in_its_tiles(
    cim: Cim,
    city: Engine,
    settings: Settings,
    table: list[Counts],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    real: City,
) -> None:
    monkeypatch.setenv("CIM_GEOID_GRID", str(DATA / "terrain/egm96_15.gtx"))
    if real.ground:
        cim("load", "terrain", DATA / real.ground, *real.heights)
    file = DATA / real.file
    source = houses(file, tmp_path) if file.suffix == ".pbf" else file
    cim("load", "buildings", source, *real.options, "--quiet")
    found = whole(cim, city, settings, real.name, real.buildings)
    table.append(found)
    assert found.buildings + found.aside == real.buildings


def test_the_sample_city_is_whole_in_its_tiles(
    cim: Cim, city: Engine, settings: Settings, table: list[Counts], tmp_path: Path
) -> None:
    cim("sample", tmp_path / "sample", "--faults")
    cim("load", "city", tmp_path / "sample")
    # five rows more than good ones, and a sixth with the id of the first
    found = whole(cim, city, settings, "sample city", 1_600 + 5)
    table.append(found)
    assert found.buildings + found.aside == found.rows


def whole(cim: Cim, engine: Engine, settings: Settings, name: str, rows: int) -> Counts:
    """Tile a city and check all of it against its database; what became of what it has."""
    cim("tile", "build", "--explicit")
    said = cim("tile", "check", "--all", "--against-database").output
    assert said.count("held against the database") >= len(LAYERS), said  # and its terrain
    faults = sum(int(count) for count in re.findall(r"(\d+) faults", said))
    held: dict[str, tuple[int, int, int]] = {}
    for tileset, expected in EXPECTED.items():
        report = check(settings.tiles_dir / tileset / "current", contents=False)
        with engine.connect() as connection:
            all_of_it = expected.all(expected.which)
            wanted = numbers.read(connection, all_of_it, expected.types)["id"].size
            named = connection.scalar(
                text("SELECT count(*) FROM platform.tile_skip WHERE tileset = :name AND NOT drawn"),
                {"name": tileset},
            )
        held[tileset] = wanted, report.features, named or 0
    with engine.connect() as connection:
        aside = connection.scalar(
            text("SELECT count(DISTINCT (file, row_no)) FROM platform.quarantine"
                 " WHERE kind = 'buildings'")
        )  # fmt: skip
    wanted, drawn, named = (
        there + to_be for there, to_be in zip(held["buildings"], held["planned"], strict=True)
    )
    assert drawn + named == wanted > 0
    return Counts(name, rows, aside or 0, wanted, drawn, named, held["units"][1], faults)
