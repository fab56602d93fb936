"""Readings that begin and end alarms, whom these affect, and a history that nobody changes."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from cim.settings import Settings
from tests.alarming import Teller, forget, furnish

LIFT1, LIFT1_PEOPLE, LIFT1_EBIKE, LIFT2, LIFT3, LIFT4 = 1011, 1012, 1013, 1021, 1031, 1041
SMOKE, GAS, GAS_LEVEL, THROWN, HEIGHT, STOREY, BAY = 1051, 1061, 1062, 1071, 1072, 1073, 1074
LANE, PRESSURE, SMOKE_STOREY, SMOKE_HOUSE, EBIKE2 = 1081, 1091, 1101, 1111, 1121


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    return engine


@pytest.fixture
def told(city: Engine, settings: Settings) -> Iterator[Teller]:
    teller = Teller(city, settings)
    yield teller
    teller.close()
    forget(city)


def kinds(told: Teller) -> list[str]:
    found = "SELECT r.code FROM city.event e JOIN city.rule r ON r.id = e.rule_id ORDER BY e.id"
    return [code for (code,) in told.rows(found)]


# ── begin, again, end ────────────────────────────────────────────────────────────────────────────


def test_a_fault_begins_an_alarm_and_its_end_ends_it(told: Teller) -> None:
    (begun,) = told.say((LIFT1, 0, "E07"))
    assert begun.kind == "begin" and told.state(begun.event_id) == "open"
    assert told.say((LIFT1, 60, "E07"), (LIFT1, 120, "E08")) == []
    (ended,) = told.say((LIFT1, 180, "0"))
    assert (ended.kind, ended.event_id) == ("end", begun.event_id)
    assert told.state(begun.event_id) == "closed"
    assert told.history(begun.event_id) == ["begin", "end"]
    message, place = told.rows("SELECT message_zh, place FROM city.event")[0]
    assert message == "示范小区 3栋 1单元 1号电梯 lift-101：电梯故障，故障码 E07"
    assert place == "示范小区 3栋 1单元 1号电梯"


def test_a_fault_that_came_and_went_within_one_batch_is_an_alarm_too(told: Teller) -> None:
    events = told.say((LIFT1, 0, "E07"), (LIFT1, 5, "0"), (LIFT1, 9, "E07"), (LIFT1, 12, "ok"))
    assert [one.kind for one in events] == ["begin", "end", "begin", "end"]
    assert kinds(told) == ["lift_fault", "lift_fault"]
    assert told.rows("SELECT count(*) FROM city.event WHERE ended_at IS NULL") == [(0,)]


def test_readings_out_of_order_open_nothing_again(told: Teller) -> None:
    told.say((LIFT1, 0, "E07"), (LIFT1, 60, "0"))
    assert told.say((LIFT1, 30, "E07")) == []
    assert kinds(told) == ["lift_fault"]


def test_there_are_never_two_open_alarms_of_a_rule_and_a_stream(told: Teller, city: Engine) -> None:
    told.say((LIFT1, 0, "E07"))
    with city.begin() as connection, pytest.raises(DBAPIError, match="uq_event_open_stream"):
        connection.execute(
            text("""INSERT INTO city.event (rule_id, kind, datastream_id, started_at)
                    SELECT rule_id, kind, datastream_id, now() FROM city.event""")
        )


def test_a_low_pressure_must_last_before_it_is_told_of(told: Teller) -> None:
    told.say((PRESSURE, 0, 90))
    assert told.tick(299) == []
    (begun,) = told.tick(301)
    assert kinds(told) == ["water_pressure_low"]
    value = told.rows("SELECT value, message_en FROM city.event")[0]
    assert value == (90, "示范小区 3栋 water_pressure-109: water pressure 90 , below its limit")
    assert told.say((PRESSURE, 600, 110)) == []
    (ended,) = told.say((PRESSURE, 900, 121))
    assert ended.event_id == begun.event_id


def test_a_burst_pipe_shows_in_how_fast_the_pressure_falls(told: Teller) -> None:
    told.say((PRESSURE, 0, 350))
    told.say((PRESSURE, 300, 200))
    assert kinds(told) == ["water_pressure_drop"]


def test_smoke_and_gas_of_one_unit_together_are_an_alarm_of_their_own(told: Teller) -> None:
    told.say((SMOKE, 0, 1))
    told.say((SMOKE, 60, 0))
    told.say((GAS, 120, 1))
    assert kinds(told) == ["smoke", "gas", "smoke_and_gas"]
    told.say((GAS, 180, 0))
    assert told.rows("SELECT count(*) FROM city.event WHERE ended_at IS NULL") == [(0,)]


def test_smoke_here_and_gas_there_are_not(told: Teller) -> None:
    told.say((SMOKE_STOREY, 0, 1), (GAS, 1, 1))
    assert sorted(kinds(told)) == ["gas", "smoke"]


def test_somebody_in_a_lift_that_has_a_fault_is_shut_in_once_it_has_lasted(told: Teller) -> None:
    told.say((LIFT1, 0, "E07"), (LIFT1_PEOPLE, 5, 1))
    assert kinds(told) == ["lift_fault"]
    told.tick(40)
    assert kinds(told) == ["lift_fault", "lift_trapped"]
    told.say((LIFT1, 60, "0"), (LIFT1_PEOPLE, 60, 0))
    assert told.rows("SELECT count(*) FROM city.event WHERE ended_at IS NULL") == [(0,)]


def test_who_was_in_the_lift_while_it_broke_is_not_shut_in_once_it_is_mended(told: Teller) -> None:
    told.say((LIFT1, 0, "E32"), (LIFT1_PEOPLE, 1, 1))
    told.say((LIFT1, 200, "0"))
    assert kinds(told) == ["lift_fault"]
    told.say((LIFT1, 300, "E32"))
    told.tick(331)
    assert kinds(told) == ["lift_fault", "lift_fault", "lift_trapped"]
    told.say((LIFT1, 400, "0"))
    assert told.rows("SELECT count(*) FROM city.event WHERE ended_at IS NULL") == [(0,)]


def test_every_thrown_object_is_told_of_and_joins_the_open_alarm(told: Teller) -> None:
    (begun,) = told.say((THROWN, 0, 1))
    assert [one.kind for one in told.say((THROWN, 90, 1))] == ["again"]
    told.say((THROWN, 91, 0))
    assert told.tick(1889) == []
    assert [one.kind for one in told.tick(1890)] == ["end"]
    assert told.history(begun.event_id) == ["begin", "again", "end"]


def test_a_device_that_does_not_speak_is_offline_until_it_does(told: Teller) -> None:
    assert told.listen(0) == []  # it never spoke: it is not put up yet
    told.say((LIFT1, 0, "0"), (LIFT1_PEOPLE, 30, 0))
    assert told.listen(900) == []
    (begun,) = told.listen(931)
    assert kinds(told) == ["offline"]
    assert told.listen(1000) == []
    with told.engine.begin() as connection:
        connection.execute(text("UPDATE city.datastream SET received_at = now() WHERE id = 1012"))
    (ended,) = told.listen(1010)
    assert ended.event_id == begun.event_id and told.state(begun.event_id) == "closed"


def test_two_who_ingest_at_once_begin_one_alarm_of_a_combination(
    told: Teller, settings: Settings
) -> None:
    others = [Teller(told.engine, settings) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for n in range(10):
            said = [(SMOKE, 60 * n, 1), (GAS, 60 * n, 1)]
            list(pool.map(lambda one, reading: one.say(reading), others, said))
            open_ = """SELECT count(*) FROM city.event e JOIN city.rule r ON r.id = e.rule_id
                WHERE r.code = 'smoke_and_gas' AND e.ended_at IS NULL"""
            assert told.rows(open_) == [(1,)]
            said = [(SMOKE, 60 * n + 30, 0), (GAS, 60 * n + 30, 0)]
            list(pool.map(lambda one, reading: one.say(reading), others, said))
            with told.engine.begin() as connection:  # no cool-down between two rounds
                connection.execute(text("UPDATE city.rule_watch SET done_at = NULL"))
    for one in others:
        one.close()


def test_two_lifts_that_stop_at_once_are_both_seen(told: Teller, settings: Settings) -> None:
    others = [Teller(told.engine, settings) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        for n in range(10):
            said = [(LIFT3, 60 * n, "E07"), (LIFT4, 60 * n, "E07")]
            begun = list(pool.map(lambda one, reading: one.say(reading), others, said))
            for (event,) in begun:
                assert told.units(event.event_id) == {"lift": [34, 44, 54]}
            said = [(LIFT3, 60 * n + 30, "0"), (LIFT4, 60 * n + 30, "0")]
            list(pool.map(lambda one, reading: one.say(reading), others, said))
            assert told.rows("SELECT count(*) FROM city.event_unit WHERE open") == [(0,)]
    for one in others:
        one.close()


# ── whom it affects ──────────────────────────────────────────────────────────────────────────────


def test_a_stopped_lift_affects_the_units_above_the_second_floor_of_its_entrance(
    told: Teller,
) -> None:
    (begun,) = told.say((LIFT1, 0, "E07"))
    assert told.units(begun.event_id) == {"lift": [31, 32, 41, 42, 51, 52]}
    told.say((LIFT1, 60, "0"))
    assert told.units(begun.event_id) == {}


def test_where_another_lift_runs_nobody_is_affected_until_it_stops_too(told: Teller) -> None:
    (third,) = told.say((LIFT3, 0, "E07"))
    assert told.units(third.event_id) == {}
    (fourth,) = told.say((LIFT4, 60, "E01"))
    assert told.units(fourth.event_id) == {"lift": [34, 44, 54]}
    assert told.units(third.event_id) == {"lift": [34, 44, 54]}
    told.say((LIFT4, 120, "0"))
    assert told.units(third.event_id) == {}
    assert told.state(third.event_id) == "open"


def test_an_e_bike_in_a_lift_affects_its_entrance(told: Teller) -> None:
    (begun,) = told.say((LIFT1_EBIKE, 0, 1))
    assert told.units(begun.event_id)["entrance"] == [11, 12, 21, 22, 31, 32, 41, 42, 51, 52]
    (other,) = told.say((EBIKE2, 0, 1))
    assert told.units(other.event_id)["entrance"] == [13, 23, 33, 43, 53]


def test_gas_affects_what_is_near_and_what_is_above(told: Teller) -> None:
    # Unit 32 is on the third of five storeys; a slot is ten metres wide.
    with told.engine.begin() as connection:
        connection.execute(text("UPDATE city.rule SET radius_m = 4 WHERE code = 'gas'"))
    (begun,) = told.say((GAS, 0, 1))
    found = told.units(begun.event_id)
    assert found["own"] == [32]
    assert found["near"] == [21, 22, 23, 31, 33, 41, 42, 43]
    assert found["above"] == [51, 52, 53]
    with told.engine.begin() as connection:
        connection.execute(text("UPDATE city.rule SET radius_m = 15 WHERE code = 'gas'"))


def test_smoke_affects_the_unit_and_its_storey(told: Teller) -> None:
    (begun,) = told.say((SMOKE, 0, 1))
    assert told.units(begun.event_id) == {"own": [32], "storey": [31, 33, 34]}
    (storey,) = told.say((SMOKE_STOREY, 0, 1))
    assert told.units(storey.event_id) == {"storey": [41, 42, 43, 44]}


def test_smoke_in_a_house_nobody_knows_where_affects_all_of_it(told: Teller) -> None:
    (begun,) = told.say((SMOKE_HOUSE, 0, 1))
    assert told.units(begun.event_id) == {"building": [201]}


def test_a_thrown_object_may_come_from_the_strip_that_the_camera_sees(told: Teller) -> None:
    (begun,) = told.say((THROWN, 0, 1))
    # It looks at slot 2, half as far from slot 1 as the strip is wide.
    assert set(told.units(begun.event_id)) == {"facade"}
    assert told.units(begun.event_id)["facade"] == [12, 22, 32, 42, 52]


def test_the_height_it_was_thrown_from_leaves_the_storeys_around_it(told: Teller) -> None:
    (begun,) = told.say((HEIGHT, 0, 7.5), (THROWN, 1, 1))
    assert told.units(begun.event_id)["facade"] == [22, 32, 42]


def test_a_storey_and_a_bay_that_were_told_leave_one_unit(told: Teller) -> None:
    (begun,) = told.say((STOREY, 0, 4), (BAY, 0, 3), (THROWN, 1, 1))
    assert told.units(begun.event_id)["facade"] == [43]


def test_a_blocked_fire_lane_affects_the_buildings_beside_it(told: Teller) -> None:
    told.say((LANE, 0, 1))
    (begun,) = told.tick(301)
    assert kinds(told) == ["fire_lane_blocked"]
    assert told.rows("SELECT building_id FROM city.event_building") == [(1,)]
    assert told.units(begun.event_id) == {}


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def test_streams_are_watched_by_the_rules_that_are_for_them(told: Teller) -> None:
    watched = dict(
        told.rows("""SELECT w.datastream_id, array_agg(r.code ORDER BY r.code)
            FROM city.rule_watch w JOIN city.rule r ON r.id = w.rule_id GROUP BY 1""")
    )
    assert watched[LIFT1] == ["lift_fault", "lift_trapped"]
    assert watched[LANE] == ["fire_lane_blocked"]
    assert HEIGHT not in watched
    ruled = told.rows("SELECT id FROM city.datastream WHERE ruled ORDER BY id")
    assert [id for (id,) in ruled] == sorted(watched)


def test_a_rule_that_is_switched_off_ends_its_alarms_and_watches_nothing(told: Teller) -> None:
    (begun,) = told.say((LIFT1_EBIKE, 0, 1))
    switch = text("UPDATE city.rule SET enabled = :on WHERE code = 'lift_ebike'")
    with told.engine.begin() as connection:
        connection.execute(switch, {"on": False})
    assert told.state(begun.event_id) == "closed"
    assert told.say((LIFT1_EBIKE, 60, 0), (LIFT1_EBIKE, 90, 1)) == []
    assert told.rows("SELECT ruled FROM city.datastream WHERE id = 1013") == [(False,)]
    with told.engine.begin() as connection:
        connection.execute(switch, {"on": True})
    assert [one.kind for one in told.say((LIFT1_EBIKE, 120, 1))] == ["begin"]


def test_a_changed_limit_is_judged_at_the_next_reading_and_one_stream_may_have_its_own(
    told: Teller,
) -> None:
    assert told.say((GAS_LEVEL, 0, 8)) == []
    with told.engine.begin() as connection:
        connection.execute(
            text("""INSERT INTO city.rule_override (rule_id, datastream_id, condition)
                    SELECT id, 1062, '{"above": 7}' FROM city.rule
                    WHERE code = 'gas_concentration'""")
        )
    assert [one.kind for one in told.say((GAS_LEVEL, 60, 8))] == ["begin"]
    with told.engine.begin() as connection:
        connection.execute(text("DELETE FROM city.rule_override"))
    assert [one.kind for one in told.say((GAS_LEVEL, 120, 5))] == ["end"]


def test_a_device_bound_elsewhere_is_watched_there(told: Teller) -> None:
    lane = "SELECT count(*) FROM city.rule_watch WHERE datastream_id = 1081"
    bind = text("UPDATE city.device SET bind_type = :t, bind_id = :i WHERE id = 108")
    with told.engine.begin() as connection:
        connection.execute(bind, {"t": "building", "i": 1})
        assert connection.execute(text(lane)).scalar_one() == 0
        connection.execute(bind, {"t": "facility", "i": 9})
        assert connection.execute(text(lane)).scalar_one() == 1


def test_a_message_names_once_a_device_that_its_place_ends_with(told: Teller) -> None:
    worded = "SELECT city.worded(:words, 21.5, NULL, 'Cel', 'Lift 1', 'Tower A Lift 1')"
    words = {"{place} {device}: {value} {unit}": "Tower A Lift 1: 21.5 Cel", "{place}": None}
    with told.engine.connect() as connection:
        for given, wanted in words.items():
            found = connection.execute(text(worded), {"words": given}).scalar()
            assert found == (wanted or "Tower A Lift 1")
