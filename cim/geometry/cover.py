"""A polygon as cells of a quadtree: those inside it, and those across its edge.

The tree is the world's in degrees, 360° wide and high from 180° W, 180° S, twenty levels deep. A
cell is a run of keys (Morton codes of the deepest level), what lies in it a range of an index.
`city.place_key` in `cim/store/rules/people_counts.sql` gives the key of a place.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely

DEEPEST: Final = 20
FINEST: Final = 18
"""The smallest cells that are looked at one by one: 0.0014°, some 150 m."""

STEPS: Final = 6
"""Levels from a cell of the polygon's own size down."""

CLOSELY: Final = 2000
"""Corners of a polygon whose cells are looked at; of one with more all are across its edge."""

Runs = npt.NDArray[np.int64]
"""First key and the key behind the last, a row a run, ascending and apart."""


@dataclass(frozen=True)
class Cover:
    """Where keys of places in a polygon lie."""

    inside: Runs
    """Whatever has such a key lies in the polygon."""

    edge: Runs
    """What has such a key may lie in it."""


def cover(shape: Any) -> Cover:
    """The cells of a polygon or several (degrees, corners within the world, not necessarily valid).

    >>> found = cover(shapely.Polygon([(0, 0), (80, 0), (0, 80)]))
    >>> len(found.inside) > 20, len(found.edge) > 20, bool((found.inside[:, 1] > 2**38).all())
    (True, True, True)
    """
    west, south, east, north = shape.bounds
    size = max(east - west, north - south)
    level = int(min(max(np.floor(np.log2(360 / size)), 0), FINEST))
    corners = np.array([[west, south], [east, north]])
    low, high = ((corners + 180) / 360 * 2**level).astype(np.int64).clip(0, 2**level - 1)
    across, up = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
    x, y = across.ravel(), up.ravel()
    last = min(level + STEPS, FINEST)
    inside: list[Runs] = []
    if shapely.get_num_coordinates(shape) > CLOSELY or not shape.is_valid:
        return Cover(_runs([]), _runs([_keys(x, y, level)]))
    shapely.prepare(shape)
    while True:
        side = 360 / 2**level
        boxes = shapely.box(
            x * side - 180, y * side - 180, (x + 1) * side - 180, (y + 1) * side - 180
        )
        met = shapely.intersects(shape, boxes)
        x, y, boxes = x[met], y[met], boxes[met]
        whole = shapely.contains_properly(shape, boxes)
        inside.append(_keys(x[whole], y[whole], level))
        x, y = x[~whole], y[~whole]
        if level >= last:
            return Cover(_runs(inside), _runs([_keys(x, y, level)]))
        x, y = (2 * x[:, None] + (0, 1, 0, 1)).ravel(), (2 * y[:, None] + (0, 0, 1, 1)).ravel()
        level += 1


def _keys(x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], level: int) -> Runs:
    """The runs of keys of some cells of a level."""
    shift = 2 * (DEEPEST - level)
    code = _spread(x) | _spread(y) << 1
    return np.stack([code << shift, (code + 1) << shift], axis=1)


def _spread(number: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The bits of a number with a zero before each."""
    for shift, mask in zip((16, 8, 4, 2, 1), _masks(), strict=True):
        number = (number | number << shift) & mask
    return number


def _masks() -> Iterator[int]:
    yield from (
        0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF, 0x0F0F0F0F0F0F0F0F, 0x3333333333333333,
        0x5555555555555555,
    )  # fmt: skip


def _runs(parts: list[Runs]) -> Runs:
    """Runs in order, those that touch made one."""
    every = np.concatenate([np.empty((0, 2), np.int64), *parts])
    every = every[np.argsort(every[:, 0])]
    if not len(every):
        return every
    starts = np.flatnonzero(np.r_[True, every[1:, 0] != every[:-1, 1]])
    ends = np.r_[starts[1:] - 1, len(every) - 1]
    return np.stack([every[starts, 0], every[ends, 1]], axis=1)
