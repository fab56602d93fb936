"""`cim tile`: cut the city into 3D Tiles, check them, list them."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from cim import settings as configuration
from cim.store.engine import connect
from cim.store.queries.tiles import leaves as queries
from tiling.city import parts
from tiling.city.layers import LAYERS, TERRAIN
from tiling.city.parts import Asked
from tiling.commands.parts import part_options, remove_command, wanted
from tiling.commands.progress import bar, jobs_option, pool
from tiling.commands.terrain import build_terrain
from tiling.disk.folder import want_explicit, want_outlines
from tiling.run.build import build
from tiling.run.cluster import cluster
from tiling.run.publish import Built
from tiling.shapes.mesh import REASONS

LATER = {
    "check": "tiling.commands.check",
    "export": "tiling.commands.export",
    "follow": "tiling.commands.update",
    "points": "tiling.commands.points",
    "update": "tiling.commands.update",
}
"""Subcommands by the module that has them, as NAME_command."""


class Tile(click.Group):
    """Has some subcommands that are imported when they are asked for: building waits for none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name there is."""
        return sorted({*super().list_commands(ctx), *LATER})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The one that was asked for."""
        if cmd_name not in LATER:
            return super().get_command(ctx, cmd_name)
        found = getattr(import_module(LATER[cmd_name]), f"{cmd_name}_command")
        return found if isinstance(found, click.Command) else None


@click.group(cls=Tile)
def tile() -> None:
    """Cut the city into 3D Tiles, check them, list them.

    \b
    Example:
      cim tile build
      cim tile check
    """


@tile.command("build")
@click.option(
    "--tileset",
    "names",
    metavar=f"[{'|'.join((*LAYERS, TERRAIN, 'all'))}|PART]",
    multiple=True,
    help="which tileset to build; give it again for another  [default: all; of a part, buildings]",
)
@jobs_option("processes that make tiles")
@click.option(
    "--explicit/--no-explicit",
    default=None,
    help="write the tree without implicit tiling beside, too (or no more)  [default: as before]",
)
@click.option(
    "--outlines/--no-outlines",
    default=None,
    help="have tiles say which edges are lines (or no more)  [default: as before, at first yes]",
)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="the workers of a Dask cluster make tiles, not processes here: tcp://host:port of its "
    "scheduler; they write into the data folder, which all must share",
)
@part_options
@click.option("--dry-run", is_flag=True, help="make every tile, write nothing")
def build_command(
    names: tuple[str, ...], jobs: int, scheduler: str | None, dry_run: bool, **more: Any
) -> None:
    """Make the tilesets from the city as it stands now, and the terrain where it has any.

    The tileset that is being served stays until the new one is whole.  What cannot be drawn is
    left out and named: see platform.tile_skip.  A run that was broken off is gone on with; what a
    killed process had begun is made again.

    A part of the city, by --bbox, --area or --state, is a tileset beside that of the whole; the
    root of all leaves it out, as what is in it is in the whole one too.

    \b
    Example:
      cim tile build --tileset buildings --tileset units --jobs 4
      cim tile build --area 320505 --state existing --as old-town
      cim tile build --scheduler tcp://10.0.0.5:8786
    """
    settings = configuration.load()
    asked = Asked(*(more[word] for word in ("bbox", "area", "state", "name")))
    workers = cluster(scheduler, settings) if scheduler else pool(jobs, forked=True)
    with workers as executor, _store() as engine:  # a fork has no connection then
        for layer in wanted(engine, names, asked):
            if not dry_run:
                _keep(settings.tiles_dir / layer.name, more["explicit"], more["outlines"])
            with bar(layer.name) as progress:
                built = build(
                    settings,
                    engine,
                    layer,
                    progress=progress,
                    executor=executor,
                    dry_run=dry_run,
                )
            _summary(built, dry_run=dry_run)
        if not asked and (not names or {"all", TERRAIN} & {*names}):
            build_terrain(settings, engine, executor, wanted=TERRAIN in names, dry_run=dry_run)


def _keep(path: Path, explicit: bool | None, outlines: bool | None) -> None:
    """Have a tileset made so from now on, in what was asked for."""
    if explicit is not None:
        want_explicit(path, wanted=explicit)
    if outlines is not None:
        want_outlines(path, wanted=outlines)


tile.add_command(remove_command)


@tile.command("list")
def list_command() -> None:
    """List the tilesets that were built; parts of the city say what they are.

    \b
    Example:
      cim tile list
    """
    with _store() as engine, engine.connect() as connection:
        known = parts.layers(connection)
        for row in connection.execute(queries.listed()):
            part = "  {}  {}".format(*parts.said(known[row.name])) if row.base else ""
            click.echo(
                f"{row.name}  {row.version}  {row.built_at:%Y-%m-%d %H:%M}  "
                f"{row.feature_count:,} features 要素  {row.tile_count:,} tiles 瓦片  "
                f"{_size(row.bytes)}  {row.height_shift:+.2f} m  {row.skipped} left out 略去{part}"
            )


@contextmanager
def _store() -> Iterator[Engine]:
    """The database, left behind without an open connection."""
    engine = connect(configuration.load())
    try:
        yield engine
    finally:
        engine.dispose()


def _summary(built: Built, *, dry_run: bool) -> None:
    rate = built.features / built.seconds if built.seconds else 0
    left_out = built.left_out
    click.echo(
        f"{built.name}: {built.features:,} features in {built.tiles:,} tiles, "
        f"{_size(built.bytes)}, heights {built.height_shift:+.2f} m ({built.height_model}), "
        f"{left_out:,} left out; {built.seconds:.1f} s, {rate:,.0f}/s"
    )
    click.echo(
        f"{built.name}：{built.features:,} 个要素，{built.tiles:,} 个瓦片，{_size(built.bytes)}，"
        f"高程改正 {built.height_shift:+.2f} m（{built.height_model}），略去 {left_out:,} 个"
    )
    for reason, count in sorted(built.skipped.items()):
        en, zh = REASONS[reason]
        click.echo(f"  {count:,} × {en} / {zh}")
    for identity, reason in built.named:
        en, zh = REASONS[reason]
        click.echo(f"    {identity}: {en} / {zh}")
    rest = built.skipped.total() - len(built.named)
    if rest:
        click.echo(f"    … {rest:,} more, see platform.tile_skip / 另有 {rest:,} 个，见该表")
    if dry_run:
        click.echo("  nothing was written (--dry-run) / 未写入任何文件")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
