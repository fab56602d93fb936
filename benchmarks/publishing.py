"""Devices that publish: a gateway's messages through Debian's mosquitto_pub, at a steady rate."""

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.pool import AsyncResult

SECONDS = float(os.environ.get("CIM_BENCH_SECONDS", "300"))
"""For so long rates are held; what measures delays takes a fifth of it."""

STEP = 0.02
"""Seconds between two handfuls of messages."""

STRIDE = 611_953
"""A prime: devices take turns, far from each other in every index, and none twice in a turn."""


@dataclass(frozen=True)
class Gateway:
    """Who publishes, where, for which devices (numbers of their keys, from until before)."""

    port: int
    name: str
    key: str
    devices: tuple[int, int]


@dataclass(frozen=True)
class Said:
    """What a gateway has published: messages, and the seconds that took until all were taken."""

    messages: int
    seconds: float


def publish(gateway: Gateway, rate: float, seconds: float) -> Said:
    """Publish single readings at QoS 1 and at this rate; every reading of another time.

    Returns once the broker has acknowledged all of them.
    """
    topic = f"cim/v1/{gateway.name}"
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(gateway.port), "-q", "1", "-l"]
    command += ["-u", gateway.name, "-P", gateway.key, "-t", topic, "-V", "mqttv5"]
    began = time.perf_counter()
    sender = subprocess.Popen(command, stdin=subprocess.PIPE)
    assert sender.stdin is not None
    messages = 0
    for handful in _handfuls(gateway, rate, seconds):
        sender.stdin.write(b"".join(handful))
        sender.stdin.flush()
        messages += len(handful)
    sender.stdin.close()
    if sender.wait(timeout=600):
        raise RuntimeError(f"mosquitto_pub ended with {sender.returncode}")
    return Said(messages, time.perf_counter() - began)


def _handfuls(gateway: Gateway, rate: float, seconds: float) -> Iterator[list[bytes]]:
    """Messages as they fall due."""
    first, last = gateway.devices
    began, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - began) < seconds:
        due = min(int(passed * rate) - sent, last - first)  # no device twice at one time
        now = time.time_ns() // 1_000_000
        yield [
            b'{"device":"D%d","stream":"v","at":%d,"value":%d.5}\n'
            % (first + turn * STRIDE % (last - first), now, turn % 100)
            for turn in range(sent, sent + due)
        ]
        sent += due
        time.sleep(max(0.0, STEP - (time.perf_counter() - began - passed)))


class Publishing:
    """Gateways that publish at one time, each in a process of its own."""

    def __init__(self, gateways: Sequence[Gateway], rate: float, seconds: float) -> None:
        """At `rate` messages a second, all together, for so long."""
        self._pool = get_context("spawn").Pool(len(gateways))
        each = rate / len(gateways)
        self._said: list[AsyncResult[Said]] = [
            self._pool.apply_async(publish, (gateway, each, seconds)) for gateway in gateways
        ]

    @property
    def running(self) -> bool:
        """Whether somebody still publishes."""
        return not all(said.ready() for said in self._said)

    def end(self) -> list[Said]:
        """What each has published, once all are done."""
        found = [said.get() for said in self._said]
        self._pool.close()
        self._pool.join()
        return found
