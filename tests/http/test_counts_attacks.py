"""Somebody who may count people tries to learn how many live in one house, below five.

A street of four hundred houses, in most of which fewer than five people live. The attacker knows
the method and the map, has every right but that to see residents, and may ask without end.
"""

import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, insert, text

from cim.model.buildings import building
from cim.model.places import admin_area, estate, grid

ACROSS = 20
HOUSES = ACROSS * ACROSS
STEP = 0.001
WEST, SOUTH = 120.0, 30.0
BELOW = [house for house in range(HOUSES) if house % 8 < 5]
"""Houses in which 0 to 4 people live: so many as their number's rest by eight."""

Ask = Callable[..., int]


def corner(house: int) -> tuple[float, float]:
    return WEST + house % ACROSS * STEP, SOUTH + house // ACROSS * STEP


def ring(house: int, margin: float = 0.0002) -> list[list[float]]:
    west, south = corner(house)
    edge = 0.0001 + margin
    return [
        [west - margin, south - margin], [west + edge, south - margin],
        [west + edge, south + edge], [west - margin, south + edge],
    ]  # fmt: skip


@pytest.fixture(scope="module")
def street(city: object, engine: Engine) -> None:
    """Two communities of a town, ten grids, four estates; the houses lie in them by columns."""
    plain = {"height": 3.0, "height_method": "default", "floors_above": 1}
    plain |= {"floors_method": "default", "footprint_area": 100.0}
    with engine.begin() as connection:
        for key, parent, level in ((40, None, 4), (41, 40, 5), (42, 40, 5)):
            connection.execute(
                insert(admin_area).values(
                    id=key, parent_id=parent, level=level, code=f"{key}", name=f"{key}"
                )
            )
        for key in range(50, 60):
            connection.execute(
                insert(grid).values(id=key, code=f"{key}", admin_area_id=41 + (key >= 55))
            )
        for key in range(60, 64):
            connection.execute(insert(estate).values(id=key, name=f"{key}", admin_area_id=41))
        for house in range(HOUSES):
            outline = ",".join(f"{x} {y}" for x, y in [*ring(house, 0), ring(house, 0)[0]])
            row = house // ACROSS
            where = {"grid_id": 50 + row // 2, "admin_area_id": 41 + (row >= 10)}
            where |= {"estate_id": 60 + row // 5, "use_code": ["residential", "office"][house % 2]}
            shape = f"SRID=4490;MULTIPOLYGON((({outline})))"
            connection.execute(
                insert(building).values(id=1000 + house, footprint=shape, **where, **plain)
            )
        connection.execute(
            text(
                "INSERT INTO city.building_pop (building_id, units, residents) "
                "SELECT 1000 + n, 2, CASE WHEN n % 8 < 5 THEN n % 8 ELSE 6 END "
                "FROM generate_series(0, :n - 1) n"
            ),
            {"n": HOUSES},
        )


@pytest.fixture
def ask(street: None, client: TestClient, key: Any) -> Ask:
    """How many people are told in some houses, drawn; what is told as fewer than five is 0."""

    def asked(houses: list[int], margin: float = 0.0002) -> int:
        body = {"type": "MultiPolygon", "coordinates": [[ring(house, margin)] for house in houses]}
        answer = client.post("/counts?of=people", json=body, headers=key("statistics"))
        assert answer.status_code == 200, answer.text
        number: int | None = answer.json()["counts"]["people"]
        assert number is None or number >= 5
        return number or 0

    return asked


@pytest.fixture
def counts(street: None, client: TestClient, key: Any) -> Callable[[str], Any]:
    def counted(query: str) -> Any:
        return client.get(f"/counts?{query}", headers=key("statistics")).json()

    return counted


def spread(told: dict[int, int]) -> dict[int, set[int]]:
    """What is told of the houses with 0, 1, 2, 3, 4 people."""
    return {people: {told[house] for house in BELOW if house % 8 == people} for people in range(5)}


def test_one_house_is_told_as_none_or_as_five(ask: Ask) -> None:
    told = {house: ask([house]) for house in BELOW}
    seen = spread(told)
    assert seen[0] == {0}
    assert all(seen[people] == {0, 5} for people in (1, 2, 3, 4))


def test_drawing_around_a_house_more_or_less_closely_tells_nothing_new(ask: Ask) -> None:
    for house in BELOW[:10]:
        assert len({ask([house], margin) for margin in (0.00001, 0.0001, 0.0002, 0.0004)}) == 1


def test_a_part_of_a_house_is_all_of_it_or_nothing(ask: Ask) -> None:
    for house in (5, 6, 7):  # six people each
        assert ask([house], margin=-0.00001) in (5, 10)
        assert ask([house], margin=-0.00002) == ask([house])


def test_polygons_with_and_without_a_house_differ_alike_however_many_are_drawn(ask: Ask) -> None:
    chance = random.Random(3)
    for target in (9, 18, 27, 36):  # 1, 2, 3, 4 people
        others = [house for house in range(HOUSES) if house != target]
        found = set()
        for _ in range(25):
            some = chance.sample(others, chance.randint(5, 60))
            found.add(ask([*some, target]) - ask(some))
        assert found == {ask([target])}  # averaging them gives that, and no more


def test_solving_all_answers_together_gives_what_is_told_of_each_house_and_no_more(
    ask: Ask,
) -> None:
    chance = np.random.default_rng(5)
    chosen = BELOW[:40]
    questions = chance.random((80, len(chosen))) < 0.5
    answers = [ask([chosen[n] for n in np.flatnonzero(question)]) for question in questions]
    solved = np.linalg.lstsq(questions.astype(float), np.array(answers, float), rcond=None)[0]
    assert np.allclose(solved, [ask([house]) for house in chosen], atol=1e-6)
    for people in (1, 2, 3, 4):
        of_these = solved[[n for n, house in enumerate(chosen) if house % 8 == people]]
        assert set(np.round(of_these)) <= {0, 5}
    fewer = {chosen[n] % 8 for n in np.flatnonzero(np.round(solved) == 0)}
    assert len(fewer) >= 4  # whoever is told as none may be nobody, one, two, three …


def test_wholes_and_parts_of_the_tree_and_groupings_agree_so_nothing_is_left_over(
    counts: Callable[[str], Any], ask: Ask
) -> None:
    told = sum(ask(list(range(start, start + ACROSS))) for start in range(0, HOUSES, ACROSS))
    town = counts("area=40&of=people")["counts"]["people"]
    assert (
        town
        == told
        == sum(counts(f"area={area}&of=people")["counts"]["people"] for area in (41, 42))
    )
    for by in ("use", "area", "grid", "estate"):
        groups = counts(f"area=40&by={by}&of=people")["groups"]
        assert sum(group["counts"]["people"] for group in groups) == town
    assert sum(counts(f"grid={n}&of=people")["counts"]["people"] for n in range(50, 60)) == town
    assert abs(town - sum(n % 8 if n % 8 < 5 else 6 for n in range(HOUSES))) < 4 * 2 * 20


def test_a_grid_drawn_by_hand_is_told_as_the_grid(counts: Callable[[str], Any], ask: Ask) -> None:
    for row in range(10):
        houses = list(range(row * 2 * ACROSS, (row * 2 + 2) * ACROSS))
        assert ask(houses) == counts(f"grid={50 + row}&of=people")["counts"]["people"]


def test_moving_in_is_not_seen_one_by_one(ask: Ask, engine: Engine) -> None:
    """From nobody to ten in one house: the answer steps twice, and not with the fifth person."""
    change = text("UPDATE city.building_pop SET residents = :n WHERE building_id = :id")
    steps = []
    for house in BELOW[:30]:
        seen = []
        for people in range(11):
            with engine.begin() as connection:
                connection.execute(change, {"n": people, "id": 1000 + house})
            seen.append(ask([house]))
        assert seen == sorted(seen) and set(seen) == {0, 5, 10}
        steps.append(seen.index(5))
        with engine.begin() as connection:
            connection.execute(change, {"n": house % 8, "id": 1000 + house})
    assert set(steps) == {1, 2, 3, 4, 5}


def test_the_public_has_hundreds_of_whole_areas_and_nothing_else(
    street: None, client: TestClient, ask: Ask
) -> None:
    town, *parts = (
        client.get(f"/counts?area={area}&of=people").json()["counts"]["people"]
        for area in (40, 41, 42)
    )
    assert all(number % 100 == 0 for number in (town, *parts))
    for query in ("grid=50", "estate=60", "area=41&by=use", "area=41&by=grid"):
        found = client.get(f"/counts?{query}").json()
        assert found["counts"]["people"] is None
        assert {group["counts"]["people"] for group in found["groups"]} <= {None}
    card = client.get("/buildings/1005").json()
    assert card["counts"]["residents"] is None
    total = client.get("/city").json()["counts"]["residents"]
    assert total % 100 == 0


def test_no_other_way_in_tells_a_number_of_people(
    street: None, client: TestClient, key: Any
) -> None:
    """Features, collections and their filters, sorting and files know no number of people."""
    named = re.compile(r'[",](residents?|people|population|persons)[",\r]')
    box = f"bbox={WEST},{SOUTH},{WEST + 0.01},{SOUTH + 0.01}&limit=5"
    for path in (
        f"/features/buildings?{box}",
        f"/features/units?{box}",
        "/ogc/collections/buildings/queryables",
        "/ogc/collections/buildings/schema",
        "/ogc/collections/units/queryables",
        "/ogc/collections/areas/queryables",
        "/ogc/collections/grids/queryables",
        "/ogc/collections/estates/queryables",
        f"/ogc/collections/buildings/items?{box}",
        f"/ogc/collections/buildings/items?{box}&f=csv",
    ):
        answer = client.get(path, headers=key("statistics"))
        assert answer.status_code == 200
        assert not named.search(answer.text), path
    for wrong in (
        "residents=1",
        "sortby=residents",
        "filter=residents%20%3C%205",
        "properties=people",
    ):
        answer = client.get(f"/ogc/collections/buildings/items?{wrong}", headers=key("statistics"))
        assert answer.status_code == 400, wrong
