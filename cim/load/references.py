"""Fields by which a row says what it belongs to, and the check that gets them into one spelling."""

from typing import Final

import numpy as np

from cim.addresses import Address, canonical, join, normalise, parse
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
    found = [
        None if text is None else parse(text, context.gazetteer)
        for text in rows.words("address").tolist()
    ]
    parts = [_parts(address) for address in found]
    for n, name in enumerate(BY_ADDRESS):
        rows.columns[name] = np.array([part[n] for part in parts] or [], dtype=object)


def _parts(address: Address | None) -> tuple[str | None, ...]:
    if address is None or not address.levels:
        return (None, None, None, None)
    levels = address.levels
    return (
        address.norm_text or None,
        place_of(levels) or None,
        levels.get("room_no"),
        levels.get("entrance_no"),
    )
