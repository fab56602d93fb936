"""Coordinates into CGCS2000 degrees: published check values, and inverses that undo."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod

from cim import crs
from cim.crs import china, plane
from cim.errors import MissingCrs

LON = st.floats(73.5, 135.0)
LAT = st.floats(4.0, 53.0)


def arrays(lon: float, lat: float) -> tuple[np.ndarray, np.ndarray]:
    return np.array([lon]), np.array([lat])


@pytest.mark.parametrize(
    ("lon", "lat", "epsg", "east", "north"),
    [
        (113.75, 23.02, 4547, 474_373.087, 2_546_774.325),
        (113.75, 23.02, 4526, 38_474_373.087, 2_546_774.325),
        (120.58, 31.30, 4549, 555_218.739, 3_464_381.140),
        (117.97, 36.64, 4548, 586_747.865, 4_056_998.484),
    ],
)
def test_the_zones_of_the_four_cities_give_the_check_values(
    lon: float, lat: float, epsg: int, east: float, north: float
) -> None:
    x, y = crs.from_4490(*arrays(lon, lat), f"EPSG:{epsg}")
    assert x[0] == pytest.approx(east, abs=0.001)
    assert y[0] == pytest.approx(north, abs=0.001)
    back = crs.to_4490(np.array([east]), np.array([north]), f"EPSG:{epsg}")
    assert back[0][0] == pytest.approx(lon, abs=2e-8)
    assert back[1][0] == pytest.approx(lat, abs=2e-8)


def test_longitude_comes_first_whatever_the_authority_says() -> None:
    lon, lat = crs.to_4490(np.array([113.75]), np.array([23.02]), "EPSG:4490")
    assert (lon[0], lat[0]) == (113.75, 23.02)
    lon, lat = crs.to_4490(np.array([113.75]), np.array([23.02]), "EPSG:4610")
    assert lon[0] == pytest.approx(113.75, abs=0.01)


def test_a_northing_past_the_false_northing_is_north_of_the_equator() -> None:
    lon, lat = crs.to_4490(np.array([463_113.096]), np.array([15_224_791.943]), "EPSG:32732")
    assert lon[0] == pytest.approx(8.5132, abs=1e-3)
    assert lat[0] == pytest.approx(47.1756, abs=1e-3)


def test_gcj02_is_what_the_maps_show() -> None:
    lon, lat = china.gcj02_from_wgs84(*arrays(116.404, 39.915))
    assert lon[0] == pytest.approx(116.41024449916938, abs=1e-12)
    assert lat[0] == pytest.approx(39.91640428150164, abs=1e-12)


@given(LON, LAT)
def test_gcj02_and_back_is_the_same_place(lon: float, lat: float) -> None:
    there = china.gcj02_from_wgs84(*arrays(lon, lat))
    back = china.wgs84_from_gcj02(*there)
    assert abs(back[0][0] - lon) < 1e-9
    assert abs(back[1][0] - lat) < 1e-9


@given(LON, LAT)
def test_bd09_and_back_is_the_same_place(lon: float, lat: float) -> None:
    back = china.wgs84_from_bd09(*china.bd09_from_wgs84(*arrays(lon, lat)))
    assert abs(back[0][0] - lon) < 1e-9
    assert abs(back[1][0] - lat) < 1e-9


@given(LON, LAT)
def test_the_shift_is_under_two_kilometres_and_never_nothing_for_baidu(
    lon: float, lat: float
) -> None:
    east, north = china.bd09_from_wgs84(*arrays(lon, lat))
    moved = np.hypot(east[0] - lon, north[0] - lat)
    assert 1e-4 < moved < 0.03


@given(st.floats(-30, 70), st.floats(-60, 60))
def test_outside_china_nothing_is_shifted(lon: float, lat: float) -> None:
    for function in (china.gcj02_from_wgs84, china.wgs84_from_bd09):
        east, north = function(*arrays(lon, lat))
        assert (east[0], north[0]) == (lon, lat)


@given(st.floats(74, 135))
def test_a_zone_lies_around_its_longitude(lon: float) -> None:
    plain = crs.zone(lon)
    x, _ = crs.from_4490(np.array([lon]), np.array([30.0]), f"EPSG:{plain}")
    assert 300_000 < x[0] < 700_000
    assert crs.zone(lon, prefixed=True) == plain - 21


@pytest.mark.parametrize(
    ("said", "found"),
    [("GCJ-02", "gcj02"), ("BD09", "bd09"), ("4547", "EPSG:4547"), ("CGCS2000", "EPSG:4490")],
)
def test_systems_go_by_the_names_that_people_type(said: str, found: str) -> None:
    assert crs.canonical(said) == found


def test_an_unknown_system_is_refused_in_both_languages() -> None:
    with pytest.raises(MissingCrs) as refused:
        crs.canonical("EPSG:999999")
    assert "EPSG:999999" in str(refused.value)
    assert "坐标系" in refused.value.zh


@pytest.mark.parametrize("datum", ["xian80", "beijing54", "EPSG:2383", "EPSG:2414", "EPSG:4555"])
def test_the_old_datums_are_read_and_known_to_be_off_by_an_unpublished_shift(datum: str) -> None:
    x, y = crs.from_4490(*arrays(113.75, 23.02), datum)
    lon, lat = crs.to_4490(x, y, datum)
    assert np.hypot(lon[0] - 113.75, lat[0] - 23.02) < 1e-7
    assert crs.is_approximate(datum)
    assert not crs.is_approximate("EPSG:4547")
    assert not crs.is_approximate("gcj02")


@given(LON, LAT, st.sampled_from(["EPSG:4547", "gcj02", "EPSG:4490", "EPSG:4610"]))
def test_a_file_with_its_axes_exchanged_is_read_when_that_is_said(
    lon: float, lat: float, code: str
) -> None:
    x, y = crs.from_4490(*arrays(lon, lat), code)
    usual, other = crs.to_4490(x, y, code), crs.to_4490(y, x, code + "/yx")
    assert [part.tolist() for part in usual] == [part.tolist() for part in other]
    back = crs.from_4490(*arrays(lon, lat), code + "/yx")
    assert (back[0].tolist(), back[1].tolist()) == (y.tolist(), x.tolist())


@given(st.floats(0, 70), st.floats(0.0005, 0.01), st.floats(0.2, 3))
def test_areas_are_those_of_the_ellipsoid(lat: float, size: float, ratio: float) -> None:
    outline = shapely.segmentize(shapely.box(113, lat, 113 + size * ratio, lat + size), size / 20)
    exact = Geod(a=plane.AXIS, f=plane.FLATTENING).geometry_area_perimeter(outline)[0]
    assert crs.areas(np.array([outline]))[0] == pytest.approx(exact, rel=1e-5)
