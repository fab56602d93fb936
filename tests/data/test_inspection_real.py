"""What the look at real files proposes: the kinds they are, and columns that are what they say."""

import json
from pathlib import Path

import pytest

from cim.load import matching
from cim.load.inspection import inspect
from cim.settings import Settings

REAL = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not REAL.exists(), reason="../shared/data is absent: real files cannot be tried"
)

FILES = {
    "buildings/suzhou/example/data/bd_demo_2.json": (
        "buildings", 3076, {"height": "height", "floors_above": "Floor"}),
    "buildings/suzhou/example/data/bd_demo.json": (
        "buildings", 1374, {"height": "height", "ext_id": "id"}),
    "buildings/beijing-taipei/examples/data/buildings.json": (
        "buildings", 5442, {"height": "height", "name": "name", "ext_id": "id"}),
    "buildings/beijing-taipei/examples/cesiumEx/tjp.json": (
        "buildings", 6458, {"height": "height"}),
    "buildings/zug/baseline/inputs/building-geometry/zone.shp": (
        "buildings", 15, {"name": "Name", "height": "height_ag", "floors_above": "floors_ag",
                          "floors_below": "floors_bg"}),
    "buildings/zug/baseline/inputs/networks/streets.shp": (
        "streets", 1001, {"name": "name", "kind": "highway"}),
    "buildings/newyork/nyc_buildings_asis.parquet": (
        "buildings", 122_838, {"name": "name", "height": "height", "ext_id": "id"}),
    "buildings/newyork/nyc_address_points_asis.parquet": (
        "addresses", 119_118, {"road": "addr_street", "door_no": "addr_housenumber",
                               "ext_id": "id"}),
    "buildings/tsinghua/data/buildings.geojson": (
        "buildings", 626, {"name": "name", "floors_above": "building:levels",
                           "floors_below": "building:levels:underground",
                           "use_code": "building", "has_lift": "elevator", "ext_id": "id"}),
    "divisions/china-division/streets.csv": ("areas", 401, {"code": "code", "name": "name"}),
    "divisions/china-division/villages.csv": ("areas", 7903, {"code": "code", "name": "name"}),
    "divisions/dongguan-towns/441900-poi.geojson": ("areas", 33, {"name": "name", "ext_id": "id"}),
    "addresses/cpca/cpca/resources/adcodes.csv": (
        "areas", 3511, {"code": "adcode", "name": "name"}),
    "addresses/cpca/cpca/resources/56_nations.csv": (None, 55, {}),
}  # fmt: skip
"""File → the kind it is, its rows, and the columns that are surely fields: no more, no fewer."""


@pytest.mark.parametrize("file", FILES)
def test_a_real_file_is_taken_for_what_it_is(file: str, tmp_path: Path) -> None:
    kind, rows, fields = FILES[file]
    found = inspect(Settings(_env_file=None, data_dir=tmp_path), REAL / file)
    assert (found.kind, found.rows) == (kind, rows)
    assert found.wish(matching.SURE) == fields
    assert len(json.dumps(found.as_json(), default=str)) < 1_000_000
