"""Real files, read in place: every building in, odd systems where they belong, edges refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from cim import crs
from cim.errors import CimError, SourceError
from cim.load import pipeline, readers
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
BUILDINGS = DATA / "buildings"
EDGES = DATA / "formats" / "flatgeobuf" / "test" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)

Loader = Callable[..., Report]


@pytest.fixture
def load(connection: Connection, settings: Settings) -> Loader:
    def run(kind: str, path: Path, **options: Any) -> Report:
        return pipeline.load(connection, settings, KINDS[kind], path, Request(**options))

    return run


def one(connection: Connection, sql: str) -> Any:
    return connection.execute(text(sql)).scalar_one()


def extent(connection: Connection) -> list[float]:
    sql = "SELECT ARRAY[ST_XMin(e), ST_YMin(e), ST_XMax(e), ST_YMax(e)] FROM (SELECT " \
          "ST_Extent(footprint) AS e FROM city.building) x"  # fmt: skip
    return [float(number) for number in one(connection, sql)]


def test_suzhou_comes_in_whole_with_its_floors_and_heights(
    load: Loader, connection: Connection
) -> None:
    path = BUILDINGS / "suzhou/example/data/bd_demo_2.json"
    report = load("buildings", path)
    assert (report.counts.new, report.exit_code) == (3076, 0)
    given = "SELECT count(*) FROM city.building WHERE floors_method = 'given' " \
            "AND height_method = 'given'"  # fmt: skip
    assert one(connection, given) == 3076
    assert load("buildings", path).counts.unchanged == 3076


def test_kawasaki_has_three_outlines_to_mend(load: Loader) -> None:
    report = load("buildings", BUILDINGS / "suzhou/example/data/bd_demo.json")
    assert report.counts.new + report.set_aside == 1374
    assert report.repaired + report.set_aside >= 3


def test_beijing_given_as_gcj02_moves_by_half_a_kilometre(
    load: Loader, connection: Connection
) -> None:
    path = BUILDINGS / "beijing-taipei/examples/data/buildings.json"
    report = load("buildings", path, crs="gcj02")
    assert (report.counts.new, report.exit_code) == (5442, 0)
    found = np.array(extent(connection)).reshape(2, 2)
    there = crs.from_4490(found[:, 0], found[:, 1], "gcj02")
    assert np.column_stack(there) == pytest.approx(
        np.array([[116.42853, 39.90747], [116.48343, 39.96764]]), abs=2e-4
    )
    assert found[0, 0] < 116.4235


def test_taipei_has_its_heights_as_text(load: Loader, connection: Connection) -> None:
    report = load("buildings", BUILDINGS / "beijing-taipei/examples/cesiumEx/tjp.json")
    assert report.counts.new + report.set_aside == 6458
    assert report.set_aside <= 5
    assert one(connection, "SELECT max(height) FROM city.building") > 50


def test_zug_stands_in_switzerland_with_its_basements(load: Loader, connection: Connection) -> None:
    load("buildings", BUILDINGS / "zug/baseline/inputs/building-geometry/zone.shp")
    west, south, east, north = extent(connection)
    assert 8.51 < west < east < 8.52
    assert 47.17 < south < north < 47.18
    assert one(connection, "SELECT count(*) FROM city.building WHERE floors_below = 1") > 0


def test_prague_asks_for_the_layer_and_loads_it(load: Loader, connection: Connection) -> None:
    path = BUILDINGS / "prague/momepy/datasets/bubenec.gpkg"
    with pytest.raises(SourceError, match="--layer"):
        load("buildings", path)
    assert load("buildings", path, layer="buildings").counts.new == 144
    assert 14.39 < extent(connection)[0] < 14.41
    assert load("streets", path, layer="streets").counts.new == 35


def test_the_divisions_form_a_tree_and_dongguan_has_no_counties(
    load: Loader, connection: Connection
) -> None:
    folder = DATA / "divisions/china-division"
    for name in ("provinces", "cities", "areas", "streets", "villages"):
        report = load("areas", folder / f"{name}.csv")
        assert report.exit_code == 0, name
    orphans = "SELECT count(*) FROM city.admin_area WHERE parent_id IS NULL AND level > 1"
    assert one(connection, orphans) == 0
    towns = "SELECT count(*) FROM city.admin_area t JOIN city.admin_area p ON p.id = t.parent_id " \
            "WHERE p.code = '441900' AND p.is_pseudo AND t.level = 4"  # fmt: skip
    assert one(connection, towns) >= 32
    outlines = load("areas", DATA / "divisions/dongguan-towns/441900-poi.geojson", crs="gcj02")
    assert (outlines.counts.changed, outlines.set_aside) == (33, 0)
    drawn = "SELECT count(*) FROM city.admin_area WHERE level = 4 AND geom IS NOT NULL"
    assert one(connection, drawn) == 33
    villages = """SELECT count(*) FROM city.admin_area v
                   JOIN city.admin_area t ON t.id = v.parent_id
                   WHERE v.level = 5 AND t.name = '虎门镇' AND left(v.code, 9) = t.code"""
    assert one(connection, villages) == 32


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("alldatatypes", 1), ("binary_wkb", 1), ("countries", 179), ("countries_nocrs", 179),
        ("countries_nogeo", 179), ("empty", 0), ("heterogeneous", 3), ("no_properties", 1),
        ("poly00", 10), ("unknown_feature_count", 1),
    ],
)  # fmt: skip
def test_the_edges_of_flatgeobuf_are_read(name: str, rows: int) -> None:
    source = readers.read(EDGES / f"{name}.fgb")
    assert sum(len(batch) for batch in source.batches) == rows


@pytest.mark.parametrize("name", ["topp_states.fgb", "surface/triangle.fgb"])
def test_what_is_too_old_or_no_polygon_is_refused(name: str) -> None:
    with pytest.raises(SourceError, match="cannot be read") as refused:
        list(readers.read(EDGES / name).batches)
    assert "无法读取" in refused.value.zh


def test_an_empty_file_has_no_rows(load: Loader) -> None:
    with pytest.raises(SourceError, match="no rows"):
        load("buildings", EDGES / "empty.fgb")


def test_every_invalid_geojson_is_loaded_set_aside_or_refused(
    connection: Connection, settings: Settings
) -> None:
    files = sorted((DATA / "geometry").glob("**/*.*json"))
    assert len(files) > 150
    told = 0
    for path in files:
        try:
            with connection.begin_nested() as attempt:
                report = pipeline.load(connection, settings, KINDS["buildings"], path)
                attempt.rollback()
            told += report.came_in + report.set_aside == report.read - report.merged
        except CimError as error:
            told += error.zh != str(error)
    assert told == len(files)


@pytest.mark.trial
def test_new_york_is_113087_buildings(load: Loader, connection: Connection) -> None:
    report = load("buildings", BUILDINGS / "newyork/nyc_buildings_asis.parquet")
    assert report.read == 122_838
    assert (report.counts.new, report.merged, report.set_aside) == (113_087, 9_751, 0)
