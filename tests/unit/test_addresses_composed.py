"""What is composed is taken apart again into the same; how names are said; what is judged."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cim.addresses import LADDER, Gazetteer, full_text, join, normalise, parse, pinyin
from cim.addresses.judging import AHEAD, GOOD, STATUSES, Candidate, judge
from cim.store.suggesting import divided, marked

NAMES = st.sampled_from(
    "丰泰 万科 荔景 天虹 金域 东江 碧桂 翠堤 星河 云锦 康乐 富民 嘉信 凯旋 森林 阳光".split()
)
NUMBER = st.integers(1, 199).map(str)


@st.composite
def ladders(draw: st.DrawFn) -> dict[str, str]:
    """An address as a register has it, some of its levels left out."""
    levels = {"city": "东莞市", "town": draw(st.sampled_from("虎门镇 厚街镇 南城街道".split()))}
    if draw(st.booleans()):
        levels["village"] = draw(NAMES) + draw(st.sampled_from(["社区", "村"]))
    if draw(st.booleans()):
        levels["road"] = draw(NAMES) + draw(st.sampled_from(["路", "大道", "街"]))
        levels["door_no"] = draw(NUMBER) + "号"
    levels["estate_name"] = draw(NAMES) + draw(st.sampled_from(["花园", "小区", "新村"]))
    levels["building_name"] = draw(NUMBER) + "栋"
    if draw(st.booleans()):
        levels["entrance_no"] = draw(st.integers(1, 9).map(str)) + "单元"
    if draw(st.booleans()):
        levels["room_no"] = draw(st.integers(101, 3309).map(str))
    return {level: levels[level] for level in LADDER if level in levels}


HABITS: list[Callable[[str], str]] = [
    lambda text: text,
    lambda text: text.replace("栋", "幢"),
    lambda text: text.replace("栋", "号楼"),
    lambda text: text.replace("单元", "梯").replace("室", "房"),
    lambda text: "广东省" + text,
    lambda text: text.replace("号", "号 ").replace("镇", "镇　"),
    lambda text: text.translate({0x30 + n: 0xFF10 + n for n in range(10)}),
]


@given(ladders(), st.sampled_from(HABITS))
def test_what_is_composed_comes_apart_into_the_same_in_every_habit(
    levels: dict[str, str], habit: Callable[[str], str]
) -> None:
    found = parse(habit(full_text(levels)))
    assert {name: value for name, value in found.levels.items() if name != "province"} == levels
    assert (found.norm_text, found.remainder) == (join(levels), "")


@given(ladders())
def test_one_spelling_is_its_own_spelling(levels: dict[str, str]) -> None:
    once = parse(full_text(levels)).norm_text
    assert parse(once).norm_text == once and normalise(once) == once


@given(ladders())
def test_known_names_change_nothing_of_what_is_whole(levels: dict[str, str]) -> None:
    known = Gazetteer(
        [("town", levels["town"], None), ("estate_name", levels["estate_name"], levels["town"])]
    )
    assert parse(full_text(levels), known).levels == levels


SYLLABLES = st.sampled_from(sorted(pinyin.SYLLABLES))


@given(st.lists(SYLLABLES, min_size=1, max_size=5))
def test_full_pinyin_and_initials_are_divided_as_they_are_meant(said: list[str]) -> None:
    reading = " ".join(said)
    for typed in ("".join(said), pinyin.initials(reading), said[0] + pinyin.initials(reading)[1:]):
        ways = pinyin.ways(typed)
        if any(letter in "iuv" for letter in pinyin.initials(reading)):
            continue
        fits = [way for way in ways if re.search(pinyin.pattern(way), reading)]
        assert fits or len(ways) == 8, (typed, reading, ways)


@given(st.text(max_size=60))
def test_any_letters_are_answered_and_bounded(typed: str) -> None:
    assert len(pinyin.ways(typed)) <= 8
    for way in pinyin.ways(typed):
        assert "".join(way) == typed
    runs = divided(typed)
    assert all(run for run, _ in runs)


@given(st.text(max_size=20))
def test_any_name_has_a_reading(name: str) -> None:
    found = pinyin.readings(name)
    assert 1 <= len(found) <= 4 and len(set(found)) == len(found)


@pytest.mark.parametrize(
    ("name", "first"),
    [("长安镇", "chang an zhen"), ("重庆路", "chong qing lu"), ("厦门路", "xia men lu"),
     ("塘厦镇", "tang xia zhen"), ("国贸大厦", "guo mao da sha"), ("A座", "a zuo"),
     ("莞城街道", "guan cheng jie dao"), ("高埗镇", "gao bu zhen"), ("道滘镇", "dao jiao zhen"),
     ("麻涌镇", "ma chong zhen"),
     ("朝阳路", "chao yang lu"), ("曾家村", "zeng jia cun"), ("银行街", "yin hang jie"),
     ("番禺区", "pan yu qu"), ("绿地城", "lv di cheng")],
)  # fmt: skip
def test_names_of_places_are_said_as_people_there_say_them(name: str, first: str) -> None:
    assert pinyin.readings(name)[0] == first


CANDIDATES = st.lists(
    st.builds(
        Candidate,
        id=st.integers(1, 5) | st.none(),
        text=st.just("x"),
        level=st.integers(3, 15),
        score=st.integers(0, 100),
        object=st.tuples(st.just("building"), st.integers(1, 5)) | st.none(),
    ),
    max_size=6,
)


@given(CANDIDATES, st.sampled_from(["丰泰花园3栋803", "丰泰花园3栋", "虎门镇", "3栋 旁边的小店"]))
def test_a_match_is_good_and_well_ahead_or_there_is_none(
    candidates: list[Candidate], text: str
) -> None:
    asked = parse(text)
    verdict = judge(asked, candidates)
    assert verdict.status in STATUSES
    assert (verdict.match is not None) == (verdict.status in ("matched", "partial"))
    if verdict.match is not None:
        assert verdict.match.score >= GOOD
        for other in verdict.alternatives:
            assert other.score <= verdict.match.score - AHEAD
            assert other.target != verdict.match.target
    told = [*verdict.alternatives, *([verdict.match] if verdict.match else [])]
    assert len(told) == len({each.target for each in candidates})


@given(
    st.text(alphabet="东莞3栋a", max_size=12), st.lists(st.text(alphabet="东莞3栋a", max_size=4))
)
def test_marks_are_in_order_within_the_text_and_apart(text: str, said: list[str]) -> None:
    spans = marked(text, said)
    ends = [0, *(edge for span in spans for edge in span), len(text)]
    assert ends == sorted(ends)
    assert all(begin < end for begin, end in spans)
    assert all(one[1] < other[0] for one, other in pairwise(spans))
