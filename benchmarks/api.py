"""The API over real HTTP: cards, places, pages, searches, counts, tiles; beside tipg where it can.

Everything is asked of a served city of SIZE buildings with all that belongs to them, on one
connection that is kept alive, of things chosen at random; every byte is read.
"""

import json
import math
import random
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote

import orjson
import psycopg

from benchmarks import tipg
from benchmarks.asking import WARM, Question, ask, at, connected, free_port, rate, send
from benchmarks.measures import City, Measure, Watch, city, pss, tree
from cim.store.queries.vector.matrices import WEB
from sample_data.make import make

CARDS = 2_000
"""Cards asked for in a measure; of most other things a fifth."""

DEEP = 290 / 300
"""How far back a late page is: at offset 290 k of 300 k."""

PURPOSE = {"X-Purpose": "demonstration"}
"""With it, and on this machine, residents are decrypted and the reading is logged."""

JSON = {"Content-Type": "application/json"}
TYPED = ("虎门", "花园", "hm", "fthy", "fengtaihuayuan", "hmfthy", "fthy3d803", "示范", "三单元")
"""What is typed into the box of addresses, besides parts of the city's own."""


@dataclass(frozen=True)
class Things:
    """Ids and places of a city, chosen at random, each list by the same seed."""

    units: list[int]
    buildings: list[tuple[int, float, float, float]]
    """Id, longitude, latitude, and a height above the datum within it."""

    addresses: list[str]
    total: int

    @property
    def some(self) -> list[tuple[int, float, float, float]]:
        """As many buildings as most measures take."""
        return self.buildings[: CARDS // 5 + WARM]


def measure(size: int) -> list[Measure]:
    """Load a city of SIZE buildings with all that belongs to it, serve it, ask it."""
    with city() as here:
        folder = here.folder / "sample"
        make(folder, size)
        here.run("load", "city", str(folder))
        with psycopg.connect(here.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE city.building_people")
        things = _things(here)
        port = free_port()
        server = here.start(
            "serve", "--demo", "--no-worker", "--host", "127.0.0.1", "--port", str(port)
        )
        try:
            connected(port).close()
            found = [
                *_links(connected(port), things),
                *_places(connected(port), things),
                *_searches(connected(port), things),
                *_items(connected(port), here, things),
                *_tiles(connected(port), things),
            ]
            cards = [Question(f"/units/{unit}/card") for unit in things.units]
            found.append(
                Measure("cards a second, four callers at once", rate(port, cards, 4, 5.0), "1/s",
                        2000, "higher")
            )  # fmt: skip
            memory = sum(pss(process) for process in tree([server.pid])) / 1e6
        finally:
            server.terminate()
            server.wait(timeout=30)
    return [*found, Measure("memory of the server (PSS)", round(memory, 1), "MB")]


def _things(here: City) -> Things:
    """Random units, half of them from those that have meters, so that cards are not empty."""
    chance = random.Random(7)
    with psycopg.connect(here.url) as connection:
        every = connection.execute(
            "SELECT id FROM city.unit WHERE ended_at IS NULL ORDER BY random() LIMIT 5000"
        ).fetchall()
        full = connection.execute(
            "SELECT DISTINCT bind_id FROM city.device WHERE bind_type = 'unit' LIMIT 5000"
        ).fetchall()
        houses = connection.execute(
            "SELECT id, ST_X(p), ST_Y(p), ground_elev + height / 2 FROM (SELECT id, ground_elev, "
            "height, ST_PointOnSurface(footprint) AS p FROM city.building "
            "WHERE ended_at IS NULL ORDER BY random() LIMIT 2100) b"
        ).fetchall()
        texts = connection.execute(
            "SELECT full_text FROM city.std_address WHERE ended_at IS NULL "
            "ORDER BY random() LIMIT 500"
        ).fetchall()
        total = connection.execute("SELECT count(*) FROM city.building").fetchone()
    half = (CARDS + WARM) // 2
    units = [row[0] for row in chance.choices(every, k=half) + chance.choices(full, k=half)]
    chance.shuffle(units)
    assert total is not None
    return Things(units, houses, [row[0] for row in texts], total[0])


def _said(
    connection: HTTPConnection, name: str, questions: list[Question], **aims: float
) -> list[Measure]:
    """The lines of one sort of question; an aim is of a share, as p95=15."""
    took = ask(connection, questions)
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    words = {"p50": "half", "p95": "95 of 100", "p99": "99 of 100"}
    return [
        Measure(f"{name}, {words[share]} within", at(took, shares[share]), "ms", aims.get(share))
        for share in shares
    ]


def _links(connection: HTTPConnection, things: Things) -> list[Measure]:
    cards = [f"/units/{unit}/card" for unit in things.units]
    whole = [f"/units/{unit}" for unit in things.units[: CARDS // 2]]
    expand = "?expand=address,organisations,facilities,devices,alarms,codes"
    with Watch([]) as watch:
        found = _said(connection, "unit card", [Question(path) for path in cards], p50=2, p99=10)
    found.append(
        Measure("cards a second on one connection", len(cards) / watch.seconds, "1/s", None,
                "higher")
    )  # fmt: skip
    # Each such reading is logged, and a caller may have but so many at once: few are asked.
    shown = [Question(path, headers=PURPOSE) for path in cards[:200]]
    return [
        *found,
        *_said(connection, "unit card with residents", shown, p95=20),
        *_said(
            connection, "unit with all its links", [Question(path + expand) for path in whole],
            p50=2, p99=10,
        ),
        *_said(
            connection, "floor grid",
            [Question(f"/buildings/{house[0]}/floor-grid") for house in things.some],
        ),
    ]  # fmt: skip


def _places(connection: HTTPConnection, things: Things) -> list[Measure]:
    locate = [f"/locate?lon={x}&lat={y}&h={h}" for _, x, y, h in things.buildings]
    nearest = [f"/nearest?lon={x}&lat={y}&limit=10" for _, x, y, _ in things.buildings]
    people = [
        Question("/counts?of=people", _circle(x, y, 1500), JSON) for _, x, y, _ in things.some
    ]
    return [
        *_said(connection, "locate", [Question(path) for path in locate], p50=2, p99=10),
        *_said(connection, "nearest facilities", [Question(p) for p in nearest], p50=2, p99=10),
        *_said(connection, "people in a polygon of 3 km", people, p95=15),
    ]


def _circle(lon: float, lat: float, radius: float) -> bytes:
    """A polygon of 64 corners around a place, radius in metres, as GeoJSON."""
    north = radius / 110_950
    east = north / math.cos(math.radians(lat))
    turns = [2 * math.pi * n / 64 for n in range(65)]
    ring = [[lon + east * math.cos(a), lat + north * math.sin(a)] for a in turns]
    ring[-1] = ring[0]
    return orjson.dumps({"type": "Polygon", "coordinates": [ring]})


def _searches(connection: HTTPConnection, things: Things) -> list[Measure]:
    chance = random.Random(7)
    parts = []
    for text in things.addresses[:300]:
        length = chance.randint(2, 8)
        start = chance.randint(0, max(len(text) - length, 0))
        parts.append(text[start : start + length])
    two = [text[-6:-4] for text in things.addresses[:200] if len(text) > 8]
    typed = [chance.choice(TYPED) for _ in range(200)]
    whole = [
        Question("/addresses/geocode", orjson.dumps({"addresses": [text]}), JSON)
        for text in things.addresses
    ]
    sorts: list[tuple[str, list[Question]]] = [
        ("suggest while typing", [_q("suggest", text) for text in parts + typed]),
        ("suggest, two characters", [_q("suggest", text) for text in two]),
        ("search", [_q("search", text) for text in parts]),
        ("search, two characters", [_q("search", text) for text in two]),
    ]
    found = [line for name, each in sorts for line in _said(connection, name, each, p95=40)]
    return found + _said(connection, "geocode a whole address", whole)


def _q(what: str, text: str) -> Question:
    return Question(f"/addresses/{what}?q={quote(text)}")


def _items(connection: HTTPConnection, here: City, things: Things) -> list[Measure]:
    """Boxes of some 500 m and a late page of ten, of ours and of tipg's."""
    boxes = [
        f"bbox={x - 0.0025},{y - 0.0025},{x + 0.0025},{y + 0.0025}&limit=10"
        for _, x, y, _ in things.some
    ]
    ours = "/ogc/collections/buildings/items"
    late = _late_page(connection, ours, things.total)
    many = CARDS // 5
    mine = [
        ask(connection, [Question(f"{ours}?{box}&f=json") for box in boxes]),
        ask(connection, [Question(late)] * many),
    ]
    offset = int(things.total * DEEP)
    few = min(many // 4, 10 + 10_000_000 // offset)  # each takes it seconds where a city is large
    with tipg.tipg(here) as port:
        other = connected(port, "/healthz")
        theirs = [
            ask(other, [Question(f"{tipg.ITEMS}?{box}") for box in boxes]),
            ask(other, [Question(f"{tipg.ITEMS}?limit=10&offset={offset}")] * few),
        ]
    names = ("items of a box, limit 10", f"page of ten at offset {offset:,}")
    return [
        Measure(f"{name}, {words} within", at(we, share), "ms", 4 if share == 0.95 else None,
                peer="tipg", peer_value=at(they, share))
        for name, we, they in zip(names, mine, theirs, strict=True)
        for words, share in (("half", 0.5), ("95 of 100", 0.95))
    ]  # fmt: skip


def _late_page(connection: HTTPConnection, items: str, total: int) -> str:
    """The address of a page of ten that far back, by the links from page to page."""
    page = f"{items}?limit=10000&f=json&properties=name"
    passed = 0
    while True:
        left = int(total * DEEP) - passed
        if left < 10_000:
            page = page.replace("limit=10000", f"limit={max(left, 10)}")
        answer: dict[str, Any] = json.loads(send(connection, Question(page)))
        passed += answer["numberReturned"]
        following = next((li["href"] for li in answer["links"] if li["rel"] == "next"), None)
        if following is None:
            raise RuntimeError("the last page came before the late one")
        page = "/" + str(following).split("/", 3)[3]
        if left <= 10_000:
            limit = page.partition("limit=")[2].partition("&")[0]
            return page.replace(f"limit={limit}", "limit=10").replace("&properties=name", "")


def _tiles(connection: HTTPConnection, things: Things) -> list[Measure]:
    """Vector tiles where buildings are: of z15 made each time, of z12 made once and kept."""
    path = "/ogc/collections/buildings/tiles/WebMercatorQuad"
    packed = {"Accept-Encoding": "gzip"}

    def tiles(z: int) -> list[Question]:
        found = []
        for _, x, y, _ in things.some:
            columns, rows = WEB.tiles(z, (x, y, x, y))
            address = f"{path}/{z}/{rows[0]}/{columns[0]}"
            found.append(Question(address, headers=packed, is_json=False))
        return found

    far = tiles(12)
    for question in dict.fromkeys(question.path for question in far):
        send(connection, Question(question, headers=packed, is_json=False))
    return [
        *_said(connection, "vector tile of z15, made", tiles(15), p95=30),
        *_said(connection, "vector tile of z12, kept", far, p95=3),
    ]
