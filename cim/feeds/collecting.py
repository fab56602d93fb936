"""Messages of one feed gathered into batches, written, and acknowledged once they are.

A batch is at most a thousand messages, or what came within a few milliseconds. While the database
is away nothing is acknowledged and the same batch is tried again: whoever sends waits, and nothing
is dropped.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Final

from cim.feeds import measures
from cim.feeds.ingest import Item, Outcome, Ways, decode, ingest
from cim.feeds.reading import Decoded, Fault
from cim.store import feeding
from cim.store.queries.feeds import writing as queries

BATCH: Final = 1_000
"""Messages that are written together, and readings, but for those of one message."""

CROWD, CROWD_BYTES = 8 * BATCH, 64 << 20
"""Messages, and bytes of them, that wait of one feed before no more of it is read."""

WAIT: Final = 0.05
"""Seconds that a message waits for others."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds between two tries while the database is away, doubled each time."""

TELLING: Final = 10.0
"""Seconds between two times that fates are counted in the database."""

Acknowledge = Callable[[Sequence[Item], Outcome], None]
Open = Callable[[], Awaitable[Any]]

log = logging.getLogger("cim.feeds")


class Collector:
    """One feed's way in: `put` what comes, `run` beside it."""

    def __init__(
        self, open_one: Open, ways: Ways, acknowledge: Acknowledge, *, wait: float = WAIT
    ) -> None:
        """`acknowledge` is told of each batch once it is in the store."""
        self._open, self.ways, self._acknowledge, self._wait = open_one, ways, acknowledge, wait
        self._items: list[Item] = []
        self._bytes = 0
        self._some, self._many = asyncio.Event(), asyncio.Event()
        self._ending = False
        self._connection: Any = None
        self._tallies: dict[tuple[int, str], int] = {}
        self._told = time.monotonic()
        self.away = False
        """The database does not answer."""

        self.messages = 0

    def __len__(self) -> int:
        """Messages that wait, those under way left out."""
        return len(self._items)

    @property
    def crowded(self) -> bool:
        """Whether so much waits that no more should be read."""
        return len(self._items) > CROWD or self._bytes > CROWD_BYTES

    @property
    def roomy(self) -> bool:
        """Whether more may be read again."""
        return len(self._items) < CROWD // 2 and self._bytes < CROWD_BYTES // 2

    def put(self, item: Item) -> None:
        """Take a message; it is acknowledged when its batch is."""
        self._items.append(item)
        self._bytes += len(item.payload)
        if len(self._items) == 1:
            self._some.set()
        if len(self._items) >= BATCH:
            self._many.set()

    def forget(self) -> None:
        """Drop what waits: whoever sent it has gone and will send it again."""
        self._items.clear()
        self._bytes = 0
        self._some.clear()
        self._many.clear()

    def end(self) -> None:
        """Write what waits, then end."""
        self._ending = True
        self._some.set()
        self._many.set()

    async def run(self) -> None:
        """Write batches until told to end."""
        try:
            while not (self._ending and not self._items):
                await self._gather()
                batch = self._items[:BATCH]
                if not batch:
                    await self._tell()
                    continue
                self._items = self._items[BATCH:]
                self._bytes -= sum(len(item.payload) for item in batch)
                await decode(batch, self.ways)
                for some in parted(batch):
                    await self._through(some)
                    await self._tell()
            await self._tell()
        finally:
            await self._leave()

    async def _gather(self) -> None:
        """Wait for a batch: for the first message, then for more of them."""
        if not self._items:
            self._some.clear()
            self._many.clear()
            if not self._ending:
                # What was counted is told within TELLING, though no message comes any more.
                patience = TELLING if self._tallies else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(patience):
                        await self._some.wait()
        if len(self._items) < BATCH and not self._ending:
            self._many.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._wait):
                    await self._many.wait()

    async def _through(self, batch: Sequence[Item]) -> None:
        """Write a batch, however often it takes, and acknowledge it."""
        pause = FIRST_PAUSE
        while True:
            try:
                outcome = await self._once(batch)
            except feeding.DRIVER as error:
                if feeding.is_of_the_moment(error):
                    continue
                if feeding.is_of_a_row(error):  # of a letter, then: nothing else is left
                    await self._by_itself(batch, error)
                    return
                pause = await self._pause(error, pause)
                continue
            except Exception as error:
                log.exception(
                    "a batch of %d messages cannot be taken in · 一批消息处理出错", len(batch)
                )
                await self._by_itself(batch, error)
                return
            if self.away:
                log.warning("the database is back · 数据库已恢复")
            self.away = False
            self._count(outcome)
            self.messages += len(batch)
            measures.batch(batch, outcome, now())
            self._acknowledge(batch, outcome)
            return

    async def _once(self, batch: Sequence[Item]) -> Outcome:
        if self._connection is None:
            self._connection = await self._open()
        if self.ways.throttle is not None:
            self.ways.throttle.tick()
        return await ingest(self._connection, batch, self.ways, now())

    async def _by_itself(self, batch: Sequence[Item], error: BaseException) -> None:
        """Each half by itself; a message that fails alone is set aside whole."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._through(batch[:middle])
            await self._through(batch[middle:])
            return
        item = batch[0]
        said = Fault("refused", feeding.kind_of(error))
        if item.decoded is not None and item.decoded.faults == [said]:
            # Not even its letter can be written: without what it held, then, or later.
            log.error(
                "a message of feed %s cannot be set aside: %s · 一条消息无法存入死信",
                item.feed.name,
                said.detail,
            )
            if not item.payload:
                await self._pause(error, LONGEST_PAUSE)
            item.payload = b""
        item.decoded = Decoded(faults=[said])
        await self._through([item])

    async def _pause(self, error: BaseException, pause: float) -> float:
        """Wait for the database; say once that it is away."""
        if not self.away:
            log.warning(
                "the database is away, messages wait: %s · 数据库不可用，消息等待写入",
                feeding.kind_of(error),
            )
        self.away = True
        measures.AWAY.inc()
        await self._leave()
        await asyncio.sleep(pause)
        return min(2 * pause, LONGEST_PAUSE)

    async def _leave(self) -> None:
        if self._connection is not None:
            await feeding.close(self._connection)
        self._connection = None

    def _count(self, outcome: Outcome) -> None:
        for key, number in outcome.fates.items():
            self._tallies[key] = self._tallies.get(key, 0) + number

    async def _tell(self) -> None:
        """Count fates in the database, now and then; what fails is told the next time."""
        if not self._tallies or self._connection is None:
            return
        if time.monotonic() - self._told < TELLING and not self._ending:
            return
        told = list(self._tallies.items())
        columns = (
            [feed for (feed, _), _ in told],
            [fate for (_, fate), _ in told],
            [number for _, number in told],
        )
        self._told = time.monotonic()
        with contextlib.suppress(*feeding.DRIVER):
            await self._connection.execute(queries.TALLY, *columns)
            self._tallies.clear()


def parted(batch: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Decoded messages in parts of so many readings as are written together, each message whole."""
    begin, held = 0, 0
    for place, item in enumerate(batch):
        many = len(item.decoded.readings) if item.decoded is not None else 1
        if place > begin and held + many > BATCH:
            yield batch[begin:place]
            begin, held = place, 0
        held += many
    yield batch[begin:]


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000
