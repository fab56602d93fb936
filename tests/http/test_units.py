"""A unit with what is asked for of its links: by id and by code, and by right."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.routes.units import KNOWN
from api.schemas.units import UnitCard, UnitLinks

UNIT_CODE = "441900001001GB00001F00010001"


@pytest.fixture(scope="module")
def linked(city: Any, engine: Engine) -> None:
    """Alarms of a flat, of its lift and of its storey; one that is over; codes of two flats."""
    event = (
        "INSERT INTO city.event (kind, object_type, object_id, device_id, state, severity, {0}) "
    )
    with engine.begin() as connection:
        for kind, what, key, device, state, level, ended in (
            ("告警", "unit", 201, 2, "open", 4, None),
            ("故障", "facility", 1, 1, "acknowledged", 2, None),
            ("告警", "storey", 2, None, None, 3, None),
            ("告警", "storey", 2, 3, "open", 3, None),  # of a device that is secret
            ("告警", "building", 1, None, "closed", 3, None),
            ("告警", "building", 1, None, "open", 3, "2026-11-20T09:00:00Z"),
            ("门禁", "entrance", 1, None, "open", 1, None),
        ):
            connection.execute(
                text(
                    event.format("started_at, ended_at")
                    + "VALUES (:kind, :what, :key, :device, :state, :level,"
                    " '2026-11-20T08:00:00Z', CAST(:ended AS timestamptz))"
                ),
                {"kind": kind, "what": what, "key": key, "device": device, "state": state}
                | {"level": level, "ended": ended},
            )
        code = text(
            "INSERT INTO city.object_code (scheme, code, object_type, object_id, status) "
            "VALUES (:scheme, :code, :what, :key, 'current')"
        )
        connection.execute(
            code, {"scheme": "gbt37346", "code": UNIT_CODE, "what": "unit", "key": 201}
        )
        connection.execute(
            code, {"scheme": "std_address", "code": "A-101", "what": "address", "key": 2}
        )
        connection.execute(text("UPDATE city.std_address SET std_code = 'B-101' WHERE id = 2"))


@pytest.fixture
def asked(linked: None, client: TestClient) -> Iterator[Any]:
    def ask(path: str, **headers: str) -> Any:
        response = client.get(path, headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    yield ask


def test_only_what_is_asked_for_is_answered(asked: Any) -> None:
    assert set(asked("/units/201")) == {"unit"}
    assert set(asked("/units/201?expand=address, devices")) == {"unit", "address", "devices"}


@pytest.mark.parametrize("part", KNOWN)
def test_each_part_alone_says_what_the_card_says(asked: Any, key: Any, part: str) -> None:
    known = key("statistics")
    found = asked(f"/units/201?expand={part}", **known)
    assert set(found) == {"unit", part}
    UnitLinks.model_validate(found)
    if part != "codes":
        assert found[part] == asked("/units/201/card", **known)[part]


def test_a_card_has_all_parts_but_codes(asked: Any) -> None:
    card = asked("/units/201/card")
    UnitCard.model_validate(card)
    assert set(card) == {"unit", *KNOWN} - {"codes"}


def test_open_alarms_of_the_unit_and_of_what_serves_it(asked: Any, key: Any) -> None:
    alarms = asked("/units/201?expand=alarms", **key("statistics"))["alarms"]
    assert [(one["kind"], one["about"]["type"], one["severity"]) for one in alarms] == [
        ("告警", "unit", 4),
        ("告警", "storey", 3),
        ("故障", "facility", 2),
    ]
    assert alarms[2]["about"]["label"] == "1单元电梯" and alarms[2]["state"] == "acknowledged"


def test_an_alarm_in_a_home_is_not_public(asked: Any) -> None:
    alarms = asked("/units/201?expand=alarms")["alarms"]
    assert [one["about"]["type"] for one in alarms] == ["storey", "facility"]


@pytest.mark.parametrize(
    ("scheme", "code", "unit"),
    [("gbt37346", UNIT_CODE, 201), ("std_address", "A-101", 101), ("std_address", "B-101", 101)],
)
def test_a_unit_is_found_by_its_code_and_by_that_of_its_address(
    asked: Any, scheme: str, code: str, unit: int
) -> None:
    found = asked(f"/units/by-code/{scheme}/{code}?expand=codes,address")
    assert found["unit"]["id"] == unit
    codes = [(one["scheme"], one["code"]) for one in found["codes"]]
    assert codes == ([("gbt37346", UNIT_CODE)] if unit == 201 else [])


def test_a_code_of_another_scheme_is_none(linked: None, client: TestClient) -> None:
    assert client.get(f"/units/by-code/jgjt496/{UNIT_CODE}").status_code == 404


def test_residents_come_by_expand_as_by_the_card_and_are_logged(
    asked: Any, key: Any, engine: Engine
) -> None:
    lines = text("SELECT count(*) FROM security.audit_log WHERE event = 'people.open'")
    with engine.connect() as connection:
        before = connection.execute(lines).scalar_one()
    found = asked("/units/201?expand=residents", **key("housing-desk", "emergency"))
    assert found["residents"]["count"] == 3 and len(found["residents"]["people"]) == 2
    assert set(found) == {"unit", "residents"}
    with engine.connect() as connection:
        assert connection.execute(lines).scalar_one() == before + 1
    assert asked("/units/201?expand=grid", **key("housing-desk", "emergency"))["grid"]
    with engine.connect() as connection:
        assert connection.execute(lines).scalar_one() == before + 1


def test_who_holds_a_unit_is_told_to_those_who_see_its_residents(
    asked: Any, key: Any, engine: Engine
) -> None:
    held = text(
        "INSERT INTO pii.tenure (unit_id, party_type, party_id, kind, share, end_date)"
        " VALUES (201, :type, :party, :kind, '1/2', CAST(:until AS date))"
    )
    with engine.begin() as connection:
        for kind, party, right, until in (
            ("person", 1, "产权", None),  # who lives there
            ("person", 3, "产权", None),  # a child
            ("organisation", 1, "承租", None),
            ("organisation", 1, "代管", "2020-01-01"),  # over
        ):
            connection.execute(held, {"type": kind, "party": party, "kind": right, "until": until})
        connection.execute(
            text(
                "INSERT INTO pii.tenure (unit_id, party_type, party_id, kind)"
                " VALUES (202, 'person', 2, '产权')"
            )
        )
    lines = text("SELECT count(*) FROM security.audit_log WHERE event = 'people.open'")
    with engine.connect() as connection:
        before = connection.execute(lines).scalar_one()
    known = key("housing-desk", "emergency")
    found = asked("/units/201?expand=tenure,residents", **known)
    assert [(one["kind"], one["party"], one["name"]) for one in found["tenure"]["items"]] == [
        ("产权", "person", "甲*"), ("产权", "person", None), ("承租", "organisation", "示范便利店"),
    ]  # fmt: skip
    assert len(found["residents"]["people"]) == 2
    with engine.connect() as connection:
        assert connection.execute(lines).scalar_one() == before + 1
    elsewhere = asked("/units/202?expand=tenure", **known)["tenure"]["items"]
    assert [one["name"] for one in elsewhere] == ["乙*"]  # an owner who lives elsewhere
    for headers in ({}, key("statistics"), key("housing-desk")):
        hidden = asked("/units/201?expand=tenure", **headers)["tenure"]
        assert hidden["shown"] is False and hidden["items"] == [] and hidden["reason"]["zh"]


def test_alarms_elsewhere_that_affect_a_unit_are_on_its_card(
    asked: Any, key: Any, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO city.event (id, kind, object_type, object_id, place, state, severity,
                started_at) VALUES (950, '告警', 'unit', 302, '3栋 302', 'open', 4, '2026-11-20Z'),
                (951, '消防占道', 'facility', 77, '东侧通道', 'open', 3, '2026-11-20Z'),
                (952, '告警', 'facility', 77, '东侧通道', 'open', 3, '2026-11-20Z');
            INSERT INTO city.event_unit (event_id, unit_id, how, open) VALUES
                (950, 301, 'near', true), (951, 301, 'lane', true), (952, 301, 'gone', false),
                ((SELECT id FROM city.event WHERE object_type = 'facility' AND object_id = 1
                    AND ended_at IS NULL LIMIT 1), 301, 'lift', true)""")
        )

    def found(**headers: str) -> list[tuple[str, str, str | None]]:
        alarms = asked("/units/301?expand=alarms", **headers)["alarms"]
        return [(one["about"]["type"], one["about"]["label"], one["affects"]) for one in alarms]

    with engine.begin() as connection:  # it has not ended
        connection.execute(text("UPDATE city.event SET state = 'open' WHERE id = 951"))
    public = [("facility", "东侧通道", "lane"), ("facility", "1单元电梯", "lift")]
    assert found() == public
    # Gas next door is told to those who may know who is at home.
    assert found(**key("statistics")) == [("unit", "3栋 302", "near"), *public]
