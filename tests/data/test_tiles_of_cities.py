"""Real cities as tiles: nothing is lost without being named, and the check finds no fault."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from cim.cli import main
from cim.settings import Settings
from tiling.check import check

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
MODELS = "citymodels/cityjson-delft-zurich/tests/data"
CAPE = "citymodels/cityjson-capetown"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real cities cannot be tried"
)

Cim = Callable[..., Result]


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cim:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CIM_GEOID_GRID", str(DATA / "terrain/egm96_15.gtx"))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


CITIES = [
    pytest.param("buildings/suzhou/example/data/bd_demo_2.json", (), 3_076, id="Suzhou"),
    pytest.param(f"{MODELS}/delft.json", (), 160, id="Delft"),
    pytest.param(f"{MODELS}/zurich/zurich_subset_lod2.json", (), 49, id="Zürich"),
    pytest.param(f"{CAPE}/result/citjsn_mamre3D.json", (), 2_344, id="Mamre"),
    pytest.param(f"{CAPE}/result/citjsn_sRiver3D.json", (), 1_377, id="Salt River"),
    pytest.param(
        "buildings/newyork/nyc_buildings_asis.parquet",
        ("--map", "kind="),
        113_087,
        marks=pytest.mark.trial,
        id="New York",
    ),
]


@pytest.mark.parametrize(("file", "options", "buildings"), CITIES)
def test_a_city_is_whole_in_its_tiles(
    cim: Cim,
    engine: Engine,
    settings: Settings,
    file: str,
    options: tuple[str, ...],
    buildings: int,
) -> None:
    source = Path(file).stem
    loaded = cim("load", "buildings", DATA / file, "--source", source, *options, "--quiet")
    assert loaded.exit_code in (0, 1), loaded.output
    built = cim("tile", "build", "--explicit")
    assert built.exit_code == 0, built.output
    found = cim("tile", "check", "--all")
    assert found.exit_code == 0, found.output
    assert found.output.count("held against the database") == 2
    with engine.connect() as connection:
        came, aside, standing, named = connection.execute(
            text(
                "SELECT (SELECT count(*) FROM city.building b JOIN city.source_system s"
                "  ON s.id = b.source_id WHERE s.name = :source AND b.ended_at IS NULL),"
                " (SELECT count(DISTINCT row_no) FROM platform.quarantine WHERE file = :file),"
                " (SELECT count(*) FROM city.building WHERE ended_at IS NULL),"
                " (SELECT count(*) FROM platform.tile_skip"
                "  WHERE tileset = 'buildings' AND NOT drawn)"
            ),
            {"source": source, "file": Path(file).name},
        ).one()
    report = check(settings.tiles_dir / "buildings/current", contents=False)
    assert report.features == standing - named
    assert came + aside == buildings
