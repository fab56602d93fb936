"""Keeping the tiles true: whatever is touched is built anew, as long as this runs."""

from collections.abc import Callable, Iterable
from threading import Event

from sqlalchemy import Engine

from cim.errors import CimError
from cim.settings import Settings
from cim.store.queries.tiles import manifest
from cim.store.watching import listen, wait
from tiling.city import parts
from tiling.city.layers import TERRAIN
from tiling.commands.progress import pool
from tiling.run.publish import Built
from tiling.run.update import update

ROUND = 5
"""Seconds between two looks for what is touched, where nothing is heard of it."""

AGAIN = 2.0
"""Seconds after which what could not be done is tried again."""

MANY = 5_000
"""Touched buildings from which further processes are worth their start."""

Told = Callable[[Built], None]
Fault = Callable[[CimError], None]


def follow(
    settings: Settings,
    engine: Engine,
    stop: Event,
    *,
    jobs: int = 1,
    told: Told = lambda built: None,
    fault: Fault = lambda error: None,
) -> None:
    """Update every tileset that was built, as soon as something of it is touched, until `stop`.

    What cannot be done now, because another run is under way, the disk is full or the database is
    away, is said to `fault` and tried again.
    """
    while not stop.is_set():
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                listen(connection)
                names = connection.scalars(manifest.names()).all()  # first all, whatever they lack
                while not stop.is_set():
                    bring_up(settings, engine, jobs, names, told)
                    bring_up_terrain(settings, engine, jobs, told)
                    for _ in range(ROUND):
                        if stop.is_set() or wait(connection, 1.0):
                            break
                    names = connection.scalars(manifest.touched()).all()
        except CimError as error:
            fault(error)
            stop.wait(AGAIN)


def bring_up(
    settings: Settings, engine: Engine, jobs: int, names: Iterable[str], told: Told
) -> None:
    """Update these tilesets, each in further processes where much of it was touched."""
    for name in names:
        with engine.connect() as connection:
            layer = parts.layer(connection, name)
            many = connection.scalar(manifest.touched_most(name, MANY))
        if layer is None:  # it was removed meanwhile
            continue
        with pool(jobs if many else 1) as executor:
            built = update(settings, engine, layer, executor=executor)
        if built.changed:
            told(built)


def bring_up_terrain(settings: Settings, engine: Engine, jobs: int, told: Told) -> None:
    """Update the terrain where it was once built and the rasters are others now."""
    if not (settings.tiles_dir / TERRAIN).is_dir():
        return
    from tiling.terrain import build as terrain  # noqa: PLC0415 - rasters: a quarter of a second that few need

    with engine.connect() as connection:
        if not terrain.behind(settings, connection):
            return
    with pool(jobs) as executor:
        built = terrain.update(settings, engine, executor=executor)
    if built:
        told(built)
