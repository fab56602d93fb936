"""A real QGIS reads, pages, filters, draws and edits the city: `make trial-qgis`.

It runs in a Debian 13 of its own (`debian`), and speaks with a service on a sample city through
`recording`, which writes down what it sends; `tests/http/ogc/test_qgis.py` sends that again in
every run of the tests.
"""

import base64
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import Engine, text

from tests.accounts import add_key
from tests.clients.qgis.recording import Request

pytestmark = pytest.mark.qgis

PICTURES = Path(__file__).parents[3] / "screenshots"
KEY = "key-office"
Ran = Callable[..., dict[str, Any]]
Way = tuple[str, list[Request]]
FREE = 470_000, 2_540_000
"""Where nothing of the sample city stands: easting and northing, EPSG:4547."""


@pytest.fixture(scope="module")
def found(way: Way, ran: Ran, engine: Engine) -> dict[str, Any]:
    add_key(engine, "office", KEY, ["editor"])
    return ran("features.py", f"{way[0]}/ogc", KEY, json.dumps(FREE))


@pytest.fixture
def asked(found: dict[str, Any], way: Way) -> list[Request]:
    """The requests that QGIS made, once it has made them."""
    return way[1]


def during(step: str, found: dict[str, Any], asked: list[Request]) -> list[Request]:
    """The requests of one step."""
    began = found["began"]
    until = min((at for at in began.values() if at > began[step]), default=math.inf)
    return [each for each in asked if began[step] <= each.at < until]


def test_it_is_a_qgis_that_edits(found: dict[str, Any]) -> None:
    assert tuple(map(int, found["qgis"].split("-")[0].split("."))) >= (3, 40)


def test_its_browser_lists_every_collection(found: dict[str, Any], way: Way) -> None:
    known = httpx.get(f"{way[0]}/ogc/collections").json()["collections"]
    assert found["listed"] == [each["title"] for each in known]


def test_it_reads_a_layer_in_degrees_and_in_metres(found: dict[str, Any]) -> None:
    places = found["read"]["places"]
    assert [place[0] for place in places.values()] == list(places)
    assert len({place[1] for place in places.values()}) == 1
    west, south = places["OGC:CRS84"][2:]
    assert places["EPSG:4490"][2:] == pytest.approx([west, south], abs=1e-7)
    x, y = places["EPSG:4547"][2:]
    assert 470_000 < x < 480_000 and 2_540_000 < y < 2_560_000
    assert places["EPSG:3857"][2] == pytest.approx(math.radians(west) * 6_378_137, abs=1)


def test_it_knows_types_titles_and_what_is_read_only(found: dict[str, Any]) -> None:
    fields = found["read"]["fields"]
    assert fields["gross_area"] == ["double", "建筑面积 gross area", False]
    assert fields["completed_on"][0] == "QDate" and fields["updated_at"][::2] == ["QDateTime", True]
    assert fields["estate_id"] == ["qlonglong", "小区 estate id", True]
    assert list(fields)[:3] == ["name", "kind", "state"]


def test_it_goes_from_page_to_page(found: dict[str, Any], asked: list[Request]) -> None:
    assert found["paged"] == 1600
    pages = [each for each in during("paged", found, asked) if "after=" in each.path]
    assert len(pages) == 3 and all("limit=500" in each.path for each in pages)


def test_its_expressions_are_answered_by_us_as_it_would_itself(
    found: dict[str, Any], asked: list[Request]
) -> None:
    for name, (kept, questioned, expected) in found["filtered"].items():
        assert kept == questioned == expected, name
    assert sum(0 < each[0] < 1600 for each in found["filtered"].values()) > 6
    sent = {each.read.partition("filter=")[2] for each in during("filtered", found, asked)}
    for part in ('("floors_above" >= 30)', "(name LIKE '%栋')", "CASEI(name)", "TIMESTAMP('2020"):
        assert any(part in each for each in sent), (part, sent)


def test_what_is_in_view_is_asked_of_us(found: dict[str, Any], asked: list[Request]) -> None:
    for got, expected, every in found["boxed"].values():
        assert got == expected and 0 < got < every / 4
    boxes = [each.path for each in during("boxed", found, asked) if "bbox=" in each.path]
    assert len(boxes) == 2 and "bbox-crs=http://www.opengis.net/def/crs/EPSG/0/4547" in boxes[1]


def test_it_offers_editing_to_who_may(found: dict[str, Any]) -> None:
    assert "Add Features" not in found["editable"]["nobody"]
    for each in ("Add Features", "Delete Features", "Change Attribute Values", "Change Geometries"):
        assert each in found["editable"]["holder"]


def test_it_makes_names_moves_and_ends_a_feature(
    found: dict[str, Any], asked: list[Request], engine: Engine
) -> None:
    edited = found["edited"]
    assert all(edited[step]["done"] for step in ("made", "renamed", "moved", "ended"))
    east, north = FREE
    assert edited["seen"][:2] == ["量子新园", True]
    expected = [east + 30, north, east + 120, north + 90]
    assert edited["seen"][2:] == pytest.approx(expected, abs=0.02)
    assert edited["left"] == 0
    written = [each for each in during("edited", found, asked) if each.method not in READS]
    assert [(each.method, each.status) for each in written] == [
        ("POST", 201),
        ("PATCH", 204),
        ("PATCH", 204),
        ("DELETE", 204),
    ]
    with engine.connect() as connection:
        row = connection.execute(text("SELECT ended_at FROM city.estate WHERE name = '量子新园'"))
        assert row.scalar_one() is not None


READS = ("GET", "OPTIONS", "HEAD")


def test_values_of_each_type_come_to_be_what_was_typed(found: dict[str, Any], way: Way) -> None:
    typed = found["typed"]
    assert typed["written"]["done"] and typed["emptied"]["done"]
    at = f"{way[0]}/ogc/collections/buildings/items"
    (house,) = httpx.get(at, params={"name": "改名楼"}).json()["features"]
    kept = house["properties"]
    assert (kept["gross_area"], kept["has_lift"], kept["built_year"]) == (1234.5, True, None)


def test_who_writes_what_cannot_be_is_told_why_and_loses_nothing(found: dict[str, Any]) -> None:
    refused = found["refused"]
    assert not refused["done"] and refused["errors"] and refused["modified"]
    assert refused["shown"] == {"use": "castle"} and refused["nobody"] is False
    assert any("properties.use is no code of its list" in each for each in found["messages"])


def test_what_somebody_else_changed_since_is_not_written_over(found: dict[str, Any]) -> None:
    late, without, again = (found["conflicting"][name] for name in ("late", "without", "again"))
    for each in (late, without):
        assert not each["done"] and each["errors"] and each["modified"]
        assert each["shown"] == {"rating": "基础型"}  # still there to be written again
    assert found["conflicting"]["kept"] == "标杆型" and again["done"]
    for words in ("The feature has changed since", "If-Match must name the version"):
        assert any(words in each for each in found["messages"])


def test_nothing_it_asks_is_our_fault(asked: list[Request]) -> None:
    assert {each.status for each in asked} <= {200, 201, 204, 304, 412, 422, 428}


def test_it_draws_the_vector_tiles_by_the_address_of_the_style(way: Way, ran: Ran) -> None:
    extent = httpx.get(f"{way[0]}/ogc/collections/buildings").json()["extent"]["spatial"]["bbox"][0]
    corners = [*flat(*extent[:2]), *flat(*extent[2:])]
    drawn = ran("tiles.py", way[0], json.dumps(corners))
    for name in ("plain", "styled"):
        picture = base64.b64decode(drawn[name].pop("picture"))
        (PICTURES / f"qgis-{name}.png").write_bytes(picture)
        assert drawn[name]["errors"] == [] and drawn[name]["colours"] > 100, drawn[name]
    assert drawn["styled"]["done"] and drawn["styled"]["covered"] == 1
    assert drawn["plain"]["covered"] > 0.5 and drawn["messages"] == []
    assert {each.status for each in way[1] if "/tiles/" in each.path} <= {200, 204, 304}


def flat(longitude: float, latitude: float) -> tuple[float, float]:
    """A place in metres of Web Mercator."""
    turned = math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))
    return math.radians(longitude) * 6_378_137, turned * 6_378_137
