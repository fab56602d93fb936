"""Devices, what each is bound to, and the quantities it measures."""

import re
from typing import Final

import numpy as np

from cim.load import references
from cim.load.fields import Field
from cim.load.kind import Context, Kind
from cim.load.references import BUILDING, ENTRANCE, ESTATE, FACILITY, RESOLVED, ROOM, UNIT
from cim.load.rows import Rows
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

BOUND: Final = references.OBJECTS | {"facility": "facility", "设施": "facility"}
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
          codes="device_class", words=CLASSES),
    Field("name", "text", "设备名称", "name", ("名称",)),
    Field("bind_type", "code", "绑定类型", "unit, entrance, building, estate, facility",
          ("绑定对象", "bound_to"), words=BOUND),
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
    UNIT,
    ROOM,
    ESTATE,
    FACILITY,
)  # fmt: skip

_STREAM: Final = re.compile(
    r"[^:;]{1,80}+(?::[^:;]{0,40}+(?::(?:number|text|boolean|code)?(?::[0-9]{0,7}+)?)?)?"
)
"""Name, and after colons unit, type of result, seconds between readings."""


def describe(rows: Rows, context: Context) -> None:
    """A class for each, and streams that can be read."""
    found = rows.words("class_code").tolist()
    rows.columns["class_code"] = np.array([word or "other" for word in found] or [], dtype=object)
    texts = [
        text and text.replace("；", ";").replace("：", ":").rstrip("; ")
        for text in rows.words("streams").tolist()
    ]
    rows.columns["streams"] = np.array(texts or [], dtype=object)
    wrong = [text is not None and not _readable(text) for text in texts]
    rows.set_aside(np.array(wrong, bool), "streams", "not_a_value")


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
    checks=(references.spell, describe),
    adds={
        "class_code": "text",
        "bind_type": "text",
        "bind_id": "int8",
        "estate_id": "int8",
        "facility_id": "int8",
    }
    | RESOLVED,
    key=("class_code", "name", "building_ref", "entrance_ref", "unit_ref", "room_ref"),
    key_names=("设备编号", "device_id"),
    settle=devices.settle,
    enter=devices.enter,
)
