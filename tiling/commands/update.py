"""`cim tile update` and `cim tile follow`: tiles as true as the city."""

import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event
from types import FrameType

import click
from sqlalchemy import Engine

from cim import settings as configuration
from cim.errors import CimError
from cim.intake.attached import end_with_input
from cim.settings import Settings
from cim.store.engine import connect
from tiling.city import parts
from tiling.city.layers import LAYERS, TERRAIN, Layer
from tiling.commands.following import follow
from tiling.commands.progress import bar, jobs_option, pool
from tiling.commands.terrain import update_terrain
from tiling.formats import tiles3d
from tiling.formats.tree import Key
from tiling.run.cluster import cluster
from tiling.run.publish import Built
from tiling.run.update import outdated, update

SHOWN = 20
"""Tiles named before the rest is only counted."""


@click.command("update")
@click.option(
    "--tileset",
    "name",
    metavar=f"[{'|'.join((*LAYERS, TERRAIN, 'all'))}|PART]",
    default="all",
    show_default=True,
    help="which tileset to update",
)
@jobs_option("processes that make tiles", default=1)
@click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="the workers of a Dask cluster make tiles, as for cim tile build: tcp://host:port",
)
@click.option("--dry-run", is_flag=True, help="say which tiles would be made, and make none")
def update_command(name: str, jobs: int, scheduler: str | None, dry_run: bool) -> None:
    """Make the tiles anew of which something was touched since they were made, terrain's too.

    The result is that of a full build, file by file.  A tileset that was never built, or was made
    by a program that made other tiles, is built whole; a build that was broken off is ended.

    \b
    Example:
      cim tile update
      cim tile update --tileset units --dry-run
    """
    settings = configuration.load()
    if dry_run:
        jobs, scheduler = 1, None  # nothing is made
    workers = cluster(scheduler, settings) if scheduler else pool(jobs, forked=True)
    with workers as executor, _store(settings) as engine:  # a fork has no connection then
        for layer in _chosen(engine, name):
            if dry_run:
                _say_outdated(layer, outdated(engine, layer))
                continue
            with bar(layer.name) as progress:
                built = update(settings, engine, layer, progress=progress, executor=executor)
            click.echo(said(built))
        if name in ("all", TERRAIN):
            ground = update_terrain(settings, engine, executor, dry_run=dry_run)
            if ground:
                click.echo(said(ground))


@contextmanager
def _store(settings: Settings) -> Iterator[Engine]:
    """The database, left behind without an open connection."""
    engine = connect(settings)
    try:
        yield engine
    finally:
        engine.dispose()


def _say_outdated(layer: Layer, keys: list[Key]) -> None:
    """Say which tiles would be made."""
    click.echo(f"{layer.name}: {len(keys):,} tiles would be made / 将生成 {len(keys):,} 个瓦片")
    for key in keys[:SHOWN]:
        click.echo(f"  {tiles3d.content_path(key)}")
    if len(keys) > SHOWN:
        rest = len(keys) - SHOWN
        click.echo(f"  … {rest:,} more / 另有 {rest:,} 个")


def _chosen(engine: Engine, name: str) -> list[Layer]:
    """The tilesets that go by a name; raises NotFound where none does."""
    with engine.connect() as connection:
        if name == "all":
            return list(parts.layers(connection).values())
        return [] if name == TERRAIN else [parts.known(connection, name)]


@click.command("follow")
@jobs_option("processes that make tiles, where many are to be made")
@click.option("--attached", is_flag=True, hidden=True, help="End with the standard input.")
def follow_command(jobs: int, attached: bool) -> None:
    """Keep the tilesets true until stopped: what is touched is in its tiles within a second.

    `cim serve` starts one by itself; this is for running it elsewhere.  Of several on one city one
    works and the others wait.

    \b
    Example:
      cim serve --no-worker
      cim tile follow
    """
    settings, stop, faults = configuration.load(), Event(), Counter[str]()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        raise KeyboardInterrupt  # what is being made is gone on with by the next

    def fault(error: CimError) -> None:
        faults[str(error)] += 1
        if faults[str(error)] == 1:
            click.echo(f"{error} / {error.zh}", err=True)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if attached:
        end_with_input()
    else:
        click.echo("the tiles follow the city; stop it with Ctrl-C")
        click.echo("瓦片随城市数据更新；按 Ctrl-C 停止")
    told = (lambda built: None) if attached else (lambda built: click.echo(said(built)))
    with _store(settings) as engine, suppress(KeyboardInterrupt):
        follow(settings, engine, stop, jobs=jobs, told=told, fault=fault)


def said(built: Built) -> str:
    """A run in a line."""
    return (
        f"{built.name}: {built.changed:,} of {built.tiles:,} tiles made in {built.seconds:.2f} s, "
        f"version {built.version} / {built.tiles:,} 个瓦片中生成 {built.changed:,} 个，"
        f"用时 {built.seconds:.2f} 秒，版本 {built.version}"
    )
