"""Addresses: from texts with the building's key to parsed, linked, indexed, and found again.

A city with its units is made and loaded first; then one address a building and one a room, each in
a habit of five, SIZE in all.  Beside us, on the same file and server, plain COPY of the texts as
they are: nothing parsed, linked or indexed.
"""

import json
import os
import random
import urllib.parse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg

from benchmarks.asking import Question, ask, at, connected, free_port
from benchmarks.measures import RESULTS, City, Measure, Watch, city, growth
from sample_data import addressing, names, places, town
from sample_data.buildings import build
from sample_data.files import write_layer
from sample_data.make import LAYERS

AIM = 40_000
"""Rows a second, parsed, linked and indexed."""

SHARE = 7
"""Rows for each building: its own address and those of its rooms."""

SEED = 7
SAMPLE = 50_000
"""Addresses from which searches are chosen."""

ASKED = 300
"""Searches of each sort."""

WITHIN = 25.0
"""Milliseconds in which 95 of 100 searches are answered; half of them within a fifth of that."""

HALF = "".join(map(chr, range(ord("!"), ord("~") + 1)))
"""Characters that have a full-width form."""

BUILDINGS = "SELECT 'A' || key, words, key FROM known ORDER BY row"

ROOMS = """
    SELECT 'R' || u.id, k.words || CASE k.habit
            WHEN 2 THEN translate(concat(e.name, u.room_no, '室'), %(half)s, %(full)s)
            WHEN 4 THEN ' ' || concat_ws(' ', e.name, u.room_no || '室')
            ELSE concat(e.name, u.room_no, '室') END, k.key
    FROM city.unit u JOIN city.building b ON b.id = u.building_id JOIN known k ON k.key = b.ext_id
    LEFT JOIN city.entrance e ON e.id = u.entrance_id ORDER BY u.id LIMIT %(rooms)s"""
"""The rooms that were derived for the buildings, written in the habit of their building, as
`addressing.text` writes them."""

PEER = "plain COPY of the texts"

HEADS = ("地址编号", "地址全文", "幢编号")


LARGE = 5_000_000
"""Rows from which steps that only take as long again are left out."""

BESIDE = 1_000_000
"""Rows of the run that a large one's memory is compared with."""


def measure(size: int) -> list[Measure]:
    """Load SIZE addresses, the same again, some mended; search them; and load a quarter.

    From LARGE on none are mended, and no quarter is loaded: memory is compared with the result of
    the run of BESIDE, where there is one.
    """
    with city() as here:
        path = _made(here, size)
        first = here.run("load", "addresses", str(path))
        inside = here.one(
            "SELECT (stats->>'seconds')::float FROM platform.data_import ORDER BY id DESC LIMIT 1"
        )
        linked = here.one("SELECT count(*) FROM city.address_link WHERE object_type = 'unit'")
        again = here.run("load", "addresses", str(path))
        more = [] if size >= LARGE else [_again(here, path, first)]
        plain = _plainly(here, path)
        searched = _searched(here, size)
    return [
        Measure("addresses parsed, linked, indexed, whole command", size / first.seconds,
                "rows/s", AIM, "higher", PEER, size / plain.seconds),
        Measure("addresses, without start of program", size / inside, "rows/s", AIM, "higher"),
        Measure("rooms linked to their units", linked, "rows", None, "higher"),
        Measure("the same file again", again.seconds / first.seconds, "× first", 0.5),
        *more,
        *searched,
        *first.measures(),
        *_grown(first, size),
    ]  # fmt: skip


def _again(here: City, path: Path, first: Watch) -> Measure:
    mended = here.run("load", "addresses", str(_mended(path)), "--source", path.stem)
    value = mended.seconds / first.seconds
    return Measure("again with one row in a thousand mended", value, "× first")


def _grown(first: Watch, size: int) -> list[Measure]:
    """How memory grew: from a quarter, or from the run of BESIDE rows that was kept."""
    if size < LARGE:
        with city() as here:
            quarter = here.run("load", "addresses", str(_made(here, size // 4)))
        return [*quarter.measures(f"at {size // 4:,}"), growth(first, quarter)]
    kept = RESULTS / f"addresses-{BESIDE}.json"
    if not kept.exists():
        return []
    known = {line["measure"]: line["value"] for line in json.loads(kept.read_text("utf-8"))}
    return [
        Measure(f"{name} growth from {BESIDE:,}", now / 1e6 / known[measure], "×", 1.25)
        for name, measure, now in (
            ("memory", "peak memory, all processes (PSS)", first.peak),
            ("memory without cache", "peak memory without the database's cache", first.own),
        )
    ]


def _made(here: City, size: int) -> Path:
    """Load a city with its units, and write that many addresses of it."""
    plan = places.lay_out(max(size // SHARE, 1), SEED)
    layers = {"areas": town.areas, "estates": town.estates, "buildings": LAYERS["buildings"].rows}
    for name, rows in layers.items():
        layer = here.folder / f"{name}.gpkg"
        write_layer(layer, rows(plan), LAYERS[name].kind)
        here.run("load", name, str(layer))
        layer.unlink()
    path = here.folder / "addresses.csv"
    with path.open("wb") as file, psycopg.connect(here.url) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE known (row int, key text, words text, habit int)"
        )
        with connection.cursor().copy("COPY known FROM STDIN") as into:
            written = 0
            for row in islice(_buildings(plan), size):
                into.write_row((written, *row))
                written += 1
        connection.execute("ANALYZE known")
        file.write((",".join(HEADS) + "\n").encode())
        values = {"half": HALF, "full": names.full_width(HALF), "rooms": size - written}
        for query in (BUILDINGS, ROOMS):
            copy = f"COPY ({query}) TO STDOUT (FORMAT csv)"
            with connection.cursor().copy(copy.encode(), values) as out:
                for block in out:
                    file.write(block)
    return path


def _buildings(plan: places.Plan) -> Iterator[tuple[str, str, int]]:
    """Key, address and habit of every building."""
    turn = 0
    for community in plan.communities:
        found = build(plan, community)
        for i, key in enumerate(found.ids):
            habit = turn % 5
            yield key, addressing.text(addressing.ladder(plan, found, i), habit), habit
            turn += 1


def _mended(path: Path) -> Path:
    """The same file with another number in every thousandth text."""
    other = path.with_name("mended.csv")
    with path.open(encoding="utf-8") as file, other.open("w", encoding="utf-8") as out:
        for number, line in enumerate(file):
            out.write(line.replace("号", "9号", 1) if number % 1000 == 999 else line)
    return other


def _plainly(here: City, path: Path) -> Watch:
    """The texts into a table, and no more; its own process is this one."""
    with Watch([os.getpid(), here.postmaster]) as watch, psycopg.connect(here.url) as connection:
        connection.execute("CREATE TABLE public.plain (key text, words text, building text)")
        copy = "COPY public.plain FROM STDIN (FORMAT csv, HEADER)"
        with path.open("rb") as file, connection.cursor().copy(copy) as out:
            while block := file.read(1 << 20):
                out.write(block)
        connection.commit()
    return watch


def _searched(here: City, size: int) -> list[Measure]:
    """What people type, sort by sort, over HTTP."""
    port = free_port()
    server = here.start(
        "serve", "--demo", "--no-worker", "--host", "127.0.0.1", "--port", str(port)
    )
    try:
        connection = connected(port)
        lines = []
        for sort, texts in _typed(here, size).items():
            paths = ["/addresses/search?" + urllib.parse.urlencode({"q": text}) for text in texts]
            took = ask(connection, [Question(path) for path in paths])
            lines += [
                Measure(f"search, {sort}, half within", at(took, 0.5), "ms", WITHIN / 5),
                Measure(f"search, {sort}, 95 of 100 within", at(took, 0.95), "ms", WITHIN),
            ]
        return lines
    finally:
        server.terminate()
        server.wait(timeout=30)


def _typed(here: City, size: int) -> dict[str, list[str]]:
    """Searches by sort: parts, beginnings, slips of the pen, and rooms of random addresses."""
    chance = random.Random(SEED)
    with psycopg.connect(here.url) as connection:
        statement = """SELECT norm_text, level, room_no FROM city.std_address
                       TABLESAMPLE BERNOULLI (%s) REPEATABLE (7)"""
        every = connection.execute(statement, [min(5, 100 * SAMPLE / size)]).fetchall()
    whole = [text for text, level, _ in every if level <= 12]
    rooms = [text for text, level, room in every if level == 15 and room]

    def chosen(texts: list[str]) -> list[str]:
        return chance.choices(texts, k=ASKED + 100)

    def part(text: str, length: int) -> str:
        start = chance.randrange(max(len(text) - length, 1))
        return text[start : start + length]

    def slip(text: str) -> str:
        at = chance.randrange(4, max(len(text) - 1, 5))
        return text[3:at] + text[at + 1 :]

    return {
        "two characters": [part(text, 2) for text in chosen(whole)],
        "four characters": [part(text, 4) for text in chosen(whole)],
        "beginning": [text[: len(text) // 2] for text in chosen(whole)],
        "whole": chosen(whole),
        "a slip of the pen": [slip(text) for text in chosen(whole)],
        "room": chosen(rooms),
        "room without town": [text[6:] for text in chosen(rooms)],
        "words apart": [text[3:6] + text[-4:] for text in chosen(whole)],
    }
