"""Reading the change feed on the API's connections, and hearing that there is more to read."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from api.database.store import Store
from cim.errors import TooMany
from cim.store.changes import Page, Steps
from cim.store.queries import changes as queries

EACH = 1.0
"""Seconds between two looks where nothing is heard: what was told while an older transaction was
under way can be read when that ends, which nobody says."""

MOST, MOST_EACH = 1000, 50
"""Callers that a process lets wait at the same time, and how often one of them."""

AT_ONCE = 2
"""Of those who wait, how many read at the same time: when something comes all of them would, and
whoever asks for something else would stand behind them."""

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
        self.turns = asyncio.Semaphore(AT_ONCE)
        self._seated: Counter[str] = Counter()
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
            async with asyncio.timeout(seconds):
                await mine
        except TimeoutError:
            return False
        finally:
            self._waiting.discard(mine)
        return not self.stopping

    def check(self, who: str) -> None:
        """TooMany where nobody more may wait, or this caller not once more."""
        if self._seated[who] >= MOST_EACH or self._seated.total() >= MOST:
            raise TooMany(
                "Too many wait for changes already; end a stream, or ask again later.",
                "等待变更的连接过多，请结束部分连接或稍后再试。",
                10,
            )

    @contextlib.contextmanager
    def seat(self, who: str) -> Iterator[None]:
        """One of the places of those who wait; TooMany where there is none."""
        self.check(who)
        self._seated[who] += 1
        try:
            yield
        finally:
            self._seated[who] -= 1
            self._seated += Counter()  # forgets who has none

    async def read(self, steps: Steps) -> Page:
        """The same as `read`, for somebody who waits: when it is his turn."""
        async with self.turns:
            return await read(self.store, steps)

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
                        async with asyncio.timeout(EACH):
                            await told.wait()
                    told.clear()
                    row = (await connection.execute(queries.HEAD)).first()
                    if row != head:
                        head = row
                        self._wake()
                    if self._waiting:
                        idle_since = time.monotonic()
            finally:
                await driver.remove_listener(queries.CHANNEL, hear)
