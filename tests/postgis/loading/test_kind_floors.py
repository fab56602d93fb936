"""Drawn plans: storey and unit polygons find their building by place, and their storey by level."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pyogrio
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from cim import derive
from cim.load import pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings

Loader = Callable[..., Report]

SIDE = 2e-4
"""Degrees, about 20 m: the side of a house."""

HOUSE = shapely.box(113.75, 23.02, 113.75 + SIDE, 23.02 + SIDE)


def part(west: float, south: float, east: float, north: float, z: float | None = None) -> Any:
    """A rectangle of the house, its corners as parts of its sides."""
    x = 113.75 + SIDE * np.array([west, east, east, west])
    y = 23.02 + SIDE * np.array([south, south, north, north])
    points = np.column_stack([x, y] if z is None else [x, y, np.full(4, z)])
    return shapely.Polygon(points)


@pytest.fixture
def load(connection: Connection, settings: Settings, tmp_path: Path) -> Loader:
    def run(
        kind: str,
        shapes: Sequence[Any],
        columns: dict[str, list[Any]],
        ending: str = "gpkg",
        **ask: Any,
    ) -> Report:
        connection.execute(text("DISCARD TEMP"))
        path = tmp_path / f"{kind}.{ending}"
        path.unlink(missing_ok=True)
        geometry = shapely.to_wkb(np.array(shapes, dtype=object))
        values = [np.array(column) for column in columns.values()]
        has_z = any(shape.has_z for shape in shapes)
        pyogrio.raw.write(
            path, geometry, values, list(columns), crs="EPSG:4490",
            geometry_type="Polygon Z" if has_z else "Polygon",
        )  # fmt: skip
        return pipeline.load(connection, settings, KINDS[kind], path, Request(**ask))

    return run


@pytest.fixture
def house(connection: Connection) -> int:
    return build(connection, HOUSE)


def build(connection: Connection, shape: Any, ground: float = 0.0) -> int:
    sql = """INSERT INTO city.building (name, footprint, footprint_area, height, height_method,
                 floors_above, floors_method, ground_elev)
             VALUES ('1栋', ST_Multi(ST_GeomFromText(:shape, 4490)), 450, 9, 'given', 3, 'given',
                     :ground) RETURNING id"""
    values = {"shape": shape.wkt, "ground": ground}
    return int(connection.execute(text(sql), values).scalar_one())


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(sql))]


FLOORS = "SELECT no, kind, given_bottom FROM city.storey WHERE status = 'given' ORDER BY no"
UNITS = """SELECT s.no, u.room_no, u.geom_status, u.building_id FROM city.unit u
    JOIN city.storey s ON s.id = u.storey_id WHERE u.ended_at IS NULL AND u.ext_id IS NOT NULL
    ORDER BY s.no, u.room_no"""


@pytest.mark.parametrize("ending", ["gpkg", "geojson", "fgb"])
def test_floors_without_a_key_belong_to_the_house_they_lie_in(
    load: Loader, connection: Connection, house: int, ending: str
) -> None:
    words = ["1F", "二层", "L3", "B1", "夹层"]
    shapes = [part(0, 0, 1, 1)] * 5
    report = load("floors", shapes, {"level": words}, ending)
    assert (report.counts.new, report.exit_code) == (5, 0)
    assert [row[:2] for row in rows(connection, FLOORS)] == [
        (-1, "地下"), (0, "夹层"), (1, "标准"), (2, "标准"), (3, "标准"),
    ]  # fmt: skip
    again = load("floors", shapes, {"level": words}, ending)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 5)


def test_a_plan_of_no_house_is_set_aside_with_its_reason(load: Loader, house: int) -> None:
    far = shapely.transform(part(0, 0, 1, 1), lambda p: p + 0.01)
    report = load("floors", [part(0, 0, 1, 1), far], {"lc": ["1", "1"]})
    assert (report.counts.new, report.aside) == (1, {"nowhere": 1})


def test_of_two_houses_the_one_that_takes_more_of_the_plan_has_it(
    load: Loader, connection: Connection, house: int
) -> None:
    beside = build(connection, shapely.transform(HOUSE, lambda p: p + np.array([SIDE, 0])))
    report = load("units", [part(0.7, 0, 1.6, 1), part(0.2, 0, 1.1, 1)],
                  {"楼层": ["1", "1"], "房号": ["101", "102"]})  # fmt: skip
    assert report.counts.new == 2
    assert {(row[1], row[3]) for row in rows(connection, UNITS)} == {
        ("101", beside), ("102", house),
    }  # fmt: skip


def test_two_houses_may_have_the_same_rooms(
    load: Loader, connection: Connection, house: int
) -> None:
    build(connection, shapely.transform(HOUSE, lambda p: p + np.array([SIDE * 2, 0])))
    other = shapely.transform(part(0, 0, 1, 1), lambda p: p + np.array([SIDE * 2, 0]))
    columns = {"level": ["1F", "1F"], "房号": ["101", "101"]}
    assert load("units", [part(0, 0, 1, 1), other], columns).counts.new == 2
    assert load("units", [part(0, 0, 1, 1), other], columns).counts.unchanged == 2


def test_heights_of_outlines_become_the_floors(
    load: Loader, connection: Connection, settings: Settings
) -> None:
    build(connection, HOUSE, ground=12.0)
    absolute = [part(0, 0, 1, 1, z) for z in (12.3, 15.6, 18.9)]
    load("floors", absolute, {"level": ["1", "2", "3"]})
    assert [row[2] for row in rows(connection, FLOORS)] == [0.3, 3.6, 6.9]
    relative = [part(0, 0, 1, 1, z) for z in (0.3, 3.6, 6.9)]
    again = load("floors", relative, {"level": ["1", "2", "3"]})
    assert again.counts.unchanged == 3
    derive.run(connection, settings)
    stacked = rows(connection, "SELECT elev_bottom FROM city.storey ORDER BY no")
    assert stacked == [(0.3,), (3.6,), (6.9,)]


@pytest.mark.parametrize("heights", [(80.0, 83.3, 86.6), (0.0, 3.3, 3.3), (6.6, 3.3, 0.0)])
def test_heights_that_do_not_fit_the_storeys_are_told_and_left_aside(
    load: Loader, connection: Connection, house: int, heights: tuple[float, ...]
) -> None:
    shapes = [part(0, 0, 1, 1, z) for z in heights]
    report = load("floors", shapes, {"level": ["1", "2", "3"]})
    assert [row[2] for row in rows(connection, FLOORS)] == [None] * 3
    assert report.warnings["unclear_z"] >= 1


def test_a_sloping_outline_has_no_height(load: Loader, connection: Connection, house: int) -> None:
    slope = shapely.Polygon(np.column_stack([*part(0, 0, 1, 1).exterior.xy, [0, 0, 1, 1, 0]]))
    load("floors", [slope], {"level": ["1"]})
    assert rows(connection, FLOORS) == [(1, "标准", None)]


@hypothesis.settings(
    max_examples=8, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.floats(0.1, 0.9), min_size=1, max_size=3, unique_by=lambda x: round(x, 1)))
def test_units_that_are_drawn_lie_in_their_storey_and_stay_as_drawn(
    load: Loader, connection: Connection, settings: Settings, cuts: list[float]
) -> None:
    with connection.begin_nested() as undo:
        build(connection, HOUSE)
        edges = [0.0, *sorted(cuts), 1.0]
        shapes = [part(a, 0, b, 1) for a, b in pairwise(edges)]
        columns = {
            "level": ["2F"] * len(shapes),
            "room": [f"{200 + n}" for n in range(len(shapes))],
        }
        assert load("units", shapes, columns).counts.new == len(shapes)
        derive.run(connection, settings)
        outside = """SELECT max(ST_Area(ST_Difference(u.outline, coalesce(p.outline, b.footprint)))
                                / ST_Area(u.outline))
            FROM city.unit u JOIN city.storey s ON s.id = u.storey_id
            JOIN city.building b ON b.id = u.building_id
            LEFT JOIN city.floor_plan p ON p.id = s.plan_id WHERE u.ext_id IS NOT NULL"""
        assert rows(connection, outside)[0][0] == pytest.approx(0, abs=1e-6)
        assert [row[:3] for row in rows(connection, UNITS)] == [
            (2, f"{200 + n}", "floorplan") for n in range(len(shapes))
        ]
        derive.run(connection, settings, force=True)
        assert load("units", shapes, columns).counts.unchanged == len(shapes)
        undo.rollback()
