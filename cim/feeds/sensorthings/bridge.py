"""SensorThings over MQTT: Observations made by publishing, changes told to who has subscribed.

One ingester of all has it, by an advisory lock. What was published is acknowledged once it is in
the store; what cannot be is a dead letter. What changed is heard from the database after the commit
and published as the address of the topic would answer it; nothing is asked where nobody listens.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any, Final

import gmqtt
import orjson
from gmqtt.mqtt.constants import MQTTCommands

from cim.codes import persons
from cim.errors import BadParameter, CimError, StoreError
from cim.feeds.mqtt import KEEPALIVE, Place
from cim.feeds.reasons import REASONS
from cim.feeds.sensorthings import readings, topics
from cim.feeds.sensorthings.making import INVERSE, Maker
from cim.feeds.sensorthings.topics import Book, Topic
from cim.feeds.throttle import Throttle
from cim.settings import Settings
from cim.store import engine, feeding
from cim.store.direct import KEEP
from cim.store.queries.feeds import writing as feed_queries
from cim.store.queries.sensorthings import pages
from cim.store.queries.sensorthings import writing as queries
from cim.store.queries.sensorthings.asked import Step
from cim.store.queries.sensorthings.pages import Target
from cim.store.queries.sensorthings.shape import Asking

ROLE: Final = "cim_sensing"
LOCK: Final = 1667853713
"""The advisory lock of who has the bridge."""

READINGS, CHANGES = "cim_readings", "cim_sensorthings"
"""Channels of the database: latest readings; others, and entities, as `kind id`."""

PAUSE: Final = 5.0
"""Seconds between two tries."""

WAITING: Final = 20_000
"""Changes that wait to be told; of more, none is taken until there is room."""

UNHEARD: Final = 16
"""What MQTT 5 says of a message that nobody has subscribed to."""

FLIGHT: Final = 500
"""Messages under way to the broker."""

LATER: Final = ("08", "25", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE of what passes: connections, failed transactions, resources, operators."""

KEPT: Final = 65_536
"""Bytes of a payload that are kept as a dead letter."""

log = logging.getLogger("cim.feeds")


class _Client(gmqtt.Client):  # type: ignore[misc]  # the library comes without types
    """The library's client, which tells what nobody listens to, and does not connect again."""

    def __init__(self, name: str, unheard: Callable[[str], None]) -> None:
        super().__init__(name, optimistic_acknowledgement=False, receive_maximum=100)
        self.lost = asyncio.Event()
        self.flying: dict[int, str] = {}
        self._unheard = unheard
        self._package_handler._handler_cache[int(MQTTCommands.PUBACK)] = self._acknowledged

    async def reconnect(self, delay: bool = False) -> None:
        """Say that the connection is gone."""
        self.lost.set()

    def tell(self, topic: str, payload: bytes) -> None:
        """Publish, and hear whether anybody has it."""
        number, package = self._connection.publish(gmqtt.Message(topic, payload, qos=1))
        self._persistent_storage.push_message(number, package)
        self.flying[number] = topic

    def _acknowledged(self, command: int, packet: bytes) -> None:
        self._package_handler._handle_puback_packet(command, packet)
        topic = self.flying.pop(packet[0] << 8 | packet[1], None)
        if topic is not None and len(packet) > 2 and packet[2] == UNHEARD:
            self._unheard(topic)


class Bridge:
    """What is between the broker and the entities of SensorThings."""

    def __init__(
        self, settings: Settings, where: Callable[[], Place | None], stopping: asyncio.Event
    ) -> None:
        """`where` says where the broker is, if one is up."""
        self._where, self._stopping = where, stopping
        root = f"{settings.opened_at.rstrip('/')}/sta/v1.1"
        self._asking = Asking(root, living=None, sight=((32767, None),))
        self._open = engine.opener(settings, ROLE, feeding.TIMEOUT, KEEP)
        folder = settings.data_dir / "feeds"
        folder.mkdir(parents=True, exist_ok=True)
        self.book = Book(folder / "sensorthings.topics")
        self._waiting: asyncio.Queue[tuple[str, str]] = asyncio.Queue(WAITING)
        self._connections: dict[str, Any] = {}
        self._writing = asyncio.Lock()
        self._client: _Client | None = None
        self._last: dict[str, bytes] = {}
        self._throttle = Throttle()

    @property
    def connected(self) -> bool:
        """Whether the broker is heard."""
        return self._client is not None and not self._client.lost.is_set()

    async def run(self) -> None:
        """Until told to stop; what goes away is waited for."""
        while not self._stopping.is_set():
            try:
                await self._hold()
            except (*feeding.DRIVER, CimError, TimeoutError, gmqtt.mqtt.handler.MQTTError) as error:
                log.warning(
                    "SensorThings over MQTT waits: %s · SensorThings MQTT 等待中",
                    feeding.kind_of(error),
                )
            finally:
                await self._leave()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self._stopping.wait()

    async def _hold(self) -> None:
        """Be the one that does it, as long as both sides are there."""
        where = self._where()
        if where is None:
            return
        ear = await self._connection("ear")
        if not await ear.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
            return
        for channel in (READINGS, CHANGES):
            await ear.add_listener(channel, self._heard)
        client = await self._connect(where)
        teller = asyncio.ensure_future(self._tell_all())
        try:
            while not self._stopping.is_set() and not client.lost.is_set() and not teller.done():
                await ear.fetchval("SELECT 1", timeout=10)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await client.lost.wait()
            if teller.done():
                teller.result()
        finally:
            teller.cancel()
            await asyncio.gather(teller, return_exceptions=True)

    async def _connection(self, name: str) -> Any:
        if name not in self._connections:
            self._connections[name] = await self._open()
        return self._connections[name]

    async def _leave(self) -> None:
        """Let go of both sides, also when told to end in the middle of it."""
        try:
            if self._client is not None:
                with contextlib.suppress(OSError, TimeoutError, AttributeError):
                    async with asyncio.timeout(2):
                        await self._client.disconnect()
        finally:
            self._client = None
            open_ones, self._connections = [*self._connections.values()], {}
            await asyncio.gather(*map(feeding.close, open_ones))

    async def _connect(self, where: Place) -> _Client:
        client = self._client = _Client("cim-sensorthings", self.book.drop)
        if where.user:
            client.set_auth_credentials(where.user, where.password)
        client.on_message = self._published
        made = client.connect(where.host, where.port, ssl=where.tls, keepalive=KEEPALIVE)
        async with asyncio.timeout(10):
            await made
        own = [gmqtt.Subscription(each, qos=1, no_local=True) for each in topics.CREATED]
        news = [gmqtt.Subscription(each) for each in (topics.SUBSCRIBED, topics.UNSUBSCRIBED)]
        client.subscribe([*own, *news])
        return client

    # ── what is published to be made ────────────────────────────────────────────────────────────

    async def _published(self, _client: Any, topic: str, payload: bytes, *_: Any) -> int:
        """A message: news of subscriptions, or an Observation; acknowledged when this returns."""
        if topic == topics.SUBSCRIBED:
            self.book.add(topics.subscription(payload))
        elif topic == topics.UNSUBSCRIBED:
            self.book.drop(topics.subscription(payload))
        else:
            await self._make(topic, payload)
        return 0

    async def _make(self, topic: str, payload: bytes) -> None:
        """Store an Observation; while the database is away, wait for it."""
        while not self._stopping.is_set():
            try:
                async with self._writing:
                    await self._made(await self._connection("write"), topic, payload)
                return
            except (*feeding.DRIVER, TimeoutError) as error:
                if not _passes(error):
                    async with self._writing:
                        await self._refused(topic, payload, feeding.kind_of(error))
                    return
                log.warning(
                    "an Observation waits: %s · 一条 Observation 等待写入",
                    feeding.kind_of(error),
                )
                broken = self._connections.pop("write", None)
                if broken is not None:
                    await feeding.close(broken)
                await asyncio.sleep(1)

    async def _made(self, connection: Any, topic: str, payload: bytes) -> None:
        try:
            async with connection.transaction():
                who = ("SensorThings over MQTT", "", "devices", "", "")
                await connection.execute(queries.STAND, *who)
                maker = Maker(connection, self._asking, readings.observe)
                await maker.create("Observation", _body(topic, payload))
                await maker.tell()
        except StoreError:
            raise
        except CimError as error:
            await self._refused(topic, payload, str(error))

    async def _refused(self, topic: str, payload: bytes, why: str) -> None:
        """A dead letter; without the payload where that may not be kept."""
        said = (code for code in persons.REFUSED if REASONS[code][0] in why)
        secret = next(said, None) or persons.within(payload)
        reason = secret or "malformed"
        repeats = self._throttle.letter(0, reason)
        if repeats is None:
            return
        payload = payload[:KEPT]
        kept = None if secret or not self._throttle.keeps(0, len(payload)) else payload
        now, words = time.time_ns() // 1000, why.replace("\0", "")[:1000]
        connection = await self._connection("write")
        columns = ([now], [None], [topic[:1000]], [None], [kept], [reason], [words])
        await connection.execute(feed_queries.LETTERS, *columns, [repeats], [None])

    # ── what is told ────────────────────────────────────────────────────────────────────────────

    def _heard(self, _connection: Any, _pid: int, channel: str, payload: str) -> None:
        if channel == READINGS and not self.book.hears_readings:
            return
        for line in payload.splitlines():
            if channel == READINGS:
                stream, at, _ = line.split(",", 2)
                kind, what = "ms", f"{stream}_{at}"
                if not self.book.wants(int(stream)):
                    continue
            else:
                kind, _, what = line.partition(" ")
            try:
                self._waiting.put_nowait((kind, what))
            except asyncio.QueueFull:
                log.warning(
                    "SensorThings over MQTT is behind: changes are left out · "
                    "SensorThings MQTT 落后，部分变更未通知"
                )
                return

    async def _tell_all(self) -> None:
        while True:
            kind, what = await self._waiting.get()
            connection = await self._connection("read")
            if kind in ("ms", "Observation"):
                await self._tell_reading(connection, kind, what)
            else:
                for topic in self.book.about(kind):
                    await self._tell(connection, topic, int(what))

    async def _tell_reading(self, connection: Any, kind: str, what: str) -> None:
        stream, _, at = what.partition("_")
        if not self.book.wants(int(stream)):
            return
        ids = [what]
        if kind == "ms":
            rows = await connection.fetch(queries.WITHIN, int(stream), int(at))
            ids = [f"{stream}_{row['us']}" for row in rows]
        for id in ids:
            for topic in self.book.about_readings(int(stream)):
                await self._tell(connection, topic, id)

    async def _tell(self, connection: Any, topic: Topic, id: Any) -> None:
        """Publish an entity where it is what a topic asks for."""
        entity, link, step = topic.where.steps[-1]
        if step.id is not None and str(step.id) != str(id):
            return
        steps = (*topic.where.steps[:-1], (entity, link, Step(step.name, id)))
        try:
            page = pages.page(self._asking, Target(steps, True), topic.options, 1)
        except CimError:
            return
        rows = await connection.fetch(page.asked.sql, *page.asked.values)
        if rows:
            await self._publish(topic, rows[0]["j"].encode())

    async def _publish(self, topic: Topic, payload: bytes) -> None:
        if topic.part is not None:
            if self._last.get(topic.text) == payload:
                return
            if len(self._last) > topics.MOST:
                self._last.clear()
            self._last[topic.text] = payload
        client = self._client
        while client is not None and len(client.flying) > FLIGHT and not client.lost.is_set():
            await asyncio.sleep(0.01)
        if client is not None and not client.lost.is_set():
            client.tell(topic.text, payload)


def _passes(error: BaseException) -> bool:
    """Whether the same may work later: the database is away, full, or busy."""
    state = getattr(error, "sqlstate", None)
    if state is None:
        return not feeding.is_of_a_row(error)
    return str(state)[:2] in LATER


def _body(topic: str, payload: bytes) -> Any:
    """The Observation with the link that its topic says; BadParameter where it is none."""
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise BadParameter("The message is no JSON.", "消息不是有效的 JSON。") from None
    found = topics.topic(topic)
    if found is None or found.entity != "Observation" or not isinstance(body, dict):
        raise BadParameter("No Observation is made at this topic.", "该主题不能创建 Observation。")
    if len(found.where.steps) == 1:
        return body
    (parent, _, step), (_, link, _) = found.where.steps
    back = INVERSE.get((parent.name, link.name if link else ""))
    return body if back is None else body | {back: {"@iot.id": step.id}}
