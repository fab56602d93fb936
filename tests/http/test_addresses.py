"""Addresses as a service: taken apart, looked for, found at a point, suggested while one types."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.store.incoming import names
from tests.problems import check_problem

MORE = """
    INSERT INTO city.std_address
        (id, level, city, town, road, door_no, estate_name, building_name, full_text, norm_text,
         geom)
    SELECT 100 + n, 11, '东莞市', '示范镇', '迎宾路', '2号', '丰泰花园', n || '栋',
        '东莞市示范镇迎宾路2号丰泰花园' || n || '栋', '东莞市示范镇迎宾路2号丰泰花园' || n || '栋',
        ST_SetSRID(ST_Point(113.89 + n * .001, 22.93), 4490)
    FROM generate_series(1, 12) n;
    INSERT INTO city.std_address (id, level, city, town, estate_name, building_name, full_text,
        norm_text, geom)
    VALUES (131, 11, '东莞市', '别镇', '荔景湾', '1栋', '东莞市别镇荔景湾1栋',
            '东莞市别镇荔景湾1栋', ST_SetSRID(ST_Point(113.9, 22.95), 4490)),
           (132, 11, '东莞市', '示范镇', '荔景湾', '1栋', '东莞市示范镇荔景湾1栋',
            '东莞市示范镇荔景湾1栋', ST_SetSRID(ST_Point(113.91, 22.96), 4490));
    INSERT INTO city.address_link (address_id, object_type, object_id, method)
    VALUES (1, 'building', 1, 'code')"""


@pytest.fixture(scope="module", autouse=True)
def more(client: TestClient, engine: Engine) -> None:
    with engine.begin() as own:
        own.execute(text(MORE))
        names.anew(own)


def post(client: TestClient, path: str, *addresses: str, **more: Any) -> list[dict[str, Any]]:
    answer = client.post(f"/addresses/{path}", json={"addresses": list(addresses)} | more)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    assert len(items) == len(addresses)
    return items


def geocode(client: TestClient, address: str) -> dict[str, Any]:
    return post(client, "geocode", address)[0]


def test_an_address_is_taken_apart_with_every_character_accounted_for(client: TestClient) -> None:
    written = "广东省东莞市虎门镇浦江路２号丰泰花园三幢803室(近市场)"
    one, none = post(client, "parse", written, "?")
    assert one["levels"]["building_name"] == "3栋" and one["levels"]["room_no"] == "803"
    assert (one["level"], one["remainder"]) == (15, "近市场")
    assert "".join(piece["text"] for piece in one["pieces"]).startswith("广东省东莞市虎门镇")
    assert (none["level"], none["levels"], none["remainder"]) == (0, {}, "?")


def test_two_habits_of_writing_have_one_spelling(client: TestClient) -> None:
    one, other = post(
        client, "normalise", "东莞市丰泰花园三幢２单元803室", "东莞丰泰花园3号楼2梯803"
    )
    assert one["norm_text"] == other["norm_text"] == "东莞市丰泰花园3栋2单元803"
    assert one["full_text"].endswith("3栋2单元803室")


def test_an_address_is_found_down_to_the_unit(client: TestClient) -> None:
    found = geocode(client, "东莞市示范路12号示范小区三幢201室")
    assert (found["status"], found["level"]) == ("matched", 15)
    assert found["match"]["object"] == {"type": "unit", "id": 201}
    assert found["match"]["building_id"] == 1 and found["match"]["score"] >= 90
    assert found["match"]["text"].endswith("201室") and found["remainder"] == ""


def test_a_room_that_is_not_there_is_left_over(client: TestClient) -> None:
    found = geocode(client, "东莞市示范路12号示范小区3栋1609室")
    assert (found["status"], found["match"]["level"]) == ("partial", 11)
    assert (found["remainder"], found["match"]["unit_id"]) == ("1609", None)


def test_a_building_that_is_not_there_leaves_its_estate(client: TestClient) -> None:
    found = geocode(client, "示范小区99栋")
    assert found["status"] == "partial" and found["remainder"] == "99栋"
    assert found["match"]["object"] == {"type": "estate", "id": 1}


def test_what_fits_twice_is_never_guessed(client: TestClient) -> None:
    found = geocode(client, "荔景湾1栋")
    assert (found["status"], found["match"]) == ("ambiguous", None)
    assert {each["id"] for each in found["alternatives"]} == {131, 132}
    assert geocode(client, "别镇荔景湾1栋")["match"]["id"] == 131
    assert geocode(client, "东莞市迎宾路2号")["status"] == "ambiguous"


def test_a_slip_of_the_pen_is_forgiven_and_costs_something(client: TestClient) -> None:
    found = geocode(client, "示范镇丰太花园3栋")
    assert found["match"]["id"] == 103 and found["match"]["score"] <= 90
    other = geocode(client, "示范镇丰泰大花园3栋")
    assert (other["status"], other["match"]) == ("unsure", None)
    assert other["alternatives"][0]["id"] == 103


def test_another_town_is_another_address(client: TestClient) -> None:
    found = geocode(client, "虎门镇丰泰花园3栋")
    assert found["match"] is None and found["status"] == "unsure"
    assert found["alternatives"][0]["differs"] == ["town"]


def test_what_nobody_knows_is_not_found(client: TestClient) -> None:
    found = geocode(client, "甲乙丙丁路77号")
    assert (found["status"], found["match"], found["alternatives"]) == ("none", None, [])
    assert found["remainder"] == "甲乙丙丁路77号"


def test_several_addresses_are_answered_in_their_order(client: TestClient) -> None:
    items = post(client, "geocode", "别镇荔景湾1栋", "不知道", "示范镇荔景湾1栋", limit=1)
    assert [item["match"] and item["match"]["id"] for item in items] == [131, None, 132]
    assert all(len(item["alternatives"]) <= 1 for item in items)


def test_a_point_has_the_addresses_around_it_nearest_first(client: TestClient) -> None:
    answer = client.get("/addresses/reverse?lon=113.8802&lat=22.9201&radius=50")
    first = answer.json()["items"][0]
    assert (first["id"], first["distance"], first["building_id"]) == (1, 0.0, 1)
    answer = client.get("/addresses/reverse?lon=113.8911&lat=22.93&radius=150")
    assert [item["id"] for item in answer.json()["items"]] == [101, 102]
    assert answer.json()["items"][0]["distance"] == pytest.approx(10.3, abs=0.2)
    assert client.get("/addresses/reverse?lon=0&lat=0").json() == {"items": []}


def test_a_point_with_a_height_has_the_address_of_its_unit(client: TestClient) -> None:
    at = "/addresses/reverse?lon=113.88005&lat=22.92005"
    first = client.get(f"{at}&h=17").json()["items"][0]
    assert (first["object"], first["level"]) == ({"type": "unit", "id": 201}, 15)
    assert first["text"].endswith("201室")
    higher = client.get(f"{at}&h=22&datum=ellipsoid").json()["items"][0]
    assert higher["object"] == {"type": "unit", "id": 201}
    assert client.get(f"{at}&h=500").json()["items"][0]["object"]["type"] == "building"


@pytest.mark.parametrize(
    ("q", "text"),
    [
        ("荔景", "示范镇荔景湾"),
        ("lj", "示范镇荔景湾"),
        ("lijingwan", "示范镇荔景湾"),
        ("fengthy", "示范镇丰泰花园"),
        ("sfzft", "示范镇丰泰花园"),
        ("sfft", "示范镇丰泰花园"),
        ("ft3d", "东莞市示范镇迎宾路2号丰泰花园3栋"),
        ("fthy12栋", "东莞市示范镇迎宾路2号丰泰花园12栋"),
        ("示范镇ft3栋", "东莞市示范镇迎宾路2号丰泰花园3栋"),
        ("丰", "示范镇丰泰花园"),
        ("丰泰花园3", "东莞市示范镇迎宾路2号丰泰花园3栋"),
        ("迎宾路2号", "东莞市示范镇迎宾路2号丰泰花园1栋"),
    ],
)
def test_what_is_typed_so_far_suggests_what_may_be_meant(
    client: TestClient, q: str, text: str
) -> None:
    items = client.get("/addresses/suggest", params={"q": q}).json()["items"]
    assert text in [item["text"] for item in items[:3]], items


def test_a_room_is_suggested_by_initials_and_figures(client: TestClient) -> None:
    items = client.get("/addresses/suggest?q=sfxq3d201").json()["items"]
    assert items[0]["unit_id"] == 201
    assert items[0]["text"][items[0]["marks"][-1][0] :].endswith("201室")


def test_what_was_typed_is_marked(client: TestClient) -> None:
    first = client.get("/addresses/suggest?q=丰泰").json()["items"][0]
    ((begin, end),) = first["marks"]
    assert first["text"][begin:end] == "丰泰"


def test_a_name_leads_to_where_it_is(client: TestClient) -> None:
    first = client.get("/addresses/suggest?q=示范小区").json()["items"][0]
    assert (first["object"], first["id"]) == ({"type": "estate", "id": 1}, None)
    assert first["lon"] == pytest.approx(113.8805, abs=0.001)


@pytest.mark.parametrize(
    "q", ["zzqx", "'", "xx''", "%", "%_%_%_", "a%b", "\\", "-", "·", "'; DROP TABLE x --"]
)
def test_any_text_is_answered(client: TestClient, q: str) -> None:
    answer = client.get("/addresses/suggest", params={"q": q})
    assert answer.status_code == 200 and len(answer.json()["items"]) <= 10


REFUSED: list[tuple[str, Any, str]] = [
    ("parse", {}, "addresses is required"),
    ("parse", {"addresses": []}, "addresses"),
    ("parse", {"addresses": ["a"] * 1001}, "addresses"),
    ("parse", {"addresses": "东莞市"}, "addresses"),
    ("parse", {"addresses": [None]}, "addresses"),
    ("parse", {"addresses": ["东" * 301]}, "addresses"),
    ("parse", {"addresses": ["3栋", "\x00"]}, "addresses.1"),
    ("normalise", {"addresses": [" "]}, "addresses.0"),
    ("geocode", {"addresses": ["\ud800"]}, ""),
    ("geocode", {"addresses": ["a"] * 101}, "addresses"),
    ("geocode", {"addresses": ["a"], "limit": 0}, "limit"),
    ("geocode", {"addresses": ["a"], "limit": 21}, "limit"),
    ("geocode", {"addresses": ["a"], "limit": "x"}, "limit"),
    ("geocode", {"addresses": ["a"], "more": 1}, "more"),
    ("geocode", [], ""),
]


@pytest.mark.parametrize(("path", "body", "part"), REFUSED)
def test_what_is_malformed_is_refused_by_its_name(
    client: TestClient, path: str, body: Any, part: str
) -> None:

    answer = client.post(
        f"/addresses/{path}",
        content=json.dumps(body),
        headers={"Content-Type": "application/json"},
    )
    check_problem(answer, 422, part)


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ("suggest", "q is required"),
        ("suggest?q=", "at least one character"),
        ("suggest?q=%00", "at least one character"),
        ("suggest?q=" + "a" * 101, "q must have at most 100"),
        ("suggest?q=a&limit=0", "limit"),
        ("suggest?q=a&limit=51", "limit"),
        ("reverse", "lon is required"),
        ("reverse?lon=1&lat=nan", "lat"),
        ("reverse?lon=1&lat=1&radius=0", "radius"),
        ("reverse?lon=1&lat=1&radius=2001", "radius"),
        ("reverse?lon=1&lat=1&radius=inf", "radius"),
        ("reverse?lon=1&lat=1&h=x", "h"),
        ("reverse?lon=1&lat=1&h=1&datum=moon", "datum"),
        ("reverse?lon=1&lat=1&limit=51", "limit"),
    ],
)
def test_every_malformed_parameter_is_named(client: TestClient, query: str, part: str) -> None:
    check_problem(client.get(f"/addresses/{query}"), 422, part)


def test_the_poles_have_no_addresses(client: TestClient) -> None:
    for lat in (90, -90):
        assert client.get(f"/addresses/reverse?lon=180&lat={lat}").json() == {"items": []}
