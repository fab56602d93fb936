"""The Things Stack 3 (TTN, TTI): uplinks of its MQTT and webhooks, in JSON.

    {"end_device_ids": {"device_id": "meter-7", "dev_eui": "…"},
     "received_at": "2026-01-01T00:00:01Z", "uplink_message": {"f_port": 1, "frm_payload": "AQI=",
       "decoded_payload": {"power": 1}, "received_at": "2026-01-01T00:00:00Z"}}

The device is its EUI in lower case, else its `device_id`. Without `decoded_payload` the bytes of
`frm_payload` are read by the feed's codec. Empty fields are left out by the network: `f_port` 0 is
none. What is simulated there is no reading here.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders import lorawan
from cim.feeds.decoders.values import add, bytes_of, decoder, dict_of, fault, text_of, time_of
from cim.feeds.reading import Decoded, Decoder, Frame, Message


class _Up(msgspec.Struct, gc=False):
    """An uplink as it may come."""

    f_port: int = 0
    frm_payload: Any = None
    decoded_payload: Any = None
    received_at: Any = None
    version_ids: Any = None


class _Event(msgspec.Struct, gc=False):
    """An event as it may come; what else is in it is left."""

    end_device_ids: dict[str, Any]
    received_at: Any = None
    uplink_message: _Up | None = None
    simulated: bool = False


_JSON: Final = msgspec.json.Decoder(_Event)


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The readings of an uplink; joins and downlinks have none."""
    event = _JSON.decode(payload)
    up = event.uplink_message
    if up is None:
        return
    if event.simulated:
        fault(out, "not_decodable", "a simulated uplink")
        return
    ids = event.end_device_ids
    device = text_of(ids.get("dev_eui")).lower() or text_of(ids.get("device_id"))
    given = event.received_at if up.received_at is None else up.received_at
    at, good = time_of(out, given, "received_at")
    if not good:
        return
    if up.decoded_payload:
        add(out, device, "", at, up.decoded_payload)
    elif up.frm_payload and up.decoded_payload is None:
        _bytes(out, message, up, device, at)


def _bytes(out: Decoded, message: Message, up: _Up, device: str, at: int | None) -> None:
    data = bytes_of(up.frm_payload)
    if data is None:
        fault(out, "not_decodable", "no Base64", "uplink_message.frm_payload")
        return
    kind = text_of(dict_of(up.version_ids).get("model_id"))
    lorawan.read(out, message, kind, Frame(device, "", data, up.f_port, at))


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "The Things Stack 3 uplinks",
    "The Things Stack 3 上行",
)
