"""Fields by which a row says what it belongs to, and the check that gets them into one spelling."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cim.addresses import LADDER, canonical, join, normalise, parse_many
from cim.load.fields import Field
from cim.load.kind import Context
from cim.load.rows import Rows

OBJECTS: Final = {
    "unit": "unit",
    "房屋": "unit",
    "户": "unit",
    "entrance": "entrance",
    "单元": "entrance",
    "building": "building",
    "建筑": "building",
    "楼栋": "building",
    "estate": "estate",
    "小区": "estate",
}
"""Words for what a facility serves, or a device is bound to."""

BUILDING: Final = Field(
    "building_ref", "text", "幢编号", "key of the building",
    ("建筑编号", "建筑物编号", "楼栋编号", "building_id", "building", "bldg_id", "bldg"),
)  # fmt: skip
ENTRANCE: Final = Field(
    "entrance_ref", "text", "单元", "entrance of the building", ("单元号", "梯", "entrance")
)
STOREY: Final = Field(
    "storey_ref", "text", "楼层", "storey of the building: its number, or its name",
    ("所在楼层", "层号", "storey", "floor"),
)  # fmt: skip
UNIT: Final = Field(
    "unit_ref", "text", "房屋编号", "key of the unit", ("户编号", "房屋代码", "unit_id", "unit")
)
ROOM: Final = Field("room_ref", "text", "房号", "room number", ("室号", "户室", "room", "room_no"))
ESTATE: Final = Field(
    "estate_ref", "text", "小区编号", "key or name of the estate",
    ("小区", "小区名称", "estate_id", "estate"),
)  # fmt: skip
FACILITY: Final = Field(
    "facility_ref", "text", "设施编号", "key of the facility", ("facility_id", "facility")
)
PROJECT: Final = Field(
    "project_ref", "text", "项目编号", "key or name of the construction project",
    ("工程编号", "建设项目", "工地", "project_id", "project"),
)  # fmt: skip
ADDRESS: Final = Field(
    "address", "text", "地址", "address as text",
    ("住址", "居住地址", "详细地址", "经营地址", "地址全文", "addr"),
)  # fmt: skip

RESOLVED: Final = {"building_id": "int8", "entrance_id": "int8", "unit_id": "int8"}
"""Columns that the references are resolved into."""

BY_ADDRESS: Final = {
    "address_norm": "text",
    "address_place": "text",
    "address_room": "text",
    "address_entrance": "text",
}
"""Columns that an address as text is taken apart into."""

PLACE_LEVELS: Final = ("entrance_no", "floor_no", "room_no")
"""Levels below the building."""


def place_of(levels: dict[str, str]) -> str:
    """The joined text down to the building.

    >>> place_of({"estate_name": "丰泰花园", "building_name": "3栋", "room_no": "803"})
    '丰泰花园3栋'
    """
    return join({name: value for name, value in levels.items() if name not in PLACE_LEVELS})


def spell(rows: Rows, context: Context) -> None:
    """One spelling for rooms and entrances, and addresses taken apart."""
    for name, level in (("room_ref", "room_no"), ("entrance_ref", "entrance_no")):
        if name in context.mapped:
            rows.columns[name] = np.array(
                [v and canonical(level, normalise(v)) for v in rows.words(name).tolist()], object
            )
    if "address" not in context.mapped:
        return
    found = parse_many(rows.words("address").tolist(), context.gazetteer)
    rows.columns |= {
        "address_norm": _filled(found["norm_text"].tolist()),
        "address_place": _filled(_places(found)),
        "address_room": found["room_no"],
        "address_entrance": found["entrance_no"],
    }


def _places(found: dict[str, NDArray[Any]]) -> list[str]:
    """The joined text down to the building of each row; each different place is joined once."""
    above = [name for name in LADDER if name not in PLACE_LEVELS]
    levels = list(zip(*(found[name].tolist() for name in above), strict=True))
    known = {
        words: place_of({name: word for name, word in zip(above, words, strict=True) if word})
        for words in set(levels)
    }
    return [known[words] for words in levels]


def _filled(texts: list[str]) -> NDArray[np.object_]:
    """Texts, None where there is none."""
    filled = np.full(len(texts), None, dtype=object)
    filled[:] = [text or None for text in texts]
    return filled
