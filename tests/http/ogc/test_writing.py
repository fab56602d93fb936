"""OGC API – Features, Part 4: features are made, replaced, changed and ended, on a file's road."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.accounts import PASSWORD, add_key, add_person

ITEMS = "/ogc/collections/{}/items"


@pytest.fixture(scope="module", autouse=True)
def keyed(city: Settings, engine: Engine) -> None:
    add_key(engine, "editor", "key-editor", ["editor"])
    add_key(engine, "editor-of-town", "key-town", ["editor"], at="441900001")
    with engine.begin() as connection:
        put = """INSERT INTO city.admin_area (id, code, level, name, parent_id, geom) VALUES
                 (6, '441900002', 4, '别镇', 3,
                  ST_Multi(ST_MakeEnvelope(114.2, 22.8, 114.4, 23.0, 4490)))"""
        connection.execute(text(put))
        for table in ("source_system", "building", "unit", "storey", "entrance", "std_address",
                      "facility", "device", "organisation", "admin_area", "grid", "estate",
                      "street", "floor_plan", "floor_slot"):  # fmt: skip
            connection.execute(text(f"SELECT setval('city.{table}_id_seq', 10000)"))
    add_key(engine, "editor-elsewhere", "key-elsewhere", ["editor"], at="441900002")


def key(secret: str = "key-editor", **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"} | {k.replace("_", "-"): v for k, v in more.items()}


def square(west: float, south: float, size: float = 0.0002) -> dict[str, Any]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "geometry": geometry, "properties": properties}


def made(client: TestClient, collection: str, sent: dict[str, Any], **more: str) -> str:
    answer = client.post(ITEMS.format(collection), json=sent, headers=key(**more))
    assert answer.status_code == 201, answer.text
    at = answer.headers["location"]
    assert answer.headers["etag"] == client.get(at).headers["etag"]
    return str(at)


def patch(client: TestClient, at: str, change: dict[str, Any], secret: str = "key-editor") -> Any:
    etag = client.get(at, headers=key(secret)).headers["etag"]
    return client.patch(at, json=change, headers=key(secret, If_Match=etag))


def told(client: TestClient, after: str) -> list[tuple[str, str, Any]]:
    page = client.get("/changes", params={"after": after, "limit": 1000}).json()
    return [(one["collection"], one["kind"], one["fields"]) for one in page["changes"]]


def test_a_new_building_has_storeys_and_units_and_is_told_of(client: TestClient) -> None:
    begin = client.get("/changes?after=latest").json()["next"]
    sent = feature(square(113.8801, 22.9210), name="新1栋", floors_above=4, use="residential")
    at = made(client, "buildings", sent)
    got = client.get(at).json()
    assert got["properties"] | {"updated_at": None} == got["properties"] | {
        "name": "新1栋", "floors_above": 4, "floors_method": "given", "height_method": "floors",
        "estate_id": 1, "grid_id": 1, "updated_at": None,
    }  # fmt: skip
    assert got["properties"]["footprint_area"] == pytest.approx(455, rel=0.05)
    storeys = client.get(ITEMS.format("storeys"), params={"building_id": got["id"]}).json()
    units = client.get(ITEMS.format("units"), params={"building_id": got["id"]}).json()
    assert storeys["numberReturned"] == 4 and units["numberReturned"] >= 4
    changes = told(client, begin)
    assert ("buildings", "created", None) in changes
    assert {"storeys", "units"} <= {collection for collection, _, _ in changes}


def test_a_change_holds_for_the_version_that_was_seen(client: TestClient) -> None:
    at = made(client, "estates", feature(square(113.95, 22.95), name="甲小区"))
    seen = client.get(at).headers["etag"]
    change = {"properties": {"built_year_min": 1999}}
    assert client.patch(at, json=change, headers=key()).status_code == 428
    assert client.patch(at, json=change, headers=key(If_Match='"other"')).status_code == 412
    first = client.patch(at, json=change, headers=key(If_Match=seen))
    assert first.status_code == 204, first.text
    late = client.patch(at, json={"properties": {"name": "乙"}}, headers=key(If_Match=seen))
    assert late.status_code == 412 and "read it again" in late.json()["detail"]
    assert client.get(at).json()["properties"]["name"] == "甲小区"
    assert client.get(at).headers["etag"] == first.headers["etag"]
    nothing, whatever = {"properties": None}, {"properties": {"name": "丙小区"}}
    assert client.patch(at, json=nothing, headers=key(If_Match="*")).status_code == 400
    assert client.patch(at, json=whatever, headers=key(If_Match="*")).status_code == 204


def test_of_two_who_change_the_same_version_one_is_told_to_read_again(client: TestClient) -> None:
    at = made(client, "estates", feature(square(113.955, 22.955), name="并发小区"))
    seen = client.get(at).headers["etag"]

    def change(year: int) -> int:
        sent = {"properties": {"built_year_min": year}}
        return int(client.patch(at, json=sent, headers=key(If_Match=seen)).status_code)

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(change, range(2000, 2004)))
    assert answers.count(204) == 1
    assert set(answers) <= {204, 412, 409}


def test_the_version_is_the_same_in_every_system(client: TestClient) -> None:
    at = ITEMS.format("buildings") + "/1"
    uri = "http://www.opengis.net/def/crs/EPSG/0/4547"
    tags = {client.get(at, params=ask).headers["etag"] for ask in ({}, {"crs": uri})}
    assert len(tags) == 1
    known = client.get(at, headers={"If-None-Match": tags.pop()})
    assert known.status_code == 304


def test_what_a_patch_does_not_say_stays(client: TestClient) -> None:
    sent = feature(
        square(113.8811, 22.9210), name="新2栋", height=30, floors_above=10, has_lift=True
    )
    at = made(client, "buildings", sent)
    before = client.get(at).json()
    begin = client.get("/changes?after=latest").json()["next"]
    assert patch(client, at, {"properties": {"name": "改"}}).status_code == 204
    after = client.get(at).json()
    assert told(client, begin) == [("buildings", "changed", ["name"])]
    assert after["geometry"] == before["geometry"]
    same = set(before["properties"]) - {"name", "updated_at"}
    assert {n: after["properties"][n] for n in same} == {n: before["properties"][n] for n in same}


def test_fewer_floors_end_units_as_after_a_file(client: TestClient) -> None:
    sent = feature(square(113.8821, 22.9210), name="新3栋", floors_above=6)
    at = made(client, "buildings", sent)
    ask = {"building_id": at.rpartition("/")[2], "limit": 1000}
    before = client.get(ITEMS.format("units"), params=ask).json()["numberReturned"]
    assert patch(client, at, {"properties": {"floors_above": 3}}).status_code == 204
    assert client.get(ITEMS.format("units"), params=ask).json()["numberReturned"] == before / 2
    assert client.get(at).json()["properties"]["height"] < 12


def test_a_put_is_all_that_a_feature_is(client: TestClient) -> None:
    sent = feature(
        square(113.8831, 22.9210), name="新4栋", floors_above=2, structure=None, use="office"
    )
    at = made(client, "buildings", sent)
    seen = client.get(at).json()
    seen["properties"] |= {"name": None, "use": "retail"}
    etag = client.get(at).headers["etag"]
    answer = client.put(at, json=seen, headers=key(If_Match=etag))
    assert answer.status_code == 204, answer.text
    after = client.get(at).json()
    assert after["properties"]["name"] is None and after["properties"]["use"] == "retail"
    assert after["geometry"] == seen["geometry"]


def test_an_ended_feature_is_kept_and_not_answered(client: TestClient, engine: Engine) -> None:
    at = made(client, "buildings", feature(square(113.8841, 22.9210), floors_above=2))
    id = at.rpartition("/")[2]
    begin = client.get("/changes?after=latest").json()["next"]
    etag = client.get(at).headers["etag"]
    assert client.delete(at, headers=key()).status_code == 428
    assert client.delete(at, headers=key(If_Match=etag)).status_code == 204
    assert client.get(at).status_code == 404
    assert client.delete(at, headers=key(If_Match="*")).status_code == 404
    with engine.connect() as connection:
        kept = "SELECT ended_at IS NOT NULL FROM city.building WHERE id = :id"
        assert connection.execute(text(kept), {"id": id}).scalar_one()
        units = "SELECT count(*) FROM city.unit WHERE building_id = :id AND ended_at IS NULL"
        assert connection.execute(text(units), {"id": id}).scalar_one() == 0
    assert ("buildings", "ended", None) in told(client, begin)


def test_coordinates_come_in_the_system_that_is_said(client: TestClient) -> None:
    uri = "http://www.opengis.net/def/crs/EPSG/0/4547"
    plain = square(113.8851, 22.9210)
    at = made(client, "buildings", feature(plain, floors_above=1))
    there = client.get(at, params={"crs": uri}).json()["geometry"]
    again = made(client, "buildings", feature(there, floors_above=1), Content_Crs=f"<{uri}>")
    other = client.get(again).json()["geometry"]["coordinates"]
    flat = [x for ring in other[0] for point in ring for x in point]
    expected = [x for ring in plain["coordinates"] for point in ring for x in point]
    assert sorted(flat) == pytest.approx(sorted(expected), abs=2e-7)
    wrong = client.post(
        ITEMS.format("buildings"), json=feature(plain), headers=key(Content_Crs="<nothing>")
    )
    assert wrong.status_code == 400 and "Content-Crs" in wrong.json()["detail"]


def test_a_shape_is_mended_or_refused_as_in_a_file(client: TestClient) -> None:
    ring = [[113.886, 22.921], [113.8862, 22.9212], [113.8862, 22.921], [113.886, 22.9212]]
    bow = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    answer = client.post(ITEMS.format("buildings"), json=feature(bow), headers=key())
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("geometry cannot come in: the outline crosses")
    assert "轮廓自相交" in answer.json()["detail_zh"]


@pytest.mark.parametrize(
    ("collection", "sent", "named"),
    [
        ("buildings", feature(square(113.9, 22.9), floors_above="many"), "floors_above"),
        ("buildings", feature(square(113.9, 22.9), floors_above=100_000), "floors_above"),
        ("buildings", feature(square(113.9, 22.9), height=-1), "height"),
        ("buildings", feature(square(113.9, 22.9), use="castle"), "use"),
        ("buildings", feature(square(113.9, 22.9), use={"a": 1}), "use"),
        ("buildings", feature(square(113.9, 22.9), name=False), "name"),
        ("buildings", feature(square(113.9, 22.9), has_lift="yes"), "has_lift"),
        ("buildings", feature(square(113.9, 22.9), floors_above=2.5), "floors_above"),
        ("buildings", feature(square(113.9, 22.9), colour="red"), "colour"),
        ("buildings", feature(square(113.9, 22.9), name="a\x00b"), "name"),
        ("buildings", feature(None, name="x"), "geometry"),
        ("buildings", feature({"type": "Point", "coordinates": [113.9, 22.9]}), "geometry"),
        ("buildings", feature({"type": "Polygon", "coordinates": [[[1, 2]]]}), "geometry"),
        ("buildings", feature({"type": "Polygon", "coordinates": "x"}), "geometry"),
        ("buildings", feature(square(500, 22.9)), "geometry"),
        ("facilities", feature(None, **{"class": "castle"}), "class"),
        ("facilities", feature(None, **{"class": "lift"}, building_id=999_999), "building_id"),
        ("facilities", feature(None, **{"class": "lift"}, building_id="1"), "building_id"),
        ("devices", feature(None, **{"class": "camera"}, bind_type="moon", bind_id=1), "bind_type"),
        ("devices", feature(None, **{"class": "camera"}, bind_type="unit"), "bind_type"),
        ("organisations", feature({"type": "Point", "coordinates": [113.9, 22.9]}, name="x"),
         "geometry"),
        ("organisations", feature(None, name="x", uscc="123"), "uscc"),
        ("estates", feature(square(113.9, 22.9), name="x", built_year_min=3000), "built_year_min"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_and_kept_nowhere(
    client: TestClient, engine: Engine, collection: str, sent: dict[str, Any], named: str
) -> None:
    def kept() -> Any:
        counted = """SELECT (SELECT count(*) FROM city.building),
            (SELECT count(*) FROM city.device), (SELECT count(*) FROM city.facility),
            (SELECT count(*) FROM city.organisation),
            (SELECT count(*) FROM platform.quarantine), (SELECT count(*) FROM platform.change)"""
        with engine.connect() as connection:
            return connection.execute(text(counted)).one()

    before = kept()
    answer = client.post(ITEMS.format(collection), json=sent, headers=key())
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["detail"] and named in answer.json()["detail_zh"]
    assert kept() == before


@pytest.mark.parametrize("sent", [b"", b"[]", b"{", b'{"type": "FeatureCollection"}',
                                  b'{"type": "Feature", "properties": 1}',
                                  b'"\\ud800"', b"[" * 100_000])  # fmt: skip
def test_what_is_no_feature_is_refused(client: TestClient, sent: bytes) -> None:
    answer = client.post(ITEMS.format("buildings"), content=sent, headers=key())
    assert answer.status_code == 400 and answer.json()["detail_zh"]


def test_what_is_derived_by_itself_is_not_written(client: TestClient) -> None:
    for collection in ("storeys", "entrances", "parcels"):
        answer = client.post(ITEMS.format(collection), json=feature(), headers=key())
        assert answer.status_code == 403, collection
    assert client.post(ITEMS.format("persons"), json=feature(), headers=key()).status_code == 404


@pytest.mark.parametrize(
    ("collection", "sent", "change"),
    [
        ("areas", feature(square(113.9, 22.9), code="441900009", level=4, name="新镇"),
         {"short_name": "新"}),
        ("grids", feature(square(113.9, 22.9), code="G77", name="网格", kind="管理"),
         {"name": "改"}),
        ("estates", feature(square(113.9, 22.9), name="新小区"), {"gated": True}),
        ("streets", feature({"type": "LineString", "coordinates": [[113.9, 22.9], [113.91, 22.9]]},
                            name="新路"), {"kind": "路"}),
        ("addresses", feature({"type": "Point", "coordinates": [113.9, 22.9]},
                              full_text="东莞市松山湖示范路77号"), {"std_code": "44190000177"}),
        ("facilities", feature({"type": "Point", "coordinates": [113.9, 22.9]},
                               **{"class": "lift"}, name="消防电梯", building_id=1),
         {"status": "停用"}),
        ("devices", feature(None, **{"class": "smoke"}, name="烟感", bind_type="unit", bind_id=301,
                            building_id=1), {"model": "X"}),
        ("organisations", feature(None, name="新商店", kind="个体"), {"status": "停业"}),
        ("units", feature(None, building_id=1, storey_no=2, room_no="299", kind="residential"),
         {"area_gross": 88.5}),
    ],
)  # fmt: skip
def test_every_collection_that_is_written(
    client: TestClient, collection: str, sent: dict[str, Any], change: dict[str, Any]
) -> None:
    at = made(client, collection, sent)
    before = client.get(at).json()
    said = {name: value for name, value in sent["properties"].items() if name != "full_text"}
    assert {name: before["properties"][name] for name in said} == said
    answer = patch(client, at, {"properties": change})
    assert answer.status_code == 204, answer.text
    after = client.get(at).json()
    assert after["properties"] | {"updated_at": None} == (
        before["properties"] | change | {"updated_at": None}
    )
    assert after["geometry"] == before["geometry"]
    etag = client.get(at).headers["etag"]
    assert client.delete(at, headers=key(If_Match=etag)).status_code == 204
    assert client.get(at).status_code == 404


def test_an_object_that_no_file_knows_can_be_changed(client: TestClient, engine: Engine) -> None:
    at = ITEMS.format("facilities") + "/1"
    before = client.get(at).json()["properties"]
    assert patch(client, at, {"properties": {"status": "检修"}}).status_code == 204
    assert client.get(at).json()["properties"] | {"status": None, "updated_at": None} == (
        before | {"status": None, "updated_at": None}
    )
    with engine.connect() as connection:
        served = "SELECT object_type, object_id FROM city.facility_service WHERE facility_id = 1"
        assert [tuple(row) for row in connection.execute(text(served))] == [("entrance", 1)]


def test_a_drawn_unit_keeps_its_id(client: TestClient) -> None:
    at = ITEMS.format("units") + "/303"
    answer = patch(client, at, {"properties": {"area_gross": 101.5}})
    assert answer.status_code == 204, answer.text
    after = client.get(at).json()["properties"]
    assert (after["area_gross"], after["room_no"], after["storey_no"]) == (101.5, "303", 3)


def test_who_writes_where(client: TestClient) -> None:
    sent = feature(square(113.96, 22.96), name="界内小区")
    at = ITEMS.format("estates")
    assert client.post(at, json=sent).status_code == 401
    assert client.post(at, json=sent, headers=key("key-residents")).status_code == 403
    elsewhere = client.post(at, json=sent, headers=key("key-elsewhere"))
    assert elsewhere.status_code == 403 and "elsewhere" in elsewhere.json()["detail"]
    here = client.post(at, json=sent, headers=key("key-town"))
    assert here.status_code == 201
    mine = here.headers["location"]
    etag = client.get(mine).headers["etag"]
    for method in ("PUT", "PATCH", "DELETE"):
        refused = client.request(
            method, mine, json=sent, headers=key("key-elsewhere", If_Match=etag)
        )
        assert refused.status_code == 403, method
    away = feature(square(114.3, 22.9), name="界外小区")
    assert client.put(mine, json=away, headers=key("key-town", If_Match=etag)).status_code == 403
    assert client.get(mine).json()["properties"]["name"] == "界内小区"


def test_who_is_signed_in_writes_from_our_own_page_alone(
    client: TestClient, engine: Engine
) -> None:
    add_person(engine, "wang", "editor")
    client.cookies.clear()
    origin = {"Origin": str(client.base_url)}
    signed = client.post("/session", json={"name": "wang", "password": PASSWORD}, headers=origin)
    assert signed.status_code == 200, signed.text
    sent = feature(square(113.98, 22.98), name="会话小区")
    refused = client.post(ITEMS.format("estates"), json=sent, headers=origin)
    assert refused.status_code == 403 and "X-CSRF-Token" in refused.json()["detail"]
    token = {"X-CSRF-Token": signed.json()["csrf"]} | origin
    assert client.post(ITEMS.format("estates"), json=sent, headers=token).status_code == 201
    client.cookies.clear()


def test_a_device_that_is_not_public_is_not_there(client: TestClient) -> None:
    at = ITEMS.format("devices") + "/3"
    answer = client.patch(at, json={"properties": {"name": "x"}}, headers=key(If_Match="*"))
    assert answer.status_code == 404


def test_what_may_be_done_is_said(client: TestClient) -> None:
    items, one = ITEMS.format("estates"), ITEMS.format("estates") + "/1"
    assert client.options(items).headers["allow"] == "GET, OPTIONS"
    assert client.options(items, headers=key()).headers["allow"] == "GET, OPTIONS, POST"
    allow = client.options(one, headers=key()).headers["allow"]
    assert allow == "GET, OPTIONS, PUT, PATCH, DELETE"
    conforms = client.get("/ogc/conformance").json()["conformsTo"]
    for name in ("create-replace-delete", "update", "optimistic-locking-etags", "features"):
        assert f"http://www.opengis.net/spec/ogcapi-features-4/1.0/conf/{name}" in conforms
    paths = client.get("/ogc/api").json()["paths"]
    assert "post" in paths["/collections/estates/items"]
    assert {"put", "patch", "delete"} <= set(paths["/collections/estates/items/{featureId}"])
    assert "post" not in paths["/collections/storeys/items"]
    schema = client.get("/ogc/collections/buildings/schema").json()["properties"]
    assert schema["footprint_area"]["readOnly"] and "readOnly" not in schema["floors_above"]


def test_every_change_is_a_line_in_the_audit_log(client: TestClient, engine: Engine) -> None:
    at = made(client, "estates", feature(square(113.97, 22.97), name="记录小区"))
    patch(client, at, {"properties": {"gated": True}})
    client.delete(at, headers=key(If_Match="*"))
    lines = """SELECT event, actor, object_type, object_id, detail, request FROM security.audit_log
               WHERE object_type = 'estate' AND object_id = :id ORDER BY at"""
    with engine.connect() as connection:
        rows = connection.execute(text(lines), {"id": int(at.rpartition("/")[2])}).all()
    assert [row.event for row in rows] == ["feature.create", "feature.update", "feature.end"]
    assert {row.actor for row in rows} == {"editor"} and all(row.request for row in rows)
    assert rows[1].detail["properties"] == ["gated"]
    assert "记录小区" not in json.dumps([row.detail for row in rows], ensure_ascii=False)
