"""What feature ids and property tables must keep to: rules 19 to 22 of docs/reference/tiles.md."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.check.content import Content, Part, finest, names, tables
from tiling.check.reading import Glb
from tiling.formats.metadata import COMPONENTS

Finding = tuple[str, str]
"""What is wrong, in English and Chinese."""

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What an id of a schema looks like."""

FEATURE_TYPES = (5121, 5123, 5126)
"""Component types that feature ids may have: a 32-bit integer is illegal in glTF."""

ELEMENTS = {"VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
"""Numbers in each element of a property."""


def counted(content: Content) -> Iterator[Finding]:
    """19: feature ids are legal, as many as they say, and rows of their table."""
    for part in content.parts:
        for item in part.feature_sets():
            yield from _counted(part, item)


def _counted(part: Part, item: Mapping[str, Any]) -> Iterator[Finding]:
    if "attribute" in item:
        yield from _stored(part, part.attribute(f"_FEATURE_ID_{item['attribute']}"))
    found = part.feature_ids(item)
    if found is None:
        return
    used = np.unique(found)
    used = used[used != item.get("nullFeatureId", -1)]
    if used.size != item["featureCount"]:
        yield "featureCount is not the number of features", "featureCount 与要素数不符"
    if "propertyTable" in item:
        count = tables(part.glb)[item["propertyTable"]]["count"]
        if used.max(initial=-1) >= count:
            yield "a feature id has no row in the property table", "要素标识超出属性表"


def _stored(part: Part, number: int) -> Iterator[Finding]:
    accessor = part.glb.document["accessors"][number]
    legal = accessor["componentType"] in FEATURE_TYPES and accessor["type"] == "SCALAR"
    if not legal or accessor.get("normalized"):
        yield "feature ids of an illegal type", "要素标识类型非法"
    view = part.glb.document["bufferViews"][accessor["bufferView"]]
    size = np.dtype({5121: "u1", 5123: "u2"}.get(accessor["componentType"], "f4")).itemsize
    if view.get("byteStride", size) % 4 or accessor.get("byteOffset", 0) % 4:
        yield "feature ids are not aligned to 4 bytes", "要素标识未按 4 字节对齐"


def counted_exactly(content: Content) -> Iterator[Finding]:
    """19: feature ids, featureCount, the property table and the distinct ids are as many."""
    for part in content.parts:
        for item in part.feature_sets():
            found = part.feature_ids(item)
            table = tables(part.glb)[item.get("propertyTable", 0)]
            if found is not None and not np.array_equal(
                np.unique(found), np.arange(table["count"])
            ):
                yield "a row of the property table has no feature", "属性表有多余的行"
    found_names = names(content.glb)
    if np.unique(found_names).size != found_names.size:
        yield "an id stands twice in the tile", "瓦片内标识重复"


def agreeing(content: Content) -> Iterator[Finding]:
    """19: sets of feature ids tell the same: a unit's building is the one its vertices are of."""
    glb, fine = content.glb, finest(content.glb)
    columns = tables(glb)[fine]["properties"] if tables(glb) else {}
    for part in content.parts:
        of = {item["propertyTable"]: part.feature_ids(item) for item in part.feature_sets()}
        for number, table in enumerate(tables(glb)):
            name = f"{table['class']}_id"
            one, other = of.get(fine), of.get(number)
            if number == fine or name not in columns or one is None or other is None:
                continue
            if not np.array_equal(glb.column(name, fine)[one], glb.column("id", number)[other]):
                yield f"{name} is not that of the vertices", f"{name} 与顶点所属要素不符"


def named(content: Content) -> Iterator[Finding]:
    """20: the ids of the schema are legal."""
    schema = _schema(content.glb)
    if schema and not all(map(IDENTIFIER.fullmatch, identifiers(schema))):
        yield "an illegal id in the schema", "模式中有非法标识"


def identifiers(schema: Mapping[str, Any]) -> Iterator[str]:
    """Every id in a metadata schema: its own, of classes, properties and enums."""
    yield schema.get("id", "")
    for name, item in schema.get("classes", {}).items():
        yield name
        yield from item.get("properties", {})
    yield from schema.get("enums", {})


def tabled(content: Content) -> Iterator[Finding]:
    """21: columns are as long as their table, and start at a multiple of their component's size."""
    glb, schema = content.glb, _schema(content.glb)
    for table in tables(glb):
        described = schema["classes"][table["class"]]["properties"]
        for name, column in table["properties"].items():
            item = described[name]
            kind = _kind(item, schema)
            view = glb.document["bufferViews"][column["values"]]
            if not glb.offset % 8 and view.get("byteOffset", 0) % kind.itemsize:
                yield f"column {name} is not aligned", f"属性列 {name} 未对齐"
            try:
                expected = _expected(glb, item, column, table["count"], kind)
            except ValueError:
                yield f"column {name} has offsets that fall", f"属性列 {name} 偏移量递减"
                continue
            if view["byteLength"] != expected:
                yield f"column {name} is of the wrong length", f"属性列 {name} 长度有误"


def _kind(item: Mapping[str, Any], schema: Mapping[str, Any]) -> "np.dtype[Any]":
    """The type of a property's numbers; bytes where it is text or bits."""
    if item["type"] == "ENUM":
        enum = schema["enums"][item["enumType"]]
        return np.dtype(COMPONENTS[enum.get("valueType", "UINT16")])
    return np.dtype(COMPONENTS[item.get("componentType", "UINT8")])


def _expected(
    glb: Glb, item: Mapping[str, Any], column: Mapping[str, Any], count: int, kind: Any
) -> int:
    """Bytes that a column's values take; raises ValueError where its offsets fall."""
    elements: int = count * item.get("count", 1)
    if item.get("array") and "count" not in item:
        elements = _last(glb, column, "arrayOffset", count)
    if item["type"] == "STRING":
        return _last(glb, column, "stringOffset", elements)
    if item["type"] == "BOOLEAN":
        return (elements + 7) // 8
    return elements * ELEMENTS.get(item["type"], 1) * int(kind.itemsize)


def _last(glb: Glb, column: Mapping[str, Any], which: str, count: int) -> int:
    """The last of a column's offsets; raises ValueError where they fall or are too few."""
    kind = COMPONENTS[column.get(f"{which}Type", "UINT32")]
    offsets: NDArray[Any] = np.frombuffer(glb.view(column[f"{which}s"]), kind).astype(np.int64)
    if offsets.size != count + 1 or (np.diff(offsets) < 0).any() or offsets[0]:
        raise ValueError(which)
    return int(offsets[-1])


def missing(content: Content) -> Iterator[Finding]:
    """22: noData stands for nothing that could be meant; what is required is there; enums hold."""
    schema = _schema(content.glb)
    for number, table in enumerate(tables(content.glb)):
        for name, item in schema["classes"][table["class"]]["properties"].items():
            if "noData" in item and (item["type"] == "BOOLEAN" or item.get("required")):
                yield f"{name} may have no noData", f"属性 {name} 不允许 noData"
            if name not in table["properties"]:
                if item.get("required"):
                    yield f"{name} is required, and not there", f"缺少必需属性 {name}"
            elif item["type"] == "ENUM" and not item.get("array"):
                yield from _enumerated(content.glb, number, name, schema["enums"][item["enumType"]])


def _enumerated(glb: Glb, number: int, name: str, enum: Mapping[str, Any]) -> Iterator[Finding]:
    """Values of an enum that have no name."""
    table = tables(glb)[number]
    kind = COMPONENTS[enum.get("valueType", "UINT16")]
    found = np.frombuffer(glb.view(table["properties"][name]["values"]), kind)
    if not np.isin(found, [value["value"] for value in enum["values"]]).all():
        yield f"{name} has a value that its enum lacks", f"属性 {name} 的值不在枚举中"


def _schema(glb: Glb) -> Mapping[str, Any]:
    metadata = glb.document.get("extensions", {}).get("EXT_structural_metadata", {})
    found: Mapping[str, Any] = metadata.get("schema", {})
    return found
