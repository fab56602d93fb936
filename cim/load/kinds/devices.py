"""Devices, what each is bound to, and the quantities it measures."""

import re
from typing import Final

import numpy as np

from cim.load import references
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.references import (
    BUILDING,
    ENTRANCE,
    ESTATE,
    FACILITY,
    PROJECT,
    RESOLVED,
    ROOM,
    STOREY,
    UNIT,
)
from cim.load.rows import Rows
from cim.load.storeys import number_of
from cim.model.devices import device
from cim.store.incoming import devices

CLASSES: Final = {
    "高空抛物": "throw_camera",
    "摄像头": "camera",
    "监控": "camera",
    "监控摄像机": "camera",
    "烟雾报警器": "smoke",
    "烟感探测器": "smoke",
    "可燃气体": "gas",
    "燃气报警器": "gas",
    "水压": "water_pressure",
    "液位": "level",
    "倾斜": "tilt",
    "裂缝": "crack",
    "燃气表": "gas_meter",
    "智能水表": "water_meter",
    "智能电表": "power_meter",
    "环境": "environment",
}
"""Words of requirements and vendors for codes of the list device_class."""

BOUND: Final = references.OBJECTS | {
    "storey": "storey",
    "楼层": "storey",
    "facility": "facility",
    "设施": "facility",
    "project": "project",
    "项目": "project",
    "建设项目": "project",
    "工地": "project",
    "幢": "building",
}
"""Words for what a device is bound to."""

STATES: Final = {
    "active": "active",
    "在用": "active",
    "正常": "active",
    "faulty": "faulty",
    "故障": "faulty",
    "removed": "removed",
    "停用": "removed",
    "拆除": "removed",
}
"""Words for the state of a device."""

FIELDS = (
    Field("class_code", "code", "设备类别", "class", ("类别", "设备类型", "class"),
          codes="device_class", words=CLASSES, strict=True),
    Field("name", "text", "设备名称", "name", ("名称",)),
    Field("bind_type", "code", "绑定类型",
          "unit, storey, entrance, facility, building, estate, project", ("绑定对象", "bound_to"),
          words=BOUND, strict=True),
    Field("bind", "text", "绑定到", "all of it in one: unit:U-1001, or unit:#7 by our id", ()),
    Field("gateway_ref", "text", "网关编号", "key of the device that it speaks through",
          ("网关", "gateway", "gateway_id")),
    Field("streams", "text", "数据流", "name:unit:number:seconds; …", ("观测项", "datastreams")),
    Field("model", "text", "型号", "model", ("设备型号",)),
    Field("serial_no", "text", "序列号", "serial number", ("出厂编号", "sn")),
    Field("protocol", "text", "协议", "how its messages arrive", ("通信协议",)),
    Field("elevation", "number", "高度", "above ground, m", ("离地高度", "安装高度"),
          least=-200, most=1000),
    Field("azimuth", "number", "方位角", "degrees from north", (), least=-360, most=360),
    Field("pitch", "number", "俯仰角", "degrees above the horizon", (), least=-90, most=90),
    Field("fov_h", "number", "水平视场角", "degrees", (), least=0, most=360),
    Field("fov_v", "number", "垂直视场角", "degrees", (), least=0, most=180),
    Field("range_m", "number", "作用距离", "reach, m", ("可视距离",), least=0, most=100_000),
    Field("install_on", "date", "安装日期", "installed", ("安装时间",)),
    Field("status", "code", "设备状态", "active, faulty, removed", ("状态",), words=STATES),
    Field("signage_present", "boolean", "有标识", "a camera's public sign is up", ("提示标识",)),
    BUILDING,
    ENTRANCE,
    STOREY,
    UNIT,
    ROOM,
    ESTATE,
    FACILITY,
    PROJECT,
)  # fmt: skip

_STREAM: Final = re.compile(
    r"[^:;]{1,80}+(?::[^:;]{0,40}+(?::(?:number|text|boolean|code)?(?::[0-9]{0,7}+)?)?)?"
)
"""Name, and after colons unit, type of result, seconds between readings."""

_BIND: Final = re.compile(r"(?P<kind>\w+)\s*[:：]\s*(?:#(?P<no>[0-9]{1,18})|(?P<key>\S.*))")


LONGEST: Final = 200
"""Characters of a key: what messages may name."""


def describe(rows: Rows, context: Context) -> None:
    """A class for each, keys that messages can name, and streams that can be read."""
    long = [word is not None and len(word) > LONGEST for word in rows.words("ext_id").tolist()]
    rows.set_aside(np.array(long, bool), "ext_id", "too_long")
    found = rows.words("class_code").tolist()
    rows.columns["class_code"] = np.array([word or "other" for word in found] or [], dtype=object)
    texts = [
        text and text.replace("；", ";").replace("：", ":").rstrip("; ")
        for text in rows.words("streams").tolist()
    ]
    rows.columns["streams"] = np.array(texts or [], dtype=object)
    wrong = [text is not None and not _readable(text) for text in texts]
    rows.set_aside(np.array(wrong, bool), "streams", "not_a_value")


def bind(rows: Rows, context: Context) -> None:
    """What each is to be bound to, taken apart; the number of the storey it names."""
    storeys = [word and number_of(word) for word in rows.words("storey_ref").tolist()]
    rows.columns["storey_no"] = np.array(
        [n if isinstance(n, int) else np.nan for n in storeys], np.float64
    )
    if "bind" not in context.mapped:
        return
    words = rows.words("bind").tolist()
    found = [word and _BIND.fullmatch(word) for word in words]
    kinds = [one and BOUND.get(one["kind"].lower()) for one in found]
    bad = [word is not None and not kind for word, kind in zip(words, kinds, strict=True)]
    rows.set_aside(np.array(bad, bool), "bind", "no_object")
    rows.columns["bind_kind"] = np.array([kind or None for kind in kinds] or [], dtype=object)
    keys = [(one["key"] or f"#{one['no']}") if one else None for one in found]
    rows.columns["bind_key"] = np.array(keys or [], dtype=object)


def _readable(text: str) -> bool:
    """Whether a text lists streams.

    >>> _readable("power:kW.h:number:3600;state"), _readable("power:kW.h:colour")
    (True, False)
    """
    return all(_STREAM.fullmatch(part.strip()) for part in text.split(";"))


KIND = Kind(
    name="devices",
    zh="设备",
    en="devices, what each is bound to, and its datastreams",
    table=device,
    object_type="device",
    fields=FIELDS,
    geometry="point",
    needs_geometry=False,
    checks=(references.spell, describe, bind),
    adds={
        "class_code": "text",
        "bind_type": "text",
        "bind_id": "int8",
        "estate_id": "int8",
        "facility_id": "int8",
        "storey_id": "int8",
        "storey_no": "int2",
        "project_id": "int8",
        "gateway_id": "int8",
        "bind_kind": "text",
        "bind_key": "text",
    }
    | RESOLVED,
    key=("class_code", "name", "building_ref", "entrance_ref", "unit_ref", "room_ref"),
    key_names=("设备编号", "device_id"),
    settle=devices.settle,
    enter=devices.enter,
)
