"""The tiles of what was touched, built anew: what `cim tile update` and the service do."""

from concurrent.futures import Executor

from sqlalchemy import Engine

from cim.settings import Settings
from cim.store.queries.tiles import manifest
from tiling.city.layers import Layer
from tiling.city.members import absorb
from tiling.formats.tree import Key
from tiling.run.build import Progress, run
from tiling.run.publish import Built


def update(
    settings: Settings,
    engine: Engine,
    layer: Layer,
    *,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Built:
    """Bring a tileset up to the city by what was touched since; all of it where there is none yet.

    What a run that was broken off has left is built too.  Raises as `build` does.
    """
    return run(settings, engine, layer, whole=False, progress=progress, executor=executor)


def outdated(engine: Engine, layer: Layer) -> list[Key]:
    """The tiles that an update would build, in order; nothing is changed by asking."""
    with engine.connect() as connection:
        transaction = connection.begin()
        dirty = absorb(connection, layer)
        left = connection.execute(manifest.keys(layer.name, manifest.DIRTY))
        found = dirty | {Key(*row) for row in left}
        transaction.rollback()
    return sorted(found)
