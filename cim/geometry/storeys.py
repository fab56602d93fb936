"""Storeys from floor counts: elevations of all storeys of many buildings at once.

A building is one stack of storeys from the lowest basement up.  Some boundaries between storeys
are anchored: the ground at 0, the roof at the building's height, the floor of a storey where it
was given.  Between two anchors the given storey heights stay and the others are stretched alike;
beyond the last one they stand as they are.
"""

from dataclasses import dataclass

import numpy as np

from cim.geometry.cuts import Flags
from cim.geometry.frame import Floats, Integers

THINNEST = 0.3
"""Metres a storey must at least have; an anchor that would leave less is not believed."""


@dataclass(frozen=True)
class Stack:
    """Storeys of many buildings, ascending within each."""

    building: Integers
    """Building each storey belongs to; ascending."""
    no: Integers
    """-2, -1, 1, 2 …; 0 only for a mezzanine."""


def stack(above: Integers, below: Integers) -> Stack:
    """Numbers of the storeys of buildings with so many above and below ground.

    >>> stack(np.array([2, 0]), np.array([1, 0])).no
    array([-1,  1,  2])
    >>> stack(np.array([], dtype=int), np.array([], dtype=int)).no
    array([], dtype=int64)
    """
    count = above + below
    building = np.repeat(np.arange(len(count)), count)
    first = np.concatenate([[0], np.cumsum(count)])[:-1]
    no = np.arange(len(building)) - first[building] - below[building]
    return Stack(building, no + (no >= 0))


def elevations(
    storeys: Stack,
    usual: Floats,
    given_height: Floats,
    given_bottom: Floats,
    height: Floats,
) -> tuple[Floats, Floats]:
    """Bottom and top of every storey, metres above the ground of its building.

    `usual` is the height a storey has where nothing is known, `given_height` and `given_bottom`
    are NaN where not given, `height` is the building's (NaN or 0: unknown).  Each top is the next
    bottom, to the bit; basements are below 0; the heights above ground add up to the building's
    where that leaves every storey THINNEST or more, and given heights win over it otherwise.

    >>> two = stack(np.array([2]), np.array([1]))
    >>> none = np.full(3, np.nan)
    >>> bottom, top = elevations(two, np.array([3.6, 4, 3]), none, none, np.array([10.5]))
    >>> bottom.tolist(), top.tolist()
    ([-3.6, 0.0, 6.0], [0.0, 6.0, 10.5])
    >>> nothing = np.array([])
    >>> elevations(stack(np.array([0]), np.array([0])), *[nothing] * 3, np.array([3.0]))[0]
    array([], dtype=float64)
    """
    if not len(storeys.no):
        return np.empty(0), np.empty(0)
    known = given_height > 0
    tall = np.where(known, given_height, usual)
    edges = _Boundaries.of(storeys)
    given = np.full(len(edges.owner), np.nan)
    given[edges.under] = given_bottom
    anchor = edges.rising(given)
    anchor = edges.closed(anchor, tall, known, height)
    edge = edges.between(anchor, tall, known)
    return edge[edges.under], edge[edges.under + 1]


def labels(no: Integers) -> list[str]:
    """What stands on the lift button.

    >>> labels(np.array([-1, 1, 12]))
    ['B1', '1', '12']
    """
    return [f"B{-number}" if number < 0 else str(number) for number in no.tolist()]


@dataclass(frozen=True)
class _Boundaries:
    """Floors and roofs: one more than storeys in every building that has any."""

    under: Integers
    """Boundary under each storey; the next one is above it."""
    owner: Integers
    """Building of each boundary, counted among those that have storeys."""
    building: Integers
    """The same building as the caller counts."""
    ground: Integers
    """For each building, its boundary at ground level."""
    first: Integers
    """For each building, its lowest boundary."""
    roof: Integers
    """For each building, its highest boundary."""

    @classmethod
    def of(cls, storeys: Stack) -> "_Boundaries":
        building, no = storeys.building, storeys.no
        last = np.flatnonzero(np.append(building[1:] != building[:-1], True))
        dense = np.cumsum(np.concatenate([[False], building[1:] != building[:-1]]))
        under = np.arange(len(no)) + dense
        count = np.diff(np.concatenate([[-1], last]))
        owner = np.repeat(np.arange(len(last)), count + 1)
        roof = under[last] + 1
        first = roof - count
        ground = first + np.bincount(dense, no < 0, len(last)).astype(np.int64)
        return cls(under, owner, building[last][owner], ground, first, roof)

    def rising(self, given: Floats) -> Floats:
        """Given elevations (NaN elsewhere) and the ground, without those that contradict others."""
        anchor = given.copy()
        ground = np.nan_to_num(anchor[self.ground])
        anchor[self.ground] = ground
        steps = np.arange(len(anchor)) - self.ground[self.owner]
        away = anchor - ground[self.owner]
        believed = np.where(steps > 0, away >= THINNEST * steps, away <= THINNEST * steps)
        # Each must clear the highest one below it; buildings are kept apart by a large step.
        level = np.where(believed, away - THINNEST * steps, -np.inf) + self.owner * 1e5
        highest = np.maximum.accumulate(np.where(believed, level, -np.inf))
        before = np.concatenate([[-np.inf], highest[:-1]])
        believed &= level >= before - 1e-4
        believed[self.ground] = True
        return np.where(believed, anchor, np.nan)

    def closed(self, anchor: Floats, tall: Floats, known: Flags, height: Floats) -> Floats:
        """Anchors with the lowest floor and the roof of every building among them."""
        anchor = anchor.copy()
        piled = self._piled(tall)
        fixed = np.flatnonzero(~np.isnan(anchor))
        lowest = fixed[np.searchsorted(fixed, self.first)]
        anchor[self.first] = anchor[lowest] - (piled[lowest] - piled[self.first])
        highest = fixed[np.searchsorted(fixed, self.roof, side="right") - 1]
        kept = self._piled(np.where(known, tall, 0.0))
        free = self._piled(np.where(known, 0.0, 1.0))
        kept, free = kept[self.roof] - kept[highest], free[self.roof] - free[highest]
        wanted = height[self.building[self.roof]] + anchor[self.ground]
        room = wanted - anchor[highest] - kept
        use = (free > 0) & (room >= THINNEST * free)
        usual = anchor[highest] + piled[self.roof] - piled[highest]
        anchor[self.roof] = np.where(use, wanted, np.round(usual, 4))
        return anchor

    def between(self, anchor: Floats, tall: Floats, known: Flags) -> Floats:
        """Every boundary, to a tenth of a millimetre: what is not given stretched alike."""
        fixed = np.flatnonzero(~np.isnan(anchor))
        segment = np.searchsorted(fixed, self.under, side="right") - 1
        size = len(fixed)
        span = np.append(np.diff(anchor[fixed]), 0.0)[segment]
        kept = np.bincount(segment, np.where(known, tall, 0.0), size)[segment]
        loose = np.bincount(segment, np.where(known, 0.0, tall), size)[segment]
        free = np.bincount(segment, ~known, size)[segment]
        roomy = (free > 0) & (span - kept >= THINNEST * free)
        stretch = np.divide(span - kept, loose, out=np.ones(len(tall)), where=loose > 0)
        squeeze = span / (kept + loose)
        height = tall * np.where(roomy, np.where(known, 1.0, stretch), squeeze)
        piled = self._piled(height)
        start = fixed[np.searchsorted(fixed, np.arange(len(anchor)), side="right") - 1]
        edge = np.round(anchor[start] + piled - piled[start], 4)
        return np.where(np.isnan(anchor), edge, anchor)

    def _piled(self, heights: Floats) -> Floats:
        """Sum of the heights under each boundary, buildings one on another."""
        rise = np.zeros(len(self.owner))
        rise[self.under + 1] = heights
        return np.cumsum(rise)
