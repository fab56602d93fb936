"""GDAL reads, pages and filters our collections over HTTP, as QGIS does through the same driver."""

import json
import logging
from collections.abc import Iterator
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pyogrio
import pytest
import shapely
import uvicorn
from fastapi.testclient import TestClient

from api.app import create_app
from cim.settings import Settings


class Seen(logging.Handler):
    """The requests that came, by their address."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.args:
            self.urls.append(str(record.args[2]))  # type: ignore[index]  # uvicorn's access log always has arguments, the third is the path


@pytest.fixture(scope="module")
def served(city: Settings) -> Iterator[tuple[str, Seen]]:
    """The address of a service that really listens, and what it was asked."""
    config = uvicorn.Config(create_app(city), host="127.0.0.1", port=0, log_level="info")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    until = monotonic() + 30
    while not server.started and monotonic() < until:
        sleep(0.05)
    seen = Seen()
    logging.getLogger("uvicorn.access").addHandler(seen)
    port = server.servers[0].sockets[0].getsockname()[1]
    pyogrio.set_gdal_config_options({"OGR_HTTP_TIMEOUT": "20", "GDAL_HTTP_TIMEOUT": "20"})
    yield f"OAPIF:http://127.0.0.1:{port}/ogc", seen
    server.should_exit = True
    thread.join(20)


def read(at: str, layer: str, **options: Any) -> list[dict[str, Any]]:
    _, table = pyogrio.read_arrow(at, layer=layer, return_fids=False, **options)
    return table.to_pylist()


def test_every_collection_is_a_layer(served: tuple[str, Seen], client: TestClient) -> None:
    names = [each["id"] for each in client.get("/ogc/collections").json()["collections"]]
    assert [str(name) for name, _ in pyogrio.list_layers(served[0])] == names


def test_features_come_with_their_fields_and_places(served: tuple[str, Seen]) -> None:
    meta, table = pyogrio.read_arrow(served[0], layer="buildings")
    tower = table.to_pylist()[0]
    assert tower["name"] == "3栋" and tower["height"] == 9 and tower["floors_above"] == 3
    shape = shapely.from_wkb(tower[meta["geometry_name"] or "wkb_geometry"])
    assert shape.bounds == pytest.approx((113.88, 22.92, 113.8804, 22.9202), abs=1e-6)


def test_it_goes_from_page_to_page(served: tuple[str, Seen]) -> None:
    at, seen = served
    seen.urls.clear()
    assert len(read(at, "units", PAGE_SIZE=3)) == 13
    assert sum("after=" in url for url in seen.urls) == 4


def test_a_window_is_asked_of_us(served: tuple[str, Seen]) -> None:
    at, seen = served
    seen.urls.clear()
    found = read(at, "buildings", bbox=(113.8799, 22.9199, 113.8804, 22.9203))
    assert [each["name"] for each in found] == ["3栋"]
    assert any("bbox=" in url for url in seen.urls)


def test_a_filter_is_asked_of_us(served: tuple[str, Seen]) -> None:
    at, seen = served
    seen.urls.clear()
    found = read(at, "units", where="room_no = '201' AND storey_no >= 2")
    assert [each["room_no"] for each in found] == ["201"]
    assert any("room_no=201" in url for url in seen.urls), json.dumps(seen.urls)


def test_fields_have_the_types_they_are_said_to_have(served: tuple[str, Seen]) -> None:
    told = pyogrio.read_info(served[0], layer="buildings")
    types = dict(zip(told["fields"], map(str, told["dtypes"]), strict=True))
    assert types["height"] == types["gross_area"] == "float64"
    assert types["updated_at"].startswith("datetime64") and types["has_lift"] == "bool"
    assert pyogrio.read_info(served[0], layer="units", force_feature_count=True)["features"] == 13


def test_days_are_compared_with_the_right_property(served: tuple[str, Seen]) -> None:
    at, seen = served
    for where, expected in {
        "completed_on < '2000-01-01'": 0,
        "completed_on IS NULL": 2,
        "updated_at > '2000-01-01'": 2,
        "updated_at < '2000-01-01'": 0,
    }.items():
        seen.urls.clear()
        assert len(read(at, "buildings", where=where)) == expected, where
        assert any("datetime=" in url for url in seen.urls) is where.startswith("updated"), where


def test_other_systems_are_read_with_their_axes_right(served: tuple[str, Seen]) -> None:
    uri = "http://www.opengis.net/def/crs/EPSG/0/4547"
    meta, table = pyogrio.read_arrow(served[0], layer="buildings", CRS=uri)
    shape = shapely.from_wkb(table.to_pylist()[0][meta["geometry_name"] or "wkb_geometry"])
    assert "4547" in meta["crs"]
    assert 487_000 < shape.bounds[0] < 488_500 and 2_535_000 < shape.bounds[1] < 2_537_000
