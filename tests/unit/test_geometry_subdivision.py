"""A floor divided into units: what must hold for any outline, anywhere on earth."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from shapely import affinity

from cim.geometry.cuts import cut
from cim.geometry.frame import along_walls, areas, plane
from cim.geometry.subdivision import FACINGS, Slots, subdivide

EPSILON = 1e-5
"""Part of the area; the digits of a degree hold about 1e-9 m."""

GRID = 1e-10
"""Degrees: a hundredth of a millimetre."""


def ell(arm: float, width: float) -> Any:
    return shapely.Polygon([(0, 0), (arm, 0), (arm, width), (width, width), (width, arm), (0, arm)])


def u_shape(arm: float, width: float) -> Any:
    return shapely.difference(
        shapely.box(0, 0, arm, arm), shapely.box(width, width, arm - width, arm + 1)
    )


def courtyard(arm: float, width: float) -> Any:
    return shapely.difference(
        shapely.box(0, 0, arm, arm * 0.8),
        shapely.box(width, width, arm - width, arm * 0.8 - width),
    )


def needle(arm: float, width: float) -> Any:
    return shapely.Polygon([(0, 0), (arm * 3, width * 0.01), (0, width * 0.02)])


def star(arm: float, width: float) -> Any:
    turns = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    radius = np.where(np.arange(24) % 2, arm, width)
    return shapely.Polygon(np.column_stack([radius * np.cos(turns), radius * np.sin(turns)]))


def comb(arm: float, width: float) -> Any:
    teeth = [shapely.box(i * width * 2, 0, i * width * 2 + width, arm) for i in range(6)]
    return shapely.union_all([shapely.box(0, 0, 11 * width, width), *teeth])


def round_tower(arm: float, width: float) -> Any:
    return shapely.Point(0, 0).buffer(arm / 2, quad_segs=int(500 + width * 100))


def two_blocks(arm: float, width: float) -> Any:
    return shapely.union_all(
        [shapely.box(0, 0, arm, width), shapely.box(0, 2 * arm, width, 3 * arm)]
    )


SHAPES = (ell, u_shape, courtyard, needle, star, comb, round_tower, two_blocks)


@st.composite
def outlines(draw: st.DrawFn) -> Any:
    """A hostile footprint in degrees: any size, any turn, any place between 60° north and south."""
    make = draw(st.sampled_from(SHAPES))
    arm = draw(st.floats(20, 120))
    width = draw(st.floats(3, 9))
    flat = affinity.rotate(make(arm, width), draw(st.floats(0, 360)), origin=(0, 0))
    lon, lat = draw(st.floats(-179, 179)), draw(st.floats(-60, 60))
    metres = np.diag(plane(np.array([shapely.box(lon, lat, lon, lat)], dtype=object)).matrix[0])
    return shapely.transform(flat, lambda points: points / metres + (lon, lat))


def check(outline: Any, slots: Slots) -> None:
    """The invariants: within, apart, all of it, each of them something."""
    whole = shapely.area(outline)
    assert slots.divided.all()
    assert shapely.is_valid(slots.shape).all() and not shapely.is_empty(slots.shape).any()
    assert set(shapely.get_type_id(slots.shape).tolist()) == {6}
    # On a grid: among lines that are the same but for the last digit GEOS else loses its way.
    outside = shapely.area(shapely.difference(slots.shape, outline, grid_size=GRID))
    assert outside.sum() <= EPSILON * whole
    total = shapely.area(slots.shape).sum()
    assert total == pytest.approx(whole, rel=EPSILON)
    union = shapely.union_all(slots.shape, grid_size=GRID)
    assert shapely.area(union) == pytest.approx(total, rel=EPSILON)
    assert slots.share.sum() == pytest.approx(1, abs=1e-9) and (slots.share > 0).all()
    assert all(0 <= facing < len(FACINGS) for facing in slots.facing)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(outlines(), st.lists(st.integers(1, 8), min_size=1, max_size=4))
def test_units_fill_any_outline_and_do_not_overlap(outline: Any, units: list[int]) -> None:
    shapes = np.array([outline], dtype=object)
    slots = subdivide(shapes, np.zeros(len(units), dtype=np.int64), np.array(units))
    check(outline, slots)
    assert slots.group.tolist() == [group for group, many in enumerate(units) for _ in range(many)]
    if shapely.get_num_geometries(outline) == 1:
        assert (shapely.get_num_geometries(slots.shape) == 1).all()


@settings(max_examples=60, deadline=None)
@given(outlines(), st.integers(2, 12))
def test_the_way_to_metres_and_back_loses_nothing(outline: Any, units: int) -> None:
    shapes, here = np.array([outline], dtype=object), np.zeros(1, dtype=np.int64)
    for frames in (plane(shapes), along_walls(shapes)):
        back = frames.leave(frames.enter(shapes, here), here)
        error = shapely.get_coordinates(back) - shapely.get_coordinates(shapes)
        assert np.abs(error).max() <= 1e-9
    inside = along_walls(shapes).enter(shapes, here)
    assert float(shapely.area(inside)[0]) == pytest.approx(areas(shapes)[0], rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(outlines(), st.integers(2, 9), st.integers(0, 1))
def test_cuts_have_equal_areas_and_the_same_ends_on_both_sides(
    outline: Any, count: int, axis: int
) -> None:
    assume(shapely.get_num_geometries(outline) == 1)  # else a line may run through the gap
    shapes, here = np.array([outline], dtype=object), np.zeros(1, dtype=np.int64)
    part = along_walls(shapes).enter(shapes, here)
    pieces = cut(part, np.zeros(count, dtype=np.int64), np.ones(count), axis)
    area = shapely.area(pieces)
    # Or a tenth of a square centimetre: a cut as long as a needle is placed to some nanometres.
    assert area == pytest.approx(np.full(count, area.mean()), rel=1e-6, abs=1e-5)
    corners = shapely.multipoints(shapely.get_coordinates(part))
    for left, right in pairwise(pieces):
        edge = shapely.get_coordinates(left)[:, axis].max()
        assert edge == shapely.get_coordinates(right)[:, axis].min()
        ends = [
            {
                tuple(point)
                for point in shapely.get_coordinates(side)
                if point[axis] == edge and shapely.distance(corners, shapely.Point(point)) > 1e-6
            }
            for side in (left, right)
        ]
        assert ends[0] == ends[1]


def test_the_same_outline_gives_the_same_bytes_in_any_company() -> None:
    rng = np.random.default_rng(3)
    flat = np.array([make(40, 6) for make in SHAPES] * 5, dtype=object)
    shapes = np.array(
        [
            shapely.transform(shape, lambda points, at=at: points / 1e5 + (110 + at, 30))
            for shape, at in zip(flat, rng.random(len(flat)), strict=True)
        ],
        dtype=object,
    )
    owner, units = np.arange(len(shapes)), rng.integers(1, 9, len(shapes))
    together = subdivide(shapes, owner, units)
    for number in range(len(shapes)):
        alone = subdivide(shapes[[number]], np.zeros(1, dtype=np.int64), units[[number]])
        same = together.owner == number
        assert (shapely.to_wkb(alone.shape) == shapely.to_wkb(together.shape[same])).all()
        assert (alone.facing == together.facing[same]).all()


def square(width: float, depth: float) -> Any:
    return shapely.box(120, 30, 120 + width / 96_486, 30 + depth / 110_861)


def facings(shape: Any, units: list[int]) -> list[str]:
    slots = subdivide(np.array([shape]), np.zeros(len(units), dtype=np.int64), np.array(units))
    return [FACINGS[facing] for facing in slots.facing]


def test_a_slab_is_cut_across_and_looks_south() -> None:
    assert facings(square(60, 11), [2, 2, 2]) == ["S"] * 6


def test_a_point_tower_has_flats_round_its_core() -> None:
    assert facings(square(25, 24), [4]) == ["S", "S", "N", "N"]


def test_a_deep_block_has_two_rows_so_that_no_flat_is_absurdly_long() -> None:
    shape = square(64, 22)
    slots = subdivide(np.array([shape]), np.zeros(1, dtype=np.int64), np.array([16]))
    sides = along_walls(slots.shape).enter(slots.shape, np.arange(16))
    west, south, east, north = shapely.bounds(sides).T
    assert ((east - west) / (north - south) < 2).all()
    assert [FACINGS[side] for side in slots.facing] == ["S"] * 8 + ["N"] * 8


def test_doors_are_on_the_outline_in_order_of_the_entrances() -> None:
    shape = square(60, 11)
    slots = subdivide(np.array([shape]), np.zeros(3, dtype=np.int64), np.array([2, 2, 2]))
    assert (np.diff(slots.door[:, 0]) > 0).all()
    distance = shapely.distance(shapely.boundary(shape), shapely.points(slots.door))
    assert distance.max() < 1e-9


@pytest.mark.parametrize(
    "outline",
    [
        shapely.Polygon([(120, 30), (120.001, 30), (120.002, 30)]),
        shapely.MultiPolygon(),
        shapely.box(120, 30, 120, 30),
    ],
)
def test_an_outline_without_area_has_no_units_drawn_on_it(outline: Any) -> None:
    good = square(40, 12)
    slots = subdivide(np.array([outline, good], dtype=object), np.array([0, 1]), np.array([3, 3]))
    assert slots.divided.tolist() == [False, True]
    assert shapely.is_empty(slots.shape).tolist() == [True] * 3 + [False] * 3
    assert slots.share[:3].tolist() == [0, 0, 0]


def test_thousands_of_vertices_are_divided_in_reasonable_time() -> None:
    turns = np.linspace(0, 2 * math.pi, 8000, endpoint=False)
    radius = 40 + 3 * np.sin(37 * turns) + np.random.default_rng(1).random(8000)
    flat = np.column_stack([radius * np.cos(turns), radius * np.sin(turns)])
    outline = shapely.Polygon(flat / 1e5 + (113.7, 22.9))
    slots = subdivide(np.array([outline]), np.zeros(2, dtype=np.int64), np.array([20, 20]))
    check(outline, slots)
