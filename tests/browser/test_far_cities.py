"""Cities far from one another in one database: each is seen on its own ground, by day.

viewer/tests/browser/solids.mjs looks at a building of each, from half a kilometre above.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.browser.conftest import walked

MODELS = Path(__file__).resolve().parents[3] / "shared" / "data" / "citymodels"
REAL = {
    "delft": "cityjson-delft-zurich/tests/data/delft.json",
    "zurich": "cityjson-delft-zurich/tests/data/zurich/zurich_subset_lod2.json",
    "berlin": "citygml-berlin/citygml4j-samples/input/datasets/lod2_buildings_v2.json",
    "capetown": "cityjson-capetown/result/citjsn_mamre3D.json",
}
TOWNS = {"dongguan": (113.75, 23.05, 12.0), "dalat": (108.44, 11.94, 1500.0)}
"""Longitude, latitude and ground of made towns: the sea's level, and a mountain's."""

AWAY = 500
"""Metres from which a building is looked at: above the ground of all but the highest cities."""

LARGEST = """
SELECT b.id FROM city.building b JOIN city.source_system s ON s.id = b.source_id
 WHERE s.name = :name ORDER BY b.footprint_area DESC, b.id LIMIT 1
"""


def town(longitude: float, latitude: float, ground: float) -> dict[str, Any]:
    """Nine houses of 40 m, 60 m apart."""
    step, half = 0.0006, 0.0002
    houses = []
    for place in range(9):
        west, south = longitude + place % 3 * step - half, latitude + place // 3 * step - half
        ring = [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]
        outline = [(west + 2 * half * x, south + 2 * half * y) for x, y in ring]
        houses.append(
            {
                "type": "Feature",
                "properties": {"id": str(place), "height": 20, "ground_elev": ground},
                "geometry": {"type": "Polygon", "coordinates": [outline]},
            }
        )
    return {"type": "FeatureCollection", "features": houses}


@pytest.mark.parametrize(
    "names",
    [("zurich", *TOWNS), pytest.param((*REAL, *TOWNS), marks=pytest.mark.trial)],
    ids=["three", "six"],
)
def test_each_of_several_far_cities_is_seen(
    cim: Callable[..., str],
    environment: dict[str, str],
    engine: Engine,
    tmp_path: Path,
    names: tuple[str, ...],
) -> None:
    files = {name: MODELS / path for name, path in REAL.items() if (MODELS / path).exists()}
    for name, place in TOWNS.items():
        files[name] = tmp_path / f"{name}.geojson"
        files[name].write_text(json.dumps(town(*place)), "utf-8")
    files = {name: path for name, path in files.items() if name in names}
    for name, path in files.items():
        cim("load", "buildings", str(path), "--source", name, "--no-units")
    cim("tile", "build", "--jobs", "1", "--tileset", "buildings")
    with engine.connect() as connection:
        ids = {name: connection.scalar(text(LARGEST), {"name": name}) for name in files}
    views = [f"{name}={building}={AWAY}" for name, building in ids.items()]
    seen = walked(environment, "solids.mjs", *views)
    hit = {name: (one["what"], one.get("building")) for name, one in seen["picked"].items()}
    assert hit == {name: ("building", building) for name, building in ids.items()}
    assert seen["complaints"] == [] and seen["outside"] == []
