"""Who looks after devices sees which are silent, which lie, and whose fail; nobody else does."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from cim.commands.health import health
from cim.errors import InvalidQuery
from cim.feeds.history.rolling import roll
from tests.accounts import add_key

CHINA = timedelta(hours=8)
NOW = datetime.now(UTC)
TODAY = (NOW + CHINA).replace(hour=0, minute=0, second=0, microsecond=0) - CHINA
"""When the day of China began."""

SPOKEN = max(NOW - timedelta(minutes=20), TODAY)
"""When those that are well spoke last: today, also just after midnight."""

DEVICES = """
    INSERT INTO city.organisation (id, name, kind)
    VALUES (21, '安防甲', '企业'), (22, '安防乙', '企业');
    INSERT INTO city.device (id, class_code, name, vendor_org_id, bind_type, bind_id, building_id)
    VALUES (21, 'smoke', '好烟感', 21, 'storey', 3, 1), (22, 'smoke', '坏烟感', 21, 'storey', 3, 1),
        (23, 'gas', '燃气', 22, 'storey', 2, 1), (24, 'lift', '电梯', 22, 'entrance', 1, 1),
        (25, 'water_meter', '户内水表', 22, 'unit', 201, 1),
        (26, 'smoke', NULL, 22, NULL, NULL, NULL);
    INSERT INTO city.datastream (id, device_id, name, observed_property, interval_s, low, high)
    SELECT id, id, 'value', 'x', 3600, 0, 100 FROM city.device WHERE id BETWEEN 21 AND 25;
    INSERT INTO city.datastream (id, device_id, name, observed_property, interval_s, last_value)
    VALUES (31, 21, 'battery', 'battery level', 86400, 15),
        (32, 22, 'battery', 'battery level', 86400, 80)"""

READ = """
    INSERT INTO city.observation
    SELECT s, h + interval '5 minutes', 50, NULL, 0
    FROM generate_series(CAST(:since AS timestamptz), CAST(:today AS timestamptz)
            - interval '1 hour', interval '1 hour') h,
        unnest(ARRAY[21, 22, 23, 24, 25]) s
    WHERE s <> 22 OR extract(hour FROM h) < 12"""

PUT_UP = """
    INSERT INTO city.device (id, class_code, name) VALUES (27, 'gateway', '新装网关');
    INSERT INTO city.datastream (id, device_id, name, observed_property, interval_s, first_at,
        last_at, received_at)
    VALUES (27, 27, 'rssi', 'rssi', 3600, CAST(:today AS timestamptz) - interval '355 minutes',
            :spoken, :spoken),
        (28, 27, 'config', 'config', 86400, CAST(:today AS timestamptz) - interval '355 minutes',
            NULL, NULL);
    INSERT INTO city.observation
    SELECT 27, h + interval '5 minutes', -80, NULL, 0
    FROM generate_series(CAST(:today AS timestamptz) - interval '6 hours',
        CAST(:today AS timestamptz) - interval '1 hour', interval '1 hour') h"""
"""A device of the evening before: what it could not say before it was there is not missing."""

LATEST = """
    UPDATE city.datastream SET first_at = :since, last_value = CASE id WHEN 23 THEN 500 ELSE 50 END,
        quality = CASE id WHEN 23 THEN 4 ELSE 0 END,
        last_at = CASE id WHEN 22 THEN CAST(:now AS timestamptz) - interval '30 hours'
            ELSE :spoken END,
        received_at = CASE id WHEN 22 THEN CAST(:now AS timestamptz) - interval '30 hours'
            ELSE :spoken END + interval '2 seconds'
    WHERE id BETWEEN 21 AND 25"""

EVENTS = """
    INSERT INTO city.event (kind, device_id, started_at, ended_at, false_alarm)
    SELECT v.kind, v.device, CAST(:today AS timestamptz) - interval '2 days',
        CAST(:today AS timestamptz) - interval '2 days' + v.hours * interval '1 hour', v.wrong
    FROM (VALUES ('故障', 24, 2, false), ('故障', 24, 4, false), ('告警', 23, 1, true),
        ('告警', 23, 1, false), ('故障', 24, NULL, false)) AS v(kind, device, hours, wrong)"""


@pytest.fixture(scope="module", autouse=True)
def fleet(city: Any, engine: Engine) -> None:
    """Seven days of six devices, five of which speak."""
    known = {"since": TODAY - timedelta(days=7), "today": TODAY, "now": NOW, "spoken": SPOKEN}
    with engine.begin() as connection:
        connection.execute(
            text("SELECT city.prepare_days(:days)"),
            {"days": [(TODAY - timedelta(days=n)).date() for n in range(9)]},
        )
        for statement in DEVICES.split(";"):
            connection.execute(text(statement))
        for statement in (READ, LATEST, EVENTS, *PUT_UP.split(";")):
            names = {name: value for name, value in known.items() if f":{name}" in statement}
            connection.execute(text(statement), names)
        connection.execute(
            text(
                "INSERT INTO city.rollup_mark (datastream_id, since, until) "
                "SELECT s, :since, :today FROM generate_series(21, 27) s"
            ),
            {"since": known["since"], "today": TODAY},
        )
    for name, roles, at in (
        ("fleet", ["devices"], None),
        ("fleet-town", ["devices"], "441900001"),
        ("fleet-grid", ["devices"], "G01"),
        ("nosy", ["statistics"], None),
    ):
        add_key(engine, name, f"key-{name}", roles, at=at)
    asyncio.run(rolled(str(city.database_url)))


async def rolled(url: str) -> None:
    connection = await asyncpg.connect(url)
    assert await roll(connection, NOW) is not None
    await connection.close()


def ask(client: TestClient, what: str, who: str = "fleet", **params: Any) -> dict[str, Any]:
    answer = client.get(
        f"/devices/{what}", params=params, headers={"Authorization": f"Bearer key-{who}"}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def group(found: dict[str, Any], by: str, **key: Any) -> dict[str, Any]:
    return next(
        g for g in found["groups"] if g["by"] == by and (not key or key.items() <= g["key"].items())
    )


def test_a_device_passes_that_spoke_in_time_within_limits_and_without_alarm(
    client: TestClient,
) -> None:
    found = ask(client, "inspection", hours=24)
    states = {device["id"]: device["state"] for device in found["worst"] if device["id"] > 20}
    assert states == {22: "silent", 23: "outside", 24: "alarm", 26: "never"}
    smoke = group(found, "class", code="smoke")
    assert smoke["key"]["zh"] and smoke["key"]["en"]
    mine = ask(client, "inspection", vendor=21)
    assert group(mine, "all") == {
        "by": "all", "key": None, "devices": 2, "passed": 1, "silent": 1, "never": 0,
        "outside": 0, "alarm": 0,
    }  # fmt: skip
    assert group(mine, "vendor", id=21)["key"]["name"] == "安防甲"
    order = [device["state"] for device in found["worst"]]
    assert order == sorted(order, key=["alarm", "outside", "silent", "never"].index)


def test_longer_without_a_word_is_allowed_where_it_is_asked_so(client: TestClient) -> None:
    assert group(ask(client, "inspection", vendor=21, hours=48), "all")["passed"] == 2
    assert ask(client, "inspection", limit=1)["worst"][0]["state"] == "alarm"


def test_reliability_is_told_by_device_class_and_vendor(client: TestClient) -> None:
    found = ask(client, "health", days=7)
    devices = {device["id"]: device for device in found["worst"]}
    assert devices[21]["online_rate"] == 1 and devices[21]["offline_hours"] == 0
    assert devices[22]["online_rate"] == 0.5 and devices[22]["offline_hours"] == 84
    assert devices[22]["completeness"] < 0.5 < devices[23]["completeness"]
    assert devices[21]["online_now"] and not devices[22]["online_now"]
    assert devices[21]["delay_s"] == 2 and devices[21]["battery"] == 15
    assert (devices[26]["heard"], devices[26]["delay_s"]) == (None, None)
    good = group(ask(client, "health", vendor=21), "all")
    assert good["online_rate"] == 0.75
    assert (good["batteries"], good["batteries_low"]) == (2, 1)
    bad = group(ask(client, "health", vendor=22), "vendor", id=22)
    assert (bad["alarms"], bad["false_alarms"], bad["faults"]) == (5, 1, 3)
    assert bad["repair_hours"] == 3
    assert devices[24]["faults"] == 3


def test_of_the_day_on_which_it_was_put_up_counts_what_was_left_of_it(client: TestClient) -> None:
    (new,) = ask(client, "health", **{"class": "gateway"})["worst"]
    assert (new["online_rate"], new["offline_hours"]) == (1, 0)
    # Six of six by the hour, and a quarter of one by the day that did not come.
    assert new["completeness"] == 0.96
    # One that was put up today has no day yet, though it has not spoken.
    (none,) = [d for d in ask(client, "health", vendor=22)["worst"] if d["id"] == 26]
    assert (none["online_rate"], none["offline_hours"]) == (None, 0)


@pytest.mark.parametrize("what", ["health", "inspection"])
def test_the_worst_are_told_by_pages(client: TestClient, what: str) -> None:
    whole = [device["id"] for device in ask(client, what, limit=1000)["worst"]]
    found, page = [], ask(client, what, limit=2)
    assert page["groups"]
    while True:
        found += [device["id"] for device in page["worst"]]
        if page["next"] is None:
            break
        page = ask(client, what, limit=2, after=page["next"])
        assert page["groups"] == []
    assert found == whole and len(whole) > 3
    headers = {"Authorization": "Bearer key-fleet"}
    assert client.get(f"/devices/{what}?after=7", headers=headers).status_code == 422


def test_the_worst_come_first(client: TestClient) -> None:
    rates = [d["online_rate"] for d in ask(client, "health")["worst"]]
    known = [rate for rate in rates if rate is not None]
    assert known == sorted(known)


def test_it_is_for_who_looks_after_devices_and_where(client: TestClient) -> None:
    for what in ("inspection", "health"):
        assert client.get(f"/devices/{what}").status_code == 401
        nosy = {"Authorization": "Bearer key-nosy"}
        assert client.get(f"/devices/{what}", headers=nosy).status_code == 403
        whole = group(ask(client, what), "all")["devices"]
        # One is bound to nothing and lies nowhere; the camera is not public.
        grid = group(ask(client, what, "fleet-grid"), "all")["devices"]
        assert 0 < grid < whole
        assert 3 not in {device["id"] for device in ask(client, what, limit=1000)["worst"]}


def test_devices_in_homes_count_where_that_may_be_known(client: TestClient, engine: Engine) -> None:
    whole = group(ask(client, "inspection", **{"class": "water_meter"}), "all")["devices"]
    add_key(engine, "fleet-2", "key-fleet-2", ["devices"], scopes=("devices.write",))
    less = ask(client, "inspection", "fleet-2", **{"class": "water_meter"})
    assert whole == 2 and [g["devices"] for g in less["groups"] if g["by"] == "all"] == [0]


@pytest.mark.parametrize("params", [{"hours": 0}, {"class": "a-b"}, {"limit": -1}, {"area": 0}])
def test_what_cannot_be_asked_is_refused(client: TestClient, params: dict[str, Any]) -> None:
    headers = {"Authorization": "Bearer key-fleet"}
    answer = client.get("/devices/inspection", params=params, headers=headers)
    assert answer.status_code == 422 and answer.json()["detail_zh"]


@pytest.mark.parametrize("what", ["health", "inspection"])
@pytest.mark.parametrize(
    ("params", "status", "said"),
    [
        ({"class": "smok"}, 422, "there are smoke."),
        ({"class": "烟感"}, 422, "lift, access"),
        ({"vendor": 987}, 404, "vendor: no organisation has the id 987."),
        ({"vendor": 21, "area": 987}, 404, "area: no area has the id 987."),
    ],
)
def test_what_is_not_there_is_said_to_be_so_and_not_counted_as_nothing(
    client: TestClient, what: str, params: dict[str, Any], status: int, said: str
) -> None:
    headers = {"Authorization": "Bearer key-fleet"}
    answer = client.get(f"/devices/{what}", params=params, headers=headers)
    assert answer.status_code == status and said in answer.json()["detail"]
    assert answer.json()["detail_zh"]


def test_a_class_of_which_there_is_no_device_is_answered_with_none(client: TestClient) -> None:
    found = ask(client, "health", **{"class": "bin"})
    assert group(found, "all")["devices"] == 0 and found["worst"] == []


def test_the_command_says_the_same(city: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIM_DATABASE_URL", str(city.database_url))
    monkeypatch.setenv("COLUMNS", "250")
    shown = CliRunner().invoke(health, ["--vendor", "21", "--json"])
    assert shown.exit_code == 0, shown.output
    assert group(json.loads(shown.output), "all")["online_rate"] == 0.75
    table = CliRunner().invoke(health, ["--hours", "24", "--class", "smoke"])
    assert table.exit_code == 0 and "silent 静默" in table.output and "坏烟感" in table.output
    assert "最近上报" in table.output and "烟感" in table.output and "+00:00" not in table.output
    reliable = CliRunner().invoke(health, ["--vendor", "21"])
    assert reliable.exit_code == 0 and "offline h 离线" in reliable.output
    wrong = CliRunner().invoke(health, ["--class", "smok"])
    assert isinstance(wrong.exception, InvalidQuery) and "smoke" in str(wrong.exception)
