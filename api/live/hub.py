"""One connection of a process that listens to what devices say, and gives it to all who subscribed.

Nothing is kept of what was said: who was cut off says up to where they had all, and gets what the
database has since. Readings are gathered for half a second, and of each stream the last is sent.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Any, Final

import numpy as np

from api.database.store import Store
from api.live.alarms import LOST, Alarms
from api.live.asking import Ask
from api.live.frames import BEAT, Frame, Mark
from api.live.groups import Group
from api.live.readers import Reader
from cim.errors import StoreError, TooMany
from cim.store.queries.feeds import live as queries
from cim.store.queries.feeds.live import Audience

TICK: Final = 0.5
"""Seconds for which readings are gathered: nobody gets more than two of a stream in one."""

LOOKED: Final = 2.0
"""Seconds between two looks at how far transactions are."""

FOUND: Final = 10.0
"""Seconds between two looks whether devices have moved; then subscriptions are looked up again."""

BEATS: Final = 15.0
"""Seconds after which those to whom nothing was said hear that all is well."""

QUIET: Final = 30.0
"""Seconds after the last reader for which it is listened on."""

PATIENCE: Final = 10.0
"""Seconds that somebody waits until it is listened."""

log = logging.getLogger("cim.api")

AGAIN: Final = (0.5, 1.0, 2.0, 5.0)
"""Seconds before it is tried again to listen, after the connection was lost."""

MOST, MOST_EACH = 2000, 200
"""Readers of a process, and of one address or account among them."""


class Hub:
    """Hears for all, once."""

    def __init__(self, store: Store) -> None:
        """Listen through this store, which is the primary, while somebody reads."""
        self.store = store
        self.dropped: Callable[[int], None] = lambda many: None
        self.groups: dict[tuple[Ask, Audience], Group] = {}
        self.stopping = False
        self._alarms = Alarms(
            store, lambda: list(self.groups.values()), lambda: self.mark, self.send
        )
        self._seats: Counter[str] = Counter()
        self._lines: dict[int, tuple[int, str]] = {}
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._finding: asyncio.Task[None] | None = None
        self._marks = (Mark(0, 0), Mark(0, 0))
        self._next, self._streams = 0, 0

    @property
    def mark(self) -> Mark:
        """Up to where all was heard: as it was a look ago, for what ended just before a look may
        not have been told yet."""
        return self._marks[0]

    @property
    def readers(self) -> int:
        """How many read."""
        return sum(len(group.readers) for group in self.groups.values())

    def check(self, who: str | None) -> None:
        """TooMany where nobody more may read, or this caller not once more; None: this machine."""
        if self._seats.total() >= MOST or (who is not None and self._seats[who] >= MOST_EACH):
            raise TooMany(
                "Too many read along already; end some, or come again later.",
                "实时订阅的连接过多，请结束部分连接或稍后再试。",
                10,
            )

    @asynccontextmanager
    async def seat(self, who: str | None) -> AsyncIterator[None]:
        """One of the places of those who read."""
        self.check(who)
        name = who or ""
        self._seats[name] += 1
        try:
            yield
        finally:
            self._seats[name] -= 1
            self._seats += Counter()  # forgets who has none

    @asynccontextmanager
    async def joined(
        self, ask: Ask, audience: Audience, since: Mark | None = None
    ) -> AsyncIterator[tuple[list[Frame], Reader]]:
        """What somebody must know first, and from where they read on.

        InvalidQuery where it is too much; StoreError where nothing can be heard.
        """
        await self._listening()
        since = self._known(since)
        key = (ask, audience)
        group = self.groups.get(key)
        if group is None:
            group = Group(ask, audience)
            await group.find(self.store)
            group = self.groups.setdefault(key, group)
        reader = Reader()
        group.readers.add(reader)
        try:
            begin = await group.begin(self.store, self.mark, since)
            begin = begin + await self._alarms.begin(group, self.mark, since)
            yield [*(frame.part for frame in begin[:-1]), *begin[-1:]], reader
        finally:
            group.readers.discard(reader)
            if not group.readers and self.groups.get(key) is group:
                del self.groups[key]

    async def stop(self) -> None:
        """Send all away, and let the connection go."""
        self.stopping = True
        self._send_away()
        tasks = [task for task in (self._task, self._finding) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._alarms.stop()

    def send(self, group: Group, frame: Frame) -> None:
        """Have a group read it."""
        if many := group.send(frame):
            self.dropped(many)

    def _known(self, since: Mark | None) -> Mark | None:
        """A mark that can be gone on from: none of the future, of another database perhaps, and
        none so old that numbers of transactions have come round."""
        if since is None or not 0 <= self._next - since.transaction < 1 << 30:
            return None
        return since

    async def _listening(self) -> None:
        if self.stopping:
            raise StoreError("the service is stopping", "服务正在停止")
        if self._task is None or self._task.done():
            self._ready.clear()
            self._task = asyncio.create_task(self._run())
        try:
            async with asyncio.timeout(PATIENCE):
                await self._ready.wait()
        except TimeoutError:
            raise StoreError(
                "nothing can be heard from the database now", "暂时无法接收数据库的实时消息"
            ) from None

    def _send_away(self) -> None:
        """End what everybody reads; who still wants to comes again."""
        for group in self.groups.values():
            for reader in group.readers:
                reader.end()

    async def _run(self) -> None:
        """Listen, and again where the connection is lost, until nobody reads."""
        tries = 0
        try:
            while True:
                try:
                    return await self._listen()
                except LOST as error:
                    log.warning("live: %s; listening again", type(error).__name__)
                    tries = 0 if self._ready.is_set() else tries + 1
                    self._ready.clear()
                    await asyncio.sleep(AGAIN[min(tries, len(AGAIN) - 1)])
        finally:
            self._send_away()

    async def _listen(self) -> None:
        """Hear what is told; what was missed while nobody did is read."""
        async with self.store.alone() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.add_listener(queries.READINGS, self._hear)
            await driver.add_listener(queries.ALARMS, self._ring)
            try:
                before = self.mark
                self._alarms.forget()
                await self._look(connection)
                self._marks = (self._marks[1], self._marks[1])
                self._ready.set()
                await self._missed(before)
                await self._go_on(connection)
            finally:
                with suppress(*LOST):
                    await driver.remove_listener(queries.READINGS, self._hear)
                    await driver.remove_listener(queries.ALARMS, self._ring)

    async def _go_on(self, connection: Any) -> None:
        looked = found = idle = monotonic()
        where = self.mark
        while (now := monotonic()) - idle < QUIET:
            await asyncio.sleep(TICK - now % TICK)
            self._tick()
            if self.groups:
                idle = now
            if now - looked > LOOKED:
                async with asyncio.timeout(PATIENCE):
                    grew = await self._look(connection)
                looked = now
                if now - found > FOUND or grew:
                    row = (await connection.execute(queries.moved(where.transaction))).one()
                    if row.moved or grew:
                        self._find()
                    found, where = now, self.mark

    async def _look(self, connection: Any) -> bool:
        """How far transactions are; whether there are streams that there were not."""
        row = (await connection.execute(queries.LOOK)).one()
        self._marks = (self._marks[1], Mark(row.mark, row.entry))
        self._next = row.next
        grew = bool(row.streams > self._streams > 0)
        self._streams = row.streams
        return grew

    def _hear(self, _driver: object, _pid: int, _channel: str, payload: object) -> None:
        """Take readings: of each stream the latest of this half second."""
        if not self.groups:
            return
        known = self._lines
        for line in str(payload).split("\n"):
            one, _, rest = line.partition(",")
            at, _, _ = rest.partition(",")
            if not (one.isdecimal() and at.lstrip("-").isdecimal()):
                continue  # nobody's reading
            id, ms = int(one), int(at)
            there = known.get(id)
            if there is None or there[0] <= ms:
                known[id] = (ms, line)

    def _ring(self, *_: object) -> None:
        """Look what happened to alarms; what is known of them is old, whoever listens."""
        self._alarms.forget()
        if self.groups:
            self._alarms.ring()

    def _tick(self) -> None:
        """Give what was gathered to who subscribed to it; the rest hears a beat now and then."""
        gathered, self._lines = self._lines, {}
        now, mark = monotonic(), self.mark
        ids = np.fromiter(gathered, np.int64, len(gathered))
        lines = [line for _, line in gathered.values()]
        for group in list(self.groups.values()):
            frame = group.readings(ids, lines, mark) if lines else None
            if frame is None and now - group.spoken > BEATS:
                frame = Frame(BEAT, "null", mark)
            if frame is not None:
                self.send(group, frame)

    async def _missed(self, since: Mark) -> None:
        """Send everybody what came while it was not listened."""
        for group in list(self.groups.values()):
            for frame in await group.begin(self.store, self.mark, self._known(since)):
                self.send(group, frame)
        if self.groups:
            self._alarms.ring()

    def _find(self) -> None:
        """Look up what the subscriptions are of, one after the other, beside all else."""
        if self._finding is None or self._finding.done():
            self._finding = asyncio.create_task(self._found())

    async def _found(self) -> None:
        for group in list(self.groups.values()):
            with suppress(*LOST):
                before = group.ids
                fresh = await group.find(self.store)
                if len(fresh) or len(before) != len(group.ids):
                    self.send(group, group.about(self.mark))
                    self.send(group, await group.latest(self.store, self.mark))
