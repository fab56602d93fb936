"""Points are put into the first outline that holds them, as one would by trying each."""

import numpy as np
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cim.geometry.within import Outlines

CELL = st.integers(0, 6)
BOX = st.tuples(CELL, CELL, st.integers(1, 4), st.integers(1, 4))
POINT = st.tuples(st.integers(0, 20), st.integers(0, 20))


@given(st.lists(BOX, max_size=6), st.lists(POINT, max_size=20))
def test_a_point_stands_in_the_first_outline_that_holds_or_touches_it(
    boxes: list[tuple[int, int, int, int]], points: list[tuple[int, int]]
) -> None:
    shapes = [shapely.box(x, y, x + w, y + h) for x, y, w, h in boxes]
    ids = np.arange(len(shapes)) * 10 + 7
    lon, lat = np.array(points, float).reshape(-1, 2).T / 2
    found = Outlines(ids, [shape.wkb for shape in shapes]).holding(lon, lat)
    for x, y, got in zip(lon, lat, found, strict=True):
        holding = [
            n for n, shape in zip(ids, shapes, strict=True) if shape.intersects(shapely.Point(x, y))
        ]
        assert (np.isnan(got) and not holding) or got == holding[0]


def test_a_point_that_is_nowhere_stands_in_nothing() -> None:
    everywhere = Outlines(np.array([1]), [shapely.box(-180, -90, 180, 90).wkb])
    assert np.isnan(everywhere.holding(np.array([np.nan]), np.array([0.0]))).all()
