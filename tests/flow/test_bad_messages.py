"""What should never be sent, sent over a real broker: named, counted, harmless to the others."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import gmqtt
import pytest
from sqlalchemy import Engine, text

from cim.feeds import broker
from cim.settings import Settings
from tests.feeding import furnish, give_key

RATE = 20
"""Readings a second that a device may send here, over ten seconds."""

Send = Callable[["Client"], Awaitable[None]]


class Client(gmqtt.Client):  # type: ignore[misc]  # the library comes without types
    """A device that does not come back when it is put out."""

    async def reconnect(self, delay: bool = False) -> None:
        self.put_out = True


class Broker:
    """A broker with an ingester behind it, and the keys of two devices."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings, self.engine = settings, engine
        with engine.begin() as connection:
            devices = (7001, "meter-1"), (7002, "lift-1")
            self.keys = {name: give_key(connection, id, name) for id, name in devices}
        environment = os.environ | {
            "CIM_DATABASE_URL": str(settings.database_url),
            "CIM_DATA_DIR": str(settings.data_dir),
            "CIM_MQTT_LISTEN": "127.0.0.1:0",
            "CIM_FEED_RATE": str(RATE),
        }
        self.log = Path(settings.data_dir) / "ingester.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cim", "feed", "run"],
                env=environment,
                stdout=log,
                stderr=log,
            )
        self.wait(lambda: b"cim/v1/#" in self.log.read_bytes())
        self.port = broker.running(settings).port  # type: ignore[union-attr]  # it is up
        time.sleep(1)

    def wait(self, until: Callable[[], Any], seconds: float = 30) -> Any:
        """What it comes to, once it does."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            if found := until():
                return found
            time.sleep(0.05)
        raise AssertionError(f"in vain: {self.log.read_text()}")

    def as_device(self, name: str, work: Send, key: str | None = None) -> bool:
        """Connect as a device and do something; whether the broker put it out."""

        async def go() -> bool:
            client = Client(f"test-{name}-{time.time_ns()}")
            client.put_out = False
            client.set_auth_credentials(name, key or self.keys[name])
            try:
                await asyncio.wait_for(client.connect("127.0.0.1", self.port), 5)
                await work(client)
                await asyncio.sleep(0.15)
                return bool(client.put_out)
            finally:
                if client._connection is not None:  # also of who was not let in
                    client._connection._transport.abort()
                await asyncio.sleep(0)

        return asyncio.run(go())

    def publish(self, topic: str, payload: bytes, name: str = "meter-1", **more: Any) -> bool:
        async def work(client: Client) -> None:
            client.publish(topic, payload, qos=1, **more)

        return self.as_device(name, work)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(sql), values))

    def good(self, value: float) -> None:
        """The other device says something, and it is there at once."""
        at = time.time_ns() // 1000
        self.publish("cim/v1/lift-1/lift-1/running", json.dumps(
            {"value": str(value), "at": at}).encode(), "lift-1")  # fmt: skip
        self.wait(
            lambda: self.rows(
                "SELECT 1 FROM city.datastream WHERE id = 7103 AND last_text = :said",
                said=str(value),
            )
        )

    def letters(self, payload: bytes | None) -> list[Any]:
        return self.rows(
            "SELECT reason, detail, topic FROM platform.dead_letter "
            "WHERE payload IS NOT DISTINCT FROM :payload",
            payload=payload,
        )


@pytest.fixture(scope="module")
def place(engine: Engine, settings: Settings) -> Iterator[Broker]:
    furnish(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE platform.feed SET topic = 'cim/v1/#' WHERE name = 'own'"))
    found = Broker(settings, engine)
    yield found
    found.process.terminate()
    found.process.wait(30)
    broker.end(settings)


OWN = "cim/v1/meter-1/meter-1"

BAD: dict[str, tuple[str, bytes, str]] = {
    "nothing": (OWN, b"", "not_decodable"),
    "cut off": (OWN, b'{"values": {"energy": 1', "not_decodable"),
    "bytes": (OWN, bytes(range(256)), "not_decodable"),
    "nested": (OWN, b"[" * 100_000, "too_deep"),
    "nested objects": (OWN, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "too_deep"),
    "NaN": (OWN, b'{"stream": "energy", "value": NaN}', "not_decodable"),
    "infinite": (OWN, b'{"stream": "energy", "value": 1e999}', "not_decodable"),
    "a word": (OWN, b'{"stream": "energy", "value": "much"}', "not_a_number"),
    "no value": (OWN, b'{"stream": "energy", "value": null}', "not_a_value"),
    "another dimension": (OWN, b'{"stream": "energy", "value": 1, "unit": "m"}', "wrong_unit"),
    "1970": (OWN, b'{"stream": "energy", "value": 1, "at": 1000}', "too_old"),
    "2100": (
        OWN,
        b'{"stream": "energy", "value": 2, "at": "2100-01-01T00:00:00Z"}',
        "ahead",
    ),
    "a time that is none": (OWN, b'{"stream": "energy", "value": 1, "at": "soon"}', "not_a_time"),
    "an unknown device": ("cim/v1/meter-1/nobody/energy", b"31", "no_device"),
    "somebody else": ("cim/v1/meter-1/lift-1/running", b'"up 1"', "not_yours"),
    "an unknown stream": ("cim/v1/meter-1/meter-1/nothing", b"32", "no_stream"),
    "a way up": ("cim/v1/meter-1/../lift-1/running", b"33", "no_device"),
    "a way up as a stream": ("cim/v1/meter-1/meter-1/../../x", b"34", "no_stream"),
    "nothing of a name": ("cim/v1/meter-1/", b"35", "not_decodable"),
    "a name of 60,000 bytes": ("cim/v1/meter-1/" + "x" * 60_000, b"36", "no_device"),
    "quotes": ("cim/v1/meter-1/'; DROP TABLE city.device; --/energy", b"37", "no_device"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_set_aside_with_its_reason(place: Broker, name: str) -> None:
    topic, payload, reason = BAD[name]
    place.publish(topic, payload)
    found = place.wait(lambda: place.letters(payload))
    assert [row.reason for row in found] == [reason], found
    assert found[0].topic == topic[:1000]
    place.good(list(BAD).index(name))


def test_a_letter_of_a_megabyte_is_named_and_not_kept(place: Broker) -> None:
    place.publish(OWN, b'{"x": "' + b"y" * (2 << 20) + b'"')
    found = place.wait(lambda: place.letters(None))
    assert [row.reason for row in found] == ["not_decodable"]
    assert "2097" in found[0].detail
    place.good(101)


def test_a_packet_larger_than_the_broker_takes_puts_its_sender_out(place: Broker) -> None:
    assert place.publish(OWN, bytes(5 << 20))
    place.good(102)


@pytest.mark.parametrize("topic", ["cim/v1/meter-1/#", "cim/v1/+/meter-1", "cim/v1/meter-1/a+b"])
def test_a_topic_with_wildcards_is_not_published_to(place: Broker, topic: str) -> None:
    payload = f'"{topic}"'.encode()
    assert place.publish(topic, payload)
    place.good(103)
    assert place.letters(payload) == []


@pytest.mark.parametrize(
    "topic",
    ["cim/v1/lift-1/lift-1/running", "$SYS/x", "elsewhere", "cim/receipts/lift-1",
     "cim/v1/../lift-1", "v1.1/Datastreams(7103)/Observations", "spBv1.0/city/NCMD/lift-1"],
)  # fmt: skip
def test_nobody_publishes_below_another_name(place: Broker, topic: str) -> None:
    payload = f'"forged {topic}"'.encode()
    place.publish(topic, payload)
    place.good(104)
    assert place.letters(payload) == []
    assert not place.rows("SELECT 1 FROM city.observation WHERE result_text LIKE 'forged%'")


@pytest.mark.parametrize("name", ["meter-1", "nobody", "cim-ingest", "+", "#", ""])
def test_a_wrong_key_is_not_let_in(place: Broker, name: str) -> None:
    async def work(client: Client) -> None:
        raise AssertionError("it was let in")

    with pytest.raises((gmqtt.mqtt.handler.MQTTError, ConnectionError, TimeoutError)):
        place.as_device(name, work, key="guessed")
    place.good(105)


def test_nobody_listens_to_what_others_say(place: Broker) -> None:
    heard: list[bytes] = []

    async def work(client: Client) -> None:
        client.on_message = lambda _, __, payload, *___: heard.append(payload) or 0
        for topic in (
            "#", "+/#", "cim/v1/#", "cim/v1/lift-1/#", "cim/receipts/+", "cim/receipts/lift-1",
            "$share/cim/#", "$share/cim/cim/v1/#", "$SYS/#", "$SYS/broker/log/#", "v1.1/#",
            "spBv1.0/#",
        ):  # fmt: skip
            client.subscribe(gmqtt.Subscription(topic, qos=1))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(place.good, 106)

    place.as_device("meter-1", work)
    assert heard == []


def test_a_receipt_says_what_became_of_a_message(place: Broker) -> None:
    heard: dict[bytes, Any] = {}
    name = "cim/receipts/meter-1"

    def hear(client: Client, topic: str, payload: bytes, qos: int, properties: Any) -> int:
        heard[properties["correlation_data"][0]] = json.loads(payload)
        return 0

    def asked(correlation: bytes, topic: str = name) -> dict[str, Any]:
        return {"qos": 1, "response_topic": topic, "correlation_data": correlation}

    async def work(client: Client) -> None:
        client.on_message = hear
        client.subscribe(gmqtt.Subscription(name, qos=1))
        at = time.time_ns() // 1_000_000
        client.publish(OWN, json.dumps({"values": {"energy": 9, "x": 1}, "at": at}), **asked(b"1"))
        client.publish(OWN, b"{", **asked(b"2"))
        client.publish(OWN, b"}", **asked(b"3", "cim/receipts/lift-1"))
        for _ in range(100):
            if len(heard) == 2:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)

    place.as_device("meter-1", work)
    assert set(heard) == {b"1", b"2"}
    assert (heard[b"1"]["taken"], heard[b"1"]["faults_count"]) == (1, 1)
    assert [fault["reason"] for fault in heard[b"1"]["faults"]] == ["no_stream"]
    assert (heard[b"2"]["taken"], heard[b"2"]["faults"][0]["reason"]) == (0, "not_decodable")
    assert heard[b"2"]["faults"][0]["zh"]


def test_a_device_that_floods_loses_what_is_too_much_and_harms_no_other(place: Broker) -> None:
    def count() -> int:
        return int(place.rows("SELECT count(*) FROM city.observation WHERE datastream_id = 7102")
                   [0][0])  # fmt: skip

    at = time.time_ns() // 1_000_000 - 60_000
    before = count()

    async def work(client: Client) -> None:
        for number in range(3_000):
            said = {"stream": "power", "value": number % 100, "at": at + number}
            client.publish(OWN, json.dumps(said), qos=1)
        await asyncio.sleep(1)
        await asyncio.to_thread(place.good, 107)

    place.as_device("meter-1", work)
    flood = "SELECT coalesce(sum(1 + repeats), 0) FROM platform.dead_letter WHERE reason = 'flood'"
    place.wait(lambda: place.rows(flood)[0][0] + count() - before == 3_000)
    assert 0 < count() - before <= 2 * 10 * RATE  # of the windows that it may have touched


def test_everything_was_counted(place: Broker) -> None:
    """Fates are written every ten seconds, and when the ingester ends."""
    place.process.terminate()
    assert place.process.wait(30) == 0
    told = dict(
        place.rows("SELECT fate, sum(readings)::int FROM platform.feed_tally GROUP BY fate")
    )
    for reason in {reason for _, _, reason in BAD.values()}:
        assert told[reason] >= sum(one[2] == reason for one in BAD.values()), (reason, told)
    assert told["flood"] >= 2_000
    assert told["stored"] >= 1 + len(BAD)
