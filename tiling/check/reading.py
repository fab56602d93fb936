"""Reading tiles back, strictly: glTF, b3dm and subtree files, byte by byte as the formats say.

What is stored in few bytes comes back as it was meant: quantized and normalized numbers, buffers
in EXT_meshopt_compression, contents that are gzip files.
"""

import base64
import gzip
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import meshopt
import numpy as np
from numpy.typing import NDArray

from tiling.check import limits
from tiling.formats.metadata import decode

ACCESSOR_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
"""numpy's name of glTF's component types."""

WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}

MESHOPT = "EXT_meshopt_compression"

Fetch = Callable[[str], bytes]
"""Gives the bytes of a file that a glTF refers to, by its URI."""


class Malformed(Exception):
    """A file breaks its format; the message says where, in English and Chinese."""

    def __init__(self, en: str, zh: str) -> None:
        """Keep both sentences."""
        super().__init__(en)
        self.zh = zh


class Unjudged(Malformed):
    """A file may well be sound, but is of a kind that is not read here."""


@dataclass(frozen=True)
class Glb:
    """A glTF: its document and its binary chunk, with the offset the chunk had in the file.

    `shift` is what a b3dm moves it by (RTC_CENTER), in the tile's axes; `views` keeps what was
    decompressed.
    """

    document: dict[str, Any]
    data: bytes
    offset: int
    size: int
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fetch: Fetch | None = field(default=None, repr=False)
    views: dict[int, bytes] = field(default_factory=dict, repr=False)

    def accessor(self, number: int) -> NDArray[Any]:
        """The values of an accessor as they are stored, (count,) or (count, width)."""
        item = self.document["accessors"][number]
        if "sparse" in item:
            raise Unjudged("a sparse accessor", "稀疏访问器")
        kind, width = np.dtype(ACCESSOR_TYPES[item["componentType"]]), WIDTHS[item["type"]]
        shape = (item["count"], width) if width > 1 else (item["count"],)
        if item["count"] * width > limits.NUMBERS:
            raise Malformed(f"accessor {number} has too many numbers", f"访问器 {number} 数值过多")
        if "bufferView" not in item:
            return np.zeros(shape, kind)
        view = self.document["bufferViews"][item["bufferView"]]
        data = self.view(item["bufferView"])
        stride = view.get("byteStride", kind.itemsize * width)
        start = item.get("byteOffset", 0)
        if start + stride * (item["count"] - 1) + kind.itemsize * width > len(data):
            raise Malformed(f"accessor {number} runs past the end", f"访问器 {number} 越界")
        strides = (stride, kind.itemsize)[: len(shape)]
        return np.ndarray(shape, kind, data, start, strides)

    def values(self, number: int) -> NDArray[np.float64]:
        """The values of an accessor as numbers: those that are normalized between -1 and 1."""
        stored = self.accessor(number)
        found = stored.astype(float)
        if self.document["accessors"][number].get("normalized") and stored.dtype.kind in "iu":
            found = np.maximum(found / np.iinfo(stored.dtype).max, -1)
        return found

    def view(self, number: int) -> bytes:
        """The bytes of a buffer view, decompressed; raises Malformed where they are not there."""
        if number not in self.views:
            item = self.document["bufferViews"][number]
            packed = item.get("extensions", {}).get(MESHOPT)
            self.views[number] = _unpacked(self, number, packed) if packed else self._piece(item)
        return self.views[number]

    def column(self, name: str, table: int = 0) -> NDArray[Any]:
        """The numbers of a property of a property table."""
        metadata = self.document["extensions"]["EXT_structural_metadata"]
        found = metadata["propertyTables"][table]
        item = metadata["schema"]["classes"][found["class"]]["properties"][name]
        return decode(item, self.view(found["properties"][name]["values"]), found["count"])

    def _piece(self, item: Mapping[str, Any]) -> bytes:
        """A stretch of a buffer."""
        start, length = item.get("byteOffset", 0), item["byteLength"]
        data = self._buffer(item["buffer"])
        if min(start, length) < 0 or start + length > len(data):
            raise Malformed("a buffer view runs past the end", "缓冲视图越界")
        return data[start : start + length]

    def _buffer(self, number: int) -> bytes:
        uri = self.document["buffers"][number].get("uri")
        if uri is None and number == 0:
            return self.data
        if uri is None:
            raise Malformed(f"buffer {number} has no content", f"缓冲区 {number} 没有内容")
        if uri.startswith("data:"):
            return base64.b64decode(uri.partition(",")[2])
        if self.fetch is None:
            raise Unjudged("a buffer in a file of its own", "缓冲区在单独的文件中")
        return self.fetch(uri)


def _unpacked(glb: Glb, number: int, packed: Mapping[str, Any]) -> bytes:
    """The bytes of a view in EXT_meshopt_compression."""
    item = glb.document["bufferViews"][number]
    count, stride = packed["count"], packed["byteStride"]
    if count * stride > limits.FILE:
        raise too_large(f"view {number}, unpacked,", f"缓冲视图 {number} 解压后")
    if count * stride != item["byteLength"]:
        raise Malformed(
            f"view {number} is not as long as it unpacks to", f"缓冲视图 {number} 解压长度不符"
        )
    data = glb._piece(packed)
    try:
        found = meshopt.decode_gltf_buffer(
            data, count, stride, packed["mode"], packed.get("filter", "NONE")
        )
    except (ValueError, TypeError, KeyError, AssertionError) as fault:
        raise Malformed(
            f"view {number} cannot be unpacked: {fault}", f"缓冲视图 {number} 无法解压：{fault}"
        ) from fault
    return bytes(found.tobytes())


def read_glb(path: Path) -> Glb:
    """Read a .glb; raises Malformed where its header or chunks are wrong."""
    return parse_content(path.read_bytes())


def parse_content(content: bytes, fetch: Fetch | None = None) -> Glb:
    """A tile's content: .glb, .gltf or .b3dm, or one of them as a gzip file.

    Raises Malformed where it breaks its format, Unjudged for formats that are not read here.
    """
    if content[:2] == b"\x1f\x8b":
        content = unzipped(content)
    magic = content[:4]
    if magic == b"b3dm":
        return _b3dm(content, fetch)
    if magic in (b"pnts", b"i3dm", b"cmpt", b"vctr", b"geom", b"subt"):
        raise Unjudged(f"contents of format {magic.decode()}", f"{magic.decode()} 格式的内容")
    if content.lstrip()[:1] == b"{":
        return _gltf(content, fetch)
    return _glb(content, 0, fetch)


def unzipped(content: bytes) -> bytes:
    """What a gzip file holds; raises Malformed where it is none, or holds too much."""
    try:
        with gzip.open(BytesIO(content)) as file:
            found = file.read(limits.FILE + 1)
    except (OSError, EOFError, zlib.error) as fault:
        raise Malformed(f"no gzip file: {fault}", f"不是 gzip 文件：{fault}") from fault
    if len(found) > limits.FILE:
        raise too_large("what the gzip file holds", "gzip 文件的内容")
    return found


def too_large(en: str, zh: str, most: int | None = None) -> Malformed:
    """What is said of a thing that is larger than `most` bytes, or than any file."""
    size = (most or limits.FILE) >> 20
    return Malformed(f"{en} is larger than {size} MB", f"{zh}超过 {size} MB")


def parsed(content: bytes) -> Any:
    """A JSON document, which may be a gzip file; raises Malformed where it is none or too large."""
    if content[:2] == b"\x1f\x8b":
        content = unzipped(content)
    if len(content) > limits.DOCUMENT:
        raise too_large("the JSON", "JSON", limits.DOCUMENT)
    try:
        return json.loads(content)
    except ValueError as fault:
        raise Malformed(f"no JSON: {fault}", f"不是 JSON：{fault}") from fault
    except RecursionError as fault:
        raise Malformed("JSON nested too deep", "JSON 嵌套过深") from fault


def _gltf(content: bytes, fetch: Fetch | None) -> Glb:
    document = parsed(content)
    if "root" in document:
        raise Unjudged("tilesets without .json in their name", "名称不含 .json 的外部瓦片集")
    return Glb(document, b"", 0, len(content), fetch=fetch)


def _glb(content: bytes, before: int, fetch: Fetch | None) -> Glb:
    """A GLB that has `before` bytes of another format before it."""
    try:
        magic, version, size = struct.unpack_from("<4sII", content)
        length, kind = struct.unpack_from("<I4s", content, 12)
        document = parsed(content[20 : 20 + length])
        start = 20 + length
        binary, second = (0, b"BIN\0")
        if start < size:
            binary, second = struct.unpack_from("<I4s", content, start)
    except (struct.error, ValueError) as fault:
        raise Malformed(f"no GLB: {fault}", f"不是 GLB：{fault}") from fault
    sound = (
        (magic, version, size, kind, second) == (b"glTF", 2, len(content), b"JSON", b"BIN\0")
        and start + (8 + binary if start < size else 0) == size
        and size % 4 == 0
    )
    if not sound:
        raise Malformed("the GLB header or its chunks are wrong", "GLB 文件头或数据块有误")
    return Glb(document, content[start + 8 :], before + start + 8, size, fetch=fetch)


def _b3dm(content: bytes, fetch: Fetch | None) -> Glb:
    """The GLB within a b3dm of 3D Tiles 1.0, moved by its RTC_CENTER."""
    try:
        _, version, size, *lengths = struct.unpack_from("<4s6I", content)
        features = parsed(content[28 : 28 + lengths[0]] or b"{}")
    except (struct.error, ValueError) as fault:
        raise Malformed(f"no b3dm: {fault}", f"不是 b3dm：{fault}") from fault
    start = 28 + sum(lengths)
    if (version, size) != (1, len(content)) or start % 8 or size % 8:
        raise Malformed("the b3dm header or its padding is wrong", "b3dm 文件头或填充有误")
    inner = content[start:]
    if len(inner) >= 12:  # the padding after the GLB is the b3dm's
        inner = inner[: struct.unpack_from("<I", inner, 8)[0]]
    glb = _glb(inner, start, fetch)
    x, y, z = features.get("RTC_CENTER", (0.0, 0.0, 0.0))
    return Glb(glb.document, glb.data, glb.offset, glb.size, (x, y, z), fetch)


@dataclass(frozen=True)
class Subtree:
    """A subtree: its document, binary part, and availability bits unpacked.

    `several` has the contents' bits, one array a content of the tiles.
    """

    document: dict[str, Any]
    data: bytes
    tiles: NDArray[np.bool_]
    several: tuple[NDArray[np.bool_], ...]
    children: NDArray[np.bool_]

    @property
    def contents(self) -> NDArray[np.bool_]:
        """Which tiles have any content."""
        found: NDArray[np.bool_] = np.logical_or.reduce([np.zeros_like(self.tiles), *self.several])
        return found

    def rows(self, schema: Mapping[str, Any], semantic: str) -> NDArray[np.float64] | None:
        """Tile metadata by its semantic, a row an available tile; None where there is none."""
        if "tileMetadata" not in self.document:
            return None
        table = self.document["propertyTables"][self.document["tileMetadata"]]
        for name, item in schema["classes"][table["class"]]["properties"].items():
            if item.get("semantic") == semantic and name in table["properties"]:
                view = self.document["bufferViews"][table["properties"][name]["values"]]
                start, length = view["byteOffset"], view["byteLength"]
                if min(start, length) < 0:
                    raise Malformed("a buffer view runs past the end", "缓冲视图越界")
                piece = self.data[start : start + length]
                width = item.get("count", 1)
                values = decode(item, piece, table["count"])
                return values.reshape(table["count"], width).astype(float)
        return None


def read_subtree(path: Path, levels: int) -> Subtree:
    """Read a .subtree of a quadtree with `levels` levels; raises Malformed where it is wrong."""
    return parse_subtree(path.read_bytes(), levels)


def parse_subtree(
    content: bytes, levels: int, children: int = 4, fetch: Fetch | None = None
) -> Subtree:
    """A subtree of `levels` levels, whose tiles have 4 children or, in an octree, 8.

    Raises Malformed where the file breaks its format.
    """
    if content[:2] == b"\x1f\x8b":
        content = unzipped(content)
    document, data = _subtree_parts(content)
    data = data if "uri" not in _first(document, "buffers") else _outside(document, fetch)
    if any(view.get("byteOffset", 0) % 8 for view in document.get("bufferViews", [])):
        raise Malformed(
            "a buffer view does not start at a multiple of 8", "缓冲视图起点不是 8 的倍数"
        )
    if not 0 < levels <= 24 or children**levels > limits.BITS:
        raise Malformed(f"a subtree of {levels} levels", f"子树有 {levels} 层")
    count = (children**levels - 1) // (children - 1)
    return Subtree(
        document,
        data,
        _bits(document, data, document["tileAvailability"], count),
        tuple(
            _bits(document, data, item, count) for item in document.get("contentAvailability", [])
        ),
        _bits(document, data, document["childSubtreeAvailability"], children**levels),
    )


def _subtree_parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The document and the binary part of a subtree file, which may also be JSON alone."""
    if content.lstrip()[:1] == b"{":
        return parsed(content), b""
    try:
        magic, version, text, binary = struct.unpack_from("<4sIQQ", content)
        document = parsed(content[24 : 24 + text])
    except (struct.error, ValueError) as fault:
        raise Malformed(f"no subtree: {fault}", f"不是 subtree：{fault}") from fault
    whole = 24 + text + binary == len(content)
    if (magic, version) != (b"subt", 1) or not whole or text % 8 or binary % 8:
        raise Malformed("the subtree header or its padding is wrong", "subtree 文件头或填充有误")
    return document, content[24 + text :]


def extensions(item: Any) -> set[str]:
    """Names of all extensions used anywhere in a document.

    >>> sorted(extensions({"extensions": {"A": {"extensions": {"B": {}}}}, "extras": {}}))
    ['A', 'B']
    """
    if isinstance(item, list):
        return set().union(*map(extensions, item))
    if not isinstance(item, Mapping):
        return set()
    found = set(item.get("extensions", {}))
    return found.union(*(extensions(value) for name, value in item.items() if name != "extras"))


def _first(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(iter(document.get(name, [])), {})
    return found


def _outside(document: Mapping[str, Any], fetch: Fetch | None) -> bytes:
    """The buffer of a subtree in a file of its own."""
    if fetch is None or len(document["buffers"]) > 1:
        raise Unjudged("subtrees with several buffers", "含多个缓冲区的 subtree")
    return fetch(document["buffers"][0]["uri"])


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
