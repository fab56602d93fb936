"""What a click finds in a tile: property tables of EXT_structural_metadata, column by column.

No personal data and nothing that changes from day to day: that is asked of the API by id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from cim.errors import TilingError
from cim.store.copy.labels import Labels

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
    """One column: an id that styles can name, its name and type.

    `component` is a component type (UINT8 for yes or no, 1 or 0: not all clients read BOOLEAN), or
    ENUM (then `enum` is the code list, and `codes` its codes where they are not the database's);
    `no_data` stands for NULL and is no legal value; `column` is the rows' column it comes from,
    where that is not called as it is.
    """

    id: str
    name: str
    description: str
    component: str
    no_data: int | None = None
    enum: str = ""
    codes: tuple[str, ...] = ()
    column: str = ""


@dataclass(frozen=True)
class Class:
    """What a property table is about: its id, its name and its properties."""

    id: str
    name: str
    properties: tuple[Property, ...]


@dataclass(frozen=True)
class Table:
    """A property table: its class, one of the tileset's `classes`, and their code lists.

    `lists` holds for each enum the codes in their order; a code's number is its place from 1 on,
    0 is UNKNOWN.
    """

    of: Class
    classes: tuple[Class, ...]
    lists: Mapping[str, tuple[str, ...]]

    @property
    def class_id(self) -> str:
        """The id of its class."""
        return self.of.id

    @cached_property
    def schema(self) -> orjson.Fragment:
        """The schema that every tile of the tileset carries, as JSON."""
        properties = [item for found in self.classes for item in found.properties]
        enums = {item.enum: self._codes(item) for item in properties if item.enum}
        found: dict[str, Any] = {
            "id": f"cimtwin_{self.classes[0].id}",
            "classes": {
                found.id: {
                    "name": found.name,
                    "properties": {item.id: _describe(item) for item in found.properties},
                }
                for found in self.classes
            },
        }
        if enums:
            found["enums"] = {enum: _enum(enum, enums[enum]) for enum in sorted(enums)}
        return orjson.Fragment(orjson.dumps(found))

    def columns(self, rows: Mapping[str, Sequence[Any]]) -> dict[str, bytes]:
        """Each property's values as the table stores them."""
        return {
            item.id: encode(item, rows[item.column or item.id], self._codes(item))
            for item in self.of.properties
        }

    def _codes(self, item: Property) -> tuple[str, ...]:
        return item.codes or self.lists.get(item.enum, ())


def encode(item: Property, values: Sequence[Any], codes: tuple[str, ...] = ()) -> bytes:
    """One column's bytes: little-endian, `no_data` where None.

    >>> encode(Property("year", "", "", "INT16", -32768), [2024, None]).hex()
    'e8070080'
    >>> encode(Property("use", "", "", "ENUM", enum="use"), ["b", None, "?"], ("a", "b")).hex()
    '020000'
    >>> encode(Property("generated", "", "", "UINT8"), [True, False, True]).hex()
    '010001'
    >>> encode(Property("height", "", "", "FLOAT32"), [])
    b''

    Raises TilingError for a number that the type cannot hold.
    """
    if item.component == "ENUM":
        number = _Numbers(zip(codes, range(1, len(codes) + 1), strict=True))
        if isinstance(values, Labels):
            return np.array([number[text] for text in values.texts], "u1")[values.number].tobytes()
        return bytes(map(number.__getitem__, values))
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


class _Numbers(dict[str | None, int]):
    """Numbers of codes; 0 for any other."""

    def __missing__(self, _: str | None) -> int:
        return 0


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
    found |= {"type": "SCALAR", "componentType": item.component}
    return found | ({"required": True} if item.no_data is None else {"noData": item.no_data})


def _enum(enum: str, codes: tuple[str, ...]) -> dict[str, Any]:
    names = (UNKNOWN, *codes)
    return {
        "name": enum,
        "valueType": "UINT8",
        "values": [{"name": name, "value": value} for value, name in enumerate(names)],
    }
