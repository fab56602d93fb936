"""Every file of buildings, divisions and addresses is in, or refused for a reason told here."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from cim.errors import CimError
from cim.load import pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.settings import Settings

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)

BUILDINGS, DIVISIONS = "buildings/", "divisions/china-division/"
ZUG, PRAGUE = BUILDINGS + "zug/baseline/inputs/", BUILDINGS + "prague/momepy/datasets/"
CAPITALS = BUILDINGS + "beijing-taipei/examples/"
TSINGHUA = BUILDINGS + "tsinghua/data/"

Wish = dict[str, Any]
IN: list[tuple[str, str, Wish, tuple[int, int, int]]] = [
    (BUILDINGS + "suzhou/example/data/bd_demo_2.json", "buildings", {}, (3076, 3076, 0)),
    (BUILDINGS + "suzhou/example/data/bd_demo.json", "buildings", {}, (1374, 1374, 0)),
    (CAPITALS + "data/buildings.json", "buildings", {"crs": "gcj02"}, (5442, 5442, 0)),
    (CAPITALS + "cesiumEx/tjp.json", "buildings", {}, (6458, 6457, 1)),
    (TSINGHUA + "buildings.geojson", "buildings", {}, (626, 626, 0)),
    (TSINGHUA + "dorms.geojson", "buildings", {}, (75, 75, 0)),
    (TSINGHUA + "dorms_sorted.geojson", "buildings", {}, (73, 73, 0)),
    (TSINGHUA + "canteens.geojson", "buildings", {}, (18, 18, 0)),
    (TSINGHUA + "sports.geojson", "buildings", {}, (59, 56, 3)),
    (TSINGHUA + "roads.geojson", "streets", {}, (931, 903, 28)),
    (TSINGHUA + "campus_boundary.geojson", "estates", {}, (1, 1, 0)),
    (ZUG + "building-geometry/zone.shp", "buildings", {}, (15, 15, 0)),
    (ZUG + "building-geometry/surroundings.shp", "buildings", {}, (184, 184, 0)),
    (ZUG + "networks/streets.shp", "streets", {}, (1001, 1001, 0)),
    (PRAGUE + "bubenec.gpkg", "buildings", {"layer": "buildings"}, (144, 144, 0)),
    (PRAGUE + "bubenec.gpkg", "streets", {"layer": "streets"}, (35, 35, 0)),
    (DIVISIONS + "provinces.csv", "areas", {}, (31, 31, 0)),
    (DIVISIONS + "cities.csv", "areas", {}, (342, 342, 0)),
    (DIVISIONS + "areas.csv", "areas", {}, (2978, 2978, 0)),
    (DIVISIONS + "streets.csv", "areas", {}, (401, 401, 0)),
    (DIVISIONS + "villages.csv", "areas", {}, (7903, 7903, 0)),
    ("addresses/cpca/cpca/resources/adcodes.csv", "areas", {"crs": "EPSG:4490"}, (3511, 3511, 0)),
    ("addresses/cpca/tests/addr.csv", "addresses", {}, (18145, 16586, 1559)),
    (PRAGUE + "bubenec.gpkg", "estates", {"layer": "plots", "fields": {"name": "ID"}},
     (407, 407, 0)),
    (PRAGUE + "tests.gpkg", "buildings", {"layer": "os"}, (16, 16, 0)),
    (PRAGUE + "tests.gpkg", "streets", {"layer": "network"}, (61, 61, 0)),
    (PRAGUE + "tests.gpkg", "streets", {"layer": "broken_network"}, (83, 83, 0)),
    (PRAGUE + "tests.gpkg", "buildings", {"layer": "test_rabs"}, (88, 0, 88)),
    (ZUG + "building-geometry/site.shp", "estates", {"fields": {"name": "FID"}}, (1, 1, 0)),
]  # fmt: skip
"""File, kind, what is asked, and rows read, things in, rows set aside.

New York's buildings and addresses are trials of their own.
"""


@pytest.mark.parametrize(("file", "kind", "asked", "counts"), IN)
def test_a_file_is_in_with_every_row_accounted_for(
    file: str,
    kind: str,
    asked: Wish,
    counts: tuple[int, int, int],
    connection: Connection,
    settings: Settings,
) -> None:
    report = pipeline.load(connection, settings, KINDS[kind], DATA / file, Request(**asked))
    assert (report.read, report.came_in, report.set_aside) == counts
    assert report.came_in + report.set_aside + report.merged == report.read


REFUSED = {
    ZUG + "building-geometry/site.shp": ("estates", "no column for name"),
    TSINGHUA + "gates.geojson": ("facilities", "no column for name"),
    TSINGHUA + "gates_manual.geojson": ("facilities", "no column for name"),
    ZUG + "building-properties/typology.dbf": ("buildings", "no reader for .dbf"),
    ZUG + "building-properties/schedules/B1000.csv": ("people", "must name the columns"),
    ZUG + "technology/archetypes/use_types/OFFICE.csv": ("people", "must name the columns"),
    ZUG + "technology/archetypes/use_types/schedule_references.txt": ("people", "2 columns"),
    ZUG + "technology/archetypes/CONSTRUCTION_STANDARD.xlsx": ("buildings", "no geometry"),
    ZUG + "technology/archetypes/use_types/USE_TYPE_PROPERTIES.xlsx": ("buildings", "no geometry"),
    ZUG + "topography/terrain.tif": ("buildings", "no reader for .tif"),
    ZUG + "weather/weather.epw": ("readings", "no reader for .epw"),
    "addresses/cpca/cpca/resources/56_nations.csv": ("people", "no column for"),
}
"""What is no register of a city: a boundary and gates without names, tables of a simulation."""


@pytest.mark.parametrize("file", REFUSED)
def test_what_is_no_register_is_refused_with_its_reason(
    file: str, connection: Connection, settings: Settings
) -> None:
    kind, reason = REFUSED[file]
    with pytest.raises(CimError, match=reason):
        pipeline.load(connection, settings, KINDS[kind], DATA / file, Request())
