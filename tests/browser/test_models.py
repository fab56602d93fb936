"""Real floor models from the file to a flat that is clicked: storeys rise, flats stand on theirs.

viewer/tests/browser/models.mjs looks at both and reports what it saw; each test judges one part of
it.  The pictures it took are in screenshots/, to be looked at.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from cim.crs.ecef import to_geodetic
from cim.settings import Settings
from tests.browser.conftest import PICTURES, WALK, serving
from tiling.check.reading import read_glb
from tiling.check.rules import Content
from tiling.city.layers import LAYERS

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "bim"

pytestmark = pytest.mark.skipif(
    not DATA.exists(), reason="../shared/data is absent: real files cannot be tried"
)

PLACES = {"AC20-FZK-Haus": "113.75,23.02,0", "duplex": "113.7503,23.02,15"}

PARTS = """
    SELECT u.id, s.no, b.ground_elev + p.z_bottom, b.ground_elev + p.z_top
    FROM city.unit u JOIN city.building b ON b.id = u.building_id CROSS JOIN LATERAL (
        SELECT u.storey_id, u.z_bottom, u.z_top UNION ALL
        SELECT storey_id, z_bottom, z_top FROM city.unit_storey WHERE unit_id = u.id) p
    JOIN city.storey s ON s.id = p.storey_id"""


@pytest.fixture(scope="module")
def city(cim: Callable[..., str]) -> None:
    """Both models beside one another, with their tiles."""
    for name, place in PLACES.items():
        cim("load", "model", str(DATA / f"{name}.ifc"), "--at", place)
    cim("check")
    cim("tile", "build", "--jobs", "1")
    assert cim("tile", "check").count(" 0 faults") == len(LAYERS) + 1  # and the root of all


@pytest.fixture(scope="module")
def rooms(city: None, engine: Engine) -> dict[str, int]:
    """The flats' ids by building and room number."""
    with engine.connect() as connection:
        found = connection.execute(
            text(
                "SELECT b.name, u.room_no, u.id FROM city.unit u"
                " JOIN city.building b ON b.id = u.building_id"
            )
        )
        return {f"{name} {room}": id for name, room, id in found}


@pytest.fixture(scope="module")
def seen(city: None, environment: dict[str, str], engine: Engine) -> dict[str, Any]:
    """What a browser saw of both."""
    node = shutil.which("node")
    assert node, "node is not on PATH: run the tests by `make test`, or `scripts/node pytest`"
    with engine.connect() as connection:
        ids = connection.execute(text("SELECT id FROM city.building ORDER BY id")).scalars().all()
    with serving(environment) as origin:
        done = subprocess.run(
            [node, str(WALK.with_name("models.mjs")), origin, str(PICTURES), *map(str, ids)],
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {one["name"]: one for one in report["buildings"].values()}


def test_each_part_of_a_flat_is_drawn_between_its_own_floor_and_ceiling(
    city: None, engine: Engine, settings: Settings
) -> None:
    with engine.connect() as connection:
        wanted = {(id, no): (low, high) for id, no, low, high in connection.execute(text(PARTS))}
    found = {}
    folder = (settings.tiles_dir / "units" / "current").resolve()
    [root] = json.loads((folder / "tileset.json").read_text())["root"]["children"]
    frame = np.array(root["transform"], float).reshape(4, 4).T
    for file in folder.rglob("*.glb"):
        content = Content(read_glb(file), frame, None)
        up, glb = to_geodetic(content.positions)[2], content.glb
        for at, key in enumerate(zip(glb.column("id"), glb.column("storey_no"), strict=True)):
            own = up[content.feature_ids == at]
            found[tuple(map(int, key))] = (own.min(), own.max())
    assert found.keys() == wanted.keys() and len(found) == 6
    heights = np.array([[found[key], wanted[key]] for key in wanted])
    assert np.abs(heights[:, 0] - heights[:, 1]).max() < 0.006  # tiles count in centimetres


def test_flats_on_two_storeys_stand_on_both_and_nowhere_twice(
    seen: dict[str, Any], rooms: dict[str, int]
) -> None:
    a, b = rooms["duplex A"], rooms["duplex B"]
    grids = seen["duplex"]["grid"]
    assert set(grids) == {str(a), str(b)}
    for unit, grid in grids.items():
        assert [(row["label"], row["units"]) for row in grid] == [
            ("Roof", []), ("Level 2", [a, b]), ("Level 1", [a, b]), ("T/FDN", []),
        ]  # fmt: skip
        assert [row["chosen"] for row in grid] == [[], [int(unit)], [int(unit)], []]
        assert not any(row["cut"] for row in grid)


def test_a_storey_by_itself_shows_its_part_of_the_flats(
    seen: dict[str, Any], rooms: dict[str, int]
) -> None:
    flats = {str(rooms["duplex A"]), str(rooms["duplex B"])}
    storeys = seen["duplex"]["storeys"]
    assert {label: set(found) for label, found in storeys.items()} == {
        "Level 1": flats, "Level 2": flats,
    }  # fmt: skip
    assert lowest(storeys["Level 2"]) < lowest(storeys["Level 1"])  # rows count from the top
    house = seen["FZK-Haus"]["storeys"]
    assert set(house["Erdgeschoss"]) == set(house["Dachgeschoss"]) == {str(rooms["FZK-Haus 1"])}
    assert lowest(house["Dachgeschoss"]) < lowest(house["Erdgeschoss"])


def test_a_click_on_a_flat_shows_its_rooms(seen: dict[str, Any], rooms: dict[str, int]) -> None:
    for flat in ("A", "B"):
        listed = seen["duplex"]["rooms"][str(rooms[f"duplex {flat}"])]
        assert len(listed) == 10 and all(room.startswith(flat) for room in listed)
        assert sum("Level 2" in room for room in listed) == 5
    assert any("Küche" in room for room in seen["FZK-Haus"]["rooms"][str(rooms["FZK-Haus 1"])])


def test_the_page_has_nothing_to_complain_of(seen: dict[str, Any]) -> None:
    assert seen["outside"] == [] and seen["complaints"] == []
    assert all(one["before"]["what"] == "building" for one in seen["buildings"].values())


def lowest(flats: dict[str, Any]) -> int:
    """The lowest row of pixels in which any of the flats is seen."""
    return max(int(one["bottom"]) for one in flats.values())
