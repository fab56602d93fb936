"""Real footprints, and polygons made to be hard: the units of a floor hold on every one."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from cim.derive.rules import RESIDENTIAL, units
from cim.geometry.cuts import multipolygons
from cim.geometry.frame import Shapes, areas
from cim.geometry.subdivision import Slots, subdivide

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
GRID = 1e-10
EPSILON = 1e-5


def folder(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"../shared/data is absent: {name}")
    return path


def footprints(file: Path) -> Shapes:
    """Polygons of a GeoJSON file as a loader leaves them."""
    features = json.loads(file.read_text("utf-8"))["features"]
    shapes = np.array([shapely.geometry.shape(each["geometry"]) for each in features], object)
    return multipolygons(shapely.make_valid(shapely.force_2d(shapes)))


def divided(shapes: Shapes, most: int = 60) -> Slots:
    kind = np.full(len(shapes), RESIDENTIAL)
    count = units(kind, areas(shapes), np.full(len(shapes), np.nan)).clip(1, most)
    return subdivide(shapes, np.arange(len(shapes)), count)


def check(shapes: Shapes, slots: Slots) -> None:
    """Within the outline, apart, valid, and together the whole of it."""
    assert slots.divided.all(), f"not divided: {np.flatnonzero(~slots.divided)[:5]}"
    assert shapely.is_valid(slots.shape).all()
    assert (shapely.area(slots.shape) > 0).all()
    whole = shapely.area(shapes)
    over = shapely.difference(slots.shape, shapes[slots.owner], grid_size=GRID)
    outside = np.bincount(slots.owner, shapely.area(over), len(shapes))
    assert (outside <= EPSILON * whole).all()
    total = np.bincount(slots.owner, shapely.area(slots.shape), len(shapes))
    assert (np.abs(total - whole) <= EPSILON * whole).all()
    for number in np.flatnonzero(np.bincount(slots.owner) > 1).tolist():
        mine = slots.shape[slots.owner == number]
        union = shapely.area(shapely.union_all(mine, grid_size=GRID))
        assert union >= (1 - EPSILON) * total[number]


@pytest.mark.parametrize(
    ("file", "count"),
    [
        ("buildings/suzhou/example/data/bd_demo_2.json", 3076),
        ("buildings/suzhou/example/data/bd_demo.json", 1374),
        ("buildings/beijing-taipei/examples/data/buildings.json", 5442),
        ("buildings/beijing-taipei/examples/cesiumEx/tjp.json", 6458),
    ],
)
def test_every_building_of_a_real_city_is_divided(file: str, count: int) -> None:
    shapes = footprints(folder("buildings").parent / file)
    assert len(shapes) == count
    slots = divided(shapes)
    check(shapes, slots)
    single = shapely.get_num_geometries(shapes)[slots.owner] == 1
    scattered = (shapely.get_num_geometries(slots.shape) > 1) & single
    assert scattered.sum() <= 5


def hard_polygons() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for file in sorted((folder("geometry") / "earcut/test/fixtures").glob("*.json")):
        rings = [ring for ring in json.loads(file.read_text()) if len(ring) > 2]
        if not rings:
            continue
        shape = shapely.make_valid(shapely.Polygon(rings[0], rings[1:]))
        parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
        if parts:
            found.append((file.stem, shapely.union_all(parts)))
    return found


def test_polygons_made_to_be_hard_are_divided_or_said_to_be_without_units() -> None:
    names, flat = zip(*hard_polygons(), strict=True)
    assert len(names) > 20
    placed = []
    for shape in flat:
        west, south, east, north = shape.bounds
        scale = 0.001 / max(east - west, north - south)  # as large as a hundred metres

        def moved(points: Any, w: float = west, s: float = south, k: float = scale) -> Any:
            return (points - (w, s)) * k + (113.7, 22.9)

        placed.append(shapely.transform(shape, moved))
    shapes = multipolygons(shapely.make_valid(np.array(placed, dtype=object)))
    slots = divided(shapes, most=12)
    good = slots.divided
    assert good.mean() > 0.9, (
        f"not divided: {[n for n, g in zip(names, good, strict=True) if not g]}"
    )
    renumbered = np.cumsum(good) - 1
    kept = good[slots.owner]
    check(
        shapes[good],
        Slots(
            renumbered[slots.owner[kept]],
            slots.group[kept],
            slots.shape[kept],
            slots.share[kept],
            slots.facing[kept],
            good[good],
            slots.door,
        ),
    )
    assert shapely.is_empty(slots.shape[~kept]).all()
