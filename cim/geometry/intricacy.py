"""How intricate a polygon is: whether to find where it crosses itself may take minutes."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import shapely

SAMPLE: Final = 64
"""Edges, and rings, of which it is counted how many others they pass by."""

EDGES: Final = 5_000_000
"""Pairs of edges whose boxes meet, some 20 ns each in GEOS: outlines as they are drawn or measured
have a few an edge."""

RINGS: Final = 500_000
"""The same of rings, some 70 ns each."""

Boxes = npt.NDArray[np.float64]
"""Shape (n, 4): west, south, east, north."""


def intricate(shape: Any) -> bool:
    """Whether more edges or rings of a polygon, or of several, pass by each other than can be
    looked at in a tenth of a second, by a sample of them.

    >>> import shapely
    >>> intricate(shapely.Point(0, 0).buffer(1, 10_000))
    False
    >>> up, down = np.arange(0, 1, 1e-4), np.arange(0, 1, 1e-4) + 2
    >>> comb = np.column_stack([np.tile([0, 1], 10_000), np.column_stack([up, down]).ravel()])
    >>> intricate(shapely.Polygon(comb))
    True
    """
    rings = shapely.get_rings(shapely.get_parts(shape))
    place, ring = shapely.get_coordinates(rings, return_index=True)
    edge = ring[1:] == ring[:-1]
    low, high = np.minimum(place[1:], place[:-1]), np.maximum(place[1:], place[:-1])
    edges = np.concatenate((low, high), axis=1)[edge]
    return bool(meetings(edges) > EDGES or meetings(shapely.bounds(rings)) > RINGS)


def meetings(boxes: Boxes) -> float:
    """About how many pairs of boxes meet; exactly, of no more than SAMPLE.

    >>> meetings(np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6.0]])), meetings(np.empty((0, 4)))
    (1.0, 0.0)
    """
    many = len(boxes)
    if not many:
        return 0.0
    chosen = np.arange(many)
    if many > SAMPLE:
        chosen = np.random.default_rng(many).choice(many, SAMPLE, replace=False)
    west, south, east, north = np.ascontiguousarray(boxes.T)
    met = 0
    for w, s, e, n in boxes[chosen]:
        met += int(((west <= e) & (east >= w) & (south <= n) & (north >= s)).sum()) - 1
    return met * many / len(chosen) / 2
