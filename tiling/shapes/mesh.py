"""Prisms: outlines raised between two heights, as one mesh of flat-shaded triangles.

Positions are whole steps of GRID in a tile's own frame, and what is of one building is moved alike
(tiling.shapes.standing), so that what shares a corner there shares its coordinates.  The vertices
stand in blocks: for every BLOCK corners of outlines, all feet
of walls, then all tops, then roofs; each of these classes runs through the same corners in the same
order.  That is how the compression that follows sees that one is like the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, radians
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cim.crs.ecef import REACH, Frame
from cim.geometry.wkb import Blobs
from tiling.shapes import outlines
from tiling.shapes.outlines import Edges
from tiling.shapes.reasons import REASONS, Reason
from tiling.shapes.rings import (
    SMALLEST,
    Rings,
    areas,
    cut,
    parse,
    plain,
    ranges,
    select,
    take,
    tidy,
)
from tiling.shapes.standing import GRID, STRAY, Spans, spans_of, steps, stood

__all__ = [
    "FULL",
    "GRID",
    "HIGHEST",
    "REASONS",
    "WIDEST",
    "Mesh",
    "Prisms",
    "Reason",
    "extrude",
    "joined",
    "prisms",
    "region_of",
    "snapped",
    "steps",
]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Steps = NDArray[np.int32]
Kind = TypeVar("Kind", bound=np.generic)

BLOCK = 256
"""Vertices that meshopt's vertex codec takes together where they are 4 to 32 bytes wide."""

ROOF_TOLERANCE = 0.01
"""Share of its area by which a triangulated roof may be wrong before the feature is left out."""

WIDEST = 40_000.0
"""Metres from its tile's middle that an outline may reach."""

HIGHEST = 20_000.0
"""Metres up or down from the ellipsoid that a feature may reach."""

METRES_A_DEGREE = 110_574.0
"""Of latitude, at the least."""

FULL = 127
"""A normal's length, in bytes."""


@dataclass(frozen=True)
class Mesh:
    """Triangles in a frame, in steps of GRID (east, north, up).

    `positions` (n, 3) and `normals` (n, 3), of length FULL, a vertex; `features` (n,) the feature
    that it belongs to, counted among those that have a mesh; `triangles` (m, 3) counter-clockwise
    from outside, `edges` (m,) which of their edges are lines (tiling.shapes.outlines).
    """

    positions: Steps
    normals: NDArray[np.int8]
    features: Steps
    triangles: Steps
    edges: Edges


@dataclass(frozen=True)
class Prisms:
    """The mesh, which features are in it, and the region they fill.

    `reasons` has a Reason for every feature that came in, FINE for those in the mesh; `region` is
    west, south, east, north in degrees, then lowest and highest ellipsoidal metres.
    """

    mesh: Mesh
    reasons: Integers
    region: tuple[float, float, float, float, float, float]


def snapped(
    positions: Floats, normals: Floats, features: Integers, triangles: Integers, edges: Edges
) -> Mesh:
    """A mesh of positions in metres and normals of length 1.

    >>> corner, edges = np.eye(3), np.zeros(1, np.uint8)
    >>> made = snapped(corner, corner, np.zeros(3, int), np.array([[0, 1, 2]]), edges)
    >>> made.positions[0].tolist(), made.normals[0].tolist()
    ([100, 0, 0], [127, 0, 0])
    """
    return Mesh(
        steps(positions),
        np.rint(normals * FULL).astype(np.int8),
        features.astype(np.int32),
        triangles.astype(np.int32),
        edges,
    )


def joined(meshes: Sequence[Mesh]) -> Mesh:
    """One mesh of several, in their order.

    >>> corner, edges = np.eye(3), np.zeros(1, np.uint8)
    >>> one = snapped(corner, corner, np.zeros(3, int), np.array([[0, 1, 2]]), edges)
    >>> joined([one, one]).triangles.tolist()
    [[0, 1, 2], [3, 4, 5]]
    """
    before = np.cumsum([0, *(len(mesh.positions) for mesh in meshes)]).astype(np.int32)
    return Mesh(
        np.concatenate([mesh.positions for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.features for mesh in meshes]),
        np.concatenate(
            [mesh.triangles + start for mesh, start in zip(meshes, before, strict=False)]
        ),
        np.concatenate([mesh.edges for mesh in meshes]),
    )


def prisms(
    outlines: Sequence[bytes | None],
    bottom: Floats,
    top: Floats,
    frame: Frame,
    *,
    closed: bool,
    groups: NDArray[np.generic] | None = None,
) -> Prisms:
    """Raise each outline from `bottom` to `top`, ellipsoidal metres, into one mesh.

    `outlines` are WKB polygons or multipolygons in degrees.  Walls stand along the ellipsoid's
    normal.  `closed` adds undersides.  Features of one of the `groups` are moved alike, each for
    itself where there are none.  A feature that has no solid is left out with its reason.

    >>> import shapely
    >>> square = shapely.to_wkb(shapely.box(113.75, 23.0, 113.7501, 23.0001))
    >>> frame = Frame(113.75, 23.0)
    >>> made = prisms([square, None], np.zeros(2), np.full(2, 9.0), frame, closed=True)
    >>> len(made.mesh.positions), len(made.mesh.triangles), made.reasons.tolist()
    (24, 12, [0, 1])
    >>> prisms([], np.zeros(0), np.zeros(0), Frame(0, 0), closed=True).mesh.triangles.shape
    (0, 3)
    """
    distinct, of = outlines.distinct() if isinstance(outlines, Blobs) else (outlines, None)
    laid = _lay(distinct, frame)
    reasons = _reasons(laid.reasons if of is None else laid.reasons[of], bottom, top)
    fine = np.flatnonzero(reasons == Reason.FINE)
    taken = _take(laid, fine if of is None else of[fine])
    bottom, top, owner = bottom[fine], top[fine], taken.shape.owner_of_corner
    spans = taken.spans if groups is None else taken.spans.together(groups[fine])
    ends = stood((taken.plan, taken.ground, taken.up), owner, spans, (bottom, top))
    features = owner.astype(np.int32)
    mesh = extrude(taken.shape.next_corner, taken.triangles, ends, features, closed=closed)
    return Prisms(mesh, reasons, region_of(taken.shape.points, (bottom, top), frame))


@dataclass(frozen=True)
class _Laid:
    """Outlines as they lie on the ground, tidied.

    `ground` (n, 3) and `up` (n, 3) are the place of each corner at ellipsoidal height 0, in metres,
    and its upward direction, `plan` (n, 2) that place in steps, `spans` those of each outline;
    `triangles` cover the outlines, in their order, `polygon` says of each which it belongs to;
    `reasons` are those that the outlines alone give.
    """

    shape: Rings
    plan: Floats
    ground: Floats
    up: Floats
    spans: Spans
    triangles: Integers
    polygon: Integers
    reasons: Integers


def _lay(outlines: Sequence[bytes | None], frame: Frame) -> _Laid:
    shape = parse(outlines)
    reasons = np.full(len(outlines), Reason.NO_OUTLINE, np.int64)
    reasons[shape.owner] = Reason.FINE
    shape = _within_reach(shape, frame, reasons)
    ground, up = frame.place(shape.points[:, 0], shape.points[:, 1])
    shape, (ground, up) = _within_width(shape, (ground, up), reasons)
    plan = np.rint(ground[:, :2] / GRID)
    tidied, corners = tidy(plan, shape)
    if tidied is not shape:
        shape, plan, ground, up = tidied, plan[corners], ground[corners], up[corners]
    convex = plain(plan, shape)
    covering = cut(plan, shape, convex)
    _judge(reasons, shape.owner, *areas(plan, shape, convex, covering))
    spans = spans_of(ground, up, shape.owner_of_corner, len(outlines))
    return _Laid(shape, plan, ground, up, spans, *covering[:2], reasons)


def _take(laid: _Laid, outlines: Integers) -> _Laid:
    """Some of the outlines, each as often as it is named, in that order."""
    if np.array_equal(outlines, np.arange(laid.reasons.size)):
        return laid
    old = laid.shape
    shape, corners, polygons = take(old, outlines)
    count = np.bincount(laid.polygon, minlength=old.owner.size)
    triangles = ranges((np.cumsum(count) - count)[polygons], count[polygons])
    moved = shape.rings[shape.polygons[:-1]] - old.rings[old.polygons[:-1]][polygons]
    shift = np.repeat(moved, count[polygons])
    return _Laid(
        shape,
        laid.plan[corners],
        laid.ground[corners],
        laid.up[corners],
        laid.spans.of(outlines),
        laid.triangles[triangles] + shift[:, None],
        np.repeat(np.arange(polygons.size), count[polygons]),
        laid.reasons[outlines],
    )


def extrude(
    following: Integers, caps: Integers, ends: tuple[Steps, Steps], features: Steps, *, closed: bool
) -> Mesh:
    """Walls and roofs, and undersides where `closed`, of tidy rings with their cap triangles.

    `ends` are the rings' corners below and above, (n, 3) each, `following` the next corner of
    each, `features` whose it is.  Each face has vertices of its own, so that normals are flat.
    """
    (low, high), count = ends, len(features)
    leaving = _outward(low, following)
    arriving = np.empty_like(leaving)
    arriving[following] = leaving
    up = np.zeros_like(leaving)
    up[:, 2] = FULL
    positions, normals = [low, low, high, high, high], [leaving, arriving, arriving, leaving, up]
    if closed:
        positions, normals = [*positions, low], [*normals, -up]
    classes = len(positions)
    corner = np.arange(count, dtype=np.int32)
    within = corner % BLOCK
    first = (corner - within) * classes + within
    step = np.minimum(BLOCK, count - (corner - within))  # the last block is shorter
    next_first, next_step = first[following], step[following]
    foot, top = next_first + next_step, next_first + 2 * next_step
    walls = np.stack([first, foot, top, first, top, first + 3 * step], axis=1).reshape(-1, 3)
    triangles = [walls, (first + 4 * step)[caps]]
    if closed:
        triangles.append((first + 5 * step)[caps[:, ::-1]])
    drawn = np.concatenate(triangles)
    edges = np.zeros(len(drawn), np.uint8)
    edges[: len(walls)] = outlines.walls(leaving, arriving)
    return Mesh(
        _in_blocks(positions),
        _in_blocks(normals),
        _in_blocks([features] * classes),
        drawn,
        edges,
    )


def _in_blocks(classes: Sequence[NDArray[Kind]]) -> NDArray[Kind]:
    """The classes of vertices one after the other within each BLOCK corners."""
    count = len(classes[0])
    whole = count // BLOCK * BLOCK
    tail = classes[0].shape[1:]
    found = np.empty((count * len(classes), *tail), classes[0].dtype)
    blocks = found[: whole * len(classes)].reshape(-1, len(classes), BLOCK, *tail)
    rest = found[whole * len(classes) :].reshape(len(classes), -1, *tail)
    for place, values in enumerate(classes):
        blocks[:, place] = values[:whole].reshape(-1, BLOCK, *tail)
        rest[place] = values[whole:]
    return found


def _outward(low: Steps, following: Integers) -> NDArray[np.int8]:
    """Normals of the walls that leave each corner: to the right of the edge, level."""
    edge = (low[following] - low)[:, :2].astype(np.float64)
    length = np.sqrt(edge[:, 0] ** 2 + edge[:, 1] ** 2)
    shut = length == 0  # corners a step apart may fall together where each is moved for itself
    length[shut] = 1.0
    normal = np.zeros((len(low), 3), np.int8)
    normal[:, 0] = np.rint(edge[:, 1] / length * FULL)
    normal[:, 1] = np.rint(-edge[:, 0] / length * FULL)
    normal[shut, 0] = FULL
    return normal


def _reasons(outlines: Integers, bottom: Floats, top: Floats) -> Integers:
    """Why each feature has no mesh: `outlines` is what its outline tells against it."""
    reasons = outlines.copy()
    own = np.full(bottom.size, Reason.FINE, np.int64)
    with np.errstate(invalid="ignore"):  # what has no end is told of below
        own[~(top - bottom >= GRID)] = Reason.NO_HEIGHT
    own[(np.abs(bottom) > HIGHEST) | (np.abs(top) > HIGHEST)] = Reason.TOO_HIGH
    own[~(np.isfinite(bottom) & np.isfinite(top))] = Reason.NO_ELEVATION
    odd = (own != Reason.FINE) & (outlines != Reason.NO_OUTLINE)
    reasons[odd] = own[odd]
    return reasons


def _within_reach(shape: Rings, frame: Frame, reasons: Integers) -> Rings:
    """The rings without the features that the frame cannot place, which are marked."""
    reach = np.degrees(REACH) * 0.99
    east, north = shape.points.T
    near = np.abs(east - frame.longitude) <= reach
    near &= np.abs(north - frame.latitude) <= reach
    real = (np.abs(east) <= 180.0) & (np.abs(north) <= 90.0)
    if near.all() and real.all():
        return shape
    across = ~near & (np.abs(east) > 180.0 - reach)
    _mark(reasons, shape.owner_of_corner[~real | across], Reason.NOWHERE)
    _mark(reasons, shape.owner_of_corner[~near], Reason.TOO_WIDE)
    lost = np.zeros(reasons.size, bool)
    lost[shape.owner_of_corner[~(near & real)]] = True
    return select(shape, ~lost[shape.owner])[0]


def _within_width(
    shape: Rings, places: tuple[Floats, Floats], reasons: Integers
) -> tuple[Rings, tuple[Floats, Floats]]:
    """The rings, and their places, without features too wide for their tile, which are marked."""
    ground, up = places
    off = (np.abs(ground[:, 0]) > WIDEST) | (np.abs(ground[:, 1]) > WIDEST)
    if not off.any():
        return shape, places
    wide = np.zeros(reasons.size, bool)
    wide[shape.owner_of_corner[off]] = True
    _mark(reasons, np.flatnonzero(wide), Reason.TOO_WIDE)
    left, corners = select(shape, ~wide[shape.owner])
    return left, (ground[corners], up[corners])


def _mark(reasons: Integers, features: Integers, reason: Reason) -> None:
    """Give features that were fine so far their reason."""
    features = features[reasons[features] == Reason.FINE]
    reasons[features] = reason


def _judge(reasons: Integers, owner: Integers, true: Floats, missed: Floats) -> None:
    """Mark the outlines without area, and those that their triangles do not cover.

    `owner`, `true` and `missed` are of each polygon: its outline, its area and what its triangles
    cover too much or too little.
    """
    outlined = np.zeros(reasons.size, bool)
    outlined[owner[true >= SMALLEST]] = True
    _mark(reasons, np.flatnonzero(~outlined), Reason.NO_AREA)
    _mark(reasons, owner[missed > ROOF_TOLERANCE * true], Reason.NO_ROOF)


def region_of(
    points: Floats, ends: tuple[Floats, Floats], frame: Frame
) -> tuple[float, float, float, float, float, float]:
    """What points (degrees), between the lowest and highest of `ends`, fill, and STRAY more."""
    if not len(points):
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    west, south, east, north = (
        points[:, 0].min(),
        points[:, 1].min(),
        points[:, 0].max(),
        points[:, 1].max(),
    )
    slack = STRAY / METRES_A_DEGREE
    wide = slack / max(cos(radians(frame.latitude)), 0.01)
    return (
        max(float(west) - wide, -180.0),
        max(float(south) - slack, -90.0),
        min(float(east) + wide, 180.0),
        min(float(north) + slack, 90.0),
        float(ends[0].min()) - STRAY,
        float(ends[1].max()) + STRAY,
    )
