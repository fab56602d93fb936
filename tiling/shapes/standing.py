"""How prisms stand: corners of outlines moved from the ground to the heights of their ends.

Outlines are cut into triangles in a plan of whole steps.  A foot is that plan moved by one whole
number of steps each way, and a top is its foot moved by another: so a roof is, to the step, the
plan that was cut, and no triangle of it turns over, however thin it is; and walls are flat.

Up is not the same everywhere: over a kilometre of ground it turns by 1.6e-4.  A building is raised
along the up of its middle, and stands on one level, as long as that puts none of its corners off
by more than half a step sideways and one step in height: that is up to some 64,000 m² of length
times height above the ellipsoid (640 m at 100 m), and to 130 m of length a kilometre from the
tile's middle.  What is longer follows the ellipsoid corner by corner: there, a triangle of a roof
that is thinner than a step or two may tilt, or turn over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Steps = NDArray[np.int32]

GRID = 0.01
"""Metres between the places where a vertex can be."""

LEANING = GRID
"""Metres by which the tops of one building may lean apart, and still be moved alike."""

LEVEL = 2 * GRID
"""Metres by which the ground under one building may bend, and still be one level."""

STRAY = 0.026
"""Metres that a vertex is off at the most: by 1.5 steps each way, its own rounding, that of the
building's move, and half of LEANING or LEVEL."""


@dataclass(frozen=True)
class Spans:
    """The least and the greatest of some outlines' corners, (m, 3) each.

    Each row is the upward direction to the east and to the north, and metres of ground.
    """

    least: Floats
    greatest: Floats

    def of(self, outlines: Integers) -> "Spans":
        """Those of some outlines, each as often as it is named."""
        return Spans(self.least[outlines], self.greatest[outlines])

    def together(self, groups: Sequence[object] | NDArray[np.generic]) -> "Spans":
        """The same of all that are of one group, for each of them.

        >>> one = Spans(np.array([[0.0, 0, 5], [1, 0, 6], [2, 0, 7]]), np.zeros((3, 3)))
        >>> one.together([8, 9, 8]).least[:, 2].tolist()
        [5.0, 6.0, 5.0]
        """
        of = np.unique(np.asarray(groups), return_inverse=True)[1]
        least = np.full((of.max(initial=-1) + 1, 3), np.inf)
        greatest = -least
        np.minimum.at(least, of, self.least)
        np.maximum.at(greatest, of, self.greatest)
        return Spans(least[of], greatest[of])


def steps(metres: Floats) -> Steps:
    """Whole steps of GRID.

    >>> steps(np.array([1.0, -0.014, 0.016])).tolist()
    [100, -1, 2]
    """
    return np.rint(metres / GRID).astype(np.int32)


def spans_of(ground: Floats, up: Floats, owner: Integers, count: int) -> Spans:
    """What `count` outlines span; `owner` are those of the corners, in order.

    `ground` (n, 3) is where each corner is at height 0, `up` (n, 3) the upward direction there.
    An outline without corners spans nothing.

    >>> ground, up = np.array([[0.0, 0, 1], [9, 0, 2]]), np.array([[0.0, 0, 1], [0.1, 0, 1]])
    >>> found = spans_of(ground, up, np.array([1, 1]), 2)
    >>> found.least.tolist(), found.greatest.tolist()
    ([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]], [[0.0, 0.0, 0.0], [0.1, 0.0, 2.0]])
    >>> spans_of(np.empty((0, 3)), np.empty((0, 3)), np.zeros(0, int), 0).least.shape
    (0, 3)
    """
    least, greatest = np.zeros((count, 3)), np.zeros((count, 3))
    first = np.flatnonzero(np.diff(owner, prepend=-1))
    for column, values in enumerate((up[:, 0], up[:, 1], ground[:, 2])):
        if first.size:
            least[owner[first], column] = np.minimum.reduceat(values, first)
            greatest[owner[first], column] = np.maximum.reduceat(values, first)
    return Spans(least, greatest)


def stood(
    places: tuple[Floats, Floats, Floats],
    owner: Integers,
    spans: Spans,
    ends: tuple[Floats, Floats],
) -> tuple[Steps, Steps]:
    """The feet and the tops of corners, (n, 3) each, in steps.

    `places` are each corner's plan (n, 2) in steps, its ground (n, 3) in metres, and which way is
    up there (n, 3); `owner` the feature that it is of, `spans` and `ends` those of the features:
    metres above the ground.

    >>> plan, up = np.array([[0.0, 0], [100, 0]]), np.array([[0.0011, 0, 1], [0.0013, 0, 1]])
    >>> ground, owner = np.array([[0.0, 0, 0.001], [1, 0, -0.006]]), np.zeros(2, int)
    >>> spans = spans_of(ground, up, owner, 1)
    >>> feet, tops = stood((plan, ground, up), owner, spans, (np.zeros(1), np.full(1, 50.0)))
    >>> feet.tolist(), tops.tolist()
    ([[0, 0, 0], [100, 0, 0]], [[6, 0, 5000], [106, 0, 5000]])
    """
    plan, ground, up = places
    bottom, top = ends
    middle, spread = (spans.least + spans.greatest) / 2, spans.greatest - spans.least
    way, level = middle.copy(), middle[:, 2]
    way[:, 2] = np.sqrt(1.0 - middle[:, 0] ** 2 - middle[:, 1] ** 2)
    low, high = bottom[:, None] * way, top[:, None] * way
    low[:, 2] += level
    high[:, 2] += level
    move = steps(low)
    feet = move[owner]
    feet[:, :2] += plan.astype(np.int32)
    bent = _corners(spread[:, 2] > LEVEL, owner)
    feet[bent, 2] = steps(ground[bent, 2] + bottom[owner[bent]] * up[bent, 2])
    tops = feet + (steps(high) - move)[owner]
    apart = spread[:, :2].max(axis=1, initial=0.0) * np.maximum(np.abs(bottom), np.abs(top))
    leaning = _corners(apart > LEANING, owner)
    of, ground, up = owner[leaning], ground[leaning], up[leaning]
    feet[leaning] = steps(ground + bottom[of, None] * up)
    tops[leaning] = steps(ground + top[of, None] * up)
    return feet, tops


def _corners(features: NDArray[np.bool_], owner: Integers) -> Integers:
    """The corners of these features, of which there are none in most tiles."""
    return np.flatnonzero(features[owner]) if features.any() else np.zeros(0, np.int64)
