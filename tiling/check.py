"""Is this tileset sound?  Every file is read back and every rule gone through.

`check` walks tileset.json, the subtrees and the contents; the rules on contents are in
tiling.rules.  It needs no database and no other program.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.reading import Malformed, Subtree, read_glb, read_subtree
from tiling.rules import RULES, Content, names
from tiling.tree import deinterleave

Floats = NDArray[np.float64]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What an id of a schema looks like."""

DEEPEST_SUBTREE = 6
"""Levels of a subtree beyond which clients fall over."""

SLACK = 1e-9
"""Radians and metres by which a region may stick out of its parent's: rounding."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong: the file, the rule's number, and what it is in English and Chinese."""

    file: str
    rule: str
    en: str
    zh: str


@dataclass
class Report:
    """What was found at `path`."""

    path: Path
    tiles: int = 0
    features: int = 0
    faults: list[Fault] = field(default_factory=list)


@dataclass(frozen=True)
class _Tile:
    """A tile on the way down: its place in its implicit tree, its bounds and error."""

    level: int
    cell: int
    region: Floats | None
    error: float


@dataclass
class _Walk:
    """What is carried along: the report, the schema, the files reached, the ids met."""

    report: Report
    folder: Path
    schema: dict[str, Any] = field(default_factory=dict)
    reached: set[Path] = field(default_factory=set)
    ids: list[NDArray[Any]] = field(default_factory=list)

    def fault(self, file: str, rule: str, en: str, zh: str) -> None:
        self.report.faults.append(Fault(file, rule, en, zh))


def check(path: Path) -> Report:
    """Everything wrong with the tileset at `path`, a tileset.json or the folder it is in."""
    file = path / "tileset.json" if path.is_dir() else path
    walk = _Walk(Report(file), file.parent)
    try:
        document = json.loads(file.read_bytes())
        walk.schema = document.get("schema", {})
        _check_document(walk, document)
        identity = np.eye(4)
        _check_tile(walk, document["root"], None, identity)
        _check_whole(walk, document)
    except (OSError, ValueError, LookupError, TypeError) as fault:
        walk.fault(file.name, "1", f"cannot be read: {fault}", f"无法读取：{fault}")
    return walk.report


def _check_document(walk: _Walk, document: dict[str, Any]) -> None:
    """1, 2, 20: version, errors, the schema's ids."""
    name, root = "tileset.json", document["root"]
    if document["asset"].get("version") != "1.1":
        walk.fault(name, "1", "asset.version is not 1.1", "asset.version 不是 1.1")
    if root.get("refine") not in ("ADD", "REPLACE"):
        walk.fault(name, "1", "root.refine is missing or wrong", "root.refine 缺失或有误")
    if root["geometricError"] > document["geometricError"]:
        walk.fault(
            name, "2", "the root's error is larger than the tileset's", "根瓦片误差大于瓦片集误差"
        )
    if walk.schema and not all(map(IDENTIFIER.fullmatch, _identifiers(walk.schema))):
        walk.fault(name, "20", "an illegal id in the schema", "模式中有非法标识")


def _identifiers(schema: dict[str, Any]) -> Iterator[str]:
    yield schema.get("id", "")
    for name, item in schema.get("classes", {}).items():
        yield name
        yield from item.get("properties", {})
    yield from schema.get("enums", {})


def _check_tile(
    walk: _Walk, tile: dict[str, Any], parent: dict[str, Any] | None, above: Floats
) -> None:
    """An explicit tile and what is below it."""
    name = "tileset.json"
    matrix = above
    if "transform" in tile:
        matrix = above @ np.array(tile["transform"], float).reshape(4, 4).T
        _check_transform(walk, matrix)
    region = _region(tile)
    above_region = _region(parent) if parent else None
    if "implicitTiling" in tile:  # its region is its cell's: what is in it has bounds of its own
        _check_region(walk, name, region, None)
    else:
        _check_region(walk, name, region, above_region)
    error = tile["geometricError"]
    if parent and error > parent["geometricError"]:
        walk.fault(name, "2", "a child's error is larger than its parent's", "子瓦片误差大于父瓦片")
    below = "children" in tile or "implicitTiling" in tile
    if below and error <= 0:
        walk.fault(name, "2", "error 0 on a tile with children", "有子瓦片的瓦片误差为 0")
    if "implicitTiling" in tile:
        _check_implicit(walk, tile, matrix, _common(region, above_region))
    elif "content" in tile:
        _check_content(walk, tile["content"]["uri"], matrix, region)
    for child in tile.get("children", []):
        _check_tile(walk, child, tile, matrix)


def _check_transform(walk: _Walk, matrix: Floats) -> None:
    """13: a rotation, and a translation to somewhere on Earth."""
    turn = matrix[:3, :3]
    if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-12 or np.linalg.det(turn) < 0:
        walk.fault("tileset.json", "13", "a transform is no rotation", "变换矩阵不是旋转")
    if not 6.3e6 < np.linalg.norm(matrix[:3, 3]) < 6.4e6:
        walk.fault("tileset.json", "13", "a transform leads off the Earth", "变换矩阵不在地球表面")


def _check_region(walk: _Walk, name: str, region: Floats | None, above: Floats | None) -> None:
    """3, 5: legal bounds, within those of the tile above."""
    if region is None:
        return
    west, south, east, north, low, high = region
    legal = -np.pi - SLACK * 9 <= west <= east <= np.pi + SLACK * 9 and low <= high
    if not (legal and -np.pi / 2 - SLACK * 9 <= south <= north <= np.pi / 2 + SLACK * 9):
        walk.fault(name, "3", "an illegal region", "包围区域非法")
    if above is not None and not _within(region, above):
        walk.fault(name, "5", "a region reaches out of its parent's", "包围区域超出父瓦片")


def _within(region: Floats, above: Floats) -> bool:
    lower, upper = [0, 1, 4], [2, 3, 5]
    return bool(
        (region[lower] >= above[lower] - SLACK).all()
        and (region[upper] <= above[upper] + SLACK).all()
    )


def _common(one: Floats | None, other: Floats | None) -> Floats | None:
    """What two regions have in common."""
    if one is None or other is None:
        return one if other is None else other
    lower = np.maximum(one, other)
    upper = np.minimum(one, other)
    found: Floats = np.where([True, True, False, False, True, False], lower, upper)
    return found


def _check_implicit(
    walk: _Walk, tile: dict[str, Any], matrix: Floats, region: Floats | None
) -> None:
    """11, 12: an implicit root, its subtrees, and how deep they really go."""
    implicit, name = tile["implicitTiling"], "tileset.json"
    if {"children", "metadata"} & tile.keys() or "boundingVolume" in tile["content"]:
        walk.fault(name, "12", "an implicit root has too much", "隐式根瓦片含多余成员")
    templates = tile["content"]["uri"], implicit["subtrees"]["uri"]
    if not all(part in text for text in templates for part in ("{level}", "{x}", "{y}")):
        walk.fault(name, "12", "a template lacks level, x or y", "模板缺少 level、x 或 y")
    if implicit["subtreeLevels"] > DEEPEST_SUBTREE:
        walk.fault(name, "11", "subtrees too deep for clients", "子树层数过多")
    root = _Tile(0, 0, region, tile["geometricError"])
    deepest = max((found.level for found in _subtree(walk, tile, matrix, root)), default=-1)
    if deepest + 1 != implicit["availableLevels"]:
        walk.fault(name, "11", "availableLevels is not exact", "availableLevels 不准确")


def _subtree(walk: _Walk, tile: dict[str, Any], matrix: Floats, root: _Tile) -> Iterator[_Tile]:
    """Check the subtree headed by `root` and those below it; every tile in them."""
    implicit = tile["implicitTiling"]
    levels = implicit["subtreeLevels"]
    name = _filled(implicit["subtrees"]["uri"], root.level, root.cell)
    walk.reached.add(walk.folder / name)
    try:
        found = read_subtree(walk.folder / name, levels)
        tiles = list(_tiles(found, walk.schema, root, levels))
    except (Malformed, OSError, LookupError, ValueError) as fault:
        walk.fault(name, "9", str(fault), getattr(fault, "zh", f"无法读取：{fault}"))
        return
    _check_availability(walk, name, found)
    by_place = {(item.level, item.cell): item for item in tiles}
    content = {place for place, bit in _places(root, levels, found.contents) if bit}
    for item in tiles:
        _check_step(walk, name, item, by_place.get((item.level - 1, item.cell >> 2), root))
        if (item.level, item.cell) in content:
            uri = _filled(tile["content"]["uri"], item.level, item.cell)
            _check_content(walk, uri, matrix, item.region)
    yield from tiles
    for place in np.flatnonzero(found.children):
        cell = (root.cell << 2 * levels) + int(place)
        above = by_place.get((root.level + levels - 1, cell >> 2))
        if above is None:
            walk.fault(name, "10", "a child subtree without a parent tile", "子树缺少父瓦片")
            continue
        head = _Tile(root.level + levels, cell, above.region, above.error)
        yield from _subtree(walk, tile, matrix, head)


def _tiles(found: Subtree, schema: dict[str, Any], root: _Tile, levels: int) -> Iterator[_Tile]:
    """The available tiles of a subtree with their metadata, in the order of its rows."""
    regions = found.rows(schema, "TILE_BOUNDING_REGION")
    errors = found.rows(schema, "TILE_GEOMETRIC_ERROR")
    places = [place for place, bit in _places(root, levels, found.tiles) if bit]
    for row, (level, cell) in enumerate(places):
        region = None if regions is None else regions[row]
        error = root.error / 2 ** (level - root.level) if errors is None else errors[row, 0]
        yield _Tile(level, cell, region, float(error))


def _places(
    root: _Tile, levels: int, bits: NDArray[np.bool_]
) -> Iterator[tuple[tuple[int, int], bool]]:
    """Level and cell of every bit of an availability."""
    for depth in range(levels):
        start = (4**depth - 1) // 3
        for place in range(4**depth):
            yield (root.level + depth, (root.cell << 2 * depth) + place), bool(bits[start + place])


def _check_availability(walk: _Walk, name: str, found: Subtree) -> None:
    """10: a root, no tile without its parent, no content without its tile."""
    if not found.tiles[0]:
        walk.fault(name, "10", "a subtree without a root", "子树没有根瓦片")
    below = np.flatnonzero(found.tiles)[1:]
    if not found.tiles[(below - 1) // 4].all():
        walk.fault(name, "10", "a tile without its parent", "瓦片缺少父瓦片")
    if (found.contents & ~found.tiles).any():
        walk.fault(name, "10", "content without its tile", "内容缺少对应瓦片")


def _check_step(walk: _Walk, name: str, tile: _Tile, above: _Tile) -> None:
    """2, 5: errors fall, none is 0 above a tile, and regions nest."""
    if tile.error > above.error:
        walk.fault(name, "2", "a child's error is larger than its parent's", "子瓦片误差大于父瓦片")
    if above.error <= 0:
        walk.fault(name, "2", "error 0 on a tile with children", "有子瓦片的瓦片误差为 0")
    _check_region(walk, name, tile.region, above.region)


def _check_content(walk: _Walk, uri: str, matrix: Floats, region: Floats | None) -> None:
    """Every rule on one content."""
    walk.reached.add(walk.folder / uri)
    walk.report.tiles += 1
    try:
        content = Content(read_glb(walk.folder / uri), matrix, region)
        for rule, findings in RULES.items():
            for en, zh in findings(content):
                walk.fault(uri, rule, en, zh)
        walk.ids.append(names(content.glb))
    except FileNotFoundError:
        walk.fault(uri, "12", "available, but not there", "标为可用但文件不存在")
    except (Malformed, OSError, LookupError, ValueError, TypeError) as fault:
        walk.fault(uri, "24", str(fault), getattr(fault, "zh", f"无法读取：{fault}"))


def _check_whole(walk: _Walk, document: dict[str, Any]) -> None:
    """Each feature stands once, as many as promised, and no file is left over."""
    ids = np.concatenate([np.empty(0, np.uint64), *walk.ids])
    walk.report.features = ids.size
    if np.unique(ids).size != ids.size:
        walk.fault("tileset.json", "19", "a feature stands in two tiles", "同一要素出现在多个瓦片")
    promised = document.get("metadata", {}).get("properties", {}).get("features", ids.size)
    if promised != ids.size:
        walk.fault("tileset.json", "19", "features are missing", "要素数与元数据不符")
    for file in sorted(_files(walk.folder, ("*.glb", "*.subtree")) - walk.reached):
        name = str(file.relative_to(walk.folder))
        walk.fault(name, "12", "on disk, but not available", "文件存在但未标为可用")


def _files(folder: Path, patterns: Iterable[str]) -> set[Path]:
    return {file for pattern in patterns for file in folder.rglob(pattern)}


def _region(tile: dict[str, Any]) -> Floats | None:
    region = tile["boundingVolume"].get("region")
    return None if region is None else np.array(region, float)


def _filled(template: str, level: int, cell: int) -> str:
    x, y = (str(int(value[0])) for value in deinterleave(np.array([cell])))
    return template.replace("{level}", str(level)).replace("{x}", x).replace("{y}", y)
