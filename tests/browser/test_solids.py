"""Real roofs in a real browser: a city model, and a mesh laid on one of its buildings.

viewer/tests/browser/solids.mjs looks at them and reports what it saw.  The pictures it took are in
screenshots/, to be looked at.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.browser.conftest import walked

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
ZURICH = DATA / "citymodels/cityjson-delft-zurich/tests/data/zurich/zurich_subset_lod2.json"
DUPLEX = DATA / "bim/duplex-obj/models/DuplexArc Model.obj"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)

LARGEST = """SELECT id, ground_elev, height FROM city.building
             ORDER BY footprint_area DESC LIMIT 2"""


@pytest.fixture(scope="module")
def buildings(cim: Callable[..., str], engine: Engine) -> list[Any]:
    """Zürich's roofs in tiles, and a duplex in place of the second largest building."""
    cim("load", "buildings", str(ZURICH))
    with engine.connect() as connection:
        found = connection.execute(text(LARGEST)).all()
    cim("load", "mesh", str(DUPLEX), "--building", str(found[1].id))
    cim("tile", "build", "--jobs", "1")
    assert " 0 faults" in cim("tile", "check", "--jobs", "1")
    return list(found)


@pytest.fixture(scope="module")
def seen(buildings: list[Any], environment: dict[str, str]) -> dict[str, Any]:
    """What a browser saw of both."""
    roofs, mesh = buildings
    return walked(environment, "solids.mjs", f"zurich={roofs.id}=60", f"duplex={mesh.id}=40")


def test_a_roof_is_where_the_model_has_it(seen: dict[str, Any], buildings: list[Any]) -> None:
    hit = seen["picked"]["zurich"]
    assert (hit["what"], hit["building"]) == ("building", buildings[0].id)
    above = hit["place"]["h"] - buildings[0].ground_elev
    assert buildings[0].height / 2 < above <= buildings[0].height + 0.1


def test_a_mesh_is_clicked_as_its_building(seen: dict[str, Any], buildings: list[Any]) -> None:
    hit = seen["picked"]["duplex"]
    assert (hit["what"], hit["building"]) == ("building", buildings[1].id)


def test_nothing_complains_and_nobody_else_is_asked(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []
    assert seen["outside"] == []
