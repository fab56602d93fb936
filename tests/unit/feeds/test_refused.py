"""A broker that does not let us subscribe: Debian's always does, so one of ten lines stands in."""

import asyncio
from pathlib import Path

import pytest

from cim.feeds.mqtt import Place, Subscriber
from cim.feeds.sources import Feed

CONNACK = bytes.fromhex("2003000000")
SUBSCRIBE = 0x82


async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let in, and let subscribe to nothing."""
    while said := await reader.read(1000):
        at = said.find(SUBSCRIBE)
        if said[0] == 0x10:
            writer.write(CONNACK)
        elif at >= 0:
            writer.write(bytes((0x90, 4, *said[at + 2 : at + 4], 0, 0x87)))
    writer.close()


def test_what_a_broker_does_not_let_us_subscribe_to_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def go() -> None:
        server = await asyncio.start_server(refuse, "127.0.0.1")
        where = Place("127.0.0.1", server.sockets[0].getsockname()[1])
        feed = Feed(1, "lora", "mqtt", "cim", 1, "up/#")
        subscriber = Subscriber(feed, where, "test", tmp_path / "kept", lambda _: None)
        running = asyncio.create_task(subscriber.run(asyncio.Event(), lambda: None))
        for _ in range(100):
            await asyncio.sleep(0.02)
            if "lora" in caplog.text:
                break
        running.cancel()
        await subscriber.leave()
        server.close()

    asyncio.run(go())
    assert "does not let feed lora subscribe to $share/cim/up/#" in caplog.text
    assert "不允许订阅" in caplog.text
