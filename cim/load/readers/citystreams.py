"""The objects of CityJSON in a stream, out of one document or line by line.

Of a document the vertices stay in memory, and buildings some of whose parts stand further on; of
lines nothing stays.  A first pass learns the attributes and which part belongs to which building.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import ijson
import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from cim.errors import SourceError
from cim.load.readers import citymodel
from cim.load.readers.citymodel import (
    BUILDING,
    DRAWN,
    INSIDE,
    PART,
    STOREY,
    STOREYS,
    Feature,
    Model,
)

VERSIONS = ("1.0", "1.1", "2.0")
"""Versions that are read, by their first two numbers."""

KEY = "id"
"""The column of the objects' own ids."""

_LINE = 256 << 20
_PEEK = 1 << 20
_NAMED = 12

_ALREADY = (
    "vertices do not count from the transform's translate, as the file's own extent shows: they "
    "are taken as they stand",
    "顶点坐标并非相对于 transform 的平移量（以文件声明的范围为据），按原值采用",
)


def opened(path: Path) -> "Document | Lines":
    """A file by what it is; its first pass is yet to come."""
    return Lines(path) if _has_lines(path) else Document(path)


@dataclass
class Index:
    """What the first pass learns: attributes with their kinds, parents, and what is not read."""

    kinds: dict[str, set[type]] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    buildings: int = 0
    inside: int = 0
    """Storeys, units and rooms that have a geometry."""
    already: bool = False
    others: Counter[str] = field(default_factory=Counter)

    def add(self, key: str, item: Any, parents: bool) -> None:
        """An object of the city."""
        kind = item.get("type") if isinstance(item, dict) else None
        if kind not in (*DRAWN, *INSIDE):
            self.others[str(kind)] += 1
            return
        self.buildings += kind in (BUILDING, PART)
        self.inside += kind in INSIDE and bool(item.get("geometry"))
        if kind == STOREY:
            self.kinds.setdefault(STOREYS, set()).add(int)
        if kind == BUILDING:
            for name, value in citymodel.attributes(item).items():
                if value is not None:
                    self.kinds.setdefault(name, set()).add(type(value))
        if parents:
            found = item.get("parents") or [None]
            self.parents[key] = None if kind == BUILDING else found[0]

    def root(self, key: str) -> str:
        """The building that an object belongs to; itself where there is none."""
        here = key
        for _ in range(8):  # a part of a part; never in a circle
            above = self.parents.get(here)
            if above is None or above not in self.parents:
                return here
            here = above
        return here

    @property
    def columns(self) -> dict[str, tuple[str, pa.DataType]]:
        """Columns, each with its attribute and its one type; an attribute `id` is not the key."""
        free = KEY
        while free in self.kinds:
            free += "_"
        return {(free if n == KEY else n): (n, _arrow(kinds)) for n, kinds in self.kinds.items()}

    def notes(self) -> list[tuple[str, str]]:
        """What the file holds besides buildings, and what is odd about it."""
        told = [_ALREADY] if self.already else []
        if not self.others:
            return told
        listed = self.others.most_common(_NAMED)
        en = ", ".join(f"{count:,} {kind}" for kind, count in listed)
        zh = "、".join(f"{kind} {count:,} 个" for kind, count in listed)
        return [*told, (f"not read: {en}", f"未读取：{zh}")]


def _arrow(kinds: set[type]) -> pa.DataType:
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds <= {int, float} else pa.string()


class Document:
    """One JSON document; `look` has to come before `features`."""

    def __init__(self, path: Path) -> None:
        """Read the members about the whole."""
        self.path, self.index = path, Index()
        names = ("type", "version", "transform", "metadata", "geometry-templates")
        self.header = {name: value for name in names for value in self._items(name)}
        self.model: Model | None = None

    def look(self) -> None:
        """The first pass: the vertices, and what there is."""
        _checked(self.path, self.header)
        self.model = _model(self.path, self.header, self._items("vertices.item"))
        self.index.already = self.model.already
        for key, item in self._objects():
            self.index.add(key, item, parents=True)
        _filled(self.path, self.index)

    def features(self) -> Iterator[Feature]:
        """Each building as soon as the last of what belongs to it was read."""
        model = self.model
        assert model is not None
        awaited = Counter(map(self.index.root, self.index.parents))
        open_: dict[str, list[tuple[str, Any]]] = {}
        for key, item in self._objects():
            if key not in self.index.parents:
                continue
            root = self.index.root(key)
            open_.setdefault(root, []).append((key, item))
            awaited[root] -= 1
            if awaited[root] <= 0:
                yield Feature(root, dict(open_.pop(root)), model)

    def _items(self, prefix: str) -> Iterator[Any]:
        with self.path.open("rb") as file:
            yield from ijson.items(file, prefix, use_float=True)

    def _objects(self) -> Iterator[tuple[str, Any]]:
        with self.path.open("rb") as file:
            yield from ijson.kvitems(file, "CityObjects", use_float=True)


class Lines:
    """A line about the whole, then a line a feature, each with vertices of its own."""

    def __init__(self, path: Path) -> None:
        """Read the first line."""
        self.path, self.index = path, Index()
        self.header: dict[str, Any] = next(self._read(), {})

    def look(self) -> None:
        """The first pass: every line is JSON, and what there is."""
        _checked(self.path, self.header)
        for line in self._read():
            if not self.index.already:
                vertices = line.get("vertices") or ()
                self.index.already = _model(self.path, self.header, vertices).already
            for key, item in _members(line):
                self.index.add(key, item, parents=False)
        _filled(self.path, self.index)

    def features(self) -> Iterator[Feature]:
        """The buildings line by line."""
        for line in self._read():
            model = _model(self.path, self.header, line.get("vertices") or ())
            of_line = Index()
            members = _members(line)
            for key, item in members:
                of_line.add(key, item, parents=True)
            groups: dict[str, dict[str, Any]] = {}
            for key, item in members:
                if key in of_line.parents:
                    groups.setdefault(of_line.root(key), {})[key] = item
            for root, group in groups.items():
                yield Feature(root, group, model)

    def _read(self) -> Iterator[dict[str, Any]]:
        with self.path.open("rb") as file:
            number = 0
            while text := file.readline(_LINE):
                number += 1
                if not text.strip():
                    continue
                try:
                    line = orjson.loads(text)
                except orjson.JSONDecodeError as error:
                    raise _bad_line(self.path, number) from error
                if not isinstance(line, dict):
                    raise _bad_line(self.path, number)
                yield line


def _members(line: dict[str, Any]) -> list[tuple[str, Any]]:
    found = line.get("CityObjects")
    return list(found.items()) if isinstance(found, dict) else []


def _has_lines(path: Path) -> bool:
    """Whether the first line is JSON by itself and another one follows."""
    with path.open("rb") as file:
        first = file.readline(_PEEK)
        while (second := file.readline(_PEEK)) and not second.strip():
            continue
    if path.suffix.lower() == ".jsonl":
        return True
    try:
        return bool(second) and isinstance(orjson.loads(first), dict)
    except orjson.JSONDecodeError:
        return False


def _checked(path: Path, header: dict[str, Any]) -> None:
    """Refuse what is no CityJSON, or of another version."""
    kind, version = header.get("type"), str(header.get("version"))
    if kind == "CityJSONFeature":
        raise SourceError(
            f"{path.name} begins with a CityJSONFeature: the line of type CityJSON is missing",
            f"{path.name} 以 CityJSONFeature 开头，缺少类型为 CityJSON 的首行",
        )
    if kind != "CityJSON":
        raise SourceError(
            f"{path.name} is no CityJSON: its type is {kind}",
            f"{path.name} 不是 CityJSON：其类型为 {kind}",
        )
    if version[:3] not in VERSIONS:
        raise SourceError(
            f"{path.name} is CityJSON {version}; read are {', '.join(VERSIONS)}: upgrade it",
            f"{path.name} 为 CityJSON {version}；仅支持 {'、'.join(VERSIONS)}，请先升级",
        )


def _model(path: Path, header: dict[str, Any], vertices: Iterable[Any]) -> Model:
    """Vertices in the file's own system, moved as the header says, unless they already are."""
    transform = header.get("transform") or {}
    try:
        scale, move = (
            np.array(transform.get(name, default), np.float64).reshape(3)
            for name, default in (("scale", [1, 1, 1]), ("translate", [0, 0, 0]))
        )
        templates = header.get("geometry-templates") or {}
        shared = _points(templates.get("vertices-templates") or ())
        points = _points(vertices) * scale
        already = _moved_already(header, points, move)
        points += 0.0 if already else move
        return Model(points, shared, templates.get("templates") or [], already)
    except (ValueError, TypeError, AttributeError) as error:
        raise SourceError(
            f"{path.name}: a vertex is not three numbers, or the transform is none",
            f"{path.name}：某个顶点不是三个数字，或 transform 无效",
        ) from error


def _moved_already(
    header: dict[str, Any], points: NDArray[np.float64], move: NDArray[np.float64]
) -> bool:
    """Whether the file's own extent says that its vertices do not count from the transform.

    Some programs write where they moved the model to, and forget to move it.
    """
    metadata = header.get("metadata")
    said = metadata.get("geographicalExtent") if isinstance(metadata, dict) else None
    if not isinstance(said, list) or len(said) != 6 or not len(points) or not move.any():
        return False
    extent = np.array(said, np.float64)
    low, high = extent[:2] - 1.0, extent[3:5] + 1.0
    stands, moved = (
        float(((low <= place) & (place <= high)).all(axis=1).mean())
        for place in (points[:, :2], points[:, :2] + move[:2])
    )
    return stands > 0.9 and moved < 0.1


def _points(vertices: Iterable[Any]) -> NDArray[np.float64]:
    """Vertices as an array of shape (n, 3), made in pieces; ValueError where one is none."""
    left, pieces = iter(vertices), [np.empty((0, 3))]
    while piece := list(islice(left, 100_000)):
        pieces.append(np.array(piece, np.float64).reshape(len(piece), 3))
    return np.concatenate(pieces)


def _bad_line(path: Path, number: int) -> SourceError:
    return SourceError(
        f"{path.name}: line {number} is no JSON, or is cut off",
        f"{path.name}：第 {number} 行不是 JSON，或不完整",
    )


def _filled(path: Path, index: Index) -> None:
    """Refuse a model without buildings, and say what it has instead."""
    if index.buildings:
        return
    en, zh = ", ".join(index.others) or "nothing", "、".join(index.others) or "无任何对象"
    raise SourceError(
        f"{path.name} is CityJSON without buildings; it has {en}",
        f"{path.name} 是 CityJSON，但没有建筑（内容：{zh}）",
    )
