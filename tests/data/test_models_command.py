"""`cim load model` as typed: into the city, its tiles, and out again as a sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from cim.cli import main
from cim.settings import Settings
from tiling.check.reading import read_glb

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "bim"
DUPLEX, HOUSE = DATA / "duplex.ifc", DATA / "AC20-FZK-Haus.ifc"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)

Cim = Callable[..., Result]


@pytest.fixture
def cim(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cim:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def count(engine: Engine, table: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_a_model_is_tried_then_loaded_tiled_and_found_whole(
    cim: Cim, engine: Engine, settings: Settings
) -> None:
    tried = cim("load", "model", DUPLEX, "--at", "113.75,23.02,15", "--dry-run")
    assert tried.exit_code == 0 and "nothing was kept" in tried.output
    assert count(engine, "city.building") == 0

    loaded = cim("load", "model", DUPLEX, "--at", "113.75,23.02,15")
    assert loaded.exit_code == 0 and "rooms: 21 new" in loaded.output
    assert cim("load", "model", HOUSE, "--at", "113.7505,23.02,0").exit_code == 0
    assert cim("units", "build").exit_code == 0

    assert cim("tile", "build", "--tileset", "units", "--jobs", "1").exit_code == 0
    assert cim("tile", "check").exit_code == 0
    tiles = sorted((settings.tiles_dir / "units" / "current").resolve().rglob("*.glb"))
    with engine.connect() as connection:
        stands = "SELECT id, storey_id FROM city.unit UNION SELECT unit_id, storey_id FROM"
        wanted = set(map(tuple, connection.execute(text(f"{stands} city.unit_storey"))))
    found = [
        pair
        for glb in map(read_glb, tiles)
        for pair in zip(*(glb.column(name).tolist() for name in ("id", "storey_id")), strict=True)
    ]
    assert set(found) == wanted and len(found) == 6 and len({unit for unit, _ in found}) == 3
    assert cim("check").exit_code == 0


def test_a_model_without_a_place_ends_with_a_sentence_in_two_languages(
    cim: Cim, engine: Engine
) -> None:
    before = count(engine, "city.building")
    refused = cim("load", "model", DATA / "IfcOpenHouse_IFC4.ifc")
    assert refused.exit_code == 2
    assert "--at" in refused.output and "请用 --at" in refused.output
    assert count(engine, "city.building") == before
