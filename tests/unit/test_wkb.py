"""Outlines by columns are what shapely reads, whatever they are."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cim.geometry.wkb import Blobs, ragged
from tiling.shapes.rings import parse

SQUARE = shapely.box(0, 0, 4, 3)
COURT = shapely.box(0, 0, 9, 9).difference(shapely.box(3, 3, 6, 6))
PLAIN = [
    None,
    shapely.to_wkb(SQUARE),
    shapely.to_wkb(COURT),
    shapely.to_wkb(shapely.MultiPolygon([SQUARE])),
    shapely.to_wkb(shapely.MultiPolygon([COURT, shapely.box(20, 0, 21, 5), COURT])),
]
ODD = [
    shapely.to_wkb(shapely.Polygon()),
    shapely.to_wkb(shapely.Point(1, 2)),
    shapely.to_wkb(SQUARE, byte_order=0),
    shapely.to_wkb(shapely.force_3d(SQUARE)),
    shapely.to_wkb(shapely.set_srid(SQUARE, 4490), include_srid=True),
    shapely.to_wkb(shapely.GeometryCollection([SQUARE])),
    b"",
    b"\x01\x03",
    PLAIN[2][:-16],
    PLAIN[4][:-16] + bytes(16),  # not closed
    PLAIN[1][:5] + b"\xff\xff\xff\xff" + PLAIN[1][9:],
    PLAIN[1][:9] + b"\xff\xff\xff\xff" + PLAIN[1][13:],
    PLAIN[4] + b"\0",
]


def blobs(outlines: list[bytes | None]) -> Blobs:
    lengths = np.array([-1 if item is None else len(item) for item in outlines], np.int64)
    starts = 3 + np.cumsum([0, *np.maximum(lengths, 0)])[:-1]
    data = b"row" + b"".join(item or b"" for item in outlines)
    return Blobs(np.frombuffer(data, np.uint8), starts, starts + lengths)


@given(st.lists(st.sampled_from(PLAIN), max_size=12))
def test_plain_polygons_are_read_as_shapely_reads_them(outlines: list[bytes | None]) -> None:
    found, expected = ragged(blobs(outlines)), parse(outlines)
    assert found is not None
    assert found.points.tolist() == expected.points.tolist()
    assert found.rings.tolist() == expected.rings.tolist()
    assert found.polygons.tolist() == expected.polygons.tolist()
    assert found.owner.tolist() == expected.owner.tolist()


@pytest.mark.parametrize("number", range(len(ODD)))
def test_anything_else_is_left_to_shapely(number: int) -> None:
    outlines = [PLAIN[3], ODD[number], PLAIN[1]]
    assert ragged(blobs(outlines)) is None
    found, expected = parse(blobs(outlines)), parse(outlines)
    assert found.points.tolist() == expected.points.tolist()
    assert found.owner.tolist() == expected.owner.tolist()


@given(st.binary(max_size=80))
def test_no_bytes_make_it_fall(noise: bytes) -> None:
    ragged(blobs([noise]))
    ragged(blobs([PLAIN[1][:9] + noise]))


@given(st.lists(st.integers(0, len(PLAIN) + 1), max_size=12), st.booleans())
def test_distinct_strings_are_those_in_different_places(chosen: list[int], ordered: bool) -> None:
    pool = blobs([*PLAIN, b"", PLAIN[1]])
    some = pool[np.array(sorted(set(chosen)) if ordered else chosen, int)]
    found, number = some.distinct()
    assert [found[place] for place in number.tolist()] == list(some)
    places = {(found.starts[at], found.ends[at]) for at in range(len(found))}
    assert len(places) == len(found) <= len(some)


def test_strings_come_out_as_they_are_in_whatever_order() -> None:
    outlines = [*PLAIN, *ODD]
    order = np.random.default_rng(1).permutation(len(outlines))
    some = blobs(outlines)
    assert list(some) == outlines
    assert list(some[order]) == [outlines[place] for place in order]
    assert [some[place] for place in range(3)] == outlines[:3]
    assert list(Blobs.joined([some[3:], some[:3]])) == outlines[3:] + outlines[:3]
