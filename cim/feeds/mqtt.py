"""Messages from a broker, acknowledged once they are in the store.

MQTT 5 with a shared subscription, so that several ingesters share the load, and a session that
outlives a connection; with a broker that knows MQTT 3.1.1 alone, a subscription of one's own.
The library reads packets and keeps the connection; what is published is taken here straight from
its bytes and acknowledged a batch at a time, as a message costs a third of the time so.
"""

import asyncio
import contextlib
import logging
import random
import struct
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import gmqtt
import msgspec
from gmqtt.mqtt.constants import MQTTCommands, MQTTv50, MQTTv311

from cim.errors import BadSetting
from cim.feeds import receipts
from cim.feeds.arrivals import Arrival
from cim.feeds.collecting import BATCH
from cim.feeds.ingest import Item, Outcome
from cim.feeds.reading import Message
from cim.feeds.sources import Feed

WINDOW: Final = 2 * BATCH
"""Messages that the broker sends ahead of their acknowledgement."""

SESSION: Final = 7 * 86_400
"""Seconds that the broker keeps messages for an ingester that is away."""

KEEPALIVE: Final = 30

SHARED: Final = "$share/cim/"
"""Before a topic of which several ingesters share the messages."""

LARGEST: Final = 4 << 20
"""Bytes of a packet that the broker may send."""

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between two tries to connect, doubled each time, and jittered."""

_V311_REFUSED: Final = 1
"""What a broker answers that knows no MQTT 5."""

_REFUSED: Final = 128
"""From here on, what it answers means no."""

_ACK: Final = struct.Struct("!BBH").pack
_PUBACK, _PUBREC, _PUBCOMP = 0x40, 0x50, 0x70

NOT_THERE: Final = "the broker of feed %s cannot be reached: %s · 无法连接该接入源的消息代理"
NOT_LET: Final = (
    "the broker does not let feed %s subscribe to %s: nothing of it comes in; see to the rights of "
    "its account · 消息代理不允许订阅 %s，无法接入，请检查账号权限"
)

log = logging.getLogger("cim.feeds")
_LIBRARY: Final = logging.getLogger("gmqtt")
_LIBRARY.addHandler(logging.NullHandler())  # what it says of connections is said here, once
_LIBRARY.propagate = False


class Place(msgspec.Struct, frozen=True):
    """Where a broker is, and who we are to it."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = None


def place(url: str) -> Place:
    """Where a URL leads: mqtt:// or mqtts://, with user and password in it.

    >>> place("mqtt://cim:secret@broker:1884").port, place("mqtts://broker").port
    (1884, 8883)
    """
    parts = urlsplit(url)
    if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
        raise BadSetting(
            "a broker is named as mqtt://user:password@host:port, or mqtts:// for TLS",
            "消息代理地址的格式为 mqtt://用户:密码@主机:端口，TLS 用 mqtts://",
        )
    tls = parts.scheme == "mqtts"
    name = unquote(parts.username) if parts.username else None
    word = unquote(parts.password) if parts.password else None
    return Place(parts.hostname, parts.port or (8883 if tls else 1883), tls, name, word)


class Token(msgspec.Struct, frozen=True, gc=False):
    """What acknowledges a message: on which connection it came, and its number there."""

    client: Any
    number: int
    qos: int
    receipt: receipts.Wanted | None = None


class _Client(gmqtt.Client):  # type: ignore[misc]  # the library comes without types
    """The library's client, which hands on what is published, and does not connect again itself."""

    def __init__(self, name: str, taken: Callable[..., None], **properties: Any) -> None:
        super().__init__(name, clean_session=False, optimistic_acknowledgement=False, **properties)
        self._taken, self.name = taken, name
        self.lost = asyncio.Event()
        self.began = 0
        """When its session began, µs since 1970; 0 where the broker knew it."""

        self.on_connect, self.on_subscribe = self._connected, self._answered
        self.refused = False
        """It may not subscribe to what it wants."""

        self.came = self.under_way = 0
        """Messages that came, and those of them that are not acknowledged yet."""

        # By its kind of packet the library looks up who handles it: see MqttPackageHandler.
        self._package_handler._handler_cache[int(MQTTCommands.PUBLISH)] = self._published

    def _connected(self, _: Any, session_present: int, *__: Any) -> None:
        self.began = 0 if session_present & 1 else time.time_ns() // 1000

    def _answered(self, _: Any, __: int, codes: Sequence[int], *___: Any) -> None:
        self.refused = self.refused or max(codes, default=0) >= _REFUSED
        if self.refused:
            self.leave()

    async def reconnect(self, delay: bool = False) -> None:
        """Say that the connection is gone: whoever made it makes another."""
        self.lost.set()

    @property
    def version(self) -> int:
        """The protocol that the broker agreed to."""
        return int(self._connection_state.protocol_version)

    def _published(self, command: int, packet: bytes) -> None:
        """A message: topic, number where it has one, properties, payload."""
        self.came += 1
        self.under_way += 1
        size = packet[0] << 8 | packet[1]
        at = 2 + size
        topic = packet[2:at].decode("utf-8", "replace")
        qos = command >> 1 & 3
        number = 0
        if qos:
            number = packet[at] << 8 | packet[at + 1]
            at += 2
        kind, asked = "", None
        if self.version == MQTTv50:
            length = packet[at]
            if length == 0:
                at += 1
            else:
                found, rest = self._package_handler._parse_properties(packet[at:])
                found = found or {}
                kind = found.get("content_type", [""])[0]
                if "response_topic" in found:
                    asked = (found["response_topic"][0], found.get("correlation_data", [b""])[0])
                at = len(packet) - len(rest or b"")
        arrival = Arrival(self.name, number, bool(command & 8), self.began) if qos else None
        self._taken(self, topic, packet[at:], qos, arrival, kind, asked)

    def acknowledge(self, tokens: Sequence[Token], told: Sequence[bytes] = ()) -> None:
        """Acknowledge messages of this connection, in the order in which they came.

        `told` are packets to be sent besides.
        """
        self.under_way -= len(tokens)
        connection = self._connection
        if connection is None or connection.is_closing() or self.lost.is_set():
            return
        said = [
            _ACK(_PUBACK if token.qos == 1 else _PUBREC, 2, token.number)
            for token in tokens
            if token.qos
        ]
        said += told
        if said:
            connection._last_data_out = time.monotonic()
            connection._transport.write(b"".join(said))

    def pause(self, paused: bool) -> None:
        """Read nothing for a while, or go on."""
        if self._connection is not None and not self._connection.is_closing():
            transport = self._connection._transport
            if paused:
                transport.pause_reading()
            else:
                transport.resume_reading()

    def leave(self) -> None:
        """Drop the connection as if it broke: the broker keeps what was not acknowledged."""
        if self._connection is not None:
            self._connection._transport.abort()


class Subscriber:
    """One feed's connection to its broker, made again whenever it breaks."""

    def __init__(
        self, feed: Feed, where: Place, name: str, kept: Path, taken: Callable[[Item], None]
    ) -> None:
        """`name` is the same at every start, so that the broker knows its session again, and the
        file `kept` says what was subscribed to in it. A feed that is off is subscribed to no more.
        """
        self.feed, self._where, self._name, self._hand = feed, where, name, taken
        self.kept = kept
        self._client: _Client | None = None
        self._version = MQTTv311 if feed.options.get("mqtt") == 3 else MQTTv50
        self.connected = False
        self.connects = 0
        self.closed = False
        """Nothing is taken any more; the broker keeps it."""

        self._emptied = False

    async def run(self, stopping: asyncio.Event, gone: Callable[[], None]) -> None:
        """Stay connected until told to stop; `gone` is told whenever a connection was lost."""
        pause = FIRST_PAUSE
        while not stopping.is_set():
            client = self._client = self._made(self._name)
            try:
                await self._connect(client)
                pause = FIRST_PAUSE
                await client.lost.wait()  # or until whoever stops it cancels it
                if client.refused:
                    log.error(NOT_LET, self.feed.name, self.topic, self.topic)
                    pause = LONGEST_PAUSE
            except (OSError, TimeoutError, gmqtt.mqtt.handler.MQTTError) as error:
                log.warning(NOT_THERE, self.feed.name, error or type(error).__name__)
            if not stopping.is_set():
                self.connected = False
                client.leave()
                gone()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause * random.uniform(0.5, 1.5)):
                        await stopping.wait()
                pause = min(2 * pause, LONGEST_PAUSE)

    def _made(self, name: str) -> _Client:
        properties: dict[str, Any] = {}
        if self._version == MQTTv50:
            properties = {"receive_maximum": WINDOW, "session_expiry_interval": SESSION,
                "maximum_packet_size": LARGEST}  # fmt: skip
        client = _Client(name, self._taken, **properties)
        if self._where.user:
            client.set_auth_credentials(self._where.user, self._where.password)
        return client

    async def _connect(self, client: _Client, subscribe: bool = True) -> None:
        where = self._where
        made = client.connect(
            where.host, where.port, ssl=where.tls, keepalive=KEEPALIVE, version=self._version
        )
        try:
            async with asyncio.timeout(10):
                await made
        except gmqtt.mqtt.handler.MQTTConnectError as error:
            if self._version == MQTTv50 and error._code in (_V311_REFUSED, 132):
                self._version = MQTTv311
            raise
        self._version = client.version
        if not subscribe:
            return
        if not client.began:  # it may have been subscribed to otherwise, and all would come twice
            plain = self.feed.topic or "#"
            client.unsubscribe(plain if self.topic != plain else f"{SHARED}{plain}")
        wanted = self.topic if self.feed.enabled else ""
        former = self.kept.read_text("utf-8") if self.kept.exists() else ""
        if former not in ("", wanted):
            client.unsubscribe(former)
        if wanted:
            again = int(self._version == MQTTv50)  # what is retained is not said again
            client.subscribe(gmqtt.Subscription(wanted, qos=1, retain_handling_options=again))
            self.kept.write_text(wanted, "utf-8")
        self.connected = True
        self.connects += 1

    @property
    def topic(self) -> str:
        """What is subscribed to: shared where the broker can, and order need not be kept."""
        topic = self.feed.topic or "#"
        if self._version != MQTTv50 or topic.startswith("$share/") or not self.feed.shared:
            return topic
        return f"{SHARED}{topic}"

    def _taken(
        self,
        client: _Client,
        topic: str,
        payload: bytes,
        qos: int,
        arrival: Arrival | None,
        kind: str,
        asked: tuple[str, bytes] | None,
    ) -> None:
        if self.closed:
            return
        number = arrival.number if arrival else 0
        if topic.startswith(receipts.ROOT):  # our own words, where a feed takes in everything
            client.acknowledge([Token(client, number, qos)])
            return
        feed = self.feed
        message = Message(topic, kind, time.time_ns() // 1000, feed.options)
        sender = feed.sender(topic)
        receipt = receipts.wanted(sender, *asked) if asked else None
        token = Token(client, number, qos, receipt)
        self._hand(Item(feed, payload, message, sender, None, token, arrival))

    def pause(self, paused: bool) -> None:
        """Read nothing for a while, or go on: for brokers that know no window."""
        if self._client is not None:
            self._client.pause(paused)

    async def leave(self) -> None:
        """Say goodbye; the broker keeps what was not acknowledged."""
        if self._client is not None:
            with contextlib.suppress(OSError, TimeoutError, AttributeError):
                over = self._emptied and self._version == MQTTv50
                async with asyncio.timeout(2):
                    await self._client.disconnect(**{"session_expiry_interval": 0} if over else {})
            self._client.leave()

    async def empty(self, quiet: float, patience: float) -> None:
        """Take in what the broker still keeps for a feed that is off; then it keeps nothing more.

        What does not come within `patience` seconds waits for the next time.
        """
        end = time.monotonic() + patience
        before = -1
        while time.monotonic() < end:
            client = self._client if self.connected else None
            if client is not None and before == client.came and not client.under_way:
                self._emptied = True
                self.kept.unlink(missing_ok=True)
                return
            before = client.came if client is not None else -1
            await asyncio.sleep(quiet if client is not None else 0.1)

    async def inherit(self, name: str, quiet: float) -> int:
        """Take in what the broker keeps for somebody of this name, and have it keep nothing more.

        How many messages that were, once all are acknowledged. Raises what connecting does.
        """
        if self._version != MQTTv50 or not self.feed.shared:
            return 0
        client = self._made(name)
        try:
            await self._connect(client, subscribe=False)
            client.unsubscribe(self.topic)
            before = -1
            while before != client.came or client.under_way:
                before = client.came
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(quiet):
                        await client.lost.wait()
                    raise ConnectionResetError("the broker went away")
            async with asyncio.timeout(5):
                await client.disconnect(session_expiry_interval=0)
            return client.came
        finally:
            client.leave()

    def say(self, topic: str, payload: bytes) -> None:
        """Publish a reply to who sent."""
        if self._client is not None and self.connected:
            with contextlib.suppress(OSError, OverflowError):
                self._client.publish(topic, payload, qos=0)


def acknowledge(items: Sequence[Item], outcome: Outcome) -> None:
    """Acknowledge a batch that is in the store, each message on the connection it came on, and
    give receipts to those who asked for them."""
    tokens: dict[int, list[Token]] = {}
    told: dict[int, list[bytes]] = {}
    for place, item in enumerate(items):
        token: Token = item.token
        of = id(token.client)
        tokens.setdefault(of, []).append(token)
        if token.receipt is not None:
            told.setdefault(of, []).append(_receipt(item, token.receipt, outcome, place))
    for of, of_one in tokens.items():
        of_one[0].client.acknowledge(of_one, told.get(of, ()))


def _receipt(item: Item, asked: receipts.Wanted, outcome: Outcome, place: int) -> bytes:
    faults = outcome.faults.get(place, [])
    decoded = item.decoded
    assert decoded is not None
    lost = len(faults) - len(decoded.faults)
    return receipts.packet(asked, len(decoded.readings) - lost, faults)
