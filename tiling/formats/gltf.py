"""GLB files: one mesh, one primitive, its sets of feature ids and their property tables; the same
input, the same bytes.

What is many (vertices, indices, columns of numbers) is quantized (KHR_mesh_quantization) and packed
by meshoptimizer's codecs (EXT_meshopt_compression) into buffer 0, the file's binary chunk; buffer 1
is the one that a reader unpacks it into, and is not in the file.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import meshopt
import numpy as np
import orjson
from numpy.typing import NDArray

from tiling.formats.metadata import Table
from tiling.shapes import outlines
from tiling.shapes.mesh import GRID, Mesh

BYTE, UNSIGNED_BYTE, UNSIGNED_SHORT, UNSIGNED_INT, FLOAT = 5120, 5121, 5123, 5125, 5126
ARRAY, ELEMENTS = 34962, 34963

SHORT = 65_535
"""Most vertices that 16-bit indices can name (the last value means restart), and the last step that
a 16-bit position can have."""

MANTISSA = 0xFFFFFF
"""The bits of a number of meshopt's exponential filter; its exponent above them is 0 here, so that
the numbers are whole."""

EXTENSIONS = (
    "EXT_mesh_features",
    "EXT_meshopt_compression",
    "EXT_structural_metadata",
    "KHR_mesh_quantization",
)
"""What every tile uses."""

EDGES = "EXT_mesh_primitive_edge_visibility"
"""What a tile uses besides where its lines are drawn."""

LINE = 0.45
"""How bright lines are beside the faces."""

REQUIRED = ("EXT_meshopt_compression", "KHR_mesh_quantization")
"""What a reader cannot do without."""


@dataclass(frozen=True)
class FeatureSet:
    """One set of feature ids: its table, the table's encoded columns, and rows.

    `of` gives the row of each feature of the mesh, None where they are the mesh's own features.
    """

    table: Table
    columns: Mapping[str, bytes]
    count: int
    of: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Pose:
    """Where a tile's own frame lies in the tileset's, as glTF has it: x east, y up, z south.

    `rotation` is a quaternion (x, y, z, w).
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]


@dataclass
class _Buffer:
    """The binary chunk as it grows, its views, and how much they hold unpacked."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, Any]] = field(default_factory=list)
    unpacked: int = 0

    def add(self, content: bytes) -> int:
        """Append bytes as they are; the view's number."""
        view = {"buffer": 0, "byteOffset": len(self.data), "byteLength": len(content)}
        self.views.append(view)
        self._append(content)
        return len(self.views) - 1

    def rows(self, values: NDArray[Any], target: int = 0, filtered: str = "") -> int:
        """Append rows of 4, 8 or more bytes, packed; the view's number."""
        packed = meshopt.encode_gltf_buffer(values, "ATTRIBUTES")
        extra: dict[str, Any] = {"filter": filtered} if filtered else {}
        stride = values.nbytes // len(values)
        return self._packed(packed, (len(values), stride), target, {"mode": "ATTRIBUTES"} | extra)

    def triangles(self, corners: NDArray[np.int32], size: int) -> int:
        """Append triangles (m, 3), packed, whose indices are of `size` bytes; the view's number."""
        packed = meshopt.encode_gltf_buffer(corners, "TRIANGLES")
        return self._packed(packed, (corners.size, size), ELEMENTS, {"mode": "TRIANGLES"})

    def _packed(
        self, content: bytes, shape: tuple[int, int], target: int, how: dict[str, Any]
    ) -> int:
        count, stride = shape
        view: dict[str, Any] = {
            "buffer": 1,
            "byteOffset": self.unpacked,
            "byteLength": count * stride,
        }
        if target:
            view["target"] = target
        if target == ARRAY:
            view["byteStride"] = stride
        view["extensions"] = {
            "EXT_meshopt_compression": {
                "buffer": 0,
                "byteOffset": len(self.data),
                "byteLength": len(content),
                "byteStride": stride,
                "count": count,
                **how,
            }
        }
        self.views.append(view)
        self.unpacked += -(-count * stride // 8) * 8
        self._append(content)
        return len(self.views) - 1

    def _append(self, content: bytes) -> None:
        self.data += content
        self.data += bytes(-len(content) % 8)

    def described(self) -> list[dict[str, Any]]:
        """The two buffers."""
        fallback = {"EXT_meshopt_compression": {"fallback": True}}
        return [
            {"byteLength": len(self.data)},
            {"byteLength": self.unpacked, "extensions": fallback},
        ]


def write(
    mesh: Mesh,
    sets: Sequence[FeatureSet],
    pose: Pose,
    colour: tuple[int, ...],
    *,
    outlined: bool = False,
) -> bytes:
    """A tile's GLB of a mesh and its sets of feature ids, the mesh's own features first.

    `pose` is where the mesh's frame lies in the tileset's; `colour` is sRGB, with
    a share of 255 that it is opaque by where one can see through.  `outlined` adds
    the mesh's lines, in a darker colour.
    """
    buffer = _Buffer()
    accessors, origin = _geometry(buffer, mesh)
    attributes = {"POSITION": 1, "NORMAL": 2}
    for number, item in enumerate(sets):
        attributes[f"_FEATURE_ID_{number}"] = len(accessors)
        accessors.append(_identity(buffer, mesh, item))
    tables = [_table(buffer, item) for item in sets]
    ids = [
        {
            "featureCount": item.count,
            "attribute": number,
            "label": item.table.class_id,
            "propertyTable": number,
        }
        for number, item in enumerate(sets)
    ]
    extensions: dict[str, Any] = {"EXT_mesh_features": {"featureIds": ids}}
    materials = [_material(colour)]
    if outlined and mesh.edges.any():
        extensions[EDGES] = {"visibility": len(accessors), "material": len(materials)}
        accessors.append(_lines(buffer, mesh))
        materials.append(_material(tuple(round(LINE * value) for value in colour[:3])))
    primitive = {
        "attributes": attributes,
        "indices": 0,
        "material": 0,
        "extensions": extensions,
    }
    document = {
        "asset": {"version": "2.0", "generator": "cimtwin"},
        "extensionsUsed": sorted({*EXTENSIONS, *extensions}),
        "extensionsRequired": REQUIRED,
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [_node(pose, origin)],
        "meshes": [{"primitives": [primitive]}],
        "materials": materials,
        "accessors": accessors,
        "bufferViews": buffer.views,
        "buffers": buffer.described(),
        "extensions": {
            "EXT_structural_metadata": {
                "schema": sets[0].table.schema,
                "propertyTables": tables,
            }
        },
    }
    return pack(document, bytes(buffer.data))


def pack(document: dict[str, Any], data: bytes) -> bytes:
    """A GLB of a glTF document and its binary chunk, whose content starts at a multiple of 8.

    >>> len(pack({"asset": {"version": "2.0"}}, bytes(8))) % 8
    0
    """
    text = orjson.dumps(document)
    text += b" " * (-(len(text) + 28) % 8)
    return b"".join(
        [
            struct.pack("<4sII", b"glTF", 2, 28 + len(text) + len(data)),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(data), b"BIN\0"),
            data,
        ]
    )


def linear(colour: tuple[int, ...]) -> list[float]:
    """glTF's linear red, green, blue of an sRGB colour (IEC 61966-2-1).

    >>> linear((255, 0, 188))
    [1.0, 0.0, 0.5029]
    """
    shares = [value / 255 for value in colour]
    return [round(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4, 4) for c in shares]


def y_up(vectors: NDArray[Any]) -> NDArray[Any]:
    """East, north, up as glTF has them: x, y up, z south.

    >>> y_up(np.array([[1, 2, 3]])).tolist()
    [[1, 3, -2]]
    """
    turned = np.empty_like(vectors)
    turned[:, 0], turned[:, 1] = vectors[:, 0], vectors[:, 2]
    np.negative(vectors[:, 1], out=turned[:, 2])
    return turned


def _material(colour: tuple[int, ...]) -> dict[str, Any]:
    opaque = len(colour) == 3
    found: dict[str, Any] = {
        "pbrMetallicRoughness": {
            "baseColorFactor": [
                *linear(colour[:3]),
                1.0 if opaque else round(colour[3] / 255, 4),
            ],
            "metallicFactor": 0.0,
            "roughnessFactor": 1.0,
        }
    }
    return found if opaque else found | {"alphaMode": "BLEND"}


def _node(pose: Pose, origin: list[int]) -> dict[str, Any]:
    """The node of a mesh whose position 0 is `origin`, in steps of the tile's frame."""
    shift = turned(pose.rotation, [GRID * step for step in origin])
    moved = [round(a + b, 6) for a, b in zip(pose.translation, shift, strict=True)]
    return {"mesh": 0, "translation": moved, "rotation": pose.rotation, "scale": [GRID] * 3}


def turned(rotation: Sequence[float], vector: Sequence[float]) -> list[float]:
    """A vector turned by a unit quaternion (x, y, z, w).

    >>> turned([0.0, 0.0, 0.5**0.5, 0.5**0.5], [1.0, 0.0, 0.0])[1].__round__(12)
    1.0
    """
    x, y, z, w = rotation
    a, b, c = vector
    u, v, t = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return [
        a + w * u + y * t - z * v,
        b + w * v + z * u - x * t,
        c + w * t + x * v - y * u,
    ]


def _geometry(buffer: _Buffer, mesh: Mesh) -> tuple[list[dict[str, Any]], list[int]]:
    """Append indices, positions and normals; their accessors, and the step that is position 0."""
    vertices = len(mesh.positions)
    short = vertices <= SHORT
    steps = y_up(mesh.positions)
    low, high = (np.array([f(axis) for axis in steps.T]) for f in (np.min, np.max))
    small = int((high - low).max()) <= SHORT
    origin = low if small else (low + high) // 2
    steps -= origin
    views = [buffer.triangles(mesh.triangles, 2 if short else 4), _positions(buffer, steps, small)]
    normals = np.zeros((vertices, 4), np.int8)
    normals[:, :3] = y_up(mesh.normals)
    views.append(buffer.rows(normals, ARRAY))
    index = {"componentType": UNSIGNED_SHORT if short else UNSIGNED_INT, "type": "SCALAR"}
    bounds = [(low - origin).tolist(), (high - origin).tolist()]
    accessors: list[dict[str, Any]] = [
        {"bufferView": views[0], "count": mesh.triangles.size, **index},
        {
            "bufferView": views[1],
            "count": vertices,
            "componentType": UNSIGNED_SHORT if small else FLOAT,
            "type": "VEC3",
            "min": bounds[0],
            "max": bounds[1],
        },
        {
            "bufferView": views[2],
            "count": vertices,
            "componentType": BYTE,
            "normalized": True,
            "type": "VEC3",
        },
    ]
    return accessors, origin.tolist()


def _positions(buffer: _Buffer, steps: NDArray[np.int32], small: bool) -> int:
    """Append positions: 16-bit, or as floats that are whole numbers."""
    if small:
        padded = np.zeros((len(steps), 4), "<u2")
        padded[:, :3] = steps
        return buffer.rows(padded, ARRAY)
    return buffer.rows((steps & MANTISSA).astype("<i4"), ARRAY, "EXPONENTIAL")


def _identity(buffer: _Buffer, mesh: Mesh, item: FeatureSet) -> dict[str, Any]:
    """Append a set's feature ids, four bytes a vertex: 16 bits, or FLOAT, exact to 2^24."""
    features = mesh.features if item.of is None else item.of[mesh.features]
    short = item.count <= SHORT + 1
    if short:
        rows: NDArray[Any] = np.zeros((features.size, 2), "<u2")
        rows[:, 0] = features
    else:
        rows = features.astype("<f4").reshape(-1, 1)
    kind = {"componentType": UNSIGNED_SHORT if short else FLOAT, "type": "SCALAR"}
    return {"bufferView": buffer.rows(rows, ARRAY), "count": features.size, **kind}


def _lines(buffer: _Buffer, mesh: Mesh) -> dict[str, Any]:
    """Append which edges are drawn, of the triangles as they come out of the view of indices."""
    view = buffer.views[0]["extensions"]["EXT_meshopt_compression"]
    indices = bytes(buffer.data[: view["byteLength"]])
    found = meshopt.decode_gltf_buffer(indices, view["count"], 4, "TRIANGLES")
    corners = np.frombuffer(found, np.uint32).reshape(-1, 3)
    bits = outlines.packed(mesh.edges, mesh.triangles, corners)
    kind = {"componentType": UNSIGNED_BYTE, "type": "SCALAR"}
    return {"bufferView": buffer.add(bits), "count": len(bits), **kind}


def _table(buffer: _Buffer, item: FeatureSet) -> dict[str, Any]:
    """Append a table's columns."""
    properties = {}
    for name, data in item.columns.items():
        properties[name] = {"values": buffer.add(data)}
    return {"class": item.table.class_id, "count": item.count, "properties": properties}
