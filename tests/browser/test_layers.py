"""What is planned, and what is below the ground, switched on and off in a real browser.

viewer/tests/browser/layers.mjs does so and reports what it saw.  The pictures it took are in
screenshots/layers-*.png, to be looked at.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, text

from cim import derive
from cim.settings import Settings
from tests.browser.conftest import walked

THERE, TO_BE, CAR_PARK = 1, 2, 3

CITY = """
INSERT INTO city.building (footprint, footprint_area, state, use_code, height, height_method,
                           floors_above, floors_below, floors_method)
SELECT ST_Multi(ST_MakeEnvelope(w, s, w + 0.0003, s + 0.0003, 4490)), 950, state, 'residential',
       height, 'given', above, below, 'given'
FROM (VALUES (113.75, 23.0, 'existing', 18.0, 6, 1), (113.7506, 23.0, 'planned', 36.0, 12, 2),
             (113.7500, 22.9994, 'existing', 0.0, 0, 2)) v(w, s, state, height, above, below)
"""

VIEW = "113.7502,22.9975,160,0,-32"
"""From the south, from above: the house on the left, what is to be beside it, the car park before
it under the ground."""

PLACES = {
    "house": [113.75015, 23.00015, 18.0],
    "planned": [113.75075, 23.00015, 36.0],
    "cellar": [113.75015, 23.0, -2.0],
    "car park": [113.75015, 22.99955, 0.0],
}


@pytest.fixture(scope="module")
def seen(
    cim: Callable[..., str], engine: Engine, settings: Settings, environment: dict[str, str]
) -> dict[str, Any]:
    """What a browser saw, turn by turn."""
    with engine.begin() as connection:
        connection.execute(text(CITY))
        derive.run(connection, settings)
    cim("tile", "build", "--jobs", "1")
    assert " 0 faults" in cim("tile", "check", "--jobs", "1")
    return walked(environment, "layers.mjs", VIEW, json.dumps(PLACES))


def building(turn: dict[str, Any], place: str) -> int | None:
    hit = turn["picked"][place]
    return hit.get("building") if hit["what"] == "building" else None


def test_at_first_what_is_planned_is_seen_and_what_is_below_is_not(seen: dict[str, Any]) -> None:
    first = seen["first"]
    assert seen["switches"] == [True, False]
    assert (building(first, "house"), building(first, "planned")) == (THERE, TO_BE)
    assert building(first, "car park") is None
    assert set(first["contents"]) == {"buildings", "planned"}  # nothing else was asked for


def test_one_sees_that_it_is_no_building_yet_and_through_it(seen: dict[str, Any]) -> None:
    assert seen["first"]["pale"] > 0.01 > seen["bare"]["pale"]  # its blue, and the ground in it


def test_what_is_planned_goes_and_comes_with_its_switch(seen: dict[str, Any]) -> None:
    assert building(seen["bare"], "planned") is None
    assert building(seen["bare"], "house") == THERE
    assert "l=-planned" in seen["bare"]["link"] and "planned" not in seen["all"]["link"]
    assert building(seen["all"], "planned") == TO_BE


def test_what_is_below_the_ground_is_seen_with_it(seen: dict[str, Any]) -> None:
    under = seen["under"]
    assert building(under, "car park") == CAR_PARK
    assert building(under, "cellar") == THERE
    assert "g=1" in under["link"] and "underground" in under["contents"]


def test_nothing_complains_and_nobody_else_is_asked(seen: dict[str, Any]) -> None:
    assert seen["complaints"] == []
    assert seen["outside"] == []
