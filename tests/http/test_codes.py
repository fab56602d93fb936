"""What has an official code, under each coding rule."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.schemas.codes import Coded, CodeSchemes
from tests.problems import check_problem

UNIT = "441900001001GB00001F00010001"
ADDRESS = "广东省东莞市示范路12号示范小区3栋"
CODES = [
    ("gbt37346", UNIT, "unit", 201, None),
    ("jgjt496", "B-3", "building", 1, None),
    ("jgjt496", "B-3-old", "building", 1, "2020-01-01"),
    ("std_address", "A-101", "address", 2, None),
]


@pytest.fixture(scope="module", autouse=True)
def coded(city: Any, engine: Engine) -> None:
    with engine.begin() as connection:
        for scheme, code, kind, key, until in CODES:
            connection.execute(
                text(
                    "INSERT INTO city.object_code (scheme, code, object_type, object_id, valid_to)"
                    " VALUES (:scheme, :code, :kind, :key, CAST(:until AS date))"
                ),
                {"scheme": scheme, "code": code, "kind": kind, "key": key, "until": until},
            )
        connection.execute(text("UPDATE city.std_address SET std_code = 'S-12' WHERE id = 1"))
        connection.execute(
            text("UPDATE city.organisation SET uscc = '91441900MA4W0X0X0X' WHERE id = 1")
        )
        connection.execute(
            text(
                "INSERT INTO city.grid (id, code, name, kind, ended_at) VALUES (99, 'G01', 'gone',"
                " '警务', now())"
            )
        )


@pytest.mark.parametrize(
    ("path", "kind", "key", "label", "building", "unit"),
    [
        (f"gbt37346/{UNIT}", "unit", 201, "201", 1, 201),
        ("jgjt496/B-3", "building", 1, "3栋", 1, None),
        ("std_address/A-101", "address", 2, ADDRESS + "1单元1层101室", 1, 101),
        ("std_address/S-12", "address", 1, ADDRESS, None, None),
        ("grid/G01", "grid", 1, "第一网格", None, None),
        ("area/441900001001", "area", 5, "示范社区", None, None),
        ("uscc/91441900MA4W0X0X0X", "organisation", 1, "示范便利店", None, None),
    ],
)  # fmt: skip
def test_a_code_leads_to_its_object_and_where_it_is(
    client: TestClient,
    path: str,
    kind: str,
    key: int,
    label: str,
    building: int | None,
    unit: int | None,
) -> None:
    response = client.get(f"/codes/{path}")
    Coded.model_validate_json(response.text)
    (found,) = response.json()["objects"]
    assert (found["type"], found["id"], found["label"]) == (kind, key, label)
    assert (found["building_id"], found["unit_id"]) == (building, unit)


def test_a_code_that_has_ceased_says_so(client: TestClient) -> None:
    (found,) = client.get("/codes/jgjt496/B-3-old").json()["objects"]
    assert found["valid_to"] == "2020-01-01"


def test_the_rules_are_listed_each_once(client: TestClient) -> None:
    response = client.get("/codes")
    CodeSchemes.model_validate_json(response.text)
    names = [rule["scheme"] for rule in response.json()["schemes"]]
    assert len(set(names)) == len(names)
    assert {"gbt37346", "jgjt496", "std_address", "grid", "area", "uscc", "parcel"} <= set(names)


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("gbt37346/nothing", 404, "Nothing has that code"),
        ("nothing/G01", 404, "Nothing has that code"),
        ("grid/' OR 1=1; --", 404, "Nothing has that code"),
        ("grid/%ed%a0%80", 404, "Nothing has that code"),
        ("grid/a%00", 422, "code"),
        ("grid/" + "9" * 101, 422, "code must have at most 100"),
        ("GRID/G01", 422, "scheme"),
        ("x" * 41 + "/G01", 422, "scheme"),
    ],
)
def test_a_code_of_nothing_is_said_to_be_none(
    client: TestClient, path: str, status: int, part: str
) -> None:
    check_problem(client.get(f"/codes/{path}"), status, part)
