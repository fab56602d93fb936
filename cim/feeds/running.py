"""`cim feed run`: every feed of brokers, beside what happens by the clock, until told to stop."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from cim.errors import CimError
from cim.feeds import broker, heirs, holding, measures, mqtt
from cim.feeds.alarms import clock
from cim.feeds.alarms.judge import judge
from cim.feeds.book import Book
from cim.feeds.collecting import Collector
from cim.feeds.history.rolling import roll
from cim.feeds.ingest import Item, Outcome, Ways
from cim.feeds.sensorthings.bridge import Bridge
from cim.feeds.sources import Feed, read
from cim.feeds.throttle import Throttle
from cim.settings import Settings
from cim.store import feeding
from cim.store.patience import patiently
from cim.store.queries.feeds import keys as key_queries
from cim.store.queries.feeds import resolving as queries

ROUND: Final = 10.0
"""Seconds between two summings up."""

LOOK: Final = 60.0
"""Seconds between two looks at feeds and keys, where nothing tells of them."""

SETTLE: Final = 0.2
"""Seconds in which several changes are taken as one."""

LAST: Final = 10.0
"""Seconds that batches under way have to be written when told to stop."""

HELD: Final = 1667853712
"""The advisory lock, with a feed's id, of who alone takes in a feed that cannot be shared."""

Say = Callable[[str, str], None]

log = logging.getLogger("cim.feeds")


class Taking:
    """One feed being taken in."""

    def __init__(self, runner: "Runner", feed: Feed, where: mqtt.Place, number: int) -> None:
        """Its connection to the broker, in the session of that number, and its batches."""
        self.feed = feed
        ways = Ways(book=runner.book, throttle=Throttle(runner.settings.feed_rate), judge=judge)
        self.ways = ways
        self.collector = Collector(runner.open, ways, self._acknowledge)
        name = heirs.name(runner.host if number else runner.city, number, feed.name)
        self.subscriber = mqtt.Subscriber(feed, where, name, runner.kept(feed, number), self._take)
        self._watched, self._gone = runner.watched, runner.look
        self.stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._paused = False

    def start(self) -> None:
        """Begin."""
        run = self.subscriber.run(self.stopping, self._forget)
        self._tasks = [self._watched(self.collector.run()), self._watched(run)]

    def _take(self, item: Item) -> None:
        self.collector.put(item)
        if not self._paused and self.collector.crowded:
            self._paused = True
            self.subscriber.pause(True)

    def _forget(self) -> None:
        """The connection is gone, and with it what waits; the next one is read from."""
        self.collector.forget()
        self._paused = False
        self._gone()

    def _acknowledge(self, items: Sequence[Item], outcome: Outcome) -> None:
        mqtt.acknowledge(items, outcome)
        for item in items:
            if item.decoded is not None and item.decoded.replies:
                for reply in item.decoded.replies:
                    self.subscriber.say(reply.topic, reply.payload)
        if self._paused and self.collector.roomy:
            self._paused = False
            self.subscriber.pause(False)

    async def end(self) -> None:
        """Write what came, acknowledge it, leave."""
        self.subscriber.closed = True
        self.collector.end()
        await asyncio.wait(self._tasks[:1], timeout=LAST)
        self.stopping.set()
        await asyncio.sleep(0)  # acknowledgements are on their way
        await self.subscriber.leave()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.ways.codecs is not None:
            await self.ways.codecs.close()


class Runner:
    """Takes in every feed until told to stop."""

    def __init__(self, settings: Settings, say: Say) -> None:
        """`say` takes a sentence in English and one in Chinese."""
        self.settings, self._say = settings, say
        self.book = Book()
        self.stopping = asyncio.Event()
        self.taking: dict[int, Taking] = {}
        self.open = patiently(lambda: feeding.opener(settings))
        self._changed = asyncio.Event()
        self._changed.set()
        self._own = not settings.mqtt_url
        self._started = False
        self._held: dict[int, Any] = {}
        self._failed: BaseException | None = None
        self.sensorthings = patiently(lambda: Bridge(settings, self._where, self.stopping))
        self._slots = settings.data_dir / "feeds"
        self.slot, self._lock = heirs.slot(self._slots)
        self.host, self.city = heirs.host(self._slots), ""
        self._users: list[tuple[str, str]] = []
        most = broker.most() if self._own else None
        name = heirs.name(self.host, self.slot, "watch")
        self.watch = holding.Watch(name, self._where, most, self._gate)

    def look(self) -> None:
        """Look at feeds and keys soon."""
        self._changed.set()

    def stop(self) -> None:
        """Finish what is under way, then end."""
        self.stopping.set()
        self._changed.set()

    async def run(self) -> None:
        """Until told to stop; a database that goes away is waited for."""
        parts: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
            self._listen,
            self._roll,
            lambda: clock.run(self.open, self.stopping),
            lambda: heirs.watch(self._slots, self.slot, self._subscribers),
            lambda: heirs.tend(self._revive),
            self.watch.run,
            self.sensorthings.run,
        )
        clocks = [asyncio.ensure_future(self._again(part)) for part in parts]
        try:
            while not self.stopping.is_set():
                with contextlib.suppress(TimeoutError):  # keys run out without a word
                    async with asyncio.timeout(LOOK):
                        await self._changed.wait()
                await asyncio.sleep(0 if self.stopping.is_set() else SETTLE)
                self._changed.clear()
                if not self.stopping.is_set():
                    await self._look()
        finally:
            self.stopping.set()
            await asyncio.gather(*(one.end() for one in self.taking.values()))
            for task in clocks:
                task.cancel()
            await asyncio.gather(*clocks, return_exceptions=True)
            for connection in self._held.values():
                await feeding.close(connection)
            self._lock.close()
            if self._started:
                await asyncio.to_thread(broker.end, self.settings)
            elif self._own and heirs.nobody(self._slots):
                # Nobody would see what it holds for devices, which are let in at the next start.
                await asyncio.to_thread(broker.let_in, self.settings, [])
        if self._failed is not None:
            raise self._failed

    async def _again(self, part: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """What goes by the clock, begun again where it fails: readings come in meanwhile."""
        while not self.stopping.is_set():
            try:
                await part()
                return
            except Exception:
                log.exception(
                    "a part of the ingester failed: it begins again · 部分功能出错，正在重新开始"
                )
                await asyncio.sleep(1)

    def watched(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A feed's way in: where it fails all ends, and whoever started us starts us anew.

        What was not acknowledged comes again then; half of us would look as if all were well.
        """
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and self._failed is None:
            log.error("a part of the ingester failed: it ends · 接入进程出错退出", exc_info=error)
            self._failed = error
            self.stop()

    async def _look(self) -> None:
        """Take in the feeds that there are now, and no others; let in whose key is good."""
        try:
            connection = await self.open()
            try:
                feeds = read(await connection.fetch(queries.FEEDS))
                self.city = await connection.fetchval(queries.CITY)
                where = await self._broker(feeds.values())
                if self._own and where is not None:
                    users = await connection.fetch(key_queries.USERS)
                    self._users = [(row["username"], row["broker_hash"]) for row in users]
            finally:
                await feeding.close(connection)
        except (*feeding.DRIVER, CimError) as error:
            log.warning("feeds cannot be taken in: %s · 暂时无法接入：%s", *_said(error))
            self._later(2.0)
            return
        wanted = {one.id: one for one in feeds.values() if _subscribed(one)}
        lost = {id for id, lock in self._held.items() if not await feeding.answers(lock)}
        for id in [
            id for id, one in self.taking.items() if wanted.get(id) != one.feed or id in lost
        ]:
            one = self.taking.pop(id)
            await one.end()
            measures.connected(one.feed.name, None)
        for id in [id for id in self._held if id in lost or not _alone(wanted.get(id))]:
            await feeding.close(self._held.pop(id))
        for id, feed in wanted.items():
            if (
                where is not None
                and id not in self.taking
                and (feed.shared or await self._hold(feed))
            ):
                self.taking[id] = Taking(self, feed, where, self._number(feed))
                self.taking[id].start()
                measures.connected(feed.name, self.taking[id].subscriber)
                topic = self.taking[id].subscriber.topic
                self._say(f"feed {feed.name}: {topic}", f"接入源 {feed.name}：{topic}")
        for feed in feeds.values():
            for number in (self.slot, heirs.ALONE):
                over = not _subscribed(feed) or number != self._number(feed)
                if over and self.kept(feed, number).exists():
                    await self._empty(feed, number, where or self._where())
        await self._let_in()

    async def _let_in(self) -> None:
        """Let devices in once somebody takes in what they say, and those no more whose key ended.

        A broker that was started anew knows nobody who shares a topic before they are connected.
        """
        if not self._own or not self.taking:
            return
        if all(one.connected for one in self._subscribers()):
            await self._gate(self.watch.shut)
        else:
            self._later(SETTLE)

    def _number(self, feed: Feed) -> int:
        """The number of the session at the broker in which a feed is taken in."""
        return self.slot if feed.shared else heirs.ALONE

    def kept(self, feed: Feed, number: int) -> Path:
        """The file that says what of a feed is subscribed to in a session at the broker."""
        return self._slots / f"{number}-{feed.name}.topic"

    async def _empty(self, feed: Feed, number: int, where: mqtt.Place | None) -> None:
        """Have the broker keep nothing more in a session that is over, once what it kept is in."""
        if where is None or (number == heirs.ALONE and not await self._hold(feed)):
            return
        last = Taking(self, structs.replace(feed, enabled=False), where, number)
        last.start()
        await last.subscriber.empty(heirs.QUIET, LAST)
        await last.end()
        if number == heirs.ALONE:
            await feeding.close(self._held.pop(feed.id))

    async def _broker(self, feeds: Iterable[Feed]) -> mqtt.Place | None:
        """Where the broker is; our own is started once there is a feed for it."""
        if not any(map(_subscribed, feeds)):
            return None
        if not self._own:
            return mqtt.place(self.settings.mqtt_url)
        found, started = await asyncio.to_thread(broker.ensure, self.settings)
        self._started = self._started or started
        return mqtt.place(found.url)

    async def _gate(self, shut: bool) -> None:
        """Let in whose key is good, or nobody while the broker holds too much."""
        users = [] if shut else self._users
        await asyncio.to_thread(broker.let_in, self.settings, users, shut=shut)

    def _where(self) -> mqtt.Place | None:
        """Where the broker is, if one is up."""
        found = broker.running(self.settings) if self._own else None
        url = found.url if found else self.settings.mqtt_url
        return mqtt.place(url) if url else None

    def _revive(self) -> None:
        """Have our own broker up again where it died under us."""
        if self._own and self.taking and broker.running(self.settings) is None:
            log.warning(
                "our own broker is gone: it is started again · 自带消息代理已退出，正在重启"
            )
            self._started = broker.ensure(self.settings)[1] or self._started

    def _subscribers(self) -> list[mqtt.Subscriber]:
        return [one.subscriber for one in self.taking.values()]

    async def _hold(self, feed: Feed) -> bool:
        """Be the one that takes in a feed whose messages need the ones before."""
        if feed.id in self._held:
            return True
        with contextlib.suppress(*feeding.DRIVER):
            connection = await self.open()
            try:
                if await connection.fetchval(queries.HOLD, HELD & 0xFFFF, feed.id):
                    self._held[feed.id] = connection
                    return True
            finally:
                if self._held.get(feed.id) is not connection:
                    await feeding.close(connection)
        self._later(5.0)
        return False

    def _later(self, seconds: float) -> None:
        """Look again after some seconds."""
        asyncio.get_running_loop().call_later(seconds, self._changed.set)

    async def _listen(self) -> None:
        """Forget what was looked up, and look at the feeds again, when the database says so."""
        while not self.stopping.is_set():
            with contextlib.suppress(*feeding.DRIVER, TimeoutError):
                connection = await self.open()
                try:
                    await connection.add_listener(queries.LISTEN, self._told)
                    self._told()
                    while not self.stopping.is_set():
                        await connection.fetchval("SELECT 1", timeout=10)
                        await asyncio.sleep(5)
                finally:
                    await feeding.close(connection)
            await asyncio.sleep(1)

    def _told(self, *_: Any) -> None:
        self.book.forget()
        self._changed.set()

    async def _roll(self) -> None:
        """Sum readings up, now and then; one of several who do so does it."""
        while not self.stopping.is_set():
            with contextlib.suppress(*feeding.DRIVER, TimeoutError):
                connection = await self.open()
                try:
                    while not self.stopping.is_set():
                        await roll(connection, datetime.now(UTC))
                        await asyncio.sleep(ROUND)
                finally:
                    await feeding.close(connection)
            await asyncio.sleep(1)


def _subscribed(feed: Feed) -> bool:
    return feed.enabled and feed.transport == "mqtt"


def _alone(feed: Feed | None) -> bool:
    return feed is not None and not feed.shared


def _said(error: BaseException) -> tuple[str, str]:
    """In English and in Chinese."""
    if isinstance(error, CimError):
        return str(error), error.zh
    return feeding.kind_of(error), feeding.kind_of(error)
