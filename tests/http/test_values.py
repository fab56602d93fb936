"""Values to colour tiles by: whatever the property, wherever it is asked for, by right."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.schemas.values import Values
from cim.store.queries.linked.values import PROPERTIES
from tests.problems import check_problem

BOX = "113.87,22.91,113.89,22.93"
OPEN = [(of, name) for of, known in PROPERTIES.items() for name in known if not known[name].living]
CLOSED = [(of, name) for of, known in PROPERTIES.items() for name in known if known[name].living]


@pytest.fixture(scope="module", autouse=True)
def lively(city: Any, engine: Engine) -> None:
    """Alarms of a flat, its storey and its house; a tile that holds the tower."""
    with engine.begin() as connection:
        for what, key in (("unit", 201), ("storey", 2), ("building", 1), ("facility", 1)):
            connection.execute(
                text(
                    "INSERT INTO city.event (kind, object_type, object_id, state, started_at)"
                    " VALUES ('告警', :what, :key, 'open', '2026-11-20T08:00:00Z')"
                ),
                {"what": what, "key": key},
            )
        connection.execute(text("UPDATE city.unit SET occupancy_status = '空置' WHERE id = 101"))
        connection.execute(
            text("UPDATE city.datastream SET last_value = 7, last_at = now() WHERE id = 1")
        )
        connection.execute(
            text(
                "INSERT INTO platform.tile_member (tileset, building_id, level, cell, place, size,"
                " weight, vertices, highest) VALUES ('units', 1, 11, 16, 16, 1, 1, 1, 11)"
            )
        )


def query(name: str) -> str:
    observed = {"units": "用水量", "buildings": "停靠楼层"}
    return f"property={name}" + (f"&observed={observed['units']}" if name == "reading" else "")


def ask(client: TestClient, of: str, query: str, **headers: str) -> dict[str, Any]:
    response = client.get(f"/style/values/{of}?{query}", headers=headers)
    assert response.status_code == 200, response.text
    Values.model_validate_json(response.text)
    found: dict[str, Any] = response.json()
    assert len(found["ids"]) == len(found["values"]) and found["ids"] == sorted(found["ids"])
    assert sum(one["count"] for one in found["legend"]["classes"]) == sum(
        value is not None for value in found["values"]
    )
    return found


@pytest.mark.parametrize(("of", "name"), OPEN)
def test_what_is_public_is_told_to_everybody(client: TestClient, of: str, name: str) -> None:
    found = ask(client, of, f"{query(name)}&bbox={BOX}")
    assert found["ids"] == ([1, 2] if of == "buildings" else [*sorted(found["ids"])])
    assert found["withheld"] == 0 and len(found["ids"]) in (2, 13)


@pytest.mark.parametrize(("of", "name"), CLOSED)
def test_what_tells_who_is_at_home_needs_the_right(
    client: TestClient, key: Any, of: str, name: str
) -> None:
    path = f"/style/values/{of}?{query(name)}&bbox={BOX}"
    check_problem(client.get(path), 403, "living.read")
    assert ask(client, of, f"{query(name)}&bbox={BOX}", **key("statistics"))["withheld"] == 0


def by_id(found: dict[str, Any]) -> dict[int, Any]:
    return dict(zip(found["ids"], found["values"], strict=True))


def test_values_are_those_of_the_objects(client: TestClient, key: Any) -> None:
    known = key("statistics")
    assert by_id(ask(client, "buildings", f"property=use&bbox={BOX}")) == {
        1: "residential", 2: None,
    }  # fmt: skip
    assert by_id(ask(client, "buildings", f"property=units&bbox={BOX}")) == {1: 13, 2: 0}
    assert by_id(ask(client, "buildings", f"property=alarms&bbox={BOX}")) == {1: 3, 2: 0}
    lift = ask(client, "buildings", f"property=reading&observed=停靠楼层&bbox={BOX}")
    assert by_id(lift) == {1: 7.0, 2: None}
    vacant = by_id(ask(client, "buildings", f"property=vacant&bbox={BOX}", **known))
    assert vacant[1] == pytest.approx(100 / 12) and vacant[2] is None
    water = by_id(ask(client, "units", f"property=reading&observed=用水量&bbox={BOX}", **known))
    assert water[201] == 12.5 and {value for one, value in water.items() if one != 201} == {None}
    alarms = by_id(ask(client, "units", f"property=alarms&bbox={BOX}", **known))
    assert alarms[201] == 1 and sum(alarms.values()) == 1


def test_a_home_meter_is_no_reading_of_its_building(client: TestClient, key: Any) -> None:
    found = ask(
        client, "buildings", f"property=reading&observed=用水量&bbox={BOX}", **key("statistics")
    )
    assert set(found["values"]) == {None}


def test_codes_have_their_names_and_numbers_their_classes(client: TestClient, key: Any) -> None:
    legend = ask(client, "units", f"property=kind&bbox={BOX}")["legend"]
    assert [(one["code"], one["zh"], one["count"]) for one in legend["classes"]] == [
        ("residential", "住宅", 12), ("parking", "车位", 1),
    ]  # fmt: skip
    legend = ask(client, "buildings", f"property=height&bbox={BOX}&classes=2&method=equal")[
        "legend"
    ]
    assert [(one["from"], one["to"]) for one in legend["classes"]] == [(3.0, 6.0), (6.0, 9.0)]
    assert (legend["unit"], legend["least"], legend["most"]) == ("m", 3.0, 9.0)


def test_by_ids_what_nothing_has_is_named(client: TestClient) -> None:
    body = {"property": "kind", "ids": [201, 77, 901, 201, 78]}
    found = client.post("/style/values/units", json=body).json()
    assert by_id(found) == {201: "residential", 901: "parking"}
    assert found["unknown"] == [77, 78]


def test_a_tile_has_the_values_of_what_it_draws(client: TestClient) -> None:
    tile = "content/1-0/2/0/0.glb"  # level 11, cell 16
    found = ask(client, "units", f"property=kind&tile={tile}")
    assert len(found["ids"]) == 13
    assert ask(client, "buildings", f"property=use&tile={tile}")["ids"] == []


def test_what_has_not_changed_is_not_sent_again(client: TestClient, key: Any) -> None:
    path = f"/style/values/units?property=occupancy&bbox={BOX}"
    first = client.get(path, headers=key("statistics"))
    assert first.headers["cache-control"].startswith("private")
    again = {**key("statistics"), "If-None-Match": first.headers["etag"]}
    assert client.get(path, headers=again).status_code == 304
    assert client.get(path, headers={"If-None-Match": first.headers["etag"]}).status_code == 403


@pytest.mark.parametrize(
    ("path", "status", "part"),
    [
        ("units", 422, "property is required"),
        ("people?property=kind", 422, "collection must be one of"),
        (f"units?property=residents&bbox={BOX}", 422, "must be one of kind"),
        (f"units?property=%00&bbox={BOX}", 422, "must be one of kind"),
        (f"units?property={'x' * 50}&bbox={BOX}", 422, "property must have at most 40"),
        ("units?property=kind", 422, "one of ids, bbox or tile"),
        (f"units?property=kind&bbox={BOX}&tile=content/1-0/2/0/0.glb", 422, "one of ids, bbox"),
        ("units?property=kind&bbox=1,2", 422, "four numbers"),
        ("units?property=kind&bbox=nan,1,2,2", 422, "finite"),
        ("units?property=kind&tile=tileset.json", 422, "path of a tile"),
        ("units?property=kind&tile=content/1-0/99/0/0.glb", 422, "path of a tile"),
        (f"units?property=kind&observed=x&bbox={BOX}", 422, "observed goes with"),
        (f"units?property=reading&bbox={BOX}", 422, "observed goes with"),
        (f"buildings?property=reading&observed=%00&bbox={BOX}", 422, "no text has"),
        (f"buildings?property=reading&observed={'x' * 101}&bbox={BOX}", 422, "observed must have"),
        (f"units?property=rooms&bbox={BOX}&classes=1", 422, "classes must be at least 2"),
        (f"units?property=rooms&bbox={BOX}&classes=99", 422, "classes must be at most 12"),
        (f"units?property=rooms&bbox={BOX}&method=magic", 422, "method must be one of"),
    ],
)
def test_a_malformed_question_is_told_what_is_wrong(
    client: TestClient, path: str, status: int, part: str
) -> None:
    check_problem(client.get(f"/style/values/{path}"), status, part)


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "required"),
        (b"{}", "property is required"),
        (b'{"property": "kind", "ids": [0]}', "ids.0 must be at least 1"),
        (b'{"property": "kind", "ids": ["1"]}', "ids.0 must be a whole number"),
        (b'{"property": "kind", "ids": [' + b"1," * 10_000 + b"1]}", "at most 10000"),
        (b'{"property": "\\ud800", "ids": [1]}', ""),
        (b'{"property": "kind", "bbox": "1,1,2,2", "sql": 1}', "sql is not known"),
    ],
)
def test_a_malformed_body_is_told_what_is_wrong(client: TestClient, body: bytes, part: str) -> None:
    headers = {"Content-Type": "application/json"}
    check_problem(client.post("/style/values/units", content=body, headers=headers), 422, part)
