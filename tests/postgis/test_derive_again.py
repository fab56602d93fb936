"""Whatever changes of what was given, what is derived follows, and nothing is lost on the way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from cim import derive
from cim.geometry.frame import areas
from cim.load import pipeline
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.settings import Settings
from cim.store.queries import quality

HERE = shapely.box(120.0, 31.0, 120.0006, 31.00011)
ELSEWHERE = shapely.box(120.01, 31.02, 120.0105, 31.0202)

FIELDS = {
    "height": 18.0,
    "floors_above": 6,
    "floors_below": 0,
    "use_code": "residential",
    "units_per_floor": 6,
    "entrance_count": 3,
    "podium_floors": None,
}

LIVE = """SELECT u.id, s.no, s.label, coalesce(e.no, 0), u.room_no, u.ext_id, u.geom_status
  FROM city.unit u JOIN city.storey s ON s.id = u.storey_id
  LEFT JOIN city.entrance e ON e.id = u.entrance_id
 WHERE u.ended_at IS NULL ORDER BY u.building_id, s.no, s.label, 4, u.room_no"""

Rows = list[tuple[Any, ...]]


def drawn(shape: Any) -> dict[str, Any]:
    return {
        "shape": shapely.to_wkb(shape),
        "area": float(areas(np.array([shape], dtype=object))[0]),
    }


class City:
    """A store that buildings, floors and rooms are brought to as their owners bring them."""

    def __init__(self, connection: Connection, settings: Settings, folder: Path) -> None:
        self.connection, self.settings, self.folder = connection, settings, folder

    def rows(self, statement: str, **parameters: Any) -> Rows:
        return [tuple(row) for row in self.connection.execute(text(statement), parameters)]

    def building(self, shape: Any = HERE, **fields: Any) -> int:
        values = FIELDS | fields
        names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
        found = self.rows(
            f"""INSERT INTO city.building (footprint, footprint_area, height_method,
                    floors_method, {names})
                VALUES (ST_Multi(ST_SetSRID(ST_GeomFromWKB(:shape), 4490)), :area, 'given',
                    'given', {marks}) RETURNING id""",
            **drawn(shape),
            **values,
        )
        return int(found[0][0])

    def change(self, building: int, **fields: Any) -> None:
        put = ", ".join(f"{name} = :{name}" for name in fields)
        self.connection.execute(
            text(f"UPDATE city.building SET {put} WHERE id = :id"), {"id": building, **fields}
        )

    def move(self, building: int, shape: Any) -> None:
        self.connection.execute(
            text(
                """UPDATE city.building SET footprint_area = :area,
                       footprint = ST_Multi(ST_SetSRID(ST_GeomFromWKB(:shape), 4490))
                    WHERE id = :id"""
            ),
            {"id": building, **drawn(shape)},
        )

    def load(self, kind: str, header: str, *lines: str, full: bool = True) -> None:
        path = self.folder / f"{kind}.csv"
        path.write_text("\n".join([header, *lines]) + "\n", "utf-8")
        request = Request(full=full, crs="EPSG:4490" if "wkt" in header else None)
        report = pipeline.load(self.connection, self.settings, KINDS[kind], path, request)
        assert not report.aside

    def derive(self) -> derive.Derived:
        return derive.run(self.connection, self.settings)

    def is_sound(self) -> None:
        """No rule is broken, and nothing is left that deriving everything anew would change."""
        self.connection.execute(text("DROP TABLE IF EXISTS measured_plan"))
        self.connection.execute(quality.measure_plans())
        for check in quality.INVARIANTS:
            assert self.rows(f"SELECT count(*) FROM ({check.faults}) f") == [(0,)], check
        lost = "SELECT count(*) FROM city.unit u WHERE u.slot_id IS NOT NULL AND NOT EXISTS"
        assert self.rows(f"{lost} (SELECT FROM city.floor_slot s WHERE s.id = u.slot_id)") == [(0,)]
        lost = "SELECT count(*) FROM city.storey o WHERE o.plan_id IS NOT NULL AND NOT EXISTS"
        assert self.rows(f"{lost} (SELECT FROM city.floor_plan p WHERE p.id = o.plan_id)") == [(0,)]
        assert self.derive() == derive.Derived()
        before = self.state()
        assert derive.run(self.connection, self.settings, force=True).ended == 0
        assert self.state() == before
        assert self.derive() == derive.Derived()

    def state(self) -> list[Rows]:
        """All that is derived, as people see it."""
        return [
            self.rows(
                """SELECT u.id, u.building_id, u.storey_id, u.entrance_id, u.room_no, u.kind,
                          u.geom_status, u.ended_at, s.outline, s.area, s.orientation
                     FROM city.unit u LEFT JOIN city.floor_slot s ON s.id = u.slot_id
                    ORDER BY u.id"""
            ),
            self.rows(
                """SELECT s.id, s.no, s.label, s.kind, s.status, s.elev_bottom, s.elev_top,
                          s.ended_at, p.kind, p.outline, p.area
                     FROM city.storey s LEFT JOIN city.floor_plan p ON p.id = s.plan_id
                    ORDER BY s.id"""
            ),
            self.rows("SELECT id, no, geom, geom_status, ended_at FROM city.entrance ORDER BY id"),
            self.rows("SELECT DISTINCT kind, outline, area FROM city.floor_plan ORDER BY 1, 2, 3"),
        ]


@pytest.fixture
def city(connection: Connection, settings: Settings, tmp_path: Path) -> City:
    return City(connection, settings, tmp_path)


FLOORS = "本库建筑,楼层,楼层名称,类别,层高"
UNITS = "本库建筑,房屋编号,楼层,单元,房号"


def test_the_name_of_a_storey_that_holds_given_rooms_is_part_of_what_was_given(
    city: City,
) -> None:
    here = city.building()
    city.load("units", UNITS, f"{here},U1,3,1,301", f"{here},U2,9,1,901")
    city.derive()
    city.connection.execute(text("UPDATE city.storey SET kind = '屋面', label = 'R' WHERE no = 9"))
    assert city.derive().buildings == 1
    city.is_sound()


def test_a_storey_that_its_table_dropped_stands_as_long_as_it_has_rooms(city: City) -> None:
    here = city.building()
    city.load("floors", FLOORS, f"{here},5,5A,标准,4", f"{here},8,8A,标准,3.5")
    city.load("units", UNITS, f"{here},U1,8,1,801", f"{here},U2,8,2,802")
    city.derive()
    before = city.rows(LIVE)
    city.load("floors", FLOORS, f"{here},1,1,标准,4")
    city.derive()
    after = city.rows(LIVE)
    assert [(row[0], *row[3:6]) for row in after] == [(row[0], *row[3:6]) for row in before]
    storeys = city.rows(
        "SELECT no, label, status, elev_top - elev_bottom FROM city.storey"
        " WHERE ended_at IS NULL AND no IN (5, 8) ORDER BY no"
    )
    assert storeys[0][:3] == (5, "5", "generated") and storeys[1][:3] == (8, "8A", "generated")
    assert storeys[1][3] != pytest.approx(3.5)
    city.is_sound()


def test_a_storey_that_its_table_renames_keeps_its_rooms(city: City) -> None:
    here = city.building()
    city.load("floors", FLOORS, f"{here},5,5,标准,4")
    city.load("units", UNITS, f"{here},U1,5,1,501")
    city.derive()
    before = city.rows(LIVE)
    city.load("floors", FLOORS, f"{here},5,5A,标准,4")
    city.derive()
    after = city.rows(LIVE)
    assert [row[0] for row in after] == [row[0] for row in before]
    assert {row[2] for row in after if row[1] == 5} == {"5A"}
    city.is_sound()


def test_fewer_floors_keep_given_rooms_and_end_the_others_with_their_links(city: City) -> None:
    here = city.building()
    city.load("units", UNITS, f"{here},U1,6,1,601")
    city.derive()
    fifth = city.rows("SELECT u.id FROM city.unit u JOIN city.storey s ON s.id = storey_id"
                      " WHERE s.no = 5 ORDER BY 1")  # fmt: skip
    city.connection.execute(
        text("""INSERT INTO pii.tenure (unit_id, party_type, party_id, kind)
                VALUES (:unit, 'organisation', 1, '产权')"""),
        {"unit": fifth[0][0]},
    )
    city.change(here, floors_above=4, height=12.0)
    done = city.derive()
    assert done.ended == 6 + 1
    live = city.rows(LIVE)
    assert [row[5] for row in live if row[1] > 4] == ["U1"]
    ended = city.rows("SELECT id, storey_id, ended_at IS NULL FROM city.unit WHERE id = ANY(:ids)",
                      ids=[row[0] for row in fifth])  # fmt: skip
    assert len(ended) == 6 and all(row[1] and not row[2] for row in ended)
    city.is_sound()
    city.change(here, floors_above=6, height=18.0)
    city.derive()
    back = city.rows("SELECT u.id FROM city.unit u JOIN city.storey s ON s.id = storey_id"
                     " WHERE s.no = 5 AND u.ended_at IS NULL ORDER BY 1")  # fmt: skip
    assert back == fifth
    assert city.rows("SELECT unit_id FROM pii.tenure") == [fifth[0]]
    city.is_sound()


def test_a_building_that_comes_back_has_its_units_again(city: City) -> None:
    city.building()
    city.derive()
    before = city.rows(LIVE)
    city.connection.execute(text("UPDATE city.building SET ended_at = now()"))
    assert city.derive().ended == 42
    assert city.rows("SELECT count(*) FROM platform.change WHERE op = 'end'") == [(1 + 6 + 36,)]
    city.connection.execute(text("UPDATE city.building SET ended_at = NULL"))
    city.derive()
    assert city.rows(LIVE) == before
    assert city.rows("SELECT units FROM city.building_pop") == [(36,)]
    city.is_sound()


def test_floors_above_the_floor_count_are_added_on_top(city: City) -> None:
    here = city.building()
    city.derive()
    before = city.rows(LIVE)
    city.load("floors", FLOORS, f"{here},7,7,标准,3", f"{here},8,8,屋面,2.5")
    city.derive()
    after = city.rows(LIVE)
    assert [row[:5] for row in after[:36]] == [row[:5] for row in before]
    assert {row[1] for row in after[36:]} == {7} and len(after) == 42
    city.is_sound()


def test_a_list_of_rooms_may_shrink_and_grow(city: City) -> None:
    here = city.building()
    lines = [f"{here},U{n},2,1,20{n}" for n in (1, 2, 3)]
    city.load("units", UNITS, *lines)
    city.derive()
    first = {row[5]: row[0] for row in city.rows(LIVE) if row[1] == 2}
    assert first.keys() == {"U1", "U2", "U3"}
    city.is_sound()
    city.load("units", UNITS, *lines[:1])
    city.derive()
    assert [row[5] for row in city.rows(LIVE) if row[1] == 2] == ["U1"]
    city.is_sound()
    city.load("units", UNITS, *lines)
    city.derive()
    assert {row[5]: row[0] for row in city.rows(LIVE) if row[1] == 2} == first
    city.load("units", UNITS, f"{here},U9,5,1,501")
    city.derive()
    assert [row[5] for row in city.rows(LIVE) if row[1] == 2] == [None] * 6
    city.is_sound()


def test_a_building_that_moves_takes_its_units_along(city: City) -> None:
    here = city.building()
    city.load("units", UNITS, f"{here},U1,2,1,201")
    city.derive()
    before = city.rows(LIVE)
    city.move(here, ELSEWHERE)
    assert city.derive().buildings == 1
    assert city.rows(LIVE) == before
    assert city.rows("SELECT min(ST_X(geom)) >= 120.01 FROM city.entrance") == [(True,)]
    city.is_sound()


def test_a_room_that_is_drawn_later_gives_up_its_place(city: City) -> None:
    here = city.building()
    city.load("units", UNITS, f"{here},U1,2,1,201", f"{here},U2,2,2,202")
    city.derive()
    city.connection.execute(
        text("""UPDATE city.unit SET geom_status = 'floorplan', outline =
                    ST_Multi(ST_MakeEnvelope(120, 31, 120.0002, 31.00011, 4490))
                 WHERE ext_id = 'U1'""")
    )
    assert city.derive().buildings == 1
    found = "SELECT ext_id, slot_id IS NULL, geom_status FROM city.unit WHERE ext_id <> ''"
    assert city.rows(f"{found} ORDER BY 1") == [
        ("U1", True, "floorplan"),
        ("U2", False, "generated"),
    ]
    city.is_sound()


def test_a_room_that_moves_to_another_building_changes_both(city: City) -> None:
    here, there = city.building(), city.building(ELSEWHERE)
    city.load("units", UNITS, f"{here},U1,2,2,201", f"{here},U2,2,2,202")
    city.derive()
    header = UNITS.replace(",单元", "")
    city.load("units", header, f"{there},U1,3,301", f"{here},U2,2,202", full=False)
    assert city.derive().buildings == 2
    found = city.rows("""SELECT u.building_id, e.building_id, e.no FROM city.unit u
                           JOIN city.entrance e ON e.id = u.entrance_id WHERE u.ext_id = 'U1'""")
    assert found == [(there, there, 2)]
    city.is_sound()


def test_drawn_outlines_that_no_storey_has_any_more_are_gone(city: City) -> None:
    here = city.building(use_code="mixed", podium_floors=2)
    wide, small = "120.0006", "120.0003"

    def lines(east: str) -> list[str]:
        shape = f"POLYGON((120 31,{east} 31,{east} 31.00011,120 31.00011,120 31))"
        return [f'{here},{no},{no},标准,3,"{shape}"' for no in range(1, 7)]

    city.load("floors", f"{FLOORS},wkt", *lines(wide))
    city.derive()
    city.is_sound()
    city.load("floors", f"{FLOORS},wkt", *lines(small))
    city.derive()
    plans = "SELECT DISTINCT ST_XMax(outline) FROM city.floor_plan WHERE kind = 'drawn'"
    assert city.rows(plans) == [(float(small),)]
    city.is_sound()


_ATTRIBUTES = st.one_of(
    st.fixed_dictionaries({"floors_above": st.integers(0, 8)}),
    st.fixed_dictionaries({"floors_below": st.integers(0, 2)}),
    st.fixed_dictionaries({"units_per_floor": st.one_of(st.none(), st.integers(1, 7))}),
    st.fixed_dictionaries({"entrance_count": st.one_of(st.none(), st.integers(1, 4))}),
    st.fixed_dictionaries({"podium_floors": st.one_of(st.none(), st.integers(0, 3))}),
    st.fixed_dictionaries({"use_code": st.sampled_from(["residential", "mixed", "office", None])}),
    st.fixed_dictionaries({"height": st.floats(3, 40)}),
)
_STOREY = st.integers(-2, 9).filter(bool)
_SORT = st.sampled_from(["标准", "设备", "屋面"])
_FLOOR = st.tuples(st.sampled_from(["", "A"]), _SORT, st.integers(2, 6))
_FLOORS = st.dictionaries(_STOREY, _FLOOR, min_size=1, max_size=4)
_ROOM = st.tuples(_STOREY, st.integers(1, 3), st.integers(1, 3))
_UNITS = st.dictionaries(_ROOM, st.booleans(), min_size=1, max_size=5)
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), _ATTRIBUTES),
        st.tuples(st.just("floors"), _FLOORS),
        st.tuples(st.just("units"), _UNITS),
        st.tuples(st.just("move"), st.booleans()),
        st.tuples(st.just("end"), st.booleans()),
    ),
    min_size=2,
    max_size=5,
)


def _floors(city: City, here: int, wanted: dict[int, tuple[str, str, int]]) -> None:
    city.load("floors", FLOORS, *(
        f"{here},{no},{'B' if no < 0 else ''}{abs(no)}{suffix},{kind},{tall}"
        for no, (suffix, kind, tall) in wanted.items()
    ))  # fmt: skip


def _units(city: City, here: int, wanted: dict[tuple[int, int, int], bool]) -> None:
    west = 120.0001
    city.load("units", f"{UNITS},wkt", *(
        f"{here},K{no}-{door}-{rank},{no},{door},{no}0{rank}," + (
            f'"POLYGON(({west} 31,120.0002 31,120.0002 31.0001,{west} 31.0001,{west} 31))"'
            if drawn and rank == 1 and door == 1 else ""
        )
        for (no, door, rank), drawn in wanted.items()
    ))  # fmt: skip


STEPS: dict[str, Callable[[City, int, Any], None]] = {
    "change": lambda city, here, fields: city.change(here, **fields),
    "floors": _floors,
    "units": _units,
    "move": lambda city, here, away: city.move(here, ELSEWHERE if away else HERE),
    "end": lambda city, here, gone: city.connection.execute(
        text(f"UPDATE city.building SET ended_at = {'now()' if gone else 'NULL'}")
    ),
}


@effort(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=_STEPS)
def test_after_any_changes_nothing_is_left_that_deriving_anew_would_change(
    city: City, steps: list[tuple[str, Any]]
) -> None:
    with city.connection.begin_nested() as alone:
        here = city.building()
        city.derive()
        for name, wanted in steps:
            present = city.rows("SELECT ended_at IS NULL FROM city.building")
            if present == [(True,)] or name == "end":
                STEPS[name](city, here, wanted)
            city.derive()
            city.is_sound()
        alone.rollback()
