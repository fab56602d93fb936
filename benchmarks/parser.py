"""The address parser alone: texts a second, from a text to the fifteen levels.

Three kinds of texts, each in a habit of five: one address a building, no two alike; seven rooms a
building; and offices of the whole country as an advertiser wrote them, where nothing repeats
(`../shared/data/addresses`, where it is).  Beside us jionlp, where the environment of the
benchmarks has it: it finds the five levels from the province to the village, by a dictionary.
Rates are by the processor's seconds of the one thread that parses.
"""

import csv
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from benchmarks.measures import Measure, Watch, growth
from cim.addresses import parse, parse_many
from sample_data import addressing, places
from sample_data.buildings import build

AIM = 100_000
"""Texts a second."""

BATCH = 65_536
ROOMS = 7
SEED = 7
ALONE = 20_000
PEER_SIZE = 1_000

OFFICES = (
    Path(__file__).parents[2] / "shared" / "data" / "addresses" / "cpca" / "tests" / "addr.csv"
)
PEER = Path(__file__).parents[1] / ".setup" / "bench-venv" / "bin" / "python"
PEER_CODE = """
import json, sys, time
import jionlp
texts = json.load(sys.stdin)
jionlp.parse_location(texts[0], town_village=True)
began = time.thread_time()
for text in texts:
    jionlp.parse_location(text, town_village=True)
print("rate", len(texts) / (time.thread_time() - began))
"""


def measure(size: int) -> list[Measure]:
    """Parse the addresses of SIZE buildings, those of their rooms, and the offices."""
    buildings, _ = _rate(texts(size, 0))
    quarter = _rate(texts(max(size // 4, 1), ROOMS))[1]
    rooms, whole = _rate(texts(size, ROOMS))
    few = list(islice(texts(min(size, ALONE), 0), ALONE))
    peer, peer_rate = _peer(few[:PEER_SIZE])
    return [
        Measure("addresses of buildings, all different", buildings, "texts/s", AIM, "higher",
                peer, peer_rate),
        Measure("addresses of rooms, seven a building", rooms, "texts/s", AIM, "higher"),
        Measure("one by one", _seconds(lambda: [parse(text) for text in few], len(few)),
                "texts/s", None, "higher"),
        *_offices(),
        Measure("peak memory", whole.own / 1e6, "MB"),
        growth(whole, quarter),
    ]  # fmt: skip


def texts(size: int, rooms: int) -> Iterator[str]:
    """The address of each building of a city of that size, or those of some rooms of each."""
    plan = places.lay_out(size, SEED)
    for community in plan.communities:
        found = build(plan, community)
        for i in range(len(found.ids)):
            row = addressing.ladder(plan, found, i)
            if not rooms:
                yield addressing.text(row, i % 5)
            for room in range(rooms):
                inside = {
                    "单元": f"{room % 2 + 1}单元",
                    "户室": f"{(i + room) % 32 + 1}0{room + 1}室",
                }
                yield addressing.text(row | inside, i % 5)


def _rate(given: Iterable[str]) -> tuple[float, Watch]:
    """Texts a second of the parser alone, and what the process held; texts come batch by batch."""
    source, number, seconds = iter(given), 0, 0.0
    with Watch([os.getpid()]) as watch:
        while batch := list(islice(source, BATCH)):
            began = time.thread_time()
            parse_many(batch)
            seconds += time.thread_time() - began
            number += len(batch)
    return number / seconds, watch


def _seconds(work: Callable[[], object], number: int) -> float:
    began = time.thread_time()
    work()
    return number / (time.thread_time() - began)


def _offices() -> list[Measure]:
    if not OFFICES.exists():
        return []
    with OFFICES.open(encoding="utf-8-sig", newline="") as lines:
        found = [row["原始地址"] for row in csv.DictReader(lines)]
    rate, _ = _rate(found)
    return [Measure("addresses of offices, nothing repeats", rate, "texts/s", None, "higher")]


def _peer(given: list[str]) -> tuple[str, float | None]:
    """jionlp's rate on some of the same texts, or the reason why there is none."""
    if not PEER.exists():
        return "jionlp: not installed in .setup/bench-venv", None
    done = subprocess.run(
        [str(PEER), "-c", PEER_CODE],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    told = [line for line in done.stdout.splitlines() if line.startswith("rate ")]
    if done.returncode or not told:
        return "jionlp: not installed in .setup/bench-venv", None
    return "jionlp, five levels", float(told[0].split()[1])
