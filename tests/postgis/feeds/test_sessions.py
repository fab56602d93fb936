"""What a broker keeps for us in sessions: whose they are, and what is subscribed to in them."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from cim.feeds import broker, devices, heirs, measures
from cim.feeds.running import HELD
from cim.settings import Settings
from tests.brokering import Sender, option, taking_in, until
from tests.feeding import NOW, furnish

PLAIN = {"feed": "plain"}


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    with engine.begin() as connection:
        connection.execute(
            text("""UPDATE platform.feed SET enabled = false WHERE name = 'own';
                UPDATE platform.feed SET transport = 'mqtt', topic = 'trusted/#',
                options = '{"sender_level": -1}' WHERE name = 'plain'""")
        )
    return engine


@pytest.fixture(scope="module")
def home(settings: Settings) -> Iterator[Settings]:
    found = settings.model_copy(update={"mqtt_listen": "127.0.0.1:0"})
    yield found
    broker.end(found)


@pytest.fixture
def sender(home: Settings) -> Sender:
    return Sender(broker.ensure(home)[0])


@pytest.fixture(autouse=True)
def clean(city: Engine) -> Iterator[None]:
    yield
    with city.begin() as connection:
        connection.execute(
            text("TRUNCATE city.observation; UPDATE city.datastream SET last_at = NULL")
        )


def count(city: Engine) -> int:
    with city.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM city.observation")).scalar_one())


def test_whoever_takes_in_a_feed_of_one_alone_goes_on_where_the_last_one_was(
    city: Engine, home: Settings, sender: Sender
) -> None:
    word = sender.where.password
    said = {"device": "meter-1", "stream": "energy"}
    mine = [{**said, "at": NOW - n * 1000, "value": n} for n in range(20)]
    held = text("""SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = :kind
        AND objid = 701 AND objsubid = 2""")

    async def go() -> None:
        async with taking_in(home, 1):
            pass
        await sender.publish(broker.USER, word, "trusted/x", *mine)
        _, first = heirs.slot(home.data_dir / "feeds")  # another of us is up, which has it not
        with first:
            async with taking_in(home, 1) as runner:
                await until(lambda: count(city) == 20)
                with city.begin() as connection:  # it loses its lock, and another gets it
                    pid = connection.execute(held, {"kind": HELD & 0xFFFF}).scalar_one()
                    connection.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))
                    lock = f"SELECT pg_advisory_lock({HELD & 0xFFFF}, 701)"
                    connection.execute(text(lock))
                    runner._changed.set()
                    await until(lambda: 701 not in runner.taking)
                    connection.execute(text("SELECT pg_advisory_unlock_all()"))
                runner._changed.set()
                await until(lambda: 701 in runner.taking)

    broker.ensure(home)
    with option(city, "plain", "shared", "false"):
        asyncio.run(go())


def test_what_is_retained_is_stored_once_however_often_we_connect(
    city: Engine, home: Settings, sender: Sender
) -> None:
    said = json.dumps({"device": "meter-1", "stream": "energy", "value": 1})

    async def go() -> None:
        client = await sender.connect(broker.USER, sender.where.password)
        client.publish("trusted/x", said, qos=1, retain=True)
        await until(lambda: client._persistent_storage.is_empty)
        try:
            for _ in range(2):
                async with taking_in(home, 1):
                    await until(lambda: count(city))
                    await asyncio.sleep(0.3)
        finally:
            client.publish("trusted/x", b"", qos=1, retain=True)
            await until(lambda: client._persistent_storage.is_empty)
            await client.disconnect()

    broker.ensure(home)
    with option(city, "plain", "shared", "false"):
        asyncio.run(go())
    assert count(city) == 1


def test_no_device_is_let_in_where_the_last_of_us_has_left(
    city: Engine, home: Settings, sender: Sender
) -> None:
    with city.begin() as connection:
        key = devices.make_key(connection, devices.find(connection, "lift-1").id).key

    async def go() -> None:
        async with taking_in(home, 1):
            async with taking_in(home, 1):
                await sender.becomes("lift-1", key, True)
                assert measures.REGISTRY.get_sample_value("cim_feed_connected", PLAIN) == 1
            assert await sender.lets_in("lift-1", key), "another is up"
        assert not await sender.lets_in("lift-1", key)

    broker.ensure(home)
    asyncio.run(go())


def test_a_broker_that_died_lets_no_device_in_before_somebody_takes_in_what_it_says(
    city: Engine, home: Settings, sender: Sender
) -> None:
    with city.begin() as connection:
        key = devices.make_key(connection, devices.find(connection, "lift-1").id).key

    async def die() -> None:
        found = broker.running(home)
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        await until(lambda: broker.running(home) is None)

    async def go() -> None:
        broker.let_in(home, [("lift-1", broker.hashed(key))])
        await sender.becomes("lift-1", key, True)
        await die()
        broker.ensure(home)
        assert not await sender.lets_in("lift-1", key), "its messages would be nobody's"
        async with taking_in(home, 1):
            await sender.becomes("lift-1", key, True)
            await die()
            await until(lambda: broker.running(home))
            await sender.becomes("lift-1", key, True)

    broker.ensure(home)
    asyncio.run(go())
