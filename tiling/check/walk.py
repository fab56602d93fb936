"""The way through a tileset: tileset.json, external tilesets, implicit trees, to every content.

The walk judges the tree; the contents that it comes upon are handed on as pieces.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiling.check import limits
from tiling.check.findings import UNREADABLE, Enough, Fault, Notes, Piece, Place
from tiling.check.implicit import Cell, Tree
from tiling.check.reading import Malformed, Unjudged, extensions, parsed
from tiling.check.sources import Source
from tiling.check.table_rules import IDENTIFIER, identifiers
from tiling.check.volumes import Region, Volume, read_volume
from tiling.disk.combined import GENERATOR

Document = Mapping[str, Any]

DEEPEST_SUBTREE = 6
"""Levels of a subtree beyond which clients fall over."""


@dataclass
class Walk:
    """A walk through the tileset of a source."""

    source: Source
    notes: Notes = field(default_factory=Notes)

    def pieces(self, name: str) -> Iterator[Piece]:
        """Every content of the tileset in the file `name`, as the walk comes upon them."""
        try:
            yield from self._tileset(name, Place(name, np.eye(4)))
        except Enough as fault:
            self.notes.faults.append(Fault(name, "limits", str(fault), fault.zh))
        except UNREADABLE as fault:
            self.notes.broken(name, "1", fault)

    def _tileset(self, name: str, above: Place) -> Iterator[Piece]:
        """A tileset.json, the first or an external one."""
        self.notes.reach(name)
        self.notes.met(tileset=True)
        document = parsed(self.source.read(name))
        file, _, query = name.partition("?")
        place = replace(
            above,
            file=file,
            query=query,
            ours=document["asset"].get("generator") == GENERATOR,
            schema=document.get("schema", {}),
            files=(*above.files, file),
        )
        facts = document.get("metadata", {}).get("properties", {})
        if "features" in facts or not above.files:
            place = replace(place, group=len(self.notes.promised))
            self.notes.promised.append(int(facts.get("features", -1)))
            self.notes.titles.append(str(facts.get("name", "")))
        self._document(place, document)
        lent = above.schema.get("classes", {}).get("tile")
        if place.ours and above.files and lent != place.schema.get("classes", {}).get("tile"):
            self.notes.fault(
                file,
                "20",
                "its subtrees are read by the first tileset's schema, which is another",
                "客户端按首个瓦片集的模式读取其子树，而两者不一致",
            )
        yield from self._tile(document["root"], place)

    def _document(self, place: Place, document: Document) -> None:
        """1, 2, 20, 25: version, errors, the schema's ids, extensions."""
        name, root, fault = place.file, document["root"], self.notes.fault
        if document["asset"].get("version") not in (("1.1",) if place.ours else ("1.0", "1.1")):
            fault(name, "1", "asset.version is not 1.1", "asset.version 不是 1.1")
        if root.get("refine") not in ("ADD", "REPLACE"):
            fault(name, "1", "root.refine is missing or wrong", "root.refine 缺失或有误")
        if root["geometricError"] > document["geometricError"]:
            fault(
                name,
                "2",
                "the root's error is larger than the tileset's",
                "根瓦片误差大于瓦片集误差",
            )
        schema = document.get("schema")
        if schema and not all(map(IDENTIFIER.fullmatch, identifiers(schema))):
            fault(name, "20", "an illegal id in the schema", "模式中有非法标识")
        if extensions(document) - set(document.get("extensionsUsed", [])):
            fault(name, "25", "extensionsUsed lacks one that is used", "缺少已使用的扩展声明")

    def _tile(self, tile: Document, above: Place) -> Iterator[Piece]:
        """An explicit tile and what is below it."""
        place = above
        self.notes.met()
        if above.depth > limits.WITHIN:
            raise Malformed(
                f"more than {limits.WITHIN} tiles within one another",
                f"瓦片嵌套超过 {limits.WITHIN} 层",
            )
        if "transform" in tile:
            matrix = above.matrix @ np.array(tile["transform"], float).reshape(4, 4).T
            self._transform(above, matrix)
            place = replace(above, matrix=matrix)
        volume = read_volume(tile["boundingVolume"], place.matrix)
        error = float(tile["geometricError"])
        self.notes.legal(place.file, volume)
        self._steps(tile, error, above)
        if "implicitTiling" in tile:
            yield from self._implicit(tile, replace(place, error=error), volume)
            return
        self.notes.nested(place.file, place, volume)
        here = place.below(volume, error)
        for item in contents(tile):
            yield from self._content(item, here, tile)
        for child in tile.get("children", []):
            yield from self._tile(child, here)

    def _steps(self, tile: Document, error: float, above: Place) -> None:
        """1, 2: errors fall, none is 0 above a tile, refine is one of two words."""
        self.notes.stepped(above.file, error, above.error)
        if tile.get("refine", "ADD") not in ("ADD", "REPLACE"):
            self.notes.fault(above.file, "1", "refine is another word", "refine 取值有误")
        if ("children" in tile or "implicitTiling" in tile) and error <= 0:
            self.notes.fault(
                above.file, "2", "error 0 on a tile with children", "有子瓦片的瓦片误差为 0"
            )

    def _content(self, item: Document, place: Place, tile: Document) -> Iterator[Piece]:
        """A tile's content: a piece, or an external tileset."""
        uri = place.refer(item["uri"] if "uri" in item else item["url"])
        path = uri.partition("?")[0]
        if "boundingVolume" in item:
            volume = read_volume(item["boundingVolume"], place.matrix)
            self.notes.legal(place.file, volume)
            place = place.below(volume, place.error)
        if not path.endswith(".json"):
            self.notes.reach(uri)
            yield place.piece(uri)
            return
        if tile.get("children"):
            self.notes.fault(
                place.file, "12", "children beside an external tileset", "外部瓦片集旁另有子瓦片"
            )
        if path in place.files:
            self.notes.fault(place.file, "12", "tilesets in a circle", "外部瓦片集循环引用")
            return
        try:
            yield from self._tileset(uri, place)
        except FileNotFoundError:
            self.notes.fault(path, "12", "available, but not there", "标为可用但文件不存在")
        except Unjudged as fault:
            self.notes.unjudged[str(fault), fault.zh] += 1
        except UNREADABLE as fault:
            self.notes.broken(path, "1", fault)

    def _transform(self, place: Place, matrix: NDArray[np.float64]) -> None:
        """13: nothing that cannot be undone; of ours, a rotation and a place on Earth."""
        turn, name = matrix[:3, :3], place.file
        if abs(np.linalg.det(turn)) < 1e-12 or not np.array_equal(matrix[3], (0, 0, 0, 1)):
            self.notes.fault(name, "13", "a transform that flattens", "变换矩阵不可逆")
        if not place.ours:
            return
        if np.abs(turn @ turn.T - np.eye(3)).max() > 1e-12 or np.linalg.det(turn) < 0:
            self.notes.fault(name, "13", "a transform is no rotation", "变换矩阵不是旋转")
        if not 6.3e6 < np.linalg.norm(matrix[:3, 3]) < 6.4e6:
            self.notes.fault(name, "13", "a transform leads off the Earth", "变换矩阵不在地球表面")

    def _implicit(self, tile: Document, place: Place, volume: Volume | None) -> Iterator[Piece]:
        """11, 12: an implicit root, its subtrees, and how deep they really go."""
        implicit, name, several = tile["implicitTiling"], place.file, contents(tile)
        if {"children", "metadata"} & tile.keys() or any("boundingVolume" in c for c in several):
            self.notes.fault(name, "12", "an implicit root has too much", "隐式根瓦片含多余成员")
        if implicit["subtreeLevels"] > DEEPEST_SUBTREE:
            self.notes.fault(name, "11", "subtrees too deep for clients", "子树层数过多")
        templates = [item["uri"] for item in several]
        tree = Tree(self.source, self.notes, implicit, templates, volume)
        wanted = ("{level}", "{x}", "{y}", *(["{z}"] if tree.octree else []))
        whole = [*templates, implicit["subtrees"]["uri"]]
        if not all(part in template for template in whole for part in wanted):
            self.notes.fault(name, "12", "a template lacks level, x or y", "模板缺少 level、x 或 y")
            return  # all its tiles would be one
        above = place.volumes[0] if place.volumes else None
        if isinstance(volume, Region) and isinstance(above, Region):
            volume = volume.common(above)  # it is its cell's; what is in it has bounds of its own
        yield from tree.pieces(Cell(0, 0), place.below(volume, place.error))
        if tree.deepest + 1 != implicit["availableLevels"]:
            self.notes.fault(name, "11", "availableLevels is not exact", "availableLevels 不准确")


def contents(tile: Document) -> list[Document]:
    """A tile's contents: none, one or several.

    >>> contents({"content": {"uri": "1.glb"}})
    [{'uri': '1.glb'}]
    """
    return list(tile.get("contents", [tile["content"]] if "content" in tile else []))
