"""The explicit tree beside the implicit one: the same tiles, for clients that know no other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tiling.check.sources import Folder
from tiling.check.tileset import check
from tiling.check.walk import Walk
from tiling.city.layers import Layer
from tiling.disk.folder import store
from tiling.formats import tiles3d
from tiling.out import explicit

Tileset = tuple[Path, Layer, dict[str, Any]]


@pytest.fixture(scope="module")
def both(tileset: Tileset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A tileset's folder with the explicit tree in it, which is gone again afterwards."""
    folder = tileset[0]
    made = explicit.files(lambda path: (folder / path).read_bytes())
    for path, content in made.items():
        store(folder / path, content)
    yield folder
    for path in made:
        (folder / path).unlink()


def pieces(folder: Path, base: str) -> dict[str, tuple[Any, ...]]:
    """Every content with its frame and its own bounds."""
    walk = Walk(Folder(folder))
    found = list(walk.pieces(base))
    assert walk.notes.faults == []
    return {piece.uri: (piece.matrix.tolist(), piece.volumes[0]) for piece in found}


def test_both_trees_lead_to_the_same_contents_in_the_same_places(both: Path) -> None:
    implicit = pieces(both, "tileset.json")
    assert pieces(both, "explicit/tileset.json") == implicit != {}


def test_the_explicit_tree_is_sound_and_holds_every_feature(both: Path, tileset: Tileset) -> None:
    report = check(both / "explicit")
    assert report.faults == [] and not report.unjudged
    assert report.features == len(tileset[2]["id"])


def test_neither_tree_minds_the_other(both: Path) -> None:
    assert check(both).faults == []


def test_nothing_in_it_is_implicit_and_nothing_is_copied(both: Path) -> None:
    files = [path for path in (both / "explicit").rglob("*") if path.is_file()]
    assert len(files) > 4
    for file in files:
        assert "implicitTiling" not in file.read_text(encoding="utf-8")
        assert file.suffix == ".json"


def test_external_tilesets_are_no_deeper_than_a_subtree(both: Path) -> None:
    def depth(tile: Any) -> int:
        return 1 + max(map(depth, tile.get("children", [])), default=0)

    for file in (both / "explicit").glob("*/*/*/*.json"):
        assert depth(json.loads(file.read_bytes())["root"]) <= 6  # five, and what refers further


def test_what_is_behind_a_reference_is_seen_as_early_as_in_its_place(both: Path) -> None:
    """A tile that stands for an external tileset is opened when the tile above is."""
    seen = 0
    for file in (both / "explicit").rglob("*.json"):
        tiles = [json.loads(file.read_bytes())["root"]]
        while tiles:
            tile = tiles.pop()
            for child in tile.get("children", []):
                if child.get("content", {}).get("uri", "").endswith(".json"):
                    assert child["geometricError"] == tile["geometricError"]
                    seen += 1
                tiles.append(child)
    assert seen >= 4


def test_an_empty_tileset_has_an_empty_explicit_tree(tmp_path: Path) -> None:
    facts = tiles3d.Facts("Buildings", "constant", 0.0, 0, "empty")
    made = tiles3d.files(facts, {}, None)
    for path, content in (made | explicit.files(made.__getitem__)).items():
        store(tmp_path / path, content)
    assert check(tmp_path / "explicit").faults == []
