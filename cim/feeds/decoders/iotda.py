"""Huawei Cloud IoTDA: what its rules forward, in JSON.

    {"resource": "device.property", "event": "report", "event_time": "20260101T000000Z",
     "notify_data": {"header": {"device_id": "…", "product_id": "…"}, "body": {"services": [
       {"service_id": "Meter", "properties": {"power": 1.5}, "event_time": "20260101T000000Z"}]}}}

A stream is service and property, `Meter.power`. `device.status` is the stream `online`; a
`device.message` whose content is an object is read as values. Other resources have no readings.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders.values import add, decoder, dict_of, fault, list_of, text_of, time_of
from cim.feeds.reading import Decoded, Decoder, Message

_JSON: Final = msgspec.json.Decoder()
_ONLINE: Final = {"ONLINE": True, "OFFLINE": False}


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The readings of one push, or of a list of them."""
    for place, one in enumerate(list_of(_JSON.decode(payload))):
        if type(one) is not dict or type(one.get("resource")) is not str:
            fault(out, "not_decodable", "no resource", f"[{place}]")
        else:
            _push(out, one)


def _push(out: Decoded, one: dict[str, Any]) -> None:
    data = dict_of(one.get("notify_data"))
    # A change of status has been seen with its body beside `notify_data` too.
    body = dict_of(data.get("body")) or dict_of(one.get("body"))
    device = text_of(dict_of(data.get("header")).get("device_id"))
    given = one.get("event_time_ms", one.get("event_time"))
    resource = one["resource"]
    if resource == "device.property":
        for place, service in enumerate(list_of(body.get("services"))):
            _service(out, device, given, dict_of(service), f"services[{place}]")
    elif resource == "device.status":
        given = body.get("status_update_time", given)
        at, good = time_of(out, given, "status_update_time")
        status = text_of(body.get("status"))
        if good:
            add(out, device, "online", at, _ONLINE.get(status, status))
    elif resource == "device.message":
        at, good = time_of(out, given, "event_time")
        content = body.get("content")
        if good and type(content) is dict:
            add(out, device, "", at, content)
        elif good:
            fault(out, "not_a_value", "a message whose content is no object", "content")


def _service(out: Decoded, device: str, given: Any, service: dict[str, Any], where: str) -> None:
    at, good = time_of(out, service.get("event_time", given), f"{where}.event_time")
    name = text_of(service.get("service_id"))
    if not good:
        return
    for key, value in dict_of(service.get("properties")).items():
        add(out, device, f"{name}.{key}" if name else key, at, value)


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "Huawei Cloud IoTDA pushes",
    "华为云 IoTDA 推送",
)
