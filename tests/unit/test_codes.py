"""Code lists are whole, and validators accept shapes, not guesses."""

import re
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from cim import codes
from cim.codes import areas, identifiers


def test_every_list_has_titles_and_unique_codes_named_twice() -> None:
    assert {"building_use", "unit_kind", "structure", "facility_class"} <= codes.LISTS.keys()
    assert {"device_class", "reading_quality", "land_use"} <= codes.LISTS.keys()
    for name, content in codes.LISTS.items():
        found = [item["code"] for item in content["items"]]
        assert content["title_zh"], name
        assert content["title_en"], name
        assert len(found) == len(set(found)) > 1, name
        assert all(item["zh"] and item["en"] for item in content["items"]), name


def test_a_broader_code_stands_in_the_same_list_before_its_narrower_ones() -> None:
    for name, content in codes.LISTS.items():
        seen: set[str] = set()
        for item in content["items"]:
            assert item.get("parent", item["code"]) in seen | {item["code"]}, name
            seen.add(item["code"])


def test_any_name_of_an_item_leads_to_one_code() -> None:
    for name, content in codes.LISTS.items():
        for item in content["items"]:
            for text in (item["code"], item["zh"], item["en"].upper()):
                assert codes.code_of(name, text) == item["code"], (name, text)


def test_schemes_give_patterns_that_match_whole_codes() -> None:
    patterns = {scheme["code"]: scheme["regex"] for scheme in codes.SCHEMES}
    assert len(patterns) == len(codes.SCHEMES)
    assert patterns["sz19"] is not None
    assert re.fullmatch(patterns["sz19"], "4403060080014800062")


@given(st.text(max_size=20))
def test_any_text_is_a_code_of_one_level_or_none(text: str) -> None:
    level = areas.level(text)
    assert level in (None, 1, 2, 3, 4, 5)
    if level is None:
        assert areas.above(text) == ()


@given(st.integers(10, 99), st.integers(1, 99), st.integers(1, 99), st.integers(1, 999))
def test_codes_above_lead_up_to_the_province(p: int, c: int, k: int, t: int) -> None:
    town = f"{p:02d}{c:02d}{k:02d}{t:03d}"
    assert areas.level(town) == 4
    assert areas.above(town + "001") == (town, town[:6], town[:4], town[:2])
    assert areas.trim(town + "000") == town


def test_dongguan_keeps_its_pseudo_county_and_suzhou_is_a_city() -> None:
    assert areas.is_pseudo_county("441900000000")
    assert not areas.is_pseudo_county("320500")
    assert areas.level("320500") == 2


@given(st.integers(0, 10**9), st.dates(date(1920, 1, 1), date(2025, 1, 1)))
def test_invented_numbers_have_the_shape_and_a_wrong_check(number: int, born: date) -> None:
    invented = identifiers.invented_citizen_id(number, born)
    assert identifiers.is_citizen_id(invented)
    assert identifiers.is_invented(invented)
    assert identifiers.birth_year(invented) == born.year
    assert invented[-1] != identifiers.check_character(invented[:-1])
    assert identifiers.is_credit_code(identifiers.invented_credit_code(number))
    assert identifiers.is_invented(identifiers.invented_phone(number))
