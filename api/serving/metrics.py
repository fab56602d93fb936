"""What Prometheus asks: requests by route, their times, what was refused, and the state within.

Answered at an address of its own, never among the routes; `CIM_METRICS` says where.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from cim.errors import CimError
from cim.store.queries import serving as queries

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

Label = tuple[str, str, int]
"""Method, pattern of the route, status."""


class Measures:
    """Counts and times of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Kept in the registry, or in files where several processes are counted together."""
        self.requests = Counter(
            "cim_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "cim_request_seconds",
            "Seconds that requests took",
            ["method", "route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.running = Gauge(
            "cim_requests_running",
            "Requests that are being answered",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.limited = Counter(
            "cim_requests_limited",
            "Requests refused since too many came",
            ["counted"],
            registry=registry,
        )
        self.pool = Gauge(
            "cim_pool_connections",
            "Connections to the database",
            ["pool", "state"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.replica = Gauge(
            "cim_replica_usable",
            "Whether the read replica answers and is near enough",
            multiprocess_mode="livemin",
            registry=registry,
        )
        self.reads = Counter("cim_reads", "Statements that only read", ["from"], registry=registry)
        self.live_readers = Gauge(
            "cim_live_readers",
            "Who reads along by stream or socket",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.live_subscriptions = Gauge(
            "cim_live_subscriptions",
            "Subscriptions that differ",
            multiprocess_mode="livesum",
            registry=registry,
        )
        self.live_dropped = Counter(
            "cim_live_dropped", "Readers dropped since they read too slowly", registry=registry
        )
        self._known: dict[Label, tuple[Any, Any]] = {}

    def begun(self) -> None:
        """A request came."""
        self.running.inc()

    def ended(self, label: Label, seconds: float) -> None:
        """It is over."""
        self.running.dec()
        known = self._known.get(label)
        if known is None:
            method, route, status = label
            known = self._known[label] = (
                self.requests.labels(method, route, status),
                self.seconds.labels(method, route),
            )
        known[0].inc()
        known[1].observe(seconds)


class Store(Collector):
    """What the database knows, asked when Prometheus asks."""

    def __init__(self, engine: Engine) -> None:
        """Of the database of this engine."""
        self.engine = engine

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing that must be known before."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauges; `cim_database_up` alone where nobody answers."""
        found: list[tuple[str, str, float]] = []
        try:
            with self.engine.connect() as connection:
                found = [tuple(row) for row in connection.execute(queries.state())]
        except (CimError, OSError):
            pass
        yield _gauge("cim_database_up", "Whether the database answers", [("", float(bool(found)))])
        for name, about in (
            ("connections", "Connections to the database by what they do"),
            ("jobs", "Files handed in, by state"),
            ("tiles", "Tiles by state"),
        ):
            rows = [(state, value) for kind, state, value in found if kind == name]
            yield _gauge(f"cim_{name}", about, rows, "state")


def _gauge(
    name: str, about: str, rows: Iterable[tuple[str, float]], label: str | None = None
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, about, labels=[label] if label else [])
    for state, value in rows:
        family.add_metric([state] if label else [], value)
    return family


def answer_at(where: str, registry: CollectorRegistry, engine: Engine, files: Path | None) -> None:
    """Answer Prometheus at host:port, in a thread; `files` is where several processes count.

    OSError where nothing can listen there.
    """
    host, _, port = where.rpartition(":")
    if files is not None:
        MultiProcessCollector(registry, path=str(files))  # type: ignore[no-untyped-call]  # the library lacks it there
    registry.register(Store(engine))
    start_http_server(int(port), addr=host.strip("[]"), registry=registry)
