"""What QGIS 3.44 sends, as it was recorded by `make trial-qgis`, sent here again without it.

Addresses, headers and bodies are those of `tests/clients/qgis`; ids and places are this city's.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests.accounts import add_key

HERE = "http://www.opengis.net/def/crs/EPSG/0/4547"
DEGREES = "http://www.opengis.net/def/crs/EPSG/0/4490"
ITEMS = "/ogc/collections/{}/items"
REL = "http://www.opengis.net/def/rel/ogc/1.0"


@pytest.fixture(scope="module", autouse=True)
def office(client: TestClient, engine: Engine) -> Iterator[None]:
    add_key(engine, "office", "key-office", ["editor"])
    with engine.begin() as connection:
        for table in ("source_system", "estate"):
            connection.execute(text(f"SELECT setval('city.{table}_id_seq', 10000)"))
    yield


@pytest.fixture
def headers() -> dict[str, str]:
    """An authentication of the kind API Header, which goes along with every request."""
    return {
        "Authorization": "Bearer key-office",
        "If-Match": "*",
        "User-Agent": "Mozilla/5.0 QGIS/34415/Debian GNU/Linux 13 (trixie)",
    }


def found(client: TestClient, collection: str, asked: str) -> list[dict[str, Any]]:
    answer = client.get(f"{ITEMS.format(collection)}?{asked}")
    assert answer.status_code == 200, answer.text
    features: list[dict[str, Any]] = answer.json()["features"]
    return features


def test_a_layer_is_opened(client: TestClient, headers: dict[str, str]) -> None:
    accept = "application/vnd.oai.openapi+json;version=3.0, application/openapi+json;version=3.0"
    links = client.get("/ogc").json()["links"]
    (described,) = (each for each in links if each["rel"] == "service-desc")
    document = client.get(described["href"], headers=headers | {"Accept": accept}).json()
    limit = document["components"]["parameters"]["limit"]["schema"]
    assert limit["default"] == 100 and limit["maximum"] == 10_000
    conforms = client.get("/ogc/conformance", headers=headers).json()["conformsTo"]
    spec = "http://www.opengis.net/spec"
    for needed in (
        f"{spec}/ogcapi-features-2/1.0/conf/crs",
        f"{spec}/ogcapi-features-3/1.0/conf/filter",
        f"{spec}/ogcapi-features-3/1.0/conf/features-filter",
        f"{spec}/ogcapi-features-5/1.0/conf/schemas",
        f"{spec}/cql2/1.0/conf/cql2-text",
        f"{spec}/cql2/1.0/conf/basic-cql2",
        f"{spec}/cql2/1.0/conf/advanced-comparison-operators",
        f"{spec}/cql2/1.0/conf/case-insensitive-comparison",
        f"{spec}/cql2/1.0/conf/basic-spatial-operators",
    ):
        assert needed in conforms


def test_fields_have_types_titles_and_an_order_whatever_the_first_features_say(
    client: TestClient,
) -> None:
    about = client.get("/ogc/collections/buildings").json()
    (link,) = (each for each in about["links"] if each["rel"] == f"{REL}/schema")
    assert link["type"] == "application/schema+json"
    answer = client.get(link["href"], headers={"Accept": "application/schema+json"})
    assert answer.headers["content-type"].startswith("application/schema+json")
    told = answer.json()["properties"]
    assert [each["x-ogc-propertySeq"] for each in told.values()] == [*range(1, len(told) + 1)]
    assert told["gross_area"]["type"] == "number" and told["estate_id"]["type"] == "integer"
    assert told["completed_on"]["format"] == "date" and told["has_lift"]["type"] == "boolean"
    assert told["height"]["title"] == "高度 height" and "readOnly" not in told["height"]
    assert told["geometry"]["format"] == "geometry-multipolygon"
    assert told["geometry"]["x-ogc-role"] == "primary-geometry"
    assert "id" not in told  # or it would be a column without values
    assert {name for name, each in told.items() if each.get("readOnly")} >= {
        "updated_at",
        "grid_id",
    }
    storeys = client.get("/ogc/collections/storeys/schema").json()["properties"]
    assert all(each["readOnly"] for each in storeys.values())


@pytest.mark.parametrize(
    ("collection", "asked", "expected"),
    [
        ("buildings", '("floors_above" >= 3)', 1),
        ("buildings", "((use = 'residential') AND \"floors_above\" IN (3,7))", 1),
        ("buildings", "((name LIKE '%栋') AND height BETWEEN 5 AND 60)", 1),
        ("buildings", "(CASEI(name) LIKE CASEI('%A%'))", 0),
        ("buildings", "(\"completed_on\" >= DATE('2010-01-01'))", 0),
        ("buildings", "(\"updated_at\" > TIMESTAMP('2020-01-01T00:00:00.000Z'))", 2),
        ("buildings", "(\"updated_at\" < TIMESTAMP('2020-01-01T00:00:00.000Z'))", 0),
        ("buildings", "(NOT (((use = 'residential') OR (use = 'commercial'))))", 0),
        ("units", '(("room_no" = \'201\') AND ("storey_no" IS NOT NULL))', 1),
    ],
)
def test_an_expression_is_asked_of_us(
    client: TestClient, collection: str, asked: str, expected: int
) -> None:
    words = json.dumps(asked)  # as it is seen in a test's name
    rows = client.get(
        ITEMS.format(collection),
        params={"limit": 1000, "filter": asked, "filter-lang": "cql2-text", "crs": DEGREES},
    )
    assert rows.status_code == 200, (words, rows.text)
    assert rows.json()["numberReturned"] == expected


def test_places_in_an_expression_have_the_axes_of_the_layer(client: TestClient) -> None:
    box = "S_INTERSECTS(geometry,BBOX({}))&filter-lang=cql2-text"
    flat = client.get(f"{ITEMS.format('buildings')}/1?crs={HERE}").json()["geometry"]
    north, east = flat["coordinates"][0][0][0]
    near = f"{north - 1},{east - 1},{north + 1},{east + 1}"
    asked = f"limit=1000&filter={box.format(near)}&filter-crs={HERE}&crs={HERE}"
    assert [each["id"] for each in found(client, "buildings", asked)] == [1]
    far = f"{east - 1},{north - 1},{east + 1},{north + 1}"
    asked = f"limit=1000&filter={box.format(far)}&filter-crs={HERE}&crs={HERE}"
    assert found(client, "buildings", asked) == []


def test_what_is_in_view_is_asked_with_seventeen_decimals(client: TestClient) -> None:
    seen = "113.87990000000000634,22.91989999999999839,113.88040000000000873,22.92029999999999745"
    assert [each["id"] for each in found(client, "buildings", f"limit=1000&bbox={seen}")] == [1]


def test_nobody_else_is_offered_editing(client: TestClient, headers: dict[str, str]) -> None:
    for address, words in (("", "POST"), ("/1", "PUT"), ("/1", "PATCH"), ("/1", "DELETE")):
        at = ITEMS.format("estates") + address
        assert words in client.options(at, headers=headers).headers["allow"].split(", ")
        assert words not in client.options(at).headers["allow"].split(", ")


def test_a_feature_is_made_changed_moved_and_ended(
    client: TestClient, headers: dict[str, str]
) -> None:
    north, east = 2_540_000.0, 470_000.0
    ring = [[north + n, east + e] for n, e in ((0, 0), (0, 90), (90, 90), (90, 0), (0, 0))]
    body = {"Content-Type": "application/geo+json", "Content-Crs": HERE}
    properties = {
        "admin_area_id": None,
        "aliases": None,
        "built_year_max": None,
        "built_year_min": None,
        "gated": True,
        "kind": None,
        "name": "量子花园",
        "rating": None,
        "renewal_state": None,
        "updated_at": None,
    }
    shape = {"coordinates": [ring], "type": "Polygon"}
    sent = {"geometry": shape, "properties": properties, "type": "Feature"}
    made = client.post(ITEMS.format("estates"), json=sent, headers=headers | body)
    assert made.status_code == 201, made.text
    at = made.headers["location"]
    merge = {"Content-Type": "application/merge-patch+json"}
    named = client.patch(at, json={"properties": {"name": "量子新园"}}, headers=headers | merge)
    moved_to = [[n, e + 30] for n, e in ring]
    moved = client.patch(
        at,
        json={"geometry": {"coordinates": [moved_to], "type": "Polygon"}},
        headers=headers | merge | {"Content-Crs": HERE},
    )
    assert (named.status_code, moved.status_code) == (204, 204), named.text + moved.text
    query = f"limit=1000&filter=(name = '量子新园')&filter-lang=cql2-text&crs={HERE}"
    (seen,) = found(client, "estates", query)
    assert min(e for _, e in seen["geometry"]["coordinates"][0][0]) == pytest.approx(470_030)
    assert client.delete(at, headers=headers).status_code == 204
    assert found(client, "estates", query) == []


def test_an_edit_of_what_somebody_else_changed_since_is_refused(
    client: TestClient, headers: dict[str, str]
) -> None:
    at = f"{ITEMS.format('estates')}/1"
    seen = client.get(at).headers["etag"]
    merge = headers | {"Content-Type": "application/merge-patch+json"}
    theirs = client.patch(at, json={"properties": {"rating": "标杆型"}}, headers=merge)
    assert theirs.status_code == 204, theirs.text
    change = {"properties": {"rating": "基础型"}}
    assert client.patch(at, json=change, headers=merge | {"If-Match": seen}).status_code == 412
    without = {name: value for name, value in merge.items() if name != "If-Match"}
    assert client.patch(at, json=change, headers=without).status_code == 428
    assert client.get(at).json()["properties"]["rating"] == "标杆型"
