"""Alarms over HTTP: for whom they are, by what they are asked, and what is done with them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.settings import Settings
from tests.accounts import add_key, administrators
from tests.alarming import Teller, furnish

LIFT1, LIFT2, GAS, SMOKE_STOREY, THROWN, PRESSURE = 1011, 1021, 1061, 1101, 1071, 1091
RULE = {
    "name": "水压过高",
    "type": "threshold",
    "scope": {"class": ["water_pressure"]},
    "condition": {"above": 500, "margin": 50},
    "severity": 2,
    "message_zh": "{place}：水压 {value}",
}


@pytest.fixture(scope="module")
def city(engine: Engine, settings: Settings) -> Settings:
    furnish(engine)
    administrators(engine)
    for name, roles, at in (
        ("duty", ["devices"], None),
        ("duty-of-the-town", ["devices"], "441900001"),
        ("duty-of-elsewhere", ["devices"], "441900002"),
        ("statistics", ["statistics"], None),
    ):
        if at == "441900002":
            with engine.begin() as connection:
                connection.execute(
                    text("INSERT INTO city.admin_area (id, code, level, name, parent_id) "
                         "VALUES (3, '441900002', 4, '别镇', 1)")
                )  # fmt: skip
        add_key(engine, name, f"key-{name}", roles, at=at)
    add_key(engine, "rules-alone", "key-rules-alone", ["devices"], scopes=("alarms.write",))
    with engine.begin() as connection:
        connection.execute(text("UPDATE city.device SET secrecy = 1 WHERE id = 109"))
    return settings


@pytest.fixture(scope="module")
def told(city: Settings, engine: Engine) -> Iterator[Teller]:
    teller = Teller(engine, city)
    teller.say((LIFT1, 0, "E07"), (SMOKE_STOREY, 1, 1), (GAS, 2, 1), (THROWN, 3, 1))
    teller.say((LIFT2, 4, "E01"))
    teller.say((LIFT2, 5, "0"))
    teller.say((PRESSURE, 0, 350))
    teller.say((PRESSURE, 60, 100))
    yield teller
    teller.close()


def key(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer key-{name}"}


def codes(client: TestClient, query: str = "", name: str | None = None) -> list[str]:
    answer = client.get(f"/alarms{query}", headers=key(name) if name else {})
    assert answer.status_code == 200, answer.text
    return [one["rule"]["code"] for one in answer.json()["alarms"]]


PUBLIC = ["thrown_object", "smoke", "lift_fault"]


def test_alarms_that_go_on_are_told_newest_first(client: TestClient, told: Teller) -> None:
    first = client.get("/alarms").json()["alarms"][2]
    assert codes(client) == PUBLIC
    assert (first["kind"], first["severity"], first["state"]) == ("故障", 3, "open")
    assert first["message"]["en"].endswith("lift fault, code E07")
    assert first["place"]["text"] == "示范小区 3栋 1单元 1号电梯"
    assert (first["place"]["building_id"], first["place"]["height"]) == (1, 10)
    assert first["affected"] == {"units": 6, "buildings": [1]}
    assert first["device"]["class"]["zh"] == "电梯"


def test_alarms_in_homes_and_of_secret_devices_are_for_few(
    client: TestClient, told: Teller
) -> None:
    assert codes(client, name="statistics") == ["thrown_object", "gas", "smoke", "lift_fault"]
    gas = told.rows("SELECT id FROM city.event WHERE object_type = 'unit'")[0][0]
    assert client.get(f"/alarms/{gas}").status_code == 404
    assert client.get(f"/alarms/{gas}", headers=key("statistics")).status_code == 200
    assert codes(client, name="duty-of-the-town")[1] == "gas"
    assert codes(client, name="duty-of-elsewhere") == PUBLIC
    with told.engine.begin() as connection:
        connection.execute(
            text("UPDATE security.role_right SET secrecy = 1 WHERE role = 'statistics'"
                 " AND scope = 'city.read'")
        )  # fmt: skip
    assert codes(client, name="statistics")[0] == "water_pressure_drop"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?state=closed", ["lift_fault"]),
        ("?state=acknowledged", []),
        ("?severity=4", ["smoke"]),
        ("?kind=高空抛物", ["thrown_object"]),
        ("?class=lift&state=all", ["lift_fault", "lift_fault"]),
        ("?unit=31", ["lift_fault"]),
        ("?unit=41", ["smoke", "lift_fault"]),
        ("?unit=11", []),
        ("?building=1", PUBLIC),
        ("?building=2", []),
        ("?estate=1&severity=4", ["smoke"]),
        ("?area=1", PUBLIC),
        ("?area=3", []),
        ("?grid=1", PUBLIC),
        ("?bbox=113.87,22.91,113.89,22.93", PUBLIC),
        ("?bbox=110,20,111,21", []),
        ("?since=2026-11-20T08:00:02Z", ["thrown_object"]),
        ("?until=2026-11-20T08:00:01Z", ["lift_fault"]),
        ("?device=101", ["lift_fault"]),
    ],
)
def test_alarms_are_asked_by_what_they_are_and_where(
    client: TestClient, told: Teller, query: str, found: list[str]
) -> None:
    assert codes(client, query) == found


def test_pages_go_on_where_the_one_before_ended(client: TestClient, told: Teller) -> None:
    found, after = [], ""
    while True:
        page = client.get(f"/alarms?limit=1{after}").json()
        found += [one["rule"]["code"] for one in page["alarms"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == PUBLIC


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?state=gone", "state"),
        ("?severity=9", "severity"),
        ("?after=7", "after"),
        ("?bbox=1,2,3", "bbox"),
        ("?since=5", "since"),
        ("?unit=0", "unit"),
    ],
)
def test_what_is_asked_wrongly_is_named(
    client: TestClient, told: Teller, query: str, names: str
) -> None:
    answer = client.get(f"/alarms{query}")
    assert answer.status_code == 422 and names in answer.json()["detail"]


def event(told: Teller, rule: str) -> int:
    return int(
        told.rows(
            """SELECT max(e.id) FROM city.event e JOIN city.rule r ON r.id = e.rule_id
               WHERE r.code = :rule AND e.ended_at IS NULL""",
            rule=rule,
        )[0][0]
    )


def test_one_alarm_names_its_units_and_its_history(client: TestClient, told: Teller) -> None:
    found = client.get(f"/alarms/{event(told, 'lift_fault')}").json()
    assert [(unit["room_no"], unit["how"]) for unit in found["units"]][:2] == [
        ("301", "lift"),
        ("302", "lift"),
    ]
    assert [entry["kind"] for entry in found["history"]] == ["begin"]
    assert len(found["history"][0]["digest"]) == 64


def act(client: TestClient, id: int, what: str, name: str | None, **note: Any) -> Any:
    headers = key(name) if name else {}
    return client.post(f"/alarms/{id}/{what}", headers=headers, json=note or None)


def test_the_public_is_not_told_from_which_homes_something_may_have_been_thrown(
    client: TestClient, told: Teller
) -> None:
    [alarm] = client.get("/alarms?kind=高空抛物").json()["alarms"]
    whole = f"/alarms/{alarm['id']}"
    candidates = client.get(whole, headers=key("duty")).json()["units"]
    assert candidates and {unit["how"] for unit in candidates} == {"facade"}
    one = candidates[0]["id"]
    assert client.get(whole).json()["units"] == []
    assert client.get(whole, headers=key("duty-of-elsewhere")).json()["units"] == []
    assert "thrown_object" in codes(client, f"?unit={one}", "duty")
    assert "thrown_object" not in codes(client, f"?unit={one}")
    card = client.get(f"/units/{one}?expand=alarms").json()
    assert "facade" not in {each["affects"] for each in card["alarms"]}


def test_an_alarm_is_worked_on_by_who_may_there(client: TestClient, told: Teller) -> None:
    id = event(told, "smoke")
    assert act(client, id, "acknowledge", None).status_code == 401
    assert act(client, id, "acknowledge", "statistics").status_code == 403
    assert act(client, id, "acknowledge", "duty-of-elsewhere").status_code == 403
    done = act(client, id, "acknowledge", "duty-of-the-town")
    assert done.status_code == 200 and done.json()["state"] == "acknowledged"
    assert act(client, id, "acknowledge", "duty").status_code == 409
    assert act(client, id, "note", "duty", note="已派人查看").status_code == 200
    assert act(client, id, "note", "duty", note=" ").status_code == 422
    assert "persons" in act(client, id, "note", "duty", note="138 0000 0000").json()["detail"]
    assert act(client, id, "false", "duty").json()["false_alarm"] is True
    assert act(client, id, "end", "duty").status_code == 409
    whole = act(client, id, "reopen", "duty").json()
    assert (whole["state"], whole["false_alarm"]) == ("acknowledged", False)
    assert [entry["kind"] for entry in whole["history"]] == [
        "begin", "acknowledge", "note", "false", "reopen",
    ]  # fmt: skip
    assert whole["history"][1]["actor"] == "duty-of-the-town"
    # Who did it, and what they said, is told to those who work on alarms.
    public = client.get(f"/alarms/{id}").json()["history"]
    assert {(entry["actor"], entry["note"]) for entry in public} == {(None, None)}
    logged = told.rows(
        "SELECT event FROM security.audit_log WHERE event LIKE 'alarm.%' ORDER BY at"
    )
    assert [one for (one,) in logged][-4:] == [
        "alarm.acknowledge", "alarm.note", "alarm.false", "alarm.reopen",
    ]  # fmt: skip


def test_what_nobody_may_know_of_cannot_be_worked_on(client: TestClient, told: Teller) -> None:
    assert act(client, event(told, "gas"), "end", "duty-of-elsewhere").status_code == 404
    assert act(client, 10**9, "end", "duty").status_code == 404


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def test_rules_are_for_who_writes_them_in_the_whole_city(client: TestClient, told: Teller) -> None:
    assert client.get("/alarm-rules").status_code == 401
    assert client.get("/alarm-rules", headers=key("statistics")).status_code == 403
    assert client.get("/alarm-rules", headers=key("duty-of-the-town")).status_code == 403
    rules = client.get("/alarm-rules", headers=key("duty")).json()["rules"]
    assert {"lift_fault", "gas", "offline"} <= {rule["code"] for rule in rules}


def test_a_rule_is_added_changed_and_taken_away(client: TestClient, told: Teller) -> None:
    made = client.post("/alarm-rules", headers=key("duty"), json=RULE)
    assert made.status_code == 201, made.text
    at = made.headers["Location"]
    told.say((PRESSURE, 100, 600))
    mine = told.rows("SELECT id FROM city.event WHERE rule_id = :r", r=made.json()["id"])
    assert len(mine) == 1
    changed = RULE | {"condition": {"above": 900}}
    assert client.put(at, headers=key("duty"), json=changed).status_code == 200
    told.say((PRESSURE, 160, 610))
    assert told.state(mine[0][0]) == "closed"
    one = f"{at}/streams/1091"
    assert client.put(one, headers=key("duty"), json={"condition": {"above": 550}}).is_success
    told.say((PRESSURE, 220, 610))
    whole = client.get(at, headers=key("duty")).json()
    assert [each["condition"] for each in whole["overrides"]] == [{"above": 550}]
    assert client.delete(one, headers=key("duty")).status_code == 204
    assert client.delete(one, headers=key("duty")).status_code == 404
    assert client.delete(at, headers=key("duty")).status_code == 204
    assert client.get(at, headers=key("duty")).status_code == 404
    assert told.rows(
        "SELECT count(*) FROM city.event WHERE rule_id = :r AND ended_at IS NULL",
        r=made.json()["id"],
    ) == [(0,)]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"type": "guess"}, "type"),
        ({"scope": {}}, "scope"),
        ({"scope": {"class": ["spaceship"]}}, "spaceship"),
        ({"scope": {"colour": ["red"]}}, "colour"),
        ({"condition": {}}, "above"),
        ({"condition": {"above": "hot"}}, "above"),
        ({"condition": {"above": 1, "beyond": 2}}, "beyond"),
        ({"condition": {"above": 1, "margin": -1}}, "margin"),
        ({"condition": {"above": float("inf")}}, "above"),
        ({"condition": {"above": 1, "for_s": 1e18}}, "for_s"),
        ({"type": "silence", "condition": {"intervals": 1e9}}, "intervals"),
        ({"condition": {"above": 1, "below": 0.5, "margin": 1}}, "margins"),
        ({"type": "state", "condition": {"codes": ["1"], "normal": ["0"]}}, "codes"),
        ({"type": "together", "condition": {"parts": [{"above": 1}]}}, "parts"),
        ({"type": "together", "condition": {"parts": [{"above": 1, "codes": ["1"]}] * 2}}, "codes"),
        ({"type": "state", "condition": {"codes": ["1"], "above": 5}}, "condition.above"),
        ({"condition": {"above": 1, "least_s": 60}}, "condition.least_s"),
        ({"type": "state", "condition": {"codes": ["\x00"]}}, "condition"),
        ({"name": "\ud800"}, "name"),
        ({"message_zh": "a\x00"}, "message_zh"),
        ({"severity": 7}, "severity"),
        ({"affects": "everybody"}, "affects"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_and_named(
    client: TestClient, told: Teller, more: dict[str, Any], names: str
) -> None:
    sent = json.dumps(RULE | more)
    headers = key("duty") | {"Content-Type": "application/json"}
    answer = client.post("/alarm-rules", headers=headers, content=sent)
    assert answer.status_code == 422
    assert names in answer.json()["detail"] and answer.json()["detail_zh"]


def test_a_rule_is_tried_on_the_readings_that_are_kept(client: TestClient, told: Teller) -> None:
    with told.engine.begin() as connection:
        connection.execute(text("SELECT city.prepare_days(ARRAY['2026-11-20'::date])"))
        connection.execute(
            text("""INSERT INTO city.observation (datastream_id, phenomenon_time, result, quality)
                SELECT 1091, '2026-11-20Z'::timestamptz + n * interval '1 hour',
                    CASE WHEN n % 4 = 3 THEN 700 ELSE 300 END, CASE n WHEN 7 THEN 4 ELSE 0 END
                FROM generate_series(0, 11) n""")
        )
    asked: dict[str, Any] = {"rule": RULE}
    asked |= {"since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z"}

    def looked_at(name: str, *bound: tuple[str, int, str, str | None], secrecy: int = 0) -> int:
        """Readings, where the device was bound to these, from when until when."""
        bound = bound or (("building", 1, "2026-11-19Z", None),)
        held = ", ".join(
            f"(109, '{kind}', {id}, '{since}', {repr(until) if until else 'NULL'})"
            for kind, id, since, until in bound
        )
        with told.engine.begin() as connection:
            connection.execute(
                text(f"""UPDATE city.device SET secrecy = {secrecy} WHERE id = 109;
                    DELETE FROM city.device_binding WHERE device_id = 109;
                    INSERT INTO city.device_binding (device_id, bind_type, bind_id, valid_from,
                        valid_to) VALUES {held}""")
            )
        answer = client.post("/alarm-rule-trials", headers=key(name), json=asked)
        return int(answer.json()["readings"])

    # What a rule would have done tells what was read: of nothing that the caller may not read.
    assert looked_at("duty", secrecy=1) == 0
    home = ("unit", 32, "2026-11-19Z", None)
    assert looked_at("rules-alone", home) == 0
    assert looked_at("duty", home) == 11
    # It goes by what the device was bound to then: five hours in the building, the rest in a home.
    moved = (
        ("building", 1, "2026-11-19Z", "2026-11-20T05:00Z"),
        ("unit", 32, "2026-11-20T05:00Z", None),
    )
    assert looked_at("rules-alone", *moved) == 5
    assert looked_at("duty", *moved) == 11
    asked["rule"] = RULE | {"scope": {"class": ["water_pressure"], "building": [2]}}
    assert looked_at("duty", *moved) == 0
    asked["rule"] = RULE | {"scope": {"class": ["water_pressure"], "estate": [1]}}
    away = (
        ("building", 1, "2026-11-20T05:00Z", "2026-11-20T08:00Z"),
        ("project", 7, "2026-11-20T08:00Z", None),
    )
    assert looked_at("duty", *away) == 7  # until then it was where it was put up
    asked["rule"] = RULE
    assert looked_at("rules-alone") == 11
    found = client.post("/alarm-rule-trials", headers=key("duty"), json=asked).json()
    # Four in twelve are above, one of them is not good; the last has not ended.
    assert (found["readings"], found["streams"], found["alarms"], found["open"]) == (11, 1, 2, 1)
    assert found["first"][0]["begun"] == "2026-11-20T03:00:00+00:00"
    count = told.rows("SELECT count(*) FROM city.rule WHERE name = '水压过高' AND enabled")
    assert count == [(0,)]
    early = {"rule": RULE, "until": "0001-01-01T00:00:00Z"}
    assert client.post("/alarm-rule-trials", headers=key("duty"), json=early).status_code == 422
    silence = asked | {"rule": RULE | {"type": "silence", "condition": {}}}
    assert client.post("/alarm-rule-trials", headers=key("duty"), json=silence).status_code == 422
