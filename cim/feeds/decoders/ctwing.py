"""China Telecom's CTWing (AEP): what it pushes to an application, in JSON.

    {"messageType": "dataReport", "deviceId": "…", "productId": "1", "protocol": "lwm2m",
     "timestamp": 1767225600000, "payload": {"serviceId": 1, "serviceData": {"water_flow": 1.5}}}

A payload is an object of values, those of a service, of an event (`eventType`, `eventContent`), or
`APPdata`: Base64 bytes, which the feed's codec reads, by `productId`. Going online and offline is
the stream `online`. Answers to commands have no readings.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders import lorawan
from cim.feeds.decoders.values import (
    add,
    bytes_of,
    decoder,
    dict_of,
    fault,
    list_of,
    text_of,
    time_of,
)
from cim.feeds.reading import Decoded, Decoder, Frame, Message

_JSON: Final = msgspec.json.Decoder()
_REPORTS: Final = ("dataReport", "eventReport")
_ANSWER: Final = "commandResponse"
_LINES: Final = "deviceOnlineOfflineReport"


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The readings of one push, or of a list of them."""
    for place, one in enumerate(list_of(_JSON.decode(payload))):
        if type(one) is not dict or type(one.get("messageType")) is not str:
            fault(out, "not_decodable", "no messageType", f"[{place}]")
        else:
            _push(out, message, one)


def _push(out: Decoded, message: Message, one: dict[str, Any]) -> None:
    device = text_of(one.get("deviceId"))
    at, good = time_of(out, one.get("timestamp"), "timestamp")
    if not good:
        return
    kind = one["messageType"]
    if kind == _LINES:
        # 1 is online, 0 offline.
        add(out, device, "online", at, one.get("eventType", one.get("status")))
    elif kind in _REPORTS:
        _report(out, message, one, device, at)
    elif kind != _ANSWER:
        # Among them the union of reports (dataReportTupUnion), whose parts are pushed too.
        fault(out, "not_decodable", "a type of message that is not read: push dataReport", kind)


def _report(
    out: Decoded, message: Message, one: dict[str, Any], device: str, at: int | None
) -> None:
    for held in _objects(one):
        if "APPdata" in held:
            data = bytes_of(held["APPdata"])
            if data is None:
                fault(out, "not_decodable", "no Base64", "payload.APPdata")
                continue
            kind = text_of(one.get("productId"))
            lorawan.read(out, message, kind, Frame(device, "", data, 1, at))
        elif "serviceData" in held:
            add(out, device, "", at, dict_of(held["serviceData"]))
        elif "eventContent" in held:
            add(out, device, "", at, dict_of(held["eventContent"]))
        else:
            add(out, device, "", at, held)


def _objects(one: dict[str, Any]) -> list[dict[str, Any]]:
    """What a report holds: an object, some of them, or one written as a text."""
    held = one.get("payload")
    if held is None:
        held = {key: one[key] for key in ("serviceData", "eventContent") if key in one}
    if type(held) is str:
        held = _JSON.decode(held)
    return [each for each in list_of(held) if type(each) is dict]


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "China Telecom CTWing (AEP) pushes",
    "中国电信 CTWing（AEP）推送",
)
