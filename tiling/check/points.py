"""Legacy point tiles (pnts) of any maker, as `cim tile check` judges them.

https://github.com/CesiumGS/3d-tiles/tree/main/specification/TileFormats/PointCloud
"""

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.check.reading import Malformed, Unjudged
from tiling.check.volumes import Volume, points

MAGIC = b"pnts"

HEAD = 28
"""Bytes of the header: magic, version, length, then those of the two tables."""

FARTHEST = 1e5
"""Metres from their origin beyond which float32 is coarser than a centimetre."""

SLACK = 1e-2
"""Metres that bounds may be overstepped by: rounding, no more."""

DRACO = "3DTILES_draco_point_compression"

COLUMNS = {
    "POSITION": ("<f4", 3),
    "POSITION_QUANTIZED": ("<u2", 3),
    "RGBA": ("u1", 4),
    "RGB": ("u1", 3),
    "RGB565": ("<u2", 1),
    "NORMAL": ("<f4", 3),
    "NORMAL_OCT16P": ("u1", 2),
}
"""What there may be of each point: type and numbers."""

Floats = NDArray[np.float64]
Finding = tuple[str, str, str]
"""A rule, and what is wrong in English and Chinese."""


@dataclass(frozen=True)
class Cloud:
    """A point tile taken apart: how many points, and the numbers of each, (count, n)."""

    count: int
    table: Mapping[str, Any]
    columns: Mapping[str, NDArray[Any]]

    @property
    def positions(self) -> Floats:
        """Places in the tile's frame, metres, (count, 3)."""
        if "POSITION" in self.columns:
            found = self.columns["POSITION"].astype(np.float64)
        else:
            scale = np.array(self.table["QUANTIZED_VOLUME_SCALE"], float)
            offset = np.array(self.table["QUANTIZED_VOLUME_OFFSET"], float)
            found = self.columns["POSITION_QUANTIZED"] / 65_535 * scale + offset
        centre = np.array(self.table.get("RTC_CENTER", (0, 0, 0)), float)
        placed: Floats = found + centre
        return placed


def parse_points(content: bytes) -> Cloud:
    """A point tile; raises Malformed where it is none or cut off, Unjudged where it is packed."""
    if len(content) < HEAD or content[:4] != MAGIC:
        raise Malformed("no pnts file", "不是 pnts 文件")
    version, whole, *lengths = struct.unpack("<6I", content[4:HEAD])
    if version != 1 or whole != len(content) or HEAD + sum(lengths) > whole:
        raise Malformed("the header's lengths do not fit the file", "文件头中的长度与文件不符")
    start = HEAD + lengths[0]
    table = json.loads(content[HEAD:start])
    if DRACO in table.get("extensions", {}):
        raise Unjudged("Draco compression", "Draco 压缩")
    body, count = content[start : start + lengths[1]], int(table["POINTS_LENGTH"])
    columns = {
        name: _column(body, table[name]["byteOffset"], count, kind, width)
        for name, (kind, width) in COLUMNS.items()
        if name in table
    }
    if not {"POSITION", "POSITION_QUANTIZED"} & columns.keys():
        raise Malformed("points without positions", "点没有坐标")
    return Cloud(count, table, columns)


def findings(content: bytes, matrix: Floats, volumes: Sequence[Volume]) -> Iterator[Finding]:
    """5, 14, 24: what is wrong with a point tile in a frame, below these volumes."""
    cloud = parse_points(content)
    lengths = struct.unpack("<4I", content[12:HEAD])
    ends = np.cumsum([HEAD, *lengths])
    if len(content) % 8 or any(end % 8 for end in ends[1:]):
        yield "24", "its parts are not aligned to 8 bytes", "各部分未按 8 字节对齐"
    stored = cloud.columns.get("POSITION", np.zeros((0, 3)))
    if not np.isfinite(stored).all():
        yield "5", "points that are no place", "存在无效坐标的点"
        return
    if np.abs(stored).max(initial=0) > FARTHEST:
        yield "14", "points too far from their origin for float32", "点离原点过远，单精度不足"
    on_earth = points(cloud.positions @ matrix[:3, :3].T + matrix[:3, 3])
    for number, volume in enumerate(volumes):
        out = volume.outside(on_earth, SLACK)
        if out and number == 0:
            yield "5", f"{out} points outside the tile's volume", f"{out} 个点超出瓦片范围"
        elif out:
            yield (
                "5",
                f"{out} points outside the volume of a tile above",
                f"{out} 个点超出上级瓦片范围",
            )


def _column(body: bytes, start: int, count: int, kind: str, width: int) -> NDArray[Any]:
    try:
        found = np.frombuffer(body, kind, count * width, start)
    except ValueError as fault:
        raise Malformed("a column leads out of its table", "数据列超出表的范围") from fault
    return found.reshape(count, width)
