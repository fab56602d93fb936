"""`cim tile build` for terrain: from the rasters to tiles, with a bar and a summary."""

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import Engine

from cim.settings import Settings
from cim.store.queries import terrain as queries
from tiling.layers import TERRAIN


def build_terrain(settings: Settings, engine: Engine, *, wanted: bool, dry_run: bool) -> None:
    """Make the terrain as the rasters stand now, where there are any, and say what was made.

    Raises TilingError where terrain was `wanted` and there is none, and what `terrain.build` does.
    """
    with engine.connect() as connection:
        if not wanted and not connection.execute(queries.LAYERS).all():
            return
        from tiling import terrain  # noqa: PLC0415 - rasters: a quarter of a second that few need

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                   TimeRemainingColumn())  # fmt: skip
        bar = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        with bar:
            task = bar.add_task(TERRAIN, total=None)
            built = terrain.build(
                settings,
                connection,
                lambda done, total: bar.update(task, completed=done, total=total),
                dry_run=dry_run,
            )
    click.echo(
        f"{TERRAIN}: {built.tiles:,} tiles down to level {built.deepest}, "
        f"{built.bytes / 1e6:,.1f} MB, {built.packed / 1e6:,.1f} MB as sent, heights "
        f"{built.shift:+.2f} m ({built.model}); {built.seconds:.1f} s"
    )
    click.echo(
        f"{TERRAIN}：{built.tiles:,} 个瓦片，最深 {built.deepest} 级，{built.bytes / 1e6:,.1f} MB，"
        f"传输 {built.packed / 1e6:,.1f} MB，高程改正 {built.shift:+.2f} m（{built.model}）"
    )
    if dry_run:
        click.echo("  nothing was written (--dry-run) / 未写入任何文件")
