"""Ingesters and senders at a real broker, for tests that watch what passes between them."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import gmqtt
from sqlalchemy import Engine, text

from cim.feeds import broker
from cim.feeds.mqtt import Subscriber
from cim.feeds.running import Runner
from cim.settings import Settings


@contextlib.asynccontextmanager
async def taking_in(settings: Settings, feeds: int = 2) -> AsyncIterator[Runner]:
    """An ingester that runs for the length of the block, and takes in so many feeds."""
    runner = Runner(settings, lambda *_: None)
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: len(runner.taking) == feeds and connected(runner))
        yield runner
    finally:
        runner.stop()
        await asyncio.wait_for(running, 30)


def connected(runner: Runner) -> bool:
    return all(one.subscriber.connected for one in runner.taking.values())


def reads(subscriber: Subscriber) -> bool:
    """Whether it reads what its broker sends."""
    connection = subscriber._client._connection if subscriber._client else None
    return connection is None or connection._transport.is_reading()


@contextlib.contextmanager
def option(engine: Engine, feed: str, name: str, value: str) -> Iterator[None]:
    """A feed that has an option."""
    with engine.begin() as connection:
        told = {"feed": feed, "name": name, "value": value}
        change = """UPDATE platform.feed SET options = options || jsonb_build_object(
            CAST(:name AS text), CAST(:value AS jsonb)) WHERE name = :feed"""
        connection.execute(text(change), told)
    try:
        yield
    finally:
        with engine.begin() as connection:
            change = "UPDATE platform.feed SET options = options - :name WHERE name = :feed"
            connection.execute(text(change), {"feed": feed, "name": name})


async def until(true: Callable[[], Any], seconds: float = 20) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "it did not come to that"
        await asyncio.sleep(0.05)


class Client(gmqtt.Client):  # type: ignore[misc]  # the library comes without types
    """A sender that does not come back when it is put out."""

    put_out = False

    async def reconnect(self, delay: bool = False) -> None:
        self.put_out = True
        if self._connection is not None:
            self._connection._transport.abort()


class Sender:
    """Whoever publishes, and waits until the broker has it."""

    def __init__(self, where: broker.Running) -> None:
        self.where = where

    async def connect(self, user: str, key: str, **more: Any) -> Client:
        client = Client(f"test-{user}-{time.time_ns()}", logger=None)
        client.set_auth_credentials(user, key)
        await asyncio.wait_for(client.connect(self.where.host, self.where.port, **more), 5)
        return client

    async def publish(self, user: str, key: str, topic: str, *payloads: Any, **more: Any) -> None:
        client = await self.connect(user, key, **more)
        for payload in payloads:
            client.publish(topic, json.dumps(payload), qos=1)
        await until(lambda: client._persistent_storage.is_empty)
        await client.disconnect()

    async def lets_in(self, user: str, key: str) -> bool:
        """Whether the broker does."""
        try:
            client = await self.connect(user, key)
        except gmqtt.mqtt.handler.MQTTConnectError:
            return False
        await client.disconnect()
        return True

    async def becomes(self, user: str, key: str, wanted: bool) -> None:
        """Wait until the broker lets somebody in, or does no more."""
        last = time.monotonic() + 10
        while await self.lets_in(user, key) is not wanted:
            assert time.monotonic() < last
            await asyncio.sleep(0.2)
