"""What handlers need, by name in their signatures."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine, Executable
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.access import INTAKE, Access, Caller
from api.errors import AWAY
from api.params import Bounds, parse_bounds
from cim.crs.geoid import Geoid
from cim.errors import NotAllowed, UnknownKey
from cim.settings import Settings


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


class Memory:
    """Answers kept for some seconds, so that what everybody asks is asked of the database once."""

    def __init__(self, seconds: float) -> None:
        """Keep each answer that long, and thirty times as long as it took to make."""
        self.seconds = seconds
        self._kept: dict[str, tuple[float, Any]] = {}
        self._making: dict[str, asyncio.Lock] = {}

    async def get(self, name: str, make: Callable[[], Awaitable[Any]]) -> Any:
        """The kept answer of that name, made anew by one caller when it has aged."""
        async with self._making.setdefault(name, asyncio.Lock()):
            kept = self._kept.get(name)
            begun = time.monotonic()
            if kept is None or kept[0] < begun:
                made = await make()
                ended = time.monotonic()
                kept = (ended + max(self.seconds, 30 * (ended - begun)), made)
                self._kept[name] = kept
            return kept[1]


def settings(request: Request) -> Settings:
    """The settings the app was made with."""
    found: Settings = request.app.state.settings
    return found


def store(request: Request) -> Store:
    """The open store."""
    found: Store = request.app.state.store
    return found


def keyed_store(request: Request) -> Store:
    """The open store for statements that go by a key alone, whose plans are kept."""
    found: Store = request.app.state.keyed_store
    return found


def intake_store(request: Request) -> Store:
    """The open store for what is handed in, which is written to."""
    found: Store = request.app.state.intake_store
    return found


def intake_engine(request: Request) -> Engine:
    """The same store for what runs in a thread."""
    found: Engine = request.app.state.intake_engine
    return found


def memory(request: Request) -> Memory:
    """What is kept for some seconds."""
    found: Memory = request.app.state.memory
    return found


def geoid(request: Request) -> Geoid:
    """The city's geoid."""
    found: Geoid = request.app.state.geoid
    return found


BEARER = HTTPBearer(auto_error=False, description="A key from the access file.")


def caller(
    request: Request,
    _key: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    _purpose: Annotated[
        str | None,
        Header(alias="X-Purpose", description="what residents are asked for", max_length=100),
    ] = None,
) -> Caller:
    """Who calls; UnknownKey or InvalidQuery where the headers are wrong.

    The two parameters stand in the documentation; the headers are read in one place.
    """
    access: Access = request.app.state.access
    headers: Mapping[str, str] = request.headers
    return access.caller(headers, request.client.host if request.client else None)


def data_officer(caller: Annotated[Caller, Depends(caller)]) -> Caller:
    """A caller who may bring files in; UnknownKey or NotAllowed for any other."""
    if not caller.known:
        raise UnknownKey(
            "Bringing files in needs a key: Authorization: Bearer …",
            "载入数据需要密钥：Authorization: Bearer …",
        )
    if INTAKE not in caller.roles:
        raise NotAllowed("Bringing files in needs the role `intake`.", "载入数据需要“intake”角色。")
    return caller


SettingsDep = Annotated[Settings, Depends(settings)]
StoreDep = Annotated[Store, Depends(store)]
KeyedStoreDep = Annotated[Store, Depends(keyed_store)]
IntakeStoreDep = Annotated[Store, Depends(intake_store)]
IntakeEngineDep = Annotated[Engine, Depends(intake_engine)]
IntakeDep = Annotated[Caller, Depends(data_officer)]
MemoryDep = Annotated[Memory, Depends(memory)]
CallerDep = Annotated[Caller, Depends(caller)]
GeoidDep = Annotated[Geoid, Depends(geoid)]
BoundsDep = Annotated[Bounds, Depends(parse_bounds)]
