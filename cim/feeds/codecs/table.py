"""Payload codecs as tables: which bytes are which value.

A table is either fixed (`fields` at offsets) or tagged: its bytes are a row of tags, each followed
by as many bytes as its part says. One file a maker in `tables/`, one entry a kind of device:

    {"milesight-em300": {"order": "little", "tag": 2, "parts": {
       "0367": {"size": 2, "fields": [{"name": "temperature", "type": "i16", "scale": 0.1}]}}}}
"""

import struct
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

_WIDTHS: Final = {"u8": 1, "i8": 1, "u16": 2, "i16": 2, "u24": 3, "i24": 3, "u32": 4, "i32": 4}
_FLOATS: Final = {"f32": (4, "f"), "f64": (8, "d")}

Values = dict[str, float | str | bool]


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One value: where it stands and what it means."""

    name: str
    type: Literal["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "f32", "f64"]
    at: int = 0
    """Bytes from the begin of the table, or of the part."""

    shift: int = 0
    bits: int | None = None
    """How many bits count, after `shift` to the right; one bit with no words is a truth."""

    divide: float = 1
    """What the number is divided by, before `add` is added: 10 gives exact tenths."""

    scale: float = 1
    add: float = 0
    words: dict[str, str] | None = None
    """Number → text; a number without one stays a number."""

    none: tuple[int, ...] = ()
    """Numbers, as they come, that say there is no value."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What follows a tag."""

    size: int
    fields: tuple[Field, ...] = ()


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of device."""

    en: str
    zh: str
    order: Literal["little", "big"] = "big"
    tag: int = 0
    """Bytes of a tag; 0 is a fixed layout."""

    parts: dict[str, Part] = {}
    """Tag in hexadecimal → what follows it."""

    fields: tuple[Field, ...] = ()
    port: int | None = None
    """The only port its telemetry comes on; others have no readings."""


_TABLES: Final = msgspec.json.Decoder(dict[str, Table])


@lru_cache(1)
def tables() -> dict[str, Table]:
    """Every table that comes with the program, by name."""
    found: dict[str, Table] = {}
    for file in sorted(files("cim.feeds.codecs.tables").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".json"):
            found |= _TABLES.decode(file.read_bytes())
    return found


def named(name: str) -> Table | None:
    """The table of that name."""
    return tables().get(name) if name else None


def read(table: Table, data: bytes, port: int = 1) -> tuple[Values, str]:
    """The values of a frame, and what is wrong with it (empty: nothing).

    What stands before a fault is read all the same.

    >>> read(tables()["milesight-em300"], bytes.fromhex("03672c00046817"))
    ({'temperature': 4.4, 'humidity': 11.5}, '')
    >>> read(tables()["milesight-em300"], bytes.fromhex("03672c0004"))
    ({'temperature': 4.4}, 'cut off at byte 4')
    """
    values: Values = {}
    if table.port is not None and port != table.port:
        return values, ""
    if not table.tag:
        return values, _fields(table, table.fields, data, values)
    place = 0
    while place < len(data):
        tag = data[place : place + table.tag].hex()
        part = table.parts.get(tag)
        start = place + table.tag
        if start > len(data):
            return values, f"cut off at byte {place}"
        if part is None:
            return values, f"tag {tag} at byte {place} is not known"
        if start + part.size > len(data):
            return values, f"cut off at byte {place}"
        _fields(table, part.fields, data[start : start + part.size], values)
        place = start + part.size
    return values, ""


def _fields(table: Table, fields: tuple[Field, ...], data: bytes, values: Values) -> str:
    for field in fields:
        raw = _raw(table, field, data)
        if raw is None:
            return f"cut off at byte {len(data)}"
        if raw not in field.none:
            values[field.name] = _value(field, raw)
    return ""


def _raw(table: Table, field: Field, data: bytes) -> Any:
    """The number as it stands; None where the bytes end before."""
    if field.type in _FLOATS:
        size, code = _FLOATS[field.type]
        held = data[field.at : field.at + size]
        sign = "<" if table.order == "little" else ">"
        return struct.unpack(sign + code, held)[0] if len(held) == size else None
    size = _WIDTHS[field.type]
    held = data[field.at : field.at + size]
    if len(held) < size:
        return None
    return int.from_bytes(held, table.order, signed=field.type[0] == "i")


def _value(field: Field, raw: Any) -> float | str | bool:
    if field.bits is not None:
        raw = (raw >> field.shift) & ((1 << field.bits) - 1)
    if field.words and (word := field.words.get(str(raw))) is not None:
        return word
    if field.bits == 1 and not field.words:
        return bool(raw)
    return float(raw) / field.divide * field.scale + field.add
