"""ThingsBoard's JSON: telemetry of a device, or of the devices behind a gateway.

    {"temperature": 21.5}    {"ts": 1767225600000, "values": {"temperature": 21.5}}    [{…}, {…}]
    {"Device A": [{"ts": 1767225600000, "values": {"temperature": 21.5}}], "Device B": [{…}]}

A device's own telemetry does not name it: the feed does (`device`, or `device_level` of the topic).
Topics of attributes, claims and connections hold no readings.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders.values import add, decoder, device_said, fault, list_of, time_of
from cim.feeds.reading import Decoded, Decoder, Message

_JSON: Final = msgspec.json.Decoder()
_OTHERS: Final = ("/attributes", "/connect", "/disconnect", "/claim", "/rpc")


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The telemetry of a payload."""
    if message.topic.endswith(_OTHERS):
        return
    found = _JSON.decode(payload)
    if type(found) is dict and _gateway(found, message.topic):
        for device, telemetry in found.items():
            _device(out, device, telemetry)
    else:
        _device(out, device_said(message), found)


def _gateway(found: dict[str, Any], topic: str) -> bool:
    """Whether devices are named: the topic says so, or every key has a list of objects."""
    if topic.startswith("v1/gateway/"):
        return True
    return bool(found) and all(
        type(each) is list and each and all(type(one) is dict for one in each)
        for each in found.values()
    )


def _device(out: Decoded, device: str, telemetry: Any) -> None:
    for place, one in enumerate(list_of(telemetry)):
        if type(one) is not dict:
            fault(out, "not_decodable", "no telemetry", f"[{place}]")
            continue
        values, given = one, None
        if type(one.get("values")) is dict:
            values, given = one["values"], one.get("ts")
        at, good = time_of(out, given, f"[{place}].ts")
        if not good:
            continue
        for name, value in values.items():
            add(out, device, name, at, value)


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "ThingsBoard telemetry, of a device or a gateway",
    "ThingsBoard 遥测（设备或网关）",
)
