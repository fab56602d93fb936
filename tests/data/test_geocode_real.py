"""Real addresses looked for among real addresses: those that are there are found as themselves.

The texts are those of eighteen thousand offices all over the country, as they were registered.
"""

import csv
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, text

from cim.addresses import Address, Gazetteer, normalise, parse
from cim.addresses.judging import Verdict
from cim.intake.bringing import bring
from cim.load.kinds import KINDS
from cim.load.pipeline import Request
from cim.settings import Settings
from cim.store import geocoding
from cim.store.queries import addresses as queries
from cim.store.queries import geocode

FILE = Path(__file__).parents[3] / "shared/data/addresses/cpca/tests/addr.csv"
TOGETHER = 1_000
NUMBERED = ("door_no", "building_name", "entrance_no", "room_no")


@pytest.fixture(scope="module")
def texts() -> list[str]:
    if not FILE.exists():
        pytest.skip("../shared/data is absent: addresses/cpca")
    with FILE.open(encoding="utf-8-sig", newline="") as lines:
        written = [row["原始地址"].strip() for row in csv.DictReader(lines)]
    return [each for each in dict.fromkeys(written) if 0 < len(each) <= 200]


@pytest.fixture(scope="module")
def register(
    texts: list[str], settings: Settings, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, set[int]]:
    """Every second address is loaded: its ids by its joined text."""
    file = tmp_path_factory.mktemp("real") / "register.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["地址编号", "地址"])
        writer.writerows([f"R{no}", each] for no, each in enumerate(texts[::2]))
    bring(settings, KINDS["addresses"], file, Request(), units=None, keep=True)
    found: dict[str, set[int]] = {}
    with engine.connect() as own:
        for id, norm in own.execute(text("SELECT id, norm_text FROM city.std_address")):
            found.setdefault(norm, set()).add(id)
    return found


def answers(connection: Connection, addresses: list[Address]) -> list[Verdict]:
    connection.execute(geocode.INTERPRETED)
    said: list[Verdict] = []
    for at in range(0, len(addresses), TOGETHER):
        said += geocoding.run(connection, geocoding.steps(addresses[at : at + TOGETHER], 3))
    return said


def known(connection: Connection) -> Gazetteer:
    return Gazetteer((a, b, c) for a, b, c in connection.execute(queries.names()))


def deep(address: Address) -> bool:
    """Whether it says more than an area: a door, an estate or what lies below."""
    return any(level in address.levels for level in ("door_no", "estate_name", "building_name"))


HABITS = {
    "as it is": lambda each: each,
    "with other words": lambda each: each.replace("号楼", "栋").replace("室", "房"),
    "in full width": lambda each: each.translate({n: n + 0xFEE0 for n in range(0x30, 0x3A)}),
}


@pytest.mark.parametrize("habit", HABITS)
def test_addresses_that_are_there_are_found_as_themselves(
    register: dict[str, set[int]], texts: list[str], connection: Connection, habit: str
) -> None:
    names = known(connection)
    asked = [parse(each, names) for each in texts[::6]]
    asked = [each for each in asked if deep(each) and each.norm_text in register]
    written = {parse(each, names).norm_text: each for each in texts[::6]}
    addresses = [parse(HABITS[habit](written[each.norm_text]), names) for each in asked]
    counts: Counter[str] = Counter()
    wrong = []
    for address, want, verdict in zip(
        addresses, asked, answers(connection, addresses), strict=True
    ):
        right = verdict.match is not None and verdict.match.id in register[want.norm_text]
        if verdict.match is not None and not right and verdict.match.id is not None:
            wrong.append((address.norm_text, verdict.match.text))
        counts["right" if right else verdict.status] += 1
    assert len(addresses) > 1_500
    assert counts["right"] > 0.98 * len(addresses), (counts, wrong[:5])
    assert not wrong, wrong[:10]


def test_addresses_that_are_not_there_are_hardly_ever_taken_for_others(
    register: dict[str, set[int]], texts: list[str], connection: Connection
) -> None:
    names = known(connection)
    asked = [parse(each, names) for each in texts[1::8]]
    asked = [each for each in asked if deep(each) and each.norm_text not in register]
    counts: Counter[str] = Counter()
    wrong = []
    for address, verdict in zip(asked, answers(connection, asked), strict=True):
        counts[verdict.status] += 1
        if verdict.status == "matched" and verdict.match is not None:
            other = parse(verdict.match.text, names).levels
            both = [name for name in NUMBERED if name in other and name in address.levels]
            if any(other[name] != address.levels[name] for name in both):
                wrong.append((address.norm_text, verdict.match.text, verdict.match.score))
    assert len(asked) > 1_000
    # Some are there in other words: without the city, with the tower's name behind the door.
    assert counts["matched"] < 0.03 * len(asked), counts
    assert len(wrong) <= 0.001 * len(asked), wrong[:20]


def test_one_spelling_is_kept_of_every_text(texts: list[str]) -> None:
    for each in texts[::20]:
        assert normalise(normalise(each)) == normalise(each)
