"""A tileset from rows that never change, without a database."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from tiling.city.layers import BUILDINGS, UNDERGROUND, UNITS, Layer
from tiling.city.tile import build_tile
from tiling.disk.folder import store
from tiling.formats import subtree, tiles3d
from tiling.formats.metadata import Table
from tiling.formats.tree import Capacity, Key, assign

Rows = dict[str, Any]
Tileset = tuple[Path, Layer, Rows]
Writer = Callable[..., Path]

USES = ("residential", "retail", "office")
KINDS = ("residential", "shop", "parking")
CITIES = ((113.75, 23.02), (120.6, 31.3))
"""Two places in root cells of their own."""


def _shapes() -> list[shapely.Geometry]:
    corner = [(0, 0), (40, 0), (40, 12), (12, 12), (12, 40), (0, 40)]
    court = shapely.box(0, 0, 60, 60).difference(shapely.box(20, 20, 40, 40))
    pair = shapely.MultiPolygon([shapely.box(0, 0, 9, 9), shapely.box(15, 0, 30, 20)])
    return [shapely.box(0, 0, 20, 11, ccw=False), shapely.Polygon(corner), court, pair]


def building_rows() -> Rows:
    """Sixty buildings in two cities, of four shapes, some without a year or a use."""
    numbers = np.arange(60)
    outlines, centres = [], []
    for number in numbers.tolist():
        west, south = CITIES[number % 2]
        step = np.array([number % 7 * 150 + (number % 5) ** 6, number % 11 * 130.0])
        shape = shapely.transform(
            _shapes()[number % 4], lambda p, o=(west, south), s=step: (p + s) * 9e-6 + o
        )
        box = shapely.box(*shape.bounds)
        outlines.append(shapely.to_wkb(shape))
        centres.append((box.centroid.x, box.centroid.y))
    heights = 3.0 + numbers * 2.5
    return {
        "id": numbers + 1000,
        "outline": outlines,
        "bottom": 5.0 + numbers % 3,
        "top": 5.0 + numbers % 3 + heights,
        "shift": np.full(60, -4.25),
        "longitude": np.array(centres)[:, 0],
        "latitude": np.array(centres)[:, 1],
        "height": heights.tolist(),
        "floors": (1 + numbers // 2).tolist(),
        "use": [(*USES, None, "no such code")[number % 5] for number in numbers.tolist()],
        "year": [None if number % 3 else 1990 + number % 30 for number in numbers.tolist()],
        "state": ["planned" if number % 7 == 0 else "existing" for number in numbers.tolist()],
        "generated": [number % 4 == 0 for number in numbers.tolist()],
    }


def unit_rows() -> Rows:
    """Three storeys of units in each building, one of them below the ground."""
    buildings = building_rows()
    storeys = np.repeat([[-1, 1, 2]], 60, axis=0).ravel()
    of = np.repeat(np.arange(60), 3)
    ground = buildings["bottom"][of]
    bottom = ground + np.where(storeys < 0, -3.6, (storeys - 1) * 3.0)
    return {
        "id": np.arange(180) + 50_000,
        "outline": [buildings["outline"][number] for number in of.tolist()],
        "bottom": bottom,
        "top": bottom + 3.0,
        "shift": buildings["shift"][of],
        "longitude": buildings["longitude"][of],
        "latitude": buildings["latitude"][of],
        "building_id": buildings["id"][of],
        "storey_id": np.arange(180) + 9000,
        "storey_no": storeys.tolist(),
        "kind": [KINDS[number % 3] for number in range(180)],
        "generated": [number % 2 == 0 for number in range(180)],
    }


def storey_rows() -> Rows:
    """A basement under each building, and a second one under every third."""
    buildings = building_rows()
    of = np.concatenate([np.arange(60), np.arange(0, 60, 3)])
    storeys = np.repeat([-1, -2], [60, 20])
    top = buildings["bottom"][of] + (storeys + 1) * 3.6
    return {
        "id": np.arange(80) + 9000,
        "outline": [buildings["outline"][number] for number in of.tolist()],
        "bottom": top - 3.6,
        "top": top,
        "shift": buildings["shift"][of],
        "longitude": buildings["longitude"][of],
        "latitude": buildings["latitude"][of],
        "building_id": buildings["id"][of],
        "no": storeys.tolist(),
        "kind": [None if number % 5 == 0 else KINDS[number % 3] for number in range(80)],
        "use": [buildings["use"][number] for number in of.tolist()],
        "generated": [number % 2 == 0 for number in range(80)],
    }


def table(layer: Layer) -> Table:
    codes = {"building_use": USES, "unit_kind": KINDS}
    return layer.table(codes)


def chosen(rows: Mapping[str, Any], places: np.ndarray) -> Rows:
    return {
        name: values[places]
        if isinstance(values, np.ndarray)
        else [values[place] for place in places.tolist()]
        for name, values in rows.items()
    }


def write(folder: Path, layer: Layer, rows: Rows) -> Path:
    """Write the tileset of the rows into a folder, as a build does; its tileset.json."""
    owner = rows.get("building_id", rows["id"])
    owners, first, of = np.unique(owner, return_index=True, return_inverse=True)
    places = rows["longitude"][first], rows["latitude"][first]
    size = 10.0 + owners % 41 * 3
    weight = np.bincount(of)
    levels, cells = assign(places, size, weight, 40 * weight, layer.capacity)
    keys = [Key(int(level), int(cell)) for level, cell in zip(levels, cells, strict=True)]
    regions, features = {}, 0
    for key in sorted(set(keys)):
        members = np.flatnonzero([keys[number] == key for number in of.tolist()])
        tile = build_tile(layer, table(layer), key, chosen(rows, members))
        store(folder / tiles3d.content_path(key), tile.content)
        regions[key] = tile.region
        features += tile.features
    facts = tiles3d.Facts(layer.title, "constant", -4.25, features, "golden")
    for path, content in tiles3d.files(facts, subtree.grow(regions), layer.inner_error).items():
        store(folder / path, content)
    return folder / "tileset.json"


@pytest.fixture(scope="session")
def writer() -> Writer:
    return write


CITY: dict[str, tuple[Layer, Rows]] = {
    "buildings": (replace(BUILDINGS, capacity=Capacity(inner=3, leaf=5)), building_rows()),
    "underground": (replace(UNDERGROUND, capacity=Capacity(inner=3, leaf=5)), storey_rows()),
    "units": (replace(UNITS, capacity=Capacity(inner=0, leaf=12, highest_leaf=15)), unit_rows()),
}
"""Tiles of a few features, so that a small city has a deep tree."""


@pytest.fixture(scope="session", params=sorted(CITY))
def tileset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tileset:
    """A tileset's folder, its layer and its rows: one tileset after the other."""
    layer, rows = CITY[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    write(folder, layer, rows)
    return folder, layer, rows


@pytest.fixture(scope="session")
def city_of_buildings() -> tuple[Layer, Rows]:
    return CITY["buildings"]
