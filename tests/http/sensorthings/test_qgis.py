"""What QGIS 3.44's SensorThings provider sends, as `make trial-qgis` recorded it, sent again."""

import pytest
from fastapi.testclient import TestClient

KINDS = "{0}/type eq '{1}' or {0}/geometry/type eq '{1}'"


def asked(client: TestClient, address: str) -> dict[str, object]:
    answer = client.get(f"/sta/v1.1/{address}")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@pytest.mark.parametrize(
    ("entity", "member"), [("Locations", "location"), ("FeaturesOfInterest", "feature")]
)
def test_buildings_are_found_by_who_asks_for_polygons(
    client: TestClient, entity: str, member: str
) -> None:
    filter_ = f"$filter={KINDS.format(member, 'Polygon')}"
    counted = asked(client, f"{entity}?$top=0&$count=true&{filter_}")["@iot.count"]
    rows = asked(client, f"{entity}?$top=50&$count=false&{filter_}")["value"]
    assert isinstance(rows, list) and counted == len(rows) > 0
    shapes = [each[member] for each in rows]
    assert {shape["type"] for shape in shapes} == {"Polygon"}
    assert all(set(shape) == {"type", "coordinates"} for shape in shapes)  # RFC 7946: no system
    assert "building" in {each["properties"]["type"] for each in rows}


def test_what_is_in_view_is_found_by_the_text_qgis_writes(client: TestClient) -> None:
    ring = (
        "113.87989999999999213 22.91989999999999839, 113.88049999999999784 22.91989999999999839, "
        "113.88049999999999784 22.92029999999999745, 113.87989999999999213 22.92029999999999745, "
        "113.87989999999999213 22.91989999999999839"
    )
    within = f"(geo.intersects(location, geography'Polygon (({ring}))'))"
    filter_ = f"$filter=({KINDS.format('location', 'Polygon')}) and {within}"
    rows = asked(client, f"Locations?$top=200&$count=false&{filter_}")["value"]
    assert isinstance(rows, list) and rows
    away = filter_.replace("113.8", "114.8")
    assert asked(client, f"Locations?$top=200&$count=false&{away}")["value"] == []


def test_things_come_with_what_hangs_on_them(client: TestClient) -> None:
    expand = (
        "Things($top=10;$expand=Datastreams($orderby=name;$top=3;"
        "$expand=Observations($orderby=phenomenonTime desc;$top=2)))"
    )
    filter_ = f"$filter={KINDS.format('location', 'Polygon')}"
    rows = asked(client, f"Locations?$top=20&$count=false&$expand={expand}&{filter_}")["value"]
    assert isinstance(rows, list)
    things = [thing for each in rows for thing in each["Things"]]
    assert len(things) >= len(rows) and all("Datastreams" in thing for thing in things)


def test_streams_of_several_values_are_asked_for_points_too(client: TestClient) -> None:
    filter_ = f"$filter={KINDS.format('observedArea', 'Point')}"
    for entity in ("MultiDatastreams", "Datastreams"):
        assert asked(client, f"{entity}?$top=0&$count=true&{filter_}")["@iot.count"] == 0
