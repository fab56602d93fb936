"""Readings of devices, from publisher to store and on to who looks: all on one machine.

Gateways publish single readings at QoS 1 through Debian's mosquitto_pub to a Mosquitto of the
city's own; `cim feed run` takes them in.  SIZE is the number of datastreams, one a device.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context

import psycopg

from benchmarks import asked, floor
from benchmarks.asking import at, connected, free_port
from benchmarks.measures import City, Measure, anonymous, city, pss, tree
from benchmarks.publishing import SECONDS, Gateway, Publishing, Said
from benchmarks.viewers import SETTLED, delays
from cim.feeds import broker
from cim.security import secrets

RATE, HALF, SEEN = 12_500, 6_000, 5_000
"""Messages a second: published to hold 12,000, at which delays are measured, and looked on at."""

VIEWERS = ((200, 50), (1_000, 10))
"""How many look on at once, and how many streams each of them sees."""

GATEWAYS = 2
"""Who publish at one time."""

KEY = "of this benchmark alone, known to everybody"

FILL = """
INSERT INTO city.source_system (name, kind) VALUES ('bench', 'iot');
INSERT INTO platform.feed (name, transport, decoder, source_id, topic)
    SELECT 'bench', 'mqtt', 'cim', id, 'cim/v1/#' FROM city.source_system WHERE name = 'bench';
INSERT INTO platform.feed (name, transport, decoder, source_id)
    SELECT 'pushed', 'http', 'cim', id FROM city.source_system WHERE name = 'bench';
INSERT INTO city.device (source_id, ext_id, class_code)
    SELECT id, 'gateway-' || n, 'other'
    FROM city.source_system, generate_series(0, {gateways} - 1) n
    WHERE name = 'bench';
INSERT INTO city.device (source_id, ext_id, class_code, gateway_id)
    SELECT g.source_id, 'D' || n, 'other', g.id FROM generate_series(0, {size} - 1) n
    JOIN city.device g ON g.ext_id = 'gateway-' || n * {gateways} / {size};
INSERT INTO city.datastream (device_id, name, observed_property, unit_ucum)
    SELECT id, 'v', 'power', 'kW' FROM city.device WHERE ext_id LIKE 'D%';
"""


ENTERED = """
SELECT coalesce(sum(n_tup_ins), 0) FROM pg_stat_user_tables
WHERE schemaname = 'city' AND relname ~ '^observation'
"""


@dataclass
class Road:
    """A city whose messages are taken in."""

    here: City
    gateways: list[Gateway]
    ingester: subprocess.Popen[bytes]

    def stored(self) -> int:
        """Readings that are in the store."""
        return int(self.here.one("SELECT count(*) FROM city.observation"))

    def entered(self) -> int:
        """Readings that were ever entered, as PostgreSQL counts them: a second late, and cheap."""
        return int(self.here.one(ENTERED))


def measure(size: int) -> list[Measure]:
    """Fill a city with datastreams, publish, and ask for what came."""
    with city() as here:
        _fill(here, size)
        with _taken_in(here, size) as road:
            found = [*_held(road), *_delays(road)]
            # Whoever asks a demo is one account, which may not look on a thousand times.
            with _served(here) as (port, server):
                found += [
                    line for many in VIEWERS for line in _looked_on(road, port, server, *many)
                ]
            found += _caught_up(road)
        with _served(here, "--demo") as (port, server):
            found += asked.measure(here, port, server, size)
        with _served(here) as (port, server):  # who sees no home: more is asked of each reading
            found += asked.latest(port, server, size, ", as anybody")
        keyed = [(gateway, broker.hashed(KEY)) for gateway in road.gateways]
        return [*found, *floor.measure(here, keyed, RATE, SECONDS / 5)]


def _fill(here: City, size: int) -> None:
    """Devices with one stream each, in as many parts as there are gateways, which have keys."""
    with psycopg.connect(here.url) as connection:
        connection.execute(FILL.format(size=size, gateways=GATEWAYS).encode())
        connection.execute(
            "UPDATE platform.feed SET key_digest = %s WHERE name = 'pushed'",
            (secrets.digest(asked.PUSHES),),
        )
        for number in range(GATEWAYS):
            name = f"gateway-{number}"
            connection.execute(
                "INSERT INTO platform.device_key (device_id, username, prefix, digest, broker_hash)"
                " SELECT id, %s, '', sha256(%s), %s FROM city.device WHERE ext_id = %s",
                (name, name.encode(), broker.hashed(KEY), name),
            )
    with psycopg.connect(here.url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE city.device, city.datastream")


@contextmanager
def _taken_in(here: City, size: int) -> Iterator[Road]:
    """`cim feed run` and its broker, up until the end."""
    os.environ["CIM_MQTT_LISTEN"] = "127.0.0.1:0"  # another city's broker may be up
    road = Road(here, [], here.start("feed", "run"))
    try:
        for _ in range(300):
            running = broker.running(here.settings)
            if running is not None:
                break
            time.sleep(0.1)
        else:
            raise RuntimeError(f"no broker came up:\n{here.said()[-2000:]}")
        time.sleep(3)  # until it has subscribed, and the broker knows the keys
        parts = [size * n // GATEWAYS for n in range(GATEWAYS + 1)]
        road.gateways = [
            Gateway(running.port, f"gateway-{n}", KEY, (parts[n], parts[n + 1]))
            for n in range(GATEWAYS)
        ]
        yield road
    finally:
        road.ingester.terminate()
        road.ingester.wait(timeout=60)
        broker.end(here.settings)


@contextmanager
def _served(here: City, *more: str) -> Iterator[tuple[int, int]]:
    """The service on some port, and the number of its process."""
    port = free_port()
    words = ("serve", "--no-worker", "--no-feeds", "--host", "127.0.0.1", "--port", str(port))
    server = here.start(*words, *more)
    try:
        connected(port).close()
        yield port, server.pid
    finally:
        server.terminate()
        server.wait(timeout=60)


def _held(road: Road) -> list[Measure]:
    """The rate that is wished, for as long as is wished: what of it was in the store in time."""
    before, began = road.stored(), time.perf_counter()
    publishing = Publishing(road.gateways, RATE, SECONDS)
    early = late = 0
    while publishing.running:
        time.sleep(1)
        used = sum(anonymous(process) for process in tree([road.ingester.pid]))
        if time.perf_counter() - began < SECONDS / 5:
            early = max(early, used)
        late = max(late, used)
    sent = sum(said.messages for said in publishing.end())
    while road.stored() - before < sent and time.perf_counter() - began < SECONDS + 120:
        time.sleep(0.2)
    took = time.perf_counter() - began
    stored = road.stored() - before
    latest = int(road.here.one("SELECT count(*) FROM city.datastream WHERE last_at IS NOT NULL"))
    memory = sum(pss(process) for process in tree([road.ingester.pid])) / 1e6
    return [
        Measure("single readings published, held for all of the time", sent / SECONDS, "1/s"),
        Measure("committed, from the first message to the last commit", stored / took, "1/s",
                12_000, "higher"),
        Measure("messages acknowledged by the broker that are not stored", sent - stored, "", 0),
        Measure("seconds after the last message until all was stored", took - SECONDS, "s"),
        Measure("datastreams that have a latest value", latest, ""),
        Measure("memory of the ingester (PSS)", round(memory, 1), "MB"),
        Measure("its growth after the first fifth", late / max(early, 1), "×", 1.25),
    ]  # fmt: skip


def _caught_up(road: Road) -> list[Measure]:
    """What waits at the broker while no ingester is up, taken in by the next as fast as it can."""
    road.ingester.kill()  # one that is told to stop shuts the gate, and nobody gets in
    road.ingester.wait(timeout=60)
    time.sleep(2)  # until it is counted what it had entered
    before, counted = road.stored(), road.entered()
    sent = sum(said.messages for said in Publishing(road.gateways, RATE, SECONDS / 5).end())
    road.ingester = road.here.start("feed", "run")
    started = began = time.perf_counter()
    entered = 0
    while entered < sent and time.perf_counter() - started < SECONDS + 120:
        time.sleep(0.2)
        if entered == 0:
            began = time.perf_counter()  # it has connected, and entered what is counted next
        entered = road.entered() - counted
    took = time.perf_counter() - began
    return [
        Measure("waiting at the broker, taken in: committed", entered / took, "1/s"),
        Measure("of it not stored", sent - (road.stored() - before), "", 0),
    ]


def _delays(road: Road) -> list[Measure]:
    """From the device's clock to the notice of the commit, at half the rate."""
    took: list[float] = []
    with psycopg.connect(road.here.url, autocommit=True) as connection:
        connection.execute("LISTEN cim_readings")
        publishing = Publishing(road.gateways, HALF, SECONDS / 5)
        idle = 0
        while idle < 3:
            quiet = True
            for notice in connection.notifies(timeout=1.0):
                quiet = False
                now = time.time() * 1000
                took += [now - int(line.split(",", 2)[1]) for line in notice.payload.splitlines()]
            idle = idle + 1 if quiet and not publishing.running else 0
        said: list[Said] = publishing.end()
    took.sort()
    return [
        Measure("readings told of at half the rate, of those sent",
                len(took) / sum(each.messages for each in said), "×"),
        Measure("message to commit at half the rate, half within", at(took, 0.5), "ms"),
        Measure("message to commit at half the rate, 99 of 100 within", at(took, 0.99), "ms", 500),
    ]  # fmt: skip


def _looked_on(road: Road, port: int, server: int, viewers: int, each: int) -> list[Measure]:
    """Viewers, each of streams of its own: from the device's clock until they have a reading."""
    half = viewers * each // GATEWAYS
    few = [replace(g, devices=(g.devices[0], g.devices[0] + half)) for g in road.gateways]
    with psycopg.connect(road.here.url) as connection:
        keys = [f"D{n}" for gateway in few for n in range(*gateway.devices)]
        rows = connection.execute(
            "SELECT t.id FROM city.datastream t JOIN city.device d ON d.id = t.device_id "
            "WHERE d.ext_id = ANY (%s) ORDER BY t.id",
            (keys,),
        ).fetchall()
    streams = [row[0] for row in rows]
    seen = [streams[n : n + each] for n in range(0, len(streams), each)]
    publishing = Publishing(few, SEEN, SECONDS / 5 + 2 * SETTLED)
    with get_context("spawn").Pool(1) as pool:
        took = pool.apply(delays, (port, seen, SECONDS / 5))
    publishing.end()
    memory = sum(pss(process) for process in tree([server])) / 1e6
    what = f"message to viewer at {SEEN:,}/s and {viewers:,} viewers"
    return [
        Measure(f"{what}, half within", at(took, 0.5), "ms"),
        Measure(f"{what}, 95 of 100 within", at(took, 0.95), "ms", 1000),
        Measure(f"readings that {viewers:,} viewers were told a second",
                len(took) / (SECONDS / 5), "1/s"),
        Measure(f"memory of the service after {viewers:,} viewers (PSS)", memory, "MB"),
    ]  # fmt: skip
