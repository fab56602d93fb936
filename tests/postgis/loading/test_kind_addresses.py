"""Addresses come in as columns or text, and are linked by code, by the ladder, or by place."""

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cim.load.kinds import KINDS
from cim.store.incoming import ladders
from cim.store.incoming.stage import Counts, Stage
from cim.store.queries.addresses import search

CITY = """
    INSERT INTO city.source_system (id, name) VALUES (100, 'register');
    INSERT INTO city.admin_area (id, code, level, name) VALUES (1, '441900121', 4, '虎门镇');
    INSERT INTO city.admin_area (id, code, level, name, parent_id)
    VALUES (2, '441900121001', 5, '大宁社区', 1);
    INSERT INTO city.estate (id, source_id, ext_id, name, admin_area_id)
    VALUES (1, 100, 'E1', '丰泰花园', 2);
    INSERT INTO city.building (id, source_id, ext_id, name, estate_id, admin_area_id, footprint,
        footprint_area, height, height_method, floors_above, floors_method)
    SELECT n, 100, 'B' || n, n || '幢', CASE WHEN n < 4 THEN 1 END, 2,
        ST_Multi(ST_MakeEnvelope(113.7 + n * .001, 23, 113.7005 + n * .001, 23.0005, 4490)),
        2500, 24, 'given', 8, 'given' FROM generate_series(1, 4) n;
    INSERT INTO city.entrance (id, building_id, no, name, geom_status)
    SELECT n, 1, n, n || '单元', 'none' FROM generate_series(1, 2) n;
    INSERT INTO city.storey (id, building_id, no, label, status)
    SELECT n, n, 8, '8', 'generated' FROM generate_series(1, 4) n;
    INSERT INTO city.unit (id, source_id, ext_id, building_id, storey_id, entrance_id, room_no,
        geom_status)
    VALUES (1, 100, 'U1', 1, 1, 1, '803', 'none'), (2, NULL, NULL, 1, 1, 2, '803', 'none'),
           (3, NULL, NULL, 2, 2, NULL, '801', 'none');"""


@pytest.fixture(autouse=True)
def city(connection: Connection) -> None:
    connection.execute(text(CITY))


def links(connection: Connection) -> set[tuple[Any, ...]]:
    found = connection.execute(
        text("""SELECT coalesce(a.ext_id, a.norm_text), l.object_type, l.object_id, l.method, l.role
                FROM city.address_link l JOIN city.std_address a ON a.id = l.address_id""")
    )
    return {tuple(row) for row in found}


def test_text_and_columns_of_one_address_join_to_the_same(
    connection: Connection, bring: Any
) -> None:
    report = bring("addresses", [
            {"地址编号": "A1", "地址全文": "广东省东莞市虎门镇大宁社区浦江路２号丰泰花园三幢"},
            {"地址编号": "A2", "市": "东莞市", "镇街": "虎门镇", "社区": "大宁社区居委会",
             "街路巷": "浦江路", "门牌号": "2", "小区": "丰泰花园", "楼栋": "3号楼"},
        ],
    )  # fmt: skip
    assert (report.counts.new, report.aside) == (2, {})
    norms = connection.execute(text("SELECT norm_text, level FROM city.std_address")).all()
    assert {tuple(row) for row in norms} == {("东莞市虎门镇大宁社区浦江路2号丰泰花园3栋", 11)}
    roles = {(key, role) for key, _, thing, _, role in links(connection) if thing == 3}
    assert roles == {("A1", "主"), ("A2", "别名")}


def test_links_by_code_by_ladder_and_by_place_say_so(connection: Connection, bring: Any) -> None:
    bring(
        "addresses",
        [
            {"地址编号": "code", "地址全文": "东莞市虎门镇浦江路9号", "幢编号": "B4"},
            {"地址编号": "ladder", "地址全文": "虎门镇丰泰花园2号楼"},
            {"地址编号": "place", "地址全文": "虎门镇浦江路4号", "经度": 113.7042, "纬度": 23.0002},
            {"地址编号": "near", "地址全文": "虎门镇浦江路5号", "经度": 113.70461, "纬度": 23.0002},
            {"地址编号": "far", "地址全文": "虎门镇浦江路6号", "经度": 113.8, "纬度": 23.1},
            {"地址编号": "estate", "地址全文": "虎门镇丰泰花园"},
            {"地址编号": "short", "地址全文": "虎门丰泰花园1栋"},
        ],
        crs="EPSG:4490",
    )
    found = {(key, kind, thing, method) for key, kind, thing, method, _ in links(connection)}
    assert found == {
        ("code", "building", 4, "code"),
        ("ladder", "building", 2, "ladder"),
        ("place", "building", 4, "place"),
        ("near", "building", 4, "place"),
        ("estate", "estate", 1, "ladder"),
        ("short", "building", 1, "ladder"),
    }


def test_a_room_is_linked_to_its_unit_and_hangs_on_its_buildings_address(
    connection: Connection, bring: Any
) -> None:
    bring(
        "addresses",
        [
            {"地址编号": "R1", "地址全文": "虎门镇丰泰花园1栋2单元803室"},
            {"地址编号": "R2", "地址全文": "虎门镇丰泰花园2栋801"},
            {"地址编号": "R3", "地址全文": "虎门镇丰泰花园1栋1单元8层803", "房屋编号": "U1"},
        ],
    )
    found = links(connection)
    assert ("R1", "unit", 2, "ladder", "主") in found
    assert ("R2", "unit", 3, "ladder", "主") in found
    assert ("R3", "unit", 1, "code", "主") in found
    assert ("虎门镇丰泰花园1栋", "building", 1, "ladder", "主") in {
        (key, kind, thing, "ladder", role) for key, kind, thing, _, role in found
    }
    items = connection.execute(search("丰泰花园1栋2单元803")).mappings().all()
    assert items[0]["unit_id"] == 2


def test_a_buildings_own_address_takes_the_place_of_the_one_made_for_its_rooms(
    connection: Connection, bring: Any
) -> None:
    room = {"地址编号": "R1", "地址全文": "虎门镇丰泰花园2栋801"}
    bring("addresses", [room])
    bring("addresses", [room, {"地址编号": "A1", "地址全文": "虎门镇丰泰花园2幢"}])
    found = connection.execute(
        text("SELECT ext_id, level, parent_id IS NOT NULL FROM city.std_address ORDER BY level")
    ).all()
    assert [tuple(row) for row in found] == [("A1", 11, False), ("R1", 15, True)]


def test_what_is_unknown_or_no_address_is_set_aside_with_its_reason(
    connection: Connection, bring: Any
) -> None:
    report = bring(
        "addresses",
        [
            {"地址编号": "A1", "地址全文": "虎门镇浦江路1号", "幢编号": "B99"},
            {"地址编号": "A2", "地址全文": "虎门镇浦江路2号", "房屋编号": "U99"},
            {"地址编号": "A3", "地址全文": "？？？"},
            {"地址编号": "A4", "地址全文": "路" * 400},
            {"地址编号": "A5", "地址全文": "虎门镇浦江路3号", "幢编号": "B1"},
        ],
    )
    assert report.aside == {"no_building": 1, "no_unit": 1, "no_levels": 1, "too_long": 1}
    assert report.counts.new == 1
    kept = connection.execute(
        text("SELECT ext_id, field, value, record->>'地址全文' FROM platform.quarantine "
             "WHERE reason = 'no_building'")
    ).one()  # fmt: skip
    assert tuple(kept) == ("A1", "building_ref", "B99", "虎门镇浦江路1号")


def test_loading_again_changes_nothing_and_a_corrected_row_moves_its_link(
    connection: Connection, bring: Any
) -> None:
    rows = [
        {"地址编号": "A1", "地址全文": "虎门镇浦江路1号", "幢编号": "B1"},
        {"地址编号": "R1", "地址全文": "虎门镇丰泰花园2栋801", "幢编号": ""},
    ]
    bring("addresses", rows)
    before = links(connection)
    again = bring("addresses", rows)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 2)
    assert links(connection) == before
    rows[0]["幢编号"] = "B3"
    bring("addresses", rows)
    moved = {(key, thing) for key, _, thing, _, _ in links(connection)}
    assert ("A1", 3) in moved
    assert ("A1", 1) not in moved


def test_an_address_made_for_rooms_ends_with_the_last_of_them(
    connection: Connection, bring: Any
) -> None:
    bring("addresses", [{"地址编号": "R1", "地址全文": "虎门镇丰泰花园2栋801"}])
    bring("addresses", [{"地址编号": "R1", "地址全文": "虎门镇丰泰花园3栋801"}])
    found = connection.execute(
        text("SELECT norm_text FROM city.std_address WHERE ext_id IS NULL AND ended_at IS NULL")
    )
    assert found.scalars().all() == ["虎门镇丰泰花园3栋"]


def matched(connection: Connection) -> set[tuple[Any, ...]]:
    found = connection.execute(
        text("""SELECT a.ext_id, l.object_type, l.object_id, l.level, l.role, l.score
                FROM city.address_link l JOIN city.std_address a ON a.id = l.address_id
                WHERE a.ext_id IS NOT NULL""")
    )
    return {tuple(row) for row in found}


def test_a_link_says_how_deep_the_ladder_matched(connection: Connection, bring: Any) -> None:
    bring(
        "addresses",
        [
            {"地址编号": "unit", "地址全文": "虎门镇丰泰花园1栋2单元803室"},
            {"地址编号": "door", "地址全文": "虎门镇丰泰花园1栋2单元"},
            {"地址编号": "no unit", "地址全文": "虎门镇丰泰花园1栋2单元999室"},
            {"地址编号": "no door", "地址全文": "虎门镇丰泰花园2栋999室"},
            {"地址编号": "building", "地址全文": "虎门镇丰泰花园3栋"},
            {"地址编号": "estate", "地址全文": "虎门镇丰泰花园"},
        ],
    )
    assert matched(connection) == {
        ("unit", "unit", 2, 15, "主", 90),
        ("door", "entrance", 2, 13, "主", 90),
        ("no unit", "entrance", 2, 13, "所在", 90),
        ("no door", "building", 2, 11, "所在", 90),
        ("building", "building", 3, 11, "主", 90),
        ("estate", "estate", 1, 10, "主", 90),
    }


def test_a_room_that_gets_its_unit_later_is_then_linked_to_it(
    connection: Connection, bring: Any
) -> None:
    room = {"地址编号": "R1", "地址全文": "虎门镇丰泰花园2栋802室", "幢编号": "B2"}
    bring("addresses", [room])
    assert matched(connection) == {("R1", "building", 2, 11, "所在", 100)}
    connection.execute(
        text("""INSERT INTO city.unit (id, building_id, storey_id, room_no, geom_status)
                VALUES (4, 2, 2, '802', 'none')""")
    )
    bring("addresses", [room])
    assert matched(connection) == {("R1", "unit", 4, 15, "主", 100)}


def test_a_point_between_two_buildings_is_linked_to_the_nearer_and_doubted_where_none_is(
    connection: Connection, bring: Any
) -> None:
    report = bring(
        "addresses",
        [
            {"地址编号": "inside", "地址全文": "浦江路1号", "经度": 113.7042, "纬度": 23.0002},
            {"地址编号": "wall", "地址全文": "浦江路2号", "经度": 113.7055, "纬度": 23.0002},
            {"地址编号": "beside", "地址全文": "浦江路3号", "经度": 113.70605, "纬度": 23.0002},
        ],
        crs="EPSG:4490",
    )
    assert {key: (thing, score) for key, _, thing, _, _, score in matched(connection)} == {
        "inside": (4, 90)
    }
    connection.execute(
        text("""INSERT INTO city.building (id, footprint, footprint_area, height, height_method,
                floors_above, floors_method)
            SELECT 4 + n, ST_Multi(ST_MakeEnvelope(113.705 + (n - 1) * .0005, 23,
                   113.7055 + (n - 1) * .0005, 23.0005, 4490)), 2500, 24, 'given', 8, 'given'
            FROM generate_series(1, 2) n""")
    )
    report = bring("addresses", [
            {"地址编号": "wall", "地址全文": "浦江路2号", "经度": 113.7055, "纬度": 23.0002},
            {"地址编号": "beside", "地址全文": "浦江路3号", "经度": 113.70605, "纬度": 23.0002},
        ], crs="EPSG:4490", source="second",
    )  # fmt: skip
    found = {key: (thing, score) for key, _, thing, _, _, score in matched(connection)}
    assert found["wall"] == (5, 45)
    assert found["beside"][0] == 6
    assert 45 < found["beside"][1] < 70
    assert report.warnings["unsure_place"] == 1


def test_names_that_the_city_knows_are_read_without_their_words(
    connection: Connection, bring: Any
) -> None:
    bring("addresses", [{"地址编号": "A1", "地址全文": "虎门大宁浦江路9号"}])
    found = connection.execute(text("SELECT norm_text FROM city.std_address")).scalars().all()
    assert found == ["虎门镇大宁社区浦江路9号"]


def test_rows_that_share_a_place_share_it_whatever_else_is_wrong_with_them(
    connection: Connection, bring: Any
) -> None:
    report = bring(
        "addresses",
        [
            {"地址编号": "", "地址全文": "虎门镇丰泰花园2栋801"},
            {"地址编号": "R1", "地址全文": "虎门镇丰泰花园2栋802", "幢编号": "B9"},
            {"地址编号": "R2", "地址全文": "虎门镇丰泰花园2栋803", "幢编号": "B2"},
            {"地址编号": "R2", "地址全文": "虎门镇丰泰花园2栋804", "幢编号": "B2"},
        ],
    )
    assert report.aside == {"missing": 1, "no_building": 1, "duplicate": 1}
    kept = connection.execute(text("SELECT norm_text, town, level FROM city.std_address")).all()
    assert {tuple(row) for row in kept} == {
        ("虎门镇丰泰花园2栋", "虎门镇", 11),
        ("虎门镇丰泰花园2栋803", "虎门镇", 15),
    }


def test_a_province_alone_is_a_place_and_stays_one(connection: Connection, bring: Any) -> None:
    bring("addresses", [{"地址编号": "P", "省": "广东省"},
                        {"地址编号": "R", "省": "广东省", "户室": "803"}])  # fmt: skip
    found = connection.execute(
        text("SELECT ext_id, norm_text, province, parent_id FROM city.std_address")
    )
    assert {tuple(row) for row in found} == {
        ("P", "广东省", "广东省", None),
        ("R", "803", "广东省", None),
    }


def test_blank_rows_between_addresses_confuse_no_place(bring: Any) -> None:
    texts = ["示范小区1栋101室", "", "示范小区2栋101室", "", "", "示范小区1栋102室"]
    report = bring("addresses", [{"地址": text, "备注": ""} for text in texts])
    assert (report.counts.new, report.set_aside) == (3, 0)
    rooms = "SELECT building_name, room_no FROM city.std_address WHERE level = 15 ORDER BY 1, 2"
    assert bring.rows(rooms) == [("1栋", "101"), ("1栋", "102"), ("2栋", "101")]


def test_what_is_said_of_rows_as_they_come_is_what_is_said_of_the_whole_file(
    connection: Connection, bring: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"地址编号": "A0", "地址全文": "虎门镇浦江路9号", "幢编号": "B1"}
    house, room = "虎门镇丰泰花园", "虎门镇丰泰花园1栋2单元803室"
    texts = [
        (room, "B1"), ("虎门镇浦江路7号", "B9"), (f"{house}1栋803", "B1"),
        (f"{house}2栋801", ""), (f"{house}2栋801室", "B2"), (room, "B2"), (f"{house}3栋", "B3"),
        (f"{house}1栋1单元", "B1"), (f"{house}2栋", ""), ("？？？", "B1"), (f"{house}1栋", "B1"),
        (f"{house}1栋1单元803", ""), (f"{house}4栋701", "B4"), (f"{house}4栋702", "B4"),
    ]  # fmt: skip
    keys = [f"A{1 + n - n // 12}" for n in range(len(texts))]
    rows = [known] + [
        {"地址编号": key, "地址全文": words, "幢编号": building, "房屋编号": "U1" if n == 4 else ""}
        for n, (key, (words, building)) in enumerate(zip(keys, texts, strict=True))
    ]

    rows += [  # two whose key came before: what hung on them hangs on the next, or on one made
        {"地址编号": key, "地址全文": f"{house}{words}", "幢编号": "B4"}
        for key, words in (("A1", "5栋"), ("A21", "5栋501"), ("A22", "5栋"),
                           ("A23", "6栋601"), ("A4", "6栋"))
    ]  # fmt: skip
    others = [
        {"地址编号": "X1", "地址全文": f"{house}4栋9单元", "幢编号": "B4"},
        {"地址编号": "X2", "地址全文": "虎门镇浦江路9号", "幢编号": "B2"},
    ]

    coded = [row for row in rows if row.get("幢编号") or row.get("房屋编号")]
    rooms = [row for row in coded if row["地址全文"] not in (f"{house}5栋", f"{house}6栋")]

    def left(*files: list[dict[str, str]]) -> tuple[Any, ...]:
        with connection.begin_nested() as point:
            if files[0]:
                bring("addresses", files[0], source="others")
            for file in filter(None, files[1:]):
                report = bring("addresses", file)
            parents = """SELECT a.norm_text, p.norm_text, p.ext_id FROM city.std_address a
                         LEFT JOIN city.std_address p ON p.id = a.parent_id"""
            fed = """SELECT c.op, a.norm_text FROM platform.change c
                     LEFT JOIN city.std_address a ON a.id = c.object_id
                     WHERE c.object_type = 'address' AND c.op = 'insert' ORDER BY 1, 2"""
            found = links(connection), matched(connection), set(bring.rows(parents)), report.aside
            found = (*found, bring.rows(fed))
            point.rollback()
        return found

    monkeypatch.setattr("cim.load.readers.table.BATCH_ROWS", 3)
    monkeypatch.setattr("cim.store.incoming.bulk.TIMES", 1)
    written = _written_as_they_come(monkeypatch)
    for there, file in product(([], others), (rows, coded, [*rooms, rooms[-1]])):
        # A source that is known: its rows are looked at when all are there.
        monkeypatch.setattr("cim.store.incoming.bulk.WORTH", 1000)
        whole = left(there, [known], file)
        assert set(whole[3]) == {"duplicate", "no_building", "no_levels"}
        for worth, many in product((1000, 1), (1, 5, 1000)):
            # Rows that are worth being written as they come, and how many together.
            monkeypatch.setattr("cim.store.incoming.bulk.WORTH", worth)
            monkeypatch.setattr("cim.store.incoming.ladders.MANY", many)
            monkeypatch.setattr("cim.store.incoming.ladders.EACH", many)
            assert left(there, file) == whole
            assert written[-1] == (worth == 1)


def _written_as_they_come(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each load wrote rows as they came, told as it goes on."""
    told: list[bool] = []

    def enter(stage: Stage) -> Counts:
        told.append(stage.followed.direct)
        return ladders.enter(stage)

    kind = replace(KINDS["addresses"], enter=enter)
    monkeypatch.setitem(KINDS, "addresses", kind)
    return told
