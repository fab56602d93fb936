"""What handlers need, by name in their signatures.

All are coroutines: what is none is run in a thread, which takes longer than most answers.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import Engine

from api.access import Caller
from api.database.people import People
from api.database.store import Store
from api.params import Bounds, Box, parse_bounds
from api.security.gate import Gate
from cim.crs.geoid import Geoid
from cim.errors import NotAllowed, UnknownKey
from cim.security.rights import CITY_READ, INTAKE
from cim.settings import Settings
from cim.store.direct import Direct
from cim.store.queries.collections.items import Sight


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


async def settings(request: Request) -> Settings:
    """The settings the app was made with."""
    found: Settings = request.app.state.settings
    return found


async def store(request: Request) -> Store:
    """The open store."""
    found: Store = request.app.state.store
    return found


async def keyed_store(request: Request) -> Store:
    """The open store for statements that go by a key alone, whose plans are kept."""
    found: Store = request.app.state.keyed_store
    return found


async def direct(request: Request) -> Direct:
    """The driver itself, for statements by key that are asked most."""
    found: Direct = request.app.state.direct
    return found


async def intake_store(request: Request) -> Store:
    """The open store for what is handed in, which is written to."""
    found: Store = request.app.state.intake_store
    return found


async def intake_engine(request: Request) -> Engine:
    """The same store for what runs in a thread."""
    found: Engine = request.app.state.intake_engine
    return found


async def memory(request: Request) -> Memory:
    """What is kept for some seconds."""
    found: Memory = request.app.state.memory
    return found


async def geoid(request: Request) -> Geoid:
    """The city's geoid."""
    found: Geoid = request.app.state.geoid
    return found


BEARER = HTTPBearer(auto_error=False, description="A key of `cim key add`.")


async def gate(request: Request) -> Gate:
    """The way in."""
    found: Gate = request.app.state.gate
    return found


async def caller(
    request: Request,
    _key: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    _purpose: Annotated[
        str | None,
        Header(
            alias="X-Purpose",
            description="What residents are asked for: a purpose of this city, which "
            "`GET /session` lists for the caller; `emergency` is one that comes with the program.",
        ),
    ] = None,
) -> Caller:
    """Who calls; UnknownKey, NotAllowed or InvalidQuery where headers or cookie are wrong.

    The two parameters stand in the documentation; the headers are read in one place.
    """
    return await (await gate(request)).caller(request)


async def people(request: Request, caller: Annotated[Caller, Depends(caller)]) -> People:
    """What opens residents for who calls."""
    found: People = request.app.state.people
    return found.asked_by(caller, request)


@dataclass(frozen=True, slots=True)
class Linked:
    """All that an answer about a unit needs, as one: each dependency takes 0.03 ms to find."""

    direct: Direct
    geoid: Geoid
    people: People
    caller: Caller


async def linked(request: Request, caller: Annotated[Caller, Depends(caller)]) -> Linked:
    """What follows a unit's links for who calls."""
    state = request.app.state
    return Linked(state.direct, state.geoid, state.people.asked_by(caller, request), caller)


async def bounds(bbox: Box) -> Bounds:
    """The box of the parameter `bbox`; InvalidQuery says what is wrong with it."""
    return parse_bounds(bbox)


async def sight(caller: Annotated[Caller, Depends(caller)]) -> Sight:
    """What of the not public this caller is cleared for, right by right."""
    return [
        (right.secrecy, None if right.where is None else (right.where.areas, right.where.grids))
        for right in caller.rights.of(CITY_READ, "devices")
        if right.secrecy > 0
    ]


async def data_officer(caller: Annotated[Caller, Depends(caller)]) -> Caller:
    """A caller who may bring files in; UnknownKey or NotAllowed for any other."""
    if not caller.known:
        raise UnknownKey(
            "Bringing files in needs a key: Authorization: Bearer …, or signing in.",
            "载入数据需要密钥（Authorization: Bearer …）或登录。",
        )
    if not caller.may(INTAKE):
        raise NotAllowed("Bringing files in needs the role `intake`.", "载入数据需要“intake”角色。")
    if caller.where(INTAKE) is not None:
        raise NotAllowed(
            "Files are brought in for the whole city; this role is for a part of it.",
            "数据载入针对全市，当前角色仅限部分区域。",
        )
    return caller


SettingsDep = Annotated[Settings, Depends(settings)]
StoreDep = Annotated[Store, Depends(store)]
KeyedStoreDep = Annotated[Store, Depends(keyed_store)]
DirectDep = Annotated[Direct, Depends(direct)]
PeopleDep = Annotated[People, Depends(people)]
IntakeStoreDep = Annotated[Store, Depends(intake_store)]
IntakeEngineDep = Annotated[Engine, Depends(intake_engine)]
IntakeDep = Annotated[Caller, Depends(data_officer)]
MemoryDep = Annotated[Memory, Depends(memory)]
GateDep = Annotated[Gate, Depends(gate)]
CallerDep = Annotated[Caller, Depends(caller)]
SightDep = Annotated[Sight, Depends(sight)]
GeoidDep = Annotated[Geoid, Depends(geoid)]
LinkedDep = Annotated[Linked, Depends(linked)]
BoundsDep = Annotated[Bounds, Depends(bounds)]
