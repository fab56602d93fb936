"""Where a model stands: said, laid on a footprint, or as its file has it."""

from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cim import crs
from cim.errors import MissingCrs
from cim.geometry import frame
from cim.load.models import placement
from cim.load.models.model import Conversion, Model, Site
from cim.load.models.placement import At

BARE = Model("IFC4", "guid", None, 0.0)
SHED = shapely.box(0, 0, 20, 10)


def metres(shape: shapely.Geometry, place: tuple[float, float]) -> shapely.Geometry:
    """Degrees as metres east and north of a place."""
    frames = frame.plane(np.array([shapely.Point(place)]))
    return frames.enter(np.array([shape]), np.array([0]))[0]


@given(st.floats(-179, 179), st.floats(-80, 80), st.floats(-360, 360))
def test_a_placed_outline_keeps_its_area_and_its_middle(
    lon: float, lat: float, turn: float
) -> None:
    place = placement.by_place((10.0, 5.0), At(lon, lat, turn))
    placed = place.place(SHED)
    assert float(crs.areas(np.array([placed]))[0]) == pytest.approx(200, rel=1e-5)
    middle = shapely.centroid(metres(placed, (lon, lat)))
    assert (middle.x, middle.y) == pytest.approx((0, 0), abs=1e-6)


@pytest.mark.parametrize(("turn", "towards"), [(0, (0, 1)), (90, (1, 0)), (180, (0, -1))])
def test_rotation_counts_clockwise_from_north(turn: float, towards: tuple[float, float]) -> None:
    place = placement.by_place((0.0, 0.0), At(113.75, 23.02, turn))
    tip = metres(shapely.Point(place.move(np.array([[0.0, 100.0]]))[0]), (113.75, 23.02))
    assert (tip.x / 100, tip.y / 100) == pytest.approx(towards, abs=1e-6)


@pytest.mark.parametrize("said", ["", "113.75", "1,2,3,4", "east,north", "190,23", "nan,2"])
def test_a_place_that_is_none_is_refused_with_how_to_say_it(said: str) -> None:
    with pytest.raises(MissingCrs, match="LON,LAT,ROTATION") as caught:
        At.parse(said)
    assert "经度,纬度,转角" in caught.value.zh


def test_a_map_conversion_turns_shifts_and_stretches_into_its_system() -> None:
    # 30° counter-clockwise at Dongguan, in the zone that has metres east and north.
    found = Conversion(474373.087, 2546774.325, 12.0, np.cos(np.pi / 6), np.sin(np.pi / 6), 1.0,
                       "EPSG:4547")  # fmt: skip
    place = placement.by_file(replace(BARE, conversion=found))
    east, north = crs.from_4490(*place.move(np.array([[100.0, 0.0]])).T, "EPSG:4547")
    assert float(east[0]) == pytest.approx(474373.087 + 86.6025, abs=1e-3)
    assert float(north[0]) == pytest.approx(2546774.325 + 50, abs=1e-3)
    assert place.how == "conversion" and "EPSG:4547" in place.notes[0][0]


def test_a_conversion_into_a_local_system_is_told_and_the_site_holds() -> None:
    local = Conversion(1000.0, 2000.0, 0.0, 1.0, 0.0, 1.0, "Baustelle Nord")
    model = replace(BARE, conversion=local)
    with pytest.raises(MissingCrs, match="Baustelle Nord"):
        placement.by_file(model)
    place = placement.by_file(replace(model, site=Site(8.4365, 49.1004, 110.0, 0.0, 0.0)))
    assert place.how == "site" and "Baustelle Nord" in place.notes[0][0]
    said = placement.by_file(replace(model, conversion=replace(
        local, eastings=474373.0, northings=2546774.0)), "EPSG:4547")  # fmt: skip
    assert said.how == "conversion"


def test_a_conversion_out_of_its_system_is_refused() -> None:
    nowhere = Conversion(1e12, 1e12, 0.0, 1.0, 0.0, 1.0, "EPSG:4547")
    with pytest.raises(MissingCrs, match="outside"):
        placement.by_file(replace(BARE, conversion=nowhere))


def test_a_site_turns_the_model_by_its_true_north() -> None:
    # True north lies 40° from the model's x axis, as in a house that was drawn along its walls.
    north = (np.cos(np.radians(40)), np.sin(np.radians(40)))
    model = replace(BARE, north=north, site=Site(8.4365, 49.1004, 110.0, 3.0, 4.0))
    place = placement.by_file(model)
    up = place.move(np.array([[3.0, 4.0]]) + 100 * np.array([north]))
    tip = metres(shapely.Point(up[0]), (8.4365, 49.1004))
    assert (tip.x, tip.y) == pytest.approx((0, 100), abs=1e-6)


def test_a_model_without_any_place_is_refused_with_what_to_say() -> None:
    with pytest.raises(MissingCrs, match="--at LON,LAT,ROTATION") as caught:
        placement.by_file(BARE)
    assert "--building" in str(caught.value) and "--building" in caught.value.zh


@given(st.floats(0, 360))
def test_a_model_laid_on_its_own_footprint_covers_it(turn: float) -> None:
    outline = shapely.Polygon([(0, 0), (30, 0), (30, 8), (10, 8), (10, 20), (0, 20)])
    there = placement.by_place((0.0, 0.0), At(113.75, 23.02, turn)).place(outline)
    place = placement.onto(there, BARE.north, outline, None)
    laid = place.place(outline)
    shared = shapely.area(shapely.intersection(laid, there)) / shapely.area(there)
    assert shared > 0.999 and len(place.notes) == 1


def test_a_direction_that_fits_as_well_is_told_and_can_be_said() -> None:
    there = placement.by_place((10.0, 5.0), At(113.75, 23.02, 15)).place(SHED)
    place = placement.onto(there, BARE.north, SHED, None)
    assert "15.0°" in place.notes[0][0] and "195.0°" in place.notes[1][0]
    other = placement.onto(there, BARE.north, SHED, 195.0)
    assert len(other.notes) == 1 and "195.0°" in other.notes[0][0]
