"""Clients of other makers edit our features over HTTP: OWSLib does, and QGIS as it speaks.

GDAL's driver only reads; it sees what the others did.  QGIS edits from 3.32 on, and the one that
can be installed here is older: what it sends is sent as its provider does, byte for byte in what
matters (methods, headers, bodies).
"""

from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pyogrio
import pytest
import shapely
from owslib.ogcapi.features import Features
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.accounts import add_key
from tests.served import serving

HERE = "http://www.opengis.net/def/crs/EPSG/0/4547"
KEY = {"Authorization": "Bearer key-office"}


@pytest.fixture(scope="module")
def root(city: Settings, engine: Engine) -> Iterator[str]:
    add_key(engine, "office", "key-office", ["editor"])
    with engine.begin() as connection:
        for table in ("source_system", "building", "estate", "unit", "storey", "entrance"):
            connection.execute(text(f"SELECT setval('city.{table}_id_seq', 10000)"))
    with serving(city, "--no-worker") as (_, address):
        yield f"{address}/ogc"


def estate(name: str, west: float = 113.95) -> dict[str, Any]:
    shape = shapely.geometry.mapping(shapely.box(west, 22.95, west + 0.001, 22.951))
    return {"type": "Feature", "geometry": shape, "properties": {"name": name, "gated": True}}


def test_owslib_makes_changes_and_ends_features(root: str) -> None:
    client = Features(root, headers=KEY | {"If-Match": "*"})
    assert client.collection_item_create("estates", estate("甲园"))
    made = client.response_headers["Location"].rpartition("/")[2]
    found = client.collection_item("estates", made)
    assert found["properties"]["name"] == "甲园" and found["properties"]["gated"] is True
    found["properties"]["name"] = "乙园"
    assert client.collection_item_update("estates", made, _json(found))
    assert client.collection_item("estates", made)["properties"]["name"] == "乙园"
    stale = Features(root, headers=KEY | {"If-Match": '"seen-long-ago"'})
    with pytest.raises(RuntimeError, match="read it again"):
        stale.collection_item_update("estates", made, _json(found))
    client = Features(root, headers=KEY | {"If-Match": "*"})  # it keeps headers for all it makes
    assert client.collection_item_delete("estates", made)
    with pytest.raises(RuntimeError, match="No feature goes by that id"):
        client.collection_item("estates", made)


def _json(value: Any) -> bytes:
    return httpx.Request("POST", "http://x", json=value).content


@pytest.fixture
def qgis(root: str) -> Iterator[httpx.Client]:
    """As QGIS with an authentication of the kind API Header: the key, and any version."""
    headers = KEY | {"If-Match": "*", "User-Agent": "Mozilla/5.0 QGIS/34400"}
    with httpx.Client(base_url=f"{root}/collections/estates", headers=headers) as client:
        yield client


def test_qgis_finds_that_it_may_edit(qgis: httpx.Client, root: str) -> None:
    allowed = qgis.options("/items").headers["allow"].replace(" ", "").split(",")
    assert "POST" in allowed
    one = qgis.options("/items/1").headers["allow"].replace(" ", "").split(",")
    assert {"PUT", "PATCH", "DELETE"} <= set(one)
    nobody = httpx.options(f"{root}/collections/estates/items").headers["allow"]
    assert "POST" not in nobody


def test_qgis_edits_and_gdal_sees_it(qgis: httpx.Client, root: str) -> None:
    flat = httpx.get(f"{root}/collections/estates/items/1", params={"crs": HERE}).json()
    corner = flat["geometry"]["coordinates"][0][0][0]  # northing first, as QGIS swaps it too
    ring = [[corner[0] + n, corner[1] + e] for n, e in ((0, 0), (0, 90), (90, 90), (90, 0), (0, 0))]
    sent = {
        "type": "Feature",
        "geometry": {"type": "MultiPolygon", "coordinates": [[ring]]},
        "properties": {"name": "丙园", "kind": None, "admin_area_id": None, "updated_at": None},
    }
    body = {"Content-Type": "application/geo+json", "Content-Crs": f"<{HERE}>"}
    made = qgis.post("/items", json=sent, headers=body)
    assert made.status_code == 201, made.text
    at = "/items/" + made.headers["location"].partition("/items/")[2]
    assert qgis.get(at).json()["geometry"]["type"] == "MultiPolygon"  # read again after it is made
    merge = {"Content-Type": "application/merge-patch+json"}
    wider = [[n, e + 10] for n, e in ring]
    shape = {"geometry": {"type": "MultiPolygon", "coordinates": [[wider]]}}
    moved = qgis.patch(at, json=shape, headers=merge | {"Content-Crs": f"<{HERE}>"})
    assert moved.status_code == 204, moved.text
    named = qgis.patch(at, json={"properties": {"name": "丁园", "gated": True}}, headers=merge)
    assert named.status_code == 204, named.text
    with _headers(KEY):
        rows = _read(root, "estates", where="name = '丁园'", CRS=HERE)
    (row,) = rows
    assert row["gated"] == 1
    expected = corner[1] + 10, corner[0], corner[1] + 100, corner[0] + 90
    assert shapely.from_wkb(row["wkb_geometry"]).bounds == pytest.approx(expected, abs=0.02)
    assert qgis.delete(at).status_code == 204
    assert _read(root, "estates", where="name = '丁园'") == []


def _read(root: str, layer: str, **options: Any) -> list[dict[str, Any]]:
    _, table = pyogrio.read_arrow(f"OAPIF:{root}", layer=layer, return_fids=False, **options)
    found: list[dict[str, Any]] = table.to_pylist()
    return found


class _headers:
    """Headers that GDAL sends with each request, as GDAL_HTTP_HEADERS says."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.said = "\r\n".join(f"{name}: {value}" for name, value in headers.items())

    def __enter__(self) -> None:
        pyogrio.set_gdal_config_options({"GDAL_HTTP_HEADERS": self.said})

    def __exit__(self, *_: object) -> None:
        pyogrio.set_gdal_config_options({"GDAL_HTTP_HEADERS": None})
