"""What becomes of rules and open alarms when devices, or what they stand in, are moved or end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from time import monotonic, sleep
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim.errors import NotAllowed
from cim.settings import Settings
from tests.alarming import Teller, forget, furnish

LIFT1, LIFT1_EBIKE, SMOKE, GAS, SMOKE_STOREY, PRESSURE = 1011, 1013, 1051, 1061, 1101, 1091


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    with engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO city.admin_area (id, code, level, name, parent_id)
                    VALUES (3, '441900002', 4, '别镇', 1);
                    INSERT INTO city.estate (id, name, admin_area_id) VALUES (2, '河畔小区', 3)""")
        )
    return engine


@pytest.fixture
def told(city: Engine, settings: Settings) -> Iterator[Teller]:
    teller = Teller(city, settings)
    yield teller
    teller.close()
    forget(city)


def do(told: Teller, sql: str) -> None:
    with told.engine.begin() as connection:
        connection.execute(text(sql))


def going_on(told: Teller) -> list[tuple[Any, ...]]:
    """Rule, place and stream of the alarms that go on."""
    return told.rows(
        """SELECT coalesce(r.code, r.name), e.place, e.datastream_id
           FROM city.event e JOIN city.rule r ON r.id = e.rule_id
           WHERE e.ended_at IS NULL ORDER BY e.id"""
    )


# ── devices ──────────────────────────────────────────────────────────────────────────────────────


def test_an_alarm_goes_along_with_a_device_that_is_bound_elsewhere(told: Teller) -> None:
    (here,) = told.say((SMOKE, 0, 1))
    do(told, "UPDATE city.device SET bind_id = 43 WHERE id = 105")
    assert told.history(here.event_id) == ["begin", "end"]
    assert told.units(here.event_id) == {}
    assert going_on(told) == [("smoke", "示范小区 3栋 2单元 4层 403", SMOKE)]
    there = told.rows("SELECT max(id) FROM city.event")[0][0]
    assert told.units(there) == {"own": [43], "storey": [41, 42, 44]}
    assert [(one.kind, one.event_id) for one in told.say((SMOKE, 60, 0))] == [("end", there)]
    do(told, "UPDATE city.device SET bind_id = 32 WHERE id = 105")
    assert going_on(told) == []


def test_alarms_of_a_device_that_ends_end_with_it(told: Teller) -> None:
    told.say((LIFT1, 0, "0"), (SMOKE_STOREY, 0, 1))
    told.listen(1000)
    assert {code for code, _, _ in going_on(told)} == {"offline", "smoke"}
    do(told, "UPDATE city.device SET ended_at = now() WHERE id IN (101, 110)")
    assert going_on(told) == []
    do(told, "UPDATE city.device SET ended_at = NULL WHERE id IN (101, 110)")
    assert [one.kind for one in told.say((SMOKE_STOREY, 60, 1))] == ["begin"]


def test_a_combination_ends_where_one_of_its_devices_leaves_and_can_begin_again(
    told: Teller,
) -> None:
    told.say((SMOKE, 0, 1), (GAS, 1, 1))
    assert "smoke_and_gas" in {code for code, _, _ in going_on(told)}
    do(told, "UPDATE city.device SET bind_id = 43 WHERE id = 106")
    assert "smoke_and_gas" not in {code for code, _, _ in going_on(told)}
    told.say((GAS, 60, 1))
    assert "smoke_and_gas" not in {code for code, _, _ in going_on(told)}
    do(told, "UPDATE city.device SET bind_id = 32 WHERE id = 106")
    with told.engine.begin() as connection:
        connection.execute(text("UPDATE city.rule_watch SET done_at = NULL"))
    told.say((SMOKE, 120, 1))
    assert "smoke_and_gas" in {code for code, _, _ in going_on(told)}


def test_an_alarm_of_a_rule_that_becomes_another_kind_of_rule_ends_or_goes_on(
    told: Teller,
) -> None:
    be = """UPDATE city.rule SET type = '{}', condition = '{}' WHERE name = '水压异常'"""
    do(
        told,
        """INSERT INTO city.rule (name, type, condition, scope, severity) VALUES ('水压异常',
           'threshold', '{"above": 400}', '{"class": ["water_pressure"]}', 2)""",
    )
    told.say((PRESSURE, 0, 500))
    do(told, be.format("state", '{"codes": ["500"]}'))
    assert len(going_on(told)) == 1
    do(told, be.format("silence", "{}"))
    assert going_on(told) == []
    told.listen(10_000_000)
    assert len(going_on(told)) == 2  # of this rule, and of the one that comes with the program
    both = '{"parts": [{"above": 400}, {"below": 0}]}'
    do(told, be.format("together", both))
    assert [code for code, _, _ in going_on(told)] == ["offline"]
    do(told, be.format("threshold", '{"above": 600}'))
    assert [one.kind for one in told.say((PRESSURE, 6000, 700))] == ["begin"]
    do(told, "UPDATE city.rule SET enabled = false, ended_at = now() WHERE name = '水压异常'")
    assert [code for code, _, _ in going_on(told)] == ["offline"]


# ── what they stand in ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("scope", "moved", "back"),
    [
        ("{'estate': [2]}", "building SET estate_id = 2", "building SET estate_id = 1"),
        ("{'area': [3]}", "building SET admin_area_id = 3", "building SET admin_area_id = 2"),
        ("{'area': [3]}", "admin_area SET parent_id = 3 WHERE id = 2",
         "admin_area SET parent_id = 1 WHERE id = 2"),
    ],
)  # fmt: skip
def test_a_rule_for_an_area_is_for_what_is_moved_into_it(
    told: Teller, scope: str, moved: str, back: str
) -> None:
    rule = f"""INSERT INTO city.rule (name, type, condition, scope, severity) VALUES ('水压',
        'threshold', '{{"above": 400}}',
        '{scope[:-1].replace("'", '"')}, "class": ["water_pressure"]}}', 2)"""
    do(told, rule)
    mine = """SELECT w.datastream_id FROM city.rule_watch w JOIN city.rule r ON r.id = w.rule_id
        WHERE r.name = '水压'"""
    assert told.rows(mine) == []
    do(told, f"UPDATE city.{moved}")
    assert told.rows(mine) == [(PRESSURE,)]
    told.say((PRESSURE, 0, 500))
    assert [stream for _, _, stream in going_on(told)] == [PRESSURE]
    do(told, f"UPDATE city.{back}")
    assert told.rows(mine) == [] and going_on(told) == []
    do(told, "UPDATE city.rule SET ended_at = now(), enabled = false WHERE name = '水压'")


def test_an_open_alarm_is_counted_where_its_building_is_now(told: Teller) -> None:
    told.say((PRESSURE, 0, 350))
    (done,) = told.say((PRESSURE, 300, 100))
    where = "SELECT estate_id, area_id, grid_id, place FROM city.event"
    assert told.rows(where) == [(1, 2, 1, "示范小区 3栋")]
    do(told, "UPDATE city.building SET estate_id = 2, admin_area_id = NULL, grid_id = NULL "
             "WHERE id = 1")  # fmt: skip
    # Its words stay: they are what it began with.
    assert told.rows(where) == [(2, 3, None, "示范小区 3栋")]
    told.say((PRESSURE, 600, 350))
    assert told.state(done.event_id) == "closed"
    do(told, "UPDATE city.building SET estate_id = 1, admin_area_id = 2, grid_id = 1 WHERE id = 1")
    assert told.rows(where) == [(2, 3, None, "示范小区 3栋")]
    with pytest.raises(NotAllowed, match="cannot be changed"):
        do(told, "UPDATE city.event SET estate_id = 1")


# ── names ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "place"),
    [
        ("'示范小区', '3栋', '1单元', '1单元1号电梯'", "示范小区 3栋 1单元1号电梯"),
        ("'示范小区', '3栋', '1单元', '3栋1单元1号电梯'", "示范小区 3栋1单元1号电梯"),
        ("'示范小区', '3栋', '1单元', '11单元2号电梯'", "示范小区 3栋 1单元 11单元2号电梯"),
        ("'Park', 'Block 1', NULL, 'Block 12 lift'", "Park Block 1 Block 12 lift"),
        ("'3栋', '1', '1层', '101'", "3栋 1 1层 101"),
        ("'A(1)区', 'A(1)区大门'", "A(1)区大门"),
        ("NULL, ''", None),
    ],
)
def test_a_place_says_no_name_twice(told: Teller, names: str, place: str | None) -> None:
    assert told.rows(f"SELECT city.place_called({names})") == [(place,)]


def test_a_message_names_the_stream_in_its_language(told: Teller) -> None:
    words = "SELECT city.worded('{device} {stream} {value}', 5, NULL, NULL, '水表', NULL, '流量')"
    assert told.rows(words) == [("水表 流量 5",)]
    unnamed = "SELECT city.worded('{place} {device}：故障', 5, NULL, NULL, NULL, '3栋 1号电梯')"
    assert told.rows(unnamed) == [("3栋 1号电梯：故障",)]
    again = "SELECT city.worded('{place} {device}', 5, NULL, NULL, '1号电梯控制器', '3栋 1号电梯')"
    assert told.rows(again) == [("3栋 1号电梯控制器",)]


# ── at once ──────────────────────────────────────────────────────────────────────────────────────


def test_who_changes_a_rule_and_who_takes_readings_do_not_wait_for_each_other(
    told: Teller,
) -> None:
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    switch = "UPDATE city.rule SET enabled = {} WHERE code = 'lift_ebike'"
    with ThreadPoolExecutor(1) as pool:
        with told.engine.begin() as taking:
            # As who takes readings does it: the latest of a stream first, then what watches it.
            latest = "SELECT FROM city.datastream WHERE id = 1013 FOR NO KEY UPDATE"
            taking.execute(text(latest))
            changing = pool.submit(do, told, switch.format("false"))
            until = monotonic() + 20
            while told.rows(waiting) == [(0,)]:
                assert monotonic() < until
                sleep(0.01)
            taking.execute(text("SET LOCAL lock_timeout = '2s'"))
            watches = "SELECT FROM city.rule_watch WHERE datastream_id = 1013 FOR UPDATE"
            assert taking.execute(text(watches)).rowcount == 1
        changing.result()
    assert told.say((LIFT1_EBIKE, 0, 1)) == []
    do(told, switch.format("true"))
    assert [one.kind for one in told.say((LIFT1_EBIKE, 60, 1))] == ["begin"]


# ── a city that was seeded before ────────────────────────────────────────────────────────────────


def test_people_shut_in_are_judged_anew_where_nobody_changed_the_rule(told: Teller) -> None:
    mend = import_module("cim.store.migrations.versions.0035_alarms")._SHUT_IN
    before = "UPDATE city.rule SET condition = condition || '{\"within_s\": 600}', updated_by = "
    within = text("SELECT condition -> 'within_s' FROM city.rule WHERE code = 'lift_trapped'")
    mine = "UPDATE city.rule SET condition = condition || '{\"for_s\": 45}'"
    for changed, kept in (("NULL", None), ("'duty'", 600)):
        with told.engine.connect() as connection:
            connection.exec_driver_sql(f"{before}{changed} WHERE code = 'lift_trapped'")
            connection.exec_driver_sql(mend)
            assert connection.execute(within).scalar() == kept
            connection.rollback()
    with told.engine.connect() as connection:
        connection.exec_driver_sql(f"{before}NULL WHERE code = 'lift_trapped'")
        connection.exec_driver_sql(f"{mine} WHERE code = 'lift_trapped'")
        connection.exec_driver_sql(mend)
        assert connection.execute(within).scalar() == 600
        connection.rollback()
