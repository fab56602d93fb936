"""What a broker keeps for an ingester is found again by it."""

from pathlib import Path

import pytest

from cim.feeds import heirs


def test_a_container_that_is_made_anew_goes_by_the_name_that_its_broker_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "3f2a")
    before = heirs.name(heirs.host(tmp_path), 1, "own")
    monkeypatch.setattr("socket.gethostname", lambda: "77c1")
    assert heirs.name(heirs.host(tmp_path), 1, "own") == before == "cim-3f2a-1-own"
