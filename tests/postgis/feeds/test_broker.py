"""Messages from a real broker: who may publish, and what is acknowledged when."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import gmqtt
import pytest
from gmqtt.mqtt.constants import MQTTv311
from sqlalchemy import Engine, text

from cim.feeds import broker, devices
from cim.feeds.running import Runner
from cim.settings import Settings
from tests.feeding import NOW, furnish


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    with engine.begin() as connection:
        connection.execute(
            text("""UPDATE platform.feed SET topic = 'cim/v1/#' WHERE name = 'own';
                UPDATE platform.feed SET transport = 'mqtt', topic = 'trusted/#',
                    options = '{"sender_level": -1}' WHERE name = 'plain'""")
        )
    return engine


@pytest.fixture(scope="module")
def home(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    found = settings.model_copy(update={"mqtt_listen": "127.0.0.1:0"})
    yield found
    broker.end(found)


@pytest.fixture(scope="module")
def keys(city: Engine, home: Settings) -> dict[str, str]:
    with city.begin() as connection:
        return {
            name: devices.make_key(connection, devices.find(connection, name).id).key
            for name in ("meter-1", "gateway-1")
        }


@contextlib.asynccontextmanager
async def taking_in(settings: Settings) -> AsyncIterator[Runner]:
    """An ingester that runs for the length of the block."""
    runner = Runner(settings, lambda *_: None)
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: len(runner.taking) == 2 and connected(runner))
        yield runner
    finally:
        runner.stop()
        await asyncio.wait_for(running, 30)


def connected(runner: Runner) -> bool:
    return all(one.subscriber.connected for one in runner.taking.values())


async def until(true: Callable[[], Any], seconds: float = 20) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "it did not come to that"
        await asyncio.sleep(0.05)


class Sender:
    """Whoever publishes, and waits until the broker has it."""

    def __init__(self, where: broker.Running) -> None:
        self.where = where

    async def connect(self, user: str, key: str, **more: Any) -> gmqtt.Client:
        client = gmqtt.Client(f"test-{user}-{time.time_ns()}", logger=None)
        client.set_auth_credentials(user, key)
        await asyncio.wait_for(client.connect(self.where.host, self.where.port, **more), 5)
        return client

    async def publish(self, user: str, key: str, topic: str, *payloads: Any, **more: Any) -> None:
        client = await self.connect(user, key, **more)
        for payload in payloads:
            client.publish(topic, json.dumps(payload), qos=1)
        await until(lambda: client._persistent_storage.is_empty)
        await client.disconnect()


@pytest.fixture
def sender(home: Settings) -> Sender:
    return Sender(broker.ensure(home)[0])


@pytest.fixture(autouse=True)
def clean(city: Engine) -> Iterator[None]:
    yield
    with city.begin() as connection:
        connection.execute(
            text("""TRUNCATE city.observation, platform.dead_letter;
                UPDATE city.datastream SET last_at = NULL""")
        )


def count(city: Engine, table: str = "city.observation") -> int:
    with city.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def reasons(city: Engine) -> list[str]:
    with city.connect() as connection:
        return list(connection.execute(text("SELECT reason FROM platform.dead_letter")).scalars())


def messages(first: int, last: int) -> list[dict[str, Any]]:
    return [{"at": NOW - n * 1000, "value": float(n)} for n in range(first, last)]


def test_a_device_publishes_with_its_key_and_is_stored(
    city: Engine, home: Settings, keys: dict[str, str], sender: Sender
) -> None:
    async def go() -> None:
        async with taking_in(home):
            await until(lambda: "meter-1" in (broker.folder(home) / "passwords").read_text())
            await asyncio.sleep(0.3)
            topic = "cim/v1/meter-1/meter-1/energy"
            await sender.publish("meter-1", keys["meter-1"], topic, *messages(0, 50))
            await sender.publish(
                "gateway-1", keys["gateway-1"], "cim/v1/gateway-1/smoke-1",
                {"at": NOW, "values": {"density": 0.5, "battery": 80}},
            )  # fmt: skip
            await until(lambda: count(city) == 52)

    asyncio.run(go())
    assert reasons(city) == []


def test_a_device_of_mqtt_3_does_too(
    city: Engine, home: Settings, keys: dict[str, str], sender: Sender
) -> None:
    async def go() -> None:
        async with taking_in(home):
            topic = "cim/v1/meter-1/meter-1/energy"
            mine = messages(0, 3)
            await sender.publish("meter-1", keys["meter-1"], topic, *mine, version=MQTTv311)
            await until(lambda: count(city) == 3)

    asyncio.run(go())


def test_a_wrong_key_is_not_let_in_and_another_s_topic_not_written(
    city: Engine, home: Settings, keys: dict[str, str], sender: Sender
) -> None:
    async def go() -> None:
        async with taking_in(home):
            with pytest.raises(gmqtt.mqtt.handler.MQTTConnectError):
                await sender.connect("meter-1", "wrong")
            client = await sender.connect("meter-1", keys["meter-1"])
            client.publish("cim/v1/lift-1/lift-1/running", "1", qos=1)
            client.publish("trusted/x", '{"device": "lift-1", "stream": "running"}', qos=1)
            client.publish("cim/v1/meter-1/lift-1/running", '"up"', qos=1)
            await until(lambda: reasons(city))
            await client.disconnect()

    asyncio.run(go())
    assert (count(city), reasons(city)) == (0, ["not_yours"])


def test_who_is_new_is_let_in_at_once_and_who_ended_no_more(
    city: Engine, home: Settings, sender: Sender
) -> None:
    async def lets_in(key: str) -> bool:
        try:
            client = await sender.connect("lift-1", key)
        except gmqtt.mqtt.handler.MQTTConnectError:
            return False
        await client.disconnect()
        return True

    async def becomes(key: str, wanted: bool) -> None:
        last = time.monotonic() + 10
        while await lets_in(key) is not wanted:
            assert time.monotonic() < last
            await asyncio.sleep(0.2)

    async def go() -> None:
        async with taking_in(home):
            with city.begin() as connection:
                lift = devices.find(connection, "lift-1")
                key = devices.make_key(connection, lift.id).key
            await becomes(key, True)
            with city.begin() as connection:
                devices.end_key(connection, lift)
            await becomes(key, False)

    asyncio.run(go())


def test_what_comes_while_nobody_takes_it_in_waits_at_the_broker(
    city: Engine, home: Settings, sender: Sender
) -> None:
    word = sender.where.password

    async def go() -> None:
        async with taking_in(home):
            pass
        mine = [{"device": "meter-1", "stream": "energy", **one} for one in messages(0, 20)]
        await sender.publish(broker.USER, word, "trusted/x", *mine)
        assert count(city) == 0
        async with taking_in(home):
            await until(lambda: count(city) == 20)

    broker.ensure(home)
    asyncio.run(go())


def test_a_broker_that_speaks_mqtt_3_alone_gets_its_acknowledgements_after_the_commit_too(
    city: Engine, home: Settings, sender: Sender
) -> None:
    word = sender.where.password
    option = "UPDATE platform.feed SET options = options {} WHERE name = 'plain'"
    with city.begin() as connection:
        connection.execute(text(option.format("""|| '{"mqtt"\\:3}'""")))

    async def go() -> None:
        mine = [{"device": "meter-1", "stream": "energy", **one} for one in messages(0, 40)]
        async with taking_in(home) as runner:
            with city.begin() as connection:
                connection.execute(text("REVOKE INSERT ON city.observation FROM cim_feeder"))
            await sender.publish(broker.USER, word, "trusted/x", *mine)
            await until(lambda: any(one.collector.away for one in runner.taking.values()))
            versions = {one.feed.name: one.subscriber._version for one in runner.taking.values()}
            assert (versions["plain"], versions["own"]) == (4, 5)
        with city.begin() as connection:
            connection.execute(text("GRANT INSERT ON city.observation TO cim_feeder"))
        async with taking_in(home):  # nothing was acknowledged, so the broker sends it again
            await until(lambda: count(city) == 40)

    broker.ensure(home)
    try:
        asyncio.run(go())
    finally:
        with city.begin() as connection:
            connection.execute(text(option.format("- 'mqtt'")))


def test_while_the_database_refuses_nothing_is_acknowledged_and_nothing_lost(
    city: Engine, home: Settings, sender: Sender
) -> None:
    word = sender.where.password

    async def go() -> None:
        async with taking_in(home) as runner:
            with city.begin() as connection:
                connection.execute(text("REVOKE INSERT ON city.observation FROM cim_feeder"))
            mine = [{"device": "meter-1", "stream": "energy", **one} for one in messages(0, 30)]
            await sender.publish(broker.USER, word, "trusted/x", *mine)
            await until(lambda: any(one.collector.away for one in runner.taking.values()))
            assert count(city) == 0
            with city.begin() as connection:
                connection.execute(text("GRANT INSERT ON city.observation TO cim_feeder"))
            await until(lambda: count(city) == 30)

    broker.ensure(home)
    asyncio.run(go())
    assert reasons(city) == []


def test_an_ingester_that_is_killed_loses_nothing_and_brings_nothing_twice(
    city: Engine, home: Settings, sender: Sender, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "CIM_DATABASE_URL": home.database_url or "",
        "CIM_DATA_DIR": str(home.data_dir),
        "CIM_MQTT_URL": sender.where.url,
        "CIM_FEED_RATE": "0",
    }

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "cim", "feed", "run"]
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    async def go() -> None:
        running = start()
        try:
            client = await sender.connect(broker.USER, sender.where.password)
            sent = 0
            for _ in range(4):
                for n in range(sent, sent + 1500):
                    one = {"device": "meter-1", "stream": "energy", "value": float(n)}
                    client.publish("trusted/x", json.dumps({**one, "at": NOW - n * 1000}), qos=1)
                sent += 1500
                some = count(city)
                await until(lambda some=some: count(city) > some)  # type: ignore[misc]  # bound now
                running.send_signal(signal.SIGKILL)
                running.wait()
                running = start()
            await until(lambda: client._persistent_storage.is_empty)
            await until(lambda: count(city) == sent, 30)
            await client.disconnect()
        finally:
            running.terminate()
            running.wait(20)

    broker.ensure(home)
    asyncio.run(go())
    assert reasons(city) == []
    with city.connect() as connection:
        sums = text("SELECT count(*), sum(result) FROM city.observation")
        assert tuple(connection.execute(sums).one()) == (6000, sum(range(6000)))


def test_what_goes_by_the_clock_begins_again_where_it_fails(
    city: Engine, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    async def fails(*_: object) -> None:
        tries.append(1)
        raise RuntimeError("no such luck")

    async def go() -> None:
        async with taking_in(home):
            await until(lambda: len(tries) >= 2)

    monkeypatch.setattr("cim.feeds.running.roll", fails)
    asyncio.run(go())


def test_an_ingester_whose_way_in_fails_ends_and_says_so(
    city: Engine, home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(home, lambda *_: None)

    async def fails(*_: object) -> None:
        await until(lambda: len(runner.taking) == 2 and connected(runner))
        raise RuntimeError("no such luck")

    async def go() -> None:
        await asyncio.wait_for(runner.run(), 30)

    monkeypatch.setattr("cim.feeds.collecting.Collector.run", fails)
    with pytest.raises(RuntimeError, match="no such luck"):
        asyncio.run(go())
