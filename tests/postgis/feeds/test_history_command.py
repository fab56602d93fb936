"""Readings that came by a file are summed up, and done again by the day, at the command line."""

from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, Engine, text

from cim.commands.history import retention, rollup
from cim.load.kinds import KINDS
from cim.load.pipeline import Request, load
from cim.settings import Settings


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Any:
    """Gives one of the commands."""
    monkeypatch.setenv("CIM_DATABASE_URL", str(settings.database_url))
    monkeypatch.setenv("CIM_DATA_DIR", str(settings.data_dir))

    def call(command: Any, *args: str) -> Result:
        return CliRunner().invoke(command, args)

    return call


@pytest.fixture(scope="module")
def loaded(engine: Engine, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A meter whose readings of two days in March were loaded; gives a way to load again."""
    folder = tmp_path_factory.mktemp("files")

    def bring(value: int) -> None:
        rows = [f"M1,2026-03-0{day} {hour:02}:30,{value + hour}" for day in (8, 9)
                for hour in range(24)]  # fmt: skip
        path = folder / f"readings{value}.csv"
        path.write_text("设备编号,观测时间,数值\n" + "\n".join(rows) + "\n", "utf-8")
        with engine.begin() as connection:
            load(connection, settings, KINDS["readings"], path, Request())

    with engine.begin() as connection:
        connection.execute(text("INSERT INTO city.source_system (id, name) VALUES (100, 'm')"))
        connection.execute(
            text("INSERT INTO city.device (class_code, source_id, ext_id) "
                 "VALUES ('water_meter', 100, 'M1')")
        )  # fmt: skip
    bring(100)
    return bring


def days(connection: Connection) -> list[tuple[Any, ...]]:
    found = connection.execute(
        text("SELECT (at AT TIME ZONE 'Asia/Shanghai')::date::text, n, hours, sum, last "
             "FROM city.rollup_day ORDER BY 1")
    )  # fmt: skip
    return [tuple(row) for row in found]


def test_what_was_loaded_is_summed_up_by_days_of_china(
    loaded: Any, run: Any, connection: Connection
) -> None:
    assert days(connection) == []
    connection.rollback()
    due = run(rollup, "--dry-run")
    assert due.exit_code == 0 and "due" in due.output and "待汇总" in due.output
    done = run(rollup)
    assert done.exit_code == 0, done.output
    whole = 24 * 100 + sum(range(24))
    assert days(connection) == [
        ("2026-03-08", 24, 24, whole, 123),
        ("2026-03-09", 24, 24, whole, 123),
    ]


def test_a_corrected_file_corrects_the_sums_and_the_same_one_marks_nothing(
    loaded: Any, run: Any, connection: Connection
) -> None:
    loaded(200)
    marks = text("SELECT count(*) FROM city.rollup_mark")
    assert connection.execute(marks).scalar_one() == 1
    connection.rollback()
    assert run(rollup).exit_code == 0
    assert [row[4] for row in days(connection)] == [223, 223]
    connection.rollback()
    loaded(200)
    assert connection.execute(marks).scalar_one() == 0


def test_days_are_done_again_on_demand(loaded: Any, run: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.datastream SET kind = 'counter'"))
    said = run(rollup, "--from", "2026-03-08", "--to", "2026-03-09", "--dry-run")
    assert said.exit_code == 0 and "readings of 1 streams" in said.output
    grown = text("SELECT increase FROM city.rollup_day ORDER BY at")
    with engine.connect() as connection:
        assert connection.execute(grown).scalars().all() == [None, None]
    done = run(rollup, "--from", "2026-03-07", "--to", "2026-03-09")
    assert done.exit_code == 0, done.output
    with engine.connect() as connection:
        assert connection.execute(grown).scalars().all() == [23, 23]


def test_days_that_are_none_are_refused(run: Any) -> None:
    for args in (("--from", "2026-03-08"), ("--from", "2026-03-08", "--to", "2026-03-01")):
        answer = run(rollup, *args)
        assert answer.exit_code != 0 and "--to" in str(answer.exception)


def test_retention_says_what_would_go_and_takes_it(loaded: Any, run: Any, engine: Engine) -> None:
    assert run(rollup).exit_code == 0
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.retention_class SET days = 30"))
    planned = run(retention, "--dry-run")
    assert "observation_20260308" in planned.output and "试运行" in planned.output
    count = text("SELECT count(*) FROM city.observation")
    with engine.connect() as connection:
        assert connection.execute(count).scalar_one() == 48
    assert run(retention).exit_code == 0
    with engine.connect() as connection:
        assert connection.execute(count).scalar_one() == 0
