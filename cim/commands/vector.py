"""`cim vector`: vector tiles made ahead, so that nobody waits for the first look at a city."""

from collections.abc import Iterator, Sequence

import click
from sqlalchemy import Connection, Engine

from cim import settings as settings_module
from cim.commands.bar import bar
from cim.store import engine
from cim.store import vector as keeping
from cim.store.queries.collections.items import extent
from cim.store.queries.vector import keeping as queries
from cim.store.queries.vector.drawing import DRAWINGS, FRESH, Drawing
from cim.store.queries.vector.keeping import Place
from cim.store.queries.vector.matrices import GEOGRAPHIC, MATRIX_SETS, WEB, Box, MatrixSet

KEPT = {name: each for name, each in DRAWINGS.items() if each.kept}
"""Collections whose tiles are kept."""

chosen = click.option(
    "--collection", "names", multiple=True, type=click.Choice(list(KEPT)),
    help="Only this collection; may be repeated.",
)  # fmt: skip


@click.group()
def vector() -> None:
    """Vector tiles that are kept: made ahead, or let go of.

    The service makes every tile that is asked for and keeps those of the far levels by itself;
    what changes is never shown as it was. Making them ahead saves the first who looks a wait.

    \b
    Example:
      cim vector fill --dry-run
      cim vector fill --collection buildings
    """


@vector.command()
@chosen
@click.option(
    "--matrices", default=WEB.name, type=click.Choice([WEB.name, GEOGRAPHIC.name]),
    help="The tile matrix set.", show_default=True,
)  # fmt: skip
@click.option(
    "--until", default=FRESH - 1, type=click.IntRange(0, FRESH - 1), show_default=True,
    help="The deepest zoom, as Web Mercator counts.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say how many tiles there are, and make none.")
def fill(names: Sequence[str], matrices: str, until: int, dry_run: bool) -> None:
    """Make the kept tiles of every collection that are not there yet, or no longer true.

    \b
    Example:
      cim vector fill
      cim vector fill --collection buildings --until 12
    """
    store = engine.connect(settings_module.load())
    try:
        wanted = _wanted(store, names or list(KEPT), MATRIX_SETS[matrices], until)
        if dry_run:
            _say(sum(map(len, wanted.values())), 0, dry_run=True)
            return
        made = _fill(store, wanted)
        _say(made, sum(map(len, wanted.values())) - made, dry_run=False)
    finally:
        store.dispose()


@vector.command()
@chosen
def drop(names: Sequence[str]) -> None:
    """Let go of kept tiles; the service makes them again when they are asked for.

    \b
    Example:
      cim vector drop
    """
    store = engine.connect(settings_module.load())
    try:
        with store.begin() as connection:
            gone = connection.execute(queries.forget(names or list(KEPT))).rowcount
    finally:
        store.dispose()
    click.echo(f"let go of {gone:,} tiles")
    click.echo(f"已清除 {gone:,} 个瓦片")


def _wanted(
    store: Engine, names: Sequence[str], matrices: MatrixSet, until: int
) -> dict[str, list[Place]]:
    """The places of each collection, from afar to near."""
    found: dict[str, list[Place]] = {}
    with store.connect() as connection:
        for name in names:
            row = connection.execute(extent(KEPT[name].collection)).one()
            box = None if row.w is None else (row.w, row.s, row.e, row.n)
            found[name] = list(_places(KEPT[name], matrices, box, until))
    return found


def _places(drawing: Drawing, matrices: MatrixSet, box: Box | None, until: int) -> Iterator[Place]:
    if box is None:
        return
    for zoom in range(max(drawing.begins, matrices.wider), until + 1):
        z = matrices.level(zoom)
        columns, rows = matrices.tiles(z, box)
        yield from (Place(matrices, z, x, y) for y in rows for x in columns)


def _fill(store: Engine, wanted: dict[str, list[Place]]) -> int:
    """Make what is not there; how many were made."""
    made = 0
    with store.begin() as connection:
        program = keeping.run(connection, keeping.program())
    for name, places in wanted.items():
        with store.begin() as connection:
            keeping.run(connection, keeping.sweep(KEPT[name]))
        with bar(KEPT[name].collection.zh, len(places)) as advance:
            for place in places:
                with store.begin() as connection:
                    made += _make(connection, KEPT[name], place, program)
                advance(1)
    return made


def _make(connection: Connection, drawing: Drawing, place: Place, program: str) -> bool:
    """Make a tile and keep it, where there is none that is true."""
    if connection.execute(queries.find_one(drawing.name, place, program)).first():
        return False
    made = keeping.run(connection, keeping.make(drawing, place))
    keeping.run(connection, keeping.keep(drawing, place, made, program))
    return bool(made.tile.data)


def _say(made: int, rest: int, *, dry_run: bool) -> None:
    if dry_run:
        click.echo(f"would look at {made:,} tiles")
        click.echo(f"将检查 {made:,} 个瓦片")
        return
    click.echo(f"made {made:,} tiles; {rest:,} were there, or have nothing to show")
    click.echo(f"已生成 {made:,} 个瓦片；{rest:,} 个已存在或无内容")
