"""SenML in JSON or CBOR (RFC 8428): records that share a base name, time, unit and value.

    [{"bn": "urn:dev:mac:0024befffe804ff1:", "bt": 1767225600, "n": "temperature", "u": "Cel",
      "v": 21.5}, {"n": "humidity", "u": "%RH", "v": 40}]

A record's base name is the device and its name the stream; where a name comes whole, its last part
behind `/` or `:` is the stream.
"""

from typing import Any, Final

import msgspec

from cim.feeds.decoders.unit_codes import SENML
from cim.feeds.decoders.values import add, bytes_of, decoder, device_said, fault
from cim.feeds.reading import Decoded, Decoder, Message

_RELATIVE: Final = 1 << 28
"""Times below it are seconds from now (RFC 8428, 4.5.3)."""

_ENDS: Final = "/:._-"
_VERSION: Final = 10
_KNOWN: Final = frozenset("bn bt bu bv bs bver n u v vs vb vd s t ut".split())
_VALUES: Final[tuple[str, ...]] = ("v", "vs", "vb", "vd", "s")

_LABELS: Final = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
"""Labels of CBOR → names of JSON (RFC 8428, table 4)."""

_ARRAYS: Final = range(0x80, 0xA0)
"""First bytes of a list in CBOR; no JSON begins so."""

_JSON: Final = msgspec.json.Decoder(list[dict[str, Any]])


@decoder
def decode(payload: bytes, message: Message, out: Decoded) -> None:
    """The records of a pack, their bases resolved."""
    base: dict[str, Any] = {}
    said = device_said(message)
    records = _cbor(payload) if payload[:1] and payload[0] in _ARRAYS else _JSON.decode(payload)
    for place, record in enumerate(records):
        base.update((key, value) for key, value in record.items() if key[:1] == "b")
        if bad := _unusable(record, base):
            fault(out, "not_decodable", bad, f"[{place}]")
            continue
        at, known = _time(base.get("bt", 0), record.get("t", 0), message.received_at)
        if not known:
            fault(out, "not_a_time", "", f"[{place}].t")
            continue
        device, stream = _names(base.get("bn", ""), record.get("n", ""), said)
        unit = record.get("u", base.get("bu"))
        _record(out, record, base, (device, stream, at, SENML.get(unit, unit)))


def _cbor(payload: bytes) -> list[dict[str, Any]]:
    """The records of a pack in CBOR, by the names of JSON. Raises msgspec.DecodeError."""
    import cbor2  # noqa: PLC0415 - few send it

    try:
        found = cbor2.loads(payload, max_depth=4)
    except cbor2.CBORError as error:
        raise msgspec.DecodeError(f"no CBOR: {error}") from None
    if type(found) is not list or not all(type(record) is dict for record in found):
        raise msgspec.DecodeError("no list of records")
    return [
        {_LABELS.get(key) or str(key): value for key, value in record.items()} for record in found
    ]


def _unusable(record: dict[str, Any], base: dict[str, Any]) -> str:
    """Why a record may not be read: a newer version, or a field that must be understood."""
    if any(key.endswith("_") and key not in _KNOWN for key in record):
        return "a field that must be understood, and is not"
    version = base.get("bver", _VERSION)
    if type(version) is not int or version > _VERSION:
        return f"SenML of a version above {_VERSION}"
    texts = (base.get("bn", ""), record.get("n", ""), base.get("bu", ""), record.get("u", ""))
    return "" if all(type(text) is str for text in texts) else "a name or a unit that is no text"


def _time(base: Any, own: Any, now: int) -> tuple[int | None, bool]:
    """Microseconds since 1970; None is when it arrived, as no time at all or 0 says."""
    if type(base) not in (int, float) or type(own) not in (int, float):
        return None, False
    # Python's ints have no largest, and doubles no microseconds of today in a sum of large parts.
    if not (abs(base) < 1e12 and abs(own) < 1e12):
        return None, False
    seconds = base + own
    if seconds == 0:
        return None, True
    micros = round(seconds * 1_000_000)
    return (now + micros if seconds < _RELATIVE else micros), True


def _names(base: str, own: str, said: str) -> tuple[str, str]:
    """Device and stream of a record.

    >>> _names("urn:dev:mac:0a:", "temp", ""), _names("", "hall/lamp/power", "")
    (('urn:dev:mac:0a', 'temp'), ('hall/lamp', 'power'))
    >>> _names("meter-7", "", ""), _names("", "temp", "box")
    (('meter-7', 'value'), ('box', 'temp'))
    """
    if said:
        return said, own or base.rstrip(_ENDS) or "value"
    if base:
        return base.rstrip(_ENDS), own.strip(_ENDS) or "value"
    cut = max(own.rfind("/"), own.rfind(":"))
    return (own[:cut], own[cut + 1 :] or "value") if cut > 0 else (own, "value")


Where = tuple[str, str, int | None, str | None]


def _record(out: Decoded, record: dict[str, Any], base: dict[str, Any], where: Where) -> None:
    """The value of a record; its sum, where it has one, is a stream of its own."""
    device, stream, at, unit = where
    found = [key for key in _VALUES if key in record]
    if not found and "bv" in base:
        found = ["bv"]
    for key in found:
        value = base["bv"] if key == "bv" else record[key]
        if key in ("v", "s"):
            value = _sum(value, base.get("bv" if key == "v" else "bs", 0))
        if key == "vd":
            data = value if type(value) is bytes else bytes_of(value)
            size = "" if data is None else f"{len(data)} bytes"
            fault(out, "not_a_value", f"data: {size}", stream)
        elif type(value) is dict or type(value) is list:
            fault(out, "not_a_value", type(value).__name__, stream)
        else:
            add(out, device, f"{stream}.sum" if key == "s" else stream, at, value, unit)
    if not found and not {"bn", "bt", "bu", "bs", "bver"} & record.keys():
        fault(out, "not_a_value", "a record without a value", stream)


def _sum(value: Any, base: Any) -> Any:
    """A number and its base; what is no number stays, and is named so."""
    numbers = type(value) in (int, float) and type(base) in (int, float)
    return float(value) + float(base) if numbers and abs(value) < 1e300 > abs(base) else value


DECODER: Final = Decoder(
    decode,
    ("application/senml+json", "application/sensml+json", "application/senml+cbor"),
    "SenML in JSON or CBOR (RFC 8428)",
    "SenML JSON 或 CBOR（RFC 8428）",
)
