"""A real browser on the sample city: a click on a wall, and what the page then says and shows.

One walk through the viewer (viewer/tests/browser/walk.mjs) reports what it saw; each test judges
one part of it.  The pictures it took are in screenshots/, to be looked at.
"""

from collections.abc import Callable
from typing import Any

import pytest

from sample_data.make import make


@pytest.fixture(scope="module")
def seen(
    cim: Callable[..., str],
    walk: Callable[..., dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """What the walk reports of a sample city, loaded by the commands a user types."""
    folder = tmp_path_factory.mktemp("city")
    make(folder, 60)
    cim("load", "city", str(folder), "--quiet")
    cim("tile", "build", "--jobs", "1")
    return walk()


def test_the_city_is_drawn_by_a_software_renderer_in_many_colours(seen: dict[str, Any]) -> None:
    start = seen["start"]
    assert "llvmpipe" in start["renderer"] or "SwiftShader" in start["renderer"]
    assert start["colours"] > 8
    assert start["legend"] > 4
    assert start["hash"].startswith("#v=")


def test_no_other_host_is_asked_and_the_page_has_nothing_to_complain_of(
    seen: dict[str, Any],
) -> None:
    assert seen["outside"] == []
    assert seen["complaints"] == []


def test_a_click_on_a_wall_selects_the_flat_behind_it_and_tells_its_address(
    seen: dict[str, Any],
) -> None:
    assert seen["before"]["what"] == "building"
    assert seen["clicked"]["building"] == seen["before"]["building"]
    assert seen["address"] == seen["expected"]
    after = seen["after"]
    assert (after["what"], after["building"]) == ("unit", seen["clicked"]["building"])
    assert after["unit"] == seen["clicked"]["unit"]


def test_a_cell_of_the_floor_grid_selects_the_flat_in_space(seen: dict[str, Any]) -> None:
    above = seen["above"]
    assert above["unit"] != seen["clicked"]["unit"]
    assert above["picked"]["unit"] == above["unit"]


def test_back_undoes_a_selection(seen: dict[str, Any]) -> None:
    assert seen["back"] == seen["clicked"]


def test_a_link_brings_everything_back(seen: dict[str, Any]) -> None:
    assert seen["reloaded"]["same"]
    assert seen["reloaded"]["address"] == seen["expected"]
    assert seen["reloaded"]["picked"]["unit"] == seen["clicked"]["unit"]


def test_storeys_above_the_one_shown_are_gone(seen: dict[str, Any]) -> None:
    assert seen["isolated"] == {"isolation": "upto", "above": None}


def test_the_page_speaks_english_and_turns_dark(seen: dict[str, Any]) -> None:
    assert seen["start"]["lang"] == "zh-CN"
    assert seen["english"] == {"lang": "en", "theme": "dark"}


def test_a_flat_is_found_by_its_address(seen: dict[str, Any]) -> None:
    assert seen["searched"] == {"unit": seen["clicked"]["unit"], "text": seen["expected"]}


def test_nothing_serious_hinders_those_who_cannot_see_or_point(seen: dict[str, Any]) -> None:
    serious = [one for one in seen["axe"] if one["impact"] in {"serious", "critical"}]
    assert serious == []


def test_a_phone_shows_one_sheet_and_scrolls_in_no_other_way(seen: dict[str, Any]) -> None:
    assert seen["phone"] == {"sheets": 1, "wide": 390}


def test_the_purpose_of_a_query_is_in_no_address(seen: dict[str, Any]) -> None:
    assert seen["purposes"] == ["demonstration"]
    assert seen["leaked"] == []
