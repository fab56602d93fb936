"""Addresses read with the register of the city beside them."""

import csv
from functools import cache
from pathlib import Path

import pytest

from cim.addresses import Gazetteer, canonical, normalise, parse
from tests.judged import judge

DATA = Path(__file__).parents[3] / "shared" / "data" / "divisions" / "china-division"
CODES = {"dongguan": "4419", "suzhou": "3205", "huangshi": "4202", "zibo": "3703"}


def rows(name: str, city: str) -> list[dict[str, str]]:
    if not DATA.exists():
        pytest.skip("../shared/data is absent: divisions")
    with (DATA / f"{name}.csv").open(encoding="utf-8-sig", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row["cityCode"] == CODES[city]]


@cache
def register(city: str) -> Gazetteer:
    towns = {row["code"]: row["name"] for row in rows("streets", city)}
    return Gazetteer(
        [("county", row["name"], None) for row in rows("areas", city)]
        + [("town", name, None) for name in towns.values()]
        + [("village", v["name"], towns[v["streetCode"]]) for v in rows("villages", city)]
    )


def test_ninety_eight_of_a_hundred_are_right_with_the_register() -> None:
    judge({city: register(city) for city in CODES})


@pytest.mark.parametrize("city", CODES)
def test_every_registered_village_is_found_under_its_town(city: str) -> None:
    towns = {row["code"]: row["name"] for row in rows("streets", city)}
    missed = []
    for row in rows("villages", city):
        town = towns[row["streetCode"]]
        levels = parse(town + row["name"] + "12号", register(city)).levels
        expected = (normalise(town), canonical("village", normalise(row["name"])), "12号")
        if (levels.get("town"), levels.get("village"), levels.get("door_no")) != expected:
            missed.append(f"{town}{row['name']}: {levels}")
    assert len(missed) <= 0.005 * len(rows("villages", city)), missed


def test_the_towns_of_dongguan_are_found_by_their_short_names() -> None:
    found = []
    for row in rows("streets", "dongguan"):
        short = row["name"].removesuffix("街道").removesuffix("镇")
        levels = parse(f"东莞市{short}体育路2号", register("dongguan")).levels
        if (levels.get("town"), levels.get("road")) == (row["name"], "体育路"):
            found.append(short)
    assert len(found) == len(rows("streets", "dongguan")), found


def test_villages_of_dongguan_are_found_by_their_short_names() -> None:
    towns = {row["code"]: row["name"] for row in rows("streets", "dongguan")}
    missed = []
    for row in rows("villages", "dongguan"):
        town, name = towns[row["streetCode"]], canonical("village", row["name"])
        short = name.removesuffix("社区").removesuffix("村")
        if len(short) < 2 or short == name or not town.endswith(("镇", "街道")):
            continue
        levels = parse(f"东莞市{town}{short}文明路2号", register("dongguan")).levels
        if (levels.get("village"), levels.get("road")) != (name, "文明路"):
            missed.append(f"{town}{short}: {levels}")
    assert len(missed) <= 7, missed
