"""What `cim check` found, on the page on data quality: listed, on the map, and opened one by one.

viewer/tests/browser/quality.mjs opens the page and reports what it showed; each test judges one
part of it.  The pictures it took are in screenshots/, to be looked at.
"""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import shapely
from sqlalchemy import Engine, text

from sample_data.make import make
from tests.browser.conftest import WORKED, walked

CORNER = (113.7425, 23.0145)
"""Degrees; a few streets south-west of the sample city's focus."""

CHECK = "duplicate_buildings"
"""The check whose findings are looked at."""

HOUSES = 6
"""Houses of the file that is at fault, none with a name; the last two on one another."""


@pytest.fixture(scope="module")
def city(cim: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """A small city, and a row of houses beside it that lacks what it should have."""
    folder = tmp_path_factory.mktemp("city")
    make(folder, 60)
    cim("load", "city", str(folder), "--quiet")
    x, y = CORNER
    places = [(x + 3e-4 * min(n, HOUSES - 2), y + 1e-5 * n) for n in range(HOUSES)]
    features = [
        {
            "type": "Feature",
            "properties": {"编号": f"X{n}", "层数": 3, "高度": 9.0},
            "geometry": shapely.geometry.mapping(shapely.box(*at, at[0] + 2e-4, at[1] + 2e-4)),
        }
        for n, at in enumerate(places)
    ]
    path = folder / "houses.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    cim("load", "buildings", str(path), "--quiet")
    cim("check")


@pytest.fixture(scope="module")
def before(city: None, environment: dict[str, str]) -> dict[str, Any]:
    """What the page showed while the city had no tiles."""
    return walked(environment, "quality.mjs", CHECK, "before", serve=WORKED)


@pytest.fixture(scope="module")
def seen(
    before: dict[str, Any], cim: Callable[..., str], environment: dict[str, str]
) -> dict[str, Any]:
    """What the page showed of the whole city."""
    cim("tile", "build", "--jobs", "1")
    return walked(environment, "quality.mjs", CHECK, serve=WORKED)


def found(engine: Engine, name: str) -> list[int]:
    with engine.connect() as connection:
        kept = text("SELECT object_id FROM platform.finding WHERE name = :name ORDER BY no")
        return list(connection.execute(kept, {"name": name}).scalars())


def test_the_page_of_an_empty_city_waits_until_this_one_is_closed(before: dict[str, Any]) -> None:
    assert (before["behind"], before["after"]) == (0, 1)


def test_findings_are_on_the_map_of_a_city_that_has_no_tiles_yet(before: dict[str, Any]) -> None:
    assert before["pink"] > 0.00002


def test_the_checks_that_found_something_are_listed_with_how_much(
    seen: dict[str, Any], engine: Engine
) -> None:
    assert seen["focused"] == "quality-title"
    assert seen["checks"][CHECK] == len(found(engine, CHECK)) >= 1
    assert seen["checks"]["no_estate"] >= HOUSES
    assert 0 not in seen["checks"].values()


def test_findings_stand_one_below_the_other_within_the_page(seen: dict[str, Any]) -> None:
    for boxes in (seen["rows"], seen["items"]):
        assert all(box["inside"] for box in boxes)
        assert len({round(box["left"]) for box in boxes}) == 1
        assert len({round(box["right"]) for box in boxes}) == 1
        assert min(box["right"] - box["left"] for box in boxes) > 400
        assert all(one["bottom"] <= other["top"] + 1 for one, other in pairwise(boxes))


def test_a_finding_without_a_name_is_called_by_its_kind_in_the_language_of_the_page(
    seen: dict[str, Any], engine: Engine
) -> None:
    last = found(engine, CHECK)[-1]
    assert seen["listed"][-1] == {"name": f"建筑 {last}", "number": None}
    assert seen["english"][-1] == {"name": f"building {last}", "number": None}


def test_findings_are_on_the_map_and_a_click_goes_to_the_building(
    seen: dict[str, Any], engine: Engine
) -> None:
    assert seen["pinkBefore"] == 0
    assert seen["pink"] > 0.00002
    assert seen["selected"]["building"] == found(engine, CHECK)[0]
    assert seen["card"]


def test_a_finding_that_is_opened_is_seen_beside_the_page(
    seen: dict[str, Any], engine: Engine
) -> None:
    with engine.connect() as connection:
        both = text("SELECT id FROM city.building WHERE ext_id IN ('X4', 'X5')")
        assert seen["hit"].get("building") in list(connection.execute(both).scalars())


def test_the_page_is_accessible_and_asks_nobody_else(
    seen: dict[str, Any], before: dict[str, Any]
) -> None:
    assert seen["axe"] == []
    for one in (seen, before):
        assert (one["outside"], one["complaints"]) == ([], [])
