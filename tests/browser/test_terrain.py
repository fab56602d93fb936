"""Houses on a made slope, in a real browser: the ground is drawn, and they stand on it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from sqlalchemy import Engine, text

from tests.browser.conftest import walked

WEST, NORTH, CELL = 113.70, 23.06, 0.0001
SIZE = 600


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A valley with slopes of one in four, and twelve towers along it."""
    row, column = np.mgrid[0:SIZE, 0:SIZE]
    values = 20 + 2.5 * np.abs(column - 300) + 10 * np.sin(row / 40)
    dem = tmp_path / "valley.tif"
    with rasterio.open(
        dem, "w", driver="GTiff", width=SIZE, height=SIZE, count=1, dtype="float32",
        crs="EPSG:4490", transform=Affine(CELL, 0, WEST, 0, -CELL, NORTH),
    ) as file:  # fmt: skip
        file.write(values.astype("float32"), 1)
    features = []
    for number in range(12):
        x, y = WEST + (250 + 10 * number) * CELL, NORTH - (300 + 4 * (number % 3)) * CELL
        outline = shapely.geometry.mapping(shapely.box(x, y, x + 4 * CELL, y + 3 * CELL))
        properties = {"编号": f"T{number}", "高度": 36, "层数": 12}
        features.append({"type": "Feature", "properties": properties, "geometry": outline})
    houses = tmp_path / "towers.geojson"
    houses.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return dem, houses


def test_towers_stand_on_the_slopes_of_a_valley(
    cim: Callable[..., str], environment: dict[str, str], engine: Engine, files: tuple[Path, Path]
) -> None:
    dem, houses = files
    environment["CIM_GEOID_OFFSET"] = "-4"
    cim("load", "terrain", str(dem))
    cim("load", "buildings", str(houses))
    assert "terrain: " in cim("tile", "build")
    assert " 0 faults" in cim("tile", "check")
    with engine.connect() as connection:
        towers = connection.execute(
            text("SELECT id, ground_low, ground_high, ground_method FROM city.building ORDER BY id")
        ).all()
    assert {tower.ground_method for tower in towers} == {"terrain"}
    assert max(tower.ground_high - tower.ground_low for tower in towers) > 9
    some = towers[::4]
    seen: dict[str, Any] = walked(environment, "terrain.mjs", *(str(tower.id) for tower in some))
    assert seen["outside"] == [] and seen["complaints"] == []
    assert seen["tiles"] > 5
    assert seen["colours"] > 40, "slopes are shaded"
    for tower, one in zip(some, seen["buildings"], strict=True):
        assert one["ground"] == pytest.approx(tower.ground_low - 4, abs=0.01)
        (drawn,) = one["drawn"]
        assert tower.ground_low - 4 - 1 <= drawn <= tower.ground_high - 4 + 1
        assert one["wall"] == "building", "its wall is on the screen, above the ground"
