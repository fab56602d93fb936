"""Who looks on: many viewers of live readings at once, in a process of their own."""

import asyncio
import json
import time
from collections.abc import Sequence

SETTLED = 5.0
"""Seconds in which all connect, and get what there is; what comes after counts."""


def delays(port: int, streams: Sequence[Sequence[int]], seconds: float) -> list[float]:
    """Milliseconds from the device's clock until a viewer has the reading, sorted.

    A viewer for each list of datastreams, all of them for so long.
    """
    return asyncio.run(_all(port, streams, seconds))


async def _all(port: int, streams: Sequence[Sequence[int]], seconds: float) -> list[float]:
    began = time.time()
    found = await asyncio.gather(*(_viewer(port, each, began, seconds) for each in streams))
    return sorted(took for one in found for took in one)


async def _viewer(port: int, streams: Sequence[int], began: float, seconds: float) -> list[float]:
    """One viewer: an event stream read line by line."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    named = ",".join(map(str, streams))
    path = f"/live?datastream={named}&alarms=none"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"{path[:60]}…: {status.decode()}")
    took: list[float] = []
    while (left := began + SETTLED + seconds - time.time()) > 0:
        try:
            async with asyncio.timeout(left):
                line = await reader.readline()
        except TimeoutError:
            break
        now = time.time()
        if not line:
            raise RuntimeError("the service dropped a viewer")
        if line.startswith(b"data: [[") and now > began + SETTLED:
            took += [now * 1000 - row[1] for row in json.loads(line[6:])]
    writer.close()
    return took
