"""`cim user list`, `cim key list`, `cim role list`: as a table for people, as JSON for programs."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine

from cim.cli import main
from cim.settings import Settings
from tests.accounts import add_key, add_person, administrators


@pytest.fixture(scope="module", autouse=True)
def some(engine: Engine) -> None:
    administrators(engine)
    add_person(engine, "wang", "statistics")
    add_key(engine, "meters", "key-of-meters", ["residents"], scopes=("city.read",))


@pytest.fixture
def listed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("CIM_DATABASE_URL", settings.database_url or "")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> str:
        done = CliRunner().invoke(main, [*words])
        assert done.exit_code == 0, done.output
        return done.output

    return run


def named(found: str, name: str, by: str = "name") -> dict[str, Any]:
    return next(row for row in json.loads(found) if row[by] == name)


def test_accounts_keys_and_roles_are_listed(listed: Callable[..., str]) -> None:
    people = listed("user", "list")
    assert "使用人" in people and "0417" in people and "ready 可用" in people
    wang = next(line for line in people.splitlines() if "wang" in line)
    assert "statistics" in wang
    machines = listed("key", "list")
    assert "only 仅 city.read" in machines and "key-of-meters" not in machines
    roles = listed("role", "list")
    assert "audit administrator" in roles and "residents.read" in roles


def test_as_json_they_hold_all_that_is_known_and_no_secret(listed: Callable[..., str]) -> None:
    wang = named(listed("user", "list", "--json"), "wang")
    assert wang["roles"] == ["statistics"] and wang["ended_at"] is None
    key = named(listed("key", "list", "--json"), "meters")
    assert (key["owner"], key["scopes"], key["prefix"]) == ("system", ["city.read"], "key-")
    role = named(listed("role", "list", "--json"), "residents", "code")
    assert {right["scope"] for right in role["rights"]} >= {"city.read", "residents.read"}
