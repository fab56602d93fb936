"""Who may write what of which feature, where: rights of several roles are not mixed."""

from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.security import accounts, roles
from cim.settings import Settings
from tests.accounts import PASSWORD, add_key, add_person, stand

ITEMS = "/ogc/collections/{}/items"
TOWN, ELSEWHERE = "441900001", "441900002"


@pytest.fixture(scope="module", autouse=True)
def keyed(city: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        put = """INSERT INTO city.admin_area (id, code, level, name, parent_id, geom) VALUES
                 (6, :code, 4, '别镇', 3,
                  ST_Multi(ST_MakeEnvelope(114.2, 22.8, 114.4, 23.0, 4490)))"""
        connection.execute(text(put), {"code": ELSEWHERE})
        for table in ("source_system", "estate", "admin_area", "grid", "building", "storey",
                      "unit", "entrance", "floor_plan", "floor_slot", "device"):  # fmt: skip
            connection.execute(text(f"SELECT setval('city.{table}_id_seq', 10000)"))
        stand(connection, "security")
        roles.add(connection, "namer", "改名员", "namer")
        fields = roles.Allowed("namer", "features.write", "estates", ("name",))
        roles.allow(connection, fields)
    add_key(engine, "editor", "key-editor", ["editor"])
    add_key(engine, "editor-of-town", "key-town", ["editor"], at=TOWN)
    add_key(engine, "namer", "key-namer", ["namer"])


def key(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}", "If-Match": "*"}


def square(west: float, south: float = 22.95, size: float = 0.0002) -> dict[str, Any]:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def estate(client: TestClient, west: float) -> str:
    sent = {"type": "Feature", "geometry": square(west), "properties": {"name": "小区"}}
    answer = client.post(ITEMS.format("estates"), json=sent, headers=key("key-editor"))
    assert answer.status_code == 201, answer.text
    return answer.headers["location"]


@pytest.mark.parametrize(
    ("collection", "id", "code"), [("areas", 5, "44190000101"), ("grids", 1, "G88")]
)
def test_nobody_moves_the_borders_of_his_own_role(
    client: TestClient, collection: str, id: int, code: str
) -> None:
    """The area that a role is for, drawn around all the city, would be a role for all of it."""
    every = square(112, 21, 4)
    items = ITEMS.format(collection)
    at = f"{items}/{id}"
    before = client.get(at).json()
    wider = client.patch(at, json={"geometry": every}, headers=key("key-town"))
    assert wider.status_code == 403 and "whole city" in wider.json()["detail"]
    sent = {"type": "Feature", "geometry": every, "properties": {"code": code, "name": "新"}}
    assert client.post(items, json=sent, headers=key("key-town")).status_code == 403
    assert client.delete(at, headers=key("key-town")).status_code == 403
    assert client.get(at).json() == before
    assert client.options(at, headers=key("key-town")).headers["allow"] == "GET, OPTIONS"
    assert "PATCH" in client.options(at, headers=key("key-editor")).headers["allow"]


def test_who_writes_some_fields_neither_writes_others_nor_ends_the_feature(
    client: TestClient,
) -> None:
    at = estate(client, 113.91)
    named = client.patch(at, json={"properties": {"name": "改"}}, headers=key("key-namer"))
    assert named.status_code == 204, named.text
    gated = client.patch(at, json={"properties": {"gated": True}}, headers=key("key-namer"))
    assert gated.status_code == 403 and "gated" in gated.json()["detail"]
    assert client.delete(at, headers=key("key-namer")).status_code == 403
    assert client.get(at).json()["properties"]["name"] == "改"


def test_a_role_for_a_town_does_not_widen_one_for_the_city(
    client: TestClient, engine: Engine
) -> None:
    """Names in the whole city and everything in the town are not everything in the city."""
    add_person(engine, "zhao", "namer")
    with engine.begin() as connection:
        stand(connection, "security")
        accounts.give(connection, "editor", to="zhao", at=TOWN)
    here, there = estate(client, 113.92), estate(client, 114.3)
    client.cookies.clear()
    origin = {"Origin": str(client.base_url)}
    signed = client.post("/session", json={"name": "zhao", "password": PASSWORD}, headers=origin)
    assert signed.status_code == 200, signed.text
    mine = {"X-CSRF-Token": signed.json()["csrf"], "If-Match": "*"} | origin

    def changed(at: str, **sent: Any) -> int:
        return client.patch(at, json=sent, headers=mine).status_code

    assert changed(here, properties={"gated": True}) == 204
    assert changed(there, properties={"name": "改"}) == 204
    assert changed(there, properties={"gated": True}) == 403
    assert changed(here, geometry=square(114.31)) == 403
    assert client.delete(there, headers=mine).status_code == 403
    assert client.delete(here, headers=mine).status_code == 204
    client.cookies.clear()


def test_many_changes_at_once_keep_nobody_else_waiting(client: TestClient, engine: Engine) -> None:
    """They wait for one another without a thread each: others need those."""
    at = estate(client, 113.93)
    sent = {"properties": {"name": "改"}}
    with ThreadPoolExecutor(60) as pool, engine.begin() as other:
        row = text("SELECT id FROM city.estate WHERE id = :id FOR UPDATE")
        other.execute(row, {"id": int(at.rpartition("/")[2])})
        changes = [
            pool.submit(client.patch, at, json=sent, headers=key("key-editor")) for _ in range(60)
        ]
        sleep(1.5)  # by now all of them are there
        answer = client.post("/within", json=square(113.9, 22.9))
        assert answer.status_code == 200
        assert not any(change.done() for change in changes)
    assert {change.result().status_code for change in changes} == {204}


def test_nothing_is_tied_to_what_stands_where_the_role_is_not_for(
    client: TestClient, engine: Engine
) -> None:
    """A device of one's own town, bound to a building of another, would speak there."""
    ring = square(114.3)
    sent = {"type": "Feature", "geometry": ring, "properties": {"name": "远楼", "floors_above": 2}}
    other = client.post(ITEMS.format("buildings"), json=sent, headers=key("key-editor"))
    assert other.status_code == 201, other.text
    far = int(other.headers["location"].rpartition("/")[2])
    here = {"type": "Point", "coordinates": [113.9, 22.9]}

    def device(**said: Any) -> Any:
        properties = {"class": "smoke", "name": "烟感"} | said
        sent = {"type": "Feature", "geometry": here, "properties": properties}
        return client.post(ITEMS.format("devices"), json=sent, headers=key("key-town"))

    mine = device(bind_type="building", bind_id=1)
    assert mine.status_code == 201, mine.text
    tied = device(bind_type="building", bind_id=far)
    assert tied.status_code == 403 and "building" in tied.json()["detail"]
    at = mine.headers["location"]
    moved = client.patch(at, json={"properties": {"bind_id": far}}, headers=key("key-town"))
    assert moved.status_code == 403
    moved = client.patch(at, json={"properties": {"bind_id": far}}, headers=key("key-editor"))
    assert moved.status_code == 204
    named = client.patch(at, json={"properties": {"name": "改"}}, headers=key("key-town"))
    assert named.status_code == 204, named.text
