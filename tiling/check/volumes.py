"""Bounding volumes of 3D Tiles: which points lie outside of them, and what they divide into.

Regions are in radians and ellipsoidal metres and know nothing of transforms; boxes and spheres
stand in their tile's frame, and are taken to the frame of the whole tileset when they are read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs.ecef import to_geodetic

Floats = NDArray[np.float64]

SLACK_RADIANS = 2e-11
"""Radians by which a vertex may stick out of a region: a tenth of a millimetre of rounding."""


@dataclass(frozen=True)
class Points:
    """Points in the frame of the whole tileset, (n, 3), and where they are on Earth.

    `geodetic` is longitude and latitude in radians and ellipsoidal metres.
    """

    positions: Floats
    geodetic: tuple[Floats, Floats, Floats]


def points(positions: Floats) -> Points:
    """Points and their places on Earth, of earth-centred metres.

    >>> [value.tolist() for value in points(np.array([[6378137.0, 0.0, 0.0]])).geodetic]
    [[0.0], [0.0], [0.0]]
    """
    longitude, latitude, height = to_geodetic(positions)
    return Points(positions, (np.radians(longitude), np.radians(latitude), height))


@dataclass(frozen=True)
class Region:
    """West, south, east, north in radians, lowest and highest ellipsoidal height in metres."""

    bounds: tuple[float, float, float, float, float, float]

    def outside(self, found: Points, slack: float) -> int:
        """How many points lie outside by more than `slack` metres."""
        west, south, east, north, low, high = self.bounds
        longitude, latitude, height = found.geodetic
        angle = SLACK_RADIANS + slack / 6.4e6
        if west > east:  # across the antimeridian
            out = (longitude < west - angle) & (longitude > east + angle)
        else:
            narrow = angle / max(np.cos(max(abs(south), abs(north))), 0.01)
            away = longitude - (west + east) / 2  # of a vertex on the antimeridian, either way
            away = np.abs(np.mod(away + np.pi, 2 * np.pi) - np.pi)
            out = away > (east - west) / 2 + narrow
        out |= (latitude < south - angle) | (latitude > north + angle)
        out |= (height < low - slack) | (height > high + slack)
        return int(out.sum())

    def within(self, above: "Region", slack: float = 1e-9) -> bool:
        """Whether this region lies in another, but for `slack` radians and metres."""
        lower, upper = [0, 1, 4], [2, 3, 5]
        if above.bounds[0] > above.bounds[2]:  # across the antimeridian: judged by its vertices
            lower, upper = lower[1:], upper[1:]
        return all(self.bounds[i] >= above.bounds[i] - slack for i in lower) and all(
            self.bounds[i] <= above.bounds[i] + slack for i in upper
        )

    def common(self, other: "Region") -> "Region":
        """What two regions have in common."""
        one, two = self.bounds, other.bounds
        return Region(
            (
                max(one[0], two[0]),
                max(one[1], two[1]),
                min(one[2], two[2]),
                min(one[3], two[3]),
                max(one[4], two[4]),
                min(one[5], two[5]),
            )
        )

    def part(self, depth: int, place: tuple[int, int, int], *, octree: bool) -> "Region":
        """A cell of its subdivision, `depth` levels down: 3D Tiles, implicit tiling.

        >>> Region((0.0, 0.0, 1.0, 1.0, 0.0, 8.0)).part(1, (1, 0, 1), octree=True).bounds
        (0.5, 0.0, 1.0, 0.5, 4.0, 8.0)
        """
        west, south, east, north, low, high = self.bounds
        cells = 2**depth
        x, y, z = place
        wide, tall, deep = (east - west) / cells, (north - south) / cells, (high - low) / cells
        if octree:
            low, high = low + z * deep, low + (z + 1) * deep
        west, south = west + x * wide, south + y * tall
        return Region((west, south, west + wide, south + tall, low, high))

    def legal(self) -> bool:
        """Whether it can be a place on Earth."""
        west, south, east, north, low, high = self.bounds
        turn, slack = np.pi, 1e-8
        longitudes = all(abs(value) <= turn + slack for value in (west, east))
        latitudes = -turn / 2 - slack <= south <= north <= turn / 2 + slack
        return bool(longitudes and latitudes and low <= high)


@dataclass(frozen=True)
class Box:
    """An oriented box: its centre, (3,), and three half-axes as rows, (3, 3)."""

    centre: Floats
    axes: Floats

    def outside(self, found: Points, slack: float) -> int:
        """How many points lie outside by more than `slack` metres."""
        away = found.positions - self.centre
        out = np.zeros(len(away), bool)
        for axis in self.axes:
            length = float(np.linalg.norm(axis))
            if length:
                out |= np.abs(away @ (axis / length)) > length + slack
        return int(out.sum())

    def part(self, depth: int, place: tuple[int, int, int], *, octree: bool) -> "Box":
        """A cell of its subdivision, `depth` levels down: 3D Tiles, implicit tiling.

        >>> Box(np.zeros(3), np.eye(3)).part(1, (1, 0, 0), octree=False).centre.tolist()
        [0.5, -0.5, 0.0]
        """
        cells = 2**depth
        share = np.array([2 * value + 1 - cells for value in place], float) / cells
        scale = np.full(3, 1 / cells)
        if not octree:
            share[2], scale[2] = 0.0, 1.0
        return Box(self.centre + share @ self.axes, self.axes * scale[:, None])

    def legal(self) -> bool:
        """Whether it has numbers, and its axes are square to each other."""
        lengths = np.linalg.norm(self.axes, axis=1)
        square = np.abs(self.axes @ self.axes.T - np.diag(lengths**2)).max()
        return bool(np.isfinite(self.centre).all() and square <= 1e-3 * lengths.max() ** 2 + 1e-9)


@dataclass(frozen=True)
class Sphere:
    """A ball: its centre, (3,), and radius in metres."""

    centre: Floats
    radius: float

    def outside(self, found: Points, slack: float) -> int:
        """How many points lie outside by more than `slack` metres."""
        away = np.linalg.norm(found.positions - self.centre, axis=1)
        return int((away > self.radius + slack).sum())

    def legal(self) -> bool:
        """Whether it has numbers and a radius."""
        return bool(np.isfinite(self.centre).all() and self.radius >= 0)


Volume = Region | Box | Sphere


def read_volume(item: Mapping[str, Any], matrix: Floats) -> Volume | None:
    """A boundingVolume of a tileset.json; `matrix` (4, 4) takes its tile's frame to the tileset's.

    None for what is not judged here, as a S2 cell.  Raises ValueError for a wrong length.

    >>> read_volume({"sphere": [1.0, 0.0, 0.0, 5.0]}, np.diag([2.0, 2.0, 2.0, 1.0])).radius
    10.0
    """
    if "region" in item:
        west, south, east, north, low, high = (float(value) for value in item["region"])
        return Region((west, south, east, north, low, high))
    turn = matrix[:3, :3]
    if "box" in item:
        numbers = np.array(item["box"], float).reshape(4, 3)
        return Box(turn @ numbers[0] + matrix[:3, 3], numbers[1:] @ turn.T)
    if "sphere" in item:
        x, y, z, radius = (float(value) for value in item["sphere"])
        scale = float(np.linalg.norm(turn, axis=0).max())
        return Sphere(turn @ np.array([x, y, z]) + matrix[:3, 3], radius * scale)
    return None
