"""Terrain is checked by rules that see what is wrong: each kind of fault, planted."""

import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from cim.crs.geoid import Geoid
from cim.settings import Settings
from cim.terrain.ground import Ground
from cim.terrain.layer import Layer
from tiling.formats.packed import packed
from tiling.terrain import quantized
from tiling.terrain.check import check
from tiling.terrain.parts import Maker, Order
from tiling.terrain.plan import Plan, Sheet, Stale, bounds_of
from tiling.terrain.reading import HEADER, Tile, read
from tiling.terrain.relief import Relief
from tiling.terrain.version import described

WEST, NORTH, CELL, CELLS = 113.0, 23.5, 0.001, 120
BOX = (WEST, NORTH - CELL * CELLS, WEST + CELL * CELLS, NORTH)
FINER = (113.04, 23.43, 113.06, 23.45)
LEVEL = 13
HERE = (LEVEL, int(293.09 / 180 * 2**LEVEL), int(113.42 / 180 * 2**LEVEL))
"""A tile in the middle, with all four neighbours and none below it."""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hills, part of them two levels finer."""
    folder = tmp_path_factory.mktemp("terrain")
    row, column = np.mgrid[0:CELLS, 0:CELLS]
    with rasterio.open(
        folder / "hills.tif", "w", driver="GTiff", width=CELLS, height=CELLS, count=1,
        dtype="float32", crs="EPSG:4326", transform=Affine(CELL, 0, WEST, 0, -CELL, NORTH),
    ) as file:  # fmt: skip
        file.write((500 + 90 * np.sin(column / 9) + 80 * np.cos(row / 7)).astype("float32"), 1)
    raster = Layer(folder / "hills.tif", "EPSG:4326", "1985", BOX)
    plan = Plan((Sheet("fine", FINER, LEVEL + 2), Sheet("hills", BOX, LEVEL)), 0.125, "constant")
    target = folder / "tiles"
    settings = Settings(_env_file=None)
    layers = (Layer(raster.path, raster.system, raster.heights, FINER), raster)
    order = Order(settings, layers, (LEVEL + 2, LEVEL), plan, target)
    with Ground(settings, layers) as ground:
        relief = Relief(ground, Geoid("constant", -4.0), BOX, plan.unit, order.levels)
        for x in (0, 1):
            Maker(relief, order, Stale(everything=True), lambda key: None).part((0, x, 0))
    (target / "layer.json").write_bytes(described(plan, "3f0c"))
    (target / "layer.json.gz").write_bytes(packed(described(plan, "3f0c")))
    report = check(target)
    assert report.faults == []
    assert report.tiles > 80
    return target


@pytest.fixture
def terrain(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "terrain"))


def rules(folder: Path) -> set[str]:
    return {fault.rule for fault in check(folder).faults}


Document = dict[str, Any]

DOCUMENTS: dict[str, tuple[str, Callable[[Document], Any]]] = {
    "another format": ("layer", lambda d: d.update(format="heightmap-1.0")),
    "another scheme": ("layer", lambda d: d.update(scheme="slippyMap")),
    "a template without y": ("layer", lambda d: d.update(tiles=["{z}/{x}.terrain"])),
    "bounds inside out": ("layer", lambda d: d.update(bounds=[114, 23, 113, 24])),
    "maxzoom too deep": ("layer", lambda d: d.update(maxzoom=LEVEL + 9)),
    "no availability": ("layer", lambda d: d.pop("available")),
    "half of the Earth": ("available", lambda d: d["available"][0][0].update(endX=0)),
    "a range beyond the Earth": ("available", lambda d: d["available"][3][0].update(endY=8)),
    "a range inside out": ("available", lambda d: d["available"][3][0].update(startX=15)),
    "orphans": ("available", lambda d: d["available"][7].clear()),
    "a tile promised in vain": ("available", lambda d: d["available"][LEVEL + 2][0].update(
        endX=d["available"][LEVEL + 2][0]["endX"] + 1)),
    "a tile that is there unsaid": ("available", lambda d: d["available"][LEVEL + 2][0].update(
        endX=d["available"][LEVEL + 2][0]["endX"] - 1)),
    "normals that are not promised": ("layer", lambda d: d.update(extensions=["octvertexnormals"],
                                                                   bounds=[0, 0, 0, 0])),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_fault_in_layer_json_is_found(terrain: Path, name: str) -> None:
    rule, plant = DOCUMENTS[name]
    file = terrain / "layer.json"
    document = json.loads(file.read_text())
    plant(document)
    file.write_text(json.dumps(document))
    assert rule in rules(terrain)


class Bytes:
    """The parts of a tile's bytes, to be changed and put together again."""

    def __init__(self, content: bytes) -> None:
        tile = read(content, HERE)
        self.tile, self.header = tile, list(HEADER.unpack_from(content))
        self.numbers = [tile.across.copy(), tile.up.copy(), tile.step.copy()]
        self.triangles = tile.triangles.copy()
        self.edges = [edge.copy() for edge in tile.edges]
        self.extensions = dict(tile.extensions)
        self.codes: np.ndarray | None = None

    def together(self) -> bytes:
        parts = [HEADER.pack(*self.header), struct.pack("<I", len(self.numbers[0]))]
        parts += [quantized._deltas(values) for values in self.numbers]
        codes = quantized._high_water(self.triangles.ravel()) if self.codes is None else self.codes
        parts += [struct.pack("<I", len(codes) // 3), codes.astype("<u2").tobytes()]
        for edge in self.edges:
            parts += [struct.pack("<I", len(edge)), edge.astype("<u2").tobytes()]
        for number, told in self.extensions.items():
            parts += [struct.pack("<BI", number, len(told)), told]
        return b"".join(parts)


def inner(tile: Tile) -> int:
    """A vertex that is on no border."""
    borders = (tile.across % quantized.MOST == 0) | (tile.up % quantized.MOST == 0)
    return int(np.flatnonzero(~borders)[5])


def lift(parts: Bytes, vertex: int, by: int = 1) -> None:
    parts.numbers[2][vertex] += by if parts.numbers[2][vertex] + by <= quantized.MOST else -by


def least_above_most(parts: Bytes) -> None:
    parts.header[3], parts.header[4] = parts.header[4], parts.header[3]


def high_in_the_sky(parts: Bytes) -> None:
    parts.header[4] = 40_000.0


def nothing_so_low(parts: Bytes) -> None:
    parts.numbers[2] += 1


def sphere_too_small(parts: Bytes) -> None:
    parts.header[8] *= 0.9


def sphere_too_large(parts: Bytes) -> None:
    parts.header[8] *= 50


def centre_elsewhere(parts: Bytes) -> None:
    parts.header[0:3] = [0.0, 0.0, 0.0]


def not_a_number(parts: Bytes) -> None:
    parts.header[5] = float("nan")


def hidden_too_early(parts: Bytes) -> None:
    parts.header[9:12] = [value * 0.99995 for value in parts.header[9:12]]


def hidden_elsewhere(parts: Bytes) -> None:
    parts.header[9:12] = [-value for value in parts.header[9:12]]


def index_beyond(parts: Bytes) -> None:
    parts.triangles[-1, -1] = len(parts.numbers[0])


def code_before_the_first(parts: Bytes) -> None:
    parts.codes = quantized._high_water(parts.triangles.ravel())
    parts.codes[1] = 9


def triangle_upside_down(parts: Bytes) -> None:
    parts.triangles[4] = parts.triangles[4][::-1]
    parts.triangles = _renumbered(parts)


def triangle_missing(parts: Bytes) -> None:
    parts.triangles = parts.triangles[:-1]


def triangle_flat(parts: Bytes) -> None:
    parts.triangles[-1, 1] = parts.triangles[-1, 0]


def _renumbered(parts: Bytes) -> np.ndarray:
    """Vertices in the order in which triangles name them: so high-water marks can tell them."""
    order, triangles = quantized._first_named(parts.triangles, len(parts.numbers[0]))
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    parts.numbers = [values[order] for values in parts.numbers]
    parts.edges = [place[edge] for edge in parts.edges]
    normals = np.frombuffer(parts.extensions[1], np.uint8).reshape(-1, 2)
    parts.extensions[1] = normals[order].tobytes()
    return triangles


def edge_with_another(parts: Bytes) -> None:
    parts.edges[1][3] = inner(parts.tile)


def edge_cut_short(parts: Bytes) -> None:
    parts.edges[2] = parts.edges[2][:-1]


def edge_beyond(parts: Bytes) -> None:
    parts.edges[0][0] = 60_000


def normal_into_the_earth(parts: Bytes) -> None:
    told = np.frombuffer(parts.extensions[1], np.uint8).reshape(-1, 2).copy()
    told[7] = quantized.oct_encoded(-quantized.oct_decoded(told[7:8]))[0]
    parts.extensions[1] = told.tobytes()


def normals_cut_short(parts: Bytes) -> None:
    parts.extensions[1] = parts.extensions[1][:-2]


def no_normals(parts: Bytes) -> None:
    parts.extensions.clear()


def open_border(parts: Bytes) -> None:
    lift(parts, int(parts.edges[2][9]))


def other_normal_on_the_border(parts: Bytes) -> None:
    told = np.frombuffer(parts.extensions[1], np.uint8).reshape(-1, 2).copy()
    told[parts.edges[3][9]] += 1
    parts.extensions[1] = told.tobytes()


def off_the_lattice(parts: Bytes) -> None:
    parts.numbers[0][inner(parts.tile)] += 3


TILES: dict[str, tuple[str, Callable[[Bytes], None]]] = {
    "least": ("heights", least_above_most),
    "sky": ("heights", high_in_the_sky),
    "low": ("heights", nothing_so_low),
    "small": ("sphere", sphere_too_small),
    "large": ("sphere", sphere_too_large),
    "centre": ("sphere", centre_elsewhere),
    "nan": ("sphere", not_a_number),
    "early": ("horizon", hidden_too_early),
    "elsewhere": ("horizon", hidden_elsewhere),
    "index": ("triangles", index_beyond),
    "code": ("bytes", code_before_the_first),
    "down": ("triangles", triangle_upside_down),
    "hole": ("triangles", triangle_missing),
    "flat": ("triangles", triangle_flat),
    "edge": ("edges", edge_with_another),
    "short": ("edges", edge_cut_short),
    "beyond": ("edges", edge_beyond),
    "earthward": ("normals", normal_into_the_earth),
    "few normals": ("bytes", normals_cut_short),
    "no normals": ("normals", no_normals),
    "open": ("watertight", open_border),
    "seam": ("watertight", other_normal_on_the_border),
    "lattice": ("lattice", off_the_lattice),
}


@pytest.mark.parametrize("name", TILES)
def test_a_fault_in_a_tile_is_found(terrain: Path, name: str) -> None:
    rule, plant = TILES[name]
    path = terrain / "{}/{}/{}.terrain".format(*HERE)
    parts = Bytes(path.read_bytes())
    assert parts.together() == path.read_bytes(), "what is changed is what was there"
    plant(parts)
    path.write_bytes(parts.together())
    (path.parent / (path.name + ".gz")).write_bytes(packed(parts.together()))
    assert rule in rules(terrain)


def test_a_tile_raised_as_a_whole_is_not_where_the_one_above_has_it(terrain: Path) -> None:
    path = terrain / "{}/{}/{}.terrain".format(*HERE)
    parts = Bytes(path.read_bytes())
    parts.header[3] += 1.0
    parts.header[4] += 1.0
    path.write_bytes(parts.together())
    assert {"levels", "watertight", "gzip"} <= rules(terrain)


def test_a_gap_to_the_tile_above_that_no_skirt_hides_is_found(terrain: Path) -> None:
    lonely = [
        path for path in terrain.glob(f"{LEVEL + 1}/*/*.terrain")
        if not (path.parent.with_name(str(int(path.parent.name) + 1)) / path.name).exists()
        and int(path.parent.name) % 2 == 0
    ]  # fmt: skip
    assert lonely, "tiles beside which the one above shows"
    parts = Bytes(lonely[0].read_bytes())
    parts.header[3] += 900.0
    parts.header[4] += 900.0
    lonely[0].write_bytes(parts.together())
    assert "skirts" in rules(terrain)


def cut_off(content: bytes) -> Iterator[bytes]:
    for length in (0, 1, 80, 100, 200, len(content) - 1):
        yield content[:length]


def test_a_tile_that_is_cut_off_is_said_to_be_wherever_it_is_cut(terrain: Path) -> None:
    path = terrain / "{}/{}/{}.terrain".format(*HERE)
    for content in cut_off(path.read_bytes()):
        path.write_bytes(content)
        assert {"bytes", "gzip"} <= rules(terrain)


def test_a_tile_that_is_gone_is_missed(terrain: Path) -> None:
    (terrain / "{}/{}/{}.terrain".format(*HERE)).unlink()
    assert "available" in rules(terrain)


def test_what_is_no_terrain_is_said_in_a_sentence(tmp_path: Path) -> None:
    for content in ("", "[]", "{}", '{"tiles": [], "available": []}'):
        (tmp_path / "layer.json").write_text(content)
        (fault,) = check(tmp_path).faults
        assert fault.rule == "layer"
    assert bounds_of(HERE)[0] < 113.1
