"""Hostile outlines: mended within one per cent, or refused with the reason."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cim.geometry import validity

coordinate = st.floats(113.0, 113.01).map(lambda value: round(value, 6))
ring = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=12)


def mend(*shapes: shapely.Geometry | None, kind: str = "polygon") -> validity.Mended:
    return validity.mend(np.array(shapes, dtype=object), kind)


def test_a_bow_tie_is_refused_because_its_area_would_change() -> None:
    done = mend(shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]))
    assert done.reason.tolist() == ["invalid_geometry"]
    assert done.geometry[0] is None


def test_a_spike_is_cut_off_and_the_area_stays() -> None:
    spiked = shapely.Polygon([(0, 0), (1, 0), (1, 0.5), (1.5, 0.5), (1, 0.5), (1, 1), (0, 1)])
    assert not spiked.is_valid
    done = mend(spiked)
    assert done.reason.tolist() == [None]
    assert done.repaired.tolist() == [True]
    assert shapely.area(done.geometry[0]) == pytest.approx(1.0)


def test_courtyards_stay_and_rings_turn_the_right_way() -> None:
    clockwise = shapely.Polygon(
        [(0, 0), (0, 3), (3, 3), (3, 0)], [[(1, 1), (2, 1), (2, 2), (1, 2)]]
    )
    (shape,) = mend(clockwise).geometry
    (polygon,) = shape.geoms
    assert polygon.exterior.is_ccw
    assert len(polygon.interiors) == 1
    assert not polygon.interiors[0].is_ccw


def test_a_hole_outside_its_shell_is_refused() -> None:
    odd = shapely.Polygon([(0, 0), (1, 0), (1, 1), (0, 1)], [[(5, 5), (6, 5), (6, 6), (5, 6)]])
    assert mend(odd).reason.tolist() == ["invalid_geometry"]


def test_repeated_points_go_without_being_called_a_repair() -> None:
    done = mend(shapely.Polygon([(0, 0), (1, 0), (1, 0), (1, 1), (0, 1)]))
    assert shapely.get_num_coordinates(done.geometry[0]) == 5
    assert done.repaired.tolist() == [False]


def test_lines_and_points_are_no_outlines() -> None:
    done = mend(shapely.Point(1, 1), shapely.LineString([(0, 0), (1, 1)]), None)
    assert done.reason.tolist() == ["wrong_geometry", "wrong_geometry", None]


def test_a_collection_gives_its_polygons() -> None:
    both = shapely.GeometryCollection([shapely.box(0, 0, 1, 1), shapely.Point(5, 5)])
    (shape,) = mend(both).geometry
    assert shape.geom_type == "MultiPolygon"
    assert shape.area == 1.0


def test_heights_and_measures_are_dropped() -> None:
    solid = shapely.Polygon([(0, 0, 5), (1, 0, 5), (1, 1, 5)])
    parsed = validity.parse(np.array([shapely.to_wkb(solid, output_dimension=3)], dtype=object))
    assert not shapely.has_z(parsed.geometry[0])


def test_what_is_not_finite_or_not_a_geometry_is_broken() -> None:
    odd = shapely.to_wkb(shapely.LineString([(0, 0), (np.inf, 1)]))
    empty = shapely.to_wkb(shapely.Polygon())
    found = validity.parse(np.array([odd, b"\x01\x03", None, empty], dtype=object))
    assert found.reason.tolist() == [
        "broken_geometry",
        "broken_geometry",
        "no_geometry",
        "no_geometry",
    ]


def test_an_unclosed_ring_is_closed_and_called_a_repair() -> None:
    closed = bytearray(shapely.to_wkb(shapely.box(0, 0, 1, 1), byte_order=1))
    closed[9:13] = (4).to_bytes(4, "little")
    found = validity.parse(np.array([bytes(closed[:-16])], dtype=object))
    assert found.repaired.tolist() == [True]
    assert shapely.area(found.geometry[0]) == 1.0


@given(st.lists(ring, min_size=1, max_size=5))
def test_what_comes_out_is_valid_and_as_large_as_what_went_in(
    rings: list[list[tuple[float, float]]],
) -> None:
    shapes = np.array([shapely.Polygon(points) for points in rings], dtype=object)
    done = validity.mend(shapes, "polygon")
    for before, after, reason in zip(shapes, done.geometry, done.reason, strict=True):
        assert (after is None) == (reason is not None)
        if after is not None:
            assert after.is_valid
            assert after.geom_type == "MultiPolygon"
            assert after.area == pytest.approx(before.area, rel=validity.TOLERATED + 1e-9)
