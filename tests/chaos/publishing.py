"""A gateway that sends readings and writes down what it sent and what was acknowledged.

A process of its own, to be killed: each line of its record is written before it goes on, so that
one started again sends what has no acknowledgement, and then what comes next. The acknowledgement
is the broker's (`puback`), our receipt that came back (`receipt`), or an answer 2xx (`http`).

    python tests/chaos/publishing.py '{"kind": "puback", …}'
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import gmqtt
import httpx2
import msgspec
from gmqtt.mqtt.constants import MQTTCommands

WINDOW: Final = 300
"""Messages under way."""

AGAIN: Final = 4.0
"""Seconds after which a receipt is not waited for any longer, and the message sent again."""

STRANGER, ALARMING = 89, 23
"""Every so-manieth message is of a device that nobody knows, or an alarm."""


class Plan(msgspec.Struct):
    """Who sends what, how and how fast."""

    kind: str
    name: str
    key: str
    port: int
    meters: list[str]
    detectors: list[str]
    base: int
    """ms since 1970 of the first reading."""

    step: int
    """ms between two."""

    rate: float
    record: str


def at(plan: Plan, number: int) -> int:
    """The time of a reading, ms since 1970: none like another, and not in their order either."""
    shuffled = number ^ 5 if number % 7 == 0 else number
    return plan.base + plan.step * shuffled * 2 + (plan.step if shuffled != number else 0)


def what(plan: Plan, number: int) -> dict[str, Any]:
    """The message of a number: always the same one."""
    when = at(plan, number)
    if number % STRANGER == STRANGER - 1:
        return {"device": f"stranger-{plan.name}", "stream": "power", "value": number, "at": when}
    if number % ALARMING == ALARMING - 1 and plan.detectors:
        device = plan.detectors[number // ALARMING % len(plan.detectors)]
        return {"device": device, "stream": "alarm", "value": 1, "at": when}
    device = plan.meters[number % len(plan.meters)]
    return {"device": device, "stream": "power", "value": number % 9000 + 0.5, "at": when}


def is_stranger(number: int) -> bool:
    """Whether a message can only become a dead letter."""
    return number % STRANGER == STRANGER - 1


class Record:
    """What was sent and acknowledged, in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        """Read what the one before has written; a last line that is cut off was not written."""
        self.sent, self.acknowledged = read(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def send(self, number: int) -> None:
        """Write down that a message is about to be sent."""
        if number >= self.sent:
            os.write(self._file, b"s %d\n" % number)
            self.sent = number + 1

    def acknowledge(self, number: int) -> None:
        """Write down that a message was acknowledged."""
        if number not in self.acknowledged:
            self.acknowledged.add(number)
            os.write(self._file, b"a %d\n" % number)

    @property
    def open(self) -> list[int]:
        """Sent without an acknowledgement."""
        return [number for number in range(self.sent) if number not in self.acknowledged]


def read(path: Path) -> tuple[int, set[int]]:
    """How many were sent, and the numbers of those acknowledged."""
    sent, acknowledged = 0, set()
    if path.exists():
        for line in path.read_bytes().split(b"\n")[:-1]:
            kind, _, number = line.partition(b" ")
            if kind == b"a":
                acknowledged.add(int(number))
            else:
                sent = max(sent, int(number) + 1)
    return sent, acknowledged


class Sender:
    """Sends until told to stop, and then until all is acknowledged."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.record = Record(Path(plan.record))
        self.stopping = asyncio.Event()
        self.first = self.record.sent

    def due(self, passed: float) -> int:
        """How many messages more are to be sent by now."""
        if self.stopping.is_set():
            return 0
        return self.first + int(passed * self.plan.rate) - self.record.sent

    @property
    def done(self) -> bool:
        return self.stopping.is_set() and not self.record.open

    async def run(self) -> None:
        """One connection after the other."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        begin = loop.time()
        while not self.done:
            with contextlib.suppress(
                OSError, TimeoutError, gmqtt.mqtt.handler.MQTTError, httpx2.HTTPError
            ):
                await (self._push if self.plan.kind == "http" else self._publish)(begin)
            await asyncio.sleep(0.2)

    def _next(self, begin: float, waiting: int) -> Iterator[int]:
        passed = asyncio.get_running_loop().time() - begin
        for _ in range(min(self.due(passed), WINDOW - waiting)):
            self.record.send(self.record.sent)
            yield self.record.sent - 1

    # ── MQTT ─────────────────────────────────────────────────────────────────────────────────────

    async def _publish(self, begin: float) -> None:
        plan, record = self.plan, self.record
        loop = asyncio.get_running_loop()
        waiting: dict[int, float] = {}

        def acknowledged(number: int) -> None:
            record.acknowledge(number)
            waiting.pop(number, None)

        client = Device(plan.name, acknowledged, receipts=plan.kind == "receipt")
        client.set_auth_credentials(plan.name, plan.key)
        try:
            await asyncio.wait_for(client.connect("127.0.0.1", plan.port, keepalive=10), 5)
            if plan.kind == "receipt":
                client.subscribe(gmqtt.Subscription(f"cim/receipts/{plan.name}", qos=1))
            for number in record.open:
                waiting[number] = loop.time()
                client.send(plan, number)
            while not client.lost.is_set() and not self.done:
                for number in self._next(begin, len(waiting)):
                    waiting[number] = loop.time()
                    client.send(plan, number)
                if plan.kind == "receipt":
                    late = [n for n, since in waiting.items() if loop.time() - since > AGAIN]
                    for number in late:
                        waiting[number] = loop.time()
                        client.send(plan, number)
                await asyncio.sleep(0.02)
        finally:
            client.leave()

    # ── HTTP ─────────────────────────────────────────────────────────────────────────────────────

    async def _push(self, begin: float) -> None:
        plan, record = self.plan, self.record
        base = f"http://127.0.0.1:{plan.port}"
        told = {"Authorization": f"Bearer {plan.key}"}
        async with httpx2.AsyncClient(base_url=base, headers=told, timeout=15) as http:
            while not self.done:
                numbers = (record.open or list(self._next(begin, 0)))[:40]
                if not numbers:
                    await asyncio.sleep(0.02)
                    continue
                answer = await http.post("/feeds/chaos-http", json=[what(plan, n) for n in numbers])
                if answer.is_success:
                    told_of = answer.json()
                    assert told_of["taken"] + told_of["faults_count"] == len(numbers), told_of
                    for number in numbers:
                        record.acknowledge(number)
                else:
                    await asyncio.sleep(0.3)


class Device(gmqtt.Client):  # type: ignore[misc]  # the library comes without types
    """The library's client, which knows the number of the message that is acknowledged."""

    def __init__(self, name: str, acknowledged: Any, *, receipts: bool) -> None:
        super().__init__(f"gateway-{name}", clean_session=True)
        self._acknowledged, self._receipts = acknowledged, receipts
        self._numbers: dict[int, int] = {}
        self.lost = asyncio.Event()
        handlers = self._package_handler._handler_cache
        handlers[int(MQTTCommands.PUBACK)] = self._puback
        self.on_message = self._receipt

    async def reconnect(self, delay: bool = False) -> None:
        self.lost.set()

    def send(self, plan: Plan, number: int) -> None:
        message = what(plan, number)
        options = {}
        if self._receipts:
            options = {
                "response_topic": f"cim/receipts/{plan.name}",
                "correlation_data": str(number).encode(),
            }
        topic = f"cim/v1/{plan.name}/{message['device']}"
        said = gmqtt.Message(topic, json.dumps(message), qos=1, **options)
        mid, _ = self._connection.publish(said)
        self._numbers[mid] = number

    def _puback(self, command: int, packet: bytes) -> None:
        mid = packet[0] << 8 | packet[1]
        self._package_handler.id_generator.free_id(mid)
        number = self._numbers.pop(mid)
        # 0x10: there is nobody yet whom the broker could keep it for.
        if not self._receipts and (len(packet) < 3 or packet[2] == 0):
            self._acknowledged(number)

    def _receipt(
        self, client: object, topic: str, payload: bytes, qos: int, properties: Any
    ) -> int:
        number = int(properties["correlation_data"][0])
        told = json.loads(payload)
        assert told["taken"] + told["faults_count"] == 1, told
        assert told["taken"] == (not is_stranger(number)), told
        self._acknowledged(number)
        return 0

    def leave(self) -> None:
        if self._connection is not None:
            self._connection._transport.abort()


if __name__ == "__main__":
    asyncio.run(Sender(msgspec.json.decode(sys.argv[1], type=Plan)).run())
