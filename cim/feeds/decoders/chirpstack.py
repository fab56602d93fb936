"""ChirpStack 4: events `up` and `status` of its MQTT and HTTP integrations, in JSON.

    {"deduplicationId": "…", "time": "2026-01-01T00:00:00Z", "deviceInfo": {"devEui": "…",
      "deviceProfileName": "meter"}, "fCnt": 10, "fPort": 1, "data": "AQI=", "object": {"power": 1}}

The device is its EUI in lower case. The network's own codec has made `object`; without one, the
bytes of `data` are read by the feed's (`cim.feeds.decoders.lorawan`). `radio` in the options gives
`rssi` and `snr` of the gateway that heard it best.
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


class _Event(msgspec.Struct, gc=False):
    """An event as it may come; what else is in it is left."""

    deviceInfo: dict[str, Any]
    time: Any = None
    fPort: int = 0
    data: Any = None
    object: Any = None
    rxInfo: Any = None
    batteryLevel: Any = None
    batteryLevelUnavailable: bool = False
    externalPowerSource: bool = False
    margin: Any = None


_JSON: Final = msgspec.json.Decoder(_Event)


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The readings of an uplink or of a status; joins, acknowledgements and logs have none."""
    event = _JSON.decode(payload)
    device = text_of(event.deviceInfo.get("devEui")).lower()
    at, good = time_of(out, event.time, "time")
    if not good:
        return
    if event.object:
        add(out, device, "", at, event.object)
    elif event.data and event.object is None:
        _bytes(out, message, event, Frame(device, "", b"", event.fPort, at))
    if message.options.get("radio"):
        _radio(out, device, at, event.rxInfo)
    # Where it is not known, or there is none, the level says 0.
    known = not (event.batteryLevelUnavailable or event.externalPowerSource)
    if known and event.batteryLevel is not None:
        add(out, device, "battery", at, event.batteryLevel, "%")
    if event.margin is not None:
        add(out, device, "margin", at, event.margin)


def _bytes(out: Decoded, message: Message, event: _Event, frame: Frame) -> None:
    data = bytes_of(event.data)
    if data is None:
        fault(out, "not_decodable", "no Base64", "data")
        return
    kind = text_of(event.deviceInfo.get("deviceProfileName"))
    lorawan.read(out, message, kind, Frame(frame.device, "", data, frame.port, frame.at))


def _radio(out: Decoded, device: str, at: int | None, heard: Any) -> None:
    """How the gateway that heard it best heard it."""
    found = [one for one in map(dict_of, list_of(heard)) if type(one.get("rssi")) in (int, float)]
    if found:
        best = max(found, key=lambda one: one["rssi"])
        add(out, device, "rssi", at, best["rssi"], "dB[mW]")
        if "snr" in best:
            add(out, device, "snr", at, best["snr"], "dB")


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "ChirpStack 4 uplinks and status",
    "ChirpStack 4 上行与状态",
)
