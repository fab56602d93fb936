"""Addresses: a ladder in columns, or a text that the parser takes apart."""

from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cim.addresses import LADDER, canonical, deepest, full_text, join, normalise, parse_many
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.references import BUILDING, UNIT
from cim.load.rows import Rows
from cim.model.addresses import address_link, std_address
from cim.model.buildings import building, entrance, unit
from cim.model.places import admin_area, estate, street
from cim.store.incoming import ladders
from cim.store.queries.incoming.ladders import BELOW, PLACE, SEPARATOR

Words: TypeAlias = NDArray[np.object_]

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
    texts = rows.words("full_text")
    rows.set_aside(_longer(texts, LONGEST), "full_text", "too_long")
    given = {
        name: _spelt(name, rows.words(name).tolist()) for name in LADDER if name in context.mapped
    }
    below = np.zeros(len(rows), bool)
    for name, column in given.items():
        if LADDER[name] > LADDER["village"]:
            below |= _filled(column)
    readable = rows.keep & ~below & _filled(texts)
    read = texts.copy()
    read[~readable] = None
    found = parse_many(read.tolist(), context.gazetteer)
    unsure = found.pop("remainder").astype(bool)
    _overlay(found, given)
    rows.set_aside(~found["norm_text"].astype(bool), "full_text", "no_levels")
    rows.set_aside(_longer(found["norm_text"], LONGEST), None, "too_long")
    found["level"] = np.maximum(found["level"], 1)
    status = rows.words("status")
    found["status"] = np.where(_filled(status), status, np.where(unsure, "待核", "标准"))
    found["full_text"] = _written(texts, found)
    rows.columns |= found


def _filled(column: Words) -> NDArray[np.bool_]:
    """Where a column has a value."""
    filled: NDArray[np.bool_] = column != np.array(None)
    return filled


def _longer(texts: Words, most: int) -> NDArray[np.bool_]:
    return np.fromiter((len(text or "") > most for text in texts.tolist()), bool, len(texts))


def _spelt(level: str, values: list[str | None]) -> Words:
    """Values of one level in one spelling; each different one is looked at once."""
    known = {
        value: (canonical(level, normalise(value)) or None) if value else None
        for value in set(values)
    }
    return np.array([known[value] for value in values] or [], dtype=object)


def _overlay(found: dict[str, NDArray[Any]], given: dict[str, Words]) -> None:
    """Put columns over what was read from the texts, and join anew the rows that they change."""
    touched = np.zeros(len(found["norm_text"]), bool)
    for name, column in given.items():
        filled = _filled(column)
        found[name][filled] = column[filled]
        touched |= filled
    rows = np.flatnonzero(touched)
    if not rows.size:
        return
    levels = _ladders(found, rows)
    found["norm_text"][rows] = np.array([join(item) for item in levels], dtype=object)
    found["level"][rows] = [deepest(item) for item in levels]


def _ladders(found: dict[str, NDArray[Any]], rows: NDArray[np.intp]) -> list[dict[str, str]]:
    """The filled levels of some rows."""
    columns = {name: found[name][rows].tolist() for name in LADDER}
    columns = {name: values for name, values in columns.items() if any(values)}
    return [
        {name: value for name, value in zip(columns, row, strict=True) if value}
        for row in zip(*columns.values(), strict=True)
    ] or [{} for _ in rows]


def _written(texts: Words, found: dict[str, NDArray[Any]]) -> Words:
    """The text as it came, composed of the columns where there is none."""
    written = texts.copy()
    bare = np.flatnonzero(~_filled(texts))
    if bare.size:
        composed = [full_text(levels) for levels in _ladders(found, bare)]
        written[bare] = np.array(composed, dtype=object)
    return written


def fold(rows: Rows) -> None:
    """Send the ladder down to the building once for all rows of a batch that stand there.

    Each row that is in names as `place_no` the first row that is in and has its place; that one
    alone carries the place's levels (`place`, joined by SEPARATOR) and joined text.  What follows
    in the row's own text is its `tail`.
    """
    here = np.flatnonzero(rows.keep)
    columns = [rows.columns.pop(name)[here].tolist() for name in PLACE]
    first: dict[tuple[str | None, ...], int] = {}
    keys = zip(*columns, strict=True)
    carrier = [first.setdefault(key, row) for key, row in zip(keys, here.tolist(), strict=True)]
    texts = {row: _place_text(key) for key, row in first.items()}
    norms = rows.columns["norm_text"][here].tolist()
    tails = [norm[len(texts[row]) :] for norm, row in zip(norms, carrier, strict=True)]
    put = {name: np.full(len(rows), None, dtype=object) for name in ("place", "place_text", "tail")}
    put["tail"][here] = np.array(tails or [], dtype=object)
    put["place_text"][list(texts)] = np.array(list(texts.values()), dtype=object)
    put["place"][list(texts)] = [SEPARATOR.join([word or "" for word in key]) for key in first]
    put["place_no"] = rows.row_no.copy()
    put["place_no"][here] = rows.row_no[np.array(carrier, np.int64)]
    rows.columns |= put


def _place_text(key: tuple[str | None, ...]) -> str:
    """The joined text of a place; none for a province alone, which joined texts leave out."""
    levels = {name: word for name, word in zip(PLACE, key, strict=True) if word}
    return "" if list(levels) == ["province"] else join(levels)


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
    fold=fold,
    adds={
        "full_text": "text",
        "level": "int2",
        "status": "text",
        "tail": "text",
        "place_no": "int8",
        "place": "text",
        "place_text": "text",
        **dict.fromkeys(BELOW, "text"),
    },
    key=("norm_text",),
    key_names=("地址编号", "address_id", "地址标识"),
    follow=ladders.follow,
    settle=ladders.settle,
    again=(admin_area, estate, street, building, entrance, unit, std_address, address_link),
    enter=ladders.enter,
)
