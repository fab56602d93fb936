"""The `cim` command: each package registers its own subcommands in pyproject.toml."""

import ast
import os
import sys
import traceback
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from cim import __version__
from cim.errors import CimError


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


class Commands(click.Group):
    """Subcommands found by entry point, imported only when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name registered in the group."""
        return sorted(entry_points(group="cim.commands").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that was asked for."""
        found = entry_points(group="cim.commands", name=cmd_name)
        return next(iter(found)).load() if found else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands with their first sentences."""
        found = sorted(entry_points(group="cim.commands"), key=lambda each: each.name)
        with formatter.section("Commands"):
            formatter.write_dl([(each.name, summarise(each)) for each in found])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the subcommand; a deliberate error becomes two sentences and exit code 2."""
        try:
            return super().invoke(ctx)
        except CimError as error:
            click.echo(f"cim: {error}", err=True)
            if error.zh != str(error):
                click.echo(f"cim: {error.zh}", err=True)
            sys.exit(2)
        except KeyboardInterrupt:
            click.echo("cim: stopped; what was under way was not kept", err=True)
            click.echo("cim: 已中止；正在进行的内容未保存", err=True)
            sys.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if os.environ.get("CIM_TRACEBACK"):
                raise
            if isinstance(error, OSError) and error.filename is not None:
                _blame_file(error)
            else:
                _own_up(error)
            sys.exit(2)


def _blame_file(error: OSError) -> None:
    """Say which file or folder the system did not give."""
    click.echo(f"cim: {error.filename} cannot be used: {error.strerror}", err=True)
    click.echo(f"cim: 无法使用 {error.filename}：{error.strerror}", err=True)


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
