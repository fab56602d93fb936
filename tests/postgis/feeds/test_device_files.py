"""Files of devices as they come, and feeds that were meant otherwise: what is said of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine, text

from cim.cli import main
from cim.settings import Settings
from tests.feeding import furnish
from tests.unit.reading.test_sheets import sheet, workbook

HEADS = ("设备编号", "类别", "设备名称", "绑定类型", "房屋编号", "项目编号", "网关编号")
ROWS = (
    ("sm-1", "烟感探测器", "走廊烟感", "", "", "", "gw-1"),
    ("gw-1", "网关", "网关一", "", "", "", ""),
    ("cr-1", "环境", "扬尘", "工地", "", "P-1", ""),
    ("sm-1", "烟感", "又一个", "", "", "", ""),  # row 5
    ("ta-1", "塔吊", "塔吊", "", "", "P-1", ""),  # row 6
    ("em-9", "智能电表", "803电表", "", "U-999", "", ""),  # row 7
    ("xx-1", "烟感", "烟感", "城堡", "", "", ""),  # row 8
    ("", "烟感", "没有编号", "", "", "", ""),  # row 9
    ("lo-1", "烟感", "烟感", "", "", "", "gw-77"),  # row 10
)
FAULTS = {
    (5, "ext_id", "sm-1", "duplicate"),
    (6, "class_code", "塔吊", "not_listed"),
    (7, "unit_ref", "U-999", "no_unit"),
    (8, "bind_type", "城堡", "not_listed"),
    (9, "ext_id", None, "missing"),
    (10, "gateway_ref", "gw-77", "no_device"),
}


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO city.project (id, name, source_id, ext_id) VALUES (1, '示范工地', "
                 "700, 'P-1')")
        )  # fmt: skip
    return engine


@pytest.fixture
def cim(city: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(main, [str(word) for word in words])


def rows(city: Engine, sql: str, **values: Any) -> list[tuple[Any, ...]]:
    with city.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql), values)]


def table(path: Path) -> Path:
    """The rows as an office keeps them: a workbook, or text as its spreadsheet writes it."""
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join(row) for row in (HEADS, *ROWS)), "gb18030")
        return path
    return workbook(path, {"台账": sheet([HEADS, *ROWS])})


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_every_bad_row_of_a_file_is_named_and_kept_and_the_others_come_in(
    cim: Callable[..., Result], city: Engine, tmp_path: Path, ending: str
) -> None:
    path, source = table(tmp_path / f"台账.{ending}"), f"台账{ending}"
    done = cim("device", "register", path, "--source", source)
    assert done.exit_code == 1, done.output
    assert "3 new, 0 changed, 6 set aside" in done.output
    assert f"the source {source} is new" in done.output
    for no, _, value, _ in FAULTS:
        assert f" {no} " in done.output and (value or "") in done.output
    assert path.name in done.output and "不在代码表中" in done.output
    kept = rows(
        city,
        """SELECT q.row_no, q.field, q.value, q.reason FROM platform.quarantine q
           JOIN city.source_system y ON y.id = q.source_id
           WHERE y.name = :source AND q.cleared_at IS NULL""",
        source=source,
    )
    assert {(no, field, value, why) for no, field, value, why in kept} == FAULTS
    came = rows(
        city,
        """SELECT d.ext_id, d.class_code, d.bind_type, d.bind_id, g.ext_id FROM city.device d
           JOIN city.source_system y ON y.id = d.source_id
           LEFT JOIN city.device g ON g.id = d.gateway_id
           WHERE y.name = :source ORDER BY 1""",
        source=source,
    )
    assert came == [
        ("cr-1", "environment", "project", 1, None),
        ("gw-1", "gateway", None, None, None),
        ("sm-1", "smoke", None, None, "gw-1"),
    ]
    again = cim("device", "register", path, "--source", source)
    assert "0 new, 0 changed, 6 set aside; 0 streams" in again.output


def test_what_came_in_stays_though_nobody_reads_on(
    cim: Callable[..., Result], city: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def left(*said: object) -> None:
        raise BrokenPipeError  # as `| head -1` does

    path = tmp_path / "two.csv"
    path.write_text(f"设备编号,类别\nhead-1,烟感\n{'长' * 201},烟感\n", "utf-8")
    monkeypatch.setattr("cim.commands.shown.outcome", left)
    cim("device", "register", path, "--source", "两台")
    of = "SELECT d.ext_id FROM city.device d JOIN city.source_system y ON y.id = d.source_id "
    assert rows(city, of + "WHERE y.name = '两台'") == [("head-1",)]
    why = "SELECT q.reason FROM platform.quarantine q WHERE q.value LIKE '长长%'"
    assert rows(city, why) == [("too_long",)]


def test_a_device_that_several_systems_have_is_named_with_them(cim: Callable[..., Result]) -> None:
    for source in ("甲平台", "乙平台"):
        cim("device", "register", "--class", "烟感", "--id", "both-1", "--source", source)
    told = cim("device", "key", "both-1")
    assert told.exit_code == 2 and "甲平台, 乙平台" in str(told.exception) + told.output
    assert cim("device", "key", "both-1", "--source", "甲平台").exit_code == 0


def test_a_device_that_is_registered_again_stays_bound(
    cim: Callable[..., Result], city: Engine
) -> None:
    words = ("device", "register", "--class", "smoke", "--id", "again-1")
    assert cim(*words, "--bind", "project:#1").exit_code == 0
    assert cim(*words, "--name", "烟感").exit_code == 0
    found = rows(city, "SELECT name, bind_type FROM city.device WHERE ext_id = 'again-1'")
    assert found == [("烟感", "project")]
    wrong = cim("device", "register", "--class", "smoke", "--id", "x", "--bind", "unit:nope")
    assert "--bind unit:nope" in str(wrong.exception) + wrong.output


def test_an_object_is_named_in_the_words_of_an_office_and_one_that_is_not_there_is_said(
    cim: Callable[..., Result], city: Engine
) -> None:
    words = ("device", "register", "--class", "环境", "--id", "dust-1", "--bind")
    slip = cim(*words, "示范工地")
    assert slip.exit_code == 2 and "write KIND:KEY" in str(slip.exception) + slip.output
    assert cim(*words, "工地：P-1").exit_code == 0
    assert "as it was" in cim("device", "bind", "dust-1", "项目:P-1").output
    told = cim("device", "bind", "dust-1", "unit:虎门镇丰泰花园三幢803室")
    assert told.exit_code == 2
    assert "There is no unit 虎门镇丰泰花园三幢803室" in str(told.exception) + told.output
    with city.begin() as connection:
        connection.execute(
            text("""INSERT INTO city.source_system (id, name) VALUES (790, '另一平台');
                INSERT INTO city.project (id, name, source_id, ext_id) VALUES
                    (91, '甲', 700, 'P-9'), (92, '乙', 790, 'P-9')""")
        )
    bare = cim("device", "bind", "dust-1", "虎门镇丰泰花园三幢803室")
    assert "虎门镇丰泰花园三幢803室: write KIND:KEY" in str(bare.exception) + bare.output
    twice = cim("device", "bind", "dust-1", "project:P-9")
    assert "project:#91, project:#92" in str(twice.exception) + twice.output


def test_a_moment_without_a_zone_is_one_of_here(cim: Callable[..., Result]) -> None:
    cim("device", "register", "--class", "环境", "--id", "dust-2")
    assert (
        cim("device", "bind", "dust-2", "project:#1", "--since", "2026-03-09T08:00").exit_code == 0
    )
    assert "2026-03-09 08:00:00 … now" in cim("device", "bind", "dust-2").output


def test_keys_are_made_for_a_list_as_an_office_saves_it_once_for_each(
    cim: Callable[..., Result], city: Engine, tmp_path: Path
) -> None:
    cim("device", "register", "--class", "电表", "--id", "电表 甲-1")
    path = tmp_path / "devices.txt"
    path.write_text("电表 甲-1\r\n\r\n电表 甲-1\r\n", "utf-8-sig")
    made = cim("device", "key", "--file", path).output.splitlines()
    assert [json.loads(line)["device"] for line in made] == ["电表 甲-1"]
    path.write_text("电表 甲-1\n电表 乙-2\n", "gb18030")
    slip = cim("device", "key", "--file", path)
    assert slip.exit_code == 2
    assert "devices.txt:2: There is no device 电表 乙-2" in str(slip.exception) + slip.output


def test_a_source_that_is_probably_misspelt_is_asked_for(
    cim: Callable[..., Result], city: Engine
) -> None:
    words = ("feed", "add", "tower", "--decoder", "cim", "--source")
    slip = cim(*words, "设备平合")
    assert slip.exit_code != 0 and "设备平台" in str(slip.exception) + slip.output
    made = "SELECT count(*) FROM city.source_system WHERE name = '设备平合'"
    assert rows(city, made) == [(0,)]
    assert "is new" in cim(*words, "设备平合", "--new-source", "--dry-run").output
    assert "is new" in cim(*words, "lorawan").output
    assert "is new" not in cim(*words, "lorawan").output


def test_topics_that_another_feed_takes_too_are_said(cim: Callable[..., Result]) -> None:
    words = ("feed", "add", "--decoder", "cim", "--source", "设备平台", "--topic")
    assert "both" not in cim(*words, "north/+/up", "north").output
    second = cim(*words, "north/#", "all-north")
    assert second.exit_code == 0
    assert "of the feed north, will be taken in by both" in second.output
    assert "north/+/up 的消息会被重复接入" in second.output


@pytest.mark.parametrize("words", [("list",), ("list", "--count"), ("replay",), ("drop",)])
def test_dead_letters_of_what_there_is_not_are_a_slip(
    cim: Callable[..., Result], words: tuple[str, ...]
) -> None:
    for option, word, sentence in (
        ("--feed", "plane", "There is no feed plane; there are plain"),
        ("--reason", "no_devise", "There is no reason no_devise"),
    ):
        done = cim("feed", "dead", *words, option, word)
        assert done.exit_code != 0 and sentence in str(done.exception) + done.output
    assert cim("feed", "dead", *words, "--feed", "plain").exit_code == 0
