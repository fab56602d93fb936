"""Elevations: each top is the next floor, whatever was given."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.geometry.storeys import THINNEST, elevations, labels, stack

heights = st.one_of(st.just(np.nan), st.floats(0.5, 12))


@st.composite
def cities(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    """Storeys of a few buildings, some with heights and floors that contradict each other."""
    count = draw(st.integers(1, 5))
    above = np.array(draw(st.lists(st.integers(0, 8), min_size=count, max_size=count)))
    below = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    size = int((above + below).sum())

    def column(values: st.SearchStrategy[float], length: int) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=length, max_size=length)), dtype=float)

    given_height = column(heights, size)
    given_bottom = column(st.one_of(st.just(np.nan), st.floats(-12, 60)), size)
    return above, below, given_height, given_bottom, column(st.floats(0, 80), count)


@given(cities())
def test_storeys_stand_on_each_other_and_basements_are_below(
    city: tuple[np.ndarray, ...],
) -> None:
    above, below, given_height, given_bottom, height = city
    storeys = stack(above, below)
    usual = np.where(storeys.no < 0, 3.6, 3.0)
    bottom, top = elevations(storeys, usual, given_height, given_bottom, height)
    assert (top > bottom).all()
    same = storeys.building[1:] == storeys.building[:-1]
    assert (top[:-1][same] == bottom[1:][same]).all()
    ground = {
        int(b): e for b, n, e in zip(storeys.building, storeys.no, bottom, strict=True) if n == 1
    }
    for building, no, roof in zip(storeys.building, storeys.no, top, strict=True):
        if no < 0:
            assert roof <= ground.get(int(building), 0.0)


@given(cities())
def test_heights_add_up_to_the_building_where_none_is_given(city: tuple[np.ndarray, ...]) -> None:
    above, below, _, _, height = city
    storeys = stack(above, below)
    none = np.full(len(storeys.no), np.nan)
    bottom, top = elevations(storeys, np.full(len(none), 3.0), none, none, height)
    for building, floors in enumerate(above.tolist()):
        if floors and height[building] >= THINNEST * floors:
            mine = (storeys.building == building) & (storeys.no > 0)
            assert top[mine].max() == height[building]
            assert bottom[mine].min() == 0.0


def test_given_storeys_keep_their_heights_and_the_others_share_the_rest() -> None:
    storeys = stack(np.array([4]), np.array([0]))
    given_height = np.array([5.0, np.nan, np.nan, 4.0])
    bottom, top = elevations(
        storeys, np.full(4, 3.0), given_height, np.full(4, np.nan), np.array([15.0])
    )
    assert (top - bottom).tolist() == [5.0, 3.0, 3.0, 4.0]


def test_given_heights_win_over_the_height_of_the_building() -> None:
    storeys = stack(np.array([2]), np.array([0]))
    _, top = elevations(
        storeys, np.full(2, 3.0), np.array([4.0, 4.0]), np.full(2, np.nan), np.array([6.0])
    )
    assert top.tolist() == [4.0, 8.0]


def test_a_given_floor_is_an_anchor_and_a_mad_one_is_not_believed() -> None:
    storeys = stack(np.array([3]), np.array([1]))
    given_bottom = np.array([5.0, np.nan, 4.5, np.nan])
    bottom, top = elevations(
        storeys, np.full(4, 3.0), np.full(4, np.nan), given_bottom, np.array([10.5])
    )
    assert bottom.tolist() == [-3.0, 0.0, 4.5, 7.5]
    assert top.tolist()[-1] == 10.5


@pytest.mark.parametrize("height", [0.0, np.nan, 0.4])
def test_without_a_height_storeys_have_the_usual_one(height: float) -> None:
    storeys = stack(np.array([3]), np.array([0]))
    none = np.full(3, np.nan)
    _, top = elevations(storeys, np.array([4.2, 3.0, 3.0]), none, none, np.array([height]))
    assert top.tolist() == [4.2, 7.2, 10.2]


def test_labels_are_those_of_the_lift() -> None:
    assert labels(stack(np.array([2]), np.array([2])).no) == ["B2", "B1", "1", "2"]
