"""Facilities and what they serve: a lift an entrance, a gate an estate."""

from typing import Final

import numpy as np

from cim.load import references
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.references import BUILDING, ENTRANCE, ESTATE, RESOLVED, ROOM, UNIT
from cim.load.rows import Rows
from cim.model.facilities import facility
from cim.store.incoming import facilities

CLASSES: Final = {
    "垃圾分类": "waste",
    "充电": "charging",
    "党群中心": "service_centre",
    "停车": "parking",
    "公园": "park",
    "消防": "fire",
    "养老": "elderly_care",
    "体育": "sport",
    "文化": "culture",
    "商业": "commerce",
    "医疗": "medical",
}
"""Words of requirements for codes of the list facility_class."""

FIELDS = (
    Field("class_code", "code", "设施类别", "class", ("类别", "设施类型", "class"),
          codes="facility_class", words=CLASSES),
    Field("name", "text", "设施名称", "name", ("名称",), required=True),
    Field("serves", "code", "服务对象", "what it serves: unit, entrance, building, estate",
          ("服务",), words=references.OBJECTS),
    Field("elevation", "number", "高度", "above ground, m", ("离地高度",), least=-200, most=1000),
    Field("area_m2", "number", "面积", "floor area, m²", ("建筑面积",), least=0, most=1e7),
    Field("open_hours", "text", "开放时间", "opening hours", ("营业时间",)),
    Field("status", "text", "设施状态", "open, closed, planned", ("状态",)),
    BUILDING,
    ENTRANCE,
    UNIT,
    ROOM,
    ESTATE,
)  # fmt: skip


def classify(rows: Rows, context: Context) -> None:
    """A class for each; what the list does not have is `other`, and its word is kept."""
    found = rows.words("class_code").tolist()
    rows.columns["class_code"] = np.array([word or "other" for word in found] or [], dtype=object)


KIND = Kind(
    name="facilities",
    zh="设施",
    en="facilities and what they serve",
    table=facility,
    object_type="facility",
    fields=FIELDS,
    geometry="point",
    needs_geometry=False,
    checks=(references.spell, classify),
    adds={"class_code": "text", "estate_id": "int8"} | RESOLVED,
    key=("class_code", "name", "building_ref", "entrance_ref"),
    key_names=("设施编号", "facility_id"),
    settle=facilities.settle,
    enter=facilities.enter,
)
