"""What a run has done so far, written down as it goes: a run that breaks off is gone on with."""

from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Engine

from cim.store.queries.tiles import manifest
from tiling.city.layers import Layer
from tiling.city.skips import write_skips
from tiling.run.batch import Done
from tiling.run.publish import SIDES

TOGETHER = 256
"""Tiles that are written down at a time."""


class Journal:
    """The tiles of a run; those noted are written down at the latest when it is left."""

    def __init__(self, engine: Engine, layer: Layer, ready: "Future[None] | None" = None) -> None:
        """Of a run on this layer, whose tiles are on the list as soon as that is `ready`."""
        self.engine, self.layer, self.ready = engine, layer, ready
        self._open: list[Done] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write down what is open, also where the run was stopped."""
        if self.ready:
            self.ready.result()
        self.write()

    def note(self, done: Done) -> None:
        """A tile is on disk."""
        self._open.append(done)
        if len(self._open) >= TOGETHER and (self.ready is None or self.ready.done()):
            self.write()

    def write(self) -> None:
        """Write down what is open."""
        if self._open:
            with self.engine.begin() as connection:
                write(connection, self.layer, self._open)
            self._open = []


def write(connection: Connection, layer: Layer, found: list[Done]) -> None:
    """Write down tiles that are on disk, and what was left out of them."""
    rows: dict[str, list[Any]] = {
        "level": [done.key.level for done in found],
        "cell": [done.key.cell for done in found],
        "digest": [done.digest for done in found],
        "size": [done.size for done in found],
        "packed": [done.packed for done in found],
        "features": [done.features for done in found],
    }
    for place, side in enumerate(SIDES):
        rows[side] = [float(done.region[place]) for done in found]
    connection.execute(manifest.done(layer.name, rows))
    connection.execute(manifest.forget_skips(layer.name, rows["level"], rows["cell"]))
    skips = [(done.key, *skip) for done in found for skip in done.skipped]
    if skips:
        write_skips(connection, layer, skips)
