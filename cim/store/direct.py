"""The driver itself, for statements that are asked a thousand times a second.

Each runs alone, in a transaction of its own, as `cim.store.queries.ready` made it. Plans are kept:
the server plans a statement five times a connection, or once where it is told so. Nothing is asked
before a statement whether the connection still stands; where it does not, it is run once more.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import asyncpg

from cim.errors import StoreBusy, StoreError
from cim.store import faults
from cim.store.queries.ready import Asked

BROKEN = (
    asyncpg.InterfaceError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InternalClientError,  # it ended in the middle of an answer
    ConnectionError,
)
"""What is said of a connection that has gone; a statement that only reads may be run again."""

PATIENCE = 10.0
"""Seconds that somebody waits for a connection while all are in use."""

LONG = 5.0
"""Seconds after which no more rows are asked for where some will do."""

STATEMENT_BYTES = 64 * 1024
"""The longest statement whose plan is kept: a unit card is ten thousand bytes."""

Done = TypeVar("Done")
Open = Callable[..., Awaitable[asyncpg.Connection]]


class Plain(asyncpg.Connection):  # type: ignore[misc]  # the driver comes without types
    """A connection that runs statements that leave nothing behind."""

    def get_reset_query(self) -> str:
        """Nothing to forget after a statement: to ask for it would take as long again."""
        return ""


class Row(asyncpg.Record):  # type: ignore[misc]  # the driver comes without types
    """A row whose columns go by their names."""

    def __getattr__(self, name: str) -> Any:
        """The column of that name."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


KEEP: dict[str, Any] = {
    "connection_class": Plain,
    "record_class": Row,
    "statement_cache_size": 200,
    "max_cached_statement_lifetime": 0,
    "max_cacheable_statement_size": STATEMENT_BYTES,
}
"""How a connection keeps what it prepared: until it ends."""


class Direct:
    """A pool of connections of the driver's own."""

    def __init__(self, open_one: Open, size: int, folder: Path | None = None) -> None:
        """At most `size` connections, each opened as KEEP says; `folder` is where the server is."""

        async def connect(*_: Any, **__: Any) -> asyncpg.Connection:
            return await open_one()

        self._folder = folder
        self._make: Callable[[], Any] = lambda: asyncpg.create_pool(
            min_size=0,
            max_size=size,
            max_inactive_connection_lifetime=0,  # the next would have to plan everything anew
            connect=connect,
            connection_class=Plain,
        )
        self._pool: asyncpg.Pool | None = None

    async def open(self) -> "Direct":
        """Be ready; the first connection is made when it is needed."""
        self._pool = await self._make()
        return self

    async def close(self) -> None:
        """Close every connection."""
        if self._pool is not None:
            await self._pool.close()

    async def row(self, asked: Asked) -> Any | None:
        """The first row, by name and by place, or None."""
        return await self._run(lambda one: one.fetchrow(asked.sql, *asked.values))

    async def value(self, asked: Asked) -> Any:
        """The first column of the first row, or None."""
        return await self._run(lambda one: one.fetchval(asked.sql, *asked.values))

    async def rows(self, asked: Asked) -> list[Any]:
        """Every row."""
        found: list[Any] = await self._run(lambda one: one.fetch(asked.sql, *asked.values))
        return found

    async def some(self, asked: Asked, room: int) -> tuple[list[Any], bool]:
        """Rows until the texts of their first columns are `room` long; whether there are more."""

        async def ask(one: Any) -> tuple[list[Any], bool]:
            async with one.transaction():
                return await some(one, asked, room)

        found: tuple[list[Any], bool] = await self._run(ask)
        return found

    async def together(self, *asked: Asked) -> list[Any]:
        """The first column of the first row of each, in one transaction, one after the other."""

        async def ask(one: Any) -> list[Any]:
            async with one.transaction():
                return [await one.fetchval(each.sql, *each.values) for each in asked]

        found: list[Any] = await self._run(ask)
        return found

    async def within(self, work: Callable[[Any], Awaitable[Done]]) -> Done:
        """Do something on a connection in a transaction of its own; it is not tried twice."""

        async def ask(one: Any) -> Done:
            async with one.transaction():
                return await work(one)

        done: Done = await self._tried(ask, 1)
        return done

    async def _run(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        """Ask on a connection that is free, and once more on another where that one has gone."""
        return await self._tried(ask, 2)

    async def _tried(self, ask: Callable[[Any], Awaitable[Any]], tries: int) -> Any:
        try:
            try:
                return await self._once(ask)
            except BROKEN:
                if tries == 1:
                    raise
                return await self._once(ask)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise StoreBusy("too many ask at once", "当前请求过多") from None
            found = faults.explained(error, self._folder)
            if found is None and isinstance(error, BROKEN):
                found = StoreError("the connection broke", "连接中断")
            if found is None:
                raise
            raise found from None

    async def _once(self, ask: Callable[[Any], Awaitable[Any]]) -> Any:
        assert self._pool is not None, "open() comes first"
        async with self._pool.acquire(timeout=PATIENCE) as one:
            return await ask(one)


async def some(connection: Any, asked: Asked, room: int) -> tuple[list[Any], bool]:
    """Rows until the texts of their first columns are `room` long, or it has taken long enough.

    And whether there may be more. Of a transaction: the database works out those alone that are
    asked for.
    """
    cursor = await connection.cursor(asked.sql, *asked.values)
    found: list[Any] = []
    length, step, began = 0, 1, monotonic()
    while length < room and (not found or monotonic() < began + LONG):
        rows = await cursor.fetch(step)
        found += rows
        length += sum(len(row[0]) for row in rows)
        if len(rows) < step:
            return found, False
        took = monotonic() - began
        fits = (room - length) * len(found) // max(1, length)
        in_time = int((LONG - took) * len(found) / max(took, 1e-6))
        step = max(1, min(4 * step, fits, in_time, 1000))
    return found, True
