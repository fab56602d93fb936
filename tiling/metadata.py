"""What a click finds in a tile: property tables of EXT_structural_metadata, column by column.

No personal data and nothing that changes from day to day: that is asked of the API by id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.errors import TilingError

COMPONENTS: dict[str, str] = {
    "INT8": "<i1",
    "UINT8": "<u1",
    "INT16": "<i2",
    "UINT16": "<u2",
    "INT32": "<i4",
    "UINT32": "<u4",
    "INT64": "<i8",
    "UINT64": "<u8",
    "FLOAT32": "<f4",
    "FLOAT64": "<f8",
}
"""numpy's name of each component type."""

UNKNOWN = "unknown"
"""The enum value that stands for no data."""


@dataclass(frozen=True)
class Property:
    """One column: an id that styles can name, the row's column it comes from, and its type.

    `component` is a component type, BOOLEAN, or ENUM (then `enum` is the code list); `no_data`
    stands for NULL and is no legal value.
    """

    id: str
    name: str
    description: str
    component: str
    no_data: int | None = None
    enum: str = ""


@dataclass(frozen=True)
class Table:
    """The property table of a tileset's features: its class, its properties, its code lists.

    `codes` holds for each enum the codes in their order; a code's number is its place from 1 on,
    0 is UNKNOWN.
    """

    class_id: str
    name: str
    properties: tuple[Property, ...]
    codes: Mapping[str, tuple[str, ...]]

    def schema(self) -> dict[str, Any]:
        """The schema that every tile of the tileset carries."""
        enums = {item.enum for item in self.properties if item.enum}
        found: dict[str, Any] = {
            "id": f"cimtwin_{self.class_id}",
            "classes": {
                self.class_id: {
                    "name": self.name,
                    "properties": {item.id: _describe(item) for item in self.properties},
                }
            },
        }
        if enums:
            found["enums"] = {enum: _enum(enum, self.codes[enum]) for enum in sorted(enums)}
        return found

    def columns(self, rows: Mapping[str, Sequence[Any]]) -> dict[str, bytes]:
        """Each property's values as the table stores them."""
        return {
            item.id: encode(item, rows[item.id], self.codes.get(item.enum, ()))
            for item in self.properties
        }


def encode(item: Property, values: Sequence[Any], codes: tuple[str, ...] = ()) -> bytes:
    """One column's bytes: little-endian, bit-packed where BOOLEAN, `no_data` where None.

    >>> encode(Property("year", "", "", "INT16", -32768), [2024, None]).hex()
    'e8070080'
    >>> encode(Property("use", "", "", "ENUM", enum="use"), ["b", None, "?"], ("a", "b")).hex()
    '020000'
    >>> encode(Property("generated", "", "", "BOOLEAN"), [True, False, True]).hex()
    '05'
    >>> encode(Property("height", "", "", "FLOAT32"), [])
    b''

    Raises TilingError for a number that the type cannot hold.
    """
    if item.component == "ENUM":
        number = {code: place for place, code in enumerate(codes, 1)}
        return bytes(number.get(value, 0) for value in values)
    if item.component == "BOOLEAN":
        return np.packbits(np.asarray(values, bool), bitorder="little").tobytes()
    return _numbers(item, values).tobytes()


def decode(item: Mapping[str, Any], data: bytes, count: int) -> NDArray[Any]:
    """The numbers of a column as the schema's property `item` describes it.

    >>> decode({"type": "SCALAR", "componentType": "INT16"}, bytes.fromhex("e8070080"), 2)
    array([  2024, -32768], dtype=int16)
    >>> decode({"type": "BOOLEAN"}, bytes([5]), 3)
    array([1, 0, 1], dtype=uint8)
    """
    if item["type"] == "BOOLEAN":
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits[:count]
    kind = COMPONENTS["UINT8" if item["type"] == "ENUM" else item["componentType"]]
    found: NDArray[Any] = np.frombuffer(data, kind, count * item.get("count", 1))
    return found


def _numbers(item: Property, values: Sequence[Any]) -> NDArray[Any]:
    kind = np.dtype(COMPONENTS[item.component])
    if item.no_data is not None and None in values:
        values = [item.no_data if value is None else value for value in values]
    found = np.asarray(values)
    if found.size and kind.kind in "iu":
        limits = np.iinfo(kind)
        if found.min() < limits.min or found.max() > limits.max:
            raise TilingError(
                f"{item.id} does not fit into {item.component}",
                f"{item.id} 超出 {item.component} 的取值范围",
            )
    return found.astype(kind)


def _describe(item: Property) -> dict[str, Any]:
    found: dict[str, Any] = {"name": item.name, "description": item.description}
    if item.component == "ENUM":
        return found | {"type": "ENUM", "enumType": item.enum, "noData": UNKNOWN}
    if item.component == "BOOLEAN":
        return found | {"type": "BOOLEAN", "required": True}
    found |= {"type": "SCALAR", "componentType": item.component}
    return found | ({"required": True} if item.no_data is None else {"noData": item.no_data})


def _enum(enum: str, codes: tuple[str, ...]) -> dict[str, Any]:
    names = (UNKNOWN, *codes)
    return {
        "name": enum,
        "valueType": "UINT8",
        "values": [{"name": name, "value": value} for value, name in enumerate(names)],
    }
