"""Addresses: from texts with the building's key to parsed, linked, indexed, and found again.

A city with its units is made and loaded first; then one address a building and one a room, each in
a habit of five, SIZE in all.  Beside us, on the same file and server, plain COPY of the texts as
they are: nothing parsed, linked or indexed.
"""

import csv
import os
import random
import urllib.parse
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import psycopg

from benchmarks.api import ask, at, connected, free_port
from benchmarks.measures import City, Measure, Watch, city, growth
from sample_data import addressing, places, town
from sample_data.buildings import build
from sample_data.files import write_layer
from sample_data.make import LAYERS

AIM = 40_000
"""Rows a second, parsed, linked and indexed."""

SHARE = 7
"""Rows for each building: its own address and those of its rooms."""

SEED = 7
ASKED = 300
"""Searches of each sort."""

WITHIN = 25.0
"""Milliseconds in which 95 of 100 searches are answered; half of them within a fifth of that."""

PEER = "plain COPY of the texts"

HEADS = ("地址编号", "地址全文", "幢编号")


def measure(size: int) -> list[Measure]:
    """Load SIZE addresses, the same again, some mended; search them; and load a quarter."""
    with city() as here:
        path = _made(here, size)
        first = here.run("load", "addresses", str(path))
        inside = here.one(
            "SELECT (stats->>'seconds')::float FROM platform.data_import ORDER BY id DESC LIMIT 1"
        )
        linked = here.one("SELECT count(*) FROM city.address_link WHERE object_type = 'unit'")
        again = here.run("load", "addresses", str(path))
        mended = here.run("load", "addresses", str(_mended(path)), "--source", path.stem)
        plain = _plainly(here, path)
        searched = _searched(here)
    with city() as here:
        quarter = here.run("load", "addresses", str(_made(here, size // 4)))
    return [
        Measure("addresses parsed, linked, indexed, whole command", size / first.seconds,
                "rows/s", AIM, "higher", PEER, size / plain.seconds),
        Measure("addresses, without start of program", size / inside, "rows/s", AIM, "higher"),
        Measure("rooms linked to their units", linked, "rows", None, "higher"),
        Measure("the same file again", again.seconds / first.seconds, "× first", 0.5),
        Measure("again with one row in a thousand mended", mended.seconds / first.seconds,
                "× first"),
        *searched,
        *first.measures(),
        *quarter.measures(f"at {size // 4:,}"),
        growth(first, quarter),
    ]  # fmt: skip


def _made(here: City, size: int) -> Path:
    """Load a city with its units, and write that many addresses of it."""
    plan = places.lay_out(max(size // SHARE, 1), SEED)
    layers = {"areas": town.areas, "estates": town.estates, "buildings": LAYERS["buildings"].rows}
    for name, rows in layers.items():
        file = here.folder / f"{name}.gpkg"
        write_layer(file, rows(plan), LAYERS[name].kind)
        here.run("load", name, str(file))
    path = here.folder / "addresses.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADS)
        writer.writerows(islice(_rows(here, plan), size))
    return path


def _rows(here: City, plan: places.Plan) -> Iterator[tuple[str, str, str]]:
    """The addresses of all buildings, then those of the rooms that were derived for them."""
    known = {}
    for community in plan.communities:
        found = build(plan, community)
        for i, key in enumerate(found.ids):
            known[key] = (addressing.ladder(plan, found, i), len(known) % 5)
    for key, (row, habit) in known.items():
        yield f"A{key}", addressing.text(row, habit), key
    statement = """
        SELECT b.ext_id, e.name, u.room_no, u.id
        FROM city.unit u JOIN city.building b ON b.id = u.building_id
        LEFT JOIN city.entrance e ON e.id = u.entrance_id ORDER BY b.id, u.id"""
    with psycopg.connect(here.url) as connection, connection.cursor("rooms") as cursor:
        for key, entrance, room, number in cursor.execute(statement):
            row, habit = known[key]
            words = row | {"单元": entrance, "户室": f"{room}室"}
            yield f"R{number}", addressing.text(words, habit), key


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


def _searched(here: City) -> list[Measure]:
    """What people type, sort by sort, over HTTP."""
    port = free_port()
    server = here.start(
        "serve", "--demo", "--no-worker", "--host", "127.0.0.1", "--port", str(port)
    )
    try:
        connection = connected(port)
        lines = []
        for sort, texts in _typed(here).items():
            paths = ["/addresses/search?" + urllib.parse.urlencode({"q": text}) for text in texts]
            took = ask(connection, paths, {})
            lines += [
                Measure(f"search, {sort}, half within", at(took, 0.5), "ms", WITHIN / 5),
                Measure(f"search, {sort}, 95 of 100 within", at(took, 0.95), "ms", WITHIN),
            ]
        return lines
    finally:
        server.terminate()
        server.wait(timeout=30)


def _typed(here: City) -> dict[str, list[str]]:
    """Searches by sort: parts, beginnings, slips of the pen, and rooms of random addresses."""
    chance = random.Random(SEED)
    with psycopg.connect(here.url) as connection:
        statement = """SELECT norm_text, level, room_no FROM city.std_address
                       TABLESAMPLE BERNOULLI (5) REPEATABLE (7)"""
        every = connection.execute(statement).fetchall()
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
