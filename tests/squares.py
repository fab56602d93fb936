"""A city of equal blocks in a square: as many buildings as a test needs."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Engine

from cim.store.copy import columns

WEST, SOUTH = 113.7, 23.0
WIDTH, DEPTH = 2.7e-4, 1.1e-4
TYPES = {
    "footprint": "geometry",
    "footprint_area": "float8",
    "height": "float8",
    "height_method": "text",
    "floors_above": "int2",
    "floors_below": "int2",
    "floors_method": "text",
    "ground_elev": "float8",
    "use_code": "text",
    "state": "text",
}


def corners(side: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The south-west corners of `side` times `side` blocks, in degrees."""
    numbers = np.arange(side * side)
    return WEST + numbers % side * 6e-4, SOUTH + numbers // side * 5e-4


def insert(engine: Engine, side: int) -> None:
    """Put them into the city, of one to six storeys."""
    west, south = corners(side)
    count = west.size
    shapes = shapely.multipolygons(shapely.box(west, south, west + WIDTH, south + DEPTH)[:, None])
    rows: dict[str, Any] = {
        "footprint": shapely.to_wkb(shapes).tolist(),
        "footprint_area": np.full(count, 340.0),
        "height": 3.0 * (1 + np.arange(count) % 6),
        "floors_above": 1 + np.arange(count) % 6,
        "floors_below": np.zeros(count, int),
        "ground_elev": np.full(count, 12.5),
        "use_code": ["residential"] * count,
        "state": ["existing"] * count,
    } | dict.fromkeys(("height_method", "floors_method"), ["given"] * count)
    with engine.begin() as connection:
        columns.write(connection, "city.building", rows, TYPES)
