"""The world quadtree: keys, and which tile each feature goes to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiling.formats import tree
from tiling.formats.tree import Capacity, Key

CAPACITY = Capacity(inner=5, leaf=15)


def city(seed: int, count: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    longitude = 113.75 + random.normal(0, spread, count)
    latitude = 23.0 + random.normal(0, spread, count)
    return longitude, latitude, random.lognormal(3, 1, count)


def assigned(
    longitude: np.ndarray, latitude: np.ndarray, size: np.ndarray, capacity: Capacity = CAPACITY
) -> list[Key]:
    ones = np.ones(size.size, int)
    levels, cells = tree.assign((longitude, latitude), size, ones, 25 * ones, capacity)
    return [Key(int(level), int(cell)) for level, cell in zip(levels, cells, strict=True)]


@given(st.lists(st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1)), max_size=20))
def test_morton_codes_lead_back_to_x_and_y(places: list[tuple[int, int]]) -> None:
    x, y = np.array(places, int).reshape(-1, 2).T
    back = tree.deinterleave(tree.interleave(x, y))
    assert np.array_equal(back[0], x) and np.array_equal(back[1], y)


@given(st.integers(0, 2**32), st.integers(1, 300), st.sampled_from([1e-5, 0.01, 1.0]))
def test_every_feature_lies_in_the_cell_of_its_tile(seed: int, count: int, spread: float) -> None:
    longitude, latitude, size = city(seed, count, spread)
    for place, key in enumerate(assigned(longitude, latitude, size)):
        west, south, east, north = tree.bounds(key)
        assert west <= longitude[place] <= east and south <= latitude[place] <= north
        assert tree.CONTENT <= key.level <= tree.DEEPEST


@given(st.integers(0, 2**32), st.integers(1, 300), st.sampled_from([1e-5, 0.01, 1.0]))
def test_no_tile_holds_more_than_it_may(seed: int, count: int, spread: float) -> None:
    keys = assigned(*city(seed, count, spread))
    parents = {tree.ancestor(key, level) for key in keys for level in range(9, key.level)}
    for key in set(keys) - {key for key in keys if key.level == tree.DEEPEST}:
        assert keys.count(key) <= (CAPACITY.inner if key in parents else CAPACITY.leaf)


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_keys_stay_when_the_city_grows_elsewhere(seed: int, count: int) -> None:
    longitude, latitude, size = city(seed, count, 0.01)
    before = assigned(longitude, latitude, size)
    far = longitude + 3, latitude + 1, size
    grown = [
        np.concatenate([old, new])
        for old, new in zip((longitude, latitude, size), far, strict=True)
    ]
    assert assigned(*grown)[:count] == before


def test_the_largest_are_nearest_to_the_root() -> None:
    longitude, latitude, size = city(7, 400, 0.02)
    levels = np.array([key.level for key in assigned(longitude, latitude, size)])
    assert size[levels == levels.min()].mean() > 2 * size[levels == levels.max()].mean()


def test_a_tile_with_children_is_empty_where_there_is_no_room_in_inner_tiles() -> None:
    keys = assigned(*city(7, 400, 0.02), Capacity(inner=0, leaf=15, highest_leaf=15))
    parents = {tree.ancestor(key, level) for key in keys for level in range(9, key.level)}
    assert not parents & set(keys)
    assert min(key.level for key in keys) >= 15


def test_a_tile_is_split_before_its_vertices_outgrow_short_indices() -> None:
    longitude, latitude, size = city(1, 100, 0.01)
    ones = np.ones(100, int)
    levels, cells = tree.assign((longitude, latitude), size, ones, 5000 * ones, Capacity(500, 1500))
    _, counts = np.unique(np.stack([levels, cells]), axis=1, return_counts=True)
    assert counts.max() <= 13


def test_what_is_in_one_place_stays_together_at_the_deepest_level() -> None:
    same = np.full(100, 113.75), np.full(100, 23.0), np.full(100, 10.0)
    below = [key for key in assigned(*same) if key.level == tree.DEEPEST]
    assert len(below) > CAPACITY.leaf and len(set(below)) == 1


@pytest.mark.parametrize("level", [9, 15, 21])
def test_a_cell_is_refined_when_its_edge_covers_512_pixels(level: int) -> None:
    edge = tree.EQUATOR / 2**level
    assert edge / tree.geometric_error(level) == pytest.approx(32)
