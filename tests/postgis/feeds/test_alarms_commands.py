"""`cim alarm` and `cim webhook`, as whoever is on duty and the administrator use them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from cim.commands.alarm import alarm
from cim.commands.webhook import webhook
from cim.settings import Settings
from tests.accounts import PASSWORD, add_person, administrators
from tests.alarming import Teller, furnish

LIFT1 = 1011
Run = Callable[..., str]


@pytest.fixture(scope="module")
def city(engine: Engine) -> Engine:
    furnish(engine)
    administrators(engine)
    add_person(engine, "duty", "devices")
    return engine


@pytest.fixture(scope="module")
def told(city: Engine, settings: Settings) -> Iterator[Teller]:
    teller = Teller(city, settings)
    yield teller
    teller.close()


@pytest.fixture
def run(city: Engine, settings: Settings) -> Run:
    env = {"CIM_DATABASE_URL": settings.database_url, "CIM_DATA_DIR": str(settings.data_dir)}

    def ran(*words: str, code: int = 0) -> str:
        group = {"alarm": alarm, "webhook": webhook}[words[0]]
        done = CliRunner(env=env).invoke(group, list(words[1:]), input=PASSWORD + "\n")
        assert done.exit_code == code, done.output + str(done.exception or "")
        return done.output

    return ran


def test_an_alarm_is_worked_on_at_the_console(told: Teller, run: Run) -> None:
    (begun,) = told.say((LIFT1, 0, "E07"))
    id = str(begun.event_id)
    assert "电梯故障" in run("alarm", "list", "--json")
    tried = run("alarm", "ack", id, "--as", "duty", "--dry-run")
    assert "nothing was kept" in tried
    assert "已确认" in run("alarm", "ack", id, "--note", "维保已派单", "--as", "duty")
    run("alarm", "note", id, "--note", "门机更换", "--as", "duty")
    run("alarm", "close", id, "--as", "duty")
    run("alarm", "reopen", id, "--as", "duty")
    run("alarm", "false", id, "--as", "duty")
    run("alarm", "ack", id, "--as", "security", code=1)
    told_ = json.loads(run("alarm", "history", id, "--json"))
    assert [(one["kind"], one["actor"]) for one in told_] == [
        ("begin", None), ("acknowledge", "duty"), ("note", "duty"), ("end", "duty"),
        ("reopen", "duty"), ("false", "duty"),
    ]  # fmt: skip
    assert "6 entries are as they were written" in run("alarm", "verify")


def test_an_alarm_that_is_none_is_said(run: Run) -> None:
    with pytest.raises(AssertionError, match="No alarm has the id 99999"):
        run("alarm", "history", "99999")
    assert "--device" in run("alarm", "list", "--device", "9" * 25, code=2)


def test_rules_are_brought_from_a_file(told: Teller, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rules.json"
    rule = {"name": "水压过高", "type": "threshold", "scope": {"class": ["water_pressure"]}}
    file.write_text(json.dumps([rule | {"condition": {"above": 500}}], ensure_ascii=False))
    run("alarm", "rules", "--file", str(file), "--as", "duty")
    (mine,) = [
        one for one in json.loads(run("alarm", "rules", "--json")) if one["name"] == rule["name"]
    ]
    assert (mine["condition"], mine["updated_by"], mine["enabled"]) == (
        {"above": 500},
        "duty",
        True,
    )
    file.write_text(json.dumps([{"id": mine["id"], "enabled": False}]))
    run("alarm", "rules", "--file", str(file), "--as", "duty")
    again = {one["id"]: one for one in json.loads(run("alarm", "rules", "--json"))}
    assert again[mine["id"]]["enabled"] is False
    assert again[mine["id"]]["condition"] == {"above": 500}
    run("alarm", "rules", "--file", str(file), code=2)
    count = len(again)
    changed = rule | {"condition": {"above": 400}}
    file.write_text(json.dumps([changed, rule | {"name": "另一条", "condition": {"below": 1}}]))
    tried = ("alarm", "rules", "--file", str(file), "--as", "duty", "--dry-run")
    assert f"rule {mine['id']} is changed" in run(*tried)
    again = {one["id"]: one for one in json.loads(run("alarm", "rules", "--json"))}
    assert len(again) == count and again[mine["id"]]["condition"] == {"above": 500}
    for _ in range(2):
        run(*tried[:-1])
    again = {one["id"]: one for one in json.loads(run("alarm", "rules", "--json"))}
    assert len(again) == count + 1 and again[mine["id"]]["condition"] == {"above": 400}
    file.write_text('[{"name": "')
    with pytest.raises(AssertionError, match=r"rules.json, line 1: this is no JSON"):
        run(*tried)


def test_webhooks_are_kept_at_the_console(told: Teller, run: Run) -> None:
    where = "https://regulator.example/alarms"
    add = ("webhook", "add", "安检", where, "--classes", "lift", "--as", "system")
    assert "whsec_" not in run(*add, "--dry-run")
    assert json.loads(run("webhook", "list", "--json")) == []
    assert "whsec_" in run(*add)
    run("webhook", "add", "别处", where, "--as", "duty", code=1)
    (kept,) = json.loads(run("webhook", "list", "--json"))
    assert (kept["name"], kept["filter"]) == ("安检", {"classes": ["lift"]})
    assert "whsec_" in run("webhook", "change", "安检", "--secret", "--off", "--as", "system")
    assert json.loads(run("webhook", "dead", "--json")) == []
    assert "0 wait again" in run("webhook", "again", "安检", "--as", "system")
    run("webhook", "change", "安检", "--as", "system", code=1)
    # What is not said of a filter stays; what tells of homes is for another administrator.
    run("webhook", "change", "安检", "--readings", "changed", "--every", "5", "--as", "system")
    run("webhook", "change", "安检", "--homes", "--as", "system", code=1)
    run("webhook", "change", "安检", "--homes", "--as", "security")
    (kept,) = json.loads(run("webhook", "list", "--json"))
    readings = {"readings": "changed", "every_s": 5}
    assert kept["filter"] == {"classes": ["lift"], "homes": True} | readings
    run("webhook", "change", "安检", "--no-homes", "--readings", "none", "--as", "system", code=1)
    run("webhook", "change", "安检", "--no-homes", "--readings", "none", "--as", "security")
    (kept,) = json.loads(run("webhook", "list", "--json"))
    assert kept["filter"] == {"classes": ["lift"], "homes": False}
    for words in (("change", "安检", "--secret"), ("again", "安检"), ("end", "安检")):
        tried = run("webhook", *words, "--as", "system", "--dry-run")
        assert "nothing was kept" in tried and "whsec_" not in tried
    assert [one["name"] for one in json.loads(run("webhook", "list", "--json"))] == ["安检"]
    run("webhook", "end", "安检", "--as", "system")
    assert json.loads(run("webhook", "list", "--json")) == []
