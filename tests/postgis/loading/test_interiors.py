"""Storeys, units and rooms of a city model: given to its buildings, again, and named where not."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.intake.bringing import Units, bring
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.load.report import Report
from cim.settings import Settings
from tests.citymodels import document

FACES = [[3, 2, 1, 0], [4, 5, 6, 7], [0, 1, 5, 4], [1, 2, 6, 5], [2, 3, 7, 6], [3, 0, 4, 7]]
"""A box: floor, ceiling, four walls; corners 0-3 below, 4-7 above."""


class Plan:
    """Objects and their vertices, boxes in metres above 20 m."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.vertices: list[list[int]] = []

    def box(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> Any:
        first = len(self.vertices)
        ring = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])]
        corners = [(*p, 20 + height) for height in z for p in ring]
        self.vertices += [[round(v * 1000) for v in place] for place in corners]
        shell = [[[first + corner for corner in face]] for face in FACES]
        return {"type": "Solid", "lod": "2", "boundaries": [shell]}

    def add(
        self, key: str, kind: str, *geometry: Any, up: tuple[str, ...] = (), **said: Any
    ) -> None:
        item: dict[str, Any] = {"type": kind, "geometry": list(geometry), "attributes": said}
        if "address" in said:
            item["address"] = said.pop("address")
        if up:
            item["parents"] = list(up)
            for parent in up:
                self.objects[parent].setdefault("children", []).append(key)
        self.objects[key] = item

    def write(self, path: Path) -> Path:
        return document(path, self.objects, self.vertices)


def house() -> Plan:
    """Two storeys of 3 m: flat A on both, flat B above, a hall that is nobody's."""
    plan = Plan()
    plan.add("H", "Building", plan.box((0, 10), (0, 8), (0, 6)))
    plan.add("S1", "BuildingStorey", up=("H",), name="1F")
    plan.add("S2", "BuildingStorey", up=("H",), name="2F")
    plan.add("A", "BuildingUnit", up=("H",), name="101", function="residential")
    plan.add("A1", "BuildingRoom", plan.box((0, 6), (0, 8), (0, 3)), up=("A", "S1"), name="living")
    plan.add("A2", "BuildingRoom", plan.box((0, 6), (0, 4), (3, 6)), up=("A", "S2"), name="bedroom")
    plan.add("hall", "BuildingRoom", plan.box((6, 10), (0, 8), (0, 3)), up=("S1",), name="hall")
    flat = plan.box((0, 10), (4, 8), (3, 6))
    plan.add("B", "BuildingUnit", flat, up=("H", "S2"), name="201", function="office",
             address=[{"thoroughfareName": "Road"}])  # fmt: skip
    return plan


@pytest.fixture
def load(settings: Settings, engine: Engine) -> Any:
    def run(path: Path, **ask: Any) -> Report:
        kind = KINDS["buildings"]
        return bring(settings, kind, path, Request(**ask), units=Units(), keep=True)

    yield run
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE city.building, city.source_system CASCADE"))


def rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


STOREYS = """SELECT no, label, status, given_bottom, given_height FROM city.storey
              WHERE ended_at IS NULL ORDER BY no"""
UNITS = """SELECT u.ext_id, u.room_no, u.kind, s.no, u.z_bottom, u.z_top,
                  round(ST_Area(u.outline::geography)::numeric)
             FROM city.unit u JOIN city.storey s ON s.id = u.storey_id
            WHERE u.ended_at IS NULL ORDER BY 1"""
PARTS = """SELECT u.ext_id, s.no, p.z_bottom, p.z_top FROM city.unit_storey p
             JOIN city.unit u ON u.id = p.unit_id JOIN city.storey s ON s.id = p.storey_id"""
ROOMS = """SELECT r.ext_id, u.ext_id, s.no, r.volume FROM city.unit_space r
             JOIN city.storey s ON s.id = r.storey_id LEFT JOIN city.unit u ON u.id = r.unit_id
            WHERE r.ended_at IS NULL ORDER BY 1"""


def test_a_house_has_the_storeys_units_and_rooms_of_its_model(
    load: Any, engine: Engine, tmp_path: Path
) -> None:
    report = load(house().write(tmp_path / "one.city.json"))
    assert rows(engine, STOREYS) == [(1, "1F", "given", 0.0, 3.0), (2, "2F", "given", 3.0, 3.0)]
    assert rows(engine, UNITS) == [
        ("A", "101", "residential", 1, 0.0, 3.0, 48),
        ("B", "201", "office", 2, 3.0, 6.0, 40),
    ]
    assert rows(engine, PARTS) == [("A", 2, 3.0, 6.0)]
    assert rows(engine, ROOMS) == [
        ("A1", "A", 1, 144.0), ("A2", "A", 2, 72.0), ("B", "B", 2, 120.0), ("hall", None, 1, 96.0),
    ]  # fmt: skip
    notes = [en for en, _ in report.notes]
    assert any(note.startswith("inside 1 buildings: 2 units, 3 rooms") for note in notes)
    assert any(note.startswith("1 units with an address") and note.endswith("B") for note in notes)


def test_the_same_model_again_changes_nothing_and_a_moved_wall_does(
    load: Any, engine: Engine, tmp_path: Path
) -> None:
    load(house().write(tmp_path / "one.city.json"))
    before = rows(engine, "SELECT id, ext_id FROM city.unit ORDER BY id")
    plan = house()
    report = load(plan.write(tmp_path / "one.city.json"))
    assert any("0 new, 0 changed" in en for en, _ in report.notes)
    moved = plan.box((0, 10), (4.5, 8), (3, 6))
    plan.objects["B"]["geometry"] = [moved]
    load(plan.write(tmp_path / "one.city.json"))
    assert rows(engine, "SELECT id, ext_id FROM city.unit ORDER BY id") == before
    assert rows(engine, UNITS)[1][-1] == 35


def test_rooms_without_storeys_make_them_by_their_floors(
    load: Any, engine: Engine, tmp_path: Path
) -> None:
    plan = Plan()
    plan.add("H", "Building", plan.box((0, 10), (0, 8), (0, 6)))
    for floor in (0, 1):
        box = plan.box((0, 10), (0, 8), (1 + 2.5 * floor, 3.5 + 2.5 * floor))
        plan.add(f"R{floor}", "BuildingRoom", box, up=("H",), name=f"room {floor}")
    load(plan.write(tmp_path / "rooms.city.json"))
    assert [(no, bottom) for no, _, _, bottom, _ in rows(engine, STOREYS)] == [(1, 1.0), (2, 3.5)]
    assert [row[2] for row in rows(engine, ROOMS)] == [1, 2]


def test_what_cannot_be_used_is_named(load: Any, engine: Engine, tmp_path: Path) -> None:
    plan = house()
    plan.add("attic", "BuildingStorey", up=("H",), name="3F")
    plan.add("G", "Building", plan.box((20, 30), (0, 8), (0, 6)))
    broken = {"type": "Solid", "lod": "2", "boundaries": [[[[0, 1, 9999]]]]}
    plan.add("G1", "BuildingRoom", broken, up=("G",))
    plan.add("K", "Building", up=())
    plan.add("K1", "BuildingRoom", plan.box((40, 50), (0, 8), (0, 3)), up=("K",))
    notes = [en for en, _ in load(plan.write(tmp_path / "some.city.json")).notes]
    for start, name in (("1 storeys without", "attic"), ("1 interiors that cannot", "G"),
                        ("1 interiors of buildings that did not", "K")):  # fmt: skip
        assert [note for note in notes if note.startswith(start) and note.endswith(name)], notes
    assert len(rows(engine, UNITS)) >= 2
