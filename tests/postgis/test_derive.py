"""Storeys, entrances and units: made, made again, and made around what was given."""

from typing import Any

import numpy as np
import pytest
import shapely
from sqlalchemy import Connection, text

from cim import derive
from cim.geometry.frame import areas
from cim.settings import Settings
from cim.store.copy import columns

SLAB = shapely.MultiPolygon([shapely.box(120.0, 31.0, 120.0006, 31.00011)])


def building(connection: Connection, shape: Any = SLAB, **fields: Any) -> int:
    """One building as a loader leaves it; its id."""
    values = {
        "height": 18.0,
        "floors_above": 6,
        "floors_below": 0,
        "use_code": "residential",
        "units_per_floor": 6,
        "entrance_count": 3,
        "podium_floors": None,
    } | fields
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    return int(
        connection.execute(
            text(
                f"""INSERT INTO city.building (footprint, footprint_area, height_method,
                        floors_method, {names})
                    VALUES (ST_SetSRID(ST_GeomFromWKB(:shape), 4490), :area, 'given', 'given',
                        {marks}) RETURNING id"""
            ),
            {
                "shape": shapely.to_wkb(shape),
                "area": float(areas(np.array([shape], dtype=object))[0]),
                **values,
            },
        ).scalar_one()
    )


def rows(connection: Connection, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(text(statement), parameters)]


LIVE_UNITS = """SELECT u.id, s.no, e.no, u.room_no, u.kind, u.geom_status, u.ext_id
  FROM city.unit u JOIN city.storey s ON s.id = u.storey_id
  LEFT JOIN city.entrance e ON e.id = u.entrance_id
 WHERE u.building_id = :id AND u.ended_at IS NULL ORDER BY s.no, e.no NULLS FIRST, u.room_no"""

LIVE_STOREYS = """SELECT s.id, s.no, s.label, s.elev_bottom, s.elev_top, s.plan_id, s.status
  FROM city.storey s WHERE s.building_id = :id AND s.ended_at IS NULL ORDER BY s.no, s.label"""


def test_a_slab_has_its_storeys_entrances_and_rooms(
    connection: Connection, settings: Settings
) -> None:
    here = building(connection)
    done = derive.run(connection, settings, building_ids=[here])
    assert (done.buildings, done.entrances, done.storeys, done.units) == (1, 3, 6, 36)
    assert done.undrawn == 0
    units = rows(connection, LIVE_UNITS, id=here)
    assert [unit[1:4] for unit in units[:6]] == [
        (1, 1, "101"),
        (1, 1, "102"),
        (1, 2, "101"),
        (1, 2, "102"),
        (1, 3, "101"),
        (1, 3, "102"),
    ]
    storeys = rows(connection, LIVE_STOREYS, id=here)
    assert [storey[3:5] for storey in storeys] == [(3.0 * n, 3.0 * n + 3) for n in range(6)]
    doors = rows(
        connection,
        "SELECT no, name, geom_status, ST_X(geom) FROM city.entrance WHERE building_id = :id",
        id=here,
    )
    assert [door[1] for door in sorted(doors)] == ["1单元", "2单元", "3单元"]
    assert [door[3] for door in sorted(doors)] == sorted(door[3] for door in doors)
    assert rows(connection, "SELECT units FROM city.building_pop WHERE building_id = :i", i=here)[
        0
    ] == (36,)


def test_a_typical_floor_is_stored_once(connection: Connection, settings: Settings) -> None:
    here = building(
        connection, floors_above=30, floors_below=2, height=92.0, podium_floors=2, use_code="mixed"
    )
    derive.run(connection, settings, building_ids=[here])
    plans = rows(
        connection,
        "SELECT kind, outline FROM city.floor_plan WHERE building_id = :id ORDER BY kind",
        id=here,
    )
    assert plans == [("basement", None), ("podium", None), ("typical", None)]
    storeys = rows(connection, LIVE_STOREYS, id=here)
    assert len(storeys) == 32 and [storey[2] for storey in storeys[:3]] == ["B2", "B1", "1"]
    assert storeys[1][4] == 0.0 and storeys[-1][4] == 92.0
    units = rows(connection, LIVE_UNITS, id=here)
    assert {unit[4] for unit in units} == {"parking", "shop", "residential"}
    assert {unit[3] for unit in units if unit[1] == -2} == {"B201"}


def test_deriving_again_changes_nothing(connection: Connection, settings: Settings) -> None:
    here = building(connection)
    derive.run(connection, settings, building_ids=[here])
    before = _everything(connection, here)
    told = rows(connection, "SELECT count(*) FROM platform.change")
    again = derive.run(connection, settings, building_ids=[here])
    assert again == derive.Derived()
    assert _everything(connection, here) == before
    forced = derive.run(connection, settings, building_ids=[here], force=True)
    assert forced.buildings == 1 and forced.ended == 0
    assert _everything(connection, here) == before
    assert rows(connection, "SELECT count(*) FROM platform.change") == told


def _everything(connection: Connection, here: int) -> list[list[tuple[Any, ...]]]:
    tables = {
        "city.storey": "t.building_id = :id",
        "city.unit": "t.building_id = :id",
        "city.entrance": "t.building_id = :id",
        "city.floor_plan": "t.building_id = :id",
        "city.floor_slot": "t.plan_id IN (SELECT id FROM city.floor_plan WHERE building_id = :id)",
    }
    return [
        rows(connection, f"SELECT t::text FROM {table} t WHERE {where} ORDER BY t.id", id=here)
        for table, where in tables.items()
    ]


def test_fewer_floors_end_the_upper_ones_and_keep_the_ids_below(
    connection: Connection, settings: Settings
) -> None:
    here = building(connection)
    derive.run(connection, settings, building_ids=[here])
    before = {unit[1:4]: unit[0] for unit in rows(connection, LIVE_UNITS, id=here)}
    storeys = {storey[1]: storey[0] for storey in rows(connection, LIVE_STOREYS, id=here)}
    connection.execute(
        text("UPDATE city.building SET floors_above = 4, height = 12 WHERE id = :id"), {"id": here}
    )
    done = derive.run(connection, settings)
    assert (done.buildings, done.ended) == (1, 2 * 6 + 2)
    after = {unit[1:4]: unit[0] for unit in rows(connection, LIVE_UNITS, id=here)}
    assert after == {key: number for key, number in before.items() if key[0] <= 4}
    assert {s[1]: s[0] for s in rows(connection, LIVE_STOREYS, id=here)} == {
        no: number for no, number in storeys.items() if no <= 4
    }
    ended = "SELECT count(*) FROM city.unit WHERE building_id = :id AND ended_at IS NOT NULL"
    assert rows(connection, ended, id=here) == [(12,)]
    fed = "SELECT object_type, count(*) FROM platform.change WHERE op = 'end' GROUP BY 1 ORDER BY 1"
    assert rows(connection, fed) == [("storey", 2), ("unit", 12)]
    assert rows(connection, "SELECT units FROM city.building_pop WHERE building_id = :i", i=here)[
        0
    ] == (24,)


def test_another_division_replaces_the_plan_and_keeps_rooms_of_the_same_number(
    connection: Connection, settings: Settings
) -> None:
    here = building(connection)
    derive.run(connection, settings, building_ids=[here])
    before = {unit[1:4]: unit[0] for unit in rows(connection, LIVE_UNITS, id=here)}
    connection.execute(
        text("UPDATE city.building SET units_per_floor = 3 WHERE id = :id"), {"id": here}
    )
    derive.run(connection, settings)
    after = {unit[1:4]: unit[0] for unit in rows(connection, LIVE_UNITS, id=here)}
    assert len(after) == 18 and after.items() <= before.items()
    plans = "SELECT count(*) FROM city.floor_plan WHERE building_id = :id"
    assert rows(connection, plans, id=here) == [(1,)]
    lost = """SELECT count(*) FROM city.unit u LEFT JOIN city.floor_slot s ON s.id = u.slot_id
               WHERE u.building_id = :id AND u.ended_at IS NULL AND s.id IS NULL"""
    assert rows(connection, lost, id=here) == [(0,)]


def _source(connection: Connection) -> int:
    return int(
        connection.execute(
            text("INSERT INTO city.source_system (name) VALUES ('register') RETURNING id")
        ).scalar_one()
    )


def test_given_rooms_replace_the_generated_ones_of_their_storey(
    connection: Connection, settings: Settings
) -> None:
    here = building(connection, entrance_count=None, units_per_floor=4)
    derive.run(connection, settings, building_ids=[here])
    source = _source(connection)
    third = rows(connection, LIVE_STOREYS, id=here)[2][0]
    fourth = rows(connection, LIVE_UNITS, id=here)[12:16]
    drawn = "ST_Multi(ST_MakeEnvelope(120, 31, 120.0002, 31.00011, 4490))"
    for room, outline in (("3A", "NULL"), ("3B", "NULL"), ("3C", drawn)):
        connection.execute(
            text(
                f"""INSERT INTO city.unit (building_id, storey_id, room_no, outline, geom_status,
                        source_id, ext_id)
                    VALUES (:here, :storey, :room, {outline}, 'surveyed', :source, :room)"""
            ),
            {"here": here, "storey": third, "room": room, "source": source},
        )
    done = derive.run(connection, settings)
    assert done.buildings == 1
    units = rows(connection, LIVE_UNITS, id=here)
    on_third = [unit for unit in units if unit[1] == 3]
    assert [(unit[3], unit[5]) for unit in on_third] == [
        ("3A", "generated"),
        ("3B", "generated"),
        ("3C", "surveyed"),
    ]
    assert [unit for unit in units if unit[1] == 4] == fourth
    slots = """SELECT u.room_no, ST_XMin(s.outline), s.area FROM city.unit u
                 JOIN city.floor_slot s ON s.id = u.slot_id
                WHERE u.storey_id = :storey AND u.ended_at IS NULL ORDER BY 1"""
    places = rows(connection, slots, storey=third)
    assert [place[0] for place in places] == ["3A", "3B"]
    assert min(place[1] for place in places) >= 120.0002 - 1e-9
    assert derive.run(connection, settings) == derive.Derived()


def test_given_storeys_keep_their_names_heights_and_drawn_outlines(
    connection: Connection, settings: Settings
) -> None:
    here = building(connection, height=24.0)
    plan = connection.execute(
        text(
            """INSERT INTO city.floor_plan (building_id, kind, outline, area, geom_status)
               VALUES (:id, 'drawn', ST_Multi(ST_MakeEnvelope(120, 31, 120.0003, 31.00011, 4490)),
                       350, 'drawn') RETURNING id"""
        ),
        {"id": here},
    ).scalar_one()
    connection.execute(
        text(
            """INSERT INTO city.storey (building_id, plan_id, no, label, kind, given_height, status)
               VALUES (:id, NULL, 1, '大堂', '架空', 6.0, 'given'),
                      (:id, :plan, 6, '6A', '标准', NULL, 'given')"""
        ),
        {"id": here, "plan": plan},
    )
    derive.run(connection, settings)
    storeys = rows(connection, LIVE_STOREYS, id=here)
    assert [(s[1], s[2], s[6]) for s in storeys] == [
        (1, "大堂", "given"),
        *[(no, str(no), "generated") for no in range(2, 6)],
        (6, "6A", "given"),
    ]
    assert [s[3] for s in storeys] == [0.0, 6.0, 9.6, 13.2, 16.8, 20.4]
    assert storeys[-1][4] == 24.0 and storeys[-1][5] == plan
    units = rows(connection, LIVE_UNITS, id=here)
    assert [(unit[3], unit[4]) for unit in units if unit[1] == 1] == [("101", "public")]
    outside = """SELECT count(*), max(ST_XMax(s.outline)) FROM city.unit u
                   JOIN city.floor_slot s ON s.id = u.slot_id
                  WHERE u.building_id = :id AND s.plan_id = :plan"""
    assert rows(connection, outside, id=here, plan=plan) == [(6, pytest.approx(120.0003, abs=1e-9))]
    assert derive.run(connection, settings) == derive.Derived()
    derive.run(connection, settings, force=True)
    assert rows(connection, LIVE_UNITS, id=here) == units


def test_storeys_drawn_alike_but_divided_differently_have_a_plan_each(
    connection: Connection, settings: Settings
) -> None:
    here = building(connection, use_code="mixed", podium_floors=1)
    connection.execute(
        text(
            """WITH plan AS (
                   INSERT INTO city.floor_plan (building_id, kind, outline, area, geom_status)
                   SELECT id, 'drawn', footprint, footprint_area, 'drawn' FROM city.building
                    WHERE id = :id RETURNING id)
               INSERT INTO city.storey (building_id, plan_id, no, label, kind, status)
               SELECT :id, plan.id, no, no::text, '标准', 'given'
                 FROM plan, generate_series(1, 6) AS no"""
        ),
        {"id": here},
    )
    derive.run(connection, settings)
    plans = rows(
        connection,
        """SELECT p.id, p.kind, count(DISTINCT s.no) FROM city.floor_plan p
             JOIN city.storey s ON s.plan_id = p.id
            WHERE p.building_id = :id AND p.outline IS NOT NULL GROUP BY p.id ORDER BY 3""",
        id=here,
    )
    assert [plan[1:] for plan in plans] == [("drawn", 1), ("drawn", 5)]
    units = rows(connection, LIVE_UNITS, id=here)
    assert {unit[5] for unit in units} == {"generated"}
    assert derive.run(connection, settings) == derive.Derived()
    derive.run(connection, settings, force=True)
    assert rows(connection, LIVE_UNITS, id=here) == units


def test_a_building_that_ended_takes_its_units_along(
    connection: Connection, settings: Settings
) -> None:
    here = building(connection)
    derive.run(connection, settings)
    connection.execute(text("UPDATE city.building SET ended_at = now()"))
    done = derive.run(connection, settings)
    assert (done.buildings, done.ended) == (0, 42)
    assert rows(connection, LIVE_UNITS, id=here) == []


def test_many_buildings_are_drawn_by_other_processes_to_the_same_bytes(
    connection: Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(7)
    west = 120 + rng.random(60) * 0.1
    shapes = shapely.box(west, 31.0, west + rng.random(60) * 0.001, 31.0003)
    count = len(shapes)
    columns.write(
        connection,
        "city.building",
        {
            "footprint": shapely.to_wkb(np.array([shapely.MultiPolygon([s]) for s in shapes])),
            "footprint_area": areas(shapes),
            "height": np.full(count, 21.0),
            "floors_above": np.full(count, 7),
            "use_code": np.full(count, "residential", dtype=object),
            "height_method": np.full(count, "given", dtype=object),
            "floors_method": np.full(count, "given", dtype=object),
        },
        {
            "footprint": "geometry",
            "footprint_area": "float8",
            "height": "float8",
            "floors_above": "int2",
            "use_code": "text",
            "height_method": "text",
            "floors_method": "text",
        },
    )
    outlines = "SELECT outline::text FROM city.floor_slot ORDER BY id"
    with connection.begin_nested() as alone:
        derive.run(connection, settings)
        expected = rows(connection, outlines)
        alone.rollback()
    seen: list[int] = []
    monkeypatch.setattr("cim.derive.derivation.BATCH", 16)
    done = derive.run(connection, settings, progress=seen.append)
    assert done.buildings == 60 and seen == [16, 16, 16, 12]
    assert rows(connection, outlines) == expected


HELD = ("city.storey", "city.entrance", "city.unit", "platform.derived")
"""What a derivation looks into to know what there is."""


def test_tables_that_the_planner_knows_as_empty_are_not_read_once_a_building(
    connection: Connection, settings: Settings
) -> None:
    """Sampled while they were empty, as a first `cim tile build` or the server's own round may."""
    connection.exec_driver_sql(f"ANALYZE {', '.join(HELD)}")
    first = building(connection)
    connection.execute(
        text(
            """INSERT INTO city.building (footprint, footprint_area, height, height_method,
                   floors_above, floors_below, floors_method, use_code)
               SELECT footprint, footprint_area, 3, 'given', 1, 0, 'given', 'residential'
                 FROM city.building, generate_series(1, 2999) WHERE id = :first"""
        ),
        {"first": first},
    )
    scans = text("SELECT pg_stat_get_xact_numscans(CAST(:table AS regclass))")
    before = {table: connection.scalar(scans, {"table": table}) for table in HELD}
    assert derive.run(connection, settings).buildings == 3000
    visits = {table: connection.scalar(scans, {"table": table}) - before[table] for table in HELD}
    assert max(visits.values()) < 30, visits
