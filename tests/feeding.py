"""A small city's devices, and messages sent to them, for whoever tests what comes in."""

import asyncio
import json
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, text

from cim.feeds.broker import hashed
from cim.feeds.ingest import Item, Outcome, Ways, ingest
from cim.feeds.reading import Message
from cim.feeds.sources import Feed, read
from cim.security import secrets
from cim.settings import Settings
from cim.store import feeding
from cim.store.queries.feeds import resolving

NOW = int(time.time()) * 1_000_000
"""Microseconds since 1970 when the tests began, on a whole second."""

MINUTE = 60_000_000
DAY = 86_400_000_000


def furnish(engine: Engine) -> None:
    """A source, feeds of it, a meter, a lift, a gateway with a smoke detector behind it."""
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO city.source_system (id, name) VALUES (700, '设备平台');
            INSERT INTO city.device (id, class_code, source_id, ext_id) VALUES
                (7001, 'power_meter', 700, 'meter-1'), (7002, 'lift', 700, 'lift-1'),
                (7003, 'gateway', 700, 'gateway-1'), (7004, 'smoke', 700, 'smoke-1'),
                (7005, 'other', 700, 'odd-1');
            UPDATE city.device SET gateway_id = 7003 WHERE id = 7004;
            INSERT INTO city.datastream (id, device_id, name, observed_property, unit_ucum,
                result_type, low, high) VALUES
                (7101, 7001, 'energy', 'energy', 'kW.h', 'number', 0, NULL),
                (7102, 7001, 'power', 'power', 'kW', 'number', -1000, 10000),
                (7103, 7002, 'running', 'running state', NULL, 'code', NULL, NULL);
            INSERT INTO platform.feed (id, name, transport, decoder, source_id, provision) VALUES
                (701, 'plain', 'http', 'cim', 700, 'none'),
                (702, 'streams', 'http', 'cim', 700, 'streams'),
                (703, 'devices', 'http', 'cim', 700, 'devices'),
                (704, 'own', 'mqtt', 'cim', 700, 'none'),
                (705, 'mapped', 'http', 'cim', 700, 'none');
            INSERT INTO platform.feed_map (feed_id, class_code, path, stream, unit_ucum, scale,
                "offset", texts) VALUES
                (705, 'power_meter', 'P', 'power', 'W', 1, 0, NULL),
                (705, NULL, 'secret', NULL, NULL, 1, 0, NULL),
                (705, 'lift', 'st', 'running', NULL, 1, 0, '{"1": "up", "2": "down"}');
            """)
        )


def give_key(connection: Connection, device: int, username: str) -> str:
    """A key that a device opens the broker and pushes with."""
    key, prefix = secrets.make_key()
    connection.execute(
        text("""INSERT INTO platform.device_key (device_id, username, prefix, digest, broker_hash)
            VALUES (:device, :name, :prefix, :digest, :hash)"""),
        {
            "device": device,
            "name": username,
            "prefix": prefix,
            "digest": secrets.digest(key),
            "hash": hashed(key),
        },
    )
    return key


class Ingester:
    """Sends messages as a feed would, each call a batch."""

    def __init__(self, settings: Settings) -> None:
        self.open = feeding.opener(settings)
        self.ways = Ways()
        self.loop = asyncio.new_event_loop()
        self.connection = self.run(self.open())
        self.feeds: dict[str, Feed] = read(self.run(self.connection.fetch(resolving.FEEDS)))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def item(self, feed: str, payload: Any, topic: str = "", sender: str | None = None) -> Item:
        raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return Item(self.feeds[feed], raw, Message(topic, received_at=NOW), sender)

    def send(self, *payloads: Any, feed: str = "plain", sender: str | None = None) -> Outcome:
        items = [self.item(feed, payload, sender=sender) for payload in payloads]
        return self.enter(items)

    def enter(self, items: Sequence[Item]) -> Outcome:
        found: Outcome = self.run(ingest(self.connection, items, self.ways, NOW))
        return found

    def close(self) -> None:
        self.run(feeding.close(self.connection))
        self.loop.close()


def reading(value: Any, at: int = NOW, device: str = "meter-1", **more: Any) -> Mapping[str, Any]:
    """A message of our own with one reading."""
    return {"device": device, "stream": "energy", "value": value, "at": at, **more}
