"""Organisations, facilities, devices and readings come in and are bound to what they name."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cim.codes.identifiers import invented_credit_code, invented_phone

CITY = """
    INSERT INTO city.source_system (id, name) VALUES (100, 'register');
    INSERT INTO city.estate (id, source_id, ext_id, name) VALUES (1, 100, 'E1', '丰泰花园');
    INSERT INTO city.building (id, source_id, ext_id, estate_id, footprint, footprint_area, height,
        height_method, floors_above, floors_method)
    SELECT n, 100, 'B' || n, 1,
        ST_Multi(ST_MakeEnvelope(113.7 + n * .001, 23, 113.7005 + n * .001, 23.0005, 4490)),
        2500, 24, 'given', 8, 'given' FROM generate_series(1, 2) n;
    INSERT INTO city.entrance (id, building_id, no, name, geom_status)
    SELECT n, 1, n, n || '单元', 'none' FROM generate_series(1, 2) n;
    INSERT INTO city.storey (id, building_id, no, label, status)
    SELECT n, n, 8, '8', 'generated' FROM generate_series(1, 2) n;
    INSERT INTO city.unit (id, source_id, ext_id, building_id, storey_id, entrance_id, room_no,
        geom_status)
    VALUES (1, 100, 'U1', 1, 1, 1, '803', 'none'), (3, NULL, NULL, 2, 2, NULL, '101', 'none');"""


@pytest.fixture(autouse=True)
def city(connection: Connection) -> None:
    connection.execute(text(CITY))


SHOPS = [
    {"单位编号": "O1", "单位名称": "测试便利店", "单位类别": "个体户", "三小类型": "小商铺、小作坊",
     "统一社会信用代码": invented_credit_code(1), "幢编号": "B2", "房号": "101",
     "地址类型": "经营地", "联系电话": invented_phone(1)},
    {"单位编号": "O2", "单位名称": "测试物业", "单位类别": "物业", "幢编号": "B1"},
    {"单位编号": "O3", "单位名称": "测试公司", "单位类别": "企业", "房屋编号": "U1"},
    {"单位编号": "O4", "单位名称": "没有地点", "单位类别": "企业"},
]  # fmt: skip


def test_organisations_are_where_their_rows_say(bring: Any) -> None:
    report = bring("organisations", SHOPS)
    assert (report.counts.new, report.aside) == (4, {})
    assert bring.rows("SELECT ext_id, kind, tags, contact_mask FROM city.organisation "
                      "ORDER BY ext_id LIMIT 2") == [
        ("O1", "个体", ["小商铺", "小作坊"], "100****0001"), ("O2", "物业", None, None),
    ]  # fmt: skip
    places = """SELECT o.ext_id, l.unit_id, l.building_id, l.role FROM city.org_location l
                JOIN city.organisation o ON o.id = l.org_id WHERE l.to_date IS NULL"""
    expected = {("O1", 3, 2, "经营地"), ("O2", None, 1, None), ("O3", 1, 1, None)}
    assert set(bring.rows(places)) == expected
    again = bring("organisations", SHOPS)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 4)
    assert set(bring.rows(places)) == expected
    bring("organisations", [SHOPS[2] | {"房屋编号": "", "幢编号": "B2"}])
    assert ("O3", None, 2, None) in bring.rows(places)
    assert ("O3", 1, 1, None) not in bring.rows(places)


def test_an_organisation_with_a_wrong_code_or_place_is_set_aside(bring: Any) -> None:
    report = bring(
        "organisations",
        [SHOPS[0] | {"统一社会信用代码": "123"}, SHOPS[1] | {"幢编号": "B9"}, SHOPS[2]],
    )
    assert report.aside == {"not_a_code": 1, "no_building": 1}
    assert bring.rows("SELECT count(*) FROM platform.quarantine WHERE record IS NULL") == [(2,)]


LIFTS = [
    {"设施编号": "F1", "设施类别": "电梯", "设施名称": "1单元电梯", "幢编号": "B1", "单元": "1",
     "服务对象": "entrance"},
    {"设施编号": "F2", "设施类别": "gate", "设施名称": "南门", "小区编号": "E1",
     "服务对象": "小区"},
    {"设施编号": "F3", "设施类别": "喷泉", "设施名称": "喷泉", "小区编号": "丰泰花园"},
]  # fmt: skip
SERVES = """SELECT f.ext_id, v.object_type, v.object_id FROM city.facility_service v
            JOIN city.facility f ON f.id = v.facility_id"""


def test_a_lift_serves_its_entrance_and_a_gate_its_estate(bring: Any) -> None:
    report = bring("facilities", LIFTS)
    assert (report.counts.new, report.aside) == (3, {})
    assert set(bring.rows(SERVES)) == {
        ("F1", "entrance", 1), ("F2", "estate", 1), ("F3", "estate", 1),
    }  # fmt: skip
    assert bring.rows("SELECT no, lift_count FROM city.entrance ORDER BY no") == [(1, 1), (2, None)]
    assert bring.rows("SELECT class_code, attrs FROM city.facility WHERE ext_id = 'F3'") == [
        ("other", {"设施类别": "喷泉"})
    ]
    again = bring("facilities", [LIFTS[0] | {"单元": "2单元"}, *LIFTS[1:]])
    assert (again.counts.new, again.counts.changed) == (0, 0)
    assert ("F1", "entrance", 2) in bring.rows(SERVES)
    assert ("F1", "entrance", 1) not in bring.rows(SERVES)


def test_a_lift_of_no_entrance_that_stands_is_set_aside(bring: Any) -> None:
    report = bring(
        "facilities", [LIFTS[0] | {"单元": "7"}, LIFTS[1] | {"小区编号": "E9"}, LIFTS[2]]
    )
    assert report.aside == {"no_entrance": 1, "no_estate": 1}


METERS = [
    {"设备编号": "D1", "设备类别": "电表", "设备名称": "803电表", "房屋编号": "U1",
     "数据流": "power:kW.h:number:3600; state::text"},
    {"设备编号": "D2", "设备类别": "电梯", "设施编号": "F1", "绑定类型": "facility"},
    {"设备编号": "D3", "设备类别": "门禁", "幢编号": "B1", "单元": "2单元"},
    {"设备编号": "D4", "设备类别": "street_lamp"},
]  # fmt: skip


def test_devices_are_bound_to_what_they_name_or_to_nothing(bring: Any) -> None:
    bring("facilities", LIFTS)
    report = bring("devices", METERS)
    assert (report.counts.new, report.aside) == (4, {})
    (lift,) = bring.rows("SELECT id FROM city.facility WHERE ext_id = 'F1'")
    assert bring.rows(
        "SELECT ext_id, class_code, bind_type, bind_id, building_id, status FROM city.device "
        "ORDER BY ext_id"
    ) == [
        ("D1", "power_meter", "unit", 1, 1, "active"),
        ("D2", "lift", "facility", lift[0], 1, "active"),
        ("D3", "access", "entrance", 2, 1, "active"),
        ("D4", "street_lamp", None, None, None, "active"),
    ]
    assert bring.rows(
        "SELECT name, unit_ucum, result_type, interval_s FROM city.datastream ORDER BY name"
    ) == [("power", "kW.h", "number", 3600), ("state", None, "text", None)]
    again = bring("devices", METERS)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 4)


def test_devices_bound_to_what_is_not_there_are_set_aside(bring: Any) -> None:
    report = bring(
        "devices",
        [
            METERS[0] | {"房屋编号": "U9"},
            METERS[1],
            METERS[2] | {"绑定类型": "unit"},
            METERS[3] | {"设备编号": "D5", "数据流": "a:b:colour"},
            METERS[3],
        ],
    )
    assert report.aside == {"no_unit": 2, "no_facility": 1, "not_a_value": 1}
    assert report.counts.new == 1


def test_what_a_device_is_bound_to_may_stand_in_one_column(bring: Any) -> None:
    bring("projects", [{"项目编号": "P1", "项目名称": "示范工地", "项目状态": "在建"}])
    rows = {
        "D1": {"绑定到": "unit:U1", "幢编号": "B2"},  # it is in the building of the unit
        "D2": {"绑定到": "单元：#2", "幢编号": ""},
        "D3": {"绑定到": "", "幢编号": "B2", "楼层": "8F"},
        "D4": {"绑定到": "项目：P1", "幢编号": ""},
        "D5": {"绑定到": "castle:1"},
        "D6": {"绑定到": "estate:E9"},
        "D7": {"幢编号": "B1", "楼层": "77"},
    }
    lines = [{"设备编号": key, "类别": "烟感"} | row for key, row in rows.items()]
    every = {name: "" for line in lines for name in line}
    report = bring("devices", [every | line for line in lines])
    assert report.aside == {"no_object": 1, "no_estate": 1, "no_storey": 1}
    (site,) = bring.rows("SELECT id FROM city.project WHERE status = 'building'")
    assert bring.rows(
        "SELECT ext_id, bind_type, bind_id, building_id FROM city.device ORDER BY 1"
    ) == [
        ("D1", "unit", 1, 1),
        ("D2", "entrance", 2, 1),
        ("D3", "storey", 2, 2),
        ("D4", "project", site[0], None),
    ]
    bring("devices", [{"设备编号": "D1", "类别": "烟感", "型号": "S2"}])
    assert bring.rows("SELECT bind_type, model FROM city.device WHERE ext_id = 'D1'") == [
        ("unit", "S2")
    ]


def reading(device: str, at: str, value: object, stream: str = "power") -> dict[str, Any]:
    return {"设备编号": device, "数据流": stream, "计量单位": "kW.h", "观测时间": at, "数值": value}


READINGS = [
    reading("D1", "2026-03-08T07:00:00+08:00", 1.5),
    reading("D1", "2026-03-08 09:00:00", 2.5),
    reading("D3", "1772985600", "开", "state"),
]
VALUES = """SELECT d.ext_id, t.name, o.result, o.result_text,
                to_char(o.phenomenon_time AT TIME ZONE 'UTC', 'MM-DD HH24:MI')
            FROM city.observation o JOIN city.datastream t ON t.id = o.datastream_id
            JOIN city.device d ON d.id = t.device_id ORDER BY 1, 5"""
LATEST = "SELECT last_value, last_text FROM city.datastream WHERE last_at IS NOT NULL ORDER BY name"


def test_readings_lie_in_their_days_and_the_latest_is_kept(bring: Any) -> None:
    bring("devices", [METERS[0], METERS[2]])
    report = bring("readings", READINGS)
    assert (report.counts.new, report.aside) == (3, {})
    assert bring.rows(VALUES) == [
        ("D1", "power", 1.5, None, "03-07 23:00"),
        ("D1", "power", 2.5, None, "03-08 01:00"),
        ("D3", "state", None, "开", "03-08 16:00"),
    ]
    assert bring.rows(LATEST) == [(2.5, None), (None, "开")]
    assert bring.rows("SELECT result_type FROM city.datastream WHERE unit_ucum = 'kW.h' "
                      "ORDER BY name") == [("number",), ("text",)]  # fmt: skip


def test_readings_that_come_again_are_not_doubled_and_late_ones_not_the_latest(
    bring: Any,
) -> None:
    bring("devices", [METERS[0], METERS[2]])
    bring("readings", READINGS)
    again = bring("readings", READINGS)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 3)
    late = [reading("D1", "2026-03-08 08:00:00", 9), reading("D1", "2026-03-08 09:00:00", 3)]
    third = bring("readings", [*late, reading("D1", "2026-03-08 09:00:00", 4)])
    assert (third.counts.new, third.counts.changed) == (1, 1)
    assert third.warnings["repeated"] == 1
    assert bring.rows(LATEST)[0] == (4.0, None)
    bring("readings", [reading("D1", "2026-03-08 08:30:00", 7)])
    assert bring.rows(LATEST)[0] == (4.0, None)


def test_a_stream_that_a_file_makes_is_what_the_class_of_its_device_has(bring: Any) -> None:
    bring("devices", [{"设备编号": "D1", "设备类别": "电表"}])
    bring("readings", [reading("D1", "2026-11-20 08:00", 1, "累计用电量")])
    made = "SELECT kind, retention FROM city.datastream WHERE name = '累计用电量'"
    assert bring.rows(made) == [("counter", "long")]


def test_readings_that_are_not_kept_for_long_are_told_of(bring: Any) -> None:
    bring("devices", [METERS[0]])
    today = f"{datetime.now(UTC):%Y-%m-%d} 00:00"
    report = bring("readings", [reading("D1", "2024-03-08 08:00", 1), reading("D1", today, 2)])
    assert (report.counts.new, dict(report.warnings)) == (2, {"past": 1})


def test_readings_come_in_the_unit_of_their_stream_or_not_at_all(bring: Any) -> None:
    bring("devices", [METERS[0]])
    bring("readings", [reading("D1", "2026-03-08 08:00", 5) | {"计量单位": "kWh"}])
    again = [
        reading("D1", "2026-03-08 09:00", 6500) | {"计量单位": "Wh"},
        reading("D1", "2026-03-08 10:00", 7) | {"计量单位": "度"},
        reading("D1", "2026-03-08 11:00", 8),
        reading("D1", "2026-03-08 12:00", 9) | {"计量单位": "℃"},
        reading("D1", "2026-03-08 13:00", 9) | {"计量单位": "bananas"},
    ]
    assert bring("readings", again).aside == {"unlike_unit": 2}
    stored = "SELECT result FROM city.observation ORDER BY phenomenon_time"
    assert bring.rows(stored) == [(5.0,), (6.5,), (7.0,), (8.0,)]


def test_readings_outside_of_their_limits_are_kept_as_no_good_ones(bring: Any) -> None:
    bring("devices", [METERS[0]])
    bring("readings", [reading("D1", "2026-03-08 08:00", 5)])
    bring.rows("UPDATE city.datastream SET low = 0, high = 100 RETURNING id")
    more = [reading("D1", f"2026-03-08 1{n}:00", value) for n, value in enumerate((-1, 100, 101))]
    assert bring("readings", more).warnings["out_of_range"] == 2
    assert bring.rows("SELECT result, quality FROM city.observation ORDER BY phenomenon_time") == [
        (5, 0), (-1, 4), (100, 0), (101, 4),
    ]  # fmt: skip


def test_nothing_is_kept_of_a_stream_that_says_who_somebody_is(bring: Any) -> None:
    bring("devices", [METERS[0]])
    day = "2026-03-08 08:00"
    some = [reading("D1", day, 5), reading("D1", day, "planted", "faceUrl"),
            reading("D1", day, "planted", "开门人姓名")]  # fmt: skip
    report = bring("readings", some)
    assert (report.counts.new, report.warnings["persons"]) == (1, 2)
    assert bring.rows("SELECT name FROM city.datastream WHERE name <> 'state'") == [("power",)]
    assert bring.rows("SELECT count(*) FROM platform.quarantine") == [(0,)]


def test_readings_without_device_time_or_value_are_set_aside(bring: Any) -> None:
    bring("devices", [METERS[0]])
    report = bring(
        "readings",
        [
            READINGS[0],
            reading("D9", "2026-03-08 09:00", 1),
            reading("D1", "yesterday", 1),
            reading("D1", "2026-02-30 09:00", 1),
            reading("D1", "1985-01-01 09:00", 1),
            reading("D1", "2900-01-01 09:00", 1),
            reading("D1", "2026-03-08 10:00", ""),
            reading("D1", "2026-03-08 11:00", "1e999"),
        ],
    )
    assert report.aside == {
        "no_device": 1,
        "not_a_time": 2,
        "odd_time": 2,
        "missing": 1,
        "too_large": 1,
    }
    assert report.counts.new == 1
