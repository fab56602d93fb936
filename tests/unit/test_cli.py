"""What every command says when it fails."""

import os
import subprocess
import sys
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner, Result

from cim import cli, settings
from cim.errors import BadSetting, SourceError


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], Result]:
    """Run `cim` with one command that fails in a given way."""

    def failing(error: BaseException) -> Result:
        @click.command()
        def broken() -> None:
            raise error

        monkeypatch.setattr(cli.Commands, "get_command", lambda *_: broken)
        return CliRunner().invoke(cli.main, ["broken"])

    return failing


def test_a_deliberate_error_is_a_sentence_in_each_language(
    run: Callable[[BaseException], Result],
) -> None:
    result = run(SourceError("not this", "不是这个"))
    assert (result.exit_code, result.stderr) == (2, "cim: not this\ncim: 不是这个\n")


def test_a_fault_of_the_program_names_its_kind_but_no_value(
    run: Callable[[BaseException], Result],
) -> None:
    result = run(ValueError("张三 110101199003070000"))
    assert result.exit_code == 2
    assert "ValueError" in result.stderr
    assert "程序内部错误" in result.stderr
    assert "张三" not in result.output
    assert "Traceback" not in result.output


def test_a_developer_may_ask_for_the_traceback(
    run: Callable[[BaseException], Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIM_TRACEBACK", "1")
    assert isinstance(run(ValueError("why")).exception, ValueError)


def test_wrong_usage_stays_with_click(run: Callable[[BaseException], Result]) -> None:
    result = run(click.UsageError("say which"))
    assert result.exit_code == 2
    assert "say which" in result.stderr


def test_an_interruption_is_said_in_both_languages(run: Callable[[BaseException], Result]) -> None:
    result = run(KeyboardInterrupt())
    assert result.exit_code == 130
    assert "已中止" in result.stderr


def test_an_error_that_only_followed_from_an_interruption_is_told_as_one(
    run: Callable[[BaseException], Result],
) -> None:
    refused, told = OSError("a rollback amid a statement"), SourceError("no database answers")
    refused.__context__, told.__cause__ = KeyboardInterrupt(), refused
    assert run(told).exit_code == 130
    told.__cause__ = OSError("no interruption")
    assert run(told).exit_code == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("CIM_DATABASE_URL", "mysql://secret@host/x"), ("CIM_UPLOAD_DAYS", "secret")],
)
def test_a_setting_that_makes_no_sense_is_named_but_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match=name) as refused:
        settings.load()
    assert "secret" not in str(refused.value) + refused.value.zh


def test_a_folder_that_the_system_refuses_is_named(run: Callable[[BaseException], Result]) -> None:
    result = run(PermissionError(13, "Permission denied", "/srv/city"))
    assert result.exit_code == 2
    assert "/srv/city cannot be used: Permission denied" in result.stderr
    assert "程序内部错误" not in result.stderr


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "latin-1"])
def test_a_terminal_without_chinese_letters_ends_nothing(encoding: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "cim", "load", "--fields", "buildings"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, b"")
    assert b"floors_above" in found.stdout
