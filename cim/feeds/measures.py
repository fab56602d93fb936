"""What the ingester measures of itself, as Prometheus reads it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from cim.feeds.ingest import Item, Outcome

REGISTRY: Final = CollectorRegistry()

MESSAGES: Final = Counter(
    "cim_feed_messages", "Messages that are in the store", ["feed"], registry=REGISTRY
)
READINGS: Final = Counter(
    "cim_feed_readings",
    "Readings by what became of them: stored, duplicate, or the reason of a dead letter",
    ["feed", "fate"],
    registry=REGISTRY,
)
DELAY: Final = Histogram(
    "cim_feed_delay_seconds",
    "From the arrival of a message to its commit, of the oldest of each batch",
    ["feed"],
    buckets=(0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 60, 600),
    registry=REGISTRY,
)
AWAY: Final = Counter(
    "cim_feed_database_tries", "Tries that the database did not answer", registry=REGISTRY
)
CONNECTED: Final = Gauge(
    "cim_feed_connected", "1 while the feed's broker answers", ["feed"], registry=REGISTRY
)
WAITING: Final = Gauge(
    "cim_feed_broker_waiting", "Messages that the broker holds", registry=REGISTRY
)
SHUT: Final = Gauge(
    "cim_feed_broker_shut",
    "1 while our own broker lets no device in, as it holds too much",
    registry=REGISTRY,
)
DROPPED: Final = Gauge(
    "cim_feed_broker_dropped",
    "Messages that the broker has dropped since it began, for want of room in its queues",
    registry=REGISTRY,
)


def batch(items: Sequence[Item], outcome: Outcome, now: int) -> None:
    """Count a batch that is through, at `now` in microseconds since 1970."""
    names = {item.feed.id: item.feed.name for item in items}
    for name in names.values():
        MESSAGES.labels(name).inc(sum(1 for item in items if item.feed.name == name))
    for (feed, fate), number in outcome.fates.items():
        READINGS.labels(names.get(feed, ""), fate).inc(number)
    oldest = min(item.message.received_at for item in items)
    DELAY.labels(items[0].feed.name).observe(max(0, now - oldest) / 1_000_000)


class Connected(Protocol):
    """What knows whether it is connected."""

    connected: bool


def connected(feed: str, to: Connected | None) -> None:
    """Tell whether a feed's broker answers, for as long as the feed is taken in."""
    if to is not None:
        CONNECTED.labels(feed).set_function(lambda: float(to.connected))
    else:
        with suppress(KeyError):
            CONNECTED.remove(feed)


def answer(place: str) -> None:
    """Answer Prometheus at host:port."""
    host, _, port = place.rpartition(":")
    start_http_server(int(port), host or "127.0.0.1", REGISTRY)
