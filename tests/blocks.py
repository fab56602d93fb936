"""A block of 20 by 10 by 30 metres as other makers of tiles might write it."""

import json
import struct
from typing import Any

import meshopt
import numpy as np

from tiling.formats.gltf import pack

Document = dict[str, Any]

CORNERS = np.array(
    [[x, y, z] for x in (-10.0, 10.0) for y in (0.0, 30.0) for z in (-5.0, 5.0)], "<f4"
)
"""A block in glTF's axes: 20 m wide, 30 m high."""

FACES = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)
NORMALS = np.array([[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]], "<f4")

CLASS: Document = {
    "schema": {
        "id": "other",
        "classes": {
            "building": {"properties": {"id": {"type": "SCALAR", "componentType": "UINT64"}}}
        },
    }
}


def block() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions (24, 3), normals and triangles (12, 3) of the block, its faces apart."""
    triangles = np.concatenate(
        [[[4 * f, 4 * f + 1, 4 * f + 2], [4 * f, 4 * f + 2, 4 * f + 3]] for f in range(6)]
    )
    return CORNERS[FACES].reshape(-1, 3), np.repeat(NORMALS, 4, axis=0), triangles


def plain() -> tuple[Document, list[bytes]]:
    """The block in floats: its document and what its buffer views hold."""
    positions, normals, triangles = block()
    pieces = [
        triangles.astype("<u2").tobytes(),
        positions.tobytes(),
        normals.tobytes(),
        np.zeros((24, 2), "<u2").tobytes(),
        np.array([7], "<u8").tobytes(),
    ]
    document: Document = {
        "asset": {"version": "2.0"},
        "extensionsUsed": ["EXT_mesh_features", "EXT_structural_metadata"],
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive()]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5123, "type": "SCALAR", "count": 36},
            {
                "bufferView": 1,
                "componentType": 5126,
                "type": "VEC3",
                "count": 24,
                "min": positions.min(0).tolist(),
                "max": positions.max(0).tolist(),
            },
            {"bufferView": 2, "componentType": 5126, "type": "VEC3", "count": 24},
            {"bufferView": 3, "componentType": 5123, "type": "SCALAR", "count": 24},
        ],
        "bufferViews": [{"buffer": 0, "byteLength": len(piece)} for piece in pieces],
        "extensions": {
            "EXT_structural_metadata": CLASS
            | {
                "propertyTables": [
                    {"class": "building", "count": 1, "properties": {"id": {"values": 4}}}
                ]
            }
        },
    }
    document["bufferViews"][3]["byteStride"] = 4
    return document, pieces


def primitive() -> Document:
    return {
        "attributes": {"POSITION": 1, "NORMAL": 2, "_FEATURE_ID_0": 3},
        "indices": 0,
        "extensions": {
            "EXT_mesh_features": {
                "featureIds": [{"featureCount": 1, "attribute": 0, "propertyTable": 0}]
            }
        },
    }


def quantized() -> tuple[Document, list[bytes]]:
    """The block in centimetres of 16 bits, its normals in bytes; a node puts it right."""
    document, pieces = plain()
    positions, normals, _ = block()
    steps = np.zeros((24, 4), "<u2")
    steps[:, :3] = np.rint((positions + np.array([10, 0, 5])) * 100)
    small = np.zeros((24, 4), "i1")
    small[:, :3] = normals * 127
    pieces[1:3] = steps.tobytes(), small.tobytes()
    box = {"min": steps[:, :3].min(0).tolist(), "max": steps[:, :3].max(0).tolist()}
    document["accessors"][1] |= {"componentType": 5123, **box}
    document["accessors"][2] |= {"componentType": 5120, "normalized": True}
    document["bufferViews"][1] = {"buffer": 0, "byteLength": 192, "byteStride": 8}
    document["bufferViews"][2] = {"buffer": 0, "byteLength": 96, "byteStride": 4}
    document["nodes"][0] |= {"translation": [-10, 0, -5], "scale": [0.01] * 3}
    document["extensionsUsed"].append("KHR_mesh_quantization")
    document["extensionsRequired"] = ["KHR_mesh_quantization"]
    return document, pieces


def compressed() -> tuple[Document, list[bytes]]:
    """The block in EXT_meshopt_compression, with a fallback buffer that is empty."""
    document, pieces = quantized()
    views, end = document["bufferViews"], 0
    for number, (stride, count) in enumerate(((2, 36), (8, 24), (4, 24), (4, 24))):
        mode = "ATTRIBUTES" if number else "TRIANGLES"
        kind = f"V{stride}" if number else "<u2"
        rows = np.frombuffer(pieces[number], kind)
        rows = rows.view("u1").reshape(count, stride) if number else rows
        pieces[number] = meshopt.encode_gltf_buffer(rows, mode)
        views[number] = {
            "buffer": 1,
            "byteOffset": end,
            "byteLength": stride * count,
            "extensions": {
                "EXT_meshopt_compression": {
                    "buffer": 0,
                    "byteLength": len(pieces[number]),
                    "byteStride": stride,
                    "count": count,
                    "mode": mode,
                }
            },
        } | ({"byteStride": stride} if number else {})
        end += stride * count + -stride * count % 8
    fallback = {"EXT_meshopt_compression": {"fallback": True}}
    document["buffers"] = [{}, {"byteLength": end, "extensions": fallback}]
    document["extensionsUsed"].append("EXT_meshopt_compression")
    document["extensionsRequired"].append("EXT_meshopt_compression")
    return document, pieces


def packed(made: tuple[Document, list[bytes]]) -> bytes:
    """A GLB of a document and its pieces, each put where its view or its compressed view is."""
    document, pieces = made
    data = b""
    for view, piece in zip(document["bufferViews"], pieces, strict=True):
        view.get("extensions", {}).get("EXT_meshopt_compression", view)["byteOffset"] = len(data)
        data += piece + bytes(-len(piece) % 8)
    buffers = document.setdefault("buffers", [{}])
    buffers[0]["byteLength"] = len(data)
    return pack(document, data)


def b3dm(glb: bytes, features: Document) -> bytes:
    text = json.dumps(features).encode()
    text += b" " * (-(28 + len(text)) % 8)
    size = 28 + len(text) + len(glb)
    return struct.pack("<4s6I", b"b3dm", 1, size, len(text), 0, 0, 0) + text + glb
