"""A database that is on its way up is waited for, and told of; a wrong one is not."""

import logging

import pytest

from cim.errors import StoreMissing, StoreVersion
from cim.store import patience
from cim.store.patience import patiently

DOWN = StoreMissing("no PostgreSQL answers", "数据库没有响应")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.001)


def test_a_database_that_comes_up_is_waited_for_and_told_of_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[int] = []

    def make() -> str:
        tries.append(1)
        if len(tries) < 4:
            raise DOWN
        return "made"

    with caplog.at_level(logging.WARNING):
        assert patiently(make) == "made"
    [told] = caplog.messages
    assert "no PostgreSQL answers" in told
    assert "数据库没有响应" in told


def test_one_that_does_not_come_up_is_not_waited_for_for_ever() -> None:
    def make() -> None:
        raise DOWN

    with pytest.raises(StoreMissing):
        patiently(make, seconds=0.02)


def test_a_database_of_another_version_is_not_waited_for() -> None:
    tries: list[int] = []

    def make() -> None:
        tries.append(1)
        raise StoreVersion("too old", "版本过旧")

    with pytest.raises(StoreVersion):
        patiently(make)
    assert len(tries) == 1
