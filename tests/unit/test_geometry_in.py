"""What becomes of every odd geometry: one table, from the bytes of a file to what is stored.

A row is a name, the kind wanted, what comes in, and what is decided: `as it is`, `repaired`, or the
reason for which it is set aside.
"""

import sqlite3
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyogrio.raw import write

from cim.load import checks, readers
from cim.load.rows import Rows
from cim.load.source import Batch

Decided = tuple[str, str]


def decided(
    wkb: list[bytes | None], kind: str, system: str = "EPSG:4490"
) -> tuple[list[str], np.ndarray[Any, Any]]:
    """What is decided of each, and what would be stored."""
    columns = pa.RecordBatch.from_pydict({"n": list(range(len(wkb)))})
    batch = Batch(columns, np.array(wkb, dtype=object), 1)
    rows = Rows(batch, {}, None, np.ones(len(wkb), bool))
    checks.read_geometry(rows, kind, system, needed=True)
    assert rows.geometry is not None
    assert rows.repaired is not None
    found = np.where(rows.repaired, "repaired", "as it is").astype(object)
    found[rows.faults.place] = rows.faults.reason
    for shape, verdict in zip(rows.geometry, found, strict=True):
        assert (shape is not None) == (verdict in ("as it is", "repaired"))
        if shape is not None:
            assert shape.is_valid
            assert not shape.is_empty
            assert not (shape.has_z or shape.has_m)
            assert shape.geom_type == {"polygon": "MultiPolygon", "line": "MultiLineString"}.get(
                kind, "Point"
            )
    return found.tolist(), rows.geometry


def text(wkt: str) -> bytes:
    """WKB of a place near Dongguan: the numbers are thousandths of a degree."""
    shape = shapely.from_wkt(wkt)
    moved = shapely.transform(shape, lambda p: p / 1000 + (113, 23), include_z=False)
    return bytes(shapely.to_wkb(moved))


def flat(kind: int, *rings: list[tuple[float, float]]) -> bytes:
    """WKB by hand, for what no library would write."""
    parts = [
        struct.pack("<I", len(ring)) + b"".join(struct.pack("<dd", *point) for point in ring)
        for ring in rings
    ]
    count = struct.pack("<I", len(rings)) if kind == 3 else b""
    return struct.pack("<BI", 1, kind) + count + b"".join(parts)


nan, inf = float("nan"), float("inf")
square = [(113.0, 23.0), (113.001, 23.0), (113.001, 23.001), (113.0, 23.001), (113.0, 23.0)]
shapes = "POLYGON((0 0,9 0,9 9,0 9,0 0)"

POLYGONS: dict[str, tuple[bytes | None, str]] = {
    "a square": (text(shapes + ")"), "as it is"),
    "turning the other way": (text("POLYGON((0 0,0 9,9 9,9 0,0 0))"), "as it is"),
    "a courtyard": (text(shapes + ",(2 2,4 2,4 4,2 4,2 2))"), "as it is"),
    "several parts": (text("MULTIPOLYGON(((0 0,1 0,1 1,0 0)),((5 5,6 5,6 6,5 5)))"), "as it is"),
    "repeated points": (text("POLYGON((0 0,9 0,9 0,9 0,9 9,0 9,0 0))"), "as it is"),
    "heights": (text("POLYGON Z((0 0 3,9 0 3,9 9 3,0 0 3))"), "as it is"),
    "an empty part": (text("MULTIPOLYGON(EMPTY,((0 0,1 0,1 1,0 0)))"), "as it is"),
    "a thin sliver": (text("POLYGON((0 0,9 0,9 0.000001,0 0))"), "as it is"),
    "a ring not closed": (flat(3, square[:-1]), "repaired"),
    "a spike": (text("POLYGON((0 0,9 0,9 5,14 5,9 5,9 9,0 9,0 0))"), "repaired"),
    "a tiny bow-tie at a corner": (
        text("POLYGON((0 0,9 0,9 9,0 9,0 0.01,-0.01 0,0.01 0,0 0))"), "repaired",
    ),
    "parts side by side": (
        text("MULTIPOLYGON(((0 0,5 0,5 5,0 5,0 0)),((5 0,9 0,9 5,5 5,5 0)))"), "repaired",
    ),
    "a polygon among points": (
        text("GEOMETRYCOLLECTION(POLYGON((0 0,9 0,9 9,0 0)),POINT(5 5))"), "repaired",
    ),
    "a polygon deep in collections": (
        text(f"{'GEOMETRYCOLLECTION(' * 30}{shapes}){')' * 30}"), "as it is",
    ),
    "a bow-tie": (text("POLYGON((0 0,9 9,9 0,0 9,0 0))"), "invalid_geometry"),
    "a hole outside": (text(shapes + ",(20 20,22 20,22 22,20 20))"), "invalid_geometry"),
    "a hole in a hole": (
        text(shapes + ",(1 1,8 1,8 8,1 8,1 1),(2 2,7 2,7 7,2 7,2 2))"), "invalid_geometry",
    ),
    "a hole as large as its shell": (text(shapes + ",(0 0,9 0,9 9,0 9,0 0))"), "invalid_geometry"),
    "parts that overlap": (
        text("MULTIPOLYGON(((0 0,9 0,9 9,0 9,0 0)),((4 4,14 4,14 14,4 14,4 4)))"),
        "invalid_geometry",
    ),
    "polygons that overlap in a collection": (
        text("GEOMETRYCOLLECTION(POLYGON((0 0,9 0,9 9,0 0)),POLYGON((0 0,9 0,9 8,0 0)))"),
        "invalid_geometry",
    ),
    "a polygon of two points": (flat(3, [square[0], square[1], square[0]]), "invalid_geometry"),
    "a polygon of one point": (flat(3, [square[0]] * 4), "invalid_geometry"),
    "a polygon flat as a line": (
        flat(3, [(113.0, 23.0), (113.25, 23.25), (113.5, 23.5), (113.0, 23.0)]), "invalid_geometry",
    ),
    "a line": (text("LINESTRING(0 0,9 9)"), "wrong_geometry"),
    "a closed line": (text("LINESTRING(0 0,9 0,9 9,0 0)"), "wrong_geometry"),
    "a point": (text("POINT(0 0)"), "wrong_geometry"),
    "a collection of points": (text("GEOMETRYCOLLECTION(POINT(0 0))"), "wrong_geometry"),
    "nothing": (None, "no_geometry"),
    "an empty polygon": (text("POLYGON EMPTY"), "no_geometry"),
    "an empty collection": (text("GEOMETRYCOLLECTION EMPTY"), "no_geometry"),
    "no number": (flat(3, [*square[:2], (nan, nan), *square[3:]]), "broken_geometry"),
    "an endless number": (flat(3, [*square[:2], (inf, 23.0), *square[3:]]), "broken_geometry"),
    "bytes that are none": (b"POLYGON((0 0", "broken_geometry"),
    "bytes that end": (flat(3, square)[:40], "broken_geometry"),
    "more points than bytes": (struct.pack("<BIII", 1, 3, 1, 2**31), "broken_geometry"),
    "more rings than bytes": (struct.pack("<BII", 1, 3, 2**32 - 1), "broken_geometry"),
    "no bytes": (b"", "broken_geometry"),
    "a surface of triangles": (struct.pack("<BII", 1, 16, 0), "broken_geometry"),
    "arcs": (struct.pack("<BII", 1, 10, 0), "broken_geometry"),
    "beyond the world": (flat(3, [(x + 100, y) for x, y in square]), "out_of_range"),
    "one corner beyond the world": (flat(3, [*square[:2], (113, 95.0), square[0]]), "out_of_range"),
}  # fmt: skip

LINES: dict[str, tuple[bytes | None, str]] = {
    "a line": (text("LINESTRING(0 0,9 9)"), "as it is"),
    "a line that crosses itself": (text("LINESTRING(0 0,9 9,9 0,0 9)"), "as it is"),
    "lines in a collection": (text("GEOMETRYCOLLECTION(LINESTRING(0 0,9 9))"), "as it is"),
    "a polygon": (text(shapes + ")"), "wrong_geometry"),
}
POINTS: dict[str, tuple[bytes | None, str]] = {
    "a point": (text("POINT(0 0)"), "as it is"),
    "points of one thing": (text("MULTIPOINT(0 0,9 9)"), "as it is"),
    "a point in a collection": (text("GEOMETRYCOLLECTION(POINT(0 0))"), "as it is"),
    "a point of no numbers": (shapely.to_wkb(shapely.Point()), "no_geometry"),
    "a polygon": (text(shapes + ")"), "wrong_geometry"),
    "latitude first": (shapely.to_wkb(shapely.Point(23, 113)), "out_of_range"),
}


@pytest.mark.parametrize(
    ("kind", "table"), [("polygon", POLYGONS), ("line", LINES), ("point", POINTS)]
)
def test_what_becomes_of_it(kind: str, table: dict[str, tuple[bytes | None, str]]) -> None:
    """All together, as the rows of one batch: one row spoils none of the others."""
    found, _ = decided([wkb for wkb, _ in table.values()], kind)
    assert dict(zip(table, found, strict=True)) == {name: said for name, (_, said) in table.items()}


def test_a_ring_of_a_million_points_is_taken() -> None:
    turn = np.linspace(0, 2 * np.pi, 1_000_000)
    ring = np.column_stack((113 + np.cos(turn) / 1000, 23 + np.sin(turn) / 1000))
    found, _ = decided([shapely.to_wkb(shapely.Polygon(ring))], "polygon")
    assert found == ["as it is"]


def test_an_outline_that_is_a_scribble_is_refused_and_not_unravelled() -> None:
    points = np.random.default_rng(7).random((20_000, 2)) / 100 + (113, 23)
    found, _ = decided([shapely.to_wkb(shapely.Polygon(points))], "polygon")
    assert found == ["invalid_geometry"]


def test_a_large_outline_with_one_fault_is_still_mended() -> None:
    turn = np.linspace(0, 2 * np.pi, 20_000, endpoint=False)
    ring = np.column_stack((113 + np.cos(turn) / 100, 23 + np.sin(turn) / 100))
    ring[[7, 8]] = ring[[8, 7]]
    found, _ = decided([shapely.to_wkb(shapely.Polygon(ring))], "polygon")
    assert found == ["repaired"]


def test_metres_beyond_the_world_are_out_of_range() -> None:
    far = shapely.box(9e15, 9e15, 9.1e15, 9.1e15)
    found, _ = decided([shapely.to_wkb(far)], "polygon", "EPSG:4547")
    assert found == ["out_of_range"]


def curved(path: Path) -> Path:
    """A circle of two arcs, and a square, in a file that says its outlines are made of arcs."""
    arc = [(0, 0), (2, 2), (4, 0), (2, -2), (0, 0)]
    arcs = struct.pack("<BIIBII", 1, 10, 1, 1, 8, len(arc))
    arcs += b"".join(struct.pack("<dd", x / 1000 + 113, y / 1000 + 23) for x, y in arc)
    names = [np.array(["circle", "square"], dtype=object)]
    wkb = np.array([arcs, flat(3, square)], dtype=object)
    write(path, wkb, names, ["name"], geometry_type="Unknown", crs="EPSG:4490", driver="GPKG")
    with sqlite3.connect(path) as table:
        table.execute("UPDATE gpkg_geometry_columns SET geometry_type_name = 'CURVEPOLYGON'")
    table.close()
    return path


def test_arcs_become_chains_of_straight_lines(tmp_path: Path) -> None:
    (batch,) = readers.read(curved(tmp_path / "arcs.gpkg")).batches
    assert batch.geometry is not None
    found, shapes = decided(batch.geometry.tolist(), "polygon")
    assert found == ["as it is", "as it is"]
    assert shapely.area(shapes[0]) == pytest.approx(np.pi * 4e-6, rel=0.01)


bytes_of_wkb = st.binary(max_size=120) | st.builds(
    lambda kind, rest: struct.pack("<BI", 1, kind) + rest,
    st.integers(0, 20),
    st.binary(max_size=90),
)


@given(st.lists(bytes_of_wkb, max_size=6), st.sampled_from(["polygon", "line", "point"]))
def test_no_bytes_are_too_strange(wkb: list[bytes], kind: str) -> None:
    found, _ = decided(list(wkb), kind)
    assert len(found) == len(wkb)


@pytest.mark.parametrize("text", ["GEOMETRYCOLLECTION(" * 100_000, "geometrycollection(" * 100_000])
def test_nesting_without_end_is_unreadable_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deep.csv"
    path.write_text(f"id,wkt\nA1,{text}\nA2,POINT(113 23)\nA3,CIRCULARSTRING(0 0,1 1,2 0)\n")
    geometry = [item for batch in readers.read(path).batches for item in batch.geometry.tolist()]
    found, _ = decided(geometry, "point")
    assert found == ["broken_geometry", "as it is", "broken_geometry"]
