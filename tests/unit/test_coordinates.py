"""What a file's numbers may be in: proposed, explained, never taken silently."""

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cim import crs
from cim.crs import zones
from cim.errors import MissingCrs, SourceError
from cim.load.coordinates import extent, propose, settle
from cim.load.source import Batch, Source

DONGGUAN = (113.75, 23.02)
SIZE = 500.0


def batch(*points: tuple[float, float]) -> Batch:
    wkb = np.array(shapely.to_wkb(shapely.points(points)), dtype=object)
    return Batch(pa.RecordBatch.from_pydict({"n": list(range(len(points)))}), wkb, 1)


def settled(points: list[tuple[float, float]], declared: str | None, said: str | None) -> str:
    found = settle("a.shp", Source(iter(()), declared, [], None), batch(*points), said)
    assert found is not None
    return found


def around(x: float, y: float, size: float) -> list[tuple[float, float]]:
    return [(x, y), (x + size, y + size)]


PLAIN, NUMBERED = (474_373.1, 2_546_774.3), (38_474_373.1, 2_546_774.3)
REFUSED = {
    "metres declared as degrees": (around(*PLAIN, SIZE), "EPSG:4490", "degrees", "EPSG:4547"),
    "degrees declared as metres": (around(*DONGGUAN, 0.01), "EPSG:4547", "metres", "EPSG:4490"),
    "zone eastings, plain zone": (around(*NUMBERED, SIZE), "EPSG:4547", "zone number", "EPSG:4526"),
    "plain eastings, zone": (around(*PLAIN, SIZE), "EPSG:4526", "lack the zone", "EPSG:4547"),
    "another zone": (around(*NUMBERED, SIZE), "EPSG:4527", "38 for 39", "EPSG:4526"),
    "Xian 1980, zone": (around(*NUMBERED, SIZE), "EPSG:2383", "zone number", "EPSG:2362"),
    "latitude first": (
        around(23.02, 113.75, 0.01), "EPSG:4490", "axes exchanged", "EPSG:4490/yx",
    ),
    "northing first": (
        around(2_546_774.3, 474_373.1, SIZE), "EPSG:4547", "axes exchanged", "EPSG:4547/yx",
    ),
    "northing first, zone": (
        around(2_546_774.3, 38_474_373.1, SIZE), "EPSG:4526", "axes exchanged", "EPSG:4526/yx",
    ),
    "axes said to be exchanged": (
        around(*DONGGUAN, 0.01), "EPSG:4490/yx", "axes exchanged", "EPSG:4490",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("points", "declared", "why", "advice"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_true_is_refused_with_what_to_say_instead(
    points: list[tuple[float, float]], declared: str, why: str, advice: str
) -> None:
    for file, said in ((declared, None), (None, declared), ("EPSG:4326", declared)):
        with pytest.raises(SourceError) as refused:
            settled(points, file, said)
        assert why in str(refused.value)
        assert advice in str(refused.value)
        assert advice in refused.value.zh


FINE = {
    "Dongguan": (around(*PLAIN, SIZE), "EPSG:4547"),
    "its zone": (around(*NUMBERED, SIZE), "EPSG:4526"),
    "degrees": (around(*DONGGUAN, 0.01), "EPSG:4490"),
    "AMap": (around(*DONGGUAN, 0.01), "gcj02"),
    "latitude first, and said": (around(23.02, 113.75, 0.01), "EPSG:4490/yx"),
    "Zug": (around(463_113.1, 15_224_791.9, SIZE), "EPSG:32732"),
    "web maps": (around(12_662_700, 2_634_000, SIZE), "EPSG:3857"),
    "a town's own metres": (around(20.0, 30.0, 1000.0), "EPSG:4547"),
    "Beijing 1954": (around(*NUMBERED, SIZE), "EPSG:2414"),
}


@pytest.mark.parametrize(("points", "declared"), FINE.values(), ids=FINE)
def test_what_may_be_true_is_taken_as_said(
    points: list[tuple[float, float]], declared: str
) -> None:
    assert settled(points, declared, None) == declared


@pytest.mark.parametrize(
    ("points", "code"),
    [
        (around(*DONGGUAN, 0.01), "EPSG:4490"),
        (around(*NUMBERED, SIZE), "EPSG:4526"),
        (around(*PLAIN, SIZE), "EPSG:4547"),
        (around(12_662_700, 2_634_000, SIZE), "EPSG:3857"),
        (around(8.5, 47.1, 0.1), "EPSG:4326"),
    ],
)
def test_a_file_that_does_not_say_is_refused_with_the_likeliest(
    points: list[tuple[float, float]], code: str
) -> None:
    with pytest.raises(MissingCrs, match=f"Say --crs {code}") as refused:
        settled(points, None, None)
    assert code in refused.value.zh


def test_that_degrees_may_be_shifted_is_mentioned_and_never_assumed() -> None:
    proposed = propose((*DONGGUAN, 113.76, 23.03))
    assert [item.code for item in proposed] == ["EPSG:4490", "gcj02", "bd09"]
    assert "do not show it" in proposed[1].en


@given(st.floats(75.5, 131), st.floats(19, 49), st.booleans())
def test_coordinates_of_a_zone_are_proposed_to_be_in_it(
    lon: float, lat: float, prefixed: bool
) -> None:
    code = f"EPSG:{crs.zone(lon, prefixed=prefixed)}"
    x, y = crs.from_4490(np.array([lon]), np.array([lat]), code)
    bounds = (float(x[0]), float(y[0]), float(x[0]) + 1, float(y[0]) + 1)
    if prefixed:
        assert code in [item.code for item in propose(bounds)]
    else:
        family = {zone.code for zone, _ in zones.plain_zones(bounds)}
        assert all(item.code in family for item in propose(bounds))
        assert propose(bounds)
    west, south, east, north = bounds
    there = [item.code for item in propose((south, west, north, east))]
    assert there == [item.code + "/yx" for item in propose(bounds)]


@given(st.tuples(*[st.floats()] * 4))
def test_any_numbers_are_answered(bounds: tuple[float, float, float, float]) -> None:
    for item in propose(bounds):
        assert 0 <= item.sure <= 100
        assert crs.canonical(item.code) == item.code


def test_one_row_at_zero_does_not_speak_for_the_others() -> None:
    points = [(474_000.0 + n, 2_546_000.0 + n) for n in range(200)]
    found = extent(batch(*points, (0.0, 0.0)))
    assert found is not None
    assert found[0] > 474_000
    assert extent(batch((np.nan, 1.0))) is None


def test_an_old_datum_is_taken_and_its_shift_told() -> None:
    source = Source(iter(()), "EPSG:2383", [], None)
    assert settle("a.shp", source, batch(*around(*PLAIN, SIZE)), None) == "EPSG:2383"
    assert "not public" in source.notes[0][0]


def test_degrees_in_china_that_a_format_calls_wgs84_may_be_shifted_and_that_is_told() -> None:
    for format_, said, count in (("GeoJSON", None, 1), ("GeoJSON", "gcj02", 0), ("GPKG", None, 0)):
        source = Source(iter(()), "EPSG:4326", [], None, format=format_)
        settle("a", source, batch(*around(*DONGGUAN, 0.01)), said)
        assert len(source.notes) == count
    abroad = Source(iter(()), "EPSG:4326", [], None, format="GeoJSON")
    settle("a", abroad, batch(*around(8.5, 47.1, 0.01)), None)
    assert abroad.notes == []
