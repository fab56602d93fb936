"""Addresses are found by what people type, from an index, and rooms from their buildings."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from cim.addresses import full_text, join
from cim.store.copy import columns
from cim.store.queries.addresses import search

TOWNS, ROADS, ESTATES = (
    ("虎门镇", "厚街镇", "长安镇", "南城街道", "大朗镇"),
    ("浦江路", "迎宾路", "运河东一路", "振安路", "长盛东路", "莞太路", "康乐南路"),
    ("丰泰花园", "万科城", "荔景湾", "天虹小区", "金域华府", "东江豪苑"),
)


def buildings(count: int) -> Iterator[dict[str, str]]:
    for n in range(count):
        estate = n // 40
        yield {
            "province": "广东省",
            "city": "东莞市",
            "town": TOWNS[estate % 5],
            "village": f"第{estate % 211}社区",
            "road": ROADS[estate % 7],
            "door_no": f"{estate % 997 + 1}号",
            "estate_name": ESTATES[estate % 6] + (f"{estate // 6}期" if estate > 5 else ""),
            "building_name": f"{n % 40 + 1}栋",
        }


@pytest.fixture(scope="module", autouse=True)
def city(engine: Engine) -> None:
    ladders = list(buildings(20_000))
    with engine.begin() as own:
        names = list(ladders[0])
        columns.write(
            own,
            "city.std_address",
            {
                "id": list(range(1, len(ladders) + 1)),
                "level": [11] * len(ladders),
                "full_text": [full_text(levels) for levels in ladders],
                "norm_text": [join(levels) for levels in ladders],
                **{name: [levels[name] for levels in ladders] for name in names},
            },
            {"id": "int8", "level": "int2", "full_text": "text", "norm_text": "text"}
            | dict.fromkeys(names, "text"),
        )
        own.execute(text(HOUSES))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as own:
        own.execute(text("VACUUM ANALYZE city.std_address"))


HOUSES = """
    INSERT INTO city.building (id, footprint, footprint_area, height, height_method, floors_above,
                               floors_method)
    SELECT n, ST_Multi(ST_MakeEnvelope(113.7 + n * .001, 23, 113.7005 + n * .001, 23.0005, 4490)),
           500, 24, 'given', 8, 'given' FROM generate_series(1, 4) n;
    INSERT INTO city.entrance (id, building_id, no, name, geom_status)
    VALUES (1, 3, 1, '1单元', 'none'), (2, 3, 2, '2单元', 'none');
    INSERT INTO city.floor_plan (id, building_id, kind, area, geom_status)
    SELECT n, n, 'typical', 500, 'generated' FROM generate_series(1, 4) n;
    INSERT INTO city.storey (id, building_id, plan_id, no, label, status)
    SELECT n, n, n, 8, '8', 'generated' FROM generate_series(1, 4) n;
    INSERT INTO city.unit (id, building_id, storey_id, entrance_id, room_no, geom_status)
    VALUES (31, 3, 3, 1, '803', 'none'), (32, 3, 3, 2, '803', 'none'), (33, 3, 3, 2, '804', 'none'),
           (11, 1, 1, NULL, '803', 'none');
    INSERT INTO city.address_link (address_id, object_type, object_id, method)
    SELECT n, 'building', n, 'code' FROM generate_series(1, 4) n;
    INSERT INTO city.std_address (id, level, parent_id, room_no, full_text, norm_text)
    SELECT 100001, 15, 1, '803', full_text || '803室', norm_text || '803'
    FROM city.std_address WHERE id = 1;
    INSERT INTO city.address_link (address_id, object_type, object_id, method)
    VALUES (100001, 'unit', 11, 'code');"""


def found(connection: Connection, q: str, limit: int = 20) -> list[dict[str, object]]:
    return [dict(row) for row in connection.execute(search(q, limit)).mappings()]


def test_the_whole_text_in_any_habit_finds_its_address_first(connection: Connection) -> None:
    for q in (
        "广东省东莞市虎门镇第0社区浦江路1号丰泰花园3栋",
        "东莞市虎门镇第0社区浦江路１号丰泰花园三幢",
        "东莞虎门镇 第0社区 浦江路1号 丰泰花园3号楼",
    ):
        first = found(connection, q)[0]
        assert (first["id"], first["score"]) == (3, 100)
        assert (first["object_type"], first["object_id"], first["building_id"]) == (
            "building",
            3,
            3,
        )


def test_levels_may_be_left_out(connection: Connection) -> None:
    assert found(connection, "虎门镇丰泰花园3栋")[0]["id"] == 3
    assert found(connection, "丰泰花园3幢")[0]["id"] == 3
    assert found(connection, "虎门丰泰花园3幢")[0]["id"] == 3


def test_a_number_is_not_found_at_the_end_of_another(connection: Connection) -> None:
    assert str(found(connection, "虎门镇丰泰花园3栋", 1)[0]["text"]).endswith("丰泰花园3栋")


def test_two_characters_are_found_anywhere(connection: Connection) -> None:
    texts = [str(item["text"]) for item in found(connection, "荔景")]
    assert len(texts) == 20
    assert all("荔景" in item for item in texts)


def test_a_slip_of_the_pen_is_forgiven(connection: Connection) -> None:
    first = found(connection, "虎门镇第0社区浦江路1号丰太花园3栋")[0]
    assert first["id"] == 3
    assert int(str(first["score"])) < 80


def test_a_room_with_an_address_is_found_below_its_building(connection: Connection) -> None:
    first = found(connection, "丰泰花园1栋803")[0]
    assert (first["id"], first["level"], first["unit_id"]) == (100001, 15, 11)
    assert [item["unit_id"] for item in found(connection, "丰泰花园1栋803")].count(11) == 1


def test_a_generated_unit_is_found_where_only_its_building_has_an_address(
    connection: Connection,
) -> None:
    both = [item["unit_id"] for item in found(connection, "丰泰花园3栋803室")[:2]]
    assert sorted(map(str, both)) == ["31", "32"]
    first = found(connection, "丰泰花园三幢2单元８０３")[0]
    assert (first["unit_id"], first["building_id"], first["level"]) == (32, 3, 15)
    assert str(first["text"]).endswith("丰泰花园3栋2单元803室")


def test_a_short_query_finds_rooms_too(connection: Connection) -> None:
    units = {item["unit_id"] for item in found(connection, "虎门镇丰泰花园3栋804")}
    assert 33 in units


@pytest.mark.parametrize(
    "q", ["", " ", "%", "_", "803", "栋", "'; DROP TABLE x --", "\\", "-", "(()"]
)
def test_any_text_is_answered(connection: Connection, q: str) -> None:
    assert len(found(connection, q)) <= 20


@pytest.mark.parametrize("q", ["%_%_%_", "----", "()()", "·····"])
def test_what_no_index_knows_is_not_looked_for_in_every_row(connection: Connection, q: str) -> None:
    statement = search(q, 20)
    compiled = str(statement.compile(connection))
    rows = connection.exec_driver_sql(f"EXPLAIN {compiled}", dict(statement.compile().params))
    assert "Seq Scan on std_address" not in "\n".join(rows.scalars())


def test_wildcards_are_letters(connection: Connection) -> None:
    assert found(connection, "%花园%_栋") == []


def test_nothing_ended_is_found(connection: Connection) -> None:
    connection.execute(text("UPDATE city.std_address SET ended_at = now() WHERE id = 3"))
    assert 3 not in [item["id"] for item in found(connection, "虎门镇丰泰花园3栋")]


@pytest.mark.parametrize(
    ("q", "index"),
    [
        ("东莞市虎门镇第0社区浦江路1号丰泰花园3栋", "ix_std_address_norm"),
        ("第17社区浦江路", "ix_std_address_trgm"),
        ("虎门镇第17社区丰泰花园99期3栋", "ix_std_address_trgm"),
        ("府5", "ix_std_address_bigram"),
        ("丰泰花园3栋804", "ix_std_address_parent"),
    ],
)
def test_an_index_answers(connection: Connection, q: str, index: str) -> None:
    statement = search(q, 20)
    compiled = str(statement.compile(connection))
    plan = "\n".join(
        connection.exec_driver_sql(
            f"EXPLAIN {compiled}", dict(statement.compile().params)
        ).scalars()
    )
    assert index in plan, plan
    assert "Seq Scan on std_address" not in plan, plan


def test_a_room_is_found_through_a_slip_of_the_pen(connection: Connection) -> None:
    units = {item["unit_id"] for item in found(connection, "虎门镇第0社区浦江路1号丰太花园3栋804")}
    assert 33 in units


def test_the_right_number_beats_the_one_next_door(connection: Connection) -> None:
    assert found(connection, "虎门镇第1社区浦江路1号丰泰花园17栋")[0]["id"] == 17
