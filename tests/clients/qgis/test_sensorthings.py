"""QGIS's SensorThings provider opens, pages, filters and expands our devices: `make trial-qgis`."""

from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest

from tests.clients.qgis.recording import Request

pytestmark = pytest.mark.qgis

Ran = Callable[..., dict[str, Any]]
Way = tuple[str, list[Request]]


@pytest.fixture(scope="module")
def root(way: Way) -> str:
    return f"{way[0]}/sta/v1.1"


@pytest.fixture(scope="module")
def found(root: str, ran: Ran) -> dict[str, Any]:
    return ran("sensorthings.py", root)


def count(root: str, asked: str) -> int:
    number: int = httpx.get(f"{root}/{asked}", timeout=60).json()["@iot.count"]
    return number


def test_every_entity_is_a_layer(found: dict[str, Any], root: str) -> None:
    opened = found["opened"]
    assert [each["error"] for each in opened.values()] == [""] * 9
    for entity in ("Thing", "Location", "Datastream", "Sensor", "ObservedProperty", "Observation"):
        first = opened[entity]["first"]
        assert first["id"] and first["selfLink"].startswith(root), entity
    assert opened["Location"]["place"].startswith("Point (113.7")
    assert float(opened["Observation"]["first"]["result"]) > 0
    unit = opened["Datastream"]["first"]["unitOfMeasurement"]
    assert unit["definition"].endswith(f"ucum#{unit['symbol']}")


def test_it_goes_from_page_to_page(found: dict[str, Any], root: str, way: Way) -> None:
    paged = found["paged"]
    every = count(root, "Datastreams?$top=0&$count=true")
    assert paged["every"] == paged["different"] == every > 200 and paged["few"] == 150
    pages = {
        each.path
        for each in way[1]
        if "Datastreams?$top=100" in each.path and "$filter" not in each.path
    }
    assert len(pages) == -(-every // 100)


def test_what_is_in_view_is_asked_of_us(found: dict[str, Any], root: str, way: Way) -> None:
    west, south, east, north = found["boxed"]["box"]
    ring = f"{west} {south},{east} {south},{east} {north},{west} {north},{west} {south}"
    within = f"location/type eq 'Point' and geo.intersects(location,geography'POLYGON(({ring}))')"
    asked = {"$filter": within, "$top": "1000", "$select": "id"}
    answer = httpx.get(f"{root}/Locations", params=asked, timeout=60).json()["value"]
    viewed = found["boxed"]["viewed"]
    assert viewed and viewed == sorted(str(each["@iot.id"]) for each in answer)
    assert set(viewed) <= set(found["boxed"]["limited"])  # whose box QGIS writes with four digits
    assert any("geo.intersects(location, geography'Polygon" in each.read for each in way[1])


def test_a_filter_is_asked_of_us(found: dict[str, Any], root: str) -> None:
    kilowatts = count(root, "Datastreams?$count=true&$filter=unitOfMeasurement/symbol eq 'kW'")
    assert found["filtered"]["Datastream"] == found["filtered"]["Location"] == min(kilowatts, 100)
    assert found["filtered"]["Thing"] == found["filtered"]["Observation"] == 100


def test_locations_of_each_kind_are_a_layer(found: dict[str, Any]) -> None:
    assert found["shaped"]["point"] == ["Point"]
    assert found["shaped"]["polygon"] == ["Polygon"]


def test_a_row_is_made_of_what_hangs_on_it(found: dict[str, Any]) -> None:
    expanded = found["expanded"]
    assert expanded["rows"] == 32
    first = expanded["first"]
    assert first["id"] == first["Thing_id"] and first["Thing_Datastream_id"]
    assert first["Thing_Datastream_unitOfMeasurement"]["symbol"] == "kW"
    assert float(first["Thing_Datastream_Observation_result"]) >= 0


def test_nothing_it_asks_is_our_fault(found: dict[str, Any], way: Way) -> None:
    assert found["messages"] == []
    faults = [(each.status, each.read) for each in way[1] if each.status not in (200, 304)]
    assert faults == []
