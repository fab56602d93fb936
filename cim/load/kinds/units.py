"""Units: the register of rooms, with or without a drawn outline."""

import numpy as np

from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.kinds.floors import BUILDING, housed
from cim.load.rows import Rows
from cim.load.storeys import entrance_of, number_of
from cim.model.buildings import unit
from cim.store.incoming import rooms

OCCUPANCY = {
    "自住": "自住",
    "自用": "自住",
    "出租": "出租",
    "租赁": "出租",
    "空置": "空置",
    "闲置": "空置",
    "办公": "办公",
    "停用": "停用",
    "unknown": "unknown",
    "未知": "unknown",
    "owner": "自住",
    "rented": "出租",
    "vacant": "空置",
}
"""Words for the states of use."""

FIELDS = (
    *BUILDING,
    Field("storey", "text", "楼层", "storey: its number, or its name",
          ("层号", "楼层号", "所在层", "floor", "level", "lvl", "lc"), required=True),
    Field("entrance", "text", "单元", "entrance: 1, 1单元", ("单元号", "单元编号", "梯号")),
    Field("room_no", "text", "房号", "as on the door", ("室号", "户号", "房间号", "room", "户室号"),
          required=True),
    Field("kind", "code", "用途", "use", ("房屋用途", "户室类型", "use", "类别"), codes="unit_kind",
          words={"住房": "residential", "成套住宅": "residential", "flat": "residential",
                 "apartment": "residential", "车库": "parking", "商业": "shop"}),
    Field("area_gross", "number", "建筑面积", "registered floor area, m²", ("面积", "area"),
          least=0, most=1e6, staged="numeric(14,2)"),
    Field("area_inner", "number", "套内面积", "inner floor area, m²", ("套内建筑面积",),
          least=0, most=1e6, staged="numeric(14,2)"),
    Field("area_shared", "number", "分摊面积", "apportioned shared area, m²", ("公摊面积",),
          least=0, most=1e6, staged="numeric(14,2)"),
    Field("rooms", "integer", "室数", "number of rooms", (), least=0, most=200, staged="int2"),
    Field("layout_code", "text", "户型", "layout such as 3室2厅", ("户型结构", "layout")),
    Field("occupancy_status", "code", "使用状态", "自住, 出租, 空置 …", ("居住状态", "occupancy"),
          words=OCCUPANCY),
    Field("gas_supply", "text", "燃气", "pipe, bottle, none"),
)  # fmt: skip


def named(rows: Rows, context: Context) -> None:
    """The numbers of storey and entrance, where the words are numbers."""
    storeys = [word and number_of(word) for word in rows.words("storey").tolist()]
    rows.columns["storey_no"] = np.array(
        [n if isinstance(n, int) else np.nan for n in storeys], np.float64
    )
    words = rows.words("entrance").tolist()
    entrances = [None if word is None else entrance_of(word) for word in words]
    odd = [w is not None and e is None for w, e in zip(words, entrances, strict=True)]
    rows.set_aside(np.array(odd, bool), "entrance", "not_a_value")
    rows.columns["entrance_no"] = np.array(
        [np.nan if e is None else e for e in entrances], np.float64
    )
    shapes = [None] * len(rows) if rows.geometry is None else rows.geometry.tolist()
    status = ["none" if shape is None else "floorplan" for shape in shapes]
    rows.columns["geom_status"] = np.array(status, dtype=object)


KIND = Kind(
    name="units",
    zh="房屋单元",
    en="the register of rooms, with or without a drawn outline",
    table=unit,
    object_type="unit",
    fields=FIELDS,
    geometry="polygon",
    geometry_column="outline",
    needs_geometry=False,
    checks=(housed, named),
    adds={
        "building_id": "int8",
        "by_place": "bool",
        "key_made": "bool",
        "storey_id": "int8",
        "entrance_id": "int8",
        "storey_no": "int2",
        "entrance_no": "int2",
        "geom_status": "text",
    },
    key=("building", "building_id", "entrance", "storey", "room_no"),
    key_names=("房屋编号", "房屋编码", "户室编号", "unit_id", "房屋代码"),
    settle=rooms.settle_buildings,
    place=rooms.place_units,
    enter=rooms.enter_units,
    derives=True,
)
