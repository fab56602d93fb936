"""The unit card over real HTTP: one connection kept alive, random units, every byte read."""

import http.client
import json
import random
import socket
import time

import psycopg

from benchmarks.measures import City, Measure, Watch, city, pss, tree
from sample_data.make import make

AIM = 20.0
"""Milliseconds in which 95 of 100 unit cards are there."""

CARDS, WARM = 2_000, 100
"""Cards asked for in a measure, and before it."""

PURPOSE = {"X-Purpose": "demonstration"}
"""With it, and on this machine, residents are decrypted and the reading is logged."""


def measure(size: int) -> list[Measure]:
    """Load a city of SIZE buildings with all that belongs to it, serve it, ask it."""
    with city() as here:
        folder = here.folder / "sample"
        make(folder, size)
        here.run("load", "city", str(folder))
        units = _units(here)
        port = free_port()
        server = here.start(
            "serve", "--demo", "--no-worker", "--host", "127.0.0.1", "--port", str(port)
        )
        try:
            connection = connected(port)
            plain = ask(connection, [f"/units/{unit}/card" for unit in units], {})
            shown = ask(connection, [f"/units/{unit}/card" for unit in units], PURPOSE)
            with Watch([server.pid, here.postmaster]) as watch:
                grids = ask(connection, _grids(here), {})
            memory = sum(pss(process) for process in tree([server.pid])) / 1e6
        finally:
            server.terminate()
            server.wait(timeout=30)
    return [
        Measure("unit card, 95 of 100 within", at(plain, 0.95), "ms", AIM),
        Measure("unit card, half within", at(plain, 0.5), "ms"),
        Measure("unit card, 99 of 100 within", at(plain, 0.99), "ms"),
        Measure("unit card with residents, 95 of 100 within", at(shown, 0.95), "ms", AIM),
        Measure("floor grid, 95 of 100 within", at(grids, 0.95), "ms"),
        Measure("cards a second on one connection", len(plain) / sum(plain) * 1000, "1/s",
                None, "higher"),
        Measure("seconds, all cards without residents", sum(plain) / 1000, "s"),
        Measure("memory of the server (PSS)", round(memory, 1), "MB"),
        *watch.measures(),
    ]  # fmt: skip


def _units(here: City) -> list[int]:
    """Random units, half of them from those that have meters, so that cards are not empty."""
    chance = random.Random(7)
    with psycopg.connect(here.url) as connection:
        every = connection.execute("SELECT id FROM city.unit WHERE ended_at IS NULL").fetchall()
        full = connection.execute(
            "SELECT DISTINCT bind_id FROM city.device WHERE bind_type = 'unit'"
        ).fetchall()
    half = (CARDS + WARM) // 2
    chosen = [row[0] for row in chance.choices(every, k=half) + chance.choices(full, k=half)]
    chance.shuffle(chosen)
    return chosen


def _grids(here: City) -> list[str]:
    with psycopg.connect(here.url) as connection:
        rows = connection.execute("SELECT id FROM city.building WHERE ended_at IS NULL").fetchall()
    chosen = random.Random(7).choices(rows, k=500 + WARM)
    return [f"/buildings/{row[0]}/floor-grid" for row in chosen]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def connected(port: int) -> http.client.HTTPConnection:
    """A connection to the service on that port, once it answers."""
    for _ in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                return connection
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the server did not answer in 30 s")


def ask(
    connection: http.client.HTTPConnection, paths: list[str], headers: dict[str, str]
) -> list[float]:
    """Milliseconds of every answer after the warm-up, sorted; all must be good answers."""
    took = []
    for path in paths:
        began = time.perf_counter()
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        took.append((time.perf_counter() - began) * 1000)
        if answer.status != 200 or not json.loads(body):
            raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return sorted(took[WARM:])


def at(took: list[float], share: float) -> float:
    """Milliseconds within which that share of sorted answers was there."""
    return round(took[min(int(share * len(took)), len(took) - 1)], 2)
