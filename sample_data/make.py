"""`cim sample`: write a Dongguan-like city as the files a user would load."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from sample_data import addressing, faults, folk, places, readings, things, town, walks
from sample_data.files import Columns, write_layer, write_table
from sample_data.places import Plan

SMALL, ESTATE = 1600, 15
"""Buildings in the small city (the demo), and in its one estate of towers."""

UNTIL = dt.datetime(2026, 10, 1, tzinfo=dt.timezone(dt.timedelta(hours=8)))
"""The readings end here unless told otherwise, so that the same seed gives the same bytes."""

Rows = Callable[[Plan], Iterator[Columns]]


@dataclass(frozen=True)
class Layer:
    """A file of shapes: its columns, their kind, and its ending in a mixed folder."""

    rows: Rows
    kind: str
    mixed: str


LAYERS = {
    "areas": Layer(town.areas, "MultiPolygon", ".geojson"),
    "grids": Layer(town.grids, "Polygon", ".fgb"),
    "streets": Layer(town.streets, "LineString", ".shp"),
    "estates": Layer(town.estates, "MultiPolygon", ".gpkg"),
    "buildings": Layer(town.buildings, "Polygon", ".gpkg"),
    "facilities": Layer(things.facilities, "Point", ".geojson"),
}
"""Kind → file of shapes."""

WRONG = Layer(faults.buildings, "Polygon", ".gpkg")
"""Buildings with a handful of wrong rows at the end."""

TABLES: dict[str, Rows] = {
    "floors": town.floors,
    "units": town.units,
    "addresses": addressing.addresses,
    "people": folk.people,
    "organisations": folk.organisations,
    "devices": things.devices,
}
"""Kind → CSV file."""

BESIDE = ("addresses", "devices")
"""Tables with coordinates: a mapping file beside them says in which system they are."""

FORMATS = {
    "gpkg": ".gpkg",
    "geojson": ".geojson",
    "fgb": ".fgb",
    "shp": ".shp",
    "parquet": ".parquet",
}
"""Name of a format → ending of its files."""


class Size(click.ParamType[int]):
    """`small`, `estate`, or a number of buildings."""

    name = "small|estate|N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """The number of buildings meant."""
        named = {"small": SMALL, "estate": ESTATE}
        text = str(value)
        if text in named:
            return named[text]
        if not text.isdecimal() or not 1 <= int(text) <= 2_000_000:
            self.fail("small, estate, or a number of buildings from 1 to 2000000", param, ctx)
        return int(text)


def make(
    folder: Path,
    buildings: int,
    *,
    seed: int = 7,
    formats: str = "mixed",
    until: dt.datetime = UNTIL,
    wrong: bool = False,
) -> dict[str, int]:
    """Write the city into a folder; answers with the number of rows of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = places.lay_out(buildings, seed)
    counts = {}
    layers = LAYERS | ({"buildings": WRONG} if wrong else {})
    for name, layer in layers.items():
        path = folder / f"{name}{FORMATS.get(formats, layer.mixed)}"
        path.unlink(missing_ok=True)
        counts[name] = write_layer(path, layer.rows(plan), layer.kind)
    tables = TABLES | {"readings": partial(readings.readings, until=until)}
    for name, rows in tables.items():
        counts[name] = write_table(folder / f"{name}.csv", rows(plan))
    for name in BESIDE:
        (folder / f"{name}.csv.map.json").write_text('{"crs": "EPSG:4490"}\n', encoding="utf-8")
    network = folder / "network.gpkg"
    network.unlink(missing_ok=True)
    counts["network nodes"] = write_layer(network, walks.nodes(plan), "Point", "nodes")
    counts["network edges"] = write_layer(network, walks.edges(plan), "LineString", "edges")
    return counts


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--size",
    type=Size(),
    default="small",
    show_default=True,
    help="small, estate, or a number of buildings up to 2000000.",
)
@click.option("--seed", default=7, show_default=True, help="Same seed, same city, same bytes.")
@click.option(
    "--formats",
    type=click.Choice(["mixed", *FORMATS]),
    default="mixed",
    show_default=True,
    help="Format of the files of shapes; mixed: several.",
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]),
    help="End of the week of readings; China Standard Time unless it says otherwise.",
)
@click.option("--faults", "wrong", is_flag=True, help="Add six wrong buildings, to be set aside.")
def sample(
    folder: Path, size: int, seed: int, formats: str, until: dt.datetime | None, wrong: bool
) -> None:
    """Write a made-up city into FOLDER, as files to be loaded.

    Its towns are Dongguan's; streets, estates, people and readings are all invented.

    \b
    Example:
      cim sample city --size 20000
      cim load city city
    """
    end = until or UNTIL
    if end.tzinfo is None:
        end = end.replace(tzinfo=UNTIL.tzinfo)
    counts = make(folder, size, seed=seed, formats=formats, until=end, wrong=wrong)
    for name, count in counts.items():
        click.echo(f"{name:16}{count:>12,}")


if __name__ == "__main__":
    sample()
