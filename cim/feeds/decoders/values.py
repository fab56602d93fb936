"""What all formats share: how much is read of a payload, and how its values become readings."""

import base64
import binascii
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, Final, TypeVar

import msgspec

from cim.codes.persons import refused
from cim.feeds.reading import Decode, Decoded, Fault, Message, Reading
from cim.feeds.times import moment

LARGEST: Final = 4 << 20
"""Bytes of a payload that are read; a batch of 20,000 readings has about 2 MB."""

MOST: Final = 20_000
"""Readings of one payload that are read."""

DEEPEST: Final = 8
"""Objects and lists within one another that are read below a value."""

LONGEST: Final = 1_000
"""Characters of a text that is a value."""

NAME: Final = 200
"""Characters of a device's key, or of a path."""

T = TypeVar("T")


class _TooMany(Exception):
    """A payload with more readings than are read."""


def decoder(parse: Callable[[bytes, Message, Decoded], None]) -> Decode:
    """A decoder that never raises for what a payload holds, out of one that may.

    A payload that is too large, has too many readings, or is not of the format gives one fault and
    no reading.
    """

    def decode(payload: bytes, message: Message) -> Decoded:
        return guarded(payload, lambda out: parse(payload, message, out))

    decode.__doc__ = parse.__doc__
    return decode


def guarded(payload: bytes, fill: Callable[[Decoded], None]) -> Decoded:
    """What `fill` finds in a payload, or the one fault of a payload that cannot be read."""
    if len(payload) > LARGEST:
        return _none("too_large", f"{len(payload)} bytes; at most {LARGEST}")
    out = Decoded()
    try:
        fill(out)
    except _TooMany:
        return _none("too_large", f"more than {MOST} readings")
    except RecursionError:
        return _none("too_deep", "")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _none("not_decodable", str(error)[:LONGEST])
    return out


def _none(reason: str, detail: str) -> Decoded:
    return Decoded(faults=[Fault(reason, detail)])


def add(
    out: Decoded,
    device: str,
    path: str,
    at: int | None,
    value: Any,
    unit: str | None = None,
    quality: int = 0,
) -> None:
    """Put a value among the readings, or say what is wrong with it.

    Objects and lists become one reading each of what they hold, by path: `a.b`, `a[0]`. A truth is
    1 or 0. Raises _TooMany, which `guarded` catches.
    """
    kind = type(value)
    if kind is float or kind is int:
        number = _float(value)
        if isfinite(number):
            _keep(out, device, path, Reading(device, path, at, number, None, unit, quality))
        else:
            fault(out, "not_finite", "", path)
    elif kind is bool:
        number = 1.0 if value else 0.0
        _keep(out, device, path, Reading(device, path, at, number, None, unit, quality))
    elif kind is str:
        _text(out, Reading(device, path, at, None, value, unit, quality))
    elif kind is dict or kind is list:
        _each(out, device, path, at, value)
    else:
        fault(out, "not_a_value", "null" if value is None else kind.__name__, path)


def _each(out: Decoded, device: str, path: str, at: int | None, value: Any) -> None:
    """What an object or a list holds, each with its path."""
    stack = [(path, value, 0)]
    while stack:
        where, one, depth = stack.pop()
        if type(one) is dict:
            inner = [(f"{where}.{key}" if where else str(key), each) for key, each in one.items()]
        elif type(one) is list:
            inner = [(f"{where}[{place}]", each) for place, each in enumerate(one)]
        else:
            add(out, device, where, at, one)
            continue
        if depth >= DEEPEST:
            fault(out, "too_deep", f"more than {DEEPEST} deep", where)
        elif len(stack) + len(inner) > MOST:
            raise _TooMany
        elif (reason := refused(where)) is not None:
            fault(out, reason, "", where)
        else:
            stack.extend((name, each, depth + 1) for name, each in reversed(inner))


def _text(out: Decoded, reading: Reading) -> None:
    text = reading.text or ""
    if len(text) > LONGEST:
        fault(out, "too_large", f"a text of {len(text)} characters", reading.stream)
    elif "\x00" in text:
        fault(out, "not_a_value", "a text with a zero character", reading.stream)
    else:
        _keep(out, reading.device, reading.stream, reading)


def _keep(out: Decoded, device: str, path: str, reading: Reading) -> None:
    if (reason := refused(path)) is not None:
        fault(out, reason, "", path)
    elif not _name(device):
        fault(out, "no_device", "", path)
    elif not _name(path):
        fault(out, "no_stream", "", path)
    elif len(out.readings) >= MOST:
        raise _TooMany
    else:
        out.readings.append(reading)


def _name(text: str) -> bool:
    return bool(text) and len(text) <= NAME and "\x00" not in text


def fault(out: Decoded, reason: str, detail: str = "", path: str = "") -> None:
    """Say what of a payload cannot be used; more than MOST of them end it."""
    if len(out.faults) >= MOST:
        raise _TooMany
    out.faults.append(Fault(reason, detail[:LONGEST], path[:NAME]))


def _float(number: float) -> float:
    """A number as a float; one that is too large for it is infinite."""
    try:
        return float(number)
    except OverflowError:
        return float("inf")


def time_of(out: Decoded, given: Any, path: str = "") -> tuple[int | None, bool]:
    """The time that is given, and whether what stands there can be used; None is: none given.

    >>> time_of(Decoded(), 1767225600), time_of(Decoded(), None), time_of(Decoded(), "soon")
    ((1767225600000000, True), (None, True), (None, False))
    """
    if given is None:
        return None, True
    at = moment(given)
    if at is None:
        fault(out, "not_a_time", str(given)[:80], path)
    return at, at is not None


def text_of(given: Any) -> str:
    """A key as text: texts and whole numbers are keys, all else is none.

    >>> text_of("a-1"), text_of(170016), text_of(None), text_of({}), text_of(True)
    ('a-1', '170016', '', '', '')
    """
    if type(given) is str:
        return given
    return str(given) if type(given) is int and abs(given) < 1 << 63 else ""


def dict_of(given: Any) -> dict[str, Any]:
    """An object, or an empty one where there is none."""
    return given if type(given) is dict else {}


def list_of(given: Any) -> list[Any]:
    """A list; what is none is the only one of its own, and nothing is none.

    >>> list_of([1, 2]), list_of({"a": 1}), list_of(None)
    ([1, 2], [{'a': 1}], [])
    """
    if given is None:
        return []
    return given if type(given) is list else [given]


def bytes_of(given: Any) -> bytes | None:
    """Bytes out of Base64; None where it is none."""
    if type(given) is not str:
        return None
    try:
        return base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return None


def device_said(message: Message) -> str:
    """The device that the feed, not the payload, names: `device`, or `device_level` of the topic.

    >>> device_said(Message("a/b/up", options={"device_level": 1}))
    'b'
    """
    options: Mapping[str, Any] = message.options
    if said := text_of(options.get("device")):
        return said
    level = options.get("device_level")
    parts = message.topic.split("/")
    if type(level) is int and -len(parts) <= level < len(parts):
        return parts[level]
    return ""
