"""A survey's points in a real browser: they stand where they were measured, and can be hidden."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import laspy
import numpy as np
import pytest
import shapely

from cim.crs import plane
from tests.browser.conftest import walked
from tests.surveys import TOOLS

LON, LAT = 113.75, 23.02
MAGENTA = (255, 0, 255)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A house of 30 m, and before its southern wall a board of 20 m by 20 m, a point each 10 cm."""
    house = shapely.box(LON, LAT, LON + 0.0004, LAT + 0.0002)
    properties = {"编号": "H", "高度": 30, "层数": 10}
    feature = {
        "type": "Feature",
        "properties": properties,
        "geometry": shapely.geometry.mapping(house),
    }
    houses = tmp_path / "house.geojson"
    houses.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    east, up = (axis.ravel() for axis in np.mgrid[0:200, 0:200] * 0.1)
    x, y = plane.from_4490(np.array([LON + 0.0001]), np.array([LAT - 0.00002]), "EPSG:4547")
    header = laspy.LasHeader(point_format=2, version="1.2")
    header.scales, header.offsets = [0.001] * 3, [float(x[0]), float(y[0]), 0.0]
    board = laspy.LasData(header)
    board.x, board.y, board.z = x + east, np.full(east.size, y[0]), up + 5
    for name, value in zip(("red", "green", "blue"), MAGENTA, strict=True):
        setattr(board, name, np.full(east.size, value * 257, "u2"))
    board.write(tmp_path / "board.laz")
    return houses, tmp_path / "board.laz"


def test_a_survey_is_seen_where_it_was_measured_until_it_is_switched_off(
    cim: Callable[..., str], environment: dict[str, str], files: tuple[Path, Path]
) -> None:
    assert (TOOLS / "py3dtiles").is_file(), "py3dtiles is not installed: make .setup/bench"
    houses, board = files
    environment["PATH"] = f"{TOOLS}{os.pathsep}{environment['PATH']}"
    environment["CIM_GEOID_OFFSET"] = "-4"
    cim("load", "buildings", str(houses))
    cim("tile", "build")
    assert "40,000 points" in cim("tile", "points", str(board), "--crs", "EPSG:4547")
    assert " 0 faults" in cim("tile", "check")
    # From 60 m to the south, at the height of the board's middle: 20 m are a third of the picture.
    view = f"#v={LON + 0.0002:.6f},{LAT - 0.00056:.6f},11,0,0"
    seen = walked(environment, "points.mjs", view, ",".join(map(str, MAGENTA)))
    assert seen["outside"] == [] and seen["complaints"] == []
    assert seen["tiles"] > 1
    assert 0.05 < seen["opened"] < 0.3
    assert seen["off"] == 0 and "-points" in seen["link"]
    assert seen["on"] == pytest.approx(seen["opened"], rel=0.05)
