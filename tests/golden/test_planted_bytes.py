"""Faults in what tiles are stored as: quantized, compressed, with several sets of feature ids."""

import gzip
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.golden.conftest import CITY
from tests.golden.conftest import write as written
from tests.golden.test_planted_faults import Document, primitive, rewritten
from tiling.check.khronos import Validator
from tiling.check.reading import read_glb
from tiling.check.tileset import check
from tiling.formats import gltf

MESHOPT = "EXT_meshopt_compression"

Plant = Callable[[Document, bytearray], Any]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Units: their tiles have all that tiles can have."""
    folder = tmp_path_factory.mktemp("sound")
    written(folder, *CITY["units"])
    assert check(folder).faults == []
    return folder


@pytest.fixture
def city(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "city"))


def sets(document: Document) -> list[Document]:
    found: list[Document] = primitive(document)["extensions"]["EXT_mesh_features"]["featureIds"]
    return found


def packed(document: Document, number: int) -> Document:
    found: Document = document["bufferViews"][number]["extensions"][MESHOPT]
    return found


def metadata(document: Document) -> Document:
    found: Document = document["extensions"]["EXT_structural_metadata"]
    return found


def properties(document: Document) -> Document:
    found: Document = metadata(document)["schema"]["classes"]["unit"]["properties"]
    return found


def spoilt(document: Document, data: bytearray) -> None:
    start = packed(document, 1)["byteOffset"]
    data[start : start + 20] = bytes(20)


def all_of_one(number: int) -> Plant:
    """Every vertex of the same feature in one of the sets."""
    return lambda document, data: rewritten(
        document, data, view_of(document, number), "<u2", lambda values: values * 0
    )


def view_of(document: Document, number: int) -> int:
    accessor = primitive(document)["attributes"][f"_FEATURE_ID_{number}"]
    return int(document["accessors"][accessor]["bufferView"])


def swapped(document: Document, data: bytearray) -> None:
    """The first two buildings change places in the vertices."""

    def change(values: np.ndarray) -> np.ndarray:
        found = values.copy()
        found[:, 0] = np.choose(np.minimum(values[:, 0], 2), [1, 0, values[:, 0]])
        return found

    rewritten(document, data, view_of(document, 2), "<u2", change)


def long_indices(document: Document, data: bytearray) -> None:
    view, item = document["bufferViews"][0], packed(document, 0)
    view["byteLength"], item["byteStride"] = 4 * item["count"], 4
    document["accessors"][0]["componentType"] = 5125
    document["buffers"][1]["byteLength"] *= 2
    view["byteOffset"] = document["buffers"][1]["byteLength"] - view["byteLength"]


def far_indices(document: Document, data: bytearray) -> None:
    rewritten(document, data, 0, "<u2", lambda values: values + 60_000)


def lines(document: Document) -> Document:
    found: Document = primitive(document)["extensions"]["EXT_mesh_primitive_edge_visibility"]
    return found


def bits(change: Callable[[Any], Any]) -> Plant:
    """Other bits of edges in place of those there are."""

    def plant(document: Document, data: bytearray) -> None:
        number = lines(document)["visibility"]
        item = document["accessors"][number]
        view = document["bufferViews"][item["bufferView"]]
        place = slice(view["byteOffset"], view["byteOffset"] + view["byteLength"])
        data[place] = change(np.frombuffer(bytes(data[place]), np.uint8)).tobytes()

    return plant


CONTENTS: dict[str, tuple[str, str, Plant]] = {
    "quantization that nobody is told of": (
        "17",
        "POSITION is quantized",
        lambda d, b: d["extensionsRequired"].remove("KHR_mesh_quantization"),
    ),
    "normals as large numbers": (
        "17",
        "not normalized",
        lambda d, b: d["accessors"][2].pop("normalized"),
    ),
    "positions off their boundary": (
        "17",
        "POSITION is not aligned",
        lambda d, b: d["accessors"][1].update(byteOffset=2, count=d["accessors"][1]["count"] - 1),
    ),
    "compression that nobody is told of": (
        "18",
        "fallback buffer",
        lambda d, b: d["extensionsRequired"].remove(MESHOPT),
    ),
    "an empty buffer that is no fallback": (
        "18",
        "no fallback",
        lambda d, b: d["buffers"][1].pop("extensions"),
    ),
    "two strides": ("18", "two strides", lambda d, b: d["bufferViews"][1].update(byteStride=12)),
    "a view past its fallback": (
        "18",
        "past its fallback",
        lambda d, b: d["buffers"][1].update(byteLength=16),
    ),
    "a compressed view that is spoilt": ("24", "cannot be unpacked", spoilt),
    "a view longer than it unpacks to": (
        "24",
        "not as long as it unpacks",
        lambda d, b: packed(d, 1).update(count=packed(d, 1)["count"] - 1),
    ),
    "feature ids of 32 bits": (
        "19",
        "illegal type",
        lambda d, b: d["accessors"][3].update(componentType=5125),
    ),
    "feature ids that are normalized": (
        "19",
        "illegal type",
        lambda d, b: d["accessors"][3].update(normalized=True),
    ),
    "feature ids off their boundary": (
        "19",
        "not aligned to 4 bytes",
        lambda d, b: d["accessors"][3].update(byteOffset=2, count=d["accessors"][3]["count"] - 1),
    ),
    "vertices all of one unit": ("19", "has no feature", all_of_one(0)),
    "vertices all of one storey": ("19", "featureCount", all_of_one(1)),
    "a feature without a row": (
        "19",
        "no row in the property table",
        lambda d, b: sets(d)[0].update(propertyTable=2),
    ),
    "units of another building": ("19", "building_id is not that of the vertices", swapped),
    "an illegal id in a tile": (
        "20",
        "illegal id",
        lambda d, b: metadata(d)["schema"].update(id="单元"),
    ),
    "no data for yes or no": (
        "22",
        "generated may have no noData",
        lambda d, b: properties(d)["generated"].update(noData=0),
    ),
    "a required column that is missing": (
        "22",
        "storey_no is required",
        lambda d, b: metadata(d)["propertyTables"][0]["properties"].pop("storey_no"),
    ),
    "a value without a name": (
        "22",
        "kind has a value that its enum lacks",
        lambda d, b: metadata(d)["schema"]["enums"]["unit_kind"]["values"].pop(),
    ),
    "indices of 32 bits for a few vertices": ("16", "longer than they need be", long_indices),
    "an index of no vertex": ("16", "points at no vertex", far_indices),
    "visible edges for other triangles": (
        "edges",
        "edge visibility",
        lambda d, b: lines(d).update(visibility=3),
    ),
    "visible edges of a lost material": (
        "edges",
        "of no material",
        lambda d, b: lines(d).update(material=2),
    ),
    "edges of which none is visible": ("edges", "no edge is visible", bits(np.zeros_like)),
    "edges that are visible twice": (
        "edges",
        "an edge is visible twice",
        bits(lambda stored: np.full_like(stored, 0b10101010)),
    ),
    "silhouettes without normals": (
        "edges",
        "silhouettes and their normals",
        bits(lambda stored: np.where(stored > 0, stored ^ 0b11, stored)),
    ),
    "an extension required in vain": (
        "25",
        "required, but not used",
        lambda d, b: d["extensionsRequired"].append("EXT_other"),
    ),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_a_fault_in_what_a_tile_is_stored_as_is_found(city: Path, name: str) -> None:
    rule, words, plant = CONTENTS[name]
    file = max(city.rglob("*.glb"), key=lambda path: path.stat().st_size)
    glb = read_glb(file)
    data = bytearray(glb.data)
    plant(glb.document, data)
    file.write_bytes(gltf.pack(glb.document, bytes(data)))
    found = check(city).faults
    assert any(fault.rule == rule and words in fault.en and fault.zh for fault in found), found[:9]


def test_bits_behind_the_last_edge_are_found(tmp_path: Path) -> None:
    city = tmp_path / "buildings"
    written(city, *CITY["buildings"])
    for file in city.rglob("*.glb"):
        glb = read_glb(file)
        if glb.document["accessors"][0]["count"] // 3 % 4:  # else the last byte is full
            break
    data = bytearray(glb.data)
    bits(lambda stored: np.append(stored[:-1], stored[-1] | np.uint8(0x80)))(glb.document, data)
    file.write_bytes(gltf.pack(glb.document, bytes(data)))
    found = check(city).faults
    assert any(fault.rule == "edges" and "behind the last" in fault.en for fault in found), found


def test_a_gzip_file_that_is_not_that_of_the_tile_is_found(city: Path) -> None:
    file = next(city.rglob("*.glb"))
    beside = file.with_name(f"{file.name}.gz")
    beside.write_bytes(gzip.compress(file.read_bytes()))
    assert check(city).faults == []
    beside.write_bytes(gzip.compress(file.read_bytes() + b"old"))
    assert {fault.rule for fault in check(city).faults} == {"12"}


def test_what_khronos_finds_is_a_fault_too(city: Path) -> None:
    with Validator() as validator:
        assert validator.there, "run `make .setup/validator`"
    report = check(city, khronos=True)
    assert report.faults == [] and report.khronos
    file = next(city.rglob("*.glb"))
    glb = read_glb(file)
    glb.document["materials"][0]["alphaMode"] = "GLASS"
    file.write_bytes(gltf.pack(glb.document, glb.data))
    assert check(city).faults == []
    found = check(city, khronos=True).faults
    assert {fault.rule for fault in found} == {"Khronos"} and "GLASS" in found[0].en


def test_processes_find_the_same(city: Path) -> None:
    for file in list(city.rglob("*.glb"))[::3]:
        file.write_bytes(file.read_bytes()[:-4])
    alone = check(city)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        together = check(city, executor=executor)
    assert together.faults == alone.faults != []
    assert together.ids(0).tolist() == alone.ids(0).tolist()
