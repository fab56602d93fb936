"""Solids: surfaces with roofs of their own, as triangles, where a building has some.

Each surface is cut into triangles in its own plane and keeps its own flat normal; shells are put
outward.  What cannot be meshed is drawn as its prism, and named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.crs.ecef import REACH, Frame
from cim.geometry.wkb import Blobs
from tiling.shapes import outlines
from tiling.shapes.mesh import (
    GRID,
    HIGHEST,
    WIDEST,
    Mesh,
    Prisms,
    Reason,
    joined,
    prisms,
    region_of,
    snapped,
)
from tiling.shapes.rings import (
    POLYGON,
    Rings,
    select,
    signed_areas,
    tidy,
    triangle_areas,
    triangulate,
)
from tiling.shapes.shells import turn, weld

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Region = tuple[float, float, float, float, float, float]

UNEVEN = 0.5
"""Metres by which a surface may bulge out of its plane."""

ROOFED, WALLED = 0.5, 0.25
"""Least volume by the roofs as a share of that by the walls, and the other way round.

Walls between neighbours are left out in many cities, so the axis along which there are more walls
counts; roofs stand out beyond the walls as sheets, which makes a third more.
"""

CROSSED = 0.02
"""Share of its area by which the triangles of a solid's surfaces may be wrong."""

LEAST_VOLUME, THINNEST = 0.1, 0.02
"""Cubic metres that a solid encloses at least, and metres: those for each square metre of it."""

SMALLEST = 1e-3
"""Square metres; a smaller surface is none."""

LOST = 0.05
"""Square metres that a ring may sweep over without enclosing any of them."""


@dataclass(frozen=True)
class Solids:
    """The mesh of the solids that have one, and what came of each row.

    `mesh.features` are numbers of rows.  `reasons` has FINE for a row in the mesh, NO_SOLID for one
    that has none, and why for the others; `region` is what those in the mesh fill.
    """

    mesh: Mesh
    reasons: Integers
    region: Region | None


def drawn(
    rows: Mapping[str, Any], ends: tuple[Floats, Floats], frame: Frame, owner: str, *, closed: bool
) -> tuple[Prisms, Integers]:
    """Rows as prisms between their `ends`, but as their solids where they have some.

    Prisms of one `owner`, as that column has it, are moved alike.
    The reason of each row is the prisms' own; beside it stands why its solid is not drawn: NO_SOLID
    where it has none, FINE where it is.
    """
    outlines, surfaces, groups = rows["outline"], rows.get("solid"), np.asarray(rows[owner])
    if surfaces is None or not _any(surfaces):
        return prisms(outlines, *ends, frame, closed=closed, groups=groups), np.full(
            len(outlines), Reason.NO_SOLID, np.int64
        )
    taken = np.array([bool(item) for item in rows.get("mesh", [None] * len(outlines))], bool)
    made = solids(surfaces, taken, np.asarray(rows["shift"], float), frame)
    rest = np.flatnonzero(made.reasons != Reason.FINE)
    others = prisms(
        outlines[rest] if isinstance(outlines, Blobs) else [outlines[row] for row in rest.tolist()],
        ends[0][rest],
        ends[1][rest],
        frame,
        closed=closed,
        groups=groups[rest],
    )
    reasons = np.full(len(outlines), Reason.FINE, np.int64)
    reasons[rest] = others.reasons
    number = np.cumsum(reasons == Reason.FINE) - 1
    upright = number[rest[others.reasons == Reason.FINE]]
    mesh = joined(
        [
            replace(others.mesh, features=upright[others.mesh.features].astype(np.int32)),
            replace(made.mesh, features=number[made.mesh.features].astype(np.int32)),
        ]
    )
    regions = [made.region] if made.region else []
    regions += [others.region] if upright.size else []
    return Prisms(mesh, reasons, _around(regions)), made.reasons


def _any(surfaces: Sequence[bytes | None]) -> bool:
    if isinstance(surfaces, Blobs):
        return bool((surfaces.ends >= surfaces.starts).any())
    return any(item is not None for item in surfaces)


def _around(regions: Sequence[Region]) -> Region:
    if not regions:
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    west, south, east, north, low, high = zip(*regions, strict=True)
    return min(west), min(south), max(east), max(north), min(low), max(high)


@dataclass(frozen=True)
class _Faces:
    """Surfaces as rings in the plane of two axes, with their corners in steps and in metres."""

    plan: Floats
    shape: Rings
    metres: Floats
    normals: Floats


def solids(
    surfaces: Sequence[bytes | None], taken: NDArray[np.bool_], shift: Floats, frame: Frame
) -> Solids:
    """Surfaces (WKB multipolygons, degrees and metres of the height datum) as a mesh in the frame.

    `shift` is metres from the datum up to the ellipsoid; rows that are `taken` as they are may be
    open and uneven: models of architects, which were looked at when they were loaded.

    >>> ring = [(113.0, 23.0), (113.0001, 23.0), (113.0001, 23.0001), (113.0, 23.0001)]
    >>> low, high = ([(x, y, z) for x, y in ring] for z in (0, 9))
    >>> walls = [[low[k - 1], low[k], high[k], high[k - 1]] for k in range(4)]
    >>> box = shapely.multipolygons([shapely.Polygon(f) for f in (low[::-1], high, *walls)])
    >>> wkb = [shapely.to_wkb(box), None]
    >>> found = solids(wkb, np.zeros(2, bool), np.zeros(2), Frame(113.0, 23.0))
    >>> len(found.mesh.triangles), found.reasons.tolist(), round(found.region[5], 2)
    (12, [0, 20], 9.03)
    >>> solids([], np.zeros(0, bool), np.zeros(0), Frame(0, 0)).region
    """
    count = len(surfaces)
    reasons = np.full(count, Reason.NO_SOLID, np.int64)
    points, shape = _parsed(surfaces, reasons)
    placed = _placed(points, shape, shift, frame, reasons)
    fine = reasons == Reason.FINE
    chosen, corners = select(shape, fine[shape.owner])
    points, metres = points[corners], placed[corners]
    faces = _faces(chosen, metres, reasons)
    _even(faces, taken, reasons)
    triangles, polygon = triangulate(faces.plan, faces.shape)
    _covered(faces, triangles, polygon, reasons)
    owner = faces.shape.owner[polygon]
    steps = np.rint(faces.metres / GRID)
    welded = weld(steps.astype(np.int64), faces.shape.owner_of_corner)
    places = np.empty((int(welded.max(initial=-1)) + 1, 3))
    places[welded] = steps
    loose = ~taken[owner]  # meshes were put outward when they were loaded
    shells = turn(places, welded[triangles[loose]], owner[loose], count)
    turned = np.zeros(len(triangles), bool)
    turned[loose] = shells.turned
    _closed(shells.fluxes * GRID**3, shells.area * GRID**2, taken, reasons)
    fine = reasons == Reason.FINE
    heights = points[:, 2] + shift[chosen.owner_of_corner]
    inside = fine[chosen.owner_of_corner]
    region = region_of(points[inside, :2], (heights[inside], heights[inside]), frame)
    return Solids(
        _mesh(faces, (triangles, polygon), (turned, welded), fine),
        reasons,
        region if inside.any() else None,
    )


def _parsed(surfaces: Sequence[bytes | None], reasons: Integers) -> tuple[Floats, Rings]:
    """Points (n, 3) and their rings; rows with something readable become FINE."""
    given = np.array([item is not None for item in surfaces], bool)
    found = shapely.from_wkb(np.array(list(surfaces), dtype=object), on_invalid="ignore")
    parts, owner = shapely.get_parts(found, return_index=True)
    sound = (shapely.get_type_id(parts) == POLYGON) & ~shapely.is_empty(parts)
    sound &= shapely.has_z(parts)
    reasons[given] = Reason.SOLID_UNREADABLE
    reasons[np.unique(owner[sound])] = Reason.FINE
    nothing = np.zeros(0, np.int64)
    if not sound.any():
        zero = np.zeros(1, np.int64)
        return np.empty((0, 3)), Rings(np.empty((0, 2)), zero, zero, nothing)
    _, points, (rings, polygons) = shapely.to_ragged_array(parts[sound], include_z=True)
    rings, polygons = rings.astype(np.int64), polygons.astype(np.int64)
    inner = np.ones(len(points), bool)
    inner[rings[1:] - 1] = False
    points = points[inner]
    opened = rings - np.arange(rings.size)
    return points, Rings(points[:, :2], opened, polygons, owner[sound].astype(np.int64))


def _placed(points: Floats, shape: Rings, shift: Floats, frame: Frame, reasons: Integers) -> Floats:
    """Metres in the frame; features out of its reach are marked, and stand at 0."""
    owner = shape.owner_of_corner
    here = np.array([frame.longitude, frame.latitude])
    near = (np.abs(points[:, :2] - here) <= np.degrees(REACH) * 0.99).all(axis=1)
    height = points[:, 2] + shift[owner]
    near &= np.abs(height) <= HIGHEST  # what is no number is not either
    degrees = np.where(near[:, None], points[:, :2], here)
    ground, up = frame.place(degrees[:, 0], degrees[:, 1])
    found = ground + np.where(near, height, 0.0)[:, None] * up
    wide = ~near | (np.abs(found[:, :2]) > WIDEST).any(axis=1)
    reasons[np.unique(owner[wide])] = Reason.SOLID_UNREADABLE
    return found


def _faces(shape: Rings, metres: Floats, reasons: Integers) -> _Faces:
    """Every surface with its normal, laid into the plane of the two axes that it faces least."""
    normals, size, swept = _normals(shape, metres)
    crossed = (size < SMALLEST) & (swept > LOST)
    _mark(reasons, shape.owner[crossed], Reason.SOLID_CROSSED)
    shape, corners = _sizeable(shape, size)
    normals, metres = normals[size >= SMALLEST], metres[corners]
    polygon = shape.polygon_of_ring[shape.ring_of_corner]
    axis = np.argmax(np.abs(normals), axis=1)
    forward = np.take_along_axis(normals, axis[:, None], axis=1)[:, 0] > 0
    first, second = (axis + 1) % 3, (axis + 2) % 3
    across = np.where(forward, first, second)[polygon]
    along = np.where(forward, second, first)[polygon]
    steps = np.rint(metres / GRID)
    row = np.arange(len(steps))
    plan = np.stack([steps[row, across], steps[row, along]], axis=1)
    number = np.arange(shape.owner.size)
    tidied, left = tidy(plan, Rings(shape.points, shape.rings, shape.polygons, number))
    owner = shape.owner[tidied.owner]
    shape = Rings(tidied.points, tidied.rings, tidied.polygons, owner)
    return _Faces(plan[left], shape, metres[left], normals[tidied.owner])


def _normals(shape: Rings, metres: Floats) -> tuple[Floats, Floats, Floats]:
    """Unit normal and area of each surface by its outer ring (M. E. Newell's sums).

    The last is what the ring sweeps over: far more than its area where it crosses itself.
    """
    ring = shape.ring_of_corner
    outer = shape.polygons[:-1]
    here = metres - metres[shape.rings[:-1][ring]] if len(metres) else metres
    there = here[shape.next_corner] if len(metres) else here
    cross = np.stack(
        [
            here[:, (k + 1) % 3] * there[:, (k + 2) % 3]
            - here[:, (k + 2) % 3] * there[:, (k + 1) % 3]
            for k in range(3)
        ],
        axis=1,
    )
    count = shape.rings.size - 1
    sums: Floats = np.stack(
        [np.bincount(ring, cross[:, k], minlength=count) for k in range(3)], axis=1
    )
    swept = np.bincount(ring, _length(cross), minlength=count)[outer] / 2
    length = _length(sums[outer])
    return sums[outer] / np.where(length > 0, length, 1.0)[:, None], length / 2, swept


def _length(vectors: Floats) -> Floats:
    found: Floats = np.sqrt(vectors[:, 0] ** 2 + vectors[:, 1] ** 2 + vectors[:, 2] ** 2)
    return found


def _sizeable(shape: Rings, size: Floats) -> tuple[Rings, Integers]:
    """The surfaces that have an area, and which corners they have."""
    kept = size >= SMALLEST
    number = np.arange(shape.owner.size)
    left, corners = select(Rings(shape.points, shape.rings, shape.polygons, number), kept)
    return Rings(left.points, left.rings, left.polygons, shape.owner[left.owner]), corners


def _even(faces: _Faces, taken: NDArray[np.bool_], reasons: Integers) -> None:
    """Mark features with a surface that is far from flat."""
    shape = faces.shape
    if not shape.owner.size:
        return
    polygon = shape.polygon_of_ring[shape.ring_of_corner]
    normal = faces.normals[polygon]
    start = faces.metres[shape.rings[shape.polygons[:-1]]][polygon]
    off = ((faces.metres - start) * normal).sum(axis=1)
    first = shape.rings[shape.polygons[:-1]]
    bulge = np.maximum.reduceat(off, first) - np.minimum.reduceat(off, first)
    _mark(reasons, shape.owner[bulge > UNEVEN], Reason.SOLID_UNEVEN, taken)


def _covered(faces: _Faces, triangles: Integers, polygon: Integers, reasons: Integers) -> None:
    """Mark features whose surfaces cross themselves, so that triangles do not cover them."""
    shape = faces.shape
    slant = np.abs(faces.normals).max(axis=1, initial=0.0)
    true = np.bincount(
        shape.polygon_of_ring, signed_areas(faces.plan, shape), minlength=shape.owner.size
    )
    covered = np.bincount(polygon, triangle_areas(faces.plan, triangles), minlength=true.size)
    wrong = np.bincount(shape.owner, np.abs(covered - true) / slant, minlength=reasons.size)
    whole = np.bincount(shape.owner, np.abs(true) / slant, minlength=reasons.size)
    _mark(reasons, np.flatnonzero(wrong > CROSSED * whole), Reason.SOLID_CROSSED)


def _closed(fluxes: Floats, area: Floats, taken: NDArray[np.bool_], reasons: Integers) -> None:
    """Mark features that enclose nothing, or that lack a wall or the roof."""
    most = fluxes.max(axis=1, initial=0.0)
    flat = most < np.maximum(LEAST_VOLUME, THINNEST * area)
    _mark(reasons, np.flatnonzero(flat), Reason.SOLID_FLAT, taken)
    walls, roofs = fluxes[:, :2].max(axis=1, initial=0.0), fluxes[:, 2]
    gap = (roofs < ROOFED * walls) | (walls < WALLED * roofs)
    _mark(reasons, np.flatnonzero(gap), Reason.SOLID_OPEN, taken)


def _mark(
    reasons: Integers, rows: Integers, reason: Reason, taken: NDArray[np.bool_] | None = None
) -> None:
    """Give rows that were fine so far their reason, but not those `taken` as they are."""
    rows = rows[reasons[rows] == Reason.FINE]
    reasons[rows if taken is None else rows[~taken[rows]]] = reason


def _mesh(
    faces: _Faces,
    cut: tuple[Integers, Integers],
    shells: tuple[NDArray[np.bool_], Integers],
    fine: NDArray[np.bool_],
) -> Mesh:
    """The triangles of the rows that are fine, vertices by surface, each with the flat normal.

    `shells` say which triangles are to be turned, and the place of each corner.
    """
    (triangles, polygon), (turned, places) = cut, shells
    shape = faces.shape
    inward = np.zeros(shape.owner.size, bool)
    inward[polygon[turned]] = True  # a shell is turned as a whole, and so is each of its surfaces
    normals = np.where(inward[:, None], -faces.normals, faces.normals)
    triangles = np.where(turned[:, None], triangles[:, ::-1], triangles)
    surface = shape.polygon_of_ring[shape.ring_of_corner]
    kept = fine[shape.owner]
    corners = np.flatnonzero(kept[surface])
    number = np.cumsum(kept[surface]) - 1
    chosen = np.flatnonzero(kept[polygon])
    edges = outlines.surfaces(
        triangles[chosen], shape.next_corner, places, normals[polygon[chosen]]
    )
    return snapped(
        faces.metres[corners],
        normals[surface[corners]],
        shape.owner[surface[corners]],
        number[triangles[chosen]],
        edges,
    )
