"""People come in encrypted, find their homes, move, and are counted; nobody is named anywhere."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import Connection, text

from cim.codes.identifiers import invented_citizen_id, invented_phone
from cim.errors import PrivacyError
from cim.load.kind import SEALED
from cim.privacy import open_vault

CITY = """
    INSERT INTO city.source_system (id, name) VALUES (100, 'register');
    INSERT INTO city.grid (id, code) VALUES (7, 'G7');
    INSERT INTO city.building (id, source_id, ext_id, grid_id, footprint, footprint_area, height,
        height_method, floors_above, floors_method)
    SELECT n, 100, 'B' || n, 7,
        ST_Multi(ST_MakeEnvelope(113.7 + n * .001, 23, 113.7005 + n * .001, 23.0005, 4490)),
        2500, 24, 'given', 8, 'given' FROM generate_series(1, 2) n;
    INSERT INTO city.entrance (id, building_id, no, name, geom_status)
    SELECT n, 1, n, n || '单元', 'none' FROM generate_series(1, 2) n;
    INSERT INTO city.storey (id, building_id, no, label, status)
    SELECT n, n, 8, '8', 'generated' FROM generate_series(1, 2) n;
    INSERT INTO city.unit (id, source_id, ext_id, building_id, storey_id, entrance_id, room_no,
        geom_status)
    VALUES (1, 100, 'U1', 1, 1, 1, '803', 'none'), (2, NULL, NULL, 1, 1, 2, '803', 'none'),
           (3, NULL, NULL, 2, 2, NULL, '801', 'none');
    INSERT INTO city.std_address (id, level, full_text, norm_text)
    VALUES (1, 11, '虎门镇浦江路2号1栋', '虎门镇浦江路2号1栋');
    INSERT INTO city.address_link (address_id, object_type, object_id, method)
    VALUES (1, 'building', 1, 'code');"""


@pytest.fixture(autouse=True)
def city(connection: Connection) -> None:
    connection.execute(text(CITY))


def someone(number: int, **more: Any) -> dict[str, Any]:
    return {
        "人员编号": f"P{number}",
        "姓名": f"测试甲{number}",
        "证件号码": invented_citizen_id(number, date(1980, 1, 1)),
        "联系电话": invented_phone(number),
        "居住关系": "户主",
        "居住类别": "常住",
    } | more


def homes(connection: Connection) -> set[tuple[Any, ...]]:
    found = connection.execute(
        text("""SELECT p.ext_id, r.unit_id, r.building_id, r.grid_id FROM pii.residency r
                JOIN pii.person p ON p.id = r.person_id WHERE r.to_date IS NULL""")
    )
    return {tuple(row) for row in found}


def population(connection: Connection) -> dict[int, tuple[int, int]]:
    found = connection.execute(text("SELECT building_id, units, residents FROM city.building_pop"))
    return {row.building_id: (row.units, row.residents) for row in found}


def test_a_home_is_found_by_key_by_room_and_by_address(connection: Connection, bring: Any) -> None:
    report = bring(
        "people",
        [
            someone(1, 房屋编号="U1"),
            someone(2, 幢编号="B1", 单元="2", 房号="803室"),
            someone(3, 幢编号="B2", 房号="801"),
            someone(4, 地址="广东省虎门镇浦江路2号1号楼1单元803"),
            someone(5, 幢编号="B2"),
        ],
    )
    assert (report.counts.new, report.aside) == (5, {})
    assert homes(connection) == {
        ("P1", 1, 1, 7), ("P2", 2, 1, 7), ("P3", 3, 2, 7), ("P4", 1, 1, 7), ("P5", None, 2, 7),
    }  # fmt: skip
    assert population(connection) == {1: (2, 3), 2: (1, 2)}


def test_names_and_numbers_are_stored_as_ciphertext_mask_and_hash(
    connection: Connection, bring: Any
) -> None:
    bring("people", [someone(1, 房屋编号="U1")])
    kept = connection.execute(text("SELECT * FROM pii.person")).mappings().one()
    assert (kept["name_mask"], kept["phone_mask"]) == ("测***", "100****0001")
    assert kept["id_no_mask"][4:14] == "*" * 10
    vault = open_vault(bring.settings)
    assert vault.decrypt([kept["name_enc"]], "person.name") == ["测试甲1"]
    number = invented_citizen_id(1, date(1980, 1, 1))
    assert vault.hash([number], "person.id_no") == [kept["id_no_hash"]]
    assert (kept["birth_year"], kept["is_minor14"]) == (1980, False)
    assert "测试" not in str(dict(kept))


def test_nothing_in_clear_is_left_where_a_row_is_set_aside(
    connection: Connection, bring: Any
) -> None:
    report = bring(
        "people",
        [
            someone(1, 房屋编号="U99"),
            someone(2, 幢编号="B1", 房号="803"),
            someone(3, 幢编号="B9"),
            someone(4),
            someone(5, 姓名="", 房屋编号="U1"),
            someone(6, 房屋编号="U1", 出生年份="不详"),
        ],
    )
    assert report.aside == {
        "no_unit": 1, "ambiguous_unit": 1, "no_building": 1, "no_home": 1, "missing": 1,
        "not_a_value": 1,
    }  # fmt: skip
    kept = connection.execute(text("SELECT * FROM platform.quarantine")).mappings().all()
    assert len(kept) == 6
    assert all(row["record"] is None and row["value"] is None for row in kept)
    assert "测试" not in str([dict(row) for row in kept])
    opened = open_vault(bring.settings).decrypt([kept[0]["record_enc"]], SEALED)
    assert "测试甲" in str(opened[0])


def test_loading_again_changes_nothing_and_the_feed_says_nothing_personal(
    connection: Connection, bring: Any
) -> None:
    rows = [someone(1, 房屋编号="U1"), someone(2, 幢编号="B2", 房号="801")]
    bring("people", rows)
    again = bring("people", rows)
    assert (again.counts.new, again.counts.changed, again.counts.unchanged) == (0, 0, 2)
    rows[0]["姓名"] = "测试乙"
    third = bring("people", rows)
    assert third.counts.changed == 1
    before = connection.execute(text("SELECT before FROM platform.change WHERE op = 'update'"))
    assert before.scalars().all() == [None]


def test_who_moves_is_counted_where_he_is(connection: Connection, bring: Any) -> None:
    bring("people", [someone(1, 房屋编号="U1"), someone(2, 房屋编号="U1")])
    assert population(connection) == {1: (2, 2)}
    bring("people", [someone(1, 幢编号="B2", 房号="801")])
    assert population(connection) == {1: (2, 1), 2: (1, 1)}
    assert homes(connection) == {("P1", 3, 2, 7), ("P2", 1, 1, 7)}
    bring("people", [someone(1, 幢编号="B2", 房号="801")], full=True)
    assert population(connection)[1] == (2, 0)


def test_an_owner_of_two_flats_has_both_and_lives_in_one(
    connection: Connection, bring: Any
) -> None:
    report = bring(
        "people",
        [
            someone(1, 房屋编号="U1"),
            someone(1, 幢编号="B2", 房号="801", 居住关系="业主不住"),
            someone(1, 房屋编号="U1"),
        ],
    )
    assert report.aside == {"duplicate": 1}
    assert {home[1] for home in homes(connection)} == {1, 3}
    assert population(connection) == {1: (2, 1), 2: (1, 0)}


def test_an_identity_number_is_never_a_key_in_clear(connection: Connection, bring: Any) -> None:
    one, two = someone(1, 房屋编号="U1"), someone(2, 房屋编号="U1")
    one["人员编号"] = one["证件号码"]
    bring("people", [one])
    two.pop("人员编号")
    bring("people", [two])
    keys = connection.execute(text("SELECT ext_id FROM pii.person")).scalars().all()
    assert len(set(keys)) == 2
    assert all(key.startswith("#") and len(key) == 33 for key in keys)


def test_children_are_marked_by_their_year_of_birth(connection: Connection, bring: Any) -> None:
    year = date.today().year
    bring(
        "people",
        [
            someone(n, 房屋编号="U1", 证件号码="", 出生年份=str(year - age))
            for n, age in enumerate((3, 13, 14, 15), 1)
        ],
    )
    marks = connection.execute(text("SELECT is_minor14 FROM pii.person ORDER BY ext_id"))
    assert marks.scalars().all() == [True, True, True, False]


def test_another_key_than_the_first_is_refused_before_anything_is_written(
    connection: Connection, bring: Any
) -> None:
    bring("people", [someone(1, 房屋编号="U1")])
    other_key = bring.folder / "other.key"
    bring.settings = bring.settings.model_copy(update={"pii_key_file": other_key})
    with pytest.raises(PrivacyError, match="CIM_PII_KEY_FILE"):
        bring("people", [someone(2, 房屋编号="U1")])
    assert connection.execute(text("SELECT count(*) FROM pii.person")).scalar_one() == 1


@pytest.mark.parametrize(
    "key",
    ["9900001980010100", "99000019800101001Y", "9.90000198001010017E17", "10000000001", "C99"],
)
def test_what_may_tell_who_it_is_is_no_key_in_clear_nor_where_it_is_set_aside(
    connection: Connection, bring: Any, key: str
) -> None:
    row = someone(1, 人员编号=key, 证件号码="C99", 房屋编号="U1")
    bring("people", [row], source="register")
    bring("people", [row | {"房屋编号": "nowhere"}], source="register")
    found = connection.execute(
        text("SELECT ext_id FROM pii.person UNION ALL SELECT ext_id FROM platform.quarantine")
    ).scalars()
    assert [item[0] for item in found] == ["#", "#"]
