"""The relief under a tile of terrain: heights on a lattice fixed to the world, and triangles of it.

Every node of the lattice is a place whose height and normal depend on nothing but the place, so
tiles that meet agree, and a tile's nodes are every second one of those it is divided into.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pymartini import Martini
from rasterio.fill import fillnodata

from cim.crs import ecef
from cim.crs.geoid import Geoid
from cim.terrain.ground import Ground
from cim.terrain.layer import Box
from tiling.quantized import MOST, Mesh, Whole

Floats = NDArray[np.float64]

SIDE = 64
"""Steps of the lattice along a tile's side."""

BACKDROP = 129
"""Nodes along each side of the coarse ground that is shown where no raster has any."""

QUARTERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""The four parts of a tile: eastward, northward."""

SPIKE = 1e6
"""Metres: what makes the mesher keep every node of a tile's border."""

_MESHER = Martini(SIDE + 1)
_ODD = np.arange(SIDE + 1) % 2 == 1


@dataclass(frozen=True)
class Nodes:
    """Nodes of a tile, from south to north and from west to east, shape (SIDE + 1, SIDE + 1).

    `height` in whole steps; `normal` earth-centred, with 3 in its last axis.
    """

    height: Whole
    normal: Floats


class Relief:
    """The ground of a city as it is drawn: without holes, going on beyond its border as there."""

    def __init__(self, ground: Ground, geoid: Geoid, box: Box, unit: float, deepest: int) -> None:
        """Of a ground within `box`; heights in steps of `unit` m, normals by the lattice of the
        `deepest` level.

        Raises TilingError where the geoid does not reach.
        """
        self.ground, self.geoid, self.box = ground, geoid, box
        self.unit, self.deepest = unit, deepest
        self._backdrop = _coarse(ground, box)

    def heights(self, column: Whole, row: Whole, level: int) -> Floats:
        """Metres above the ellipsoid at nodes of a level's lattice."""
        west, south, east, north = self.box
        # Whole numbers times 180, times a power of two: the same on each level.
        longitude = np.clip(column * 180 * 0.5 ** (level + 6) - 180, west, east)
        latitude = np.clip(row * 180 * 0.5 ** (level + 6) - 90, south, north)
        shape, longitude, latitude = longitude.shape, longitude.ravel(), latitude.ravel()
        found = self.ground.heights(longitude, latitude)
        holes = np.isnan(found)
        if holes.any():
            found[holes] = self._behind(longitude[holes], latitude[holes])
        return (found + self.geoid.height(longitude, latitude)).reshape(shape)

    def nodes(self, level: int, x: int, y: int, part: tuple[slice, slice] | None = None) -> Nodes:
        """The nodes of a tile, or some of its rows and columns."""
        rows, columns = part or (slice(0, SIDE + 1), slice(0, SIDE + 1))
        row, column = np.meshgrid(
            np.arange(SIDE + 1)[rows] + y * SIDE,
            np.arange(SIDE + 1)[columns] + x * SIDE,
            indexing="ij",
        )
        finer = 1 << (self.deepest - level)
        row, column = row * finer, column * finer
        if finer == 1:
            wide = self._wide(row, column)
            east = wide[1:-1, 2:] - wide[1:-1, :-2]
            north = wide[2:, 1:-1] - wide[:-2, 1:-1]
            height = wide[1:-1, 1:-1]
        else:
            level = self.deepest
            east = self.heights(column + 1, row, level) - self.heights(column - 1, row, level)
            north = self.heights(column, row + 1, level) - self.heights(column, row - 1, level)
            height = self.heights(column, row, level)
        steps = np.rint(height / self.unit).astype(np.int64)
        return Nodes(steps, self._normals(column, row, east, north))

    def _wide(self, row: Whole, column: Whole) -> Floats:
        """Heights at nodes and one node around them."""
        rows = np.arange(row[0, 0] - 1, row[-1, 0] + 2)
        columns = np.arange(column[0, 0] - 1, column[0, -1] + 2)
        row, column = np.meshgrid(rows, columns, indexing="ij")
        return self.heights(column, row, self.deepest)

    def _normals(self, column: Whole, row: Whole, east: Floats, north: Floats) -> Floats:
        """Which way the ground looks, by what it rises over two steps eastward and northward."""
        step = np.radians(180 * 0.5 ** (self.deepest + 6))
        longitude = column * step - np.pi
        latitude = np.clip(row * step - np.pi / 2, -1.57, 1.57)
        across = 2 * step * ecef.SEMI_MAJOR
        slope_east, slope_north = east / (across * np.cos(latitude)), north / across
        size = np.sqrt(1 + slope_east**2 + slope_north**2)
        sin, cos = np.sin, np.cos
        axes = (
            (-sin(longitude), cos(longitude), np.zeros_like(longitude)),
            (-sin(latitude) * cos(longitude), -sin(latitude) * sin(longitude), cos(latitude)),
            (cos(latitude) * cos(longitude), cos(latitude) * sin(longitude), sin(latitude)),
        )
        parts = (-slope_east, -slope_north, np.ones_like(size))
        return np.stack(
            [sum(part * axis[k] for part, axis in zip(parts, axes, strict=True)) / size
             for k in range(3)], axis=-1
        )  # fmt: skip

    def _behind(self, longitude: Floats, latitude: Floats) -> Floats:
        """The coarse ground, bilinear."""
        west, south, east, north = self.box
        x = (longitude - west) / max(east - west, 1e-12) * (BACKDROP - 1)
        y = (latitude - south) / max(north - south, 1e-12) * (BACKDROP - 1)
        left = np.minimum(x.astype(int), BACKDROP - 2)
        below = np.minimum(y.astype(int), BACKDROP - 2)
        u, v = x - left, y - below
        lower = self._backdrop[below, left] * (1 - u) + self._backdrop[below, left + 1] * u
        upper = self._backdrop[below + 1, left] * (1 - u) + self._backdrop[below + 1, left + 1] * u
        found: Floats = lower * (1 - v) + upper * v
        return found


def _coarse(ground: Ground, box: Box) -> Floats:
    """The ground on a coarse lattice, its holes filled from what is around them."""
    west, south, east, north = box
    longitude, latitude = np.meshgrid(
        np.linspace(west, east, BACKDROP), np.linspace(south, north, BACKDROP)
    )
    found = ground.heights(longitude.ravel(), latitude.ravel()).reshape(longitude.shape)
    known = np.isfinite(found)
    if not known.any():
        return np.zeros_like(found)
    usual = float(np.median(found[known]))
    filled = np.where(known, found, usual).astype(np.float32)
    if not known.all():
        filled = fillnodata(filled, known.astype(np.uint8), max_search_distance=2 * BACKDROP)
    return np.asarray(filled, np.float64)


def joined(relief: Relief, key: tuple[int, int, int], parts: Sequence[Nodes | None]) -> Nodes:
    """The nodes of a tile out of those of its four parts; where there is no part, its own."""
    height = np.empty((SIDE + 1, SIDE + 1), np.int64)
    normal = np.empty((SIDE + 1, SIDE + 1, 3))
    half = SIDE // 2
    for (right, up), part in zip(QUARTERS, parts, strict=True):
        place = slice(up * half, (up + 1) * half + 1), slice(right * half, (right + 1) * half + 1)
        if part is None:
            found = relief.nodes(*key, place)
        else:
            found = Nodes(part.height[::2, ::2], part.normal[::2, ::2])
        height[place], normal[place] = found.height, found.normal
    return Nodes(height, normal)


def triangulated(nodes: Nodes, unit: float, bounds: Box, error: float) -> Mesh:
    """Triangles that differ from the nodes by at most `error` m, with every node of the border.

    Those of the border are kept by raising every second one for the mesher (RTIN; Evans et al.
    2001) alone, whatever it makes of the rest.
    """
    shape = (nodes.height - nodes.height.min()).astype(np.float32) * np.float32(unit)
    shape[0, _ODD] += SPIKE
    shape[-1, _ODD] += SPIKE
    shape[_ODD, 0] += SPIKE
    shape[_ODD, -1] += SPIKE
    vertices, triangles = _MESHER.create_tile(shape).get_mesh(float(error))
    column, row = vertices[:, 0].astype(np.int64), vertices[:, 1].astype(np.int64)
    return Mesh(
        bounds,
        np.rint(column * (MOST / SIDE)).astype(np.int64),
        np.rint(row * (MOST / SIDE)).astype(np.int64),
        nodes.height[row, column],
        unit,
        nodes.normal[row, column],
        triangles.astype(np.int64)[:, ::-1],
    )
