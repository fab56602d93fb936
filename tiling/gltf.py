"""GLB files: one mesh, one primitive, feature ids, one property table; the same input, the same
bytes.

The buffer is indices, positions, normals, feature ids, then the table's columns, each aligned to 8
bytes.  Vertices are float32 metres about the tile's own centre; a node moves them to their place
in the tileset's frame, so the frame's size costs no precision.
"""

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.mesh import Mesh
from tiling.metadata import Table

UNSIGNED_SHORT, UNSIGNED_INT, FLOAT = 5123, 5125, 5126
ARRAY, ELEMENTS = 34962, 34963

SHORT_INDICES = 65_535
"""Most vertices that 16-bit indices can name: the last value means restart."""


@dataclass
class _Buffer:
    """The binary chunk as it grows, and its views."""

    data: bytearray = field(default_factory=bytearray)
    views: list[dict[str, int]] = field(default_factory=list)

    def add(self, content: bytes, **view: int) -> int:
        """Append at the next multiple of 8 bytes; the view's number."""
        offset = len(self.data)
        self.views.append({"buffer": 0, "byteOffset": offset, "byteLength": len(content)} | view)
        self.data += content + bytes(-len(content) % 8)
        return len(self.views) - 1


def write(
    mesh: Mesh, table: Table, columns: dict[str, bytes], *, label: str, colour: tuple[int, int, int]
) -> bytes:
    """A tile's GLB of a mesh in the tileset's frame (east, north, up) and its property table.

    `columns` are the table's encoded columns, one value a feature of the mesh; `label` names the
    feature ids; `colour` is sRGB.
    """
    centre = middle(mesh.positions)
    count = int(mesh.features.max(initial=-1)) + 1
    buffer = _Buffer()
    accessors = _accessors(buffer, mesh, centre, count)
    properties = {name: {"values": buffer.add(data)} for name, data in columns.items()}
    primitive = {
        "attributes": {"POSITION": 1, "NORMAL": 2, "_FEATURE_ID_0": 3},
        "indices": 0,
        "material": 0,
        "extensions": {
            "EXT_mesh_features": {
                "featureIds": [
                    {"featureCount": count, "attribute": 0, "label": label, "propertyTable": 0}
                ]
            }
        },
    }
    east, north, up = centre
    document = {
        "asset": {"version": "2.0", "generator": "cimtwin"},
        "extensionsUsed": ["EXT_mesh_features", "EXT_structural_metadata"],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "translation": [east, up, -north]}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [_material(colour)],
        "accessors": accessors,
        "bufferViews": buffer.views,
        "buffers": [{"byteLength": len(buffer.data)}],
        "extensions": {
            "EXT_structural_metadata": {
                "schema": table.schema(),
                "propertyTables": [
                    {"class": table.class_id, "count": count, "properties": properties}
                ],
            }
        },
    }
    return pack(document, bytes(buffer.data))


def middle(positions: NDArray[np.float64]) -> tuple[float, float, float]:
    """The middle of the positions' box, in whole metres.

    >>> middle(np.array([[0.0, 0.0, 0.0], [3.2, 10.0, -7.0]]))
    (2.0, 5.0, -4.0)
    """
    east, north, up = np.rint((positions.min(axis=0) + positions.max(axis=0)) / 2) + 0.0
    return float(east), float(north), float(up)


def pack(document: dict[str, Any], data: bytes) -> bytes:
    """A GLB of a glTF document and its binary chunk, whose content starts at a multiple of 8.

    >>> len(pack({"asset": {"version": "2.0"}}, bytes(8))) % 8
    0
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
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


def linear(colour: tuple[int, int, int]) -> list[float]:
    """glTF's linear red, green, blue of an sRGB colour (IEC 61966-2-1).

    >>> linear((255, 0, 188))
    [1.0, 0.0, 0.5029]
    """
    shares = [value / 255 for value in colour]
    return [round(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4, 4) for c in shares]


def _material(colour: tuple[int, int, int]) -> dict[str, Any]:
    return {
        "pbrMetallicRoughness": {
            "baseColorFactor": [*linear(colour), 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": 1.0,
        }
    }


def _accessors(
    buffer: _Buffer, mesh: Mesh, centre: tuple[float, float, float], count: int
) -> list[dict[str, Any]]:
    """Append indices, positions, normals and feature ids; the accessors that read them."""
    vertices = len(mesh.positions)
    short = vertices <= SHORT_INDICES
    indices = mesh.triangles.astype("<u2" if short else "<u4").tobytes()
    positions = y_up(mesh.positions - centre)
    views = [
        buffer.add(indices, target=ELEMENTS),
        buffer.add(positions.tobytes(), target=ARRAY),
        buffer.add(y_up(mesh.normals).tobytes(), target=ARRAY),
        buffer.add(_feature_ids(mesh.features, count), target=ARRAY, byteStride=4),
    ]
    index = {"componentType": UNSIGNED_SHORT if short else UNSIGNED_INT, "type": "SCALAR"}
    identity = {"componentType": UNSIGNED_SHORT if count <= 65_536 else FLOAT, "type": "SCALAR"}
    vector = {"componentType": FLOAT, "type": "VEC3"}
    box = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
    return [
        {"bufferView": views[0], "count": mesh.triangles.size, **index},
        {"bufferView": views[1], "count": vertices, **vector, **box},
        {"bufferView": views[2], "count": vertices, **vector},
        {"bufferView": views[3], "count": vertices, **identity},
    ]


def _feature_ids(features: NDArray[np.int64], count: int) -> bytes:
    """Four bytes a vertex: 16 bits and padding, or FLOAT, exact to 2^24."""
    if count > 65_536:
        return features.astype("<f4").tobytes()
    padded = np.zeros((features.size, 2), "<u2")
    padded[:, 0] = features
    return padded.tobytes()


def y_up(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """East, north, up as glTF has them: x, y up, z south.

    >>> y_up(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[1.0, 3.0, -2.0]]
    """
    turned = np.empty(vectors.shape, "<f4")
    turned[:, 0], turned[:, 1] = vectors[:, 0], vectors[:, 2]
    turned[:, 2] = -vectors[:, 1]
    turned += np.float32(0)  # no negative zero: one value, one spelling
    return turned
