"""Kept vector tiles are made once, are true after every change, and hold nothing that is closed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event, text

from cim.security import roles
from cim.security.rights import CITY_READ
from cim.store.queries.vector.matrices import GEOGRAPHIC, MATRIX_SETS, WEB, MatrixSet
from tests.accounts import add_key, stand
from tests.vectortiles import SETS, Opened, url


@pytest.fixture
def opened(client: TestClient, tmp_path: Path) -> Opened:
    return Opened(client, tmp_path)


@pytest.fixture
def statements(client: TestClient) -> Iterator[list[str]]:
    """What the service asks of the database for tiles, while the test runs."""
    asked: list[str] = []

    def seen(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "ST_AsMVT(" in statement:
            asked.append(statement)

    engine = client.app.state.store.engine.sync_engine  # type: ignore[attr-defined]  # the app's own
    event.listen(engine, "before_cursor_execute", seen)
    yield asked
    event.remove(engine, "before_cursor_execute", seen)


def change(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


FAR = [2, 8, 11, 12, 13, 14]
"""Zooms whose tiles are kept, with cells and with features."""


@pytest.mark.parametrize("matrices", [WEB, GEOGRAPHIC], ids=SETS[:2])
@pytest.mark.parametrize("zoom", FAR)
def test_a_kept_tile_is_made_once(
    client: TestClient, statements: list[str], zoom: int, matrices: MatrixSet
) -> None:
    first = client.get(url("buildings", zoom, matrices))
    made = len(statements)
    again = client.get(url("buildings", zoom, matrices))
    assert len(statements) == made
    assert again.content == first.content and again.headers["etag"] == first.headers["etag"]


def test_where_there_is_nothing_of_one_collection_that_is_kept_too(
    client: TestClient, statements: list[str]
) -> None:
    together = url(None, 14)
    first = client.get(together)
    client.get(together)  # whatever was empty beside the first tiles is kept now
    statements.clear()
    assert client.get(together).content == first.content
    assert statements == []


def test_nothing_is_kept_of_places_where_there_is_nothing(
    client: TestClient, engine: Engine
) -> None:
    ocean = (-30.0, -40.0)
    kept = "SELECT count(*) FROM platform.vector_tile"
    with engine.connect() as connection:
        before = connection.scalar(text(kept))
        for zoom in (6, 10, 14):
            assert client.get(url(None, zoom, place=ocean)).status_code == 204
        assert connection.scalar(text(kept)) == before


def test_sets_that_differ_in_numbers_alone_share_their_tiles(
    client: TestClient, statements: list[str]
) -> None:
    first = client.get(url("estates", 13, GEOGRAPHIC))
    statements.clear()
    assert client.get(url("estates", 13, MATRIX_SETS["CGCS2000Quad"])).content == first.content
    assert statements == []


@pytest.mark.parametrize("zoom", FAR)
def test_a_change_shows_in_kept_tiles_with_its_commit(
    client: TestClient, opened: Opened, engine: Engine, zoom: int
) -> None:
    def known() -> tuple[int, set[Any]]:
        tile = opened(url("buildings", zoom))
        counted = sum(cell["count"] for cell in tile.get("buildings_cells", []))
        return counted, {each.get("name") for each in tile.get("buildings", [])}

    before = known()
    assert before[0] == (2 if zoom < 14 else 0)
    change(
        engine,
        "INSERT INTO city.building (id, name, footprint, footprint_area, height, height_method,"
        " floors_above, floors_method) SELECT 77, '新楼', ST_Multi(ST_Expand(ST_SetSRID("
        "ST_MakePoint(113.8815, 22.9203), 4490), 0.0008)), 26000, 30, 'given', 10, 'given'",
    )
    assert known() == (before[0] + (zoom < 14), before[1] | ({"新楼"} if zoom >= 11 else set()))
    change(engine, "UPDATE city.building SET name = '改名' WHERE id = 77")
    assert known() == (before[0] + (zoom < 14), before[1] | ({"改名"} if zoom >= 11 else set()))
    change(engine, "UPDATE city.building SET ended_at = now() WHERE id = 77")
    assert known() == before
    change(engine, "DELETE FROM city.building WHERE id = 77")
    assert known() == before


def test_what_tiles_do_not_show_leaves_them_as_they_are(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    client.get(url("buildings", 12))
    statements.clear()
    change(engine, "UPDATE city.building SET fire_class = '二级', updated_at = now() WHERE id = 1")
    client.get(url("buildings", 12))
    assert statements == []
    change(engine, "UPDATE city.building SET fire_class = NULL WHERE id = 1")


def test_a_change_elsewhere_leaves_a_tile_kept(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    elsewhere = (113.95, 22.85)
    client.get(url("areas", 14, place=elsewhere))
    client.get(url("streets", 14))
    statements.clear()
    change(engine, "UPDATE city.street SET name = '新路' WHERE id = 1")
    client.get(url("areas", 14, place=elsewhere))
    assert statements == []
    client.get(url("streets", 14))
    assert len(statements) == 1
    change(engine, "UPDATE city.street SET name = '示范路' WHERE id = 1")


def test_a_change_that_is_taken_back_leaves_no_trace(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    client.get(url("buildings", 14))
    statements.clear()
    with engine.connect() as connection:
        connection.execute(text("UPDATE city.building SET name = 'x' WHERE id = 1"))
        client.get(url("buildings", 14))
        connection.rollback()
    client.get(url("buildings", 14))
    assert statements == []


def test_a_hundred_who_ask_for_one_tile_have_it_made_once_or_twice(
    client: TestClient, engine: Engine, statements: list[str]
) -> None:
    change(engine, "UPDATE city.building SET name = '四栋' WHERE id = 1")
    with ThreadPoolExecutor(100) as many:
        answers = list(many.map(lambda _: client.get(url("buildings", 13)), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert 1 <= len(statements) <= 3
    change(engine, "UPDATE city.building SET name = '3栋' WHERE id = 1")


def test_what_is_not_public_is_for_those_who_are_cleared_and_never_kept(
    client: TestClient, opened: Opened, engine: Engine
) -> None:
    change(
        engine,
        "UPDATE city.device SET geom = ST_SetSRID(ST_MakePoint(113.8801, 22.9201), 4490)"
        " WHERE id = 3",
    )
    with engine.begin() as connection:
        stand(connection, "security")
        roles.add(connection, "guard", "安防", "cameras")
        roles.allow(connection, roles.Allowed("guard", CITY_READ, "devices", secrecy=2))
    add_key(engine, "guard", "key-guard", ["guard"])
    cleared = {"Authorization": "Bearer key-guard"}

    def ids(**headers: str) -> set[int]:
        return {each["mvt_id"] for each in opened(url("devices", 15), **headers)["devices"]}

    assert ids() == {1, 2, 4}
    assert ids(**cleared) == {1, 2, 3, 4}
    assert ids() == {1, 2, 4}
    answer = client.get(url("devices", 15), headers=cleared)
    assert answer.headers["cache-control"] == "private, no-cache"
    with engine.connect() as connection:
        kept = connection.scalars(text("SELECT DISTINCT collection FROM platform.vector_tile"))
        assert "devices" not in set(kept)
