"""The quadtree that every tileset hangs on: fixed in the world, in degrees.

Level `k` cuts the world into cells of 360°/2^k, counted from 180° W and 90° S, x to the east and y
to the north.  So a cell's key never moves when the city grows.  A tileset's implicit trees start
at level ROOT; content stands from CONTENT down.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ROOT = 9
"""Level of the implicit trees' roots: cells of 0.703°, 78 km on the equator."""

CONTENT = 11
"""Highest level with content: 19.6 km, so that float32 metres about a tile's centre stay below a
millimetre of error."""

DEEPEST = 21
"""Lowest level with content: 19 m; what is still together there stays together."""

VERTICES = 65_535
"""Most vertices of a tile that is split no further than it must: what 16-bit indices reach."""

EQUATOR = 40_075_016.686
"""Metres."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Key(NamedTuple):
    """A cell: world level, and the Morton code of its x and y there."""

    level: int
    cell: int


@dataclass(frozen=True)
class Capacity:
    """How many features go into a tile, and on which levels leaves may stand.

    `inner` is 0 where tiles with children hold nothing; `leaf` counts features (or units).
    """

    inner: int
    leaf: int
    highest_leaf: int = CONTENT


def geometric_error(level: int) -> float:
    """Metres: an edge over 32, so that a tile refines when its edge covers 512 pixels.

    >>> round(geometric_error(ROOT)), geometric_error(ROOT) == 2 * geometric_error(ROOT + 1)
    (2446, True)
    """
    return EQUATOR / float(32 << level)


def natural_level(size: Floats) -> Integers:
    """Deepest level whose geometric error is larger than each feature's size in metres.

    >>> natural_level(np.array([20.0, 76.0, 77.0, 0.0, np.nan])).tolist()
    [15, 14, 13, 21, 21]
    >>> natural_level(np.array([])).tolist()
    []
    """
    known = np.where(np.isfinite(size) & (size > 1e-3), size, 1e-3)
    mantissa, exponent = np.frexp(EQUATOR / 32 / known)
    level = exponent.astype(np.int64) - 1 - (mantissa == 0.5)
    found: Integers = np.clip(level, CONTENT, DEEPEST)
    return found


def columns_rows(longitude: Floats, latitude: Floats, level: int) -> tuple[Integers, Integers]:
    """x and y of the cells that places in degrees lie in.

    >>> [value.tolist() for value in columns_rows(np.array([-180.0, 180.0]), np.zeros(2), 2)]
    [[0, 3], [1, 1]]
    """
    edge = 360 / 2**level
    last = 2**level - 1
    x = np.clip(np.floor((longitude + 180) / edge), 0, last).astype(np.int64)
    y = np.clip(np.floor((latitude + 90) / edge), 0, last // 2).astype(np.int64)
    return x, y


def interleave(x: Integers, y: Integers) -> Integers:
    """Morton codes: bits of x at even places, of y at odd ones; x, y below 2^31.

    >>> interleave(np.array([0, 1, 0, 1, 2]), np.array([0, 0, 1, 1, 0])).tolist()
    [0, 1, 2, 3, 4]
    """
    return _spread(np.asarray(x)) | (_spread(np.asarray(y)) << 1)


def deinterleave(cell: Integers) -> tuple[Integers, Integers]:
    """x and y of Morton codes.

    >>> [value.tolist() for value in deinterleave(np.array([0, 1, 2, 3, 4]))]
    [[0, 1, 0, 1, 2], [0, 0, 1, 1, 0]]
    """
    return _gather(np.asarray(cell)), _gather(np.asarray(cell) >> 1)


_STEPS = (
    (16, 0x0000FFFF0000FFFF),
    (8, 0x00FF00FF00FF00FF),
    (4, 0x0F0F0F0F0F0F0F0F),
    (2, 0x3333333333333333),
    (1, 0x5555555555555555),
)


def _spread(value: Integers) -> Integers:
    found = value.astype(np.int64)
    for shift, mask in _STEPS:
        found = (found | (found << shift)) & mask
    return found


def _gather(code: Integers) -> Integers:
    found = code.astype(np.int64) & _STEPS[-1][1]
    for (shift, _), (_, mask) in zip(_STEPS[::-1], (*_STEPS[-2::-1], (0, 0xFFFFFFFF)), strict=True):
        found = (found | (found >> shift)) & mask
    return found


def bounds(key: Key) -> tuple[float, float, float, float]:
    """West, south, east, north of a cell, in degrees.

    >>> bounds(Key(1, 1))
    (0.0, -90.0, 180.0, 90.0)
    """
    edge = 360 / 2**key.level
    x, y = (int(value[0]) for value in deinterleave(np.array([key.cell])))
    return x * edge - 180, y * edge - 90, (x + 1) * edge - 180, (y + 1) * edge - 90


def ancestor(key: Key, level: int) -> Key:
    """The cell of a higher level that holds this one.

    >>> ancestor(Key(3, 63), 1)
    Key(level=1, cell=3)
    """
    return Key(level, key.cell >> 2 * (key.level - level))


def assign(
    places: tuple[Floats, Floats],
    size: Floats,
    weight: Integers,
    vertices: Integers,
    capacity: Capacity,
) -> tuple[Integers, Integers]:
    """Level and cell of every feature; each stands in exactly one tile.

    `places` are centres in degrees, `size` diagonals in metres, `weight` what counts against the
    capacity, `vertices` what the feature will cost.  A cell that can hold all that is left in it is
    a leaf.  Another keeps those whose natural level it has reached, the largest first, as many as
    fit, and hands the rest down.  At DEEPEST everything stays.

    >>> place = np.array([113.75, 113.76]), np.array([23.0, 23.0])
    >>> two = np.array([1, 1])
    >>> assign(place, np.array([20.0, 30.0]), two, 25 * two, Capacity(500, 1500))[0].tolist()
    [11, 11]
    >>> assign(place, np.array([20.0, 30.0]), two, 25 * two, Capacity(500, 1))[0].tolist()
    [14, 14]
    >>> none = np.array([], int)
    >>> [found.size for found in assign((none, none), none, none, none, Capacity(500, 1500))]
    [0, 0]
    """
    cells = interleave(*columns_rows(*places, DEEPEST))
    levels, cells = assign_cells(cells, size, weight, vertices, capacity)
    return levels.astype(np.int64), cells


def assign_cells(
    cells: Integers, size: Floats, weight: Integers, vertices: Integers, capacity: Capacity
) -> tuple[NDArray[np.int16], Integers]:
    """As `assign`, for features whose cells at DEEPEST are known; levels are of two bytes."""
    levels = np.full(len(size), DEEPEST, np.int16)
    natural = natural_level(size).astype(np.int8)
    left = np.lexsort((-size, cells))  # cells of every level are runs, the largest first at DEEPEST
    for level in range(CONTENT, DEEPEST):
        if not left.size:
            break
        group = runs(cells[left] >> 2 * (DEEPEST - level))
        here = fits(group, weight[left], vertices[left], capacity.leaf)[group]
        here &= level >= capacity.highest_leaf
        if capacity.inner:
            largest = (group, left, size[left], vertices[left])
            here |= are_largest(*largest, natural[left] <= level, capacity.inner)
        levels[left[here]] = level
        left = left[~here]
    found: Integers = cells >> 2 * (DEEPEST - levels)
    return levels, found


def runs(values: Integers) -> Integers:
    """Number of the run of equal neighbours that each value belongs to.

    >>> runs(np.array([7, 7, 3, 7])).tolist(), runs(np.array([], int)).tolist()
    ([0, 0, 1, 2], [])
    """
    return np.cumsum(np.diff(values, prepend=values[:1]) != 0).astype(np.int64)


def fits(group: Integers, weight: Integers, vertices: Integers, most: int) -> NDArray[np.bool_]:
    """Which groups fit into one tile."""
    fit: NDArray[np.bool_] = (np.bincount(group, weight) <= most) & (
        np.bincount(group, vertices) <= VERTICES
    )
    return fit


def are_largest(
    group: Integers,
    ids: Integers,
    size: Floats,
    vertices: Integers,
    allowed: NDArray[np.bool_],
    most: int,
) -> NDArray[np.bool_]:
    """Which of the allowed are among the `most` largest of their group, and fit into one tile.

    Of equals the one with the lower id comes first.
    """
    chosen = np.flatnonzero(allowed)
    order = chosen[np.lexsort((ids[chosen], -size[chosen], group[chosen]))]
    run = runs(group[order])
    first = np.flatnonzero(np.diff(run, prepend=-1))
    rank = np.arange(order.size) - first[run]
    total = np.cumsum(vertices[order])
    before = total[first] - vertices[order[first]]
    fit = (rank < most) & (total - before[run] <= VERTICES)
    found = np.zeros(group.size, bool)
    found[order[fit]] = True
    return found
