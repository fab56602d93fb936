"""SensorThings 1.1 (OGC 18-088): an Observation, a list of them, or CreateObservations.

    {"phenomenonTime": "2026-01-01T00:00:00Z", "result": 21.5, "Datastream": {"@iot.id": 7}}
    [{"Datastream": {"@iot.id": 7}, "components": ["phenomenonTime", "result"],
      "dataArray@iot.count": 1, "dataArray": [["2026-01-01T00:00:00Z", 21.5]]}]

The device is the id of the Datastream (or MultiDatastream), which the payload or the topic
`v1.1/Datastreams(7)/Observations` says; the stream is `result`. Of a time that is an interval, its
begin counts.
"""

import re
from typing import Any, Final

import msgspec

from cim.feeds.decoders.values import (
    add,
    decoder,
    device_said,
    dict_of,
    fault,
    list_of,
    text_of,
    time_of,
)
from cim.feeds.reading import Decoded, Decoder, Message

_JSON: Final = msgspec.json.Decoder()
_TOPIC: Final = re.compile(r"Datastreams\(('?)([^()]{1,200})\1\)")
_LINKS: Final = ("Datastream", "MultiDatastream")


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The observations of a payload."""
    found = _TOPIC.search(message.topic)
    said = found[2] if found else device_said(message)
    for place, one in enumerate(list_of(_JSON.decode(payload))):
        if type(one) is not dict:
            fault(out, "not_decodable", "no observation", f"[{place}]")
        elif "dataArray" in one:
            _array(out, one, _device(one, said), f"[{place}].dataArray")
        else:
            _observation(out, one, _device(one, said), f"[{place}]")


def _device(one: dict[str, Any], said: str) -> str:
    for link in _LINKS:
        to = dict_of(one.get(link))
        if device := text_of(to.get("@iot.id", to.get("id"))):
            return device
    return said


def _observation(out: Decoded, one: dict[str, Any], device: str, where: str) -> None:
    """One observation; its result time stands in where it has no other."""
    given = one.get("phenomenonTime")
    given = one.get("resultTime") if given is None else given
    if type(given) is str:
        given = given.partition("/")[0]
    at, good = time_of(out, given, where)
    if not good:
        return
    if "result" in one:
        add(out, device, "result", at, one["result"])
    else:
        fault(out, "not_a_value", "no result", where)


def _array(out: Decoded, one: dict[str, Any], device: str, where: str) -> None:
    """The rows of one Datastream, whose columns `components` names."""
    names = one.get("components")
    if type(names) is not list or not all(type(name) is str for name in names):
        fault(out, "not_decodable", "no components", where)
        return
    for place, row in enumerate(list_of(one["dataArray"])):
        inside = f"{where}[{place}]"
        if type(row) is list and len(row) == len(names):
            _observation(out, dict(zip(names, row, strict=True)), device, inside)
        else:
            fault(out, "not_decodable", "not as many values as components", inside)


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "SensorThings 1.1 observations",
    "SensorThings 1.1 观测值",
)
