"""Every route of the service with who may use it: role by role, and area by area.

A route that is not in the table fails the first test: whoever adds one says here for whom it is.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.accounts import add_key

NOBODYS_GROUP = "00000000-0000-4000-8000-000000000000"

PUBLIC, LIVING, INTAKE = "anybody", "living.read there", "intake in the whole city"
EDITOR = "features.write there"
ALARMS, RULES = "alarms.write there", "alarms.write in the whole city"
SYSTEM = "the system administrator, signed in"
DEVICES, FLEET = "devices.write in the whole city", "devices.write there"
PERSON = "who is signed in, and no key"
RESIDENTS = "residents.read there, for a purpose"
REQUESTS = "residents.requests in the whole city"
KNOWN = "who is known, whatever they may"

RULE = {
    "name": "x",
    "type": "threshold",
    "scope": {"class": ["lift"]},
    "condition": {"above": 1e9},
    "enabled": False,
}

BODIES = {
    "POST /devices": {"source": "test", "devices": [{"id": "x", "class": "no-such-class"}]},
    "POST /devices/{id}/bind": {"to": None},
    "POST /devices/claim": {"code": "0000-0000-0000-0000"},
    "PUT /session/password": {"old": "x", "new": "y"},
    "PUT /session/codes": {"secret": "x", "code": "y"},
    "POST /session/codes/end": {"name": "x", "password": "y"},
    "POST /people/lookup": {"unit": 201},
    "POST /people/export": {"id_no": "000000", "reference": "1"},
    "POST /people/erase": {"id_no": "000000", "reference": "1"},
    "POST /alarm-rules": RULE,
    "POST /webhooks": {"name": "x", "url": "https://a.example/"},
    "PATCH /webhooks/{id}": {"enabled": False},
    "PUT /alarm-rules/{id}": RULE,
    "POST /alarm-rule-trials": {"rule": RULE},
    "PUT /alarm-rules/{id}/streams/{datastream}": {"enabled": False},
}
"""What must be sent along, or what is sent is refused before who sends it."""

TABLE: dict[str, tuple[str, str]] = {
    "GET /health": (PUBLIC, "/health"),
    "GET /ready": (PUBLIC, "/ready"),
    "GET /session": (PUBLIC, "/session"),
    "POST /session": (PUBLIC, "/session"),
    "DELETE /session": (PUBLIC, "/session"),
    "POST /session/link": (PUBLIC, "/session/link"),
    "GET /session/elsewhere": (PUBLIC, "/session/elsewhere"),
    "GET /session/elsewhere/back": (PUBLIC, "/session/elsewhere/back"),
    "PUT /session/password": (PERSON, "/session/password"),
    "POST /session/codes": (PERSON, "/session/codes"),
    "PUT /session/codes": (PERSON, "/session/codes"),
    "POST /session/codes/end": (PERSON, "/session/codes/end"),
    "GET /city": (PUBLIC, "/city"),
    "GET /buildings/{id}": (PUBLIC, "/buildings/1"),
    "GET /buildings/{id}/floor-grid": (PUBLIC, "/buildings/1/floor-grid"),
    "GET /units/{id}/card": (PUBLIC, "/units/201/card"),
    "GET /units/{id}": (PUBLIC, "/units/201"),
    "GET /units/by-code/{scheme}/{code}": (PUBLIC, "/units/by-code/gbt37346/nothing"),
    "POST /units/by-ids": (PUBLIC, "/units/by-ids"),
    "POST /buildings/by-ids": (PUBLIC, "/buildings/by-ids"),
    "GET /style/values/{collection}": (PUBLIC, "/style/values/units?property=kind&bbox=1,1,2,2"),
    "POST /style/values/{collection}": (PUBLIC, "/style/values/units"),
    "GET /nearest": (PUBLIC, "/nearest?unit=201"),
    "POST /within": (PUBLIC, "/within"),
    "GET /codes": (PUBLIC, "/codes"),
    "GET /codes/{scheme}/{code}": (PUBLIC, "/codes/grid/G01"),
    "GET /counts": (PUBLIC, "/counts?area=4"),
    "POST /counts": (PUBLIC, "/counts"),
    "POST /people/lookup": (RESIDENTS, "/people/lookup"),
    "POST /people/export": (REQUESTS, "/people/export"),
    "POST /people/erase": (REQUESTS, "/people/erase"),
    "GET /locate": (PUBLIC, "/locate?lon=113.88005&lat=22.92005&h=17"),
    "GET /addresses/search": (PUBLIC, "/addresses/search?q=示范路"),
    "GET /addresses/suggest": (PUBLIC, "/addresses/suggest?q=sf"),
    "GET /addresses/reverse": (PUBLIC, "/addresses/reverse?lon=113.88005&lat=22.92005"),
    "POST /addresses/match": (INTAKE, "/addresses/match"),
    "GET /addresses/match/{id}": (INTAKE, "/addresses/match/1"),
    "GET /addresses/match/{id}/result.csv": (INTAKE, "/addresses/match/1/result.csv"),
    "POST /addresses/parse": (PUBLIC, "/addresses/parse"),
    "POST /addresses/normalise": (PUBLIC, "/addresses/normalise"),
    "POST /addresses/geocode": (PUBLIC, "/addresses/geocode"),
    "GET /features/{collection}": (PUBLIC, "/features/buildings?bbox=113.8,22.9,113.9,23"),
    "POST /features/{collection}/by-ids": (PUBLIC, "/features/buildings/by-ids"),
    "GET /ogc": (PUBLIC, "/ogc"),
    "GET /ogc/": (PUBLIC, "/ogc/"),
    "GET /ogc/conformance": (PUBLIC, "/ogc/conformance"),
    "GET /ogc/api": (PUBLIC, "/ogc/api"),
    "GET /ogc/collections": (PUBLIC, "/ogc/collections"),
    "GET /ogc/tileMatrixSets": (PUBLIC, "/ogc/tileMatrixSets"),
    "GET /ogc/tileMatrixSets/{tileMatrixSetId}": (PUBLIC, "/ogc/tileMatrixSets/WebMercatorQuad"),
    "GET /ogc/tiles": (PUBLIC, "/ogc/tiles"),
    "GET /ogc/tiles/{tileMatrixSetId}": (PUBLIC, "/ogc/tiles/WebMercatorQuad"),
    "GET /ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}": (
        PUBLIC,
        "/ogc/tiles/WebMercatorQuad/14/7118/13374",
    ),
    "GET /ogc/collections/{collection}/tiles": (PUBLIC, "/ogc/collections/units/tiles"),
    "GET /ogc/collections/{collection}/tiles/{tileMatrixSetId}": (
        PUBLIC,
        "/ogc/collections/units/tiles/WebMercatorQuad",
    ),
    "GET /ogc/collections/{collection}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}": (
        PUBLIC,
        "/ogc/collections/buildings/tiles/WebMercatorQuad/14/7118/13374",
    ),
    "GET /ogc/styles/city": (PUBLIC, "/ogc/styles/city"),
    "GET /ogc/collections/{collection}": (PUBLIC, "/ogc/collections/units"),
    "GET /ogc/collections/{collection}/queryables": (PUBLIC, "/ogc/collections/units/queryables"),
    "GET /ogc/collections/{collection}/schema": (PUBLIC, "/ogc/collections/units/schema"),
    "GET /ogc/collections/{collection}/schema/geojson": (
        PUBLIC,
        "/ogc/collections/units/schema/geojson",
    ),
    "GET /ogc/collections/{collection}/items": (PUBLIC, "/ogc/collections/units/items"),
    "GET /ogc/collections/{collection}/items/{feature}": (
        PUBLIC,
        "/ogc/collections/units/items/201",
    ),
    "POST /ogc/collections/{collection}/items": (EDITOR, "/ogc/collections/estates/items"),
    "PUT /ogc/collections/{collection}/items/{feature}": (
        EDITOR,
        "/ogc/collections/estates/items/1",
    ),
    "PATCH /ogc/collections/{collection}/items/{feature}": (
        EDITOR,
        "/ogc/collections/estates/items/1",
    ),
    "DELETE /ogc/collections/{collection}/items/{feature}": (
        EDITOR,
        "/ogc/collections/estates/items/1",
    ),
    "OPTIONS /ogc/collections/{collection}/items": (PUBLIC, "/ogc/collections/estates/items"),
    "OPTIONS /ogc/collections/{collection}/items/{feature}": (
        PUBLIC,
        "/ogc/collections/estates/items/1",
    ),
    "GET /feeds/{name}": (PUBLIC, "/feeds/nothing"),
    "POST /feeds/{name}": (DEVICES, "/feeds/nothing"),
    "POST /feeds/{name}/{path:path}": (DEVICES, "/feeds/nothing/up"),
    "POST /devices": (DEVICES, "/devices"),
    "POST /devices/{id}/bind": (DEVICES, "/devices/1/bind"),
    "POST /devices/claim": (PUBLIC, "/devices/claim"),
    "POST /devices/{id}/key": (DEVICES, "/devices/1/key"),
    "POST /devices/{id}/readings": (DEVICES, "/devices/1/readings"),
    "GET /sta/v1.1": (PUBLIC, "/sta/v1.1"),
    "GET /sta/v1.1/": (PUBLIC, "/sta/v1.1/"),
    "GET /sta/v1.1/{path:path}": (PUBLIC, "/sta/v1.1/Things"),
    "POST /sta/v1.1/$batch": (PUBLIC, "/sta/v1.1/$batch"),
    "POST /sta/v1.1/CreateObservations": (DEVICES, "/sta/v1.1/CreateObservations"),
    "POST /sta/v1.1/{path:path}": (DEVICES, "/sta/v1.1/Things"),
    "PATCH /sta/v1.1/{path:path}": (DEVICES, "/sta/v1.1/Things(1610)"),
    "PUT /sta/v1.1/{path:path}": (DEVICES, "/sta/v1.1/Things(1610)"),
    "DELETE /sta/v1.1/{path:path}": (DEVICES, "/sta/v1.1/Things(8)"),
    "GET /changes": (PUBLIC, "/changes"),
    "GET /changes/stream": (PUBLIC, "/changes/stream?after=nothing"),
    "GET /live": (PUBLIC, "/live?unit=nothing"),
    "POST /live/ticket": (KNOWN, "/live/ticket"),
    "GET /datastreams/{id}/observations": (LIVING, "/datastreams/2/observations"),
    "GET /datastreams/{id}/series": (LIVING, "/datastreams/2/series"),
    "GET /devices/inspection": (FLEET, "/devices/inspection"),
    "GET /devices/health": (FLEET, "/devices/health"),
    "GET /alarms": (PUBLIC, "/alarms"),
    "GET /alarms/{id}": (PUBLIC, "/alarms/1"),
    "POST /alarms/{id}/acknowledge": (ALARMS, "/alarms/1/acknowledge"),
    "POST /alarms/{id}/note": (ALARMS, "/alarms/1/note"),
    "POST /alarms/{id}/end": (ALARMS, "/alarms/1/end"),
    "POST /alarms/{id}/false": (ALARMS, "/alarms/1/false"),
    "POST /alarms/{id}/reopen": (ALARMS, "/alarms/1/reopen"),
    "GET /alarm-rules": (RULES, "/alarm-rules"),
    "POST /alarm-rules": (RULES, "/alarm-rules"),
    "POST /alarm-rule-trials": (RULES, "/alarm-rule-trials"),
    "GET /alarm-rules/{id}": (RULES, "/alarm-rules/1"),
    "PUT /alarm-rules/{id}": (RULES, "/alarm-rules/999"),
    "DELETE /alarm-rules/{id}": (RULES, "/alarm-rules/999"),
    "PUT /alarm-rules/{id}/streams/{datastream}": (RULES, "/alarm-rules/999/streams/1"),
    "DELETE /alarm-rules/{id}/streams/{datastream}": (RULES, "/alarm-rules/999/streams/1"),
    "GET /webhooks": (SYSTEM, "/webhooks"),
    "POST /webhooks": (SYSTEM, "/webhooks"),
    "GET /dead-webhooks": (SYSTEM, "/dead-webhooks"),
    "PATCH /webhooks/{id}": (SYSTEM, "/webhooks/1"),
    "DELETE /webhooks/{id}": (SYSTEM, "/webhooks/1"),
    "POST /webhooks/{id}/again": (SYSTEM, "/webhooks/1/again"),
    "GET /quality": (INTAKE, "/quality"),
    "GET /quality/{name}": (INTAKE, "/quality/duplicate_addresses"),
    "GET /matches": (INTAKE, "/matches"),
    "PUT /matches/{id}": (INTAKE, "/matches/1"),
    "GET /tilesets": (PUBLIC, "/tilesets"),
    "GET /tiles/3d/tileset.json": (PUBLIC, "/tiles/3d/tileset.json"),
    "GET /tiles/3d/{tileset}/{file:path}": (PUBLIC, "/tiles/3d/buildings/tileset.json"),
    "GET /terrain/{file:path}": (PUBLIC, "/terrain/layer.json"),
    "POST /uploads": (INTAKE, "/uploads"),
    "GET /uploads": (INTAKE, f"/uploads?group={NOBODYS_GROUP}"),
    "GET /uploads/{name}": (INTAKE, f"/uploads/{NOBODYS_GROUP}"),
    "PATCH /uploads/{name}": (INTAKE, f"/uploads/{NOBODYS_GROUP}"),
    "DELETE /uploads/{name}": (INTAKE, f"/uploads/{NOBODYS_GROUP}"),
    "OPTIONS /uploads": (PUBLIC, "/uploads"),
    "OPTIONS /uploads/{name}": (PUBLIC, f"/uploads/{NOBODYS_GROUP}"),
    "GET /kinds": (INTAKE, "/kinds"),
    "POST /imports/inspect": (INTAKE, "/imports/inspect"),
    "POST /imports": (INTAKE, "/imports"),
    "GET /imports": (INTAKE, "/imports"),
    "GET /imports/{id}": (INTAKE, "/imports/1"),
    "POST /imports/{id}/cancel": (INTAKE, "/imports/1/cancel"),
    "GET /imports/{id}/quarantine.csv": (INTAKE, "/imports/1/quarantine.csv"),
    "GET /docs": (PUBLIC, "/docs"),
    "GET /docs/start.js": (PUBLIC, "/docs/start.js"),
    "GET /{path:path}": (PUBLIC, "/"),
}
"""Method and path, for whom it is, and how it is asked."""

CALLERS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "statistics": (("statistics",), None),
    "residents": (("residents",), None),
    "residents-of-the-town": (("residents",), "441900001"),
    "residents-of-the-grid": (("residents",), "G01"),
    "residents-of-elsewhere": (("residents",), "441900002"),
    "intake": (("intake",), None),
    "intake-of-the-town": (("intake",), "441900001"),
    "people-officer": (("people_officer",), None),
    "people-officer-of-the-town": (("people_officer",), "441900001"),
    "devices": (("devices",), None),
    "devices-of-the-town": (("devices",), "441900001"),
    "no-role": ((), None),
}
"""Keys by name: the roles, and the area or grid they are for."""

HERE = {
    "statistics", "residents", "residents-of-the-town", "residents-of-the-grid", "intake",
    "intake-of-the-town", "devices", "devices-of-the-town",
}  # fmt: skip
"""Who may see, in the tower, whether somebody is at home."""

RESIDENTS_HERE = {"residents", "residents-of-the-town", "residents-of-the-grid"}
"""Who may see the tower's residents."""

ALLOWED = {
    INTAKE: {"intake"}, RESIDENTS: RESIDENTS_HERE, REQUESTS: {"people-officer"}, EDITOR: set(),
    DEVICES: {"devices"}, FLEET: {"devices", "devices-of-the-town"},
    ALARMS: {"devices", "devices-of-the-town"}, RULES: {"devices"}, SYSTEM: set(),
    KNOWN: set(CALLERS),
}  # fmt: skip
"""Who may use routes that are for few."""


@pytest.fixture(scope="module")
def keyed(city: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.admin_area (id, code, level, name, parent_id) "
                "VALUES (6, '441900002', 4, '别镇', 3)"
            )
        )
    for name, (roles, at) in CALLERS.items():
        add_key(engine, f"right-{name}", f"right-{name}", roles, at=at)


def headers(name: str | None, purpose: str | None = None) -> dict[str, str]:
    known = {"Authorization": f"Bearer right-{name}"} if name else {}
    return known | ({"X-Purpose": purpose} if purpose else {})


def routes(client: TestClient) -> Iterator[str]:
    """Method and path of every route of the app, documented or not."""

    def walk(found: Any, outer: str = "", own: str = "") -> Iterator[str]:
        for route in found:
            inner = getattr(route, "original_router", None)
            if inner is not None:  # its paths begin with its own prefix, not with those around it
                yield from walk(inner.routes, outer + own, inner.prefix)
            elif isinstance(route, APIRoute):
                for method in sorted(route.methods):
                    yield f"{method} {outer}{route.path}"

    yield from walk(client.app.routes)


def test_every_route_says_for_whom_it_is(client: TestClient) -> None:
    found = set(routes(client))
    assert found - set(TABLE) == set(), "say in TABLE for whom the route is"
    assert set(TABLE) - found == set(), "no such route any more"


@pytest.mark.parametrize("name", [None, *CALLERS])
def test_each_route_is_for_those_and_no_others(
    keyed: None, client: TestClient, name: str | None
) -> None:
    wrong = {}
    for route, (whose, path) in TABLE.items():
        method = route.partition(" ")[0]
        stated = headers(name, "emergency" if whose == RESIDENTS else None)
        answer = client.request(method, path, headers=stated, json=BODIES.get(route))
        if whose in ALLOWED:
            expected = 401 if name is None else 403
            allowed = name in ALLOWED[whose]
        else:
            expected = 403
            allowed = whose == PUBLIC or (whose == LIVING and name in HERE)
        refused = answer.status_code in (401, 403)
        if refused == allowed or (refused and answer.status_code != expected):
            wrong[route] = answer.status_code
    assert wrong == {}


@pytest.mark.parametrize("name", [None, *CALLERS])
def test_whether_somebody_is_at_home_goes_by_role_and_area(
    keyed: None, client: TestClient, name: str | None
) -> None:
    card = client.get("/units/201/card", headers=headers(name)).json()
    grid = client.get("/buildings/1/floor-grid", headers=headers(name)).json()
    shown = {unit["occupancy"] for storey in grid["storeys"] for unit in storey["units"]}
    allowed = name in HERE
    assert (card["unit"]["occupancy"] != "unknown") is allowed
    assert (shown != {"unknown"}) is allowed
    assert card["devices"][0]["withheld"] is not allowed


@pytest.mark.parametrize("name", [None, *CALLERS])
def test_who_lives_there_goes_by_role_and_area(
    keyed: None, client: TestClient, name: str | None
) -> None:
    answer = client.get("/units/201/card", headers=headers(name, "emergency"))
    assert answer.json()["residents"]["shown"] is (name in RESIDENTS_HERE)
    assert ("甲" in answer.text) is (name in RESIDENTS_HERE)
    if name == "residents-of-elsewhere":
        assert "区域" in answer.json()["residents"]["reason"]["zh"]


def test_a_key_may_do_less_than_its_roles(keyed: None, engine: Engine, client: TestClient) -> None:
    add_key(engine, "narrow", "right-narrow", ["residents", "intake"], scopes=("living.read",))
    assert client.get("/kinds", headers=headers("narrow")).status_code == 403
    card = client.get("/units/201/card", headers=headers("narrow", "emergency")).json()
    assert card["unit"]["occupancy"] != "unknown" and not card["residents"]["shown"]


def test_a_keys_use_is_noted_and_ends_with_its_owner(
    keyed: None, engine: Engine, client: TestClient
) -> None:
    used = text("SELECT used_at FROM security.api_key WHERE name = 'right-statistics'")
    client.get("/session", headers=headers("statistics"))
    with engine.connect() as connection:
        first = connection.execute(used).scalar_one()
    assert first is not None
    client.get("/session", headers=headers("statistics"))
    with engine.connect() as connection:
        assert connection.execute(used).scalar_one() == first  # not written at every request
