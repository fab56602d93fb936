"""Subtrees of implicit tiling: which tiles there are, and the true bounds and errors of each.

Bits and table rows run level by level, in Morton order within a level, lowest bit first; child
subtrees are one level below the last.
"""

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import radians
from typing import Any

import numpy as np

from tiling.formats.tree import ROOT, Key, ancestor

LEVELS = 5
"""Levels of a subtree; CesiumJS makes an object of every tile of one, so never more than 6."""

CLASS: dict[str, Any] = {
    "name": "Tile",
    "properties": {
        "boundingRegion": {
            "name": "bounding region",
            "description": "west, south, east, north in radians, lowest and highest ellipsoidal m",
            "type": "SCALAR",
            "componentType": "FLOAT64",
            "array": True,
            "count": 6,
            "required": True,
            "semantic": "TILE_BOUNDING_REGION",
        },
        "geometricError": {
            "name": "geometric error",
            "description": "m; 0 where nothing is below",
            "type": "SCALAR",
            "componentType": "FLOAT64",
            "required": True,
            "semantic": "TILE_GEOMETRIC_ERROR",
        },
    },
}
"""The metadata class `tile` of a tileset's schema."""

PAD_RADIANS, PAD_METRES = 2e-9, 0.01
"""What regions are widened by, a centimetre: more than float32 vertices can stray."""

Region = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class Node:
    """A tile of the tree: the region of its own content and of all below it, in degrees and metres.

    `content` says whether it has content of its own, `parent` whether there is anything below.
    """

    region: Region
    content: bool
    parent: bool


def grow(contents: Mapping[Key, Region]) -> dict[Key, Node]:
    """The whole tree above the tiles with content, up to level ROOT, in order of level and cell.

    >>> leaf = Key(11, 16)
    >>> tree = grow({leaf: (0.0, 0.0, 1.0, 1.0, 5.0, 9.0)})
    >>> [(key.level, key.cell, node.content, node.parent) for key, node in tree.items()]
    [(9, 1, False, True), (10, 4, False, True), (11, 16, True, False)]
    >>> grow({})
    {}
    """
    regions: dict[Key, Region] = dict(contents)
    parents: set[Key] = set()
    for level in range(max((key.level for key in contents), default=ROOT), ROOT, -1):
        for key in [key for key in regions if key.level == level]:
            above = ancestor(key, level - 1)
            regions[above] = union([regions[key], *([regions[above]] if above in regions else [])])
            parents.add(above)
    return {key: Node(regions[key], key in contents, key in parents) for key in sorted(regions)}


def union(regions: Iterable[Region]) -> Region:
    """The smallest region around all of them.

    >>> union([(0, 0, 1, 1, 5, 9), (1, -1, 2, 0, 0, 7)])
    (0, -1, 2, 1, 0, 9)
    """
    west, south, east, north, low, high = zip(*regions, strict=True)
    return min(west), min(south), max(east), max(north), min(low), max(high)


def padded(region: Region) -> list[float]:
    """A region as 3D Tiles write it, in radians and metres, widened by a centimetre.

    >>> padded((0.0, 0.0, 180.0, 90.0, 0.0, 10.0))
    [-2e-09, -2e-09, 3.1415926555897933, 1.5707963287948965, -0.01, 10.01]
    """
    west, south, east, north = map(radians, region[:4])
    return [
        west - PAD_RADIANS,
        south - PAD_RADIANS,
        east + PAD_RADIANS,
        north + PAD_RADIANS,
        region[4] - PAD_METRES,
        region[5] + PAD_METRES,
    ]


def roots(tree: Mapping[Key, Node]) -> list[Key]:
    """The tiles that head a subtree: those of every LEVELS-th level from ROOT down."""
    return [key for key in tree if (key.level - ROOT) % LEVELS == 0]


def write(root: Key, tree: Mapping[Key, Node], errors: Mapping[Key, float]) -> bytes:
    """The subtree below `root`, with each tile's region and geometric error as its metadata."""
    tiles = np.zeros((4**LEVELS - 1) // 3, bool)
    contents = tiles.copy()
    rows: list[Key] = []
    for depth in range(LEVELS):
        start = (4**depth - 1) // 3
        for place in range(4**depth):
            key = Key(root.level + depth, (root.cell << 2 * depth) + place)
            if key in tree:
                tiles[start + place] = True
                contents[start + place] = tree[key].content
                rows.append(key)
    below = root.cell << 2 * LEVELS
    children = np.array(
        [Key(root.level + LEVELS, below + place) in tree for place in range(4**LEVELS)]
    )
    buffer = _Buffer()
    document: dict[str, Any] = {
        "buffers": [],
        "bufferViews": buffer.views,
        "tileAvailability": buffer.availability(tiles),
        "contentAvailability": [buffer.availability(contents)],
        "childSubtreeAvailability": buffer.availability(children),
        "tileMetadata": 0,
        "propertyTables": [
            {
                "class": "tile",
                "count": len(rows),
                "properties": {
                    "boundingRegion": {
                        "values": buffer.doubles([padded(tree[key].region) for key in rows])
                    },
                    "geometricError": {"values": buffer.doubles([errors[key] for key in rows])},
                },
            }
        ],
    }
    document["buffers"].append({"byteLength": len(buffer.data)})
    return pack(document, bytes(buffer.data))


def pack(document: dict[str, Any], data: bytes) -> bytes:
    """A subtree file: header, JSON padded with spaces, binary padded with zeros, both to 8 bytes.

    >>> pack({}, b"1").hex(" ", 8)
    '7375627401000000 0800000000000000 0800000000000000 7b7d202020202020 3100000000000000'
    """
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data += bytes(-len(data) % 8)
    return struct.pack("<4sIQQ", b"subt", 1, len(text), len(data)) + text + data


@dataclass
class _Buffer:
    """The binary part as it grows, and its views, each at a multiple of 8 bytes."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, int]] = field(default_factory=list)

    def add(self, content: bytes) -> int:
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(view)
        self.data += content + bytes(-len(content) % 8)
        return len(self.views) - 1

    def availability(self, bits: "np.ndarray[Any, np.dtype[np.bool_]]") -> dict[str, int]:
        if bits.all() or not bits.any():
            return {"constant": int(bits[0])}
        packed = np.packbits(bits, bitorder="little").tobytes()
        return {"bitstream": self.add(packed), "availableCount": int(bits.sum())}

    def doubles(self, values: list[Any]) -> int:
        return self.add(np.array(values, "<f8").tobytes())
