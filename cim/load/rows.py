"""A batch being checked: its columns by field, what is wrong with which row, and why."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cim.load.source import Batch

REASONS: dict[str, tuple[str, str]] = {
    "no_geometry": ("no geometry", "没有几何"),
    "broken_geometry": ("the geometry cannot be read", "几何无法解析"),
    "wrong_geometry": ("another kind of geometry than needed", "几何类型不符"),
    "invalid_geometry": (
        "the outline crosses itself and cannot be mended without changing its area by over 1 %",
        "轮廓自相交，修复会使面积变化超过 1 %",
    ),
    "vast": ("the outline is larger than any building", "轮廓大于任何建筑"),
    "sliver": ("the outline encloses no area", "轮廓面积几乎为零"),
    "out_of_range": (
        "coordinates outside the range of the coordinate system",
        "坐标超出坐标系范围",
    ),
    "not_a_value": ("the value cannot be read as this field", "值无法按该字段解析"),
    "not_listed": (
        "the word is no code of its list, nor a name of one",
        "该词不在代码表中，也不是其中的名称",
    ),
    "too_small": ("the value is too small to be true", "值过小，不合理"),
    "too_large": ("the value is too large to be true", "值过大，不合理"),
    "missing": ("a required value is missing", "缺少必填值"),
    "uneven": (
        "the row has more or fewer cells than the table has columns",
        "该行的单元格数与列数不符",
    ),
    "height_per_floor": (
        "height and number of floors do not go together",
        "高度与层数不相符",
    ),
    "duplicate": ("another row of the file has this key", "文件中另有一行使用相同编号"),
    "rounded": (
        "a spreadsheet has rounded this code; import the column as text and load it again",
        "编号已被电子表格改成科学计数；请将该列按文本导入后重新载入",
    ),
    "companion": (
        "another row of this key was set aside: the two belong together",
        "相同编号的另一行已暂存，须一并修改后导入",
    ),
    "scattered": (
        "another row far away has this key: it is no key of buildings",
        "相同编号的另一行相距很远，该编号不是建筑编号",
    ),
    "nowhere": (
        "no key of a building, and no footprint that takes a third of the outline",
        "没有建筑编号，且轮廓所在位置没有建筑",
    ),
    "no_building": ("no building goes by this key", "找不到该编号的建筑"),
    "ambiguous_building": (
        "several sources have a building of this key; say which with --source",
        "多个来源都有该编号的建筑，请用 --source 指明",
    ),
    "no_unit": ("no unit goes by this key or room number", "找不到该编号或房号的房屋"),
    "ambiguous_unit": (
        "several units go by this room number; say the entrance or the unit's key",
        "有多套房屋使用该房号，请写明单元或房屋编号",
    ),
    "no_entrance": ("the building has no such entrance", "该建筑没有这个单元"),
    "no_estate": ("no estate goes by this key or name", "找不到该编号或名称的小区"),
    "no_facility": ("no facility goes by this key", "找不到该编号的设施"),
    "no_project": (
        "no construction project goes by this key or name",
        "找不到该编号或名称的建设项目",
    ),
    "ambiguous": (
        "several sources have something of this key; say which with --source",
        "多个来源都有该编号，请用 --source 指明",
    ),
    "no_object": (
        "write KIND:KEY, or KIND:#7 by our id; kinds are unit, entrance, storey, building, estate, "
        "facility, project",
        "应写作 类别:编号 或 类别:#内部编号；类别有 房屋、单元、楼层、建筑、小区、设施、项目",
    ),
    "own_gateway": ("a device is not its own gateway", "设备不能以自己为网关"),
    "no_device": ("no device goes by this key", "找不到该编号的设备"),
    "unlike_unit": (
        "its unit measures something else than the stream's, or is none",
        "计量单位无效，或与数据流的单位不是同一种量",
    ),
    "no_home": ("it does not say where the person lives", "没有写明居住的房屋"),
    "no_levels": ("no part of an address can be read from it", "无法从中识别出地址"),
    "too_long": ("the text is too long", "文字过长"),
    "not_a_time": ("it cannot be read as a time", "无法解析为时间"),
    "odd_time": ("the time lies before 2000 or after tomorrow", "时间早于 2000 年或晚于明天"),
    "not_a_code": ("it does not have the shape of such a code", "编码格式不符"),
    "unknown_area": (
        "no code, and not exactly one area is known by this name",
        "没有区划代码，且按名称不能唯一确定区划",
    ),
    "no_storey": ("no storey of the building goes by this name", "该建筑没有这一楼层"),
    "room_taken": (
        "another row or source has a unit of this number on this storey",
        "同一楼层已有相同房号的房屋单元",
    ),
}
"""Why a row is set aside: code → sentence in English and in Chinese."""


@dataclass
class Faults:
    """Rows set aside, as columns."""

    row_no: list[int] = dataclasses.field(default_factory=list)
    place: list[int] = dataclasses.field(default_factory=list)
    field: list[str | None] = dataclasses.field(default_factory=list)
    value: list[str | None] = dataclasses.field(default_factory=list)
    reason: list[str] = dataclasses.field(default_factory=list)

    def __len__(self) -> int:
        """How many."""
        return len(self.row_no)


@dataclass
class Rows:
    """Rows on their way in.

    `columns` holds a numpy column for every mapped field, and what checks add; `geometry` shapely
    geometries in CGCS2000 degrees, or None where the kind or the file has none; `keep` which rows
    are still in; `extra` values by column of the file that go to `attrs` though they were mapped.
    """

    batch: Batch
    columns: dict[str, NDArray[Any]]
    geometry: NDArray[np.object_] | None
    keep: NDArray[np.bool_]
    faults: Faults = dataclasses.field(default_factory=Faults)
    warnings: Counter[str] = dataclasses.field(default_factory=Counter)
    repaired: NDArray[np.bool_] | None = None
    extra: dict[str, NDArray[Any]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        """Rows in the batch, those set aside included."""
        return len(self.keep)

    @property
    def row_no(self) -> NDArray[np.int64]:
        """Numbers of the rows in the file."""
        return self.batch.row_no

    def numbers(self, name: str) -> NDArray[np.float64]:
        """A numeric column; all NaN where the file has none."""
        found = self.columns.get(name)
        return np.full(len(self), np.nan) if found is None else np.asarray(found, np.float64)

    def words(self, name: str) -> NDArray[np.object_]:
        """A column of text; all None where the file has none."""
        found = self.columns.get(name)
        return np.full(len(self), None, dtype=object) if found is None else found

    def set_aside(
        self,
        mask: NDArray[np.bool_],
        field: str | None,
        reason: str,
        values: NDArray[Any] | None = None,
    ) -> None:
        """Take rows out, with the reason; a row that is out already keeps its first one."""
        places = np.flatnonzero(mask & self.keep)
        if not places.size:
            return
        if values is None and field is not None:
            values = self.columns.get(field)
        self.keep[places] = False
        self.faults.row_no += self.row_no[places].tolist()
        self.faults.place += places.tolist()
        self.faults.field += [field] * len(places)
        self.faults.value += [
            None if values is None or values[place] is None else _typed(values[place])[:200]
            for place in places
        ]
        self.faults.reason += [reason] * len(places)

    def warn(self, mask: NDArray[np.bool_], reason: str) -> None:
        """Count rows that come in although something about them is odd."""
        count = int(np.count_nonzero(mask & self.keep))
        if count:
            self.warnings[reason] += count


def records(batch: Batch, places: NDArray[np.integer[Any]] | list[int]) -> list[bytes]:
    """Rows as they came, as JSON objects by column of the file, without what is null."""
    some = batch.columns.take(np.asarray(places, np.int64))
    return objects({name: some.column(name).to_pylist() for name in some.schema.names}, len(some))


def objects(columns: Mapping[str, Any], count: int) -> list[bytes]:
    """One JSON object a row from columns of equal length; null and NaN are left out.

    >>> objects({"a": [1, None], "b": [float("nan"), "x"]}, 2)
    [b'{"a":1}', b'{"b":"x"}']
    >>> objects({}, 0)
    []
    """
    if not columns:
        return [b"{}"] * count
    names = list(columns)
    return [
        orjson.dumps(
            {n: v for n, v in zip(names, row, strict=True) if known(v)},
            default=_plain,
            option=orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY,
        )
        for row in zip(*columns.values(), strict=True)
    ]


def _typed(value: Any) -> str:
    """A value as a person would type it: whole numbers without a decimal point."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    return f"{value:.0f}" if whole else str(value)


def known(value: object) -> bool:
    """Whether there is a value: neither None nor NaN, which alone differs from itself."""
    return value is not None and value == value  # noqa: PLR0124 - the test for NaN


def _plain(value: Any) -> str:
    """What JSON has no word for: bytes as hexadecimal, the rest as text."""
    return value.hex() if isinstance(value, bytes) else str(value)
