"""Names that a city knows are found in an address without their word, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.addresses import Gazetteer, canonical, normalise, parse, parse_many

KNOWN = Gazetteer(
    [
        ("county", "吴江区", None),
        ("county", "东莞市", None),
        ("town", "虎门镇", None),
        ("town", "南城街道", None),
        ("town", "盛泽镇", "吴江区"),
        ("village", "大宁社区居民委员会", "虎门镇"),
        ("village", "石鼓社区", "南城街道"),
        ("village", "镇口社区", "虎门镇"),
        ("village", "东方社区", "盛泽镇"),
        ("road", "兴发南路", "虎门镇"),
        ("estate_name", "翠堤春晓", "南城街道"),
        ("estate_name", "1978文创园", None),
        ("nothing", "无此", None),
        ("town", "", None),
    ]
)

CASES = [
    ("东莞市石鼓向阳路12号", "东莞市石鼓社区向阳路12号"),
    ("东莞虎门大宁浦江路2号", "东莞市虎门镇大宁社区浦江路2号"),
    ("虎门大宁", "虎门镇大宁社区"),
    ("虎门大宁3巷5号", "虎门镇大宁社区3巷5号"),
    ("南城翠堤春晓3栋", "南城街道翠堤春晓3栋"),
    ("翠堤春晓3栋", "翠堤春晓3栋"),
    ("虎门镇镇口社区5号", "虎门镇镇口社区5号"),
    ("虎门镇李屋兴发南路8号", "虎门镇李屋兴发南路8号"),
    ("苏州吴江盛泽镇舜湖路1号", "苏州市吴江区盛泽镇舜湖路1号"),
]


@pytest.mark.parametrize(("text", "joined"), CASES)
def test_a_known_name_is_found_without_its_word(text: str, joined: str) -> None:
    assert parse(text, KNOWN).norm_text == joined


@pytest.mark.parametrize(
    "text",
    [
        "东莞市虎门大道155号",
        "虎门镇大宁路3号",
        "虎门镇大宁工业区3栋",
        "石鼓花园3栋",
        "盛泽镇东方丝绸市场A区12号",
        "东莞市虎门镇石鼓路1号",
    ],
)
def test_a_name_that_begins_another_is_left_whole(text: str) -> None:
    assert parse(text, KNOWN).levels == parse(text).levels


def test_a_hamlet_before_a_known_road_is_told_apart() -> None:
    levels = parse("虎门镇大宁社区李屋兴发南路8号", KNOWN).levels
    assert (levels["natural_village"], levels["road"]) == ("李屋", "兴发南路")


def test_a_village_of_another_town_is_not_meant() -> None:
    assert parse("虎门镇石鼓向阳路12号", KNOWN).levels["road"] == "石鼓向阳路"


def test_a_city_without_counties_has_no_county_of_its_name() -> None:
    assert "county" not in parse("东莞市东莞市虎门镇", KNOWN).levels


def test_towns_of_a_city_without_counties_are_known_to_everybody() -> None:
    assert parse("东莞市樟木头百果洞社区").levels["town"] == "樟木头镇"
    assert parse("东莞松山湖大学路1号").levels["town"] == "松山湖"
    assert "town" not in parse("南城路8号").levels


TEXTS = st.lists(
    st.sampled_from(
        "虎门 大宁 南城 石鼓 翠堤春晓 镇口 吴江 东方 兴发 南 路 村 镇 街道 社区 3栋 12号 大道 ( "
        "居委会 东莞市 5".split()
    ),
    max_size=9,
).map("".join)


@given(TEXTS)
def test_no_character_is_lost_beside_known_names(text: str) -> None:
    assert parse(text, KNOWN).text == normalise(text)


@given(TEXTS)
def test_a_known_level_has_the_registered_name(text: str) -> None:
    town = parse(text, KNOWN).levels.get("town", "")
    assert town not in ("虎门", "南城", "盛泽")


@given(st.lists(TEXTS, max_size=6))
def test_many_equal_each_with_a_gazetteer(texts: list[str]) -> None:
    found = parse_many(texts, KNOWN)
    assert found["norm_text"].tolist() == [parse(text, KNOWN).norm_text for text in texts]
    assert found["remainder"].tolist() == [parse(text, KNOWN).remainder for text in texts]
    towns = [parse(text, KNOWN).levels.get("town") for text in texts]
    assert found["town"].tolist() == towns


def test_two_gazetteers_do_not_know_of_each_other() -> None:
    texts: list[str | None] = ["石鼓向阳路12号"]
    assert parse_many(texts)["village"].tolist() == [None]
    assert parse_many(texts, KNOWN)["village"].tolist() == ["石鼓社区"]
    assert parse_many(texts, Gazetteer([]))["village"].tolist() == [None]


def test_names_are_kept_as_the_ladder_spells_them() -> None:
    found = KNOWN.find("大宁社区", 0, -1, {})
    assert found is not None
    assert found.place.name == canonical("village", "大宁社区居民委员会")
    assert len(Gazetteer([])) == 0
