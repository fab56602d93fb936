"""What a load did, in numbers and in two languages."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from cim.load.rows import REASONS
from cim.store.incoming.stage import Counts

STEPS = {
    "wait": "waiting for another load of this kind 等待同类数据的另一载入任务",
    "read": "reading 读取",
    "compare": "comparing 比对",
    "keep": "keeping 写入",
    "units": "storeys and units 楼层与房屋单元",
    "ground": "ground under buildings 建筑地面高程",
    "commit": "making it final 提交",
}
"""The steps of a load, in words."""

ODD = {
    "unknown_code": (
        "code not in the list, kept among the further fields",
        "代码不在代码表中，原值已保留",
    ),
    "no_height_no_floors": ("neither height nor floors: assumed", "既无高度也无层数：按默认值"),
    "height_per_floor": ("height and floors do not go together", "高度与层数不相符"),
    "tiny": ("outline under 1 m²", "轮廓不足 1 平方米"),
    "reassigned": (
        "buildings put into another area, grid or estate",
        "建筑的所属区划、网格或小区已更新",
    ),
    "unlinked": ("addresses of no building or estate that is known", "地址未关联到任何建筑或小区"),
    "unsure_place": (
        "places of addresses with several buildings equally near: linked with half the score",
        "地址位置附近有多幢建筑距离相近：已关联，可信度减半",
    ),
    "repeated": (
        "readings of one stream at one time: the last one holds",
        "同一数据流同一时刻有多个读数：以最后一个为准",
    ),
    "persons": (
        "readings of faces, plates, voices, or of who somebody is: nothing of them is kept",
        "人脸、车牌、语音或个人身份类读数：一律不予保存",
    ),
    "out_of_range": (
        "readings outside of what can be true of their stream: kept, and in no sum",
        "超出数据流有效范围的读数：已保存，不参与汇总",
    ),
    "past": (
        "readings older than their stream keeps: summed up by the hour and day, then taken away",
        "早于数据流保存期限的读数：汇总为小时值、日值后将被清理",
    ),
    "no_solid": ("rooms without a solid: listed, not drawn", "没有实体的房间：仅登记，无轮廓"),
    "uneven_room": (
        "rooms that are no prisms: their unit is measured by the solid",
        "非棱柱房间：房屋单元按实体体积计",
    ),
    "overlapping_rooms": ("rooms of a model that overlap", "模型中互相重叠的房间"),
    "unclear_z": (
        "heights of outlines that do not fit the storeys: left aside",
        "轮廓高程与楼层不符：未采用",
    ),
    "outline_dropped": ("outline left out, row kept", "轮廓无法使用，仅保留属性"),
}
"""What came in although it is odd, in words."""


class Aside(NamedTuple):
    """A row that was set aside; no value of personal data."""

    row_no: int
    field: str | None
    value: str | None
    reason: str


ENOUGH = 20
"""Rows below which nothing is doubted."""


@dataclass
class Report:
    """The outcome of one file."""

    kind: str
    file: str
    source: str
    crs: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    read: int = 0
    counts: Counts = field(default_factory=Counts)
    repaired: int = 0
    merged: int = 0
    aside: dict[str, int] = field(default_factory=dict)
    warnings: Counter[str] = field(default_factory=Counter)
    notes: list[tuple[str, str]] = field(default_factory=list)
    seconds: float = 0.0
    mended: int = 0
    first: list[Aside] = field(default_factory=list)
    import_id: int | None = None
    inside: int = 0
    """Storeys, units and rooms that the buildings of the file come with."""

    @property
    def set_aside(self) -> int:
        """Rows that did not come in."""
        return sum(self.aside.values())

    @property
    def came_in(self) -> int:
        """Rows of the file that are in the store now, pieces of one thing counted once."""
        return self.counts.new + self.counts.changed + self.counts.unchanged

    @property
    def exit_code(self) -> int:
        """0 all in, 1 some set aside, 2 nothing loaded."""
        if self.came_in == 0:
            return 2
        return 1 if self.set_aside else 0

    @property
    def doubts(self) -> list[tuple[str, str]]:
        """Whether this may be another file than the one that its source's name stands for."""
        counts = self.counts
        known = counts.changed + counts.unchanged
        before = known + counts.missing
        if self.mended or counts.ended or before < ENOUGH:
            return []
        name = f"--source {self.source}-2"
        if known * 10 < min(self.came_in, before):
            return [(
                f"hardly any row is known from {self.source} ({known:,} of {self.came_in:,}): if "
                f"this is another file that only goes by the same name, load it with {name}",
                f"与来源“{self.source}”已有数据几乎没有相同的行"
                f"（{self.came_in:,} 行中 {known:,} 行）：若只是文件重名，请用 {name} 另行导入",
            )]  # fmt: skip
        if counts.changed * 10 > known * 9 and known * 2 > before and self.came_in >= ENOUGH:
            return [(
                f"almost every known row of {self.source} has changed ({counts.changed:,}): if "
                f"this is another file with keys like its, load it with {name}",
                f"来源“{self.source}”几乎所有行都有变化（{counts.changed:,} 行）："
                f"若是编号相似的另一份数据，请用 {name} 另行导入",
            )]  # fmt: skip
        if counts.missing * 2 > before:
            return [(
                f"more than half of what {self.source} had is not in this file "
                f"({counts.missing:,} of {before:,}): it stays; --full ends it",
                f"来源“{self.source}”的数据有一半以上不在本文件中"
                f"（{before:,} 行中 {counts.missing:,} 行）：原有数据保留；"
                "文件完整时用 --full 终止",
            )]  # fmt: skip
        return []

    def stats(self) -> dict[str, Any]:
        """The numbers alone, as kept with the import."""
        return {
            "read": self.read,
            **asdict(self.counts),
            "repaired": self.repaired,
            "merged": self.merged,
            "set_aside": self.aside,
            "warnings": dict(self.warnings),
            "seconds": round(self.seconds, 3),
        }

    def as_json(self) -> dict[str, Any]:
        """All of it with its words, as the service answers it and keeps it with a job."""
        return {
            "kind": self.kind,
            "file": self.file,
            "source": self.source,
            "crs": self.crs,
            "mapping": self.mapping,
            "guessed": list(self.guessed),
            "read": self.read,
            **asdict(self.counts),
            "repaired": self.repaired,
            "merged": self.merged,
            "came_in": self.came_in,
            "set_aside": self.set_aside,
            "aside": _tallies(self.aside, REASONS),
            "warnings": _tallies(self.warnings, ODD),
            "notes": [{"en": en, "zh": zh} for en, zh in (*self.notes, *self.doubts)],
            "seconds": round(self.seconds, 3),
        }


def _tallies(counts: Mapping[str, int], words: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Counts with the sentences of their codes."""
    said = ((code, *words.get(code, (code, code)), rows) for code, rows in counts.items())
    return [dict(zip(("code", "en", "zh", "rows"), one, strict=True)) for one in said]
