"""`python -m benchmarks.run NAME --size N`: measure one subject."""

from collections.abc import Callable
from importlib import import_module

import click

from benchmarks.measures import Measure, keep

SUBJECTS = ("load", "units", "tiles", "updates", "api", "parser", "addresses", "feeds")
"""A subject is a module of this package with `measure(size)`."""


@click.command()
@click.argument("name", type=click.Choice(SUBJECTS))
@click.option("--size", default=100_000, show_default=True, help="Buildings in the city.")
def run(name: str, size: int) -> None:
    """Measure one subject, write results/NAME-SIZE.json, and show it.

    \b
    Example:
      make bench NAME=load SIZE=100000
    """
    measure: Callable[[int], list[Measure]] = import_module(f"benchmarks.{name}").measure
    click.echo(str(keep(name, size, measure(size))))


if __name__ == "__main__":
    run()
