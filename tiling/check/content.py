"""A tile's content with what surrounds it: where its vertices are on Earth, and its features."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.check import limits
from tiling.check.reading import Glb, Malformed, Unjudged
from tiling.check.volumes import Points, Volume, points

Floats = NDArray[np.float64]

TRIANGLES = 4
"""glTF's primitive mode of separate triangles."""

UNREAD = {
    "KHR_draco_mesh_compression": ("Draco compression", "Draco 压缩"),
    "EXT_mesh_gpu_instancing": ("GPU instances", "GPU 实例"),
    "KHR_meshopt_compression": ("KHR_meshopt_compression", "KHR_meshopt_compression 压缩"),
}
"""Extensions that hide vertices from whoever does not know them."""

FINEST = ("unit", "room", "storey", "building")
"""Classes of property tables, the finest first: the finest one names a tile's features."""


@dataclass(frozen=True)
class Part:
    """A primitive where a node puts it; `matrix` (4, 4) takes glTF's metres to its scene's."""

    glb: Glb
    primitive: Mapping[str, Any]
    matrix: Floats

    def attribute(self, name: str) -> int:
        """The accessor of an attribute."""
        return int(self.primitive["attributes"][name])

    @cached_property
    def stored(self) -> NDArray[Any]:
        """Positions as they are stored, (n, 3)."""
        return self.glb.accessor(self.attribute("POSITION"))

    @cached_property
    def positions(self) -> Floats:
        """Positions in the scene's metres, in glTF's axes, (n, 3)."""
        local = self.glb.values(self.attribute("POSITION"))
        return local @ self.matrix[:3, :3].T + self.matrix[:3, 3]

    @cached_property
    def normals(self) -> Floats | None:
        """Normals in glTF's axes, of the length they come out with; None where there are none."""
        if "NORMAL" not in self.primitive["attributes"]:
            return None
        found = self.glb.values(self.attribute("NORMAL"))
        lengths = np.linalg.norm(found, axis=1)
        turned = found @ np.linalg.inv(self.matrix[:3, :3])  # by the inverse transpose
        turned *= (lengths / np.maximum(np.linalg.norm(turned, axis=1), 1e-30))[:, None]
        return turned

    @cached_property
    def triangles(self) -> NDArray[np.int64] | None:
        """Vertices of each triangle, (m, 3); None for points, lines, strips and fans."""
        if self.primitive.get("mode", TRIANGLES) != TRIANGLES:
            return None
        if "indices" not in self.primitive:
            return np.arange(len(self.stored)).reshape(-1, 3)
        indices = self.glb.accessor(self.primitive["indices"])
        return indices.astype(np.int64).reshape(-1, 3)

    @cached_property
    def whole(self) -> bool:
        """Whether positions are stored as whole numbers, which floats hold exactly too."""
        stored = self.stored
        if stored.dtype.kind != "f":
            return True
        return bool(np.abs(stored).max(initial=0) < 2**24 and (stored == np.rint(stored)).all())

    @property
    def scale(self) -> float:
        """Metres that a stored 1 stands for, at most."""
        stored = self.stored.dtype
        item = self.glb.document["accessors"][self.attribute("POSITION")]
        small = item.get("normalized") and stored.kind in "iu"
        unit = 1 / float(np.iinfo(stored).max) if small else 1.0
        return unit * float(np.linalg.norm(self.matrix[:3, :3], axis=0).max())

    @property
    def step(self) -> float:
        """Metres between neighbouring positions: 0 where they are anywhere."""
        return self.scale if self.whole and self.scale < 1 else 0.0

    def feature_sets(self) -> list[Mapping[str, Any]]:
        """Its feature id sets, as EXT_mesh_features lists them."""
        extensions = self.primitive.get("extensions", {})
        found: list[Mapping[str, Any]] = extensions.get("EXT_mesh_features", {}).get(
            "featureIds", []
        )
        return found

    def feature_ids(self, item: Mapping[str, Any]) -> NDArray[np.int64] | None:
        """The feature of each vertex in one of `feature_sets`; None where a texture tells it."""
        if "attribute" in item:
            stored = self.glb.accessor(self.attribute(f"_FEATURE_ID_{item['attribute']}"))
            return stored.astype(np.int64)
        return None if "texture" in item else np.arange(len(self.stored))


@dataclass(frozen=True)
class Content:
    """A tile's content with what surrounds it.

    `matrix` (4, 4) takes the tile's frame to earth-centred metres; `volumes` are those that it has
    to lie in: its own, and those of the tiles above.  `ours` says whether it has to keep to the
    rules of this house too.
    """

    glb: Glb
    matrix: Floats
    volumes: tuple[Volume, ...] | None = None
    ours: bool = True

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """Every primitive where it is drawn; raises Unjudged where that cannot be told."""
        for name, (en, zh) in UNREAD.items():
            if name in self.glb.document.get("extensionsUsed", []):
                raise Unjudged(en, zh)
        found, numbers = [], 0
        for part in _parts(self.glb):
            found.append(part)
            numbers += 3 * self.glb.document["accessors"][part.attribute("POSITION")]["count"]
            if numbers > limits.NUMBERS or len(found) > limits.PARTS:
                raise Malformed("it draws too much to be looked at", "绘制内容过多，无法检查")
        return tuple(found)

    @cached_property
    def positions(self) -> Floats:
        """Earth-centred positions of all parts, (n, 3)."""
        return np.concatenate(
            [np.empty((0, 3)), *(self.on_earth(part.positions) for part in self.parts)]
        )

    @cached_property
    def places(self) -> Points:
        """The positions, and where on Earth they are."""
        return points(self.positions)

    @property
    def normals(self) -> Floats:
        """Earth-centred normals of all parts that have them, (n, 3)."""
        found = [part.normals for part in self.parts]
        return np.concatenate(
            [np.empty((0, 3)), *(self.turned(one) for one in found if one is not None)]
        )

    @property
    def feature_ids(self) -> NDArray[np.int64]:
        """The feature of each vertex, in the set of the finest features."""
        table = finest(self.glb)
        found = [part.feature_ids(_set_of(part, table)) for part in self.parts]
        return np.concatenate([one for one in found if one is not None])

    @property
    def step(self) -> float:
        """The coarsest step of its parts' positions, metres."""
        return max((part.step for part in self.parts), default=0.0)

    def on_earth(self, scene: Floats) -> Floats:
        """Earth-centred metres of places in the scene, in glTF's axes."""
        z_up = _z_up(scene) + np.array(self.shift)
        found: Floats = z_up @ self.matrix[:3, :3].T + self.matrix[:3, 3]
        return found

    def turned(self, vectors: Floats) -> Floats:
        """Directions in the scene, in glTF's axes, as they are on Earth."""
        found: Floats = _z_up(vectors) @ np.linalg.inv(self.matrix[:3, :3])
        lengths = np.linalg.norm(vectors, axis=1)
        found *= (lengths / np.maximum(np.linalg.norm(found, axis=1), 1e-30))[:, None]
        return found

    @property
    def shift(self) -> tuple[float, float, float]:
        """What CESIUM_RTC or a b3dm moves it by, in the tile's axes."""
        centre = self.glb.document.get("extensions", {}).get("CESIUM_RTC", {}).get("center")
        return tuple(centre) if centre else self.glb.shift


def tables(glb: Glb) -> list[Mapping[str, Any]]:
    """The property tables of a glTF."""
    metadata = glb.document.get("extensions", {}).get("EXT_structural_metadata", {})
    found: list[Mapping[str, Any]] = metadata.get("propertyTables", [])
    return found


def finest(glb: Glb) -> int:
    """The property table of a tile's finest features: its units rather than their buildings."""
    classes = [table.get("class", "") for table in tables(glb)]
    return next((classes.index(name) for name in FINEST if name in classes), 0)


def names(glb: Glb) -> NDArray[np.uint64]:
    """What tells each feature from all others: its id, of a unit with its storey, (n,)."""
    table = finest(glb)
    ids: NDArray[np.uint64] = glb.column("id", table).astype(np.uint64)
    if "storey_id" not in tables(glb)[table]["properties"]:
        return ids
    storeys = glb.column("storey_id", table).astype(np.uint64)
    return (ids << np.uint64(32)) | storeys


def _set_of(part: Part, table: int) -> Mapping[str, Any]:
    """The feature ids of a part that point into a table."""
    return next(item for item in part.feature_sets() if item.get("propertyTable") == table)


def _parts(glb: Glb) -> Iterator[Part]:
    document = glb.document
    scenes = document.get("scenes", [])
    if scenes:
        roots = scenes[document.get("scene", 0)].get("nodes", [])
    else:
        roots = range(len(document.get("nodes", [])))
    for root in roots:
        yield from _below(glb, root, np.eye(4), 0)


def _below(glb: Glb, number: int, above: Floats, depth: int) -> Iterator[Part]:
    """The parts of a node and of its children."""
    if depth > len(glb.document["nodes"]):
        raise ValueError("nodes in a circle")
    node = glb.document["nodes"][number]
    matrix = above @ node_matrix(node)
    if "mesh" in node:
        for primitive in glb.document["meshes"][node["mesh"]]["primitives"]:
            yield Part(glb, primitive, matrix)
    for child in node.get("children", []):
        yield from _below(glb, child, matrix, depth + 1)


def node_matrix(node: Mapping[str, Any]) -> Floats:
    """A node's matrix (4, 4): its own, or translation × rotation × scale.

    >>> node_matrix({"translation": [1, 2, 3], "scale": [2, 2, 2]})[:3].tolist()
    [[2.0, 0.0, 0.0, 1.0], [0.0, 2.0, 0.0, 2.0], [0.0, 0.0, 2.0, 3.0]]
    """
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    x, y, z, w = (float(value) for value in node.get("rotation", (0, 0, 0, 1)))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), float)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def _z_up(vectors: Floats) -> Floats:
    """glTF's x, y, z as east, north, up."""
    return np.stack([vectors[:, 0], -vectors[:, 2], vectors[:, 1]], axis=-1)
