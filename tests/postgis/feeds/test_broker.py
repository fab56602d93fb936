"""Messages from a real broker: who may publish, and what is acknowledged when."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gmqtt
import pytest
from gmqtt.mqtt.constants import MQTTv311
from sqlalchemy import Engine, text

from cim.feeds import broker, devices, holding
from cim.feeds.mqtt import place
from cim.feeds.running import Runner
from cim.settings import Settings
from tests.brokering import Sender, connected, option, reads, taking_in, until
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(broker, "TOLD", 1)
        yield found
    broker.end(found)


@pytest.fixture(scope="module")
def keys(city: Engine, home: Settings) -> dict[str, str]:
    with city.begin() as connection:
        return {
            name: devices.make_key(connection, devices.find(connection, name).id).key
            for name in ("meter-1", "gateway-1")
        }


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
            await sender.becomes("meter-1", keys["meter-1"], True)
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
            await sender.becomes("meter-1", keys["meter-1"], True)
            topic, mine = "cim/v1/meter-1/meter-1/energy", messages(0, 3)
            await sender.publish("meter-1", keys["meter-1"], topic, *mine, version=MQTTv311)
            await until(lambda: count(city) == 3)

    asyncio.run(go())


def test_a_wrong_key_is_not_let_in_and_another_s_topic_not_written(
    city: Engine, home: Settings, keys: dict[str, str], sender: Sender
) -> None:
    async def go() -> None:
        async with taking_in(home):
            await sender.becomes("meter-1", keys["meter-1"], True)
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
    async def go() -> None:
        async with taking_in(home):
            with city.begin() as connection:
                lift = devices.find(connection, "lift-1")
                key = devices.make_key(connection, lift.id).key
            await sender.becomes("lift-1", key, True)
            client = await sender.connect("lift-1", key)
            with city.begin() as connection:
                devices.end_key(connection, lift)
            await until(lambda: client.put_out, 5)
            await sender.becomes("lift-1", key, False)

    asyncio.run(go())


def test_of_a_topic_that_a_feed_had_before_and_of_one_that_is_off_nothing_is_kept(
    city: Engine, home: Settings, keys: dict[str, str], sender: Sender
) -> None:
    def alter(what: str) -> None:
        with city.begin() as connection:
            connection.execute(text(f"UPDATE platform.feed SET {what} WHERE name = 'own'"))

    async def say(device: str, stream: str, n: int) -> None:
        await sender.becomes(device, keys[device], True)
        await sender.publish(device, keys[device], f"cim/v1/{device}/{stream}", *messages(n, n + 1))

    def subscribed() -> list[str]:
        return [path.read_text() for path in (home.data_dir / "feeds").glob("*-own.topic")]

    async def go() -> None:
        async with taking_in(home):
            await say("meter-1", "meter-1/energy", 0)
            await until(lambda: count(city) == 1)
        alter("topic = 'cim/v1/gateway-1/#'")
        async with taking_in(home):
            await until(lambda: subscribed() == ["$share/cim/cim/v1/gateway-1/#"])
            await say("meter-1", "meter-1/energy", 1)
            await say("gateway-1", "smoke-1/density", 1)
            await until(lambda: count(city) == 2)
            alter("enabled = false")
            await until(lambda: not subscribed())
            await say("gateway-1", "smoke-1/density", 2)
            alter("enabled = true, topic = 'cim/v1/#'")
            await until(subscribed)
            await say("meter-1", "meter-1/energy", 3)
            await until(lambda: count(city) == 3)

    asyncio.run(go())
    assert reasons(city) == []


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
    city: Engine, home: Settings, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cim.feeds.running.LAST", 1.0)
    monkeypatch.setattr("cim.feeds.collecting.CROWD", 10)
    word = sender.where.password

    async def go() -> None:
        mine = [{"device": "meter-1", "stream": "energy", **one} for one in messages(0, 40)]
        async with taking_in(home) as runner:
            with city.begin() as connection:
                connection.execute(text("REVOKE INSERT ON city.observation FROM cim_feeder"))
            await sender.publish(broker.USER, word, "trusted/x", *mine)
            await until(lambda: any(one.collector.away for one in runner.taking.values()))
            versions = {one.feed.name: one.subscriber._version for one in runner.taking.values()}
            assert (versions["plain"], versions["own"]) == (4, 5)
            subscriber = runner.taking[701].subscriber
            for connects in (1, 2):  # no more is read than waits, of the next connection too
                await until(lambda n=connects: subscriber.connects == n and not reads(subscriber))
                subscriber._client.leave()  # as a broker that goes
        with city.begin() as connection:
            connection.execute(text("GRANT INSERT ON city.observation TO cim_feeder"))
        async with taking_in(home):  # nothing was acknowledged, so the broker sends it again
            await until(lambda: count(city) == 40)

    broker.ensure(home)
    with option(city, "plain", "mqtt", "3"):
        asyncio.run(go())


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


def test_a_broker_that_holds_too_much_lets_no_device_in_until_it_has_given_some_on(
    city: Engine, home: Settings, keys: dict[str, str], sender: Sender
) -> None:
    word, key = sender.where.password, keys["meter-1"]

    async def go() -> None:
        async with taking_in(home) as runner:
            await sender.becomes("meter-1", key, True)
            device = await sender.connect("meter-1", key)
            runner.watch._most = 200 * holding.EACH
            with city.begin() as connection:
                connection.execute(text("REVOKE INSERT ON city.observation FROM cim_feeder"))
            mine = [{"device": "meter-1", "stream": "energy", **one} for one in messages(0, 400)]
            await sender.publish(broker.USER, word, "trusted/x", *mine)
            await until(lambda: device.put_out)
            assert not await sender.lets_in("meter-1", key), "what it sent would be acknowledged"
            with city.begin() as connection:
                connection.execute(text("GRANT INSERT ON city.observation TO cim_feeder"))
            await until(lambda: count(city) == 400)
            await sender.becomes("meter-1", key, True)

    broker.ensure(home)
    asyncio.run(go())


def test_what_a_broker_drops_is_said(
    home: Settings, sender: Sender, caplog: pytest.LogCaptureFixture
) -> None:
    async def gate(_: bool) -> None:
        raise AssertionError("it is not ours to shut")

    watch = holding.Watch("test-watch", lambda: place(sender.where.url), None, gate)

    async def go() -> None:
        hearing = asyncio.create_task(watch.run())
        await until(lambda: holding.COUNT in watch._said and holding.DROPPED in watch._said)
        hearing.cancel()

    broker.ensure(home)
    asyncio.run(go())
    watch.say(holding.DROPPED, watch._said[holding.DROPPED] + 7)
    assert "7 of them now" in caplog.text


def test_what_says_no_time_and_comes_again_has_the_time_that_it_had(
    city: Engine, home: Settings, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = sender.where.password
    mine = [{"device": "meter-1", "stream": "energy", "value": n} for n in (1, 2, 2)]

    async def go() -> None:
        with monkeypatch.context() as patch:  # it dies after the commit
            patch.setattr("cim.feeds.mqtt.acknowledge", lambda *_: None)
            async with taking_in(home):
                await sender.publish(broker.USER, word, "trusted/x", *mine)
                await until(lambda: count(city) == 3)
        async with taking_in(home) as runner:
            await until(lambda: sum(one.collector.messages for one in runner.taking.values()) == 3)

    broker.ensure(home)
    asyncio.run(go())
    assert count(city) == 3
    assert reasons(city) == []


def test_an_ingester_that_is_killed_loses_nothing_and_brings_nothing_twice(
    city: Engine, home: Settings, sender: Sender, tmp_path: Path
) -> None:
    told = {"CIM_DATABASE_URL": home.database_url or "", "CIM_DATA_DIR": str(home.data_dir),
            "CIM_MQTT_URL": sender.where.url, "CIM_FEED_RATE": "0"}  # fmt: skip

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "cim", "feed", "run"]
        return subprocess.Popen(command, env=os.environ | told, stdout=subprocess.DEVNULL)

    async def go() -> None:
        running = start()
        try:
            client = await sender.connect(broker.USER, sender.where.password)
            first = {"device": "meter-1", "stream": "energy", "value": 0.0, "at": NOW}
            while count(city) == 0:  # what is published before somebody subscribes is for nobody
                client.publish("trusted/x", json.dumps(first), qos=1)
                await asyncio.sleep(0.2)
            sent = 0
            for _ in range(4):
                for n in range(sent, sent + 1500):
                    one = {"device": "meter-1", "stream": "energy", "value": float(n)}
                    client.publish("trusted/x", json.dumps({**one, "at": NOW - n * 1000}), qos=1)
                sent += 1500
                some = count(city)
                await until(lambda some=some: count(city) > some)
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
