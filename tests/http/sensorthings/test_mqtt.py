"""SensorThings over a real broker: Observations made by publishing, and what changed told."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import gmqtt
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.sensorthings.root import at_broker, document
from cim.feeds import broker
from cim.feeds.mqtt import place
from cim.feeds.running import Runner
from cim.settings import Settings
from tests.accounts import add_key
from tests.http.sensorthings.test_writing import THING

STA = "/sta/v1.1"


@pytest.fixture(scope="module")
def office(city: Any, engine: Engine) -> dict[str, str]:
    with engine.begin() as connection:
        connection.execute(text("SELECT setval('city.datastream_id_seq', 1000)"))
    add_key(engine, "sensor-office", "key-devices", ["devices"])
    return {"Authorization": "Bearer key-devices"}


@pytest.fixture(scope="module")
def home(settings: Settings) -> Iterator[Settings]:
    found = settings.model_copy(update={"mqtt_listen": "127.0.0.1:0"})
    broker.ensure(found)
    yield found
    broker.end(found)


@pytest.fixture
def stream(client: TestClient, office: dict[str, str]) -> int:
    made = client.post(f"{STA}/Things", json=THING, headers=office).headers["Location"]
    return int(client.get(f"{made}/Datastreams").json()["value"][0]["@iot.id"])


@contextlib.asynccontextmanager
async def bridged(settings: Settings) -> AsyncIterator[Runner]:
    """An ingester that runs for the length of the block."""
    runner = Runner(settings, lambda *_: None)
    running = asyncio.create_task(runner.run())
    try:
        await until(lambda: runner.sensorthings.connected)
        await asyncio.sleep(0.3)
        yield runner
    finally:
        runner.stop()
        await asyncio.wait_for(running, 30)


async def until(true: Callable[[], Any], seconds: float = 20) -> None:
    last = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < last, "it did not come to that"
        await asyncio.sleep(0.05)


class Program:
    """A program that speaks SensorThings at the broker."""

    def __init__(self, url: str) -> None:
        self.where = place(url)
        self.heard: list[tuple[str, Any]] = []
        self.client = gmqtt.Client(f"program-{time.time_ns()}")
        self.client.on_message = self._took

    async def _took(self, _client: Any, topic: str, payload: bytes, *_: Any) -> int:
        self.heard.append((topic, json.loads(payload)))
        return 0

    async def __aenter__(self) -> "Program":
        self.client.set_auth_credentials(self.where.user, self.where.password)
        await asyncio.wait_for(self.client.connect(self.where.host, self.where.port), 5)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.disconnect()

    async def publish(self, topic: str, body: Any) -> None:
        said = body if isinstance(body, bytes) else json.dumps(body)
        self.client.publish(topic, said, qos=1)
        await until(lambda: self.client._persistent_storage.is_empty)

    async def subscribe(self, runner: Runner, *topics: str) -> None:
        for topic in topics:
            self.client.subscribe(topic, qos=1)
        await until(lambda: all(topic in runner.sensorthings.book for topic in topics))

    def of(self, topic: str) -> list[Any]:
        return [body for at, body in self.heard if at == topic]


def letters(engine: Engine) -> list[tuple[str, str]]:
    sql = "SELECT topic, reason FROM platform.dead_letter WHERE feed_id IS NULL ORDER BY id"
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]  # type: ignore[misc]  # pairs


def test_observations_are_made_by_publishing(
    client: TestClient, home: Settings, engine: Engine, stream: int
) -> None:
    before = len(letters(engine))

    async def go() -> None:
        async with bridged(home), Program(broker.sensorthings(home)) as program:
            at = f"v1.1/Datastreams({stream})/Observations"
            await program.publish(at, {"phenomenonTime": "2026-11-20T05:00:00Z", "result": 23.5})
            body = {"phenomenonTime": "2026-11-20T06:00:00Z", "result": 24,
                    "Datastream": {"@iot.id": stream}}  # fmt: skip
            await program.publish("v1.1/Observations", body)
            await program.publish(at, b"\xff{")
            await program.publish(at, {"rsult": 1})
            await program.publish("v1.1/Datastreams(99999999)/Observations", {"result": 1})
            await program.publish("v1.1/Things(8)/Observations", {"result": 1})
            await until(lambda: len(letters(engine)) == before + 4)

    asyncio.run(go())
    query = "$orderby=phenomenonTime desc&$top=2&$select=result"
    found = client.get(f"{STA}/Datastreams({stream})/Observations?{query}").json()["value"]
    assert [each["result"] for each in found] == [24, 23.5]
    assert {reason for _, reason in letters(engine)[before:]} == {"malformed"}


def test_readings_are_told_to_who_subscribed(
    client: TestClient, home: Settings, office: dict[str, str], stream: int
) -> None:
    of_one = f"v1.1/Datastreams({stream})/Observations"
    picked = f"{of_one}?$select=result,phenomenonTime"
    high = "v1.1/Observations?$filter=result gt 30&$expand=Datastream($select=name)"
    nobodys = f"v1.1/Datastreams({stream + 5000})/Observations"

    def send(result: float, at: str) -> None:
        body = {"result": result, "phenomenonTime": at}
        answer = client.post(f"{STA}/Datastreams({stream})/Observations", json=body, headers=office)
        assert answer.status_code == 201

    async def go() -> Program:
        async with bridged(home) as runner, Program(broker.sensorthings(home)) as program:
            await program.subscribe(runner, of_one, picked, high, nobodys)
            await asyncio.to_thread(send, 29, "2026-11-20T07:00:00Z")
            await asyncio.to_thread(send, 31, "2026-11-20T08:00:00Z")
            await asyncio.to_thread(send, 20, "2026-11-20T07:30:00Z")
            await until(lambda: len(program.of(of_one)) == 3 and program.of(high))
            await asyncio.sleep(0.3)
            return program

    program = asyncio.run(go())
    assert [body["result"] for body in program.of(of_one)] == [29, 31, 20]
    assert all("@iot.selfLink" in body for body in program.of(of_one))
    assert program.of(picked)[1] == {"result": 31, "phenomenonTime": "2026-11-20T08:00:00Z"}
    (only,) = program.of(high)
    assert (only["result"], only["Datastream"]["name"]) == (31, "temperature")
    assert program.of(nobodys) == []


def test_entities_are_told_when_they_are_made_or_changed(
    client: TestClient, home: Settings, office: dict[str, str], stream: int
) -> None:
    named, whole = f"v1.1/Datastreams({stream})/name", f"v1.1/Datastreams({stream})"
    things, its = "v1.1/Things?$select=name", f"v1.1/Datastreams({stream})/Thing"
    features = "v1.1/FeaturesOfInterest?$select=name"

    def work() -> None:
        at = f"{STA}/Datastreams({stream})"
        thing = client.get(f"{at}/Thing").json()["@iot.selfLink"]
        for to, body in ((at, {"name": "new"}), (at, {"description": "x"}), (thing, {"name": "t"})):
            assert client.patch(to, json=body, headers=office).status_code == 200
        bad = {"name": "no", "description": "x", "Locations": [{"@iot.id": 999999}]}
        assert client.post(f"{STA}/Things", json=bad, headers=office).status_code == 400
        good = {"name": "more", "description": "x"}
        assert client.post(f"{STA}/Things", json=good, headers=office).status_code == 201
        assert client.post(f"{STA}/Things", json=THING, headers=office).status_code == 201

    async def go() -> Program:
        async with bridged(home) as runner, Program(broker.sensorthings(home)) as program:
            await program.subscribe(runner, named, whole, things, its, features)
            await asyncio.to_thread(work)
            await until(lambda: len(program.of(things)) == 3 and program.of(features))
            return program

    program = asyncio.run(go())
    assert program.of(named) == [{"name": "new"}]
    assert [body["description"] for body in program.of(whole)][-1] == "x"
    assert program.of(things) == [{"name": "t"}, {"name": "more"}, {"name": "气象站"}]
    assert program.of(features) == [{"name": "roof"}]  # made along with its first reading
    assert [body["name"] for body in program.of(its)] == ["t"]


def test_nothing_is_asked_for_who_has_gone(
    client: TestClient, home: Settings, office: dict[str, str], stream: int
) -> None:
    mine, other = "v1.1/Things?$select=id", "v1.1/Things?$select=name"

    def make() -> None:
        body = {"name": "x", "description": "x"}
        assert client.post(f"{STA}/Things", json=body, headers=office).status_code == 201

    async def go() -> None:
        async with bridged(home) as runner:
            book = runner.sensorthings.book
            async with Program(broker.sensorthings(home)) as program:
                await program.subscribe(runner, mine, other)
                program.client.unsubscribe(mine)
                await until(lambda: mine not in book)
                assert other in book
            await asyncio.to_thread(make)
            await until(lambda: other not in book)

    asyncio.run(go())


def test_a_device_neither_hears_nor_makes_what_is_not_its_own(
    client: TestClient, home: Settings, stream: int
) -> None:
    at = f"v1.1/Datastreams({stream})/Observations"
    where = place(broker.sensorthings(home))
    url = f"mqtt://meter-9:secret@{where.host}:{where.port}"

    async def go() -> Program:
        async with bridged(home) as runner, Program(broker.sensorthings(home)) as program:
            broker.let_in(home, [("meter-9", broker.hashed("secret"))])
            await asyncio.sleep(0.3)
            await program.subscribe(runner, at)
            async with Program(url) as device:
                device.client.subscribe("v1.1/#", qos=1)
                await device.publish(at, {"phenomenonTime": "2026-11-20T09:00:00Z", "result": 99})
                await program.publish(at, {"phenomenonTime": "2026-11-20T09:30:00Z", "result": 7})
                await until(lambda: any("@iot.id" in body for body in program.of(at)))
                await asyncio.sleep(0.3)
                return device

    assert asyncio.run(go()).heard == []
    found = client.get(f"{STA}/Datastreams({stream})/Observations?$select=result").json()["value"]
    assert [each["result"] for each in found] == [21.5, 22, 7]


def test_nobody_is_let_in_with_another_password(home: Settings) -> None:
    where = place(broker.sensorthings(home))

    async def go() -> None:
        wrong = gmqtt.Client("wrong")
        wrong.set_auth_credentials(where.user, "wrong")
        with pytest.raises(gmqtt.mqtt.handler.MQTTConnectError):
            await wrong.connect(where.host, where.port)

    asyncio.run(go())


def test_the_root_says_where_the_broker_is(home: Settings) -> None:
    where = place(broker.sensorthings(home))
    found = document("http://root", at_broker(home))["serverSettings"]
    uris = [uri for uri in found["conformance"] if "mqtt" in uri]
    assert len(uris) == 2
    assert all(found[uri] == {"endpoints": [f"mqtt://{where.host}:{where.port}"]} for uri in uris)
    without = document(
        "http://root", at_broker(home.model_copy(update={"data_dir": home.data_dir / "x"}))
    )
    assert not any("mqtt" in uri for uri in without["serverSettings"]["conformance"])
