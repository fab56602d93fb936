"""Tilesets of other makers are checked like ours: explicit, external, boxes, archives, servers."""

import gzip
import json
import struct
import threading
import zipfile
from collections.abc import Callable, Iterator
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cim.crs.ecef import Frame
from tests.blocks import Document, b3dm, packed, plain
from tiling.check.sources import INDEX
from tiling.check.tileset import check
from tiling.formats import subtree

FRAME = Frame(8.5, 47.4).matrix()
BOX = {"box": [0, 0, 15, 10.1, 0, 0, 0, 5.1, 0, 0, 0, 15.1]}
"""Around the block, in its tile's frame."""

BALL = {"sphere": [0, 0, 15, 19.0]}

Files = dict[str, bytes | Document]


def tileset(root: Document, error: float = 100.0) -> Document:
    return {"asset": {"version": "1.0"}, "geometricError": error, "root": root}


def glb() -> bytes:
    found = packed(plain())
    return found + bytes(-len(found) % 8)


def explicit() -> Files:
    """A root with a ball, a child with a box and a b3dm, and an external tileset with a glTF."""
    leaf = {"boundingVolume": BOX, "geometricError": 0, "content": {"uri": "a%20b.b3dm"}}
    other = {
        "boundingVolume": BALL,
        "geometricError": 10,
        "content": {"uri": "further/tileset.json"},
    }
    root = {
        "boundingVolume": BALL,
        "geometricError": 50,
        "refine": "ADD",
        "transform": FRAME,
        "children": [leaf, other],
    }
    beyond = {
        "boundingVolume": BOX,
        "geometricError": 10,
        "refine": "REPLACE",
        "content": {"uri": "../block.glb"},
    }
    return {
        "tileset.json": tileset(root),
        "a b.b3dm": b3dm(glb(), {"BATCH_LENGTH": 0}),
        "further/tileset.json": tileset(beyond, 10),
        "block.glb": glb(),
    }


def octree() -> Files:
    """An implicit octree of two levels: the root and its lowest south-western child."""
    volume = {"box": [10, 5, 15, 30, 0, 0, 0, 15, 0, 0, 0, 45]}  # the block is in its first child
    root = {
        "boundingVolume": volume,
        "geometricError": 50,
        "refine": "ADD",
        "transform": FRAME,
        "content": {"uri": "{level}-{x}-{y}-{z}.glb"},
        "implicitTiling": {
            "subdivisionScheme": "OCTREE",
            "subtreeLevels": 2,
            "availableLevels": 2,
            "subtrees": {"uri": "{level}-{x}-{y}-{z}.subtree"},
        },
    }
    bits = bytes([0b00000011, 0]) + bytes(6)
    document = {
        "buffers": [{"byteLength": 8}],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": 2}],
        "tileAvailability": {"bitstream": 0, "availableCount": 2},
        "contentAvailability": [{"bitstream": 0, "availableCount": 2}],
        "childSubtreeAvailability": {"constant": 0},
    }
    moved = plain()
    moved[0]["nodes"][0]["translation"] = [-9, -29, 4]
    return {
        "tileset.json": tileset(root) | {"asset": {"version": "1.1"}},
        "0-0-0-0.subtree": subtree.pack(document, bits),
        "0-0-0-0.glb": glb(),
        "1-0-0-0.glb": packed(moved),
    }


def write(folder: Path, files: Files) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return folder


def rules(place: Path | str) -> set[str]:
    return {fault.rule for fault in check(place).faults}


@pytest.mark.parametrize("files", [explicit, octree])
def test_a_sound_tileset_of_another_maker_has_no_fault(
    files: Callable[[], Files], tmp_path: Path
) -> None:
    report = check(write(tmp_path, files()))
    assert report.faults == [] and not report.unjudged
    assert (report.tiles, report.features) == (2, 2)


def root(files: Files) -> Document:
    found = files["tileset.json"]
    assert isinstance(found, dict)
    return dict.__getitem__(found, "root")


def external(files: Files) -> Document:
    found = files["further/tileset.json"]
    assert isinstance(found, dict)
    return dict.__getitem__(found, "root")


def set_box(tile: Document, place: int, value: float) -> None:
    numbers = list(BOX["box"])
    numbers[place] = value
    tile["boundingVolume"] = {"box": numbers}


PLANTED: dict[str, tuple[str, Callable[[Files], Any]]] = {
    "a vertex outside its box": ("5", lambda f: set_box(root(f)["children"][0], 3, 9.0)),
    "a vertex outside the ball above": (
        "5",
        lambda f: root(f).update(boundingVolume={"sphere": [0, 0, 15, 18.0]}),
    ),
    "a box that is askew": ("4", lambda f: set_box(root(f)["children"][0], 4, 5.0)),
    "a ball turned inside out": (
        "4",
        lambda f: root(f).update(boundingVolume={"sphere": [0, 0, 15, -19.0]}),
    ),
    "a ball of three numbers": (
        "1",
        lambda f: root(f).update(boundingVolume={"sphere": [0, 0, 15]}),
    ),
    "refine in lower case": ("1", lambda f: root(f).update(refine="add")),
    "an error that grows in an external tileset": (
        "2",
        lambda f: external(f).update(geometricError=11),
    ),
    "a transform that flattens": ("13", lambda f: root(f).update(transform=[0.0] * 15 + [1.0])),
    "tilesets in a circle": (
        "12",
        lambda f: external(f).update(content={"uri": "../tileset.json"}),
    ),
    "children beside an external tileset": (
        "12",
        lambda f: root(f)["children"][1].update(children=[root(f)["children"][0]]),
    ),
    "an external tileset that is missing": ("12", lambda f: f.pop("further/tileset.json")),
    "an external tileset that is none": ("1", lambda f: f.update({"further/tileset.json": b"{"})),
    "a content that is missing": ("12", lambda f: f.pop("block.glb")),
    "a b3dm off its boundary": ("24", lambda f: f.update({"a b.b3dm": b3dm(glb() + b"    ", {})})),
    "an extension of the tileset not declared": (
        "25",
        lambda f: root(f).update(extensions={"3DTILES_x": {}}),
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_fault_in_a_tileset_of_another_maker_is_found(name: str, tmp_path: Path) -> None:
    rule, plant = PLANTED[name]
    assert rules(write(tmp_path / "sound", explicit())) == set()
    files = json.loads(json.dumps({k: v for k, v in explicit().items() if isinstance(v, dict)}))
    files = explicit() | files
    plant(files)
    assert rule in rules(write(tmp_path / "broken", files))


def test_a_tile_of_an_octree_lies_in_its_own_eighth(tmp_path: Path) -> None:
    files = octree()
    files["1-0-0-0.glb"] = glb()
    assert rules(write(tmp_path, files)) == {"5"}


def test_an_octree_deeper_than_it_says_is_found(tmp_path: Path) -> None:
    files = octree()
    root(files)["implicitTiling"]["availableLevels"] = 3
    assert rules(write(tmp_path, files)) == {"11"}
    root(files)["content"]["uri"] = "{level}-{x}-{y}.glb"
    assert "12" in rules(write(tmp_path, files))


def test_what_cannot_be_judged_is_counted_and_no_fault(tmp_path: Path) -> None:
    files = explicit()
    files["a b.b3dm"] = b"i3dm" + bytes(24)
    root(files)["children"][1]["content"]["uri"] = "https://elsewhere.example/tileset.json"
    report = check(write(tmp_path, files))
    assert report.faults == []
    assert {en for en, _ in report.unjudged} == {"contents of format i3dm", "contents on a server"}


def archive(path: Path, files: Files, *, shift: int = 0, last: str = INDEX) -> Path:
    """The files as a .3tz."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
        rows = sorted(
            (
                struct.unpack("<QQ", md5(item.filename.encode()).digest()),
                item.header_offset + shift,
            )
            for item in made.infolist()
        )
        index = b"".join(struct.pack("<QQQ", *digest, start) for digest, start in rows)
        made.writestr(last, index, zipfile.ZIP_STORED)
    return path


def test_an_archive_is_read_in_place(tmp_path: Path) -> None:
    report = check(archive(tmp_path / "city.3tz", explicit()))
    assert report.faults == [] and report.tiles == 2


def test_an_archive_whose_index_leads_astray_is_found(tmp_path: Path) -> None:
    assert rules(archive(tmp_path / "off.3tz", explicit(), shift=1)) == {"3tz"}
    assert rules(archive(tmp_path / "none.3tz", explicit(), last="other")) == {"3tz"}


def test_an_archive_that_is_none_or_has_a_broken_entry_is_a_fault(tmp_path: Path) -> None:
    whole = archive(tmp_path / "city.3tz", explicit()).read_bytes()
    (tmp_path / "cut.3tz").write_bytes(whole[:-100])
    assert rules(tmp_path / "cut.3tz") == {"1", "3tz"}
    middle = whole.index(b"block.glb") + 200
    (tmp_path / "bad.3tz").write_bytes(whole[:middle] + bytes(50) + whole[middle + 50 :])
    assert rules(tmp_path / "bad.3tz") == {"24"}


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A server that gzips whatever it sends, and wants to be asked for version 7."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            file = tmp_path / path.replace("%20", " ").lstrip("/")
            if query != "v=7" or not file.is_file():
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(gzip.compress(file.read_bytes()))

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tileset.json?v=7"
        server.shutdown()
        thread.join()


def test_a_tileset_on_a_server_is_checked_from_there(address: str, tmp_path: Path) -> None:
    files = explicit()
    write(tmp_path, files)
    report = check(address)
    assert report.faults == [] and report.tiles == 2
    (tmp_path / "block.glb").unlink()
    assert rules(address) == {"12"}


def test_a_server_that_does_not_answer_is_a_fault(address: str) -> None:
    assert rules(address) == {"1"}


def test_a_region_divides_into_cells_where_a_subtree_says_no_more(tmp_path: Path) -> None:
    west, south = np.radians([8.5 - 2e-3, 47.4 - 2e-3])
    half = np.radians(4e-3)
    files = octree()
    root(files)["boundingVolume"] = {
        "region": [west, south, west + 2 * half, south + 2 * half, -30.0, 60.0]
    }
    implicit = root(files)["implicitTiling"]
    implicit.update(subdivisionScheme="QUADTREE", subtrees={"uri": "{level}-{x}-{y}.subtree"})
    root(files)["content"]["uri"] = "{level}-{x}-{y}-0.glb"
    files["0-0-0.subtree"] = files["0-0-0-0.subtree"]
    document = {
        "tileAvailability": {"bitstream": 0, "availableCount": 2},
        "buffers": [{"byteLength": 8}],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": 1}],
        "contentAvailability": [{"bitstream": 0}],
        "childSubtreeAvailability": {"constant": 0},
    }
    files["0-0-0.subtree"] = subtree.pack(document, bytes([0b00011]) + bytes(7))
    files["0-0-0-0.glb"] = files["1-0-0-0.glb"] = glb()
    assert rules(write(tmp_path, files)) == set()
    files["0-0-0.subtree"] = subtree.pack(document, bytes([0b10001]) + bytes(7))
    files["1-1-1-0.glb"] = glb()
    assert rules(write(tmp_path, files)) == {"5"}
