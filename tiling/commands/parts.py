"""Parts of the city on the command line: what `cim tile build` is asked for, and `remove`."""

import shutil
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click
from sqlalchemy import Engine

from cim import settings as configuration
from cim.errors import InvalidQuery, NotFound
from cim.settings import Settings
from cim.store.engine import connect
from cim.store.queries.tiles import manifest
from cim.store.queries.tiles import parts as queries
from cim.store.watching import unwatch
from tiling.city import parts
from tiling.city.layers import LAYERS, TERRAIN, Layer
from tiling.city.parts import Asked
from tiling.disk import combined
from tiling.disk.folder import Folder
from tiling.run.build import held

F = TypeVar("F", bound=Callable[..., Any])

OPTIONS = (
    click.option(
        "--bbox",
        metavar="W,S,E,N",
        help="a part: buildings whose centre lies in this box, degrees; a tileset of its own, "
        "kept true like the others",
    ),
    click.option(
        "--area",
        metavar="CODE",
        help="a part: buildings whose centre lies in this administrative area, grid or estate, "
        "by its code or name",
    ),
    click.option(
        "--state",
        metavar="STATE[,STATE]",
        help="a part: buildings in these states: planned, under_construction, existing, "
        "partly_demolished, demolished",
    ),
    click.option(
        "--as",
        "name",
        metavar="NAME",
        help="what a part is called  [default: by what it is, as buildings-320505]",
    ),
)


def part_options(command: F) -> F:
    """Let a command be asked for a part of the city."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def wanted(engine: Engine, names: Sequence[str], asked: Asked) -> list[Layer]:
    """The tilesets that a build is asked for: the part alone, where one is.

    No names, or `all`, are every tileset there is, parts too; of a part, buildings.  What a part
    would hold is said.  Raises InvalidQuery and NotFound with what is wrong, or where a part would
    hold nothing.
    """
    with engine.connect() as connection:
        if not asked:
            if asked.name is not None:
                raise InvalidQuery(
                    "--as names a part: say which by --bbox, --area or --state",
                    "--as 用于命名局部瓦片集：请用 --bbox、--area 或 --state 指定范围",
                )
            every = parts.layers(connection)
            if not names or "all" in names:
                return list(every.values())
            return [parts.known(connection, name) for name in names if name != TERRAIN]
        bases = [name for name in names if name != "all"] or ["buildings"]
        if strange := [name for name in bases if name not in LAYERS]:
            raise InvalidQuery(
                f"a part is one of {', '.join(LAYERS)}, not of {', '.join(strange)}",
                f"局部瓦片集只能取自 {'、'.join(LAYERS)}，不能取自 {'、'.join(strange)}",
            )
        if asked.name is not None and len(bases) > 1:
            raise InvalidQuery(
                "--as names one part: give one --tileset",
                "--as 只能命名一个：请只给出一个 --tileset",
            )
        found = [parts.chosen(connection, LAYERS[name], asked) for name in bases]
        for part in found:
            count = connection.execute(queries.count(part.extents())).scalar_one()
            en, zh = parts.said(part)
            if not count:
                raise NotFound(f"no building is in it: {en}", f"其中没有建筑：{zh}")
            click.echo(f"{part.name}: {count:,} buildings, {en} / {count:,} 幢建筑，{zh}")
    return found


@click.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--dry-run", is_flag=True, help="say what would be removed, and remove nothing")
def remove_command(name: str, yes: bool, dry_run: bool) -> None:
    """Remove a tileset: its files, what is kept of it, and the triggers that keep it true.

    The city stays as it is.  One of the whole city is made again by `cim tile build`.

    \b
    Example:
      cim tile remove buildings-320505
    """
    settings = configuration.load()
    engine = connect(settings)
    try:
        click.echo(_found(settings, engine, name))
        if dry_run:
            click.echo("  nothing was removed (--dry-run) / 未删除任何内容")
            return
        if not yes:
            click.confirm(f"remove the tileset {name}? 确定删除瓦片集 {name}？", abort=True)
        remove(settings, engine, name)
    finally:
        engine.dispose()
    click.echo(f"removed: {name} / 已删除：{name}")


def remove(settings: Settings, engine: Engine, name: str) -> None:
    """Take away all that there is of a tileset; raises TilingError where a run on it is under way.

    Its record goes first, so that nothing brings it up again meanwhile.
    """
    with Folder(settings.tiles_dir / name) as folder, held(engine, name):
        with engine.begin() as connection:
            unwatch(connection, name)
            for statement in queries.forget(name):
                connection.execute(statement)
        shutil.rmtree(folder.path)
    combined.write(settings.tiles_dir)


def _found(settings: Settings, engine: Engine, name: str) -> str:
    """What there is of a tileset; raises NotFound where nothing is."""
    with engine.connect() as connection:
        row = connection.execute(manifest.recorded(name)).first()
        layer = parts.layer(connection, name)
        if not connection.scalar(queries.known(name)):
            raise NotFound(f"no tileset {name} was built", f"没有构建过瓦片集 {name}")
    if row is None:
        return f"{name}: a build that was broken off / 中断的构建"
    en, zh = "of the whole city", "全市"
    if row.format.startswith("points"):
        en, zh = "a point cloud", "点云"
    elif layer and layer.base:
        en, zh = parts.said(layer)
    return (
        f"{name}: {en}; {row.feature_count:,} features in {row.tile_count:,} tiles, "
        f"{row.bytes / 1e6:,.1f} MB / {zh}；{row.feature_count:,} 个要素，{row.tile_count:,} 个瓦片"
    )
