"""Costly questions of one address leave room for everybody else's."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text

from api.app import create_app
from api.serving import heavy
from cim.settings import Settings

AREA = {
    "type": "Polygon",
    "coordinates": [[[113.8, 22.8], [114, 22.8], [114, 23], [113.8, 23], [113.8, 22.8]]],
}


@pytest.fixture
def far(city: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(city), client=("203.0.113.9", 5000)) as found:
        yield found


def test_one_address_does_not_take_every_connection(
    far: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its questions hang at a table that is locked; a card of another table is answered at once."""
    monkeypatch.setattr(heavy, "PATIENCE", 2.0)
    most = heavy.at_once(far.app.state.share)
    with ThreadPoolExecutor(40) as pool:
        with engine.begin() as other:
            other.execute(text("LOCK TABLE city.street IN ACCESS EXCLUSIVE MODE"))
            asked = [pool.submit(far.post, "/within?kinds=streets", json=AREA) for _ in range(40)]
            sleep(1)
            began = monotonic()
            assert far.get("/features/buildings?bbox=113.8,22.8,114,23").status_code == 200
            assert monotonic() - began < 3
            until = monotonic() + 10
            while sum(one.done() for one in asked) < 40 - most and monotonic() < until:
                sleep(0.1)
            refused = [one.result() for one in asked if one.done()]
            assert {one.status_code for one in refused} == {429} and len(refused) == 40 - most
            assert refused[0].headers["retry-after"] == "5"
        assert [one.result().status_code for one in asked].count(200) == most
    assert far.post("/within?kinds=streets", json=AREA).status_code == 200


def test_filters_of_one_address_keep_nobody_else_waiting(
    far: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter may look through all there is; features come through the same pool."""
    monkeypatch.setattr(heavy, "PATIENCE", 2.0)
    most = heavy.at_once(far.app.state.share)
    wanted = "/ogc/collections/parcels/items?filter=land_use LIKE '%25x%25'"
    with ThreadPoolExecutor(40) as pool:
        with engine.begin() as other:
            other.execute(text("LOCK TABLE city.parcel IN ACCESS EXCLUSIVE MODE"))
            asked = [pool.submit(far.get, wanted) for _ in range(40)]
            sleep(1)
            began = monotonic()
            assert far.get("/features/buildings?bbox=113.8,22.8,114,23").status_code == 200
            assert monotonic() - began < 3
        statuses = [one.result().status_code for one in asked]
    assert set(statuses) <= {200, 429} and statuses.count(200) >= most


def test_one_key_at_many_addresses_gets_no_further(
    city: Settings, far: TestClient, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many of its questions are worked on as of one address; nobody's from there still are."""
    monkeypatch.setattr(heavy, "PATIENCE", 1.0)
    far.app.state.share, known = 2, {"Authorization": "Bearer key-plain"}

    def ask(number: int, headers: dict[str, str]) -> int:
        there = TestClient(far.app, client=(f"198.51.100.{number}", 5000))
        there.portal = far.portal  # one loop, as one process has
        return int(there.post("/within?kinds=streets", json=AREA, headers=headers).status_code)

    with ThreadPoolExecutor(10) as pool:
        with engine.begin() as other:
            other.execute(text("LOCK TABLE city.street IN ACCESS EXCLUSIVE MODE"))
            asked = [pool.submit(ask, number, known) for number in range(4)]
            sleep(0.5)
            stranger = pool.submit(ask, 9, {})
            sleep(2)
            assert sorted(one.result() for one in asked if one.done()) == [429] * 3
            assert not stranger.done()
        assert sorted(one.result() for one in asked) == [200, 429, 429, 429]
        assert stranger.result() == 200


def test_what_costs_little_does_not_wait(far: TestClient) -> None:
    with ThreadPoolExecutor(10) as pool:
        answers = pool.map(far.get, ["/units/201"] * 10)
    assert {answer.status_code for answer in answers} == {200}
