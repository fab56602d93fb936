"""What the service holds while it runs: pools of connections, each with a role, and what uses them.

The roles keep apart what a fault in one part could reach of another.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.concurrency import run_in_threadpool

from api.database.feed import Pulse
from api.database.people import People
from api.database.pushing import Pushing
from api.database.replica import NearDirect, NearStore, Replica
from api.database.store import Store
from api.live.hub import Hub
from api.live.tickets import Tickets
from api.security.gate import Gate
from api.serving.metrics import Measures
from api.tilesets.making import Maker
from cim.crs.geoid import geoid
from cim.privacy import open_vault
from cim.settings import Settings
from cim.store.direct import Direct
from cim.store.engine import connect_async, connect_direct, open_engine, share

READER = "cim_reader"
"""The database role of what only reads, and makes tiles: it cannot see pii."""

OPENER = "cim_resident_reader"
"""The database role of what opens residents, by a proof of who asks."""

INTAKE = "cim_intake"
"""The database role that writes what is handed in."""

EDITOR = "cim_editor"
"""The database role that changes features: it sees neither people nor who signs in."""

SENSING = "cim_sensing"
"""The database role that writes for clients of SensorThings: readings, and what they made."""

SENSORS = 3
"""Connections that they write on."""

GATE = "cim_gate"
"""The database role that looks up keys and sessions, and writes what signing in changes."""

BY_KEY, SIGNING = 10.0, 10.0
"""Seconds that a statement by a key may take, and one about a caller; any other its 30."""


LISTENING = 3
"""Connections that live subscriptions have: one listens, the others read what there is."""

IN_THREAD = 60.0
"""Seconds that a statement may take that is asked in a thread."""

COUNTED = 5.0
"""Seconds between two counts of the connections in use."""


class Pools:
    """Opens pools of equal size, and closes them in the end."""

    def __init__(self, settings: Settings, size: int, stack: AsyncExitStack) -> None:
        """Of the database in the settings; closed with the stack."""
        self.settings, self.size, self.stack = settings, size, stack
        self.named: dict[str, Any] = {}

    async def store(self, role: str, **more: Any) -> AsyncEngine:
        """For statements as values."""
        engine: AsyncEngine = await self._made(connect_async, role, more)
        self.stack.push_async_callback(engine.dispose)
        self.named[" ".join([role, *sorted(more)])] = engine
        return engine

    async def direct(self, role: str, **more: Any) -> Direct:
        """For what is asked most."""
        pool: Direct = await self._made(connect_direct, role, more)
        self.stack.push_async_callback(pool.close)
        return await pool.open()

    def threads(self, role: str) -> Engine:
        """For what works in a thread, where nobody breaks it off: each statement ends by itself."""
        engine = open_engine(self.settings, role=role, size=self.size, timeout=IN_THREAD)
        self.stack.callback(engine.dispose)
        return engine

    async def _made(self, connect: Callable[..., Any], role: str, more: dict[str, Any]) -> Any:
        asked = {"role": role, "size": self.size} | more
        return await run_in_threadpool(connect, self.settings, **asked)


@asynccontextmanager
async def opened(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Open what the app needs, and close it when the service stops."""
    async with AsyncExitStack() as stack:
        state = app.state
        state.share = await run_in_threadpool(share, settings)
        pools = Pools(settings, state.share, stack)
        vault = await run_in_threadpool(open_vault, settings)
        state.people = People(await pools.direct(OPENER), vault)
        callers = Store(await pools.store(GATE, by_key=True, timeout=SIGNING))
        keys = await pools.direct(GATE, timeout=SIGNING)
        state.gate = Gate(settings, callers, keys, pools.threads(GATE), vault)
        stack.push_async_callback(state.gate.close)
        await read(app, pools)
        state.pulse = Pulse(state.store)
        stack.push_async_callback(state.pulse.stop)
        state.tickets = Tickets(state.gate)
        # What was read after it was told must not be older: the replica may be behind.
        state.hub = Hub(Store(await pools.store(READER, size=LISTENING)))
        stack.push_async_callback(state.hub.stop)
        state.pushing = Pushing(settings)
        stack.push_async_callback(state.pushing.stop)
        state.intake_store = Store(await pools.store(INTAKE))
        state.intake_engine = pools.threads(INTAKE)
        state.sensing = await pools.direct(SENSING, size=SENSORS)
        state.editing_engine = open_engine(settings, role=EDITOR, size=1, timeout=IN_THREAD)
        stack.callback(state.editing_engine.dispose)
        state.editing_turns = asyncio.Semaphore(1)
        state.geoid = await run_in_threadpool(geoid, settings)
        state.maker = Maker(pools.threads(READER), state.geoid, settings.tiles_dir)
        if state.measures:
            state.hub.dropped = state.measures.live_dropped.inc
            counting = asyncio.create_task(count(pools, state.measures, state.hub))
            stack.callback(counting.cancel)
        yield


async def count(pools: Pools, measures: Measures, hub: Hub) -> None:
    """Tell the metrics how full the pools are and how many read along, every few seconds."""
    while True:
        for name, engine in pools.named.items():
            for what, number in (("in use", engine.pool.checkedout()), ("most", pools.size)):
                measures.pool.labels(name, what).set(number)
        measures.live_readers.set(hub.readers)
        measures.live_subscriptions.set(len(hub.groups))
        await asyncio.sleep(COUNTED)


async def read(app: FastAPI, pools: Pools) -> None:
    """Open what only reads, on the replica besides where there is one."""
    state, settings = app.state, pools.settings
    first = Store(await pools.store(READER))
    keyed = Store(await pools.store(READER, by_key=True, timeout=BY_KEY))
    direct = await pools.direct(READER, timeout=BY_KEY)
    if not settings.read_database_url:
        state.store, state.keyed_store, state.direct = first, keyed, direct
        return
    second = Store(await pools.store(READER, replica=True))
    second_keyed = Store(await pools.store(READER, by_key=True, timeout=BY_KEY, replica=True))
    second_direct = await pools.direct(READER, timeout=BY_KEY, replica=True)
    replica = Replica(first, second, settings.read_lag_seconds)
    state.store = NearStore(first.engine, second, replica)
    state.keyed_store = NearStore(keyed.engine, second_keyed, replica)
    state.direct = NearDirect(direct, second_direct, replica)
    if state.measures:
        replica.asked = lambda source: state.measures.reads.labels(source).inc()
        replica.noted = lambda: state.measures.replica.set(float(replica.told["usable"]))
    state.replica = replica
    replica.start()
    pools.stack.push_async_callback(replica.stop)
