"""A tile of terrain as bytes: quantized-mesh 1.0, with a normal a vertex.

The format: https://github.com/CesiumGS/quantized-mesh.  Heights are whole steps of a unit, and the
header's heights are chosen so that each is told exactly: vertices that neighbours share are equal.
The kept libraries do not do that: they pass degrees and heights through 32-bit floats, and round
them by each tile's own least and most.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cim.crs import ecef

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

MOST = 32767
"""Steps that a tile is wide, long and high at most."""

NEVER_HIDDEN = 1e4
"""How far out, in radii of the Earth, a tile's point lies that no horizon hides."""

NORMALS = 1
"""The number of the extension of normals."""


@dataclass(frozen=True)
class Mesh:
    """Triangles over a tile.

    `bounds` are west, south, east, north in degrees; `across` and `up` are steps of MOST from west
    and south, shape (n,); `height` whole steps of `unit` metres above the ellipsoid, (n,);
    `normal` as `oct_encoded` gives it, (n, 2); `triangles` (m, 3), counter-clockwise from above.
    """

    bounds: tuple[float, float, float, float]
    across: Whole
    up: Whole
    height: Whole
    unit: float
    normal: NDArray[np.uint8]
    triangles: Whole

    @property
    def points(self) -> Floats:
        """The vertices, earth-centred, m, shape (n, 3)."""
        west, south, east, north = self.bounds
        return ecef.from_geodetic(
            west + (east - west) * self.across / MOST,
            south + (north - south) * self.up / MOST,
            np.asarray(self.height * self.unit, np.float64),
        )


def write(mesh: Mesh) -> bytes:
    """The bytes of a tile; its vertices in the order in which the triangles first name them."""
    order, triangles = _first_named(mesh.triangles, len(mesh.height))
    across, up, height = mesh.across[order], mesh.up[order], mesh.height[order]
    least, most, steps = quantized(height, mesh.unit)
    parts = [
        _header(mesh.points[order], least, most),
        struct.pack("<I", len(order)),
        *(_deltas(values) for values in (across, up, steps)),
    ]
    index = "<u4" if len(order) > 1 << 16 else "<u2"
    if index == "<u4":
        parts.append(bytes(-sum(map(len, parts)) % 4))
    parts.append(struct.pack("<I", len(triangles)))
    parts.append(_high_water(triangles.ravel()).astype(index).tobytes())
    for edge in (across == 0, up == 0, across == MOST, up == MOST):
        places = np.flatnonzero(edge)
        parts += [struct.pack("<I", places.size), places.astype(index).tobytes()]
    packed = mesh.normal[order]
    parts += [struct.pack("<BI", NORMALS, packed.size), packed.tobytes()]
    return b"".join(parts)


def quantized(height: Whole, unit: float) -> tuple[float, float, Whole]:
    """The header's least and most height, m, and each height in steps of MOST between them.

    Both are exact in 32 bits, and so is what is told: least + step / MOST · (most - least).

    >>> least, most, steps = quantized(np.array([80, 83, 90]), 0.125)
    >>> (least + steps / MOST * (most - least)).tolist()
    [10.0, 10.375, 11.25]
    >>> quantized(np.array([8, 8]), 0.125)
    (1.0, 1.0, array([0, 0]))
    """
    low, high = int(height.min()), int(height.max())
    if low == high:
        return low * unit, low * unit, np.zeros_like(height)
    finer = 1 << (MOST // (high - low)).bit_length() - 1
    while finer > 1 and not _exact(low * unit + MOST * unit / finer):
        finer //= 2
    return low * unit, low * unit + MOST * unit / finer, (height - low) * finer


def _exact(value: float) -> bool:
    return float(np.float32(value)) == value


def oct_encoded(normals: Floats) -> NDArray[np.uint8]:
    """Unit vectors in two bytes each: folded onto an octahedron (Cigolle et al. 2014).

    >>> oct_encoded(np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])).tolist()
    [[128, 128], [255, 128], [255, 255]]
    """
    flat = normals[:, :2] / np.abs(normals).sum(axis=1)[:, None]
    folded = (1 - np.abs(flat[:, ::-1])) * np.where(flat < 0, -1.0, 1.0)
    flat = np.where(normals[:, 2:] < 0, folded, flat)
    found: NDArray[np.uint8] = np.floor((flat * 0.5 + 0.5) * 255 + 0.5).astype(np.uint8)
    return found


def oct_decoded(packed: NDArray[np.uint8]) -> Floats:
    """The unit vectors, (n, 3), that two bytes each stand for, (n, 2).

    >>> oct_decoded(np.array([[128, 128], [255, 128]], np.uint8)).round(2).__abs__().tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    flat = packed / 255.0 * 2 - 1
    up = 1 - np.abs(flat).sum(axis=1)
    folded = (1 - np.abs(flat[:, ::-1])) * np.where(flat < 0, -1.0, 1.0)
    found = np.column_stack([np.where(up[:, None] < 0, folded, flat), up])
    unit: Floats = found / np.sqrt((found**2).sum(axis=1))[:, None]
    return unit


def _first_named(triangles: Whole, count: int) -> tuple[Whole, Whole]:
    """Vertices in the order in which they are first named, and the triangles by that order."""
    named, first = triangles.ravel(), np.full(count, triangles.size)
    first[named[::-1]] = np.arange(named.size)[::-1]  # the last that is written stays
    order = np.argsort(first)[: np.count_nonzero(first < named.size)]
    place = np.zeros(count, np.int64)
    place[order] = np.arange(order.size)
    return order, place[triangles]


def _deltas(values: Whole) -> bytes:
    steps = np.diff(values, prepend=0)
    return ((steps << 1) ^ (steps >> 63)).astype("<u2").tobytes()


def _high_water(indices: Whole) -> Whole:
    """Each index as the distance to the next new one."""
    highest = np.maximum.accumulate(indices + 1)
    before = np.concatenate([[0], highest[:-1]])
    return before - indices


def _header(drawn: Floats, least: float, most: float) -> bytes:
    box = drawn.min(axis=0), drawn.max(axis=0)
    centre = (box[0] + box[1]) / 2
    radius = float(np.sqrt(((drawn - centre) ** 2).sum(axis=1).max()))
    hidden = horizon_point(centre, drawn)
    return struct.pack("<3d2f3dd3d", *centre, least, most, *centre, radius, *hidden)


def horizon_point(centre: Floats, points: Floats) -> Floats:
    """The point behind the horizon together with which all points are, in radii of the ellipsoid.

    Ring, "Horizon culling 2" (2013): the highest of the points at which planes through the points,
    touching the ellipsoid, meet the ray through the centre.
    """
    radii = np.array([ecef.SEMI_MAJOR, ecef.SEMI_MAJOR, ecef.SEMI_MAJOR * (1 - ecef.FLATTENING)])
    ray = centre / radii
    ray /= np.sqrt((ray**2).sum())
    scaled = points / radii
    far = np.sqrt((scaled**2).sum(axis=1))
    toward = scaled / far[:, None]
    far = np.maximum(far, 1.0)
    cosine = toward @ ray
    sine = np.sqrt((np.cross(toward, ray) ** 2).sum(axis=1))
    reach = cosine / far - sine * np.sqrt(far**2 - 1) / far
    if (reach <= 1 / NEVER_HIDDEN).any():
        return np.asarray(ray * NEVER_HIDDEN, np.float64)
    return np.asarray(ray * float((1 / reach).max()), np.float64)
