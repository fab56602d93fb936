"""`cim tile points`: point clouds of surveys as a tileset."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cim import settings as configuration
from cim.load.terrain.wish import SURFACES
from cim.store.engine import connect
from tiling.commands.progress import bar, jobs_option

if TYPE_CHECKING:
    from tiling.points.build import Built


@click.command("points")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE…",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--name", default="points", show_default=True, help="what the tileset is called")
@click.option("--crs", help="the coordinate system of files that do not say it: EPSG:4547, gcj02 …")
@click.option(
    "--heights",
    type=click.Choice(SURFACES),
    help="what heights are above; the city's height datum unless a file says",
)
@jobs_option("processes that make tiles")
@click.option("--dry-run", is_flag=True, help="make every tile, write nothing")
def points_command(
    files: tuple[Path, ...],
    name: str,
    crs: str | None,
    heights: str | None,
    jobs: int,
    dry_run: bool,
) -> None:
    """Make a tileset of the point clouds of a survey: LAS, LAZ, PLY, or X Y Z (.xyz .txt .csv).

    All files together are one tileset; the one that went by its name before is served until the new
    one is whole.  Heights go up to the ellipsoid by the city's height model.  Points that cannot be
    placed, and noise, are left out and counted.

    The tree is made by py3dtiles, which stands in an environment of its own:
    pipx install 'py3dtiles[las]'; files are read with pip install 'cimtwin[points]'.

    \b
    Example:
      cim tile points survey.laz --crs EPSG:4547
      cim tile points east.las west.las --name facades --heights ellipsoid
    """
    from tiling.points import build as points  # noqa: PLC0415 - PROJ and Arrow: a third of a second that few need

    settings = configuration.load()
    engine = connect(settings)
    try:
        with engine.connect() as connection, bar(name) as progress:
            wish = points.Wish(crs, heights, jobs)
            built = points.build(settings, connection, name, files, wish, progress, dry_run=dry_run)
    finally:
        engine.dispose()
    _summary(built, dry_run=dry_run)


def _summary(built: "Built", *, dry_run: bool) -> None:
    left = built.left.total()
    size = f"{built.bytes / 1e6:,.1f} MB"
    click.echo(
        f"{built.name}: {built.points:,} points in {built.tiles:,} tiles, {size}, heights "
        f"{built.shift:+.2f} m ({built.model}), {left:,} left out; {built.seconds:.1f} s"
    )
    click.echo(
        f"{built.name}：{built.points:,} 个点，{built.tiles:,} 个瓦片，{size}，高程改正 "
        f"{built.shift:+.2f} m（{built.model}），略去 {left:,} 个"
    )
    for (en, zh), count in sorted(built.left.items()):
        click.echo(f"  {count:,} × {en} / {zh}")
    for en, zh in built.notes:
        click.echo(f"  {en} / {zh}")
    if dry_run:
        click.echo("  nothing was written (--dry-run) / 未写入任何文件")
