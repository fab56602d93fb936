"""`cim sample`: write a Dongguan-like city as the files a user would load."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from sample_data import places, town
from sample_data.files import Columns, write_layer, write_table
from sample_data.places import Plan

SMALL, ESTATE = 1600, 12
"""Buildings in the small city (the demo), and in its one estate of towers."""

UNTIL = dt.datetime(2026, 10, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))
"""The readings end here unless told otherwise, so that the same seed gives the same bytes."""

Rows = Callable[[Plan], Iterator[Columns]]


@dataclass(frozen=True)
class Shapes:
    """A file of shapes: its columns, their kind, and its format in a mixed folder."""

    rows: Rows
    kind: str
    mixed: str


LAYERS = {
    "areas": Shapes(town.areas, "MultiPolygon", ".geojson"),
    "grids": Shapes(town.grids, "Polygon", ".fgb"),
    "streets": Shapes(town.streets, "LineString", ".shp"),
    "estates": Shapes(town.estates, "MultiPolygon", ".gpkg"),
    "buildings": Shapes(town.buildings, "Polygon", ".gpkg"),
}
"""Kind → file of shapes."""

TABLES: dict[str, Rows] = {
    "floors": town.floors,
    "units": town.units,
}
"""Kind → CSV file."""

FORMATS = {
    "gpkg": ".gpkg",
    "geojson": ".geojson",
    "fgb": ".fgb",
    "shp": ".shp",
    "parquet": ".parquet",
}


def size_of(text: str) -> int:
    """Number of buildings meant by `small`, `estate` or a number.

    >>> size_of("small"), size_of("100000")
    (1600, 100000)
    """
    named = {"small": SMALL, "estate": ESTATE}
    if text in named:
        return named[text]
    if not text.isdecimal() or not 1 <= int(text) <= 2_000_000:
        raise click.BadParameter("small, estate, or a number of buildings from 1 to 2000000")
    return int(text)


def make(
    folder: Path,
    buildings: int,
    *,
    seed: int = 7,
    formats: str = "mixed",
    until: dt.datetime = UNTIL,
) -> dict[str, int]:
    """Write the city into a folder; answers with the number of rows of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = places.lay_out(buildings, seed)
    counts = {}
    for name, shapes in LAYERS.items():
        suffix = FORMATS.get(formats, shapes.mixed)
        path = folder / f"{name}{suffix}"
        path.unlink(missing_ok=True)
        counts[name] = write_layer(path, shapes.rows(plan), shapes.kind)
    for name, rows in TABLES.items():
        counts[name] = write_table(folder / f"{name}.csv", rows(plan))
    return counts


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--size", default="small", show_default=True, help="small, estate, or how many buildings."
)
@click.option("--seed", default=7, show_default=True, help="Same seed, same city, same bytes.")
@click.option(
    "--formats",
    type=click.Choice(["mixed", *FORMATS]),
    default="mixed",
    show_default=True,
    help="Format of the files of shapes.",
)
def sample(folder: Path, size: str, seed: int, formats: str) -> None:
    """Write a made-up city into FOLDER, as files to be loaded.

    \b
    Example:
      cim sample city --size 20000
      cim load city city
    """
    for name, count in make(folder, size_of(size), seed=seed, formats=formats).items():
        click.echo(f"{name:16}{count:>10,}")


if __name__ == "__main__":
    sample()
