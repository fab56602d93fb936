"""Vector tiles as they are asked for: kept ones found, others made once however many ask."""

import asyncio
import logging
import time
from collections.abc import Sequence
from functools import partial

from sqlalchemy.exc import SQLAlchemyError

from api.database.store import Store
from cim.errors import CimError, StoreError
from cim.store import vector
from cim.store.direct import Direct
from cim.store.queries.collections.items import Sight
from cim.store.queries.vector import keeping
from cim.store.queries.vector.drawing import DRAWINGS, FRESH, Drawing
from cim.store.queries.vector.keeping import Place
from cim.store.vector import Done, Made, Steps, Tile

APART = 30.0
"""Seconds between two looks at how many changes are told."""

TOLD = 100
"""Changes of a collection that are looked through with every tile before they are swept."""

Asked = tuple[str, Place]
Stores = tuple[Store, Direct]
log = logging.getLogger("cim.api")


class Tiles:
    """What finds, makes and keeps vector tiles in this process.

    What a caller is answered shows every change that was committed before it asked, whoever made
    the tile: one that was begun earlier is looked at again before it is taken.
    """

    def __init__(self) -> None:
        """Begin with nothing under way."""
        self._program: str | None = None
        self._making: dict[Asked, asyncio.Task[Tile]] = {}
        self._sweeping: dict[str, asyncio.Lock] = {}
        self._looked = 0.0
        self._tidying: asyncio.Task[None] | None = None

    async def of(
        self, stores: Stores, drawings: Sequence[Drawing], place: Place, sight: Sight
    ) -> dict[str, Tile]:
        """The tiles of these collections at a place, by name.

        They are made and kept in the store, and found by the driver alone. What not everybody may
        see is made for its caller, and never kept.
        """
        names = [each.name for each in drawings if each.kept and place.zoom < FRESH]
        found = await self._found(stores, names, place) if names else {}
        self._tidy(stores[0])
        for each in drawings:
            if each.name in found:
                continue
            if each.collection.secrecy is not None and sight:
                found[each.name] = (await _taken(stores[0], vector.make(each, place, sight))).tile
            else:
                found[each.name] = await self._shared(stores, each, place)
        return found

    async def _shared(self, stores: Stores, drawing: Drawing, place: Place) -> Tile:
        """A tile that is made for all who ask for it now."""
        asked = (drawing.name, place)
        begun = self._making.get(asked)
        if begun is not None:
            await asyncio.shield(begun)
            if drawing.kept and place.zoom < FRESH:
                found = await self._found(stores, [drawing.name], place)
                if drawing.name in found:
                    return found[drawing.name]
        task = self._making.get(asked)  # begun since this caller asked
        if task is None:
            task = asyncio.create_task(self._made(stores, drawing, place))
            self._making[asked] = task
            task.add_done_callback(partial(self._landed, asked))
        return await asyncio.shield(task)  # who leaves does not spoil it for the others

    def _landed(self, asked: Asked, task: asyncio.Task[Tile]) -> None:
        del self._making[asked]
        if not task.cancelled():
            task.exception()  # whoever waits is told; that nobody does is no fault

    async def _made(self, stores: Stores, drawing: Drawing, place: Place) -> Tile:
        if not (drawing.kept and place.zoom < FRESH):
            return (await _taken(stores[0], vector.make(drawing, place))).tile
        await self._swept(stores[0], drawing, celled=drawing.celled(place.zoom))
        made = await _taken(stores[0], vector.make(drawing, place))
        await self._keep(stores, drawing, place, made)
        return made.tile

    async def _keep(self, stores: Stores, drawing: Drawing, place: Place, made: Made) -> None:
        program = await self._known(stores[0])
        try:
            await _taken(stores[0], vector.keep(drawing, place, made, program))
        except (StoreError, SQLAlchemyError) as error:  # it is answered all the same
            log.warning("a vector tile could not be kept: %s", type(error).__name__)

    async def _swept(self, store: Store, drawing: Drawing, *, celled: bool) -> None:
        """Sweep where the cells that are to be drawn are behind, or too many changes are told."""
        async with self._sweeping.setdefault(drawing.name, asyncio.Lock()):
            if await _taken(store, vector.behind(drawing, TOLD, celled=celled)):
                await _taken(store, vector.sweep(drawing))

    def _tidy(self, store: Store) -> None:
        """Now and then forget changes even if no tile they are in is asked for: all are read."""
        if time.monotonic() - self._looked < APART:
            return
        self._looked = time.monotonic()
        self._tidying = asyncio.create_task(self._tidied(store))

    async def _tidied(self, store: Store) -> None:
        try:
            for each in DRAWINGS.values():
                if each.kept:
                    await self._swept(store, each, celled=False)
        except (CimError, SQLAlchemyError) as error:  # the next time will do
            log.warning("changes of vector tiles could not be swept: %s", type(error).__name__)

    async def _found(self, stores: Stores, names: Sequence[str], place: Place) -> dict[str, Tile]:
        program = await self._known(stores[0])
        rows = await stores[1].rows(keeping.find(names, place, program))
        return {row.collection: Tile(row.data, row.etag) for row in rows}

    async def _known(self, store: Store) -> str:
        if self._program is None:
            self._program = await _taken(store, vector.program())
        return self._program


async def _taken(store: Store, steps: Steps[Done]) -> Done:
    """Take the steps in a transaction of their own, which is never a replica's."""
    async with store.transaction() as connection:
        try:
            statement = next(steps)
            while True:
                result = await connection.execute(statement)
                statement = steps.send(result.all() if result.returns_rows else [])
        except StopIteration as end:
            done: Done = end.value
            return done
