"""Reading the change feed on the API's connections, and hearing that there is more to read."""

import asyncio
import contextlib
import time
from typing import Any

from api.database.store import Store
from cim.store.changes import Page, Steps
from cim.store.queries import changes as queries

EACH = 1.0
"""Seconds between two looks where nothing is heard: what was told while an older transaction was
under way can be read when that ends, which nobody says."""

QUIET = 5.0
"""Seconds after the last waiter for which it is listened on."""


async def read(store: Store, steps: Steps) -> Page:
    """Take the steps of a page, each on a connection from the pool."""
    try:
        statement = next(steps)
        while True:
            statement = steps.send(await store.rows(statement))
    except StopIteration as done:
        page: Page = done.value
        return page


class Pulse:
    """Wakes those who wait for changes: one connection listens for all of them."""

    def __init__(self, store: Store) -> None:
        """Listen through this store, while somebody waits."""
        self.store = store
        self.stopping = False
        self._waiting: set[asyncio.Future[None]] = set()
        self._task: asyncio.Task[None] | None = None

    async def wait(self, seconds: float) -> bool:
        """Wait for something new, no longer than so many seconds; whether there is."""
        if self.stopping:
            return False
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._listen())
        mine = asyncio.get_running_loop().create_future()
        self._waiting.add(mine)
        try:
            await asyncio.wait_for(mine, seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(mine)
        return not self.stopping

    async def stop(self) -> None:
        """Send all away, and let the connection go."""
        self.stopping = True
        self._wake()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _wake(self) -> None:
        for each in self._waiting:
            if not each.done():
                each.set_result(None)

    async def _listen(self) -> None:
        """Look whenever something is told, and every second; wake all where the feed has grown."""
        told = asyncio.Event()

        def hear(*_: Any) -> None:
            told.set()

        async with self.store.alone() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.add_listener(queries.CHANNEL, hear)
            try:
                head, idle_since = None, time.monotonic()
                while time.monotonic() - idle_since < QUIET:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(told.wait(), EACH)
                    told.clear()
                    row = (await connection.execute(queries.HEAD)).first()
                    if row != head:
                        head = row
                        self._wake()
                    if self._waiting:
                        idle_since = time.monotonic()
            finally:
                await driver.remove_listener(queries.CHANNEL, hear)
