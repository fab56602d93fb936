"""Lines: which edges of the triangles are drawn, as EXT_mesh_primitive_edge_visibility has them.

Each triangle has a number of 6 bits, two for each of its edges, from its first corner on: 0 hidden,
2 drawn.  Faces have vertices of their own, so where two meet there are two edges in one place: one
of them is drawn, and no line is drawn twice.  Where faces meet almost flat there is no line: round
towers have none up their walls.

The extension: https://github.com/KhronosGroup/glTF/pull/2479
"""

import numpy as np
from numpy.typing import NDArray

Edges = NDArray[np.uint8]
Integers = NDArray[np.int64]

DRAWN = 2
"""An edge that is always drawn; of three in a triangle the second is 2 bits up, the third 4."""

FLAT = 0.9659
"""Cosine of 15 degrees: faces that turn by less are one surface, cut up."""


def walls(leaving: NDArray[np.int8], arriving: NDArray[np.int8]) -> Edges:
    """Of the walls of rings, two triangles a corner: their foot, their top, and where they begin.

    The triangles of a corner are those below and above the diagonal that goes up from it; `leaving`
    and `arriving` (n, 3) are the normals of the walls that do so at each corner.

    >>> one, other = np.array([[127, 0, 0]], np.int8), np.array([[0, 127, 0]], np.int8)
    >>> walls(one, other).tolist(), walls(one, one).tolist()
    ([2, 40], [2, 8])
    """
    turns = _turned(leaving.astype(np.int32), arriving.astype(np.int32))
    found = np.empty((len(leaving), 2), np.uint8)
    found[:, 0] = DRAWN
    found[:, 1] = (DRAWN << 2) + (DRAWN << 4) * turns
    return found.reshape(-1)


def surfaces(
    triangles: Integers, following: Integers, places: Integers, normals: NDArray[np.float64]
) -> Edges:
    """Of surfaces cut into triangles (m, 3): edges of their rings, each place once.

    `following` is the next corner of each round its ring, `places` have the same number where
    corners are at the same place of the same feature, `normals` (m, 3) are the triangles' own.

    >>> square, ring = np.array([[0, 1, 2], [0, 2, 3]]), np.array([1, 2, 3, 0])
    >>> surfaces(square, ring, np.arange(4), np.tile([0.0, 0.0, 1.0], (2, 1))).tolist()
    [10, 40]
    """
    begin, end = triangles.reshape(-1), np.roll(triangles, -1, axis=1).reshape(-1)
    ring = np.flatnonzero((following[begin] == end) | (following[end] == begin))
    one, other = places[begin[ring]], places[end[ring]]
    names = np.minimum(one, other) * (places.max(initial=0) + 1) + np.maximum(one, other)
    order = np.argsort(names, kind="stable")
    first = np.flatnonzero(np.diff(names[order], prepend=-1))
    count = np.diff(np.append(first, order.size))
    last = first + count - 1
    faces = ring[order] // 3
    edge = _turned(normals[faces[first]], normals[faces[last]]) | (count != 2)
    drawn = np.zeros(begin.size, np.uint8)
    drawn[ring[order[first[edge]]]] = DRAWN
    return (drawn[0::3] | drawn[1::3] << 2 | drawn[2::3] << 4).astype(np.uint8)


def packed(edges: Edges, triangles: NDArray[np.int32], corners: NDArray[np.uint32]) -> bytes:
    """The bits of all triangles as the extension stores them, four triangles in three bytes.

    `corners` (m, 3) are the `triangles` as a reader gets them: the codec may let each begin with
    another of its corners.

    >>> one = np.array([[7, 8, 9]], np.int32)
    >>> [packed(np.array([2], np.uint8), one, np.roll(one, turn, 1)).hex() for turn in range(3)]
    ['02', '08', '20']
    """
    shift = 2 * (corners[:, 0] == triangles[:, 1]) + 4 * (corners[:, 0] == triangles[:, 2])
    shift = shift.astype(np.uint8)
    count = len(edges)
    bits = np.zeros(-(-count // 4) * 4, np.uint32)
    bits[:count] = (edges >> shift | edges << (6 - shift)) & 63
    four = bits[0::4] | bits[1::4] << 6 | bits[2::4] << 12 | bits[3::4] << 18
    three = four.astype("<u4").view(np.uint8).reshape(-1, 4)[:, :3]
    return three.tobytes()[: (6 * count + 7) // 8]


def _turned(one: NDArray[np.number], other: NDArray[np.number]) -> NDArray[np.bool_]:
    """Whether normals of the same length differ by more than what passes as flat."""
    found: NDArray[np.bool_] = _dot(one, other) < FLAT * _dot(one, one)
    return found


def _dot(one: NDArray[np.number], other: NDArray[np.number]) -> NDArray[np.number]:
    return one[:, 0] * other[:, 0] + one[:, 1] * other[:, 1] + one[:, 2] * other[:, 2]
