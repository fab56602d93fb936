"""What a tile's content must keep to: one function a rule, gathered in RULES and HOUSE.

The numbers are those of docs/reference/tiles.md; many of these faults no other validator sees.
RULES hold for every tileset; HOUSE for those that this service writes, besides.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.crs.ecef import from_geodetic
from tiling.check import table_rules
from tiling.check.content import Content, Floats, Part
from tiling.check.reading import MESHOPT, extensions
from tiling.check.table_rules import Finding

QUANTIZED = "KHR_mesh_quantization"

EDGES = "EXT_mesh_primitive_edge_visibility"
SILHOUETTE, HARD = 1, 2

FARTHEST_NODE = 1e5
"""Metres a node may move its mesh: beyond that somebody put earth-centred metres there."""

FARTHEST_VERTEX = 16_384.0
"""Metres from a mesh's origin within which float32 is exact to half a millimetre."""

THINNEST = 5e-3
"""Metres: which way a thinner triangle looks is decided by the rounding of its corners."""

SLACK_METRES, SLACK_OTHERS = 1e-3, 1e-2
"""What bounds may be overstepped by, ours and those of others: rounding, no more."""

SMOOTH = 0.01
"""Share of its triangles that may look against their normals where a surface is shaded as round."""

NORMAL_LENGTH = {5120: 0.02, 5122: 1e-3, 5126: 1e-3}
"""How far a normal's length may be from 1, by its component type."""

SURFACE = 6.3e6, 6.4e6
"""Metres from the Earth's centre between which its surface is."""


def inside(content: Content) -> Iterator[Finding]:
    """5: every vertex lies in its tile's volume and in those of the tiles above."""
    slack = content.step + (SLACK_METRES if content.ours else SLACK_OTHERS)
    for number, volume in enumerate(content.volumes or ()):
        out = volume.outside(content.places, slack)
        if not out:
            continue
        if number == 0:
            yield f"{out} vertices outside the tile's volume", f"{out} 个顶点超出瓦片范围"
        else:
            yield (
                f"{out} vertices outside the volume of a tile above",
                f"{out} 个顶点超出上级瓦片范围",
            )


def placed(content: Content) -> Iterator[Finding]:
    """14: vertices are about the tile's own origin; no earth-centred metres in a node."""
    nodes = content.glb.document.get("nodes", [])
    for node in nodes:
        moved = node["matrix"][12:15] if "matrix" in node else node.get("translation", [0])
        if np.abs(np.array(moved, float)).max() > FARTHEST_NODE:
            yield "a node moves its mesh by earth-centred metres", "节点平移使用了地心坐标"
    farthest = FARTHEST_VERTEX if content.ours else FARTHEST_NODE
    for part in content.parts:
        reach = float(np.abs(part.stored).max(initial=0)) * part.scale
        if reach > farthest and not (part.whole and part.step):
            yield "vertices too far from their origin for float32", "顶点离原点过远，单精度不足"


def upright(content: Content) -> Iterator[Finding]:
    """15: something looks up along the ellipsoid's normal."""
    away = np.linalg.norm(content.positions, axis=1)
    if not away.size or away.min() < SURFACE[0] or away.max() > SURFACE[1]:
        return  # nowhere on Earth: there is no up
    longitude, latitude, height = content.places.geodetic
    normals = [part.normals for part in content.parts]
    if all(found is not None for found in normals):
        up = np.degrees(longitude), np.degrees(latitude)
        looks = from_geodetic(*up, height + 1) - content.positions
        if np.einsum("ij,ij->i", looks, content.normals).max() < 0.5:
            yield "nothing looks up: the axes are turned", "没有朝上的面：坐标轴方向有误"


def facing(content: Content) -> Iterator[Finding]:
    """15: normals are of length 1, and no face looks against its own triangle."""
    for part in content.parts:
        normals = part.normals
        if normals is None:
            continue
        kind = part.glb.document["accessors"][part.attribute("NORMAL")]["componentType"]
        lengths = np.linalg.norm(normals, axis=1)
        if np.abs(lengths - 1).max(initial=0) > NORMAL_LENGTH.get(kind, 1e-3):
            yield "normals are not of length 1", "法线长度不为 1"
        if part.triangles is None:
            continue
        against = _against(part, normals, flat=content.ours)
        if against > (0 if content.ours else SMOOTH * len(part.triangles)):
            yield "triangles run against their normals", "三角形绕向与法线相反"


def _against(part: Part, normals: Floats, *, flat: bool) -> int:
    """How many triangles, thick enough to be sure of, look against their normals.

    Where shading is not `flat`, the normals of the three corners are taken together.
    """
    assert part.triangles is not None
    a, b, c = (part.positions[part.triangles[:, corner]] for corner in range(3))
    face = np.cross(b - a, c - a)
    size = np.linalg.norm(face, axis=1)
    told = normals[part.triangles[:, 0]] if flat else normals[part.triangles].sum(axis=1)
    along = np.einsum("ij,ij->i", face, told)
    sides = [((b - a) ** 2).sum(1), ((c - b) ** 2).sum(1), ((a - c) ** 2).sum(1)]
    thick = size > (THINNEST + 2 * part.step) * np.sqrt(np.max(sides, 0))
    return int(((along < (0.5 * size if flat else 0)) & thick).sum())


def bounded(content: Content) -> Iterator[Finding]:
    """16: the bounds of POSITION are exact, and every index is one of a vertex."""
    for part in content.parts:
        item = content.glb.document["accessors"][part.attribute("POSITION")]
        stored = part.stored
        for name, true in (("min", stored.min(axis=0)), ("max", stored.max(axis=0))):
            if not np.array_equal(np.array(item.get(name, []), true.dtype), true):
                yield f"POSITION's {name} is not exact", f"POSITION 的 {name} 不精确"
        if part.triangles is not None and part.triangles.max(initial=-1) >= len(stored):
            yield "an index points at no vertex", "索引超出顶点范围"


def short(content: Content) -> Iterator[Finding]:
    """16: indices are short where they can be."""
    for part in content.parts:
        if "indices" in part.primitive:
            index = content.glb.document["accessors"][part.primitive["indices"]]
            if len(part.stored) <= 65_535 and index["componentType"] == 5125:
                yield "indices are longer than they need be", "索引类型过长"


def quantized(content: Content) -> Iterator[Finding]:
    """17: small numbers for positions and normals are declared, aligned, and normals normalized."""
    document = content.glb.document
    required = document.get("extensionsRequired", [])
    for part in content.parts:
        for name in ("POSITION", "NORMAL"):
            if name not in part.primitive["attributes"]:
                continue
            item = document["accessors"][part.attribute(name)]
            if item["componentType"] == 5126:
                continue
            if QUANTIZED not in required:
                yield f"{name} is quantized, and that is not required", f"{name} 已量化但未声明"
            view = document["bufferViews"][item["bufferView"]]
            if view.get("byteStride", 0) % 4 or item.get("byteOffset", 0) % 4:
                yield f"{name} is not aligned to 4 bytes", f"{name} 未按 4 字节对齐"
            if name == "NORMAL" and not item.get("normalized"):
                yield "normals are not normalized", "法线未标为 normalized"


def compressed(content: Content) -> Iterator[Finding]:
    """18: views in EXT_meshopt_compression fit their buffer and their stride."""
    document = content.glb.document
    packed = [MESHOPT in view.get("extensions", {}) for view in document.get("bufferViews", [])]
    if not any(packed):
        return
    buffers = document["buffers"]
    bare = [number for number, item in enumerate(buffers) if number and "uri" not in item]
    if MESHOPT not in document.get("extensionsRequired", []) and bare:
        yield "a fallback buffer without content, not required", "回退缓冲区无内容却未声明必需"
    for number in bare:
        if not buffers[number].get("extensions", {}).get(MESHOPT, {}).get("fallback"):
            yield "a buffer without content is no fallback", "无内容的缓冲区未标为 fallback"
    for view in document["bufferViews"]:
        found = view.get("extensions", {}).get(MESHOPT)
        if found:
            yield from _packed_view(view, found, buffers)


def _packed_view(
    view: Mapping[str, Any], found: Mapping[str, Any], buffers: list[Mapping[str, Any]]
) -> Iterator[Finding]:
    stride, mode = found["byteStride"], found["mode"]
    legal = stride % 4 == 0 and stride <= 256 if mode == "ATTRIBUTES" else stride in (2, 4)
    if not legal or (mode == "TRIANGLES" and found["count"] % 3):
        yield "a compressed view has an illegal stride or count", "压缩视图的步长或数量非法"
    if view.get("byteStride", stride) != stride:
        yield "a compressed view has two strides", "压缩视图的步长前后不一"
    end = view.get("byteOffset", 0) + view["byteLength"]
    if end > buffers[view["buffer"]]["byteLength"]:
        yield "a compressed view reaches past its fallback", "压缩视图超出回退缓冲区"


def seen_edges(content: Content) -> Iterator[Finding]:
    """The visibility of edges has two bits for each edge of each triangle, and says each once."""
    for part in content.parts:
        found = part.primitive.get("extensions", {}).get(EDGES)
        if found is None or part.triangles is None or "visibility" not in found:
            continue
        item = content.glb.document["accessors"][found["visibility"]]
        count = (6 * len(part.triangles) + 7) // 8
        if (item["componentType"], item["type"], item["count"]) != (5121, "SCALAR", count):
            yield "edge visibility is not as long as the triangles", "边可见性长度与三角形不符"
            continue
        if found.get("material", 0) >= len(content.glb.document.get("materials", [None])):
            yield "visible edges are of no material", "可见边引用的材质不存在"
        yield from _edges(part.triangles, content.glb.accessor(found["visibility"]), found)


def _edges(
    triangles: NDArray[np.int64], stored: NDArray[np.uint8], found: Mapping[str, Any]
) -> Iterator[Finding]:
    """What is wrong with the visibility of a primitive's edges, which is of the right length."""
    bits = np.unpackbits(stored, bitorder="little")
    count = 6 * len(triangles)
    if bits[count:].any():
        yield "bits behind the last edge are not 0", "末边之后的比特位不为 0"
    codes = bits[:count:2] + 2 * bits[1:count:2]
    if not codes.any() and "lineStrings" not in found:
        yield "no edge is visible", "没有任何可见边"
    if (codes == SILHOUETTE).any() != ("silhouetteNormals" in found):
        yield "silhouettes and their normals do not go together", "轮廓边与其法线不匹配"
    ends = np.stack([triangles, np.roll(triangles, -1, axis=1)], axis=2).reshape(-1, 2)
    ends = np.sort(ends[codes == HARD], axis=1)
    if len(np.unique(ends[:, 0] << 32 | ends[:, 1])) < len(ends):
        yield "an edge is visible twice", "同一条边被重复标为可见"


def declared(content: Content) -> Iterator[Finding]:
    """25: every extension that is used is listed, as is every one that is required."""
    document = content.glb.document
    listed = set(document.get("extensionsUsed", []))
    if extensions(document) - listed:
        yield "extensionsUsed lacks one that is used", "extensionsUsed 缺少已使用的扩展"
    if set(document.get("extensionsRequired", [])) - listed:
        yield "an extension is required, but not used", "必需的扩展未列入 extensionsUsed"


def declared_exactly(content: Content) -> Iterator[Finding]:
    """25: no extension is listed that is not used."""
    document = content.glb.document
    if set(document.get("extensionsUsed", [])) - extensions(document) - {QUANTIZED}:
        yield "extensionsUsed has one that is not used", "extensionsUsed 含未使用的扩展"
    quantizing = any(
        document["accessors"][part.attribute(name)]["componentType"] != 5126
        for part in content.parts
        for name in {"POSITION", "NORMAL"} & part.primitive["attributes"].keys()
    )
    if QUANTIZED in document.get("extensionsUsed", []) and not quantizing:
        yield "extensionsUsed has one that is not used", "extensionsUsed 含未使用的扩展"


def aligned(content: Content) -> Iterator[Finding]:
    """24: the binary chunk and every view in it start at multiples of 8, so 64-bit columns do."""
    views = content.glb.document["bufferViews"]
    packed = [view.get("extensions", {}).get(MESHOPT, view) for view in views]
    if content.glb.offset % 8 or any(view.get("byteOffset", 0) % 8 for view in packed):
        yield "the binary part is not aligned to 8 bytes", "二进制部分未按 8 字节对齐"


def drawn_once(content: Content) -> Iterator[Finding]:
    """§6: one mesh, one primitive, one draw call."""
    document = content.glb.document
    if [len(mesh["primitives"]) for mesh in document["meshes"]] != [1]:
        yield "more than one primitive", "多于一个图元"


Rule = Callable[[Content], Iterator[Finding]]

RULES: tuple[tuple[str, Rule], ...] = (
    ("5", inside),
    ("14", placed),
    ("15", upright),
    ("15", facing),
    ("16", bounded),
    ("17", quantized),
    ("18", compressed),
    ("19", table_rules.counted),
    ("20", table_rules.named),
    ("21", table_rules.tabled),
    ("22", table_rules.missing),
    ("25", declared),
    ("edges", seen_edges),
)
"""Every rule of the formats, by its number."""

HOUSE: tuple[tuple[str, Rule], ...] = (
    ("16", short),
    ("19", table_rules.counted_exactly),
    ("19", table_rules.agreeing),
    ("24", aligned),
    ("25", declared_exactly),
    ("primitive", drawn_once),
)
"""What our own tiles keep to besides."""
