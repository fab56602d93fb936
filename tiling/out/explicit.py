"""The same tree without implicit tiling, for clients that do not know it: QGIS, ArcGIS, Unreal.

    explicit/tileset.json            the root, and a reference to each implicit tree's head
    explicit/417-160/0/0/0.json      an external tileset for each subtree
    content/…                        the contents, where they are

Regions and geometric errors are those of the subtrees, number by number.  A reference to an
external tileset has the error of the tile above, so that what is behind it is seen as early as if
it stood there itself.
"""

import json
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tiling.check.implicit import Cell, cells, filled
from tiling.check.reading import parse_subtree

FOLDER = "explicit"
"""Where the explicit tree stands, beside the tileset.json of the implicit one."""

Read = Callable[[str], bytes]
"""Gives a file of the tileset by its path from tileset.json."""


@dataclass(frozen=True)
class _Tile:
    """A tile: its region as the subtree has it, its error, and whether it has content."""

    region: list[float]
    error: float
    content: bool


@dataclass(frozen=True)
class _Branch:
    """One implicit tree as tileset.json describes it, and its tiles by their cells."""

    child: Mapping[str, Any]
    tiles: Mapping[Cell, _Tile]

    @property
    def levels(self) -> int:
        """Levels of a subtree, and so of an external tileset."""
        return int(self.child["implicitTiling"]["subtreeLevels"])

    def path(self, cell: Cell) -> str:
        """The external tileset of the subtree headed by a cell."""
        uri = filled(self.child["implicitTiling"]["subtrees"]["uri"], cell)
        return f"{FOLDER}/{uri.partition('/')[2].removesuffix('.subtree')}.json"

    def below(self, cell: Cell) -> list[Cell]:
        """The children of a cell."""
        found = [Cell(cell.level + 1, (cell.code << 2) + place) for place in range(4)]
        return [child for child in found if child in self.tiles]

    def heads(self) -> list[Cell]:
        """The cells that head an external tileset: those of the subtrees, but for bare leaves."""
        return [
            cell
            for cell in self.tiles
            if cell.level % self.levels == 0 and (cell.level == 0 or self.below(cell))
        ]


def files(read: Read) -> dict[str, bytes]:
    """The explicit tree of an implicit tileset of ours, by path: nothing but JSON.

    Raises what `read` raises, and Malformed for a subtree that is none.
    """
    document = json.loads(read("tileset.json"))
    found: dict[str, bytes] = {}
    children = []
    for child in document["root"].get("children", []):
        branch = _branch(child, document["schema"], read)
        for head in branch.heads():
            found[branch.path(head)] = _external(branch, head, document["asset"])
        start, error = Cell(0, 0), document["root"]["geometricError"]
        children.append(
            {"transform": child["transform"]} | _reference(branch, start, error, f"{FOLDER}/-")
        )
    if children:
        document["root"]["children"] = children
    document["schema"]["classes"].pop("tile", None)  # nothing is said of tiles any more
    return {f"{FOLDER}/tileset.json": _written(document), **found}


def _branch(child: Mapping[str, Any], schema: Mapping[str, Any], read: Read) -> _Branch:
    """An implicit tree, read from its subtrees."""
    implicit = child["implicitTiling"]
    levels, template = implicit["subtreeLevels"], implicit["subtrees"]["uri"]
    tiles: dict[Cell, _Tile] = {}
    heads = [Cell(0, 0)]
    while heads:
        head = heads.pop(0)
        found = parse_subtree(read(filled(template, head)), levels)
        regions = found.rows(schema, "TILE_BOUNDING_REGION")
        errors = found.rows(schema, "TILE_GEOMETRIC_ERROR")
        assert regions is not None and errors is not None  # all of ours have them
        content = set(cells(head, found.contents))
        for row, cell in enumerate(cells(head, found.tiles)):
            tiles[cell] = _Tile(regions[row].tolist(), float(errors[row, 0]), cell in content)
        heads += [
            Cell(head.level + levels, (head.code << 2 * levels) + code)
            for code, there in enumerate(found.children.tolist())
            if there
        ]
    return _Branch(child, tiles)


def _external(branch: _Branch, head: Cell, asset: Mapping[str, Any]) -> bytes:
    """The external tileset of a subtree."""
    root = {"refine": "ADD"} | _tile(branch, head, branch.path(head), head.level + branch.levels)
    error = branch.tiles[head].error
    return _written({"asset": asset, "geometricError": error, "root": root})


def _tile(branch: _Branch, cell: Cell, file: str, end: int) -> dict[str, Any]:
    """A tile and those below it, down to the level `end`, which is another file's."""
    tile = branch.tiles[cell]
    found = _bounded(tile, tile.error)
    if tile.content:
        uri = filled(branch.child["content"]["uri"], cell)
        found["content"] = {"uri": _relative(uri, file)}
    children = [
        _reference(branch, child, tile.error, file)
        if child.level == end and branch.below(child)
        else _tile(branch, child, file, end)
        for child in branch.below(cell)
    ]
    return found | ({"children": children} if children else {})


def _reference(branch: _Branch, head: Cell, error: float, file: str) -> dict[str, Any]:
    """A tile that stands for the external tileset of a subtree."""
    uri = _relative(branch.path(head), file)
    return _bounded(branch.tiles[head], error) | {"content": {"uri": uri}}


def _bounded(tile: _Tile, error: float) -> dict[str, Any]:
    return {"boundingVolume": {"region": tile.region}, "geometricError": error}


def _relative(path: str, file: str) -> str:
    """A path as it is written in a file."""
    return posixpath.relpath(path, posixpath.dirname(file))


def _written(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
