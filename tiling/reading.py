"""Reading tiles back, strictly: GLB and subtree files, byte by byte as the formats say."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.metadata import decode

ACCESSOR_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
"""numpy's name of glTF's component types."""

WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Malformed(Exception):
    """A file breaks its format; the message says where, in English and Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        """Keep both sentences."""
        super().__init__(en)
        self.zh = zh


@dataclass(frozen=True)
class Glb:
    """A binary glTF: its document and its binary chunk, with the offset the chunk had."""

    document: dict[str, Any]
    data: bytes
    offset: int
    size: int

    def accessor(self, number: int) -> NDArray[Any]:
        """The values of an accessor, (count,) or (count, width)."""
        item = self.document["accessors"][number]
        view = self.document["bufferViews"][item["bufferView"]]
        kind, width = np.dtype(ACCESSOR_TYPES[item["componentType"]]), WIDTHS[item["type"]]
        stride = view.get("byteStride", kind.itemsize * width)
        start = view.get("byteOffset", 0) + item.get("byteOffset", 0)
        if start + stride * (item["count"] - 1) + kind.itemsize * width > len(self.data):
            raise Malformed(f"accessor {number} runs past the end", f"访问器 {number} 越界")
        shape = (item["count"], width) if width > 1 else (item["count"],)
        strides = (stride, kind.itemsize)[: len(shape)]
        return np.ndarray(shape, kind, self.data, start, strides)

    def view(self, number: int) -> bytes:
        """The bytes of a buffer view."""
        item = self.document["bufferViews"][number]
        start = item.get("byteOffset", 0)
        return self.data[start : start + item["byteLength"]]

    def column(self, name: str) -> NDArray[Any]:
        """The numbers of a property of the first property table."""
        metadata = self.document["extensions"]["EXT_structural_metadata"]
        table = metadata["propertyTables"][0]
        item = metadata["schema"]["classes"][table["class"]]["properties"][name]
        return decode(item, self.view(table["properties"][name]["values"]), table["count"])


def read_glb(path: Path) -> Glb:
    """Read a .glb; raises Malformed where its header or chunks are wrong."""
    content = path.read_bytes()
    try:
        magic, version, size = struct.unpack_from("<4sII", content)
        length, kind = struct.unpack_from("<I4s", content, 12)
        document = json.loads(content[20 : 20 + length])
        start = 20 + length
        binary, second = struct.unpack_from("<I4s", content, start)
    except (struct.error, ValueError) as fault:
        raise Malformed(f"no GLB: {fault}", f"不是 GLB：{fault}") from fault
    sound = (
        (magic, version, size, kind, second) == (b"glTF", 2, len(content), b"JSON", b"BIN\0")
        and start + 8 + binary == size
        and size % 4 == 0
    )
    if not sound:
        raise Malformed("the GLB header or its chunks are wrong", "GLB 文件头或数据块有误")
    return Glb(document, content[start + 8 :], start + 8, size)


@dataclass(frozen=True)
class Subtree:
    """A subtree: its document, binary part, and availability bits unpacked."""

    document: dict[str, Any]
    data: bytes
    tiles: NDArray[np.bool_]
    contents: NDArray[np.bool_]
    children: NDArray[np.bool_]

    def rows(self, schema: Mapping[str, Any], semantic: str) -> NDArray[np.float64] | None:
        """Tile metadata by its semantic, a row an available tile; None where there is none."""
        if "tileMetadata" not in self.document:
            return None
        table = self.document["propertyTables"][self.document["tileMetadata"]]
        for name, item in schema["classes"][table["class"]]["properties"].items():
            if item.get("semantic") == semantic and name in table["properties"]:
                view = self.document["bufferViews"][table["properties"][name]["values"]]
                start = view["byteOffset"]
                piece = self.data[start : start + view["byteLength"]]
                values = decode(item, piece, table["count"])
                return values.reshape(table["count"], item.get("count", 1))
        return None


def read_subtree(path: Path, levels: int) -> Subtree:
    """Read a .subtree of a quadtree with `levels` levels; raises Malformed where it is wrong."""
    content = path.read_bytes()
    try:
        magic, version, text, binary = struct.unpack_from("<4sIQQ", content)
        document = json.loads(content[24 : 24 + text])
    except (struct.error, ValueError) as fault:
        raise Malformed(f"no subtree: {fault}", f"不是 subtree：{fault}") from fault
    whole = 24 + text + binary == len(content)
    if (magic, version) != (b"subt", 1) or not whole or text % 8 or binary % 8:
        raise Malformed("the subtree header or its padding is wrong", "subtree 文件头或填充有误")
    data = content[24 + text :]
    if any(view.get("byteOffset", 0) % 8 for view in document.get("bufferViews", [])):
        raise Malformed(
            "a buffer view does not start at a multiple of 8", "缓冲视图起点不是 8 的倍数"
        )
    count = (4**levels - 1) // 3
    return Subtree(
        document,
        data,
        _bits(document, data, document["tileAvailability"], count),
        _bits(document, data, document["contentAvailability"][0], count),
        _bits(document, data, document["childSubtreeAvailability"], 4**levels),
    )


def _bits(
    document: Mapping[str, Any], data: bytes, item: Mapping[str, Any], count: int
) -> NDArray[np.bool_]:
    """Availability bits; raises Malformed for a wrong length, count or trailing bit."""
    if "constant" in item:
        return np.full(count, bool(item["constant"]))
    view = document["bufferViews"][item["bitstream"]]
    packed = np.frombuffer(data, np.uint8, view["byteLength"], view["byteOffset"])
    bits = np.unpackbits(packed, bitorder="little").astype(bool)
    if packed.size != (count + 7) // 8:
        raise Malformed("an availability has the wrong length", "可用性位图长度有误")
    if bits[count:].any():
        raise Malformed("trailing availability bits are not 0", "可用性位图的多余位不为 0")
    if bits.sum() != item.get("availableCount", bits.sum()):
        raise Malformed("availableCount is wrong", "availableCount 有误")
    return bits[:count]
