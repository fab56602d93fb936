"""OGC API – Features as a client finds it: pages, systems, forms, and what is refused."""

import csv
import io
from itertools import pairwise
from typing import Any

import pyogrio
import pytest
import shapely
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.ogc.systems import DEFINITIONS, SYSTEMS
from cim.store.queries.collections.definitions import COLLECTIONS

ITEMS = "/ogc/collections/{}/items"
TOWER = "113.8799,22.9199,113.8804,22.9203"


def ids(document: dict[str, Any]) -> list[int]:
    return [feature["id"] for feature in document["features"]]


def pages(client: TestClient, url: str) -> list[dict[str, Any]]:
    """Every page from an address on, by the links to the next."""
    found = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        url = next((link["href"] for link in found[-1]["links"] if link["rel"] == "next"), "")
    return found


def test_the_landing_page_leads_to_everything(client: TestClient) -> None:
    links = client.get("/ogc").json()["links"]
    assert {"self", "alternate", "service-desc", "service-doc", "conformance", "data"} <= {
        link["rel"] for link in links
    }
    for link in links:
        answer = client.get(link["href"])
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] == link["type"].partition(";")[0]


def test_people_get_pages_and_programs_get_json(client: TestClient) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in (
        "/ogc",
        "/ogc/conformance",
        "/ogc/api",
        "/ogc/collections",
        "/ogc/collections/buildings",
        "/ogc/collections/buildings/queryables",
        "/ogc/collections/buildings/schema",
        "/ogc/collections/buildings/schema/geojson",
        "/ogc/collections/buildings/items",
        "/ogc/collections/buildings/items/1",
    ):
        page = client.get(path, headers=browser)
        assert page.headers["content-type"].startswith("text/html"), path
        assert page.status_code == 200 and "</html>" in page.text
        assert "http://" not in page.text.replace("http://testserver", "").replace(
            "http://www.opengis.net", ""
        )
        assert "json" in client.get(path).headers["content-type"]
        assert "json" in client.get(f"{path}?f=json", headers=browser).headers["content-type"]


def test_names_out_of_files_are_no_markup(client: TestClient, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET name = '<b>甲</b>' WHERE id = 2"))
    page = client.get(ITEMS.format("buildings") + "?f=html").text
    assert "&lt;b&gt;甲&lt;/b&gt;" in page and "<b>甲" not in page
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.building SET name = NULL WHERE id = 2"))


def test_every_collection_describes_itself_and_answers_features(client: TestClient) -> None:
    listed = client.get("/ogc/collections").json()["collections"]
    assert [each["id"] for each in listed] == list(COLLECTIONS)
    for each in listed:
        alone = client.get(f"/ogc/collections/{each['id']}").json()
        assert alone == each
        found = client.get(ITEMS.format(each["id"])).json()
        assert found["type"] == "FeatureCollection"
        assert found["numberReturned"] == len(found["features"])
        if found["features"]:
            west, south, east, north = each["extent"]["spatial"]["bbox"][0]
            assert 113 < west <= east < 115 and 22 < south <= north < 24
        for feature in found["features"]:
            assert list(feature["properties"]) == list(COLLECTIONS[each["id"]].properties)


def test_nothing_tells_whether_somebody_is_at_home(client: TestClient) -> None:
    said = "".join(
        client.get(f"/ogc/collections/{name}/queryables").text + client.get(ITEMS.format(name)).text
        for name in COLLECTIONS
    )
    for word in ("occupancy", "自住", "attrs", "contact", "gas_supply", "甲*"):
        assert word not in said
    devices = client.get(ITEMS.format("devices")).json()["features"]
    assert [device["id"] for device in devices] == [1, 2, 4]  # 3 is not public
    assert all(device["properties"]["last_seen"] is None for device in devices)


def test_what_is_not_public_is_for_those_who_are_cleared(client: TestClient, key: Any) -> None:
    for headers in ({}, key("housing-desk")):
        assert client.get(ITEMS.format("devices") + "/3", headers=headers).status_code == 404


def test_pages_follow_one_another_without_a_gap(client: TestClient) -> None:
    every = ids(client.get(ITEMS.format("units")).json())
    assert len(every) == 13
    found = pages(client, ITEMS.format("units") + "?limit=2")
    assert [each for page in found for each in ids(page)] == every
    assert [len(page["features"]) for page in found] == [2] * 6 + [1]


@pytest.mark.parametrize("sortby", ["room_no", "-storey_id", "-storey_id,room_no", "+building_id"])
def test_sorted_pages_follow_one_another_too(client: TestClient, sortby: str) -> None:
    url = ITEMS.format("units")
    every = ids(client.get(url, params={"sortby": sortby}).json())
    first = client.get(url, params={"sortby": sortby, "limit": 3}).request.url
    assert [each for page in pages(client, str(first)) for each in ids(page)] == every
    assert len(set(every)) == 13


def test_what_has_no_value_is_sorted_to_an_end_and_not_lost(client: TestClient) -> None:
    for sortby, expected in (("name", [1, 2]), ("-name", [2, 1]), ("built_year", [1, 2])):
        found = pages(client, f"{ITEMS.format('buildings')}?limit=1&sortby={sortby}")
        assert [each for page in found for each in ids(page)] == expected


def test_a_box_finds_what_it_meets(client: TestClient) -> None:
    def within(name: str, bbox: str, **more: str) -> list[int]:
        return ids(client.get(ITEMS.format(name), params={"bbox": bbox} | more).json())

    assert within("buildings", TOWER) == [1]
    assert within("buildings", "113.8799,22.9199,-50,113.8804,22.9203,50") == [1]
    assert len(within("units", TOWER)) == 12  # one has no outline
    assert within("buildings", "170,-90,-170,90") == []
    assert within("buildings", "170,-90,114,90") == [1, 2]
    for name in ("storeys", "entrances", "devices", "organisations", "facilities", "addresses"):
        assert within(name, TOWER), name
        assert within(name, "0,0,1,1") == []
    there = {"bbox-crs": f"{DEFINITIONS}/EPSG/0/4490"}
    assert within("buildings", "22.9199,113.8799,22.9203,113.8804", **there) == [1]
    there = {"bbox-crs": f"{DEFINITIONS}/EPSG/0/4547"}
    assert within("buildings", "2535000,487000,2536000,488000", **there) == [1]


def test_features_come_in_the_system_that_is_asked_for(client: TestClient) -> None:
    url = ITEMS.format("buildings") + "/1"
    plain = shapely.from_geojson(client.get(url).text)
    for uri, system in SYSTEMS.items():
        answer = client.get(url, params={"crs": uri})
        assert answer.headers["content-crs"] == f"<{uri}>"
        back = system.place(shapely.from_geojson(answer.text))
        assert shapely.hausdorff_distance(back, plain) < 2e-7, uri
    north_first = client.get(url, params={"crs": f"{DEFINITIONS}/EPSG/0/4326"}).json()
    assert north_first["geometry"]["coordinates"][0][0][0][0] == pytest.approx(22.92, abs=0.01)


def test_counts_are_given_when_they_are_asked_for(client: TestClient) -> None:
    url = ITEMS.format("units") + "?limit=2"
    assert "numberMatched" not in client.get(url).json()
    assert client.get(f"{url}&count=exact").json()["numberMatched"] == 13
    assert client.get(f"{url}&count=exact&room_no=101").json()["numberMatched"] == 1
    assert client.get(f"{url}&count=estimated").json()["numberEstimated"] > 0


def test_properties_are_those_that_are_asked_for(client: TestClient) -> None:
    found = client.get(ITEMS.format("buildings") + "?properties=name,height&limit=1").json()
    assert found["features"][0]["properties"] == {"name": "3栋", "height": 9.0}


def test_properties_are_parameters(client: TestClient) -> None:
    url = ITEMS.format("buildings")
    assert ids(client.get(f"{url}?name=3栋").json()) == [1]
    assert ids(client.get(f"{url}?height=9&floors_above=3").json()) == [1]
    assert ids(client.get(f"{url}?floors_above=99").json()) == []


def test_time_is_when_a_feature_was_last_changed(client: TestClient) -> None:
    url = ITEMS.format("buildings")
    for given, expected in (
        ("2000-01-01/..", [1, 2]),
        ("../2000-01-01T00:00:00Z", []),
        ("2000-01-01/2001-01-01", []),
    ):
        assert ids(client.get(url, params={"datetime": given}).json()) == expected
    assert (
        len(ids(client.get(ITEMS.format("units"), params={"datetime": "2000-01-01"}).json())) == 13
    )


def test_files_hold_what_the_page_holds(client: TestClient) -> None:
    for name in COLLECTIONS:
        page = client.get(ITEMS.format(name)).json()
        told = client.get(ITEMS.format(name) + "?f=csv")
        rows = list(csv.DictReader(io.StringIO(told.content.decode("utf-8-sig"))))
        assert [int(row["id"]) for row in rows] == ids(page)
        binary = client.get(ITEMS.format(name) + "?f=fgb").content
        meta, _, shapes, fields = pyogrio.raw.read(io.BytesIO(binary))
        assert list(fields[list(meta["fields"]).index("id")]) == ids(page)
        for feature, row, shape in zip(page["features"], rows, shapes, strict=True):
            drawn = feature["geometry"] and shapely.from_geojson(
                str(feature["geometry"]).replace("'", '"')
            )
            assert (shape is None) is (drawn is None) is (row["geometry"] == "")
            if drawn is not None:
                assert shapely.equals_exact(shapely.from_wkt(row["geometry"]), drawn, 1e-7)
                assert shapely.equals_exact(shapely.from_wkb(shape), drawn, 1e-7)
    more = client.get(ITEMS.format("units") + "?f=csv&limit=5")
    assert 'rel="next"' in more.headers["link"]


def test_an_answer_that_has_not_changed_is_not_sent_again(client: TestClient) -> None:
    for path in ("/ogc", "/ogc/collections", ITEMS.format("units"), ITEMS.format("units") + "/201"):
        etag = client.get(path).headers["etag"]
        again = client.get(path, headers={"If-None-Match": etag})
        assert again.status_code == 304 and not again.content


def test_what_is_not_there_is_not_found(client: TestClient) -> None:
    for path in (
        "/ogc/collections/nothing",
        ITEMS.format("people"),
        ITEMS.format("units") + "/9999",
    ):
        assert client.get(path).status_code == 404
    for fid in ("x", "1e3", "99999999999999999999", "-1", "%00", "１"):
        assert client.get(f"{ITEMS.format('units')}/{fid}").status_code == 404, fid


BAD = [
    ("limit", "0"), ("limit", "-1"), ("limit", "x"), ("limit", "1.5"), ("limit", ""),
    ("bbox", "1,2,3"), ("bbox", "1,2,3,x"), ("bbox", "nan,0,1,1"), ("bbox", "0,9,1,1"),
    ("bbox", "0,0,999,1"), ("bbox", "1,2,3,4,5,6,7"), ("bbox-crs", "x"), ("crs", "EPSG:1"),
    ("datetime", "yesterday"), ("datetime", "2026-01-01T1"),
    ("datetime", "0000-01-01"), ("datetime", "2026-02-30"),
    ("datetime", "2026-01-02/2026-01-01"), ("datetime", "9999-12-31T23:59:59-12:00"),
    ("properties", "name,secret"), ("sortby", "attrs"), ("sortby", "name,name"),
    ("count", "all"), ("f", "xml"), ("after", "x"), ("after", "bnVsbA"), ("height", "tall"),
    ("has_lift", "maybe"), ("name", "a\0b"), ("offset", "10"), ("Limit", "1"), ("filter-crs", "x"),
    ("filter-lang", "sql"), ("filter", "name ="), ("filter", "pg_sleep(9) = 1"),
    ("filter", "secrecy = 1"), ("filter", "x" * 60_000), ("filter", "x" * 65_001),
    ("filter", "(" * 20_000), ("filter", '{"op":' * 2_000), ("filter", "name = 'a\0'"),
    ("filter", "(height + 1) ^ 999 > 1e300"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_parameter_is_named(client: TestClient, name: str, value: str) -> None:
    answer = client.get(ITEMS.format("buildings"), params={name: value})
    assert answer.status_code == 400, answer.text
    told = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["detail_zh"] and len(told["detail"]) < 2000
    assert name in told["detail"] or "value" in told["detail"]
    assert "x" * 50 not in told["detail"]


def test_a_parameter_is_given_once(client: TestClient) -> None:
    answer = client.get(ITEMS.format("buildings") + "?limit=1&limit=2")
    assert answer.status_code == 400 and "limit" in answer.json()["detail"]
    assert client.get("/ogc/collections?limit=1").status_code == 400


def test_more_than_is_given_is_cut_and_not_refused(client: TestClient) -> None:
    assert client.get(ITEMS.format("units") + "?limit=99999999").status_code == 200


def test_every_page_of_the_interface_is_there(client: TestClient) -> None:
    document = client.get("/ogc/api").json()
    assert document["openapi"].startswith("3.0") and document["servers"][0]["url"].endswith("/ogc")
    for path, operations in document["paths"].items():
        url = "/ogc" + path.replace("{featureId}", "1")
        assert client.get(url).status_code in (200, 404), path
        for parameter in operations["get"]["parameters"]:
            assert "$ref" in parameter or parameter["description"]
    names = [each["get"]["operationId"] for each in document["paths"].values()]
    assert len(set(names)) == len(names)


def test_pages_of_a_collection_stay_in_order_while_it_grows(
    client: TestClient, engine: Engine
) -> None:
    first = client.get(ITEMS.format("streets") + "?limit=1").json()
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO city.street (id, name) VALUES (0, '前'), (9, '后')"))
    assert ids(first) == [1]
    every = pages(client, ITEMS.format("streets") + "?limit=1")
    assert [each for page in every for each in ids(page)] == [0, 1, 9]
    assert all(a != b for a, b in pairwise(every))
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM city.street WHERE id IN (0, 9)"))
