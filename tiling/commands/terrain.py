"""Terrain by `cim tile build` and `cim tile update`: with a bar, and a summary."""

from concurrent.futures import Executor

import click
from sqlalchemy import Engine

from cim.settings import Settings
from cim.store.queries import terrain as queries
from tiling.city.layers import TERRAIN
from tiling.commands.progress import bar
from tiling.run.publish import Built

SHOWN = 20
"""Tiles named before the rest is only counted."""


def build_terrain(
    settings: Settings,
    engine: Engine,
    executor: Executor | None,
    *,
    wanted: bool,
    dry_run: bool,
) -> None:
    """Make the terrain as the rasters stand now, where there are any, and say what was made.

    Raises TilingError where terrain was `wanted` and there is none, and what `terrain.build` does.
    """
    if not wanted and not _has_any(engine):
        return
    from tiling.terrain import build as terrain  # noqa: PLC0415 - rasters: a quarter of a second that few need

    with bar(TERRAIN) as progress:
        built = terrain.build(
            settings, engine, progress=progress, executor=executor, dry_run=dry_run
        )
    rate = built.changed / built.seconds if built.seconds else 0
    click.echo(
        f"{TERRAIN}: {built.tiles:,} tiles down to level {built.deepest}, "
        f"{built.bytes / 1e6:,.1f} MB, {built.packed / 1e6:,.1f} MB as sent, heights "
        f"{built.height_shift:+.2f} m ({built.height_model}); {built.seconds:.1f} s, {rate:,.0f}/s"
    )
    click.echo(
        f"{TERRAIN}：{built.tiles:,} 个瓦片，最深 {built.deepest} 级，{built.bytes / 1e6:,.1f} MB，"
        f"传输 {built.packed / 1e6:,.1f} MB，高程改正 {built.height_shift:+.2f} m"
        f"（{built.height_model}）"
    )
    if dry_run:
        click.echo("  nothing was written (--dry-run) / 未写入任何文件")


def update_terrain(
    settings: Settings, engine: Engine, executor: Executor | None, *, dry_run: bool
) -> Built | None:
    """Make the tiles of terrain that are behind the rasters, or with `dry_run` name them.

    What was done is given back, None where nothing was.  Raises what `terrain.update` does.
    """
    top = settings.tiles_dir / TERRAIN
    if not _has_any(engine) and not top.is_dir():
        return None
    from tiling.terrain import build as terrain  # noqa: PLC0415 - rasters: a quarter of a second that few need

    if dry_run:
        keys = terrain.outdated(settings, engine)
        click.echo(f"{TERRAIN}: {len(keys):,} tiles would be made / 将生成 {len(keys):,} 个瓦片")
        for level, x, y in keys[:SHOWN]:
            click.echo(f"  {level}/{x}/{y}.terrain")
        if len(keys) > SHOWN:
            rest = len(keys) - SHOWN
            click.echo(f"  … {rest:,} more / 另有 {rest:,} 个")
        return None
    with bar(TERRAIN) as progress:
        return terrain.update(settings, engine, progress=progress, executor=executor)


def _has_any(engine: Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.execute(queries.LAYERS).all())
