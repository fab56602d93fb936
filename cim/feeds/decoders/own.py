"""Our own JSON: one reading, several of a device at one time, or a list of either.

    {"device": "D-1", "at": "2026-03-09T08:00:00+08:00", "values": {"power": 1.5, "door": "open"}}
    {"device": "D-1", "stream": "power", "value": 1.5, "unit": "kW", "at": 1773014400}
    [{…}, {…}]      {"readings": [{…}, {…}]}      21.5

Over MQTT the topic `cim/v1/{sender}/{device}` or `cim/v1/{sender}/{device}/{stream}` says what the
payload does not; a bare number, text or truth is then the value. `deviceId` and `ts` are read as
`device` and `at`.
"""

from typing import Any, Final

import msgspec

from cim.codes import LISTS
from cim.feeds.reading import Decoded, Decoder, Fault, Message, Reading
from cim.feeds.times import moment

ROOT: Final = "cim/v1/"
"""Below which our own topics are."""


class _Own(msgspec.Struct, gc=False):
    """An object as it may come; what else is in it is left."""

    device: str | int | None = None
    deviceId: str | int | None = None
    stream: str | None = None
    at: Any = None
    ts: Any = None
    value: Any = None
    values: dict[str, Any] | None = None
    unit: str | None = None
    quality: int = 0
    correct: bool = False
    readings: list[Any] | None = None


_PLAIN: Final = msgspec.json.Decoder(_Own)
_LIST: Final = msgspec.json.Decoder(list[_Own])
_BARE: Final = msgspec.json.Decoder()

MOST: Final = 20_000
"""Readings of one payload that are read."""

QUALITIES: Final = frozenset(int(one["code"]) for one in LISTS["reading_quality"]["items"])
"""What may be said of how good a reading is."""


def decode(payload: bytes, message: Message) -> Decoded:
    """The readings of a payload; each that cannot be used is a fault, and the others go on."""
    out = Decoded()
    device, stream = _said(message.topic)
    try:
        first = payload.lstrip()[:1]
        if first == b"{":
            _object(_PLAIN.decode(payload), device, stream, out)
        elif first == b"[":
            _list(payload, device, stream, out)
        else:
            _one(device, stream, _Own(value=_BARE.decode(payload)), out)
    except RecursionError:
        out.faults.append(Fault("too_deep"))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        out.faults.append(Fault("not_decodable", str(error)[:200]))
    return out


def _said(topic: str) -> tuple[str, str]:
    """Device and stream of a topic of ours; empty where it does not say.

    >>> _said("cim/v1/gateway-1/meter-7/power"), _said("cim/v1/meter-7/meter-7"), _said("x/y")
    (('meter-7', 'power'), ('meter-7', ''), ('', ''))
    """
    if not topic.startswith(ROOT):
        return "", ""
    parts = topic.split("/", 4)
    return parts[3] if len(parts) > 3 else "", parts[4] if len(parts) > 4 else ""


def _list(payload: bytes, device: str, stream: str, out: Decoded) -> None:
    try:
        found = _LIST.decode(payload)
    except msgspec.ValidationError:  # one of them is at fault: find which
        found = []
        _each(_BARE.decode(payload), device, stream, out)
    if len(found) > MOST:
        out.faults.append(Fault("too_large", f"{len(found)} readings; at most {MOST}"))
        return
    for one in found:
        _object(one, device, stream, out)


def _each(found: list[Any], device: str, stream: str, out: Decoded) -> None:
    if len(found) > MOST:
        out.faults.append(Fault("too_large", f"{len(found)} readings; at most {MOST}"))
        return
    for place, one in enumerate(found):
        try:
            _object(msgspec.convert(one, _Own), device, stream, out)
        except msgspec.ValidationError as error:
            out.faults.append(Fault("not_decodable", str(error)[:200], f"[{place}]"))


def _object(one: _Own, device: str, stream: str, out: Decoded) -> None:
    if one.readings is not None:
        inner = [each for each in one.readings if not _nested(each)]
        if len(inner) < len(one.readings):
            out.faults.append(Fault("not_decodable", "readings within readings", "readings"))
        _each(inner, device, stream, out)
        return
    said = one.device if one.device is not None else one.deviceId
    device = device if said is None else str(said)
    if one.values is None:
        _one(device, one.stream or stream, one, out)
        return
    for name, value in one.values.items():
        _one(device, name, one, out, value)


def _nested(each: Any) -> bool:
    return isinstance(each, dict) and each.get("readings") is not None


_UNSAID: Final = object()


def _one(device: str, stream: str, one: _Own, out: Decoded, value: Any = _UNSAID) -> None:
    """One reading, or the fault of it."""
    value = one.value if value is _UNSAID else value
    given = one.at if one.at is not None else one.ts
    at = None if given is None else moment(given)
    if given is not None and at is None:
        out.faults.append(Fault("not_a_time", str(given)[:80], stream))
    elif not device:
        out.faults.append(Fault("not_decodable", "no device is named", stream))
    elif one.quality not in QUALITIES:
        out.faults.append(Fault("not_a_value", f"quality {one.quality}", stream))
    elif isinstance(value, str):
        out.readings.append(
            Reading(device, stream or "value", at, None, value, one.unit, one.quality, one.correct)
        )
    elif isinstance(value, int | float):
        number = _float(value)
        out.readings.append(
            Reading(device, stream or "value", at, number, None, one.unit, one.quality, one.correct)
        )
    else:
        what = "null" if value is None else type(value).__name__
        out.faults.append(Fault("not_a_value", what, stream))


def _float(value: float) -> float:
    """A number as a float; one that is too large for it is infinite, and named so later."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")


DECODER: Final = Decoder(
    decode,
    ("application/json",),
    "our own JSON: a device, a time, values by stream",
    "本系统 JSON：设备、时间、各数据流的值",
)
