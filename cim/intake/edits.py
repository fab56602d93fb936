"""What an object is to be: what can be said of it, and whether it is said rightly."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import pyarrow as pa
import shapely

from cim.errors import InvalidQuery
from cim.load.fields import code
from cim.load.kinds import KINDS
from cim.store.queries.changes import TABLES, columns_of
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.shape import Collection
from cim.store.queries.collections.shape import Kind as Holds

EDITED: Final[Mapping[str, str]] = {
    "areas": "admin_area",
    "grids": "grid",
    "estates": "estate",
    "streets": "street",
    "buildings": "building",
    "units": "unit",
    "addresses": "address",
    "facilities": "facility",
    "projects": "project",
    "devices": "device",
    "organisations": "organisation",
}
"""Collections that can be written, with their types; their kinds of files go by the same names.

Storeys and entrances follow from their building, and of parcels there are no files yet.
"""

LINKS: Final[Mapping[str, Mapping[str, str]]] = {
    "facilities": {"building_id": "building", "unit_id": "unit", "estate_id": "estate"},
    "devices": {"building_id": "building", "bind_type": "", "bind_id": ""},
}
"""Properties that name another object by its id, with its type."""

SAID: Final[Mapping[str, Mapping[str, str]]] = {
    "units": {"building_id": "building_id", "storey_no": "storey"}
}
"""Fields that are called otherwise than the column of their property."""


@dataclass(frozen=True)
class Edit:
    """What an object is to be; `key` None is a new one."""

    collection: Collection
    key: int | None
    properties: Mapping[str, Any]
    geometry: shapely.Geometry | None = None
    """In CGCS2000 degrees, longitude first."""

    placed: bool = False
    """Whether anything is said of the geometry."""

    whole: bool = True
    """Whether what is not said is to be nothing; else it stays."""


@cache
def fields(collection: str) -> Mapping[str, str]:
    """Properties that can be written → the fields of files that they are."""
    here, table = COLLECTIONS[collection], TABLES[EDITED[collection]]
    known = {each.name for each in KINDS[collection].fields}
    found = dict(SAID.get(collection, {}))
    for name, each in here.properties.items():
        columns = columns_of(each.expression, table)
        if len(columns) == 1 and columns <= known and name not in LINKS.get(collection, {}):
            found.setdefault(name, next(iter(columns)))
    return found


def writable(collection: str) -> frozenset[str]:
    """The properties of a collection that can be written; none of one that cannot."""
    if collection not in EDITED:
        return frozenset()
    return frozenset((*fields(collection), *LINKS.get(collection, {})))


def check(edit: Edit) -> None:
    """InvalidQuery where a property is not one, or its value none that a property has."""
    for name, value in edit.properties.items():
        if name not in edit.collection.properties:
            raise InvalidQuery(
                f"properties.{name[:40]} is not known.", f"properties.{name[:40]} 为未知字段。"
            )
        kind = edit.collection.properties[name].kind
        if name in writable(edit.collection.name) and not _is(kind, value):
            raise wrong(name, f"must be of the type {kind}", f"的类型必须为 {kind}")
        if isinstance(value, str) and "\0" in value:
            raise wrong(name, "holds a character that no text has", "含有无效字符")
    _coded(edit)


def _is(kind: Holds, value: Any) -> bool:
    """Whether a value of JSON is of a kind; none is of any."""
    if value is None:
        return True
    if kind == "boolean" or isinstance(value, bool):
        return kind == "boolean" and isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return isinstance(value, int | float) if kind == "number" else isinstance(value, str)


def _coded(edit: Edit) -> None:
    """InvalidQuery where a code is in no list; what a file says is kept with the rest."""
    name = edit.collection.name
    coded = {each.name: each for each in KINDS[name].fields if each.type == "code"}
    for place, field in fields(name).items():
        said = edit.properties.get(place)
        if field in coded and said not in (None, ""):
            _, bad = code(pa.array([str(said)]), coded[field])
            if bad[0]:
                raise wrong(place, "is no code of its list", "不在代码表中")


def wrong(name: str, en: str, zh: str) -> InvalidQuery:
    """What is said of a property that is wrong."""
    place = name if name == "geometry" else f"properties.{name}"
    return InvalidQuery(f"{place} {en}.", f"{place} {zh}。")
