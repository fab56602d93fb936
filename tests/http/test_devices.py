"""Devices registered and bound over HTTP, by the login that edits; those of a building site."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.settings import Settings
from cim.store.queries.feeds.live import Audience, streams
from tests.accounts import add_key
from tests.feeding import furnish

SITE = [[113.881, 22.925], [113.883, 22.925], [113.883, 22.927], [113.881, 22.927]]
KEY = {"Authorization": "Bearer key-devices"}


@pytest.fixture(scope="module")
def city(city: Settings, url_of: Callable[..., str]) -> Settings:
    """The small city, each part of whose service logs in as itself."""
    database = urlsplit(str(city.database_url)).path.removeprefix("/")
    return city.model_copy(update={"service_database_url": url_of(database, "cim_service")})


@pytest.fixture(scope="module")
def office(client: TestClient, engine: Engine) -> Iterator[TestClient]:
    furnish(engine)
    with engine.begin() as connection:  # the small city names its own ids
        for table in ("source_system", "device", "datastream", "facility"):
            connection.execute(text(f"SELECT setval('city.{table}_id_seq', 10000)"))
        connection.execute(
            text("""INSERT INTO city.device (id, class_code, source_id, ext_id, secrecy)
                VALUES (7900, 'camera', 700, 'hidden-1', 1)""")
        )
    add_key(engine, "device-office", "key-devices", ["devices"])
    add_key(engine, "statistics-office", "key-statistics", ["statistics"])
    add_key(engine, "survey-office", "key-editing", ["editor"])
    yield client


@pytest.fixture(scope="module")
def site(office: TestClient) -> int:
    """A construction project, as an editor draws it."""
    ring = {"type": "Polygon", "coordinates": [[*SITE, SITE[0]]]}
    said = {"name": "示范工地", "national_code": "2611-441900-04-01-000001", "status": "building"}
    answer = office.post(
        "/ogc/collections/projects/items",
        json={"type": "Feature", "geometry": ring, "properties": said},
        headers={"Authorization": "Bearer key-editing"},
    )
    assert answer.status_code == 201, answer.text
    return int(answer.headers["location"].rpartition("/")[2])


def register(office: TestClient, *rows: dict[str, Any], dry: bool = False) -> dict[str, Any]:
    answer = office.post(
        "/devices",
        params={"dry_run": dry},
        json={"source": "设备平台", "devices": rows},
        headers=KEY,
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bind(office: TestClient, device: int, status: int = 200, **said: Any) -> dict[str, Any]:
    answer = office.post(f"/devices/{device}/bind", json=said, headers=KEY)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def row(engine: Engine, sql: str) -> tuple[Any, ...]:
    with engine.connect() as connection:
        return tuple(connection.execute(text(sql)).one())


def test_those_that_can_come_in_do_and_the_others_are_named(
    office: TestClient, engine: Engine
) -> None:
    rows = [
        {"id": "behind", "class": "smoke", "bind": "storey:#3", "gateway": "gate-9"},
        {"id": "gate-9", "class": "gateway", "place": [113.8801, 22.9201]},
        {"id": " 007 ", "class": "电表", "bind": "unit:#202", "name": "202电表"},
        {"id": "crane-1", "class": "塔吊"},
        {"id": "nowhere", "class": "power_meter", "bind": "unit:#99999"},
        {"id": "alone", "class": "smoke", "gateway": "no-such-gateway"},
        {"id": "007", "class": "smoke"},
    ]
    tried = register(office, *rows, dry=True)
    none = "SELECT count(*) FROM city.device WHERE ext_id = '007'"
    assert tried["new"] == 3 and row(engine, none) == (0,)
    done = register(office, *rows)
    assert (done["new"], done["changed"]) == (3, 0) and done["streams"] > 10
    assert [(one["row"], one["id"]) for one in done["devices"]] == [
        (1, "behind"), (2, "gate-9"), (3, "007")
    ]  # fmt: skip
    assert [(one["row"], one["field"], one["value"]) for one in done["set_aside"]] == [
        (4, "class", "塔吊"),
        (5, "bind", "unit:#99999"),
        (6, "gateway", "no-such-gateway"),
        (7, "id", "007"),
    ]
    assert all(one["en"] and one["zh"] for one in done["set_aside"])
    found = row(
        engine,
        """SELECT d.bind_type, d.bind_id, d.building_id, g.ext_id FROM city.device d
           JOIN city.device g ON g.id = d.gateway_id WHERE d.ext_id = 'behind'""",
    )
    assert found == ("storey", 3, 1, "gate-9")
    kept = "SELECT count(*) FROM platform.quarantine WHERE kind = 'devices' AND cleared_at IS NULL"
    assert row(engine, kept) == (3,)


def test_what_is_not_said_of_a_known_device_stays(office: TestClient, engine: Engine) -> None:
    register(office, {"id": "stay-1", "class": "smoke", "bind": "unit:#101", "name": "甲"})
    again = register(office, {"id": "stay-1", "class": "smoke", "model": "S2"})
    assert (again["new"], again["changed"], again["streams"]) == (0, 1, 0)
    asked = "SELECT name, model, bind_type, bind_id FROM city.device WHERE ext_id = 'stay-1'"
    assert row(engine, asked) == ("甲", "S2", "unit", 101)
    register(office, {"id": "stay-1", "class": "smoke", "bind": None})
    assert row(engine, asked) == ("甲", "S2", None, None)


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("key-statistics", 403)])
@pytest.mark.parametrize(
    ("at", "body"),
    [
        ("/devices", {"source": "s", "devices": [{"id": "a", "class": "smoke"}]}),
        ("/devices/7001/bind", {"to": None}),
    ],
)
def test_it_is_for_who_may(
    office: TestClient, key: str | None, status: int, at: str, body: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    assert office.post(at, json=body, headers=headers).status_code == status


def test_a_device_that_the_caller_may_not_know_is_as_if_it_were_not(
    office: TestClient, engine: Engine
) -> None:
    there, none = (bind(office, id, 404, to=None) for id in (7900, 7901))
    assert there["detail"].replace("7900", "7901") == none["detail"]
    rows = [
        {"id": "b-1", "class": "smoke", "gateway": gateway}
        for gateway in ("hidden-1", "#7900", "no-1")
    ]
    faults = [register(office, one)["set_aside"][0] for one in rows]
    assert len({(one["field"], one["en"]) for one in faults}) == 1
    (fault,) = register(office, {"id": "hidden-1", "class": "smoke"})["set_aside"]
    assert fault["field"] == "id" and "hidden" not in fault["en"]
    assert row(engine, "SELECT class_code FROM city.device WHERE id = 7900") == ("camera",)


def test_what_a_device_was_bound_to_is_kept_and_the_log_says_who(
    office: TestClient, engine: Engine
) -> None:
    bind(office, 7002, to="entrance:#1")
    assert bind(office, 7002, to="entrance:#1")["changed"] is False
    done = bind(office, 7002, to="building:#2")
    kept = [(one["type"], one["id"], one["until"] is None) for one in done["bindings"]]
    assert kept[-2:] == [("entrance", 1, False), ("building", 2, True)]
    assert bind(office, 7002, to=None)["bindings"][-1]["type"] is None
    line = """SELECT actor, count(*) FROM security.audit_log
        WHERE event = 'device.bind' AND object_id = 7002 GROUP BY 1"""
    assert row(engine, line) == ("device-office", 3)
    told = """SELECT count(*) >= 3 FROM platform.change
        WHERE object_type = 'device' AND object_id = 7002"""
    assert row(engine, told) == (True,)


def test_it_was_bound_since_a_moment_that_has_been(office: TestClient, engine: Engine) -> None:
    register(office, {"id": "since-1", "class": "smoke"})
    (id,) = row(engine, "SELECT id FROM city.device WHERE ext_id = 'since-1'")
    done = bind(office, id, to="unit:#201", since="2026-01-05T08:00:00+08:00")
    assert [(one["type"], one["since"]) for one in done["bindings"]] == [
        ("unit", "2026-01-05T00:00:00+00:00")
    ]
    home = bind(office, id, 409, to="building:#1", since="2026-02-01T00:00:00Z")
    assert "home" in home["detail"]
    moved = bind(office, id, to="unit:#202", since="2026-02-01T00:00:00Z")
    assert [(one["id"], one["until"]) for one in moved["bindings"]] == [
        (201, "2026-02-01T00:00:00+00:00"), (202, None)
    ]  # fmt: skip
    bind(office, id, 409, to="unit:#203", since="2026-01-20T00:00:00Z")
    bind(office, id, 422, to="unit:#203", since="2099-01-01T00:00:00Z")
    bind(office, id, 404, to="unit:#99999")
    bind(office, id, 422, to="castle:1")


def test_a_device_of_a_site_stands_on_it(office: TestClient, engine: Engine, site: int) -> None:
    (made,) = register(office, {"id": "dust-1", "class": "environment"})["devices"]
    id = made["device"]
    assert bind(office, id, to=f"project:#{site}")["changed"]
    at = office.get(f"/ogc/collections/devices/items/{id}").json()["geometry"]["coordinates"]
    assert 113.881 < at[0] < 113.883 and 22.925 < at[1] < 22.927
    box = "113.88,22.924,113.884,22.928"
    for path in ("/features/devices", "/ogc/collections/devices/items"):
        found = office.get(path, params={"bbox": box}).json()["features"]
        assert [one["id"] for one in found] == [id], path
    with engine.connect() as connection:
        place = connection.execute(
            text("SELECT place, area_id, object_type, geom IS NOT NULL FROM city.where_is(:id)"),
            {"id": id},
        ).one()
        assert tuple(place) == ("示范工地", 5, "project", True)
        of = [
            connection.execute(streams(named, {}, box, Audience())).all()
            for named, box in (
                ({"project": [site]}, None),
                ({}, (113.88, 22.924, 113.884, 22.928)),
                ({"grid": [1]}, None),
            )
        ]
    assert {one.device_id for one in of[0]} == {one.device_id for one in of[1]} == {id}
    assert id in {one.device_id for one in of[2]}
    assert office.get("/alarms", params={"project": site}).json()["alarms"] == []
    counted = office.get("/counts", params={"area": 5, "of": "devices"}).json()
    thing = office.get(f"/sta/v1.1/Things({id * 8 + 1})/Locations").json()["value"]
    assert counted["counts"]["devices"] >= 1 and len(thing) == 1


def test_projects_are_features_as_others_are(office: TestClient, engine: Engine, site: int) -> None:
    at = f"/ogc/collections/projects/items/{site}"
    found = office.get(at)
    assert found.json()["properties"]["admin_area_id"] == 5
    said = {"properties": {"status": "suspended"}}
    headers = {"Authorization": "Bearer key-editing", "If-Match": found.headers["etag"]}
    assert office.patch(at, json=said, headers=headers).status_code == 204
    assert office.get(at).json()["properties"]["status"] == "suspended"
    told = office.get("/changes", params={"collection": "projects"}).json()["changes"]
    assert {(one["collection"], one["id"]) for one in told} == {("projects", site)}
    (listed,) = office.get("/features/projects", params={"bbox": "113,22,114,23"}).json()[
        "features"
    ]
    assert listed["id"] == site
