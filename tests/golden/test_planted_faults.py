"""`check` is only worth something if it sees what is wrong: each kind of fault, planted."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import meshopt
import numpy as np
import pytest

from tiling.check.reading import read_glb
from tiling.check.tileset import check
from tiling.city.layers import BUILDINGS, Layer
from tiling.formats import gltf, subtree

Document = dict[str, Any]


@pytest.fixture(scope="module")
def sound(
    tmp_path_factory: pytest.TempPathFactory,
    writer: Callable[..., Path],
    city_of_buildings: tuple[Layer, Document],
) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    writer(folder, *city_of_buildings)
    assert check(folder).faults == []
    return folder


@pytest.fixture
def city(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "city"))


def rules(folder: Path) -> set[str]:
    return {fault.rule for fault in check(folder).faults}


def implicit(document: Document) -> Document:
    found: Document = document["root"]["children"][0]
    return found


def moved(document: Document) -> None:
    implicit(document)["transform"][12:15] = [0.0, 0.0, 0.0]


def scaled(document: Document) -> None:
    implicit(document)["transform"][0] *= 1.001


DOCUMENTS: dict[str, tuple[str, Callable[[Document], Any]]] = {
    "old version": ("1", lambda d: d["asset"].update(version="1.0")),
    "no refine": ("1", lambda d: d["root"].pop("refine")),
    "no root": ("1", lambda d: d.pop("root")),
    "root's error above the tileset's": ("2", lambda d: d.update(geometricError=1.0)),
    "child's error above its parent's": ("2", lambda d: implicit(d).update(geometricError=1e6)),
    "error 0 above children": ("2", lambda d: d["root"].update(geometricError=0.0)),
    "degrees": ("3", lambda d: d["root"]["boundingVolume"].update(region=[113, 23, 121, 32, 0, 9])),
    "upside down": (
        "3",
        lambda d: d["root"]["boundingVolume"].update(region=[1.9, 0.4, 2.2, 0.6, 9, 0]),
    ),
    "root too small": (
        "5",
        lambda d: d["root"]["boundingVolume"].update(region=[1.9, 0.4, 1.99, 0.41, -9, 300]),
    ),
    "frame in the Earth's centre": ("13", moved),
    "frame that stretches": ("13", scaled),
    "one level too many": (
        "11",
        lambda d: implicit(d)["implicitTiling"].update(availableLevels=21),
    ),
    "one level too few": ("11", lambda d: implicit(d)["implicitTiling"].update(availableLevels=2)),
    "subtrees too deep": ("11", lambda d: implicit(d)["implicitTiling"].update(subtreeLevels=7)),
    "implicit root with children": ("12", lambda d: implicit(d).update(children=[])),
    "template without x": ("12", lambda d: implicit(d)["content"].update(uri="{level}/{y}.glb")),
    "illegal id": ("20", lambda d: d["schema"].update(id="building:levels")),
    "Chinese id": ("20", lambda d: d["schema"]["classes"]["tileset"]["properties"].update(层=1)),
    "a feature promised in vain": (
        "19",
        lambda d: d["metadata"]["properties"].update(features=61),
    ),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_fault_in_tileset_json_is_found(city: Path, name: str) -> None:
    rule, plant = DOCUMENTS[name]
    file = city / "tileset.json"
    document = json.loads(file.read_text())
    plant(document)
    file.write_text(json.dumps(document))
    assert rule in rules(city)


def primitive(document: Document) -> Document:
    found: Document = document["meshes"][0]["primitives"][0]
    return found


def rewritten(
    document: Document, data: bytearray, number: int, kind: str, change: Callable[..., np.ndarray]
) -> None:
    """Change what a packed view holds, given as rows of `kind`."""
    packed = document["bufferViews"][number]["extensions"]["EXT_meshopt_compression"]
    count, stride, mode = packed["count"], packed["byteStride"], packed["mode"]
    start, end = packed["byteOffset"], packed["byteOffset"] + packed["byteLength"]
    rows = meshopt.decode_gltf_buffer(bytes(data[start:end]), count, stride, mode)
    values = change(np.frombuffer(rows.tobytes(), kind).reshape(count, -1))
    packed["byteOffset"] = len(data)
    data += meshopt.encode_gltf_buffer(np.ascontiguousarray(values, kind), mode)
    packed["byteLength"] = len(data) - packed["byteOffset"]
    data += bytes(-len(data) % 8)
    document["buffers"][0]["byteLength"] = len(data)


def z_up(values: np.ndarray) -> np.ndarray:
    """Vectors as if z were up; positions stay in the box that their bounds tell."""
    return values[:, [0, 2, 1, *range(3, values.shape[1])]]


def turned_axes(document: Document, data: bytearray) -> None:
    for bound in ("min", "max"):
        x, y, z = document["accessors"][1][bound]
        document["accessors"][1][bound] = [x, z, y]
    short = document["accessors"][1]["componentType"] == gltf.UNSIGNED_SHORT
    rewritten(document, data, 1, "<u2" if short else "<u4", z_up)
    rewritten(document, data, 2, "i1", z_up)


def turned_normals(document: Document, data: bytearray) -> None:
    rewritten(document, data, 2, "i1", z_up)


def turned_triangles(document: Document, data: bytearray) -> None:
    def around(values: np.ndarray) -> np.ndarray:
        return values.reshape(-1, 3)[:, ::-1]

    rewritten(document, data, 0, "<u2", around)


def same_ids(document: Document, data: bytearray) -> None:
    start = document["bufferViews"][4]["byteOffset"]
    data[start + 4 : start + 8] = data[start : start + 4]


def earth_centred(document: Document, data: bytearray) -> None:
    document["nodes"][0]["translation"] = [-2365432.0, 2478761.0, -5375855.0]


def nudged(document: Document, data: bytearray) -> None:
    document["nodes"][0]["translation"][0] += 2000.0


CONTENTS: dict[str, tuple[str, Callable[[Document, bytearray], Any]]] = {
    "vertices beside their tile": ("5", nudged),
    "earth-centred node": ("14", earth_centred),
    "z up": ("5", turned_axes),  # walls look up then, but not from where they belong
    "normals z up": ("15", turned_normals),
    "triangles inside out": ("15", turned_triangles),
    "POSITION's min": ("16", lambda d, b: d["accessors"][1]["min"].__setitem__(0, -1e4)),
    "featureCount too large": (
        "19",
        lambda d, b: primitive(d)["extensions"]["EXT_mesh_features"]["featureIds"][0].update(
            featureCount=50
        ),
    ),
    "an id twice": ("19", same_ids),
    "a column too short": ("21", lambda d, b: d["bufferViews"][5].update(byteLength=4)),
    "a column off its place": ("24", lambda d, b: d["bufferViews"][5].update(byteOffset=12)),
    "an extension not declared": ("25", lambda d, b: d["extensionsUsed"].pop()),
    "an extension declared in vain": (
        "25",
        lambda d, b: d["extensionsUsed"].append("KHR_materials_unlit"),
    ),
    "two primitives": (
        "primitive",
        lambda d, b: d["meshes"][0]["primitives"].append(primitive(d)),
    ),
    "an accessor past the end": ("24", lambda d, b: d["accessors"][1].update(count=10**6)),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_fault_in_a_content_is_found(city: Path, name: str) -> None:
    rule, plant = CONTENTS[name]
    file = max(city.rglob("*.glb"), key=lambda path: path.stat().st_size)
    glb = read_glb(file)
    data = bytearray(glb.data)
    plant(glb.document, data)
    file.write_bytes(gltf.pack(glb.document, bytes(data)))
    assert rule in rules(city)


def test_a_content_cut_short_is_found(city: Path) -> None:
    file = next(city.rglob("*.glb"))
    file.write_bytes(file.read_bytes()[:-4])
    assert "24" in rules(city)


def test_a_content_that_is_missing_is_found(city: Path) -> None:
    next(city.rglob("*.glb")).unlink()
    assert {"12", "19"} <= rules(city)


def test_a_file_left_over_is_found(city: Path) -> None:
    shutil.copy(next(city.rglob("*.glb")), city / "content/old.glb")
    assert rules(city) == {"12"}


def test_a_feature_in_two_tiles_is_found(city: Path) -> None:
    one, other = sorted(city.rglob("*.glb"))[:2]
    shutil.copy(one, other)
    assert "19" in rules(city)


def test_a_folder_without_a_tileset_is_a_fault_not_a_crash(tmp_path: Path) -> None:
    assert rules(tmp_path) == {"1"}


def split(file: Path) -> tuple[Document, bytearray]:
    content = file.read_bytes()
    _, _, text, _ = struct.unpack_from("<4sIQQ", content)
    return json.loads(content[24 : 24 + text]), bytearray(content[24 + text :])


def bits(document: Document, name: str) -> Document:
    item = document[name][0] if isinstance(document[name], list) else document[name]
    found: Document = document["bufferViews"][item["bitstream"]]
    return found


def trailing(document: Document, data: bytearray) -> None:
    view = bits(document, "tileAvailability")
    data[view["byteOffset"] + view["byteLength"] - 1] |= 0x80


def orphan(document: Document, data: bytearray) -> None:
    view = bits(document, "tileAvailability")
    data[view["byteOffset"]] &= 0xFE
    document["tileAvailability"]["availableCount"] -= 1


def doubles(document: Document, data: bytearray, name: str, change: Callable[..., Any]) -> None:
    view = document["bufferViews"][document["propertyTables"][0]["properties"][name]["values"]]
    end = view["byteOffset"] + view["byteLength"]
    values = np.frombuffer(bytes(data[view["byteOffset"] : end]), "<f8").copy()
    change(values)
    data[view["byteOffset"] : end] = values.tobytes()


def shrink(values: np.ndarray) -> None:
    values[3 - 6 * 1] = values[1 - 6]  # the last tile's north is its south


SUBTREES: dict[str, tuple[str, Callable[[Document, bytearray], Any]]] = {
    "a view off its place": ("9", lambda d, b: d["bufferViews"][1].update(byteOffset=44)),
    "trailing bits": ("9", trailing),
    "a wrong count": ("9", lambda d, b: d["tileAvailability"].update(availableCount=1)),
    "no root": ("10", orphan),
    "a region too small": ("5", lambda d, b: doubles(d, b, "boundingRegion", shrink)),
    "an error that grows": (
        "2",
        lambda d, b: doubles(d, b, "geometricError", lambda v: v.__setitem__(-1, 1e6)),
    ),
    "an error of 0 above tiles": (
        "2",
        lambda d, b: doubles(d, b, "geometricError", lambda v: v.__setitem__(0, 0.0)),
    ),
}


@pytest.mark.parametrize("name", SUBTREES)
def test_a_fault_in_a_subtree_is_found(city: Path, name: str) -> None:
    rule, plant = SUBTREES[name]
    file = next(city.rglob("subtrees/*/0/0/0.subtree"))
    document, data = split(file)
    plant(document, data)
    file.write_bytes(subtree.pack(document, bytes(data)))
    assert rule in rules(city)


def test_a_subtree_that_is_none_is_found(city: Path) -> None:
    next(city.rglob("*.subtree")).write_bytes(b"subt")
    assert "9" in rules(city)


def test_the_tileset_under_test_is_the_one_that_is_built(sound: Path) -> None:
    (table,) = read_glb(next(sound.rglob("*.glb"))).document["extensions"][
        "EXT_structural_metadata"
    ]["propertyTables"]
    assert set(table["properties"]) == {item.id for item in BUILDINGS.properties}
