"""Addresses: a ladder in columns, or a text that the parser takes apart."""

from typing import Final

import numpy as np

from cim.addresses import LADDER, canonical, deepest, full_text, join, normalise, parse
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.references import BUILDING, RESOLVED, UNIT, place_of
from cim.load.rows import Rows
from cim.model.addresses import std_address
from cim.store import ladders

LONGEST: Final = 300
"""Characters; a longer text is no address."""

_NAMES: Final[dict[str, tuple[str, str, tuple[str, ...]]]] = {
    "province": ("省", "province", ("省份",)),
    "city": ("市", "city", ("城市", "地市")),
    "county": ("县", "county", ("区", "区县", "县区", "district")),
    "town": ("镇街", "town", ("街道", "镇", "乡镇", "乡镇街道", "township")),
    "village": ("社区", "village or community", ("村", "村居", "community")),
    "squad": ("村民小组", "villagers' group", ("行政组", "组", "小组")),
    "natural_village": ("自然村", "natural village", ()),
    "zone": ("专业区", "park or market", ("园区", "工业区")),
    "road": ("街路巷", "road", ("路", "街道名称", "道路", "路名", "street")),
    "lane": ("巷", "lane", ("弄", "里巷")),
    "door_no": ("门牌号", "house number", ("门牌", "housenumber")),
    "estate_name": ("小区", "estate", ("小区名称", "楼盘", "estate")),
    "building_name": ("楼栋", "building", ("建筑物", "楼幢", "楼号", "幢号", "栋号")),
    "building_plate": ("楼牌", "building plate", ("楼牌号",)),
    "entrance_no": ("单元", "entrance", ("单元号", "梯", "entrance")),
    "floor_no": ("楼层", "storey", ("层", "所在层", "floor")),
    "room_no": ("户室", "room", ("房号", "室号", "房间号", "room")),
}

STATES: Final = {word: word for word in ("标准", "曾用", "别名", "待核")}
"""What an address is in the register."""

FIELDS = (
    Field("full_text", "text", "地址全文", "the address as text",
          ("地址", "详细地址", "标准地址", "地址描述", "原始地址", "address", "full_address",
           "addr")),
    *(Field(name, "text", *words) for name, words in _NAMES.items()),
    Field("std_code", "text", "地址编码", "official address code", ("标准地址编码",)),
    Field("status", "code", "地址状态", "标准, 曾用, 别名, 待核", words=STATES),
    BUILDING,
    UNIT,
)  # fmt: skip


def ladder(rows: Rows, context: Context) -> None:
    """The levels of each row: its columns where it has any below the community, else its text."""
    texts = rows.words("full_text").tolist()
    long = np.array([text is not None and len(text) > LONGEST for text in texts], bool)
    rows.set_aside(long, "full_text", "too_long")
    given = [name for name in LADDER if name in context.mapped]
    columns = [_spelt(name, rows.words(name).tolist()) for name in given]
    found = [
        _levels(dict(zip(given, row, strict=True)), None if aside else text)
        for *row, text, aside in zip(*columns, texts, long.tolist(), strict=True)
    ]
    _fill(rows, [levels for levels, _ in found], texts)
    unsure = [bool(remainder) for _, remainder in found]
    status = rows.words("status").tolist()
    rows.columns["status"] = np.array(
        [word or ("待核" if doubt else "标准") for word, doubt in zip(status, unsure, strict=True)]
        or [],
        dtype=object,
    )


def _spelt(level: str, values: list[str | None]) -> list[str | None]:
    """Values of one level in one spelling; each different one is looked at once."""
    known: dict[str | None, str | None] = {None: None}
    for value in values:
        if value not in known and value is not None:
            known[value] = canonical(level, normalise(value)) or None
    return [known[value] for value in values]


def _levels(columns: dict[str, str | None], text: str | None) -> tuple[dict[str, str], str]:
    """The ladder of one row and what the parser could not place."""
    levels = {name: value for name, value in columns.items() if value}
    below = any(LADDER[name] > LADDER["village"] for name in levels)
    if text is None or below:
        return levels, ""
    address = parse(text)
    return address.levels | levels, address.remainder


def _fill(rows: Rows, ladders_: list[dict[str, str]], texts: list[str | None]) -> None:
    """The columns of the table, the joined text, and the joined text down to the building."""
    for name in LADDER:
        values = [levels.get(name) for levels in ladders_]
        rows.columns[name] = np.array(values or [], dtype=object)
    norms = [join(levels) for levels in ladders_]
    empty = np.array([not norm for norm in norms], bool)
    rows.set_aside(empty, "full_text", "no_levels")
    rows.set_aside(np.array([len(norm) > LONGEST for norm in norms], bool), None, "too_long")
    rows.columns["norm_text"] = np.array(norms or [], dtype=object)
    rows.columns["level"] = np.array([max(deepest(item), 1) for item in ladders_], np.int16)
    rows.columns["place_text"] = np.array([place_of(item) for item in ladders_] or [], object)
    rows.columns["full_text"] = np.array(
        [text or full_text(item) for text, item in zip(texts, ladders_, strict=True)] or [],
        dtype=object,
    )


KIND = Kind(
    name="addresses",
    zh="地址",
    en="addresses, as a ladder in columns or as text",
    table=std_address,
    object_type="address",
    fields=FIELDS,
    geometry="point",
    needs_geometry=False,
    checks=(ladder,),
    adds=dict.fromkeys(LADDER, "text")
    | {
        "full_text": "text",
        "norm_text": "text",
        "level": "int2",
        "status": "text",
        "position_quality": "text",
        "place_text": "text",
        "admin_area_id": "int8",
        "method": "text",
        "score": "int2",
        "estate_id": "int8",
    }
    | RESOLVED,
    key=("norm_text",),
    key_names=("地址编号", "address_id", "地址标识"),
    settle=ladders.settle,
    enter=ladders.enter,
)
