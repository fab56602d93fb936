"""Requests of real clients, as they send them: frost_sta_client itself, others word for word."""

from collections.abc import Iterator
from typing import Any

import frost_sta_client as fsc
import pytest
import requests
from fastapi.testclient import TestClient
from frost_sta_client.service.auth_handler import AuthHandler
from geojson import Point
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.accounts import add_key
from tests.served import serving

pytestmark = pytest.mark.filterwarnings("ignore:furl.pathstr:DeprecationWarning")

STA = "/sta/v1.1"
OM = "http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement"
RESIDENT = {"Authorization": "Bearer key-residents"}


class Bearer(requests.auth.AuthBase):
    """A key instead of a name and a password."""

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = "Bearer key-frost"
        return request


class Keyed(AuthHandler):  # type: ignore[misc]  # the client comes without types
    """How frost_sta_client signs its requests here."""

    def add_auth_header(self) -> Bearer:
        return Bearer()


@pytest.fixture(scope="module")
def service(city: Settings, engine: Engine) -> Iterator[Any]:
    with engine.begin() as connection:
        connection.execute(text("SELECT setval('city.datastream_id_seq', 1000)"))
    add_key(engine, "frost", "key-frost", ["devices"])
    with serving(city, "--no-worker") as (_, address):
        yield fsc.SensorThingsService(f"{address}{STA}", auth_handler=Keyed())


def weather(name: str) -> Any:
    """A station with one datastream, as the client's readers write it."""
    here = fsc.Location(
        name="roof",
        description="of the tower",
        encoding_type="application/geo+json",
        location=Point((113.8801, 22.9201)),
    )
    stream = fsc.Datastream(
        name="temperature",
        description="of the air",
        observation_type=OM,
        unit_of_measurement=fsc.UnitOfMeasurement(name="degree", symbol="Cel", definition="ucum"),
        sensor=fsc.Sensor(
            name="probe", description="a probe", encoding_type="text/plain", metadata="model 7"
        ),
        observed_property=fsc.ObservedProperty(
            name="气温", definition="urn:t", description="of the air"
        ),
    )
    return fsc.Thing(name=name, description="a station", locations=[here], datastreams=[stream])


def test_frost_sta_client_makes_reads_changes_and_ends(service: Any) -> None:
    station = weather("station")
    service.create(station)
    found = service.things().find(station.id)
    assert (found.name, len(found.get_datastreams().query().list().entities)) == ("station", 1)
    found.name = "station 2"
    service.update(found)
    assert service.things().find(station.id).name == "station 2"
    patch = [{"op": "add", "path": "/properties", "value": {"floor": 3}}]
    service.patch(found, patch)
    assert service.things().find(station.id).properties == {"floor": 3}
    service.delete(found)
    with pytest.raises(requests.exceptions.HTTPError, match="404"):
        service.things().find(station.id)


def test_frost_sta_client_sends_readings_and_follows_pages(service: Any) -> None:
    station = weather("meter")
    service.create(station)
    stream = station.get_datastreams().query().list().entities[0]
    first = fsc.Observation(
        phenomenon_time="2026-11-20T00:00:00Z", result=1.5, datastream=fsc.Datastream(id=stream.id)
    )
    service.create(first)
    assert service.observations().find(first.id).result == 1.5
    rows = [
        fsc.Observation(phenomenon_time=f"2026-11-20T01:{n:02}:00Z", result=n, datastream=stream)
        for n in range(50)
    ]
    for row in rows:
        service.create(row)
    asked = stream.get_observations().query().orderby("phenomenonTime", "DESC").top(7)
    every = asked.list()
    results = [one.result for one in every]
    assert results == [*range(49, -1, -1), 1.5]
    found = stream.get_observations().query().filter("result gt 40").count().top(2).list()
    assert found.count == 9
    expanded = service.things().query().filter(f"id eq {station.id}")
    (thing,) = expanded.expand("Datastreams($expand=Observations($top=2))").list().entities
    assert len(thing.datastreams.entities[0].observations.entities) == 2


def test_frost_sta_client_is_told_what_is_wrong(
    service: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(requests.exceptions.HTTPError, match="400"):
        service.things().query().filter("nothing eq 1").list()
    assert "a Thing has no 'nothing'" in caplog.text


GRAFANA = (
    "Datastreams(2)/Observations?$orderby=phenomenonTime asc&$filter=phenomenonTime ge "
    "2026-11-20T00:00:00.000Z and phenomenonTime le 2026-11-20T04:00:00.000Z&$top=1000",
    "Things?$filter=startswith(name,'3栋')&$count=true&$skip=0&$top=5",
)
VC_MAP = (
    "Things(1610)/Datastreams?$filter=ObservedProperty/name eq '用水量' and Thing/id eq 1610"
    "&$orderby=Observations/phenomenonTime desc&$top=1"
    "&$expand=Observations($top=1;$orderby=phenomenonTime desc)",
    "Things?$top=1000&$filter=name ne ''&$expand=Locations($top=1)",
)
QGIS = (
    "Locations?$top=0&$count=true",
    "Locations?$top=100&$count=false&$filter=(location/type eq 'Point' or location/geometry/type "
    "eq 'Point') and (geo.intersects(location, geography'Polygon ((113 22, 115 22, 115 24, 113 24, "
    "113 22))'))",
    "Locations?$top=200&$count=false&$filter=location/type eq 'Polygon' or location/geometry/type "
    "eq 'Polygon'&$expand=Things($orderby=id;$top=10;$expand=Datastreams($filter=name ne 'x';"
    "$expand=Observations($orderby=phenomenonTime desc;$top=10)))",
    "FeaturesOfInterest?$top=10&$filter=geo.intersects(feature, geography'Polygon ((113 22, "
    "115 22, 115 24, 113 24, 113 22))')",
    "Things?$top=2147483647&$orderby=@iot.id+asc",
    "Locations?$filter=st_intersects(location, geography'POLYGON((113 22, 115 22, 115 24, 113 24, "
    "113 22))')&$count=true&$top=1",
)


def ask(client: TestClient, address: str) -> Any:
    answer = client.get(f"{STA}/{address}", headers=RESIDENT)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_grafana_draws_a_period_and_finds_by_name(client: TestClient) -> None:
    drawn = ask(client, GRAFANA[0])["value"]
    assert [each["result"] for each in drawn] == [12, 12.1, 12.2, 12.3, 12.4]
    listed = ask(client, GRAFANA[1])
    assert listed["@iot.count"] > 12 and len(listed["value"]) == 5


def test_vc_map_takes_the_stream_that_spoke_last(client: TestClient) -> None:
    (stream,) = ask(client, VC_MAP[0])["value"]
    assert stream["Observations"][0]["result"] == 12.5
    things = ask(client, VC_MAP[1])["value"]
    assert all(len(each["Locations"]) <= 1 for each in things)
    assert sum(len(each["Locations"]) for each in things) > 20


def test_qgis_counts_looks_for_a_kind_of_geometry_and_expands(client: TestClient) -> None:
    counted = ask(client, QGIS[0])
    assert counted["value"] == [] and counted["@iot.count"] > 20
    points = ask(client, QGIS[1])["value"]
    assert {each["location"]["type"] for each in points} == {"Point"}
    shapes = ask(client, QGIS[2])["value"]
    (unit,) = [each for each in shapes if each["name"].endswith("201")]
    assert unit["Things"][0]["Datastreams"][0]["Observations"][0]["result"] == 12.9


@pytest.mark.parametrize("address", QGIS[3:])
def test_qgis_and_its_plugins_are_answered(client: TestClient, address: str) -> None:
    assert ask(client, address)["value"]
