"""The relief under a tile of terrain: heights on a lattice fixed to the world, and triangles of it.

Every node of the lattice is a place whose height and normal depend on nothing but the place, so
tiles that meet agree, a tile's nodes are every second one of those it is divided into, and a tile
that is made alone is what it is among all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from math import cos, pi, radians, sin

import numpy as np
from numpy.typing import NDArray
from pymartini import Martini
from rasterio.fill import fillnodata

from cim.crs import ecef
from cim.crs.geoid import Geoid
from cim.terrain.ground import Ground
from cim.terrain.layer import Box
from tiling.terrain.plan import BEHIND, OUTSIDE, QUARTERS, SIDE, Key
from tiling.terrain.quantized import MOST, Mesh, Whole, oct_encoded

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

BACKDROP = 129
"""Nodes along each side of the coarse ground that is shown where no raster has any."""

SPIKE = 1e6
"""Metres: what makes the mesher keep every node of a tile's border."""

_MESHER = Martini(SIDE + 1)
_ODD = np.arange(SIDE + 1) % 2 == 1


@dataclass(frozen=True)
class Nodes:
    """Nodes of a tile, from south to north and from west to east, shape (SIDE + 1, SIDE + 1).

    `height` in whole steps; `normal` as a tile tells it, with 2 in its last axis; `beyond` says
    whether something of it is no raster's: OUTSIDE, BEHIND, or both added up.
    """

    height: Whole
    normal: Bytes
    beyond: int


class Relief:
    """The ground of a city as it is drawn: without holes, going on beyond its border as there."""

    def __init__(
        self, ground: Ground, geoid: Geoid, box: Box, unit: float, levels: Sequence[int]
    ) -> None:
        """Of a ground within `box`, whose layers are as fine as the lattices of these `levels`;
        heights in steps of `unit` m.

        Raises TilingError where the geoid does not reach.
        """
        self.ground, self.geoid, self.box, self.unit = ground, geoid, box, unit
        self._levels = np.array([*levels, min(levels)])  # the last is that of what no layer tells
        self._backdrop = _coarse(ground, box)

    @property
    def behind(self) -> str:
        """A digest of what is shown where no raster has a height."""
        whole = repr(self.box).encode() + self._backdrop.tobytes()
        return blake2b(whole, digest_size=12).hexdigest()

    def heights(self, column: Whole, row: Whole, level: int) -> Floats:
        """Metres above the ellipsoid at nodes of a level's lattice."""
        return self._seen(column, row, level)[0]

    def _seen(self, column: Whole, row: Whole, level: int) -> tuple[Floats, Whole, int]:
        """Heights, the level of the raster that tells each, and what of them is no raster's."""
        west, south, east, north = self.box
        # Whole numbers times 180, times a power of two: the same on each level.
        there = column * 180 * 0.5 ** (level + 6) - 180, row * 180 * 0.5 ** (level + 6) - 90
        longitude = np.clip(there[0], west, east).ravel()
        latitude = np.clip(there[1], south, north).ravel()
        clipped = (longitude != there[0].ravel()).any() or (latitude != there[1].ravel()).any()
        beyond = OUTSIDE if clipped else 0
        found, told = self.ground.found(longitude, latitude)
        holes = told < 0
        if holes.any():
            beyond |= BEHIND
            found[holes] = self._behind(longitude[holes], latitude[holes])
        found = found + self.geoid.height(longitude, latitude)
        return found.reshape(column.shape), self._levels[told].reshape(column.shape), beyond

    def nodes(self, key: Key, part: tuple[slice, slice] | None = None) -> Nodes:
        """The nodes of a tile, or some of its rows and columns."""
        level, x, y = key
        rows, columns = part or (slice(0, SIDE + 1), slice(0, SIDE + 1))
        row = np.arange(SIDE + 1)[rows] + y * SIDE
        column = np.arange(SIDE + 1)[columns] + x * SIDE
        around = np.arange(column[0] - 1, column[-1] + 2), np.arange(row[0] - 1, row[-1] + 2)
        wide, told, beyond = self._seen(*np.meshgrid(*around), level)
        height, told = wide[1:-1, 1:-1], told[1:-1, 1:-1]
        east = wide[1:-1, 2:] - wide[1:-1, :-2]
        north = wide[2:, 1:-1] - wide[:-2, 1:-1]
        for other in np.unique(told[told != level]).tolist():
            here = told == other
            across, up = np.meshgrid(column, row)
            east[here], north[here], more = self._rise(across[here], up[here], level, other)
            beyond |= more
        normal = _normals(column, row, level, np.stack([east, north]), told)
        steps = np.rint(height / self.unit).astype(np.int64)
        return Nodes(steps, oct_encoded(normal.reshape(-1, 3)).reshape(*steps.shape, 2), beyond)

    def _rise(self, column: Whole, row: Whole, level: int, told: int) -> tuple[Floats, Floats, int]:
        """What nodes of a level rise by, eastward and northward, over two steps of another."""
        finest = max(level, told)
        column, row = column << (finest - level), row << (finest - level)
        step = 1 << (finest - told)
        seen = [
            self._seen(column + step * right, row + step * up, finest)
            for right, up in ((1, 0), (-1, 0), (0, 1), (0, -1))
        ]
        east, west, north, south = (one[0] for one in seen)
        beyond = 0
        for one in seen:
            beyond |= one[2]
        return east - west, north - south, beyond

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


def _normals(column: Whole, row: Whole, level: int, rise: Floats, told: Whole) -> Floats:
    """Which way the ground looks, by what it rises over two steps of the lattice of level `told`.

    Sines are taken by column and by row: an array's might depend on where a number stands in it.
    """
    degrees = 180 * 0.5 ** (level + 6)
    longitude = [radians(number * degrees) - pi for number in column.tolist()]
    latitude = [radians(number * degrees) - pi / 2 for number in row.tolist()]
    latitude = [min(max(angle, -1.57), 1.57) for angle in latitude]
    sin_lon, cos_lon = (np.array([of(angle) for angle in longitude])[None, :] for of in (sin, cos))
    sin_lat, cos_lat = (np.array([of(angle) for angle in latitude])[:, None] for of in (sin, cos))
    across = 2 * np.radians(180 * 0.5 ** (told + 6.0)) * ecef.SEMI_MAJOR
    slope_east, slope_north = rise[0] / (across * cos_lat), rise[1] / across
    size = np.sqrt(1 + slope_east**2 + slope_north**2)
    found: Floats = np.stack(
        [
            slope_east * sin_lon + slope_north * sin_lat * cos_lon + cos_lat * cos_lon,
            -slope_east * cos_lon + slope_north * sin_lat * sin_lon + cos_lat * sin_lon,
            -slope_north * cos_lat + sin_lat + 0 * cos_lon,
        ],
        axis=-1,
    )
    found /= size[..., None]
    return found


def _coarse(ground: Ground, box: Box) -> Floats:
    """The ground on a coarse lattice, its holes filled from what is around them."""
    west, south, east, north = box
    longitude, latitude = np.meshgrid(
        np.linspace(west, east, BACKDROP), np.linspace(south, north, BACKDROP)
    )
    found = ground.coarse(longitude.ravel(), latitude.ravel(), 2 * BACKDROP)
    found = found.reshape(longitude.shape)
    known = np.isfinite(found)
    if not known.any():
        return np.zeros_like(found)
    usual = float(np.median(found[known]))
    filled = np.where(known, found, usual).astype(np.float32)
    if not known.all():
        filled = fillnodata(filled, known.astype(np.uint8), max_search_distance=2 * BACKDROP)
    return np.asarray(filled, np.float64)


def joined(relief: Relief, key: Key, parts: Sequence[Nodes | None]) -> Nodes:
    """The nodes of a tile out of those of its four parts; where there is no part, its own."""
    height = np.empty((SIDE + 1, SIDE + 1), np.int64)
    normal = np.empty((SIDE + 1, SIDE + 1, 2), np.uint8)
    half, beyond = SIDE // 2, 0
    for (right, up), part in zip(QUARTERS, parts, strict=True):
        place = slice(up * half, (up + 1) * half + 1), slice(right * half, (right + 1) * half + 1)
        if part is None:
            found = relief.nodes(key, place)
        else:
            found = Nodes(part.height[::2, ::2], part.normal[::2, ::2], part.beyond)
        height[place], normal[place] = found.height, found.normal
        beyond |= found.beyond
    return Nodes(height, normal, beyond)


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
