"""A polygon's cells: what they say lies inside does, and nothing inside is left out."""

import numpy as np
import pytest
import shapely

from cim.geometry.cover import CLOSELY, Cover, cover

CIRCLE = shapely.Point(113.9, 22.9).buffer(0.02)
SHAPES = {
    "circle": CIRCLE,
    "ring": CIRCLE.difference(shapely.Point(113.9, 22.9).buffer(0.01)),
    "two": shapely.MultiPolygon(
        [shapely.box(113.88, 22.88, 113.89, 22.89), shapely.box(113.9, 22.9, 113.91, 22.92)]
    ),
    "sliver": shapely.Polygon([(113.88, 22.88), (113.92, 22.92), (113.92, 22.9200001)]),
    "bow tie": shapely.Polygon(
        [(113.88, 22.88), (113.92, 22.92), (113.92, 22.88), (113.88, 22.92)]
    ),
    "many corners": shapely.Point(113.9, 22.9).buffer(0.02, quad_segs=CLOSELY),
    "world": shapely.box(-180, -90, 180, 90),
    "house": shapely.box(113.9, 22.9, 113.9001, 22.9001),
}  # fmt: skip


def key(lon: float, lat: float) -> int:
    """The key of a place, bit by bit."""
    x, y = (min(int((degrees + 180) / 360 * 2**20), 2**20 - 1) for degrees in (lon, lat))
    return sum(((x >> bit & 1) << 2 * bit) | ((y >> bit & 1) << 2 * bit + 1) for bit in range(20))


def held(runs: np.ndarray, number: int) -> bool:
    return bool(((runs[:, 0] <= number) & (number < runs[:, 1])).any())


@pytest.mark.parametrize("name", SHAPES)
def test_cells_inside_hold_nothing_else_and_all_cells_everything(name: str) -> None:
    shape = SHAPES[name]
    found = cover(shape)
    chance = np.random.default_rng(7)
    west, south, east, north = shape.bounds
    grown = 0.1 * (east - west)
    for _ in range(400):
        lon = min(max(chance.uniform(west - grown, east + grown), -180), 180)
        lat = min(max(chance.uniform(south - grown, north + grown), -90), 90)
        inside = bool(shapely.intersects_xy(shape, lon, lat)) if shape.is_valid else None
        number = key(lon, lat)
        if held(found.inside, number):
            assert inside
        elif not held(found.edge, number):
            assert not inside


def test_most_of_a_round_polygon_lies_in_whole_cells() -> None:
    def keys(runs: np.ndarray) -> int:
        return int((runs[:, 1] - runs[:, 0]).sum())

    found = cover(CIRCLE)
    assert keys(found.inside) > 5 * keys(found.edge)
    assert len(found.inside) + len(found.edge) < 200


@pytest.mark.parametrize("name", SHAPES)
def test_runs_are_apart_and_in_order(name: str) -> None:
    found: Cover = cover(SHAPES[name])
    for runs in (found.inside, found.edge):
        assert (runs[:, 0] < runs[:, 1]).all() and (runs[1:, 0] > runs[:-1, 1]).all()
