"""Solids as triangles: their volume, and what a level plane cuts out of them.

Pure: vertices (n, 3) in metres and faces (m, 3) in, numbers and shapely polygons out.  Models are
written by many programs, so no orientation of faces is believed and no solid is taken for closed.
"""

from collections import defaultdict

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

Vertices = NDArray[np.float64]
"""Corners, shape (n, 3), metres."""

Faces = NDArray[np.int64]
"""Triangles as indices of corners, shape (m, 3)."""

GRID = 1e-6
"""Metres: ends of cuts that lie closer together than this are one."""

AGREES = 0.005
"""Part of its volume by which a prism may differ from the solid that it stands for."""

SLICES = 15
"""Heights at which a solid is cut in search of its mean section."""


def bottom_and_top(vertices: Vertices) -> tuple[float, float]:
    """The lowest and the highest corner.

    >>> bottom_and_top(np.array([[0.0, 0, 1], [0, 1, 4], [1, 0, 2]]))
    (1.0, 4.0)
    """
    return float(vertices[:, 2].min()), float(vertices[:, 2].max())


def volume(vertices: Vertices, faces: Faces) -> float:
    """Volume in m³: of each closed body by its tetrahedra, of an open solid by its sections."""
    corners, welded = _welded(vertices, faces)
    turned, bodies, closed = _oriented(welded)
    if not closed:
        return _by_sections(vertices, faces)
    corner = (corners - corners.mean(axis=0))[turned]
    parts = np.einsum("ij,ij->i", corner[:, 0], np.cross(corner[:, 1], corner[:, 2])) / 6
    return float(np.abs(np.bincount(bodies, parts)).sum())


def section(vertices: Vertices, faces: Faces, height: float) -> Geometry:
    """What the plane z = `height` cuts out of a solid: a polygon, several, or an empty one.

    What is inside is told by the even-odd rule: it needs no orientation of the faces.
    """
    z = vertices[:, 2] - height
    if np.abs(z).min() < GRID:  # a corner in the plane would cut two edges or none
        z = z - 10 * GRID
    above = z[faces] > 0
    cut = faces[above.any(axis=1) & ~above.all(axis=1)]
    if not len(cut):
        return shapely.MultiPolygon()
    above = z[cut] > 0
    alone = np.where(above.sum(axis=1) == 1, np.argmax(above, axis=1), np.argmin(above, axis=1))
    row = np.arange(len(cut))
    tip, one, two = cut[row, alone], cut[row, (alone + 1) % 3], cut[row, (alone + 2) % 3]
    ends = np.stack([_crossing(vertices, z, tip, one), _crossing(vertices, z, tip, two)], axis=1)
    return _inside(ends)


def footprint(vertices: Vertices, faces: Faces) -> Geometry:
    """What a solid covers, seen from above."""
    triangles = shapely.polygons(vertices[faces][:, :, :2])
    seen = triangles[shapely.area(triangles) > GRID]
    return shapely.union_all(shapely.orient_polygons(seen), grid_size=GRID)


def mean_section(vertices: Vertices, faces: Faces, content: float) -> tuple[Geometry, float]:
    """The section whose prism holds what the solid holds, and the height it was cut at.

    Cut at half height; where that prism differs from `content` (m³) by more than AGREES, as under
    a sloped roof, at the height nearest to it where the area is the mean one: an area that changes
    without jumps passes through its mean.  The cut at half height stands where none is found.
    """
    low, high = bottom_and_top(vertices)
    middle, tall = (low + high) / 2, high - low
    cut = section(vertices, faces, middle)
    wanted = content / tall if tall > 0 else 0.0
    if abs(cut.area - wanted) <= AGREES * wanted:
        return cut, middle
    heights = low + tall * (np.arange(SLICES) + 0.5) / SLICES
    over = np.array([section(vertices, faces, float(z)).area - wanted for z in heights])
    turns = np.flatnonzero(np.sign(over[:-1]) != np.sign(over[1:]))
    if not len(turns):
        return cut, middle
    nearest = turns[np.argmin(np.abs((heights[turns] + heights[turns + 1]) / 2 - middle))]
    a, b, rising = float(heights[nearest]), float(heights[nearest + 1]), over[nearest] < 0
    for _ in range(30):
        between = (a + b) / 2
        below = section(vertices, faces, between).area < wanted
        a, b = (between, b) if below == rising else (a, between)
    found = section(vertices, faces, (a + b) / 2)
    better = abs(found.area - wanted) < abs(cut.area - wanted)
    return (found, (a + b) / 2) if better else (cut, middle)


def _crossing(vertices: Vertices, z: NDArray[np.float64], one: Faces, other: Faces) -> Vertices:
    """Where edges meet the plane, x and y; the same bits from whichever end it is looked at."""
    a, b = np.minimum(one, other), np.maximum(one, other)
    t = (z[a] / (z[a] - z[b]))[:, None]
    return np.asarray(vertices[a, :2] + t * (vertices[b, :2] - vertices[a, :2]))


def _inside(ends: Vertices) -> Geometry:
    """The faces of a net of cuts that have an odd number of cuts beside them."""
    lines = shapely.linestrings(ends)
    net = shapely.union_all(lines, grid_size=GRID)
    faces = shapely.get_parts(shapely.polygonize([net]))
    if not len(faces):
        return shapely.MultiPolygon()
    points = shapely.get_coordinates(shapely.point_on_surface(faces))
    (ax, ay), (bx, by) = ends[:, 0].T, ends[:, 1].T
    x, y = points[:, :1], points[:, 1:]
    spans = (ay > y) != (by > y)
    with np.errstate(divide="ignore", invalid="ignore"):
        meets = x < ax + (y - ay) / (by - ay) * (bx - ax)
    odd = (spans & meets).sum(axis=1) % 2 == 1
    return shapely.union_all(faces[odd], grid_size=GRID)


def _welded(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """Corners that lie within GRID as one, and the faces over them; faces of no area are gone."""
    rough = np.round(vertices / GRID).astype(np.int64)
    _, first, back = np.unique(rough, axis=0, return_index=True, return_inverse=True)
    welded = back.reshape(-1)[faces]
    flat = (welded == np.roll(welded, 1, axis=1)).any(axis=1)
    return vertices[first], np.asarray(welded[~flat], np.int64)


def _oriented(welded: Faces) -> tuple[Faces, Faces, bool]:
    """Faces turned alike body by body, the body of each, and whether every edge has two faces."""
    owners: dict[tuple[int, int], list[int]] = defaultdict(list)
    for face, (a, b, c) in enumerate(welded.tolist()):
        for one, two in ((a, b), (b, c), (c, a)):
            owners[min(one, two), max(one, two)].append(face)
    closed = bool(owners) and all(len(faces) == 2 for faces in owners.values())
    turned, body = welded.copy(), np.full(len(welded), -1)
    for start in range(len(welded)):
        if body[start] < 0:
            _spread(turned, body, owners, start)
    return turned, body, closed


def _spread(turned: Faces, body: Faces, owners: dict[tuple[int, int], list[int]], at: int) -> None:
    """Turn every face that hangs on one, so that neighbours run against each other."""
    body[at], waiting = at, [at]
    while waiting:
        face = waiting.pop()
        a, b, c = turned[face].tolist()
        for one, two in ((a, b), (b, c), (c, a)):
            for other in owners[min(one, two), max(one, two)]:
                if body[other] >= 0:
                    continue
                ring = turned[other].tolist()
                if (one, two) in zip(ring, [*ring[1:], ring[0]], strict=True):
                    turned[other] = turned[other][::-1]
                body[other] = at
                waiting.append(other)


def _by_sections(vertices: Vertices, faces: Faces) -> float:
    """Volume of a solid that does not close: its sections, slice by slice."""
    low, high = bottom_and_top(vertices)
    steps = low + (high - low) * (np.arange(4 * SLICES) + 0.5) / (4 * SLICES)
    return float(np.mean([section(vertices, faces, float(z)).area for z in steps]) * (high - low))
