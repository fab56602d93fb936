"""The database as handlers ask it: statements as values, on a pool of connections."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.access import Caller
from api.errors import AWAY
from cim.store.queries.security import rights


class Store:
    """Runs statements as values; each alone, or several in one transaction."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Keep the pool; statements that stand alone need no transaction of their own."""
        self.engine = engine
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which every statement is its own transaction."""
        async with _reached(self._single) as connection:
            yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A connection in a transaction, committed at the end of the block."""
        async with _reached(self.engine) as connection, connection.begin():
            yield connection

    async def rows(self, statement: Executable) -> Sequence[Any]:
        """Every row."""
        async with self.alone() as connection:
            return (await connection.execute(statement)).all()

    async def row(self, statement: Executable) -> Any | None:
        """The first row as a named tuple, or None."""
        async with self.alone() as connection:
            return (await connection.execute(statement)).first()

    async def value(self, statement: Executable) -> Any:
        """The first column of the first row, or None."""
        found = await self.row(statement)
        return None if found is None else found[0]


@asynccontextmanager
async def _reached(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """A pooled connection; StoreError where the server cannot be reached."""
    connection = engine.connect()
    try:
        await connection.start()
    except OSError as error:  # the socket is gone or refuses: the driver does not wrap that
        raise AWAY from error
    try:
        yield connection
    finally:
        await connection.close()


async def may_at(store: Store, caller: Caller, scope: str, building: int | None) -> bool:
    """Whether a caller may do that with something in a building; one confined is asked where."""
    where = caller.where(scope)
    if where is None or not caller.may(scope) or building is None:
        return where is None
    place = await store.row(rights.place_of(building))
    return place is not None and where.holds([place.area], place.grid)
