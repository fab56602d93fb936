"""Equal-area cuts: many polygons parted along one axis at once, with cut lines shared exactly.

The area of a polygon left of the line u = c is the sum over its directed edges of ∫ v du up to c
(Green's theorem: the closing line itself has du = 0), whatever holes or parts the polygon has.  It
grows with c, piecewise quadratic, so that Newton's method kept inside a shrinking bracket finds c.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.geometry.frame import Edges, Floats, Integers, Shapes, edges

_PAIRS = 2_000_000
"""Pairs of a cut and an edge held at a time: bounds the memory."""

_ROUNDS = 64
"""Halvings that bring any bracket below the last digit; Newton needs about six."""

_ON_LINE = 1e-6
"""Metres within which a corner is taken to lie on the line that made it."""

_SPACING = 8192.0
"""Keeps the crossings of one cut apart from the next when both are sorted together, metres."""

Flags = NDArray[np.bool_]
"""True or false, shape (n,)."""


@dataclass(frozen=True)
class _Pairs:
    """Every edge of the polygon that a cut parts, beside that cut."""

    cut: Integers
    low: Floats  # ends ordered along the axis
    high: Floats
    base: Floats  # the other coordinate at `low`
    slope: Floats
    sign: Floats  # -1 where the edge was turned round

    def across(self, at: Floats) -> Floats:
        """Other coordinate of each edge where its cut meets it."""
        return self.base + (np.clip(at[self.cut], self.low, self.high) - self.low) * self.slope

    def swept(self, at: Floats, count: int) -> tuple[Floats, Floats]:
        """Signed area before each cut, and its width there."""
        reach = np.clip(at[self.cut], self.low, self.high) - self.low
        area = self.sign * reach * (self.base + reach * self.slope / 2)
        met = (self.low < at[self.cut]) & (at[self.cut] <= self.high)
        width = np.where(met, self.sign * (self.base + reach * self.slope), 0.0)
        return _summed(self.cut, area, count), _summed(self.cut, width, count)


def cut(parts: Shapes, owner: Integers, weight: Floats, axis: int) -> Shapes:
    """Part polygons by lines across `axis` into pieces whose areas are as the weights.

    `owner` (ascending) says which part a piece is cut from.  Neighbouring pieces have identical
    coordinates where the line leaves the outline.  A part with one piece is returned as it is; a
    piece may be empty where the part has no area.

    >>> square = np.array([shapely.box(0, 0, 4, 1)])
    >>> pieces = cut(square, np.array([0, 0]), np.array([1.0, 3.0]), 0)
    >>> [round(float(area), 9) for area in shapely.area(pieces)]
    [1.0, 3.0]
    >>> cut(square[:0], np.array([], dtype=int), np.array([]), 0).shape
    (0,)
    """
    pieces = np.array(parts[owner], dtype=object)
    inner = owner[1:] == owner[:-1]
    if not inner.any():
        return pieces
    after = np.flatnonzero(inner)  # the piece before each line
    lines = _Lines.find(parts, owner[after], _fractions(owner, weight)[after], axis)
    bounds = shapely.bounds(parts)[owner]
    low, high = bounds[:, axis] - 1.0, bounds[:, axis + 2] + 1.0
    high[after], low[after + 1] = lines.at, lines.at
    side_low, side_high = bounds[:, 1 - axis] - 1.0, bounds[:, 3 - axis] + 1.0
    parted = np.zeros(len(owner), dtype=bool)
    parted[after] = parted[after + 1] = True
    box = (low, side_low, high, side_high) if axis == 0 else (side_low, low, side_high, high)
    found = _meet(pieces[parted], shapely.box(*(side[parted] for side in box)))
    before, behind = np.full(len(owner), -1), np.full(len(owner), -1)
    behind[after], before[after + 1] = np.arange(len(after)), np.arange(len(after))
    pieces[parted] = lines.aligned(found, before[parted], behind[parted])
    return pieces


@dataclass(frozen=True)
class _Lines:
    """Where the cut lines stand, and where they cross the outlines."""

    axis: int
    at: Floats
    key: Floats  # line * _SPACING + crossing, ascending
    crossing: Floats

    @classmethod
    def find(cls, parts: Shapes, owner: Integers, fraction: Floats, axis: int) -> "_Lines":
        """Lines that leave the wanted fraction of the area before them."""
        used, local = np.unique(owner, return_inverse=True)
        walls = edges(parts[used])
        bounds = shapely.bounds(parts[used])[local]
        at, keys, crossings = np.empty(len(owner)), [np.empty(0)], [np.empty(0)]
        for chosen, pairs in _paired(walls, local, axis):
            at[chosen] = _solve(
                pairs, fraction[chosen], bounds[chosen, axis], bounds[chosen, axis + 2]
            )
            line = at[chosen][pairs.cut]
            met = (pairs.low <= line) & (line <= pairs.high)
            across = pairs.across(at[chosen])[met]
            keys.append((chosen.start + pairs.cut[met]) * _SPACING + across)
            crossings.append(across)
        key, crossing = np.concatenate(keys), np.concatenate(crossings)
        order = np.argsort(key, kind="stable")
        return cls(axis, at, key[order], crossing[order])

    def aligned(self, pieces: Shapes, before: Integers, behind: Integers) -> Shapes:
        """Pieces whose corners on a line take that line's own coordinates, on both its sides."""
        points, index = shapely.get_coordinates(pieces, return_index=True)
        for lines in (before[index], behind[index]):
            near = (lines >= 0) & (np.abs(points[:, self.axis] - self.at[lines]) < _ON_LINE)
            points[near, self.axis] = self.at[lines[near]]
            points[near, 1 - self.axis] = self._nearest(lines[near], points[near, 1 - self.axis])
        return np.asarray(shapely.set_coordinates(np.array(pieces, dtype=object), points))

    def _nearest(self, line: Integers, across: Floats) -> Floats:
        if not len(self.key):
            return across
        place = np.searchsorted(self.key, line * _SPACING + across)
        left = self.crossing[np.clip(place - 1, 0, len(self.key) - 1)]
        right = self.crossing[np.clip(place, 0, len(self.key) - 1)]
        best = np.where(np.abs(left - across) <= np.abs(right - across), left, right)
        return np.where(np.abs(best - across) < _ON_LINE, best, across)


def multipolygons(shapes: Shapes) -> Shapes:
    """The polygons of each shape as one multipolygon; lines and points that came along are left.

    >>> mixed = shapely.from_wkt("GEOMETRYCOLLECTION(POINT(9 9), POLYGON((0 0,1 0,1 1,0 0)))")
    >>> multipolygons(np.array([mixed]))[0].wkt
    'MULTIPOLYGON (((0 0, 1 0, 1 1, 0 0)))'
    >>> multipolygons(np.array([], dtype=object)).shape
    (0,)
    """
    parts, index = shapely.get_parts(shapes, return_index=True)
    if (shapely.get_type_id(parts) == 6).any():  # a collection that holds multipolygons
        parts, inner = shapely.get_parts(parts, return_index=True)
        index = index[inner]
    kept = (shapely.get_type_id(parts) == 3) & ~shapely.is_empty(parts)
    result = np.full(len(shapes), shapely.MultiPolygon(), dtype=object)
    if kept.any():
        shapely.multipolygons(parts[kept], indices=index[kept], out=result)
    return result


def _summed(group: Integers, values: Floats, count: int) -> Floats:
    return np.asarray(np.bincount(group, values, count), dtype=np.float64)


def _fractions(owner: Integers, weight: Floats) -> Floats:
    """Share of the owner's weight up to and including each piece."""
    total = np.bincount(owner, weight)
    running = np.cumsum(weight)
    before = np.concatenate([[0.0], np.cumsum(total)])[owner]
    share: Floats = (running - before) / total[owner]
    return share


def _paired(walls: Edges, owner: Integers, axis: int) -> Iterator[tuple[slice, _Pairs]]:
    """Runs of cuts with the edges of their polygons, a bounded number at a time."""
    count = np.bincount(walls.owner, minlength=int(owner.max()) + 1)
    first = np.concatenate([[0], np.cumsum(count)])
    load = np.cumsum(count[owner])
    start = 0
    while start < len(owner):
        done = load[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(load, done + _PAIRS, side="right")))
        many = count[owner[start:stop]]
        pair = np.repeat(np.arange(stop - start), many)
        begin = np.concatenate([[0], np.cumsum(many)])[:-1]
        at = first[owner[start:stop]][pair] + np.arange(len(pair)) - begin[pair]
        yield slice(start, stop), _pairs(walls, pair, at, axis)
        start = stop


def _pairs(walls: Edges, cut_index: Integers, at: Integers, axis: int) -> _Pairs:
    u, v = walls.start[at, axis], walls.start[at, 1 - axis]
    u_end, v_end = walls.end[at, axis], walls.end[at, 1 - axis]
    turned = u_end < u
    low, high = np.where(turned, u_end, u), np.where(turned, u, u_end)
    base, top = np.where(turned, v_end, v), np.where(turned, v, v_end)
    run = high - low
    slope = np.divide(top - base, run, out=np.zeros_like(run), where=run > 0)
    return _Pairs(cut_index, low, high, base, slope, np.where(turned, -1.0, 1.0))


def _solve(pairs: _Pairs, fraction: Floats, low: Floats, high: Floats) -> Floats:
    """Positions where the area swept is the wanted fraction of the whole."""
    count = len(fraction)
    whole, _ = pairs.swept(high, count)
    wanted, sense = fraction * np.abs(whole), np.where(whole < 0, -1.0, 1.0)
    low, high = low.copy(), high.copy()
    at = low + (high - low) * fraction
    for _ in range(_ROUNDS):
        area, width = pairs.swept(at, count)
        miss = sense * area - wanted
        open_ = np.abs(miss) > 1e-11 * np.abs(whole)
        if not open_.any():
            break
        low, high = np.where(miss < 0, at, low), np.where(miss > 0, at, high)
        step = np.divide(miss, sense * width, out=np.full(count, np.inf), where=width != 0)
        guess = at - step
        middle = (low + high) / 2
        inside = (guess > low) & (guess < high)
        at = np.where(open_, np.where(inside, guess, middle), at)
    return at


def _meet(shapes: Shapes, boxes: Shapes) -> Shapes:
    """Intersections; one that GEOS cannot make comes back empty instead of failing them all."""
    try:
        return np.asarray(shapely.intersection(shapes, boxes))
    except shapely.GEOSException:
        return np.array([_meet_one(*pair) for pair in zip(shapes, boxes, strict=True)], object)


def _meet_one(shape: object, box: object) -> object:
    try:
        return shapely.intersection(shape, box)
    except shapely.GEOSException:
        return shapely.MultiPolygon()
