"""The rooms of a unit on its card, and a unit that stands on two storeys."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text


@pytest.fixture(scope="module")
def maisonette(engine: Engine, client: TestClient) -> TestClient:
    """Unit 201 with two rooms of its own, and a third on the storey above."""
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO city.unit_space (building_id, storey_id, unit_id, name, kind, area)
            VALUES (1, 2, 201, '厨房', '厨', 6.24), (1, 2, 201, '客厅', '厅', 20),
                   (1, 3, 201, '主卧', '室', 14.6), (1, 2, NULL, '走廊', '走道', 9)""")
        )
        connection.execute(
            text("""
            INSERT INTO city.unit_storey (unit_id, storey_id, share, outline)
            SELECT 201, 3, 0.5, ST_Multi(ST_MakeEnvelope(113.8802, 22.92, 113.8803, 22.9202, 4490))
            """)
        )
        connection.execute(
            text("""
            UPDATE city.unit SET outline = ST_Multi(
                ST_MakeEnvelope(113.88, 22.92, 113.8801, 22.9202, 4490)) WHERE id = 201""")
        )
    return client


def test_a_card_lists_the_rooms_of_the_unit_and_no_shared_ones(maisonette: TestClient) -> None:
    found = maisonette.get("/units/201/card").json()
    assert [(s["name"], s["kind"], s["area"], s["storey"]) for s in found["spaces"]] == [
        ("厨房", "厨", 6.24, "2"),
        ("客厅", "厅", 20.0, "2"),
        ("主卧", "室", 14.6, "3"),
    ]
    assert maisonette.get("/units/301/card").json()["spaces"] == []


def test_the_area_of_a_unit_is_that_of_all_its_storeys(maisonette: TestClient) -> None:
    assert maisonette.get("/units/201/card").json()["unit"]["area"] == pytest.approx(454.4, abs=0.2)


def test_a_unit_on_two_storeys_stands_on_both_in_the_floor_grid(maisonette: TestClient) -> None:
    storeys = maisonette.get("/buildings/1/floor-grid").json()["storeys"]
    rooms = {storey["no"]: [unit["id"] for unit in storey["units"]] for storey in storeys}
    assert 201 in rooms[2] and 201 in rooms[3] and 201 not in rooms[1]


def test_a_point_upstairs_is_in_the_unit_whose_part_is_there(maisonette: TestClient) -> None:
    upstairs = {"lon": 113.88025, "lat": 22.9201, "h": 12.5 + 7.5}
    assert maisonette.get("/locate", params=upstairs).json()["unit"]["id"] == 201
    downstairs = upstairs | {"h": 12.5 + 4.5}
    assert maisonette.get("/locate", params=downstairs).json()["unit"]["id"] == 203
