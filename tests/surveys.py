"""A made survey: points on a building's walls, as a scanner writes them."""

from pathlib import Path
from typing import Any

import laspy
import numpy as np
from numpy.typing import NDArray
from pyproj import CRS

TOOLS = Path(__file__).parents[1] / ".setup/bench-venv/bin"
"""Where py3dtiles is: `make .setup/bench`."""

COUNT = 20_000
ZONE = "EPSG:4547"
CORNER = (474_373.087, 2_546_774.325)
"""Easting and northing of a building's corner."""

Numbers = NDArray[np.float64]


def facade(count: int = COUNT) -> Numbers:
    """Points every half metre on two walls of a building, from below up, in its metres, (n, 3)."""
    number = np.arange(count)
    along, height = number % 120 * 0.5, 5 + number // 120 * 0.5
    return np.column_stack([np.minimum(along, 40), np.maximum(along - 40, 0), height])


def las(path: Path, points: Numbers, system: str | None = None, **dimensions: Any) -> Path:
    """A LAS or LAZ file as a scanner writes it, in the zone's metres."""
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.scales, header.offsets = [0.001] * 3, [*CORNER, 0.0]
    if system:
        header.add_crs(CRS.from_user_input(system))
    file = laspy.LasData(header)
    file.x, file.y, file.z = points.T + np.array([[*CORNER, 0.0]]).T
    file.red = (points[:, 2] * 700).astype("u2")
    file.green, file.blue = file.red, np.full(len(points), 65_535, "u2")
    for name, values in dimensions.items():
        setattr(file, name, values)
    file.write(path)
    return path
