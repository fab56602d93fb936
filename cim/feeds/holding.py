"""How much the broker holds for us, looked at so that it drops nothing that it acknowledged.

A broker acknowledges a message of QoS 1 whether or not there is room in the queue of whoever takes
it in; Mosquitto drops it where there is none. So what it says of itself is heard ($SYS): our own
lets no device in while it holds too much, as what is not taken is not acknowledged, and a device
keeps it and comes again. Another's is not ours to shut; what it drops is said and counted.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import gmqtt

from cim.feeds import measures
from cim.feeds.mqtt import KEEPALIVE, Place

COUNT: Final = "$SYS/broker/store/messages/count"
BYTES: Final = "$SYS/broker/store/messages/bytes"
DROPPED: Final = "$SYS/broker/publish/messages/dropped"

EACH: Final = 400
"""Bytes of a broker's memory that a waiting message takes besides its payload."""

PAUSE: Final = 5.0
"""Seconds between two tries to connect."""

log = logging.getLogger("cim.feeds")


class _Client(gmqtt.Client):  # type: ignore[misc]  # the library comes without types
    """The library's client, which does not connect again itself."""

    def __init__(self, name: str) -> None:
        super().__init__(name, logger=logging.getLogger("gmqtt"))
        self.lost = asyncio.Event()

    async def reconnect(self, delay: bool = False) -> None:
        """Say that the connection is gone."""
        self.lost.set()


class Watch:
    """Hears what a broker holds, and shuts its gate in time."""

    def __init__(
        self,
        name: str,
        where: Callable[[], Place | None],
        most: int | None,
        gate: Callable[[bool], Awaitable[None]],
    ) -> None:
        """`gate` is told whether to be shut, once more than `most` bytes are held, and once it is
        less than half of that; with None it never is."""
        self._name, self._where, self._most, self._gate = name, where, most, gate
        self._said: dict[str, int] = {}
        self._news = asyncio.Event()
        self.shut = False

    async def run(self) -> None:
        """For good; a broker that is not there is looked for again."""
        while True:
            with contextlib.suppress(OSError, TimeoutError, gmqtt.mqtt.handler.MQTTError):
                await self._hear()
            await asyncio.sleep(PAUSE)

    async def _hear(self) -> None:
        where = self._where()
        if where is None:
            return
        client = _Client(self._name)
        if where.user:
            client.set_auth_credentials(where.user, where.password)
        client.on_message = self._told
        self._said = {}
        made = client.connect(where.host, where.port, ssl=where.tls, keepalive=KEEPALIVE)
        try:
            async with asyncio.timeout(10):
                await made
            client.subscribe([gmqtt.Subscription(topic) for topic in (COUNT, BYTES, DROPPED)])
            while not client.lost.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(1):
                        await self._news.wait()
                if self._news.is_set():
                    self._news.clear()
                    await self._look()
        finally:
            if client._connection is not None:
                client._connection._transport.abort()

    def _told(self, _: Any, topic: str, payload: bytes, *__: Any) -> int:
        if payload.isdigit():
            self.say(topic, int(payload))
        return 0

    def say(self, topic: str, number: int) -> None:
        """Take note of what the broker says of itself."""
        if topic == DROPPED and number > (before := self._said.get(DROPPED, 0)):
            log.error(
                "the broker has dropped %d messages since it began, %d of them now: its queues "
                "are full (max_queued_messages) · 消息代理队列已满，累计丢弃 %d 条消息",
                number, number - before, number,
            )  # fmt: skip
            measures.DROPPED.set(number)
        self._said[topic] = number
        self._news.set()

    async def _look(self) -> None:
        """Shut the gate, or open it."""
        count = self._said.get(COUNT, 0)
        measures.WAITING.set(count)
        if self._most is None:
            return
        held = count * EACH + self._said.get(BYTES, 0)
        if not self.shut and held > self._most:
            log.warning(
                "the broker holds %d messages, no more devices are let in until half of them are "
                "in the store · 消息代理积压 %d 条消息，暂停设备接入",
                count, count,
            )  # fmt: skip
            await self._turn(True)
        elif self.shut and held < self._most // 2:
            log.warning("devices are let in again · 恢复设备接入")
            await self._turn(False)

    async def _turn(self, shut: bool) -> None:
        self.shut = shut
        measures.SHUT.set(shut)
        await self._gate(shut)
