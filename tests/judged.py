"""The addresses written by hand, and how the parser does on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cim.addresses import LADDER, Gazetteer, canonical, parse

FOLDER = Path(__file__).parent / "unit" / "addresses"
CITIES = ("dongguan", "suzhou", "huangshi", "zibo")


@dataclass(frozen=True)
class Row:
    """A text, the levels that a reader finds in it in one spelling, and what is left over."""

    text: str
    levels: dict[str, str]
    remainder: str


def rows(city: str) -> Iterator[Row]:
    """The addresses of a city; a level is spelt as `canonical` spells it."""
    files = (FOLDER / f"{city}.tsv", FOLDER / f"fresh-{city}.tsv")
    for line in (line for file in files for line in file.read_text("utf-8").splitlines()):
        if not line or line.startswith("#"):
            continue
        text, written, *rest = line.split("\t")
        levels = dict(pair.split("=", 1) for pair in written.split("|") if pair)
        assert set(levels) <= set(LADDER), line
        spelt = {name: canonical(name, value, levels.get("city")) for name, value in levels.items()}
        yield Row(text, spelt, rest[0] if rest else "")


def wrong(city: str, gazetteer: Gazetteer | None = None) -> tuple[int, list[str]]:
    """How many addresses there are, and a line on each that comes apart otherwise."""
    found = []
    count = 0
    for row in rows(city):
        count += 1
        address = parse(row.text, gazetteer)
        if address.levels != row.levels or address.remainder != row.remainder:
            found.append(f"{row.text}: {_differences(row, address.levels, address.remainder)}")
    return count, found


def _differences(row: Row, levels: dict[str, str], remainder: str) -> str:
    told = [
        f"{name} {levels.get(name, '-')} instead of {row.levels.get(name, '-')}"
        for name in LADDER
        if levels.get(name) != row.levels.get(name)
    ]
    if remainder != row.remainder:
        told.append(f"remainder {remainder or '-'} instead of {row.remainder or '-'}")
    return ", ".join(told)


def judge(gazetteers: dict[str, Gazetteer | None]) -> None:
    """At least 98 of 100 right in all, and 97 of 100 in every city; else say what is wrong."""
    counts, faults = {}, {}
    for city in CITIES:
        counts[city], faults[city] = wrong(city, gazetteers.get(city))
    told = "\n".join(line for lines in faults.values() for line in lines)
    assert sum(counts.values()) >= 800
    for city in CITIES:
        assert len(faults[city]) <= 0.03 * counts[city], f"{city}\n{told}"
    assert sum(map(len, faults.values())) <= 0.02 * sum(counts.values()), told
