"""Which unit is here: points inside, on walls, on roofs, below ground and outside."""

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

GROUND, SHIFT = 12.5, 5.0


def locate(client: TestClient, **query: object) -> dict[str, object]:
    response = client.get("/locate", params={key: str(value) for key, value in query.items()})
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


@pytest.mark.parametrize(
    ("lon", "height", "unit", "storey"),
    [
        (113.88005, 1.5, 101, 1),
        (113.88015, 4.0, 202, 2),
        (113.88035, 8.9, 304, 3),
        (113.88, 4.0, 201, 2),  # on the wall
        (113.879999, 4.0, 201, 2),  # a hair outside it
        (113.88005, 9.2, 301, 3),  # on the roof
        (113.88005, -0.1, None, 9),  # in the basement, where no unit has a shape
    ],
)
def test_a_point_is_in_its_unit(
    client: TestClient, lon: float, height: float, unit: int | None, storey: int
) -> None:
    found = locate(client, lon=lon, lat=22.9201, h=GROUND + height)
    assert (found["unit"] or {}).get("id") == unit
    assert found["storey"]["id"] == storey
    assert found["building"] == {"id": 1, "name": "3栋"}


def test_the_ellipsoid_is_the_datum_and_the_geoid_above_it(client: TestClient) -> None:
    point = {"lon": 113.88005, "lat": 22.9201}
    low = locate(client, **point, h=GROUND + 4)
    high = locate(client, **point, h=GROUND + 4 + SHIFT, datum="ellipsoid")
    assert low == high and low["unit"] == {"id": 201, "room_no": "201"}


def test_without_a_height_only_the_building_is_named(client: TestClient) -> None:
    found = locate(client, lon=113.88005, lat=22.9201)
    assert found["building"] and found["storey"] is None and found["unit"] is None


@pytest.mark.parametrize("height", [-50.0, 40.0])
def test_above_and_below_the_building_there_is_no_storey(client: TestClient, height: float) -> None:
    found = locate(client, lon=113.88005, lat=22.9201, h=height)
    assert found["building"] and found["storey"] is None and found["unit"] is None


def test_beside_the_buildings_there_are_still_grid_and_areas(client: TestClient) -> None:
    found = locate(client, lon=113.9, lat=22.9, h=0)
    assert found["building"] is None and found["grid"]["code"] == "G01"
    assert found["areas"][-1]["level"] == 5


def test_in_the_ocean_there_is_nothing(client: TestClient) -> None:
    assert not any(locate(client, lon=0, lat=0).values())


@examples(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    east=st.floats(0.000001, 0.000399),
    north=st.floats(0.000001, 0.000199),
    up=st.floats(0.01, 8.99),
)
def test_every_point_inside_is_in_the_unit_that_its_coordinates_say(
    client: TestClient, east: float, north: float, up: float
) -> None:
    found = locate(client, lon=113.88 + east, lat=22.92 + north, h=GROUND + up)
    number = found["unit"]["room_no"]
    assert int(number[0]) == int(up // 3) + 1
    strip = east / 0.0001
    near_a_wall = abs(strip - round(strip)) < 0.05
    assert near_a_wall or int(number[2]) == int(strip) + 1
