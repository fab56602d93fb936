"""What is read through SensorThings: the objects and devices of the small city."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from tests.accounts import add_key

ROOT = "http://testserver/sta/v1.1"
UNIT_201, TOWER, LIFT, WATER_METER = 201 * 8 + 2, 1 * 8 + 3, 1 * 8 + 4, 2 * 8 + 1
RESIDENT = {"Authorization": "Bearer key-residents"}


@pytest.fixture(scope="module")
def get(client: TestClient) -> Any:
    def ask(path: str, key: bool = False, **query: Any) -> Any:
        given = {f"${name}": value for name, value in query.items()}
        answer = client.get(f"/sta/v1.1/{path}", params=given, headers=RESIDENT if key else {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    return ask


def test_the_root_lists_the_entity_sets_and_no_other_name(get: Any) -> None:
    found = get("")
    assert {each["name"] for each in found["value"]} == {
        "Things", "Locations", "HistoricalLocations", "Datastreams", "Sensors",
        "ObservedProperties", "Observations", "FeaturesOfInterest", "MultiDatastreams",
    }  # fmt: skip
    assert found["value"][0] == {"name": "Things", "url": f"{ROOT}/Things"}
    ours = [uri for uri in found["serverSettings"]["conformance"] if "/1.1/req/" not in uri]
    assert [uri.rpartition("/")[2] for uri in ours] == ["JsonBatchRequest.html"]


def test_a_unit_is_a_thing_with_its_meter_as_a_datastream(get: Any) -> None:
    thing = get(f"Things({UNIT_201})", expand="Datastreams($expand=Sensor),Locations")
    assert thing["name"] == "3栋 1单元 201"
    assert thing["properties"]["type"] == "unit"
    (stream,) = thing["Datastreams"]
    assert stream["unitOfMeasurement"]["symbol"] == "m3"
    assert stream["Sensor"]["@iot.id"] == WATER_METER
    assert thing["Locations"][0]["location"]["type"] == "Polygon"
    assert thing["Locations"][0]["@iot.id"] == UNIT_201


def test_a_lift_is_a_thing_and_its_controller_the_sensor(get: Any) -> None:
    (stream,) = get(f"Things({LIFT})/Datastreams")["value"]
    assert stream["name"] == "电梯控制器 floor"
    assert get(f"Datastreams({stream['@iot.id']})/Thing")["name"] == "1单元电梯"
    assert get(f"Datastreams({stream['@iot.id']})/ObservedProperty")["name"] == "停靠楼层"


def test_readings_in_a_home_are_for_those_with_the_right_there(get: Any) -> None:
    assert get("Datastreams(2)/Observations")["value"] == []
    assert "phenomenonTime" not in get("Datastreams(2)")
    assert get("Datastreams", filter="Observations/result gt 0")["value"] == []
    seen = get("Datastreams(2)/Observations", key=True, orderby="phenomenonTime desc", top=1)
    assert seen["value"][0]["result"] == 12.9
    latest = get("Datastreams(2)", True, expand="Observations($top=1;$orderby=phenomenonTime desc)")
    assert latest["Observations"][0]["result"] == 12.5
    assert (
        get("Datastreams(2)", expand="Observations($top=1;$orderby=phenomenonTime desc)")[
            "Observations"
        ]
        == []
    )


def test_a_secret_device_is_not_there(client: TestClient, get: Any) -> None:
    names = [each["name"] for each in get("Sensors")["value"]]
    assert "电梯控制器" in names and "camera" not in names
    assert client.get("/sta/v1.1/Datastreams(3)").status_code == 404
    assert client.get("/sta/v1.1/Things(25)").status_code == 404


def test_pages_lead_to_one_another_and_miss_nothing(client: TestClient, get: Any) -> None:
    found, page = [], get("Things", top=5, count="true", select="id")
    count = page["@iot.count"]
    while True:
        found += [each["@iot.id"] for each in page["value"]]
        if "@iot.nextLink" not in page:
            break
        page = client.get(page["@iot.nextLink"]).json()
    assert len(found) == len(set(found)) == count > 15
    assert found == sorted(found)


def test_a_place_is_found_by_where_it_is(get: Any) -> None:
    box = "POLYGON((113.879 22.919,113.881 22.919,113.881 22.921,113.879 22.921,113.879 22.919))"
    found = get("Locations", filter=f"geo.intersects(location, geography'{box}')", top=100)
    assert {each["@iot.id"] for each in found["value"]} >= {UNIT_201, TOWER, LIFT}
    assert 2 * 8 + 3 not in {each["@iot.id"] for each in found["value"]}


@pytest.mark.parametrize(
    "query",
    [
        "$filter=pg_sleep(9) eq 1",
        "$filter=name eq",
        "$filter=name eq 'x' and",
        "$filter=nothing eq 1",
        "$filter=name gt 5",
        "$filter=Datastreams/Observations/result gt geography'POINT(1 1)'",
        "$filter=id " + "add 1 " * 1400 + "gt 3",
        "$filter=" + "(" * 100 + "1 eq 1" + ")" * 100,
        "$orderby=location",
        "$orderby=name sideways",
        "$select=pg_user",
        "$expand=Secrets",
        "$expand=Datastreams($expand=Thing($expand=Datastreams($expand=Thing($expand=Datastreams"
        "($expand=Thing($expand=Datastreams))))))",
        "$top=-1",
        "$top=x",
        "$skip=-1",
        "$count=perhaps",
        "$skiptoken=abc",
        "$skiptoken=WyJ4Il0",
        "$nothing=1",
        "$top=1&$top=2",
        "$filter=%ff",
        "$filter=name eq '%00'",
        "$filter=phenomenonTime eq 2026-13-01T00:00:00Z",
    ],
)
def test_what_is_not_understood_is_refused_in_words(client: TestClient, query: str) -> None:
    answer = client.get(f"/sta/v1.1/Things?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == 400
    assert answer.json()["message"] and answer.json()["message_zh"]


@pytest.mark.parametrize(
    "path",
    ["Nothing", "Things(1)/nothing", "Things('x')", "Things(1", "Things(99999999)", "Things/name",
     "Datastreams(1)/Observations('1_1')", "Observations(999999999)", "Things(12)/$value",
     "x" * 3000,
     "Things(99999999)/Datastreams", "Things(99999999)/name", "Things(12)/Locations(13)"],
)  # fmt: skip
def test_what_is_not_there_is_not_found(client: TestClient, path: str) -> None:
    answer = client.get(f"/sta/v1.1/{path}")
    assert answer.status_code == 404, answer.text
    assert answer.json()["message"]


@pytest.fixture(scope="module")
def towns(city: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO city.admin_area (id, code, level, name, parent_id) "
                "VALUES (6, '441900002', 4, '别镇', 3)"
            )
        )
    add_key(engine, "sta-town", "key-sta-town", ["residents"], at="441900001")
    add_key(engine, "sta-grid", "key-sta-grid", ["residents"], at="G01")
    add_key(engine, "sta-far", "key-sta-far", ["residents"], at="441900002")


@pytest.mark.parametrize(
    ("name", "allowed"), [("key-sta-town", True), ("key-sta-grid", True), ("key-sta-far", False)]
)
def test_a_role_for_a_part_of_the_city_reads_homes_there(
    towns: None, client: TestClient, name: str, allowed: bool
) -> None:
    who = {"Authorization": f"Bearer {name}"}
    for address in (
        "Datastreams(2)/Observations",
        "Observations?$filter=result gt 0",
        "Things(1610)/Datastreams?$filter=Observations/result gt 0",
        "Datastreams?$filter=phenomenonTime ge 2000-01-01T00:00:00Z",
        "FeaturesOfInterest(1610)/Observations",
    ):
        found = client.get(f"/sta/v1.1/{address}", headers=who).json()["value"]
        assert bool(found) is allowed, address


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "", 405),
        ("PUT", "/", 401),
        ("HEAD", "/Things", 200),
        ("GET", "/Things(%FF)", 404),
        ("GET", "/Things(1)%2F..%2F..", 404),
        ("GET", "/Things('')", 404),
        ("GET", "/$metadata", 404),
        ("GET", "/Things/$count", 404),
        ("GET", "/Things(-8)", 404),
        ("GET", "/Things(170141183460469231731687303715884105727)", 404),
        ("GET", "/Observations('1_99999999999999999')", 404),
        ("GET", "/Observations('1_-99999999999999999')", 404),
        ("GET", "/Things?$skip=99999999999999999999", 200),
    ],
)
def test_odd_addresses_and_methods_have_an_answer(
    client: TestClient, method: str, path: str, status: int
) -> None:
    assert client.request(method, f"/sta/v1.1{path}").status_code == status
