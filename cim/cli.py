"""The `cim` command: each package registers its own subcommand in pyproject.toml."""

import sys
from importlib.metadata import entry_points
from typing import Any

import click

from cim import __version__
from cim.errors import CimError


class Commands(click.Group):
    """Subcommands found by entry point, imported only when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name registered in the group."""
        return sorted(entry_points(group="cim.commands").names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the one that was asked for."""
        found = entry_points(group="cim.commands", name=cmd_name)
        return next(iter(found)).load() if found else None

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
