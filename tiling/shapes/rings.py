"""Outlines as ragged arrays: read from WKB, tidied, and cut into triangles.

A `plan` holds the corners in a plane, (n, 2), in whole steps: every sum and product of them is
exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import mapbox_earcut
import numpy as np
import shapely
from numpy.typing import NDArray

from cim.geometry.wkb import Blobs, ragged

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

THINNEST = 1.0
"""Steps: a thorn that is no thicker is none."""

ROUNDS = 8
"""How often corners are looked through again after some were dropped."""

SMALLEST = 10.0
"""Rings of less than this, in square steps, are no rings."""

POLYGON = 3
"""shapely's type id."""


@dataclass(frozen=True)
class Rings:
    """Polygons of any number of features, corner by corner.

    `points` (n, 2) are degrees; ring `i` has the corners from `rings[i]` up to `rings[i + 1]`, the
    first not repeated at its end; polygon `j` has the rings from `polygons[j]` up to
    `polygons[j + 1]`, its outer one first; it belongs to feature `owner[j]`.
    """

    points: Floats
    rings: Integers
    polygons: Integers
    owner: Integers

    @cached_property
    def ring_of_corner(self) -> Integers:
        """The ring that each corner belongs to."""
        return np.repeat(np.arange(self.rings.size - 1), np.diff(self.rings))

    @cached_property
    def polygon_of_ring(self) -> Integers:
        """The polygon that each ring belongs to."""
        return np.repeat(np.arange(self.polygons.size - 1), np.diff(self.polygons))

    @cached_property
    def owner_of_corner(self) -> Integers:
        """The feature that each corner belongs to."""
        return self.owner[self.polygon_of_ring][self.ring_of_corner]

    @cached_property
    def next_corner(self) -> Integers:
        """The corner that follows each, round its ring."""
        following = np.arange(1, len(self.points) + 1)
        filled = np.diff(self.rings) > 0
        following[self.rings[1:][filled] - 1] = self.rings[:-1][filled]
        return following


def parse(outlines: Sequence[bytes | None]) -> Rings:
    """Rings of WKB polygons and multipolygons; feature `i` is outline `i`.

    What is no polygon, is empty, or cannot be read has no ring here.

    >>> square = shapely.to_wkb(shapely.box(0, 0, 1, 1))
    >>> found = parse([None, square])
    >>> found.points.shape, found.rings.tolist(), found.polygons.tolist(), found.owner.tolist()
    ((4, 2), [0, 4], [0, 1], [1])
    >>> parse([]).points.shape
    (0, 2)
    """
    if isinstance(outlines, Blobs):
        plain = ragged(outlines)
        if plain is not None:
            return Rings(*plain)
        outlines = list(outlines)
    with np.errstate(invalid="ignore"):  # corners at infinity are told of later
        shapes = shapely.from_wkb(np.array(outlines, dtype=object), on_invalid="ignore")
    parts, owner = shapely.get_parts(shapes, return_index=True)
    sound = (shapely.get_type_id(parts) == POLYGON) & ~shapely.is_empty(parts)
    if not sound.any():
        nothing = np.zeros(0, np.int64)
        return Rings(np.empty((0, 2)), np.zeros(1, np.int64), np.zeros(1, np.int64), nothing)
    _, points, (rings, polygons) = shapely.to_ragged_array(parts[sound], include_z=False)
    rings, polygons = rings.astype(np.int64), polygons.astype(np.int64)
    inner = np.ones(len(points), bool)
    inner[rings[1:] - 1] = False  # WKB repeats the first corner
    opened = rings - np.arange(rings.size)
    return Rings(points[inner], opened, polygons, owner[sound].astype(np.int64))


def signed_areas(plan: Floats, shape: Rings) -> Floats:
    """Area of each ring in the plane `plan` (n, 2), positive where it runs counter-clockwise.

    >>> shape = parse([shapely.to_wkb(shapely.box(0, 0, 2, 1, ccw=False))])
    >>> signed_areas(shape.points, shape).tolist()
    [-2.0]
    """
    ring = shape.ring_of_corner
    here = plan - plan[shape.rings[:-1][ring]] if len(plan) else plan
    there = here[shape.next_corner]
    cross = here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0]
    return np.bincount(ring, cross, minlength=shape.rings.size - 1) / 2


def tidy(plan: Floats, shape: Rings) -> tuple[Rings, Integers]:
    """The same polygons, outer rings counter-clockwise, holes not, repeats and thorns dropped.

    Rings without area go, and a polygon whose outer ring went goes with its holes.  Also returns
    which of the old corners each new one is.

    >>> line = shapely.Polygon([(0, 0), (9, 0), (9, 0), (20, 0)])
    >>> shape = parse([shapely.to_wkb(shapely.box(0, 0, 20, 10, ccw=False)), shapely.to_wkb(line)])
    >>> found, corners = tidy(shape.points, shape)
    >>> signed_areas(found.points, found).tolist(), found.owner.tolist(), corners.size
    ([200.0], [0], 4)
    """
    corners = _corners(plan, shape)
    whole = corners.size == len(plan)
    ring = shape.ring_of_corner[corners]
    count = np.diff(shape.rings) if whole else np.bincount(ring, minlength=shape.rings.size - 1)
    single = Rings(shape.points[corners], _offsets(count), shape.polygons, shape.owner)
    area = signed_areas(plan, shape) if whole else signed_areas(plan[corners], single)
    sound = (count >= 3) & (np.abs(area) >= SMALLEST)
    outer = np.zeros(sound.size, bool)
    outer[shape.polygons[:-1]] = True
    if whole and sound.all() and ((area > 0) == outer).all():
        return shape, corners
    polygon = shape.polygon_of_ring
    kept_polygon = sound[shape.polygons[:-1]]
    sound &= kept_polygon[polygon]

    kept = sound[ring]
    corners, ring = corners[kept], ring[kept]
    number = np.cumsum(sound) - 1  # of each ring among those that stay
    starts = _offsets(count[sound])
    place = np.arange(corners.size) - starts[number[ring]]
    backward = ((area > 0) != outer)[ring]
    place[backward] = count[ring[backward]] - 1 - place[backward]
    turned = np.empty_like(corners)
    turned[starts[number[ring]] + place] = corners

    rings_left = np.bincount(polygon[sound], minlength=kept_polygon.size)[kept_polygon]
    return (
        Rings(shape.points[turned], starts, _offsets(rings_left), shape.owner[kept_polygon]),
        turned,
    )


def _corners(plan: Floats, shape: Rings) -> Integers:
    """The corners that are no repeats, and no tips of thorns on which triangulation would fail."""
    corners, here, following = np.arange(len(plan)), plan, shape.next_corner
    ring = shape.ring_of_corner
    for _ in range(ROUNDS):
        onward = here[following] - here
        preceding = np.empty_like(following)
        preceding[following] = np.arange(following.size)
        arriving = onward[preceding]
        length = onward[:, 0] ** 2 + onward[:, 1] ** 2
        longer = np.sqrt(np.maximum(length, length[preceding]))
        turned = arriving[:, 0] * onward[:, 0] + arriving[:, 1] * onward[:, 1] < 0
        thorn = turned & (np.abs(_cross(arriving, onward)) <= THINNEST * longer)
        dropped = (length == 0) | thorn
        if not dropped.any():
            break
        corners = corners[~dropped]
        count = np.bincount(ring[corners], minlength=shape.rings.size - 1)
        here = plan[corners]
        following = Rings(here, _offsets(count), shape.polygons, shape.owner).next_corner
    return corners


def select(shape: Rings, kept: NDArray[np.bool_]) -> tuple[Rings, Integers]:
    """Only the polygons that are `kept`, and which of the old corners are left.

    >>> shape = parse([shapely.to_wkb(shapely.box(0, 0, n, 1)) for n in (1, 2)])
    >>> left, corners = select(shape, np.array([False, True]))
    >>> left.rings.tolist(), left.owner.tolist(), corners.tolist()
    ([0, 4], [1], [4, 5, 6, 7])
    """
    rings = kept[shape.polygon_of_ring]
    corners = np.flatnonzero(rings[shape.ring_of_corner])
    left = Rings(
        shape.points[corners],
        _offsets(np.diff(shape.rings)[rings]),
        _offsets(np.diff(shape.polygons)[kept]),
        shape.owner[kept],
    )
    return left, corners


def ranges(starts: Integers, counts: Integers) -> Integers:
    """The whole numbers from each start on, as many as its count, one range after the other.

    >>> ranges(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    before = np.cumsum(counts) - counts
    found: Integers = np.arange(counts.sum()) + np.repeat(starts - before, counts)
    return found


def take(shape: Rings, features: Integers) -> tuple[Rings, Integers, Integers]:
    """The polygons of some features, each as often as it is named, in that order.

    Also returns which of the old corners and of the old polygons the new ones are.  The new
    owners are the places in `features`; the old ones must be in order.

    >>> shape = parse([shapely.to_wkb(shapely.box(0, 0, n, 1)) for n in (1, 2)])
    >>> found, corners, polygons = take(shape, np.array([1, 0, 1]))
    >>> found.rings.tolist(), found.owner.tolist(), corners[:4].tolist(), polygons.tolist()
    ([0, 4, 8, 12], [0, 1, 2], [4, 5, 6, 7], [1, 0, 1])
    """
    first = np.searchsorted(shape.owner, features)
    count = np.searchsorted(shape.owner, features, "right") - first
    polygons = ranges(first, count)
    holding = np.diff(shape.polygons)[polygons]
    rings = ranges(shape.polygons[:-1][polygons], holding)
    length = np.diff(shape.rings)[rings]
    corners = ranges(shape.rings[:-1][rings], length)
    owner = np.repeat(np.arange(features.size), count)
    found = Rings(shape.points[corners], _offsets(length), _offsets(holding), owner)
    return found, corners, polygons


def triangulate(
    plan: Floats, shape: Rings, convex: NDArray[np.bool_] | None = None
) -> tuple[Integers, Integers]:
    """Triangles (m, 3) of corners, counter-clockwise, and the polygon that each belongs to.

    A fan where a polygon is convex and has no hole, earcut elsewhere; ordered by polygon.
    `convex` is as `plain` says, where it is known already.

    >>> shape = parse([shapely.to_wkb(shapely.box(0, 0, 2, 1))])
    >>> triangulate(shape.points, shape)[0].tolist()
    [[0, 1, 2], [0, 2, 3]]
    >>> triangulate(np.empty((0, 2)), parse([]))[0].shape
    (0, 3)
    """
    return cut(plan, shape, convex)[:2]


def cut(
    plan: Floats, shape: Rings, convex: NDArray[np.bool_] | None = None
) -> tuple[Integers, Integers, Floats]:
    """What `triangulate` gives, and the area of each triangle in the plane.

    >>> shape = parse([shapely.to_wkb(shapely.box(0, 0, 2, 1))])
    >>> cut(shape.points, shape)[2].tolist()
    [1.0, 1.0]
    """
    convex = plain(plan, shape) if convex is None else convex
    first = shape.rings[shape.polygons[:-1]]
    hollow = np.flatnonzero(~convex)
    found = _ears(plan, shape, hollow)
    count = np.diff(shape.rings)[shape.polygons[:-1]] - 2  # of a fan
    count[hollow] = [len(ears) // 3 for ears in found]
    start = np.cumsum(count) - count
    triangles = np.empty((count.sum(), 3), np.int64)
    fans = count[convex]
    base, step = np.repeat(first[convex], fans), ranges(np.zeros(fans.size, np.int64), fans)
    place = step + np.repeat(start[convex], fans)
    triangles[place] = np.stack([base, base + step + 1, base + step + 2], axis=1)
    if hollow.size:
        ears = np.concatenate(found).reshape(-1, 3)
        corners = ears + np.repeat(first[hollow], count[hollow])[:, None]
        triangles[ranges(start[hollow], count[hollow])] = corners
    area = triangle_areas(plan, triangles)
    clockwise = np.flatnonzero(area < 0)
    triangles[clockwise] = triangles[clockwise, ::-1]
    return triangles, np.repeat(np.arange(count.size), count), np.abs(area)


def _ears(plan: Floats, shape: Rings, polygons: Integers) -> list[NDArray[np.uint32]]:
    """Earcut's corners of some polygons, counted from each one's first."""
    starts = shape.rings[shape.polygons]
    ends = (shape.rings[1:] - starts[shape.polygon_of_ring]).astype(np.uint32)
    corners, rings = starts.tolist(), shape.polygons.tolist()
    return [
        mapbox_earcut.triangulate_float64(
            plan[corners[one] : corners[one + 1]], ends[rings[one] : rings[one + 1]]
        )
        for one in polygons.tolist()
    ]


def areas(
    plan: Floats,
    shape: Rings,
    convex: NDArray[np.bool_],
    covering: tuple[Integers, Integers, Floats],
) -> tuple[Floats, Floats]:
    """Area of each polygon in the plane, and by how much its triangles are another area.

    `covering` is what `cut` gives.  Of one whose rings cross, the area is what they go round, and
    its triangles must lie there too: some fit it in size alone.

    >>> bow = shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)])
    >>> shape = parse([shapely.to_wkb(bow), shapely.to_wkb(shapely.box(0, 0, 2, 1))])
    >>> convex = plain(shape.points, shape)
    >>> areas(shape.points, shape, convex, cut(shape.points, shape, convex))[0].tolist()
    [50.0, 2.0]
    """
    of, count = shape.polygon_of_ring, shape.owner.size
    triangles, polygon, area = covering
    found = np.bincount(of, signed_areas(plan, shape), minlength=count).astype(float)
    covered = np.bincount(polygon, area, minlength=count)
    missed: Floats = np.abs(covered - found)
    doubtful = np.flatnonzero(~convex)
    if doubtful.size:
        left, corners = select(shape, ~convex)
        number = np.arange(left.rings.size)
        round_it = ranges(left.rings[:-1], np.diff(left.rings) + 1)
        round_it[left.rings[1:] + number[:-1]] = left.rings[:-1]
        offsets = left.rings + number, left.polygons
        closed = plan[corners[round_it]]
        shapes = shapely.from_ragged_array(shapely.GeometryType.POLYGON, closed, offsets)
        crossed = np.flatnonzero(~shapely.is_valid(shapes))
        for one, outline in zip(doubtful[crossed].tolist(), shapes[crossed], strict=True):
            missed[one], found[one] = _missed(outline, plan[triangles[polygon == one]])
    return found, missed


def _missed(outline: shapely.Polygon, triangles: Floats) -> tuple[float, float]:
    """What triangles cover too little, too much or twice of an outline that crosses itself.

    The outline is read in that way in which they fit it best; its area so is the second.
    """
    pieces = shapely.polygons(triangles)
    drawn = shapely.union_all(pieces)
    twice = float(shapely.area(pieces).sum() - drawn.area)
    ways = [shapely.make_valid(outline, method=how) for how in ("linework", "structure")]
    return min((drawn.symmetric_difference(way).area + twice, way.area) for way in ways)


def triangle_areas(plan: Floats, triangles: Integers) -> Floats:
    """Area of each triangle in the plane, positive where it runs counter-clockwise.

    >>> triangle_areas(np.array([[0, 0], [2, 0], [0, 1]], float), np.array([[0, 1, 2]])).tolist()
    [1.0]
    """
    a, b, c = (plan[triangles[:, corner]] for corner in range(3))
    found: Floats = _cross(b - a, c - a) / 2
    return found


def plain(plan: Floats, shape: Rings) -> NDArray[np.bool_]:
    """Which polygons are one ring that turns left everywhere, and round itself only once.

    >>> shape = parse([shapely.to_wkb(shapely.box(0, 0, 2, 1))])
    >>> plain(shape.points, shape).tolist()
    [True]
    """
    if not shape.owner.size:
        return np.zeros(0, bool)
    following = shape.next_corner
    edge = plan[following] - plan
    onward = edge[following]
    cross = _cross(edge, onward)
    wrong = (cross < 0) | (
        (cross == 0) & (edge[:, 0] * onward[:, 0] + edge[:, 1] * onward[:, 1] < 0)
    )
    # Directions in the upper half come round once, if the ring does.
    upper = (edge[:, 1] > 0) | ((edge[:, 1] == 0) & (edge[:, 0] > 0))
    begins = ~upper & upper[following]
    of, count = shape.polygon_of_ring[shape.ring_of_corner], shape.owner.size
    rounds = np.bincount(of, begins, minlength=count)
    turns_right = np.bincount(of, wrong, minlength=count)
    found: NDArray[np.bool_] = (turns_right == 0) & (rounds == 1) & (np.diff(shape.polygons) == 1)
    return found


def _cross(a: Floats, b: Floats) -> Floats:
    found: Floats = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return found


def _offsets(counts: Integers) -> Integers:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
