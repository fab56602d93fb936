"""The first rows of a city are written where they belong as they are read; nothing else differs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, text

from cim.load.kinds import KINDS
from cim.load.pipeline import Request, load
from cim.load.report import Report
from cim.settings import Settings
from cim.store.incoming import bulk, touched

SIDE = 2e-4
HOUSES: list[tuple[str | None, float, float, float | None, str | None]] = [
    ("north", 113.75, 23.03, 18.5, "planned"),
    ("south", 113.75, 23.02, 54.0, None),
    ("two pieces", 113.752, 23.02, 9.0, "planned"),
    ("two pieces", 113.7523, 23.02, 9.0, "planned"),
    ("far apart", 113.754, 23.02, 9.0, None),
    ("far apart", 113.954, 23.02, 9.0, None),
    (None, 113.756, 23.02, 9.0, None),
    ("one of two is wrong", 113.758, 23.02, 9.0, None),
    ("one of two is wrong", 113.7582, 23.02, -1.0, None),
    ("a town", 113.76, 23.02, 9.0, None),
    ("a line", 113.762, 23.02, 9.0, None),
    ("a shed", 113.764, 23.02, 3.0, None),
    ("last", 113.766, 23.02, 30.0, None),
]
"""Key, place, height, state."""

SIDES = {"a town": 0.05, "a line": 1e-9, "a shed": 5e-6}

AREA = """
    INSERT INTO city.admin_area (code, name, level, geom)
    VALUES ('441900', '东莞市', 2, ST_Multi(ST_MakeEnvelope(113, 22, 113.76, 24, 4490)))"""

LOADED = """
    SELECT ext_id, name, kind, state, height, height_method, floors_above, floors_method,
           floors_below, ground_elev, ST_AsText(ST_Normalize(footprint)), footprint_area,
           (SELECT a.name FROM city.admin_area a WHERE a.id = b.admin_area_id), attrs::text
    FROM city.building b ORDER BY ext_id"""

ASIDE = """
    SELECT ext_id, row_no, field, value, reason, record::text, file FROM platform.quarantine
    ORDER BY row_no"""

FED = """
    SELECT c.op, count(*), count(b.id), count(DISTINCT b.id) FROM platform.change c
    LEFT JOIN city.building b ON b.id = c.object_id WHERE c.object_type = 'building' GROUP BY 1"""

NEXT = "SELECT nextval('city.building_id_seq')"


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {"编号": key, "高度": height, "状态": state, "备注": f"第{n}户"},
            "geometry": shapely.geometry.mapping(
                shapely.box(x, y, x + SIDES.get(key or "", SIDE), y + SIDES.get(key or "", SIDE))
            ),
        }
        for n, (key, x, y, height, state) in enumerate(HOUSES)
    ]
    path = tmp_path / "houses.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


Load = Callable[..., tuple[Report, list[Any], list[Any], list[Any]]]


@pytest.fixture
def bring(
    connection: Connection, settings: Settings, houses: Path, monkeypatch: pytest.MonkeyPatch
) -> Load:
    def one_way(straight: bool, before: str = "", meanwhile: str = "", **ask: Any) -> Any:
        monkeypatch.setattr(bulk, "WORTH", 1 if straight else 1_000_000)
        waiting = [meanwhile] if meanwhile else []

        def progress(step: str, done: int, total: int | None) -> None:
            if step == "read" and waiting:
                connection.execute(text(waiting.pop()))

        with connection.begin_nested() as attempt:
            if before:
                connection.execute(text(before))
            key = connection.execute(text(NEXT)).scalar_one()
            buildings = KINDS["buildings"]
            report = load(connection, settings, buildings, houses, Request(**ask), progress)
            found = [list(connection.execute(text(sql))) for sql in (LOADED, ASIDE, FED)]
            given = connection.execute(text("SELECT max(id) FROM city.building")).scalar_one() - key
            indexes = connection.execute(
                text("SELECT count(*) FROM pg_indexes WHERE tablename = 'building'")
            ).scalar_one()
            attempt.rollback()
        assert (given > len(HOUSES)) == straight  # a key for every row of the file
        assert indexes == 5
        return (report, *found)

    return one_way


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"before": AREA},
        {"meanwhile": AREA},
        {"before": AREA, "meanwhile": "DELETE FROM city.admin_area"},
    ],
    ids=["no areas", "areas", "an area drawn meanwhile", "an area gone meanwhile"],
)
def test_both_ways_bring_the_same(bring: Load, how: dict[str, str]) -> None:
    straight, rows, aside, fed = bring(True, **how)
    staged, *others = bring(False, **how)
    assert [rows, aside, fed] == others
    assert straight.stats() | {"seconds": 0} == staged.stats() | {"seconds": 0}


def test_what_is_wrong_with_a_row_in_the_light_of_the_others_is_found(bring: Load) -> None:
    report, rows, aside, fed = bring(True)
    assert [row.ext_id for row in rows] == [
        "a shed", "far apart", "last", "north", "south", "two pieces",
    ]  # fmt: skip
    assert {row.ext_id: row.state for row in rows}["south"] == "existing"
    assert report.aside == {
        "companion": 1, "missing": 1, "scattered": 1, "sliver": 1, "too_small": 1, "vast": 1,
    }  # fmt: skip
    assert [row.row_no for row in aside] == [6, 7, 8, 9, 10, 11]
    assert [tuple(row) for row in fed] == [("insert", 6, 6, 6)]
    assert (report.counts.new, report.merged, report.warnings["tiny"]) == (6, 1, 1)


def test_only_the_first_rows_of_a_city_go_straight(
    connection: Connection, settings: Settings, houses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "WORTH", 1)
    for name, counts in (("one", (6, 0)), ("other", (6, 0)), ("one", (0, 6))):
        connection.execute(text("DISCARD TEMP"))
        asked = Request(source=name, encoding="utf-8")
        report = load(connection, settings, KINDS["buildings"], houses, asked)
        assert (report.counts.new, report.counts.unchanged) == counts
    ids = connection.execute(text("SELECT id FROM city.building ORDER BY id")).scalars().all()
    assert len(set(ids)) == 12


def test_later_rows_get_further_keys(
    connection: Connection, settings: Settings, houses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "WORTH", 1)
    load(connection, settings, KINDS["buildings"], houses, Request())
    last = connection.execute(text("SELECT max(id) FROM city.building")).scalar_one()
    assert connection.execute(text(NEXT)).scalar_one() == last + 1


@pytest.mark.parametrize("worth", [1, 1_000_000], ids=["straight", "staged"])
@pytest.mark.parametrize("count", [1, 1_200], ids=["told one by one", "told as a run"])
def test_units_are_made_in_every_building_that_came_in(
    connection: Connection,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    worth: int,
) -> None:
    monkeypatch.setattr(bulk, "WORTH", worth)
    path = tmp_path / "row.geojson"
    features = [
        {
            "type": "Feature",
            "properties": {"编号": str(n), "高度": 9},
            "geometry": shapely.geometry.mapping(shapely.box(x, 23, x + SIDE, 23 + SIDE)),
        }
        for n, x in enumerate(113 + np.arange(count) * 1e-3)
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    mark = touched.mark(connection)
    report = load(connection, settings, KINDS["buildings"], path, Request())
    assert report.counts.new == count
    ids = connection.execute(text("SELECT id FROM city.building ORDER BY id")).scalars().all()
    assert touched.buildings(connection, "buildings", report.source, mark) == ids
