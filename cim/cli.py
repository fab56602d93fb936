"""The `cim` command: each package registers its own subcommands in pyproject.toml."""

import ast
import gc
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import click

from cim import __version__
from cim.errors import CimError, told_as_interrupt, why

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# numpy would start a thread for each further processor, which waits busily: a twentieth of what a
# build of tiles takes.  No matrix here is large.


def summarise(command: EntryPoint) -> str:
    """First line of a command's docstring, read from its source: listing imports nothing."""
    spec = find_spec(command.module)
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == command.attr:
            return (ast.get_docstring(node) or "").partition("\n")[0]
    return ""


class _Misused(click.UsageError):
    """Wrong usage, said in both languages."""

    def __init__(self, error: click.UsageError) -> None:
        super().__init__(error.message, error.ctx)
        self.error = error

    def format_message(self) -> str:
        return f"{self.error.format_message()}\n{_in_chinese(self.error)}"


def _in_both(error: click.UsageError) -> click.UsageError:
    """The same error with its Chinese sentence; help that was asked for is none."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError | _Misused):
        return error
    return _Misused(error)


def _in_chinese(error: click.UsageError) -> str:
    """What was wrong with the words typed."""
    near = "、".join(getattr(error, "possibilities", None) or ())
    hint = f"；是否指 {near}" if near else ""
    match error:
        case click.NoSuchOption():
            return f"没有选项 {error.option_name}{hint}。"
        case click.exceptions.NoSuchCommand():
            return f"没有命令 {error.command_name}{hint}；cim --help 列出所有命令。"
        case click.MissingParameter():
            return f"缺少参数 {_parameter(error)}。"
        case click.BadParameter():
            return f"参数 {_parameter(error)} 的值无效。"
        case click.BadOptionUsage():
            return f"选项 {error.option_name} 的用法不对，可能缺少值。"
        case _:
            return "用法不对；加 --help 查看说明。"


def _parameter(error: click.BadParameter) -> str:
    named = error.param.get_error_hint(error.ctx) if error.param and error.ctx else None
    return str(error.param_hint or named or "").replace("'", "").strip()


@contextmanager
def _importing() -> Iterator[None]:
    """Without looking for garbage among what is imported, which stays: a tenth of a second less."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


class Commands(click.Group):
    """Subcommands found by entry point, imported only when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name registered in the group."""
        return sorted(entry_points(group="cim.commands").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that was asked for."""
        found = entry_points(group="cim.commands", name=cmd_name)
        with _importing():
            return next(iter(found)).load() if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands with their first sentences."""
        found = sorted(entry_points(group="cim.commands"), key=lambda each: each.name)
        with formatter.section("Commands"):
            formatter.write_dl([(each.name, summarise(each)) for each in found])

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> click.Context:
        """Parse what was typed; wrong usage is said in both languages."""
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise _in_both(error) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand, or those that may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            names = self.list_commands(ctx)
            raise click.exceptions.NoSuchCommand(
                error.command_name, possibilities=names, ctx=ctx
            ) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; a deliberate error becomes two sentences and exit code 2."""
        _any_terminal()
        try:
            with told_as_interrupt():
                return super().invoke(ctx)
        except CimError as error:
            click.echo(f"cim: {error}", err=True)
            if error.zh != str(error):
                click.echo(f"cim: {error.zh}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            _stopped()
        except click.UsageError as error:
            raise _in_both(error) from error
        except (click.ClickException, click.exceptions.Exit, BrokenPipeError):
            raise  # a pipe that nobody reads any more (`| head`) is ended quietly by click
        except click.Abort:
            click.echo("\ncim: nothing was done\ncim: 已取消，未做任何操作", err=True)
            sys.exit(1)
        except Exception as error:
            if os.environ.get("CIM_TRACEBACK"):
                raise
            _blame(error)
            sys.exit(2)


def _any_terminal() -> None:
    """What a terminal has no letter for (Chinese in ASCII, m² in GBK) is a ? and ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


def _stopped() -> NoReturn:
    """Say once that nothing was kept, however often Ctrl-C is pressed."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the process is all that follows
    click.echo("cim: stopped; what was under way was not kept", err=True)
    click.echo("cim: 已中止；正在进行的内容未保存", err=True)
    sys.exit(130)


def _blame(error: Exception) -> None:
    """Say whose fault it was: a file's that the system did not give, or ours."""
    if isinstance(error, OSError) and error.filename is not None:
        _blame_file(error)
    else:
        _own_up(error)


def _blame_file(error: OSError) -> None:
    """Say which file or folder the system did not give."""
    click.echo(f"cim: {error.filename} cannot be used: {error.strerror}", err=True)
    click.echo(f"cim: 无法使用 {error.filename}：{why(error)[1]}", err=True)


def _own_up(error: Exception) -> None:
    """Say that this program failed, and where; never with which values: they may be somebody's."""
    state = getattr(getattr(error, "orig", error), "sqlstate", None)
    what = type(error).__name__ + (f", SQLSTATE {state}" if state else "")
    places = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_ours(frame)]
    where = f"{Path(places[-1].filename).name}:{places[-1].lineno}" if places else "?"
    click.echo(
        f"cim: a fault of this program ({what} at {where}), not yours; what was under way was "
        "not kept. CIM_TRACEBACK=1 shows more",
        err=True,
    )
    click.echo(
        f"cim: 程序内部错误（{what}，{where}），与您的操作无关；正在进行的内容未保存。"
        "设置 CIM_TRACEBACK=1 可查看详情",
        err=True,
    )


def _is_ours(frame: traceback.FrameSummary) -> bool:
    """Whether a step of a traceback lies beside this package: cim, tiling, api, sample_data."""
    home = Path(__file__).resolve().parents[1]
    here = Path(frame.filename)
    return here.is_relative_to(home) and not {"site-packages", ".venv"} & set(
        here.relative_to(home).parts
    )


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="cim")
def main() -> None:
    """Load a city, make its storeys and units, tile it, serve it.

    \b
    Example:
      cim load buildings footprints.shp --map floors_above=层数
      cim tile build
      cim serve
    """


def program() -> None:
    """The command as a process: what it said in the end is not followed by a death of Ctrl-C."""
    try:
        main(prog_name="cim")
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
