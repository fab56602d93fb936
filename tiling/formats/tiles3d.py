"""tileset.json of 3D Tiles 1.1: an explicit root, and one implicit quadtree a root cell below it.

Every implicit tree has a frame of its own, east-north-up about its cell's centre; it is the
`transform` of the implicit root, in double precision.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np

from cim.crs.ecef import Frame
from tiling.formats import subtree
from tiling.formats.gltf import Pose
from tiling.formats.subtree import Node, Region, padded
from tiling.formats.tree import (
    DEEPEST,
    ROOT,
    Key,
    ancestor,
    bounds,
    deinterleave,
    geometric_error,
    interleave,
)

POLICY = "CGCS2000 longitude and latitude (EPSG:4490), taken as WGS 84; ellipsoidal heights"
"""How the coordinates in tiles are to be read."""

PROPERTIES: dict[str, dict[str, Any]] = {
    "name": {"name": "name", "type": "STRING", "required": True},
    "crs": {"name": "coordinate system", "type": "STRING", "required": True},
    "heightDatum": {"name": "height datum of the source", "type": "STRING", "required": True},
    "heightModel": {
        "name": "height model",
        "description": "constant, or the geoid grid that heights were shifted by",
        "type": "STRING",
        "required": True,
    },
    "heightShift": {
        "name": "height shift",
        "description": "metres added to heights of the datum at the city's centre",
        "type": "SCALAR",
        "componentType": "FLOAT64",
        "required": True,
    },
    "features": {
        "name": "features",
        "type": "SCALAR",
        "componentType": "UINT32",
        "required": True,
    },
}
"""The metadata class `tileset`."""


CONTENT_PATH = re.compile(r"content/(\d{1,3})-(\d{1,3})/(\d{1,2})/(\d{1,4})/(\d{1,4})\.glb")
"""Paths of contents: head of the implicit tree, then level, x and y within it."""


@dataclass(frozen=True)
class Facts:
    """What a tileset says of itself: heights and what was added to them, features, version."""

    name: str
    height_model: str
    height_shift: float
    features: int
    version: str


@lru_cache(maxsize=64)
def frame(key: Key) -> Frame:
    """The frame of the implicit tree that a tile is in.

    >>> frame(Key(ROOT, 0))
    Frame(longitude=-179.6484375, latitude=-89.6484375)
    """
    west, south, east, north = bounds(ancestor(key, ROOT))
    return Frame((west + east) / 2, (south + north) / 2)


@lru_cache(maxsize=64)
def place(key: Key) -> Frame:
    """The frame that a tile's own mesh is in: about the middle of its cell.

    >>> place(Key(ROOT, 0)) == frame(Key(ROOT, 0))
    True
    """
    west, south, east, north = bounds(key)
    return Frame((west + east) / 2, (south + north) / 2)


def node(key: Key) -> Pose:
    """Where `place(key)` lies in `frame(key)`.

    Rounded, so that the last bit of a machine's sines does not show.

    >>> node(Key(ROOT, 7))
    Pose(translation=(0.0, 0.0, 0.0), rotation=(0.0, 0.0, 0.0, 1.0))
    """
    outer, inner = (np.array(one.matrix()).reshape(4, 4) for one in (frame(key), place(key)))
    # Rows of a column-major matrix: its axes, then its origin.
    shift = outer[:3, :3] @ (inner[3, :3] - outer[3, :3])
    east, north, up = (outer[:3, :3] @ axis for axis in inner[:3, :3])
    w = sqrt(1 + east[0] + north[1] + up[2]) / 2
    turn = [(north[2] - up[1]) / 4 / w, (up[0] - east[2]) / 4 / w, (east[1] - north[0]) / 4 / w]
    e, n, u = (round(float(value), 6) + 0.0 for value in shift)
    x, y, z = (round(float(value), 12) + 0.0 for value in turn)
    return Pose((e, u, -n + 0.0), (x, z, -y + 0.0, round(w, 12)))


def content_path(key: Key) -> str:
    """Where a tile's content is, relative to tileset.json.

    >>> content_path(Key(11, 16))
    'content/1-0/2/0/0.glb'
    """
    return f"content/{_place(key)}.glb"


def key_of(path: str) -> Key | None:
    """The tile whose content has that path, or None for any other path.

    >>> key_of("content/1-0/2/0/0.glb"), key_of("content/1-0/2/4/0.glb"), key_of("tileset.json")
    (Key(level=11, cell=16), None, None)
    """
    found = CONTENT_PATH.fullmatch(path)
    if found is None:
        return None
    head_x, head_y, depth, x, y = map(int, found.groups())
    if not 0 <= depth <= DEEPEST - ROOT or max(x, y) >= 2**depth or max(head_x, head_y) >= 2**ROOT:
        return None
    whole = np.array([(head_x << depth) + x]), np.array([(head_y << depth) + y])
    return Key(ROOT + depth, int(interleave(*whole)[0]))


def subtree_path(key: Key) -> str:
    """Where the subtree headed by a tile is, relative to tileset.json.

    >>> subtree_path(Key(ROOT, 1))
    'subtrees/1-0/0/0/0.subtree'
    """
    return f"subtrees/{_place(key)}.subtree"


def files(facts: Facts, tree: Mapping[Key, Node], inner: float | None) -> dict[str, bytes]:
    """Everything but the contents, by path: subtrees and tileset.json; `inner` as in `errors`.

    >>> sorted(files(Facts("Buildings", "constant", 0.0, 0, "1"), {}, None))
    ['tileset.json']
    """
    known = errors(tree, inner)
    found = {subtree_path(key): subtree.write(key, tree, known) for key in subtree.roots(tree)}
    return found | {"tileset.json": describe(facts, tree, inner)}


def errors(tree: Mapping[Key, Node], inner: float | None) -> dict[Key, float]:
    """Geometric error of each tile: 0 where nothing is below, else `inner` or its level's own."""
    return {
        key: (geometric_error(key.level) if inner is None else inner) if node.parent else 0.0
        for key, node in tree.items()
    }


def head_error(deepest: int, inner: float | None) -> float:
    """Geometric error that tileset.json gives an implicit tree whose deepest tiles have that level.

    Subtrees say each tile's own.  Clients that do not read those halve this one level by level: it
    comes to `inner` (as in `errors`) just above the deepest tiles.

    >>> head_error(16, 2.0), round(head_error(16, None))
    (128.0, 2446)
    """
    return geometric_error(ROOT) if inner is None else inner * 2.0 ** max(deepest - ROOT - 1, 0)


def describe(facts: Facts, tree: Mapping[Key, Node], inner: float | None) -> bytes:
    """tileset.json of a tree; `inner` as in `errors`."""
    heads = _deepest(tree)
    top = 2 * head_error(max(heads.values(), default=ROOT), inner)
    root: dict[str, Any] = {
        "boundingVolume": {"region": [0.0] * 6},
        "geometricError": top if heads else 0.0,
        "refine": "ADD",
    }
    if heads:
        everything = subtree.union(tree[key].region for key in heads)
        root["boundingVolume"] = {"region": padded(everything)}
        root["children"] = [
            _implicit(key, tree[key], deepest, inner) for key, deepest in heads.items()
        ]
    document = {
        "asset": {"version": "1.1", "tilesetVersion": facts.version, "generator": "cimtwin"},
        "schema": {
            "id": "cimtwin",
            "classes": {
                "tile": subtree.CLASS,
                "tileset": {"name": "Tileset", "properties": PROPERTIES},
            },
        },
        "metadata": {
            "class": "tileset",
            "properties": {
                "name": facts.name,
                "crs": POLICY,
                "heightDatum": "1985 national height datum (1985国家高程基准)",
                "heightModel": facts.height_model,
                "heightShift": facts.height_shift,
                "features": facts.features,
            },
        },
        "geometricError": top,
        "root": root,
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode()


def _implicit(key: Key, node: Node, deepest: int, inner: float | None) -> dict[str, Any]:
    """An implicit root; its region is its cell's, and wider only where a building reaches over."""
    west, south, east, north = bounds(key)
    low, high = node.region[4:]
    cell: Region = (west, south, east, north, low, high)
    head = _head(key)
    return {
        "transform": frame(key).matrix(),
        "boundingVolume": {"region": padded(subtree.union([cell, node.region]))},
        "geometricError": head_error(deepest, inner),
        "refine": "ADD",
        "content": {"uri": f"content/{head}/{{level}}/{{x}}/{{y}}.glb"},
        "implicitTiling": {
            "subdivisionScheme": "QUADTREE",
            "subtreeLevels": subtree.LEVELS,
            "availableLevels": deepest - ROOT + 1,
            "subtrees": {"uri": f"subtrees/{head}/{{level}}/{{x}}/{{y}}.subtree"},
        },
    }


def _deepest(tree: Mapping[Key, Node]) -> dict[Key, int]:
    """The level of the deepest tile of each implicit tree, by its head."""
    found: dict[Key, int] = {}
    for key in tree:
        head = ancestor(key, ROOT)
        found[head] = max(found.get(head, ROOT), key.level)
    return found


def _place(key: Key) -> str:
    """Head of the implicit tree, then level, x and y within it."""
    depth = key.level - ROOT
    x, y = (int(value[0]) for value in deinterleave(np.array([key.cell & (4**depth - 1)])))
    return f"{_head(key)}/{depth}/{x}/{y}"


def _head(key: Key) -> str:
    x, y = (int(value[0]) for value in deinterleave(np.array([ancestor(key, ROOT).cell])))
    return f"{x}-{y}"
