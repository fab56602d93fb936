"""Death after death under load, by a seed; every one is written down."""

import random
import time
from collections.abc import Callable
from typing import Final

import psutil

from cim.store.server import embedded
from tests.chaos.city import City

INGESTERS: Final = ("ingester-1", "ingester-2")


class Chaos:
    """Kills what runs, in turn, and starts it again."""

    def __init__(self, city: City, seed: int) -> None:
        self.city, self.seed = city, seed
        self.random = random.Random(seed)
        self.began = time.monotonic()
        self.deaths: dict[str, int] = {}
        self.log = city.folder / "chaos.log"

    def tell(self, what: str) -> None:
        """Write down what happens."""
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"{time.monotonic() - self.began:8.2f} {what}\n")

    def rage(self, seconds: float, kinds: list[str], *, broker: bool) -> None:
        """Kill for so long; gateways of `kinds` send meanwhile."""
        deeds: dict[str, Callable[[], None]] = {
            "ingester-1": lambda: self._again("ingester-1"),
            "ingester-2": lambda: self._again("ingester-2"),
            "both ingesters": self._both,
            "gateway": lambda: self._again(self.random.choice(kinds)),
            "postmaster": self.city.kill_postmaster,
            "backend": lambda: self.tell(f"  backend {self.city.kill_backend()}"),
            "service": lambda: self._again("service"),
        }
        if broker:
            deeds["broker"] = self.city.kill_broker
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            turn = list(deeds)
            self.random.shuffle(turn)
            turn.sort(key=lambda name: self.deaths.get(name, 0))  # who has not died yet is next
            for name in turn:
                if time.monotonic() >= end:
                    return
                time.sleep(self.random.uniform(0.2, 1.5))
                self.tell(f"kill {name}")
                self.deaths[name] = self.deaths.get(name, 0) + 1
                deeds[name]()

    def _again(self, name: str) -> None:
        self.city.kill(name)
        time.sleep(self.random.choice((0.0, 0.0, self.random.uniform(0, 1.5))))
        self.city.start(name)

    def _both(self) -> None:
        for name in INGESTERS:
            self.city.kill(name)
        time.sleep(self.random.uniform(0, 1.0))
        for name in INGESTERS:
            self.city.start(name)

    def away(self, seconds: float) -> dict[str, int]:
        """Stop the database for so long; by how many bytes each ingester grew."""
        processes = {name: psutil.Process(self.city.processes[name].pid) for name in INGESTERS}
        before = {name: one.memory_info().rss for name, one in processes.items()}
        self.tell(f"the database is away for {seconds:.0f} s")
        self.city.engine.dispose()
        cluster = embedded.cluster(self.city.settings)
        cluster.stop()
        most = dict(before)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.2)
            for name, one in processes.items():
                most[name] = max(most[name], one.memory_info().rss)
        cluster.ensure()
        grown = {name: most[name] - before[name] for name in before}
        self.tell(f"  grown by {grown}")
        return grown
