"""Addresses and villages as registers have them."""

import csv
from pathlib import Path

import pytest

from cim.addresses import normalise, parse
from cim.codes import areas

DATA = Path(__file__).parents[3] / "shared" / "data"


def rows(*path: str) -> list[dict[str, str]]:
    file = DATA.joinpath(*path)
    if not file.exists():
        pytest.skip(f"../shared/data is absent: {Path(*path)}")
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def test_eighteen_thousand_offices_come_apart_and_lose_nothing() -> None:
    texts = [row["原始地址"] for row in rows("addresses", "cpca", "tests", "addr.csv")]
    assert len(texts) == 18_367
    found = [parse(text) for text in texts]
    for text, address in zip(texts, found, strict=True):
        assert "".join(words for _, words in address.pieces) == normalise(text)
    written = [address for text, address in zip(texts, found, strict=True) if text.strip()]
    assert sum("city" in a.levels or "county" in a.levels for a in written) > 0.6 * len(written)
    whole = [address for address in written if not address.remainder]
    assert len(whole) > 0.75 * len(written)


def test_registered_villages_are_villages_of_their_towns() -> None:
    towns = {
        row["code"]: row["name"]
        for row in rows("divisions", "china-division", "streets.csv")
        if row["code"].startswith("4419")
    }
    missed = []
    for row in rows("divisions", "china-division", "villages.csv"):
        town = towns.get(row["streetCode"])
        if town is None or not town.endswith(("镇", "街道")):
            continue
        levels = parse(f"东莞市{town}{row['name']}").levels
        if levels.get("town") != town or "village" not in levels:
            missed.append(row["name"])
    assert all(name.endswith("生活区") for name in missed), missed


def test_every_code_of_the_register_has_its_level() -> None:
    for file, level in (("provinces", 1), ("cities", 2), ("streets", 4), ("villages", 5)):
        for row in rows("divisions", "china-division", f"{file}.csv"):
            assert areas.level(row["code"]) == level, row
    pseudo = [
        row
        for row in rows("divisions", "china-division", "areas.csv")
        if areas.is_pseudo_county(row["code"])
    ]
    assert {row["name"] for row in pseudo} == {"东莞市", "中山市", "儋州市"}
