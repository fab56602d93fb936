"""The `cim` command: each package registers its own subcommands in pyproject.toml."""

import ast
import sys
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
