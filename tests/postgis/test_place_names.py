"""The names that addresses are made of are kept as they are loaded, in all their readings."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from cim.addresses import pinyin
from cim.intake.bringing import bring
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.settings import Settings
from cim.store.incoming import names
from cim.store.queries import names as statements

ADDRESSES = """地址编号,地址
A1,广东省东莞市虎门镇大宁社区浦江路2号丰泰花园3栋
A2,广东省东莞市虎门镇大宁社区浦江路2号丰泰花园4栋
A3,东莞市塘厦镇塘兴路8号
A4,东莞市长安镇长盛社区3巷5号
A5,东莞市虎门镇则徐路1号国贸大厦
"""


@pytest.fixture(scope="module", autouse=True)
def city(settings: Settings, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    load(settings, folder, "addresses", ADDRESSES)


def load(settings: Settings, folder: Path, kind: str, content: str) -> None:
    file = folder / f"{kind}.csv"
    file.write_text(content, encoding="utf-8")
    bring(settings, KINDS[kind], file, Request(), units=None, keep=True)


def kept(connection: Connection) -> set[tuple[int, str, str]]:
    rows = connection.execute(text("SELECT level, name, town FROM city.place_name WHERE main"))
    return {(level, name, town) for level, name, town in rows}


def test_names_are_kept_with_their_level_and_town_and_numbers_are_not(
    connection: Connection,
) -> None:
    assert kept(connection) == {
        (3, "虎门镇", ""),
        (3, "塘厦镇", ""),
        (3, "长安镇", ""),
        (4, "大宁社区", "虎门镇"),
        (4, "长盛社区", "长安镇"),
        (8, "浦江路", "虎门镇"),
        (8, "则徐路", "虎门镇"),
        (8, "塘兴路", "塘厦镇"),
        (10, "丰泰花园", "虎门镇"),
        (11, "国贸大厦", "虎门镇"),
    }


def test_each_is_read_and_what_is_said_in_two_ways_is_kept_in_both(connection: Connection) -> None:
    rows = connection.execute(
        text("SELECT said, initials, main FROM city.place_name WHERE name = '长安镇' ORDER BY id")
    ).all()
    assert [tuple(row) for row in rows] == [
        ("chang an zhen", "caz", True),
        ("zhang an zhen", "zaz", False),
    ]
    assert not connection.execute(statements.UNREAD).all()


def test_loading_again_keeps_each_name_once(
    settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    before = connection.execute(text("SELECT count(*) FROM city.place_name")).scalar_one()
    load(settings, tmp_path, "addresses", ADDRESSES + "A6,东莞市虎门镇浦江路4号\n")
    after = connection.execute(text("SELECT count(*) FROM city.place_name")).scalar_one()
    assert after == before


def test_made_anew_they_are_the_same(connection: Connection) -> None:
    before = kept(connection)
    names.anew(connection)
    assert kept(connection) == before


def typed(connection: Connection, letters: str) -> list[str]:
    ways = [(pinyin.initials(" ".join(way)), pinyin.pattern(way)) for way in pinyin.ways(letters)]
    return [row.name for row in connection.execute(statements.typed(ways, 10))]


@pytest.mark.parametrize(
    ("letters", "name"),
    [
        ("fthy", "丰泰花园"),
        ("fengtaihuayuan", "丰泰花园"),
        ("fengthy", "丰泰花园"),
        ("ft", "丰泰花园"),
        ("hum", "虎门镇"),
        ("tangxia", "塘厦镇"),
        ("tangsha", "塘厦镇"),
        ("changan", "长安镇"),
        ("zhangan", "长安镇"),
        ("gmds", "国贸大厦"),
    ],
)
def test_letters_find_names(connection: Connection, letters: str, name: str) -> None:
    assert typed(connection, letters)[0] == name


def test_letters_that_are_said_otherwise_find_nothing(connection: Connection) -> None:
    assert typed(connection, "fengtang") == []


@pytest.mark.parametrize(
    ("said", "level", "name", "how"),
    [("丰太花园", 10, "丰泰花园", 90), ("丰泰花圆区", 10, None, 0), ("丰花园", 10, None, 0),
     ("丰泰大花园", 10, "丰泰花园", 70), ("丰泰花园", 10, None, 0),
     ("大宁社曲", 4, "大宁社区", 90)],
)  # fmt: skip
def test_a_slip_of_the_pen_is_known_for_one(
    connection: Connection, said: str, level: int, name: str | None, how: int
) -> None:
    statement = statements.similar([level], [said], [pinyin.readings(said)[0]])
    rows = connection.execute(statement).all()
    assert [(row.name, row.how) for row in rows] == ([(name, how)] if name else [])


def test_two_characters_find_the_names_that_hold_them(connection: Connection) -> None:
    rows = connection.execute(statements.holding("花园", 5)).all()
    assert [row.name for row in rows] == ["丰泰花园"]


def test_a_village_that_no_register_has_stands_in_its_own_town(connection: Connection) -> None:
    connection.execute(
        text("""
        INSERT INTO city.std_address (full_text, norm_text, level, town, village, door_no, geom)
        SELECT town || '南岭社区5号', town || '南岭社区5号', 9, town, '南岭社区', '5号',
            ST_SetSRID(ST_MakePoint(lon, 23), 4490)
        FROM (VALUES ('虎门镇', 113.6), ('长安镇', 113.8)) t(town, lon)""")
    )
    found = connection.execute(
        statements.standing([4, 4], ["南岭社区"] * 2, ["长安镇", "虎门镇"])
    ).all()
    assert [row.lon for row in found] == [113.8, 113.6]
