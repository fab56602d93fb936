"""Tilesets made to hang, fill or crash whoever reads them: a sentence, soon, within bounds."""

import gzip
import io
import json
import os
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from click.testing import CliRunner

from cim.cli import main
from tests.blocks import Document, packed, plain
from tiling.check import limits
from tiling.check.reading import parse_content
from tiling.check.sources import INDEX
from tiling.check.tileset import check
from tiling.commands.check import FEW, SHOWN
from tiling.formats import gltf, subtree

BALL = {"sphere": [0, 0, 0, 1e7]}
MEGABYTES = 1 << 20


def tile(uri: str | None = None, *children: Document, error: float = 9.0) -> Document:
    found: Document = {"boundingVolume": BALL, "geometricError": error, "refine": "ADD"}
    if uri is not None:
        found["content"] = {"uri": uri}
    return found | ({"children": list(children)} if children else {})


def tileset(root: Document) -> bytes:
    described = {"asset": {"version": "1.1"}, "geometricError": 9.0, "root": root}
    return json.dumps(described).encode()


def implicit(**others: Any) -> bytes:
    """A tileset whose root is an implicit quadtree, with some members of its own."""
    tiling = {
        "subdivisionScheme": "QUADTREE",
        "subtreeLevels": 1,
        "availableLevels": 3,
        "subtrees": {"uri": "{level}-{x}-{y}.subtree"},
    }
    root = tile("{level}-{x}-{y}.glb") | {"implicitTiling": tiling | others}
    return tileset(root)


def bomb(size: int) -> bytes:
    """A small gzip file of that many zeros."""
    held = io.BytesIO()
    with gzip.open(held, "wb", 9) as file:
        for _ in range(size // MEGABYTES):
            file.write(bytes(MEGABYTES))
    return held.getvalue()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that are soon reached."""
    monkeypatch.setattr(limits, "FILE", 8 * MEGABYTES)
    monkeypatch.setattr(limits, "DOCUMENT", 4 * MEGABYTES)


def said(place: Path | str) -> str:
    """What the check says of a tileset that must be at fault, in few seconds."""
    began = time.monotonic()
    report = check(place)
    assert time.monotonic() - began < 20
    assert report.faults
    return " | ".join({f"[{fault.rule}] {fault.en} {fault.zh}" for fault in report.faults})


def write(folder: Path, **files: bytes) -> Path:
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


# ---- files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.glb", "a.json"])
def test_a_gzip_bomb_is_not_unpacked(tmp_path: Path, name: str) -> None:
    write(tmp_path, tileset__json=tileset(tile(name)), **{name: bomb(limits.FILE + MEGABYTES)})
    assert "is larger than" in said(tmp_path)


def test_a_document_larger_than_any_is_not_parsed(tmp_path: Path) -> None:
    write(tmp_path, tileset__json=b'{"extras":"' + bytes(5 * MEGABYTES) + b'"}')
    assert "the JSON is larger than 4 MB" in said(tmp_path)


def test_json_that_is_nested_without_end_is_named(tmp_path: Path) -> None:
    write(tmp_path, tileset__json=b'{"root":' * 100_000)
    assert "nested too deep" in said(tmp_path)


def test_tiles_within_tiles_are_followed_only_so_far(tmp_path: Path) -> None:
    root = tile("a.glb")
    for _ in range(limits.WITHIN + 20):
        root = tile(None, root)
    write(tmp_path, tileset__json=tileset(root))
    assert "tiles within one another" in said(tmp_path)


def test_a_file_larger_than_any_tile_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, tileset__json=tileset(tile("a.glb")))
    with (tmp_path / "a.glb").open("wb") as file:
        file.truncate(10 << 30)  # ten gigabytes that take no room
    assert "is larger than 8 MB" in said(tmp_path)


@pytest.mark.parametrize("uri", ["../../../../../../../../dev/zero", "pipe", "/dev/zero", "."])
def test_what_is_no_file_is_not_read(tmp_path: Path, uri: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    write(tmp_path, tileset__json=tileset(tile(uri)))
    assert "not there" in said(tmp_path)


def test_a_file_from_elsewhere_is_judged_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "city").mkdir()
    write(tmp_path, secret=b"the mayor's password")
    write(tmp_path / "city", tileset__json=tileset(tile("../secret")))
    found = said(tmp_path / "city")
    assert "[24]" in found and "password" not in found


def test_an_archive_whose_entry_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "city.3tz", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("tileset.json", tileset(tile("a.glb")))
        for name in ("a.glb", INDEX):
            with made.open(name, "w") as entry:
                for _ in range(limits.FILE // MEGABYTES + 1):
                    entry.write(bytes(MEGABYTES))
    assert said(tmp_path / "city.3tz").count("the file is larger than 8 MB") == 2


def test_an_archive_under_a_password_is_named(tmp_path: Path) -> None:
    path = tmp_path / "city.3tz"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("tileset.json", tileset(tile("a.glb")))
    content = bytearray(path.read_bytes())
    content[6] |= 1  # "encrypted", in the entry and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in said(path)


# ---- trees -----------------------------------------------------------------------------------


def test_external_tilesets_that_double_at_each_step_come_to_an_end(tmp_path: Path) -> None:
    for number in range(40):
        below = f"{number + 1}.json"
        write(tmp_path, **{f"{number}.json": tileset(tile(None, tile(below), tile(below)))})
    write(tmp_path, **{"40.json": tileset(tile())})
    with patch.object(limits, "TILESETS", 2_000):
        assert "external tilesets: the rest was not gone through" in said(tmp_path / "0.json")


def test_more_tiles_than_any_city_has_come_to_an_end(tmp_path: Path) -> None:
    everywhere = {"constant": 1}
    document = {
        "tileAvailability": everywhere,
        "contentAvailability": [everywhere],
        "childSubtreeAvailability": everywhere,
    }
    write(tmp_path, tileset__json=implicit(subtreeLevels=5, availableLevels=30))
    (tmp_path / "0-0-0.subtree").write_bytes(subtree.pack(document, b""))
    for place in range(4**5):
        x, y = place % 32, place // 32
        (tmp_path / f"5-{x}-{y}.subtree").write_bytes(subtree.pack(document, b""))
    with patch.object(limits, "TILES", 5_000):
        assert "more than 5,000 tiles" in said(tmp_path)


@pytest.mark.parametrize("levels", [11, 40, 10**9, 0, -3, "many", 2.5, None])
def test_subtrees_of_absurd_depth_are_not_laid_out(tmp_path: Path, levels: Any) -> None:
    write(tmp_path, tileset__json=implicit(subtreeLevels=levels))
    write(tmp_path, **{"0-0-0.subtree": subtree.pack({"tileAvailability": {"constant": 1}}, b"")})
    said(tmp_path)


def test_one_subtree_for_every_cell_is_no_tree(tmp_path: Path) -> None:
    everywhere = {"constant": 1}
    document = {
        "tileAvailability": everywhere,
        "contentAvailability": [{"constant": 0}],
        "childSubtreeAvailability": everywhere,
    }
    same = subtree.pack(document, b"")
    write(tmp_path, tileset__json=implicit(subtrees={"uri": "same"}, availableLevels=10**9))
    write(tmp_path, same=same)
    assert "a template lacks level" in said(tmp_path)
    named = implicit(subtrees={"uri": "same?{level}-{x}-{y}"}, availableLevels=10**9)
    write(tmp_path, tileset__json=named)
    with patch.object(limits, "TILES", 5_000):
        assert "[11]" in said(tmp_path) or "5,000 tiles" in said(tmp_path)


# ---- contents --------------------------------------------------------------------------------


def huge_accessor(document: Document) -> None:
    document["accessors"][0].pop("bufferView", None)
    document["accessors"][0]["count"] = 10**12


def standing_still(document: Document) -> None:
    document["bufferViews"][document["accessors"][0]["bufferView"]]["byteStride"] = 0
    document["accessors"][0]["count"] = 10**9


def doubling_nodes(document: Document) -> None:
    mesh = document["nodes"][0]["mesh"]
    document["nodes"] = [{"children": [n + 1, n + 1]} for n in range(60)] + [{"mesh": mesh}]


CONTENTS: dict[str, Callable[[Document], Any]] = {
    "vertices for terabytes": huge_accessor,
    "vertices without end in one place": standing_still,
    "nodes that double": doubling_nodes,
    "a mesh drawn over and over": lambda d: d["meshes"][0].update(
        primitives=d["meshes"][0]["primitives"] * 20_000
    ),
    "a view before the beginning": lambda d: d["bufferViews"][0].update(byteOffset=-100),
    "a buffer that is a device": lambda d: d.update(
        buffers=[{"byteLength": 9, "uri": "/dev/zero"}]
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_contents_that_unfold_without_end_are_named(tmp_path: Path, name: str) -> None:
    glb = parse_content(packed(plain()))
    CONTENTS[name](glb.document)
    content = gltf.pack(glb.document, glb.data)
    write(tmp_path, tileset__json=tileset(tile("a.glb")), a__glb=content)
    said(tmp_path)


def test_a_gzip_file_beside_that_is_broken_or_a_bomb_is_another(tmp_path: Path) -> None:
    content = packed(plain())
    write(tmp_path, tileset__json=tileset(tile("a.glb")), a__glb=content)
    bombed = bomb(64 * MEGABYTES)[:-4] + struct.pack("<I", len(content))
    for copy in (b"", b"\x1f\x8b", gzip.compress(content)[:-9], bomb(MEGABYTES), bombed):
        (tmp_path / "a.glb.gz").write_bytes(copy)
        assert "the gzip file beside it is another" in said(tmp_path)


# ---- servers ---------------------------------------------------------------------------------


class Hostile(BaseHTTPRequestHandler):
    """Gives a tileset with a hundred contents, and of each what `answer` makes of it."""

    answer: Callable[["Hostile"], None]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/tileset.json":
            root = tile(None, *(tile(f"{number}.glb", error=0.0) for number in range(100)))
            self.send(tileset(root))
        else:
            type(self).answer(self)

    def send(
        self, content: bytes, *, status: int = 200, length: int | None = None, **heads: str
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in heads.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def never(handler: Hostile) -> None:
    STOPPED.wait(20)
    handler.close_connection = True


def by_drops(handler: Hostile) -> None:
    handler.send(b"", length=10_000)
    while not STOPPED.wait(0.05):
        handler.wfile.write(b".")
    handler.close_connection = True


def without_end(handler: Hostile) -> None:
    handler.send(b"", length=limits.FILE)
    handler.wfile.write(bytes(MEGABYTES))
    handler.close_connection = True


STOPPED = threading.Event()

BOMB = bomb(9 * MEGABYTES)

SERVERS: dict[str, tuple[Callable[[Hostile], None], str]] = {
    "never answers": (never, "the server answers no more"),
    "answers by drops": (by_drops, "the server answers no more"),
    "announces ten gigabytes": (lambda h: h.send(b"x", length=10 << 30), "larger than 8 MB"),
    "announces nonsense": (lambda h: h.send(b"?", Content_Encoding="gzip"), "no gzip file"),
    "sends a gzip bomb": (
        lambda h: h.send(BOMB, Content_Encoding="gzip"),
        "larger than 8 MB",
    ),
    "breaks off": (without_end, "broke off"),
    "leads in a circle": (lambda h: h.send(b"", status=302, Location=h.path), "HTTP 302"),
    "leads to a file": (
        lambda h: h.send(b"", status=302, Location="file:///etc/passwd"),
        "HTTP 302",
    ),
}


@pytest.fixture
def serving(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(limits, "PATIENCE", 1.0)
    STOPPED.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Hostile) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/tileset.json"
        STOPPED.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_wears_its_visitors_out_is_named(
    serving: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    answer, words = SERVERS[name]
    monkeypatch.setattr(Hostile, "answer", answer, raising=False)
    assert words in said(serving)


# ---- what is told ----------------------------------------------------------------------------


def test_ten_thousand_faults_are_summed_up_by_kind(tmp_path: Path) -> None:
    children = [tile(f"{number}.glb", error=0.0) for number in range(10_000)]
    children += [tile("a.glb") | {"refine": "over"} for _ in range(30)]
    write(tmp_path, tileset__json=tileset(tile(None, *children)), a__glb=packed(plain()))
    done = CliRunner().invoke(main, ["tile", "check", str(tmp_path), "--jobs", "1"])
    assert done.exit_code == 1, done.output
    lines = done.output.splitlines()
    assert len(lines) < 3 * (FEW + 2) + SHOWN
    assert f"… {10_000 - FEW:,} more of this kind / 同类另有 {10_000 - FEW:,} 处" in done.output
    assert "0.glb: [12] available, but not there" in done.output
    assert f"… {30 - FEW} more of this kind" in done.output


def test_what_a_tileset_calls_its_files_does_not_steer_the_terminal(tmp_path: Path) -> None:
    name = "\x1b]0;owned\x07\n[5] all is well\ud800" + "long" * 1000
    write(tmp_path, tileset__json=tileset(tile(name)))
    done = CliRunner().invoke(main, ["tile", "check", str(tmp_path), "--jobs", "1"])
    assert done.exit_code == 1 and isinstance(done.exception, SystemExit)
    assert "\x1b" not in done.output and "\n[5]" not in done.output
    assert len(done.output) < 2_000
