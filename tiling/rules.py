"""What a tile's content must keep to: one function a rule, gathered in RULES.

The numbers are those of docs/reference/tiles.md; many of these faults no other validator sees.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs.ecef import from_geodetic, to_geodetic
from tiling.metadata import COMPONENTS
from tiling.reading import Glb

Floats = NDArray[np.float64]
Finding = tuple[str, str]
"""What is wrong, in English and Chinese."""

FARTHEST_NODE = 1e5
"""Metres a node may move its mesh: beyond that somebody put earth-centred metres there."""

FARTHEST_VERTEX = 16_384.0
"""Metres from a mesh's origin within which float32 is exact to half a millimetre."""

THINNEST = 5e-3
"""Metres: which way a thinner triangle looks is decided by the rounding of its corners."""

SLACK_DEGREES, SLACK_METRES = 1e-9, 1e-3
"""What regions may be overstepped by: rounding, no more."""


@dataclass(frozen=True)
class Content:
    """A tile's content with what surrounds it.

    `matrix` (4, 4) takes the tile's frame to earth-centred metres; `region` is the tile's, west,
    south, east, north in radians and two heights, None where it has no region.
    """

    glb: Glb
    matrix: Floats
    region: Floats | None

    @property
    def node(self) -> Floats:
        """Where the one node moves the mesh, in glTF's axes."""
        translation: Floats = np.array(
            self.glb.document["nodes"][0].get("translation", [0, 0, 0]), float
        )
        return translation

    @property
    def positions(self) -> Floats:
        """Earth-centred positions, (n, 3)."""
        local = self.glb.accessor(self.attribute("POSITION")).astype(float) + self.node
        return _z_up(local) @ self.matrix[:3, :3].T + self.matrix[:3, 3]

    @property
    def normals(self) -> Floats:
        """Earth-centred normals, (n, 3)."""
        found = self.glb.accessor(self.attribute("NORMAL")).astype(float)
        turned: Floats = _z_up(found) @ self.matrix[:3, :3].T
        return turned

    @property
    def feature_ids(self) -> NDArray[np.int64]:
        """The feature of each vertex."""
        return self.glb.accessor(self.attribute("_FEATURE_ID_0")).astype(np.int64)

    @property
    def triangles(self) -> NDArray[np.int64]:
        """Vertices of each triangle, (m, 3)."""
        indices = self.glb.accessor(self.primitive["indices"])
        return indices.astype(np.int64).reshape(-1, 3)

    @property
    def primitive(self) -> dict[str, Any]:
        """The one primitive, as the document describes it."""
        found: dict[str, Any] = self.glb.document["meshes"][0]["primitives"][0]
        return found

    def attribute(self, name: str) -> int:
        """The accessor of an attribute."""
        return int(self.primitive["attributes"][name])


def inside(content: Content) -> Iterator[Finding]:
    """5: every vertex lies in its tile's region."""
    if content.region is None:
        return
    longitude, latitude, height = to_geodetic(content.positions)
    region = content.region.copy()
    region[:4] = np.degrees(region[:4])
    west, south, east, north, low, high = region
    out = (longitude < west - SLACK_DEGREES) | (longitude > east + SLACK_DEGREES)
    out |= (latitude < south - SLACK_DEGREES) | (latitude > north + SLACK_DEGREES)
    out |= (height < low - SLACK_METRES) | (height > high + SLACK_METRES)
    if out.any():
        yield f"{out.sum()} vertices outside the tile's region", f"{out.sum()} 个顶点超出瓦片范围"


def placed(content: Content) -> Iterator[Finding]:
    """14: vertices are about the tile's own origin; no earth-centred metres in a node."""
    if np.abs(content.node).max() > FARTHEST_NODE:
        yield "a node moves its mesh by earth-centred metres", "节点平移使用了地心坐标"
    local = content.glb.accessor(content.attribute("POSITION"))
    if np.abs(local).max() > FARTHEST_VERTEX:
        yield "vertices too far from their origin for float32", "顶点离原点过远，单精度不足"


def upright(content: Content) -> Iterator[Finding]:
    """15: roofs look along the ellipsoid's normal, and no face looks against its own triangle."""
    positions, normals = content.positions, content.normals
    longitude, latitude, height = to_geodetic(positions)
    up = from_geodetic(longitude, latitude, height + 1) - positions
    if np.einsum("ij,ij->i", up, normals).max() < 0.9:
        yield "nothing looks up: the axes are turned", "没有朝上的面：坐标轴方向有误"
    if np.abs(np.linalg.norm(normals, axis=1) - 1).max() > 1e-4:
        yield "normals are not of length 1", "法线长度不为 1"
    a, b, c = (positions[content.triangles[:, corner]] for corner in range(3))
    face = np.cross(b - a, c - a)
    size = np.linalg.norm(face, axis=1)
    along = np.einsum("ij,ij->i", face, normals[content.triangles[:, 0]])
    longest = np.sqrt(
        np.max([((b - a) ** 2).sum(1), ((c - b) ** 2).sum(1), ((a - c) ** 2).sum(1)], 0)
    )
    if ((along < 0.5 * size) & (size > THINNEST * longest)).any():
        yield "triangles run against their normals", "三角形绕向与法线相反"


def bounded(content: Content) -> Iterator[Finding]:
    """16: the bounds of POSITION are exact, indices are short where they can be and in range."""
    document = content.glb.document
    item = document["accessors"][content.attribute("POSITION")]
    local = content.glb.accessor(content.attribute("POSITION"))
    for name, true in (("min", local.min(axis=0)), ("max", local.max(axis=0))):
        if not np.array_equal(np.array(item.get(name, []), "<f4"), true):
            yield f"POSITION's {name} is not exact", f"POSITION 的 {name} 不精确"
    if content.triangles.max() >= len(local):
        yield "an index points at no vertex", "索引超出顶点范围"
    index = document["accessors"][content.primitive["indices"]]
    if len(local) <= 65_535 and index["componentType"] == 5125:
        yield "indices are longer than they need be", "索引类型过长"


def counted(content: Content) -> Iterator[Finding]:
    """19: feature ids, featureCount, the property table and the distinct ids are as many."""
    primitive = content.primitive
    features = primitive["extensions"]["EXT_mesh_features"]["featureIds"][0]
    table = _tables(content)[features.get("propertyTable", 0)]
    used = np.unique(content.feature_ids)
    if not np.array_equal(used, np.arange(features["featureCount"])):
        yield "featureCount is not the number of features", "featureCount 与要素数不符"
    if table["count"] != features["featureCount"]:
        yield "the property table is of another length", "属性表行数与要素数不符"
    if np.unique(names(content.glb)).size != table["count"]:
        yield "an id stands twice in the tile", "瓦片内标识重复"
    item = content.glb.document["accessors"][content.attribute("_FEATURE_ID_0")]
    if item["componentType"] not in (5121, 5123, 5126) or item.get("normalized"):
        yield "feature ids of an illegal type", "要素标识类型非法"


def tabled(content: Content) -> Iterator[Finding]:
    """21: columns are as long as their table, and start at a multiple of their component's size."""
    schema = content.glb.document["extensions"]["EXT_structural_metadata"]["schema"]
    for table in _tables(content):
        described = schema["classes"][table["class"]]["properties"]
        for name, column in table["properties"].items():
            item = described[name]
            view = content.glb.document["bufferViews"][column["values"]]
            kind = np.dtype(COMPONENTS[item.get("componentType", "UINT8")])
            flags = item["type"] == "BOOLEAN"
            length = (table["count"] + 7) // 8 if flags else table["count"] * kind.itemsize
            if view["byteLength"] != length:
                yield f"column {name} is of the wrong length", f"属性列 {name} 长度有误"
            if view.get("byteOffset", 0) % kind.itemsize:
                yield f"column {name} is not aligned", f"属性列 {name} 未对齐"


def aligned(content: Content) -> Iterator[Finding]:
    """24: the binary chunk and every view in it start at multiples of 8, so 64-bit columns do."""
    views = content.glb.document["bufferViews"]
    if content.glb.offset % 8 or any(view.get("byteOffset", 0) % 8 for view in views):
        yield "the binary part is not aligned to 8 bytes", "二进制部分未按 8 字节对齐"


def declared(content: Content) -> Iterator[Finding]:
    """25: every extension that is used is listed, and none that is not."""
    document = content.glb.document
    used = set(document.get("extensions", {}))
    for mesh in document["meshes"]:
        for primitive in mesh["primitives"]:
            used |= set(primitive.get("extensions", {}))
    if used != set(document.get("extensionsUsed", [])):
        yield "extensionsUsed is not what is used", "extensionsUsed 与实际不符"


def drawn_once(content: Content) -> Iterator[Finding]:
    """§6: one mesh, one primitive, one draw call."""
    document = content.glb.document
    if [len(mesh["primitives"]) for mesh in document["meshes"]] != [1]:
        yield "more than one primitive", "多于一个图元"


RULES: dict[str, Callable[[Content], Iterator[Finding]]] = {
    "5": inside,
    "14": placed,
    "15": upright,
    "16": bounded,
    "19": counted,
    "21": tabled,
    "24": aligned,
    "25": declared,
    "primitive": drawn_once,
}
"""Every rule by its number."""


def names(glb: Glb) -> NDArray[np.uint64]:
    """What tells each feature from all others: its id, of a unit with its storey, (n,)."""
    ids: NDArray[np.uint64] = glb.column("id").astype(np.uint64)
    try:
        storeys = glb.column("storey_id").astype(np.uint64)
    except KeyError:
        return ids
    return (ids << np.uint64(32)) | storeys


def _tables(content: Content) -> list[dict[str, Any]]:
    metadata = content.glb.document["extensions"]["EXT_structural_metadata"]
    found: list[dict[str, Any]] = metadata["propertyTables"]
    return found


def _z_up(vectors: Floats) -> Floats:
    """glTF's x, y, z as east, north, up."""
    return np.stack([vectors[:, 0], -vectors[:, 2], vectors[:, 1]], axis=-1)
