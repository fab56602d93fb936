"""What is pushed over HTTP on its way in: feeds, keys, and batches that many requests share.

Nothing is opened before something is pushed. A request is answered when its messages are in the
store; while the database is away it is told to come again, and what it sent is written all the
same once it is back: sent twice, it is stored once.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from cim.errors import NotFound, StoreBusy
from cim.feeds.alarms.judge import judge
from cim.feeds.book import Book
from cim.feeds.collecting import Collector, now
from cim.feeds.ingest import Item, Outcome, Ways
from cim.feeds.keys import Found, find
from cim.feeds.reading import Fault, Message
from cim.feeds.sources import Feed, read
from cim.feeds.throttle import Throttle
from cim.security import secrets
from cim.settings import Settings
from cim.store import feeding
from cim.store.queries.feeds import resolving
from cim.store.queries.feeds.pushing import DEVICE

Done = TypeVar("Done")

CROWD: Final = 4_000
"""Messages of one feed that wait, within what the collector has room for; whoever sends more is
told to come again."""

PATIENCE: Final = 10.0
"""Seconds that a request waits for the store."""

GATHERED: Final = 0.01
"""Seconds that a message waits for others to be written with."""

LOOK: Final = 60.0
"""Seconds after which feeds and keys are read again, where nothing tells of them."""

KEYS: Final = 20_000
"""Keys that are remembered."""

BUSY: Final = StoreBusy(
    "Readings cannot be taken in at the moment; send them again in a few seconds.",
    "暂时无法接收读数，请数秒后重新发送。",
)


class _Way(msgspec.Struct):
    """One feed's batches, and the task that writes them."""

    collector: Collector
    task: asyncio.Task[None]


class Pushing:
    """Takes in what is pushed."""

    def __init__(self, settings: Settings) -> None:
        """Open nothing yet."""
        self.settings = settings
        self._opener: Callable[..., Awaitable[Any]] | None = None
        self.book = Book()
        self._ways: dict[int, _Way] = {}
        self._feeds: dict[str, Feed] = {}
        self._keys: dict[bytes, Found | None] = {}
        self._looked = 0.0
        self._looking, self._asking = asyncio.Lock(), asyncio.Lock()
        self._connection: Any = None

    async def open(self) -> Any:
        """A connection of the ingester's. Raises what the driver does, and StoreError."""
        if self._opener is None:
            # The database is looked at first, by a driver that waits.
            self._opener = await asyncio.to_thread(feeding.opener, self.settings)
        return await self._opener()

    async def stop(self) -> None:
        """Write what waits, and close what was opened."""
        for way in self._ways.values():
            way.collector.end()
            with contextlib.suppress(TimeoutError, asyncio.CancelledError):
                async with asyncio.timeout(PATIENCE):
                    await way.task
            if way.collector.ways.codecs is not None:
                await way.collector.ways.codecs.close()
        if self._connection is not None:
            await feeding.close(self._connection)

    async def feed(self, name: str) -> Feed:
        """The feed of that name; NotFound where there is none that takes pushes. StoreBusy."""
        await self._look()
        found = self._feeds.get(name)
        if found is None or not found.enabled or found.transport != "http":
            raise NotFound("No feed of that name takes pushes.", "没有该名称的推送接入源。")
        return found

    async def holder(self, key: str) -> Found | None:
        """Whose key it is; None where it is no device's, or has ended. StoreBusy."""
        await self._look()
        digest = secrets.digest(key)
        if digest not in self._keys:
            found = await self._ask(lambda connection: find(connection, key))
            if len(self._keys) >= KEYS:
                self._keys.clear()
            self._keys[digest] = found
            return found
        return self._keys[digest]

    async def device(self, id: int) -> tuple[str, Feed]:
        """A device's key in its source, and a feed of that source that reads our own JSON.

        Raises NotFound, StoreBusy.
        """
        await self._look()
        row = await self._ask(lambda connection: connection.fetchrow(DEVICE, id))
        feeds = [
            feed
            for feed in self._feeds.values()
            if row is not None and feed.source_id == row[1] and feed.enabled
        ]
        own = [feed for feed in feeds if feed.decoder == "cim"]
        if row is None or row[0] is None or not own:
            raise NotFound(
                "There is no such device, or no feed of its source takes our own JSON.",
                "没有该设备，或其来源没有接收本系统 JSON 的接入源。",
            )
        return row[0], own[0]

    async def take(
        self, feed: Feed, payload: bytes, message: Message, sender: str | None
    ) -> tuple[int, list[Fault]]:
        """Readings taken, and what could not be, once all is in the store. Raises StoreBusy."""
        collector = self._collector(feed)
        if collector.away or collector.crowded or len(collector) >= CROWD:
            raise BUSY
        told: asyncio.Future[list[Fault]] = asyncio.get_running_loop().create_future()
        item = Item(feed, payload, message, sender, token=told)
        collector.put(item)
        try:
            async with asyncio.timeout(PATIENCE):
                faults = await asyncio.shield(told)
        except TimeoutError:
            raise BUSY from None
        assert item.decoded is not None
        lost = len(faults) - len(item.decoded.faults)
        return len(item.decoded.readings) - lost, faults

    def _collector(self, feed: Feed) -> Collector:
        way = self._ways.get(feed.id)
        if way is None or way.task.done():
            rate = self.settings.feed_rate
            ways = Ways(book=self.book, throttle=Throttle(rate), judge=judge)
            collector = Collector(self.open, ways, _acknowledge, wait=GATHERED)
            way = self._ways[feed.id] = _Way(collector, asyncio.create_task(collector.run()))
        return way.collector

    async def _look(self) -> None:
        """Know the feeds, and hear when they change. Raises StoreBusy."""
        if self._feeds and time.monotonic() - self._looked < LOOK and self._hears():
            return
        async with self._looking:
            if self._feeds and time.monotonic() - self._looked < LOOK and self._hears():
                return
            self._keys.clear()
            rows = await self._ask(lambda connection: connection.fetch(resolving.FEEDS))
            self._feeds = read(rows)
            self._looked = time.monotonic()

    def _hears(self) -> bool:
        return self._connection is not None and not self._connection.is_closed()

    def _told(self, *_: Any) -> None:
        """What was found may not hold any more."""
        self.book.forget()
        self._keys.clear()
        self._looked = -LOOK

    async def _ask(self, question: Callable[[Any], Awaitable[Done]]) -> Done:
        """Ask on a connection that listens too; it is made anew where it was lost."""
        try:
            # One question at a time: a connection answers one after the other.
            async with self._asking:
                if not self._hears():
                    self._connection = await self.open()
                    await self._connection.add_listener(resolving.LISTEN, self._told)
                    self.book.forget()
                return await question(self._connection)
        except feeding.DRIVER:
            if self._connection is not None:
                await feeding.close(self._connection)
            self._connection = None
            raise BUSY from None


def message_of(feed: Feed, path: str, content_type: str, headers: dict[str, str]) -> Message:
    """What came with a push, as decoders read it."""
    media_type = content_type.partition(";")[0].strip().lower()
    return Message(path, media_type, now(), feed.options, headers)


def _acknowledge(items: Sequence[Item], outcome: Outcome) -> None:
    for number, item in enumerate(items):
        if not item.token.done():
            item.token.set_result(outcome.faults.get(number, []))
