"""Local frames: from degrees to metres along a building's own walls, and back without loss.

A building is far smaller than a kilometre, so its plane is the tangent one: degrees times the two
radii of curvature at its middle (Snyder, Map Projections, 1987, eq. 4-18 to 4-20).  The map is
linear, so that the way back is exact to the last digits and areas keep their ratios.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""Numbers, shape (n,)."""

Integers = NDArray[np.int64]
"""Indices or counts, shape (n,)."""

Shapes = NDArray[Any]
"""shapely geometries, shape (n,), dtype object."""

_A, _F = 6_378_137.0, 1 / 298.257222101  # CGCS2000
_E2 = _F * (2 - _F)


@dataclass(frozen=True)
class Edges:
    """Directed edges of many polygons: shells run counter-clockwise, holes clockwise."""

    start: Floats
    """First ends, shape (n, 2)."""
    end: Floats
    """Second ends, shape (n, 2)."""
    owner: Integers
    """Which polygon an edge belongs to; ascending."""


@dataclass(frozen=True)
class Frames:
    """One linear map a building: degrees → metres, first axis along the longer side."""

    origin: Floats
    """Middle of the building in degrees, shape (n, 2)."""
    matrix: Floats
    """Metres = matrix @ (degrees - origin), shape (n, 2, 2)."""

    def enter(self, shapes: Shapes, owner: Integers) -> Shapes:
        """Shapes in degrees to metres in the frames numbered by `owner`."""
        return self._mapped(shapes, owner, inward=True)

    def leave(self, shapes: Shapes, owner: Integers) -> Shapes:
        """Shapes in metres back to degrees."""
        return self._mapped(shapes, owner, inward=False)

    def _mapped(self, shapes: Shapes, owner: Integers, *, inward: bool) -> Shapes:
        points, index = shapely.get_coordinates(shapes, return_index=True)
        at = owner[index]
        if inward:
            moved = _apply(self.matrix[at], points - self.origin[at])
        else:
            moved = _apply(np.linalg.inv(self.matrix)[at], points) + self.origin[at]
        # A copy is made first: set_coordinates works in place.
        return np.asarray(shapely.set_coordinates(np.array(shapes, dtype=object), moved))


def plane(shapes: Shapes) -> Frames:
    """Frames that point east and north at the middle of each shape's bounds.

    >>> frames = plane(np.array([shapely.box(120, 30, 120.001, 30.001)]))
    >>> [round(float(side), 1) for side in np.diag(frames.matrix[0]) * 0.001]
    [96.5, 110.9]
    >>> plane(np.array([], dtype=object)).origin.shape
    (0, 2)
    """
    # An empty shape has no bounds: its frame is that of 0, 0, and it stays empty.
    west, south, east, north = np.nan_to_num(shapely.bounds(shapes)).reshape(-1, 4).T
    origin = np.column_stack([(west + east) / 2, (south + north) / 2])
    latitude = np.radians(origin[:, 1])
    curve = 1 - _E2 * np.sin(latitude) ** 2
    matrix = np.zeros((len(origin), 2, 2))
    matrix[:, 0, 0] = np.radians(_A / np.sqrt(curve) * np.cos(latitude))
    matrix[:, 1, 1] = np.radians(_A * (1 - _E2) / curve**1.5)
    return Frames(origin, matrix)


def along_walls(shapes: Shapes) -> Frames:
    """Frames turned to each building's walls: the first axis along the longer side, eastwards.

    The direction is the mean of all walls weighted by length, taken modulo 90° (the mean of
    four times the angle), which unlike the smallest rectangle follows the walls of an L.

    >>> tall = np.array([shapely.box(120, 30, 120.0001, 30.001)])
    >>> moved = along_walls(tall).enter(tall, np.array([0]))
    >>> [round(float(side)) for side in shapely.bounds(moved)[0]]
    [-55, -5, 55, 5]
    >>> len(along_walls(np.array([], dtype=object)).matrix)
    0
    """
    flat = plane(shapes)
    here = np.arange(len(shapes))
    walls = edges(flat.enter(shapes, here))
    along = _mean_direction(walls, len(shapes))
    turned = np.einsum("nij,njk->nik", _rotation(-along), flat.matrix)
    frames = Frames(flat.origin, turned)
    west, south, east, north = shapely.bounds(frames.enter(shapes, here)).reshape(-1, 4).T
    along = np.where(north - south > (east - west) * (1 + 1e-9), along + np.pi / 2, along)
    # East, and north where the building stands exactly across: numbers run the same way everywhere.
    along = (along + np.pi / 2 - 1e-6) % np.pi - np.pi / 2 + 1e-6
    return Frames(flat.origin, np.einsum("nij,njk->nik", _rotation(-along), flat.matrix))


def edges(shapes: Shapes) -> Edges:
    """Every edge of polygons and multipolygons.

    >>> edges(np.array([shapely.box(0, 0, 1, 1)])).owner
    array([0, 0, 0, 0])
    >>> edges(np.array([], dtype=object)).start.shape
    (0, 2)
    """
    if not len(shapes):
        return Edges(np.empty((0, 2)), np.empty((0, 2)), np.empty(0, dtype=np.int64))
    turned = shapely.orient_polygons(shapes)
    parts, part_owner = shapely.get_parts(turned, return_index=True)
    rings, ring_part = shapely.get_rings(parts, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    joined = ring[:-1] == ring[1:]
    owner = part_owner[ring_part][ring[:-1][joined]]
    return Edges(points[:-1][joined], points[1:][joined], owner.astype(np.int64))


def areas(shapes: Shapes) -> Floats:
    """Area of shapes in degrees, in m² of each shape's own plane.

    >>> areas(np.array([shapely.box(0, 0, 0.001, 0.001)])).round(1)
    array([12309.1])
    """
    scale = np.linalg.det(plane(shapes).matrix)
    return np.asarray(shapely.area(shapes) * scale, dtype=np.float64)


def _apply(matrix: Floats, points: Floats) -> Floats:
    """Matrix times point, row by row; one fixed order of sums, so the same bits every time."""
    x = matrix[:, 0, 0] * points[:, 0] + matrix[:, 0, 1] * points[:, 1]
    y = matrix[:, 1, 0] * points[:, 0] + matrix[:, 1, 1] * points[:, 1]
    return np.column_stack([x, y])


def _rotation(angle: Floats) -> Floats:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)


def _mean_direction(walls: Edges, count: int) -> Floats:
    run, rise = (walls.end - walls.start).T
    length = np.hypot(run, rise)
    turn = 4 * np.arctan2(rise, run)
    east = np.bincount(walls.owner, length * np.cos(turn), count)
    north = np.bincount(walls.owner, length * np.sin(turn), count)
    return np.arctan2(north, east) / 4
