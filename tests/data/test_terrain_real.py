"""Real ground: Andorra on SRTM, and villages near Cape Town on the raster their models stand on."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from click.testing import CliRunner, Result
from pyproj import Transformer
from sqlalchemy import Engine, text

from cim import crs
from cim.cli import main
from cim.crs.geoid import read_grid
from cim.load.terrain.reading import opened
from cim.settings import Settings
from cim.terrain.ground import Ground
from cim.terrain.layer import Layer

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CAPE = DATA / "citymodels" / "cityjson-capetown"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real ground cannot be tried"
)


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CIM_GEOID_GRID", str(DATA / "terrain/egm96_15.gtx"))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def houses_of(source: Path, target: Path) -> int:
    """The buildings of an OpenStreetMap extract, as a file of their own."""
    _, table = pyogrio.read_arrow(
        source, layer="multipolygons", columns=["name"],
        where="building IS NOT NULL",
    )  # fmt: skip
    pyogrio.write_arrow(table, target, layer=target.stem, driver="GPKG", crs="EPSG:4326",
                        geometry_name="wkb_geometry", geometry_type="MultiPolygon")  # fmt: skip
    return int(table.num_rows)


@pytest.mark.parametrize(
    ("extract", "raster", "least", "most"),
    [("andorra.osm.pbf", "N42E001.hgt.zip", 800, 2700),
     pytest.param("north-bayreuth.osm.gz", "N49E011.hgt.zip", 300, 500,
                  marks=pytest.mark.trial)],
)  # fmt: skip
def test_the_houses_of_a_country_stand_on_srtm(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path,
    extract: str, raster: str, least: float, most: float,
) -> None:  # fmt: skip
    source = DATA / "terrain" / extract
    if source.suffix == ".gz":
        source = tmp_path / source.stem
        source.write_bytes(gzip.decompress((DATA / "terrain" / extract).read_bytes()))
    name = Path(extract).stem.partition(".")[0]
    count = houses_of(source, tmp_path / f"{name}.gpkg")
    said = cim("load", "terrain", DATA / "terrain" / raster, "--heights", "egm96")
    assert said.exit_code == 0, said.output
    said = cim("load", "buildings", tmp_path / f"{name}.gpkg", "--no-units")
    assert said.exit_code in (0, 1), said.output
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT ground_method, ground_elev, ground_low, ground_high,"
                 " ST_YMax(footprint) AS north FROM city.building b"
                 " JOIN city.source_system s ON s.id = b.source_id WHERE s.name = :name"),
            {"name": name},
        ).all()  # fmt: skip
    assert len(rows) > 0.98 * count
    beyond = [row.north for row in rows if row.ground_method != "terrain"]
    assert all(north > 50 for north in beyond), "the raster ends there"
    rows = [row for row in rows if row.ground_method == "terrain"]
    assert len(rows) > 0.4 * count
    low, high = np.array([[row.ground_low, row.ground_high] for row in rows], float).T
    assert low.min() >= least
    assert high.max() <= most
    assert (high - low).min() >= 0
    assert np.allclose(low, [row.ground_elev for row in rows], atol=0.001)
    said = cim("tile", "build")
    assert said.exit_code == 0, said.output
    assert "terrain" in said.output
    said = cim("tile", "check")
    assert said.exit_code == 0, said.output


@pytest.mark.parametrize(
    ("model", "raster"), [("mamre", "LO19_050M_3318CB"), ("sRiver", "LO19_050M_3318CD")]
)
def test_houses_near_cape_town_stand_where_their_model_says(model: str, raster: str) -> None:
    city = json.loads((CAPE / "result" / f"citjsn_{model}3D.json").read_text())
    system = "EPSG:" + city["metadata"]["referenceSystem"].rpartition("/")[2]
    houses = [one["attributes"] for one in city["CityObjects"].values()
              if "ground_height" in one.get("attributes", {})]  # fmt: skip
    outlines = [
        shapely.Polygon(
            np.column_stack(crs.to_4490(*np.array(house["footprint"][0], float)[:, :2].T, system))
        )
        for house in houses
    ]
    said = np.array([house["ground_height"] for house in houses], float)
    path = CAPE / "raster" / f"{raster}.tif"
    with opened(path) as file:
        layer = Layer(path, file.system, file.heights, file.extent.bounds)
    with Ground(Settings(_env_file=None), [layer]) as ground:
        under = ground.under(np.array(outlines))
    assert len(houses) > 1000
    assert np.isfinite(under.low).all()
    # They took one height a house, from triangles over the same raster: of ours it is between the
    # lowest and the highest, but for what cells of 25 m leave open.
    off = np.maximum(under.low - said, 0) + np.maximum(said - under.high, 0)
    assert np.percentile(off, 95) < 1.0
    assert np.abs(np.median((under.low + under.high) / 2 - said)) < 0.3


def test_a_world_wide_geoid_agrees_with_proj() -> None:
    path = DATA / "terrain/egm96_15.gtx"
    grid = read_grid(path)
    rng = np.random.default_rng(3)
    longitude, latitude = rng.uniform(-180, 180, 500), rng.uniform(-89, 89, 500)
    shift = Transformer.from_pipeline(
        f"+proj=pipeline +step +proj=unitconvert +xy_in=deg +xy_out=rad "
        f"+step +proj=vgridshift +grids={path} +multiplier=1 "
        "+step +proj=unitconvert +xy_in=rad +xy_out=deg"
    )
    there = shift.transform(longitude, latitude, np.zeros(500))[2]
    assert np.abs(grid.height(longitude, latitude) - there).max() < 0.001


def test_a_floor_model_that_says_no_height_stands_on_the_terrain(
    cim: Callable[..., Result], engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.building, city.terrain CASCADE"))
    raster = DATA / "terrain" / "N42E001.hgt.zip"
    assert cim("load", "terrain", raster, "--heights", "egm96").exit_code == 0
    model = DATA / "bim" / "duplex.ifc"
    asked = "SELECT id, ground_method, ground_elev, ground_low FROM city.building"
    stood = []
    for _ in range(2):
        said = cim("load", "model", model, "--at", "1.5218,42.5078,0")
        assert said.exit_code == 0, said.output
        with engine.connect() as connection:
            stood.append(connection.execute(text(asked)).one())
    assert stood[0] == stood[1]
    assert stood[0].ground_method == "terrain"
    assert 1000 < stood[0].ground_elev < 1050
    assert stood[0].ground_low == pytest.approx(stood[0].ground_elev, abs=0.01)
