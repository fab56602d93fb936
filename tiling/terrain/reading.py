"""A tile of terrain read back: quantized-mesh 1.0, of whoever's making.

The format: https://github.com/CesiumGS/quantized-mesh.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cim.crs import ecef
from tiling.check.reading import Malformed
from tiling.formats.packed import unpacked
from tiling.terrain.plan import Key, bounds_of
from tiling.terrain.quantized import MOST, NORMALS, Floats, Whole

HEADER = struct.Struct("<3d2f3dd3d")
GZIP = b"\x1f\x8b"


@dataclass(frozen=True)
class Tile:
    """A tile as it is told.

    `centre`, `sphere` (its middle), `hidden` (of horizon culling, in radii) are earth-centred,
    (3,); `radius`, `least`, `most` metres; `across`, `up`, `step` (n,) of MOST; `triangles` (m, 3);
    `edges` the vertices of the west, south, east and north border; `extensions` their bytes.
    """

    key: Key
    centre: Floats
    least: float
    most: float
    sphere: Floats
    radius: float
    hidden: Floats
    across: Whole
    up: Whole
    step: Whole
    triangles: Whole
    edges: tuple[Whole, Whole, Whole, Whole]
    extensions: dict[int, bytes]

    @property
    def heights(self) -> Floats:
        """Metres above the ellipsoid, (n,)."""
        return self.least + self.step / MOST * (self.most - self.least)

    @property
    def points(self) -> Floats:
        """The vertices, earth-centred, m, (n, 3)."""
        west, south, east, north = bounds_of(self.key)
        return ecef.from_geodetic(
            west + (east - west) * self.across / MOST,
            south + (north - south) * self.up / MOST,
            self.heights,
        )

    @property
    def normals(self) -> NDArray[np.uint8] | None:
        """Two bytes a vertex, (n, 2); None where the tile tells none.

        Raises Malformed where they are not as many as the vertices.
        """
        told = self.extensions.get(NORMALS)
        if told is None:
            return None
        if len(told) != 2 * self.across.size:
            raise Malformed("not a normal for each vertex", "法线数与顶点数不符")
        return np.frombuffer(told, np.uint8).reshape(-1, 2)


class _Bytes:
    """Bytes read from their beginning on."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.content):
            raise Malformed("cut off", "文件不完整")
        self.at += count
        return self.content[self.at - count : self.at]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def numbers(self, count: int, kind: str) -> Whole:
        """So many numbers; no more than there are bytes for, a wrong count asks for no memory."""
        raw = self.take(count * np.dtype(kind).itemsize)
        return np.frombuffer(raw, kind).astype(np.int64)


def read(content: bytes, key: Key) -> Tile:
    """A tile out of its bytes, gzipped or not; raises Malformed where they are none."""
    try:
        whole = _Bytes(unpacked(content) if content[:2] == GZIP else content)
    except Exception as fault:
        raise Malformed(f"gzip is broken: {fault}", f"gzip 损坏：{fault}") from fault
    head = HEADER.unpack(whole.take(HEADER.size))
    count = whole.number()
    across, up, step = (_summed(whole.numbers(count, "<u2")) for _ in range(3))
    kind = "<u4" if count > 1 << 16 else "<u2"
    whole.take(-whole.at % np.dtype(kind).itemsize)
    triangles = _indices(whole.numbers(whole.number() * 3, kind))
    edges = [whole.numbers(whole.number(), kind) for _ in range(4)]
    extensions = {}
    while whole.at < len(whole.content):
        number = whole.take(1)[0]
        extensions[number] = whole.take(whole.number())
    return Tile(
        key,
        np.array(head[:3]),
        head[3],
        head[4],
        np.array(head[5:8]),
        head[8],
        np.array(head[9:12]),
        across,
        up,
        step,
        triangles.reshape(-1, 3),
        (edges[0], edges[1], edges[2], edges[3]),
        extensions,
    )


def _summed(steps: Whole) -> Whole:
    """Numbers of which each is told as the zig-zag of its distance from the one before."""
    found: Whole = np.cumsum((steps >> 1) ^ -(steps & 1))
    return found


def _indices(codes: Whole) -> Whole:
    """Indices out of their distances to the next new one.

    Raises Malformed where one is further than any that was named before.

    >>> _indices(np.array([0, 0, 0, 1, 0, 2])).tolist()
    [0, 1, 2, 2, 3, 2]
    """
    highest = np.cumsum(codes == 0) - (codes == 0)  # the next new one, before each
    found: Whole = highest - codes
    if (found < 0).any():
        raise Malformed("an index before the first vertex", "索引小于 0")
    return found
