"""A data officer and her two files in a real browser: dropped, seen, mapped, tried, loaded, mended.

viewer/tests/browser/intake.mjs goes her way and reports what she saw; each test judges one part of
it.  The pictures it took are in screenshots/, to be looked at.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from sample_data.make import make
from tests.browser import officer
from tests.browser.conftest import WORKED, walked

SOURCE = "南城街道新村"
FIT = officer.HOUSES - len(officer.BAD)
"""Rows of the shapefile that come in as they are; of two with one number, one thing is made."""


@pytest.fixture(scope="module")
def city(cim: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """A small city that the houses are built beside."""
    folder = tmp_path_factory.mktemp("city")
    make(folder, 60)
    cim("load", "city", str(folder), "--quiet")
    cim("tile", "build", "--jobs", "1")


@pytest.fixture(scope="module")
def seen(
    city: None, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What the officer sees on the whole of her way."""
    folder = tmp_path_factory.mktemp("officer")
    officer.footprints(folder)
    officer.addresses(folder)
    return walked(environment, "intake.mjs", str(folder), serve=WORKED)


def counts(result: dict[str, Any]) -> dict[str, int]:
    """The numbers of a result, those that are not zero."""
    return {name: count for name, count in result["counts"].items() if count}


def test_the_page_is_opened_and_closed_by_keys_and_the_focus_goes_along(
    seen: dict[str, Any],
) -> None:
    assert seen["keys"]["inside"] == "intake-title"
    assert "p=intake" in seen["keys"]["hash"]
    assert seen["keys"]["outside"] == "open-intake"


def test_files_may_be_dropped_anywhere_on_the_window(seen: dict[str, Any]) -> None:
    assert seen["invited"]


def test_no_coordinate_system_is_guessed_and_a_wrong_one_is_told_by_where_it_leads(
    seen: dict[str, Any],
) -> None:
    assert seen["asked"].startswith("请选择坐标系")
    assert seen["pinkBefore"] == 0
    assert len(seen["wrong"]) == 1 and "公里" in seen["wrong"][0]
    assert seen["right"] == ["✓ 位于本市范围内。"]


def test_the_houses_are_on_the_map_before_they_are_loaded(seen: dict[str, Any]) -> None:
    assert seen["pink"] > 0.0005


def test_columns_are_proposed_and_what_would_be_set_aside_is_said_beforehand(
    seen: dict[str, Any],
) -> None:
    assert seen["proposed"] == "总层数"
    said = " ".join(seen["odd"])
    assert "6, 12" in said
    assert "18" in said


def test_a_trial_tells_everything_and_keeps_nothing(seen: dict[str, Any]) -> None:
    assert seen["tried"]["verdict"] == "试导入完成：没有保存任何数据"
    assert counts(seen["tried"]) == counts(seen["loaded"])
    assert seen["tried"]["hash"] != seen["loaded"]["hash"]


def test_what_is_fit_comes_in_and_the_rest_is_set_aside_with_its_reason(
    seen: dict[str, Any],
) -> None:
    loaded = seen["loaded"]
    assert loaded["verdict"] == "导入完成"
    assert counts(loaded) == {"read": 36, "new": FIT, "merged": 1, "set_aside": 3}
    assert len(loaded["aside"]) == 2


def test_the_link_of_a_job_brings_its_result_back(seen: dict[str, Any]) -> None:
    assert seen["reloaded"] == seen["loaded"]


def test_the_rows_set_aside_are_downloaded_with_their_places_and_reasons(
    seen: dict[str, Any],
) -> None:
    rows = {int(number): (field, reason) for number, field, reason in seen["download"]["rows"]}
    assert sorted(rows) == [6, 12, 18]
    assert rows[18][0] == "ext_id"
    assert all(reason for _, reason in rows.values())
    assert seen["download"]["name"].endswith(".csv")


def test_mended_rows_come_in_with_everything_filled_in_as_before(seen: dict[str, Any]) -> None:
    assert seen["mendWishes"] == {
        "intake-kind": "buildings",
        "intake-source": SOURCE,
        "field-ext_id": "房屋编号",
        "field-height": "檐口高",
    }
    assert counts(seen["mended"]) == {"read": 3, "new": 3}


def test_nothing_is_doubled_and_nothing_is_lost(seen: dict[str, Any], engine: Engine) -> None:
    again = counts(seen["again"])
    assert (again["unchanged"], again.get("new", 0), again.get("changed", 0)) == (FIT, 0, 0)
    with engine.connect() as connection:
        keys = connection.execute(
            text(
                "SELECT b.ext_id FROM city.building b JOIN city.source_system s"
                " ON s.id = b.source_id WHERE s.name = :source AND b.ended_at IS NULL"
            ),
            {"source": SOURCE},
        ).scalars()
        found = sorted(keys)
    houses = {f"NC-{number + 1:03d}" for number in range(officer.HOUSES) if number != 23}
    assert found == sorted(houses)


def test_an_excel_sheet_of_addresses_comes_in_and_hangs_on_the_houses(
    seen: dict[str, Any], engine: Engine
) -> None:
    assert seen["sheet"] == {"kind": "addresses", "text": "地址"}
    came = counts(seen["addresses"])
    assert came["read"] == officer.HOUSES
    assert came["new"] + came.get("set_aside", 0) == officer.HOUSES
    with engine.connect() as connection:
        linked = connection.execute(
            text(
                "SELECT count(DISTINCT l.object_id) FROM city.std_address a"
                " JOIN city.address_link l ON l.address_id = a.id AND l.object_type = 'building'"
                " JOIN city.source_system s ON s.id = a.source_id WHERE s.name = :source"
            ),
            {"source": SOURCE},
        ).scalar_one()
    assert linked >= officer.HOUSES - 2


def test_everything_is_said_in_english_too(seen: dict[str, Any]) -> None:
    assert seen["english"]["lang"] == "en"
    assert "Set aside" in seen["english"]["counts"]
    assert seen["recent"] == 5


def test_nothing_serious_hinders_those_who_cannot_see_or_point(seen: dict[str, Any]) -> None:
    assert [one for one in seen["axe"] if one["impact"] in {"serious", "critical"}] == []


def test_a_phone_shows_it_without_scrolling_sideways(seen: dict[str, Any]) -> None:
    assert seen["phone"] == {"wide": 390, "cut": []}


def test_nothing_of_the_files_is_in_an_address_and_no_other_host_is_asked(
    seen: dict[str, Any],
) -> None:
    assert (seen["leaked"], seen["outside"], seen["complaints"]) == ([], [], [])


LINES = 150_000
"""Addresses of the file that is sent over the broken line: some 17 MB."""


@pytest.fixture(scope="module")
def broken(
    city: None, environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What is seen where the line breaks, the page is closed, and the job is cancelled."""
    path = tmp_path_factory.mktemp("large") / "全市地址.csv"
    write_large(path)
    return walked(environment, "intake.mjs", str(path), "broken", serve=WORKED)


def write_large(path: Path) -> None:
    """So many addresses that sending and loading them takes a while."""
    with path.open("w", encoding="utf-8") as file:
        file.write("编号,地址全文,经度,纬度\n")
        for line in range(LINES):
            road, door = divmod(line, 400)
            file.write(
                f"Q{line:06d},广东省东莞市南城街道新基社区试验{road + 1}路{door + 1}号"
                f"试验花园{door % 9 + 1}栋{door % 20 + 1}01室,"
                f"{113.7 + line * 1e-7:.7f},{23.01 + line * 1e-7:.7f}\n"
            )


def test_a_paused_upload_stands_still(broken: dict[str, Any]) -> None:
    assert broken["paused"]["before"] == broken["paused"]["after"] > 0


def test_a_lost_connection_is_said_and_what_was_sent_is_not_sent_again(
    broken: dict[str, Any],
) -> None:
    assert broken["lost"] == ["连接中断"]
    offsets = broken["patches"]
    assert offsets[0] == 0
    assert 0 not in offsets[1:]
    assert offsets == sorted(offsets)


def test_an_upload_goes_on_after_the_page_was_closed(broken: dict[str, Any]) -> None:
    after = broken["patches"][broken["beforeReload"] :]
    assert after and after[0] > 8_000_000
    assert broken["whole"].startswith(f"{LINES:,} 行")


def test_a_job_outlives_its_page_and_is_cancelled_with_nothing_kept(
    broken: dict[str, Any], engine: Engine
) -> None:
    assert "行" in broken["running"]
    assert broken["cancelled"]["verdict"] == "已取消：没有保存任何数据"
    with engine.connect() as connection:
        kept = connection.execute(
            text("SELECT count(*) FROM city.std_address WHERE ext_id LIKE 'Q0%'")
        ).scalar_one()
    assert kept == 0
    assert broken["complaints"] == [] or all("ERR_" in one for one in broken["complaints"])
