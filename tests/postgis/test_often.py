"""What is asked of a collection most, by texts that are made once: the same answers, no words."""

import asyncio
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, Engine, text

from cim.store.queries.collections import items, often
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.items import Ask, Sort
from cim.store.queries.ready import Asked
from tests.squares import SOUTH, WEST, insert

SIDE = 70
BUILDINGS = COLLECTIONS["buildings"]
BOX = (WEST + 0.001, SOUTH + 0.0301, WEST + 0.004, SOUTH + 0.0341)


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Engine:
    insert(engine, SIDE)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE city.building"))
    return engine


def ready(ask: Ask) -> Asked:
    found = often.page(ask)
    assert found is not None
    return found


def directly(url: str, *asked: Asked) -> list[list[tuple[Any, ...]]]:
    """The rows of each, on one connection, by plans made before any value is known."""

    async def run() -> list[list[tuple[Any, ...]]]:
        modes = {"plan_cache_mode": "force_generic_plan"}
        one = await asyncpg.connect(url, server_settings=modes)
        try:
            return [
                [tuple(row) for row in await one.fetch(each.sql, *each.values)] for each in asked
            ]
        finally:
            await one.close()

    return asyncio.run(run())


def plan(connection: Connection, asked: Asked) -> str:
    """How PostgreSQL goes about a statement whose plan is kept."""
    values = ", ".join(repr(value) for value in asked.values)
    connection.exec_driver_sql(f"PREPARE told AS {asked.sql}")
    lines = connection.exec_driver_sql(f"EXPLAIN (COSTS OFF) EXECUTE told({values})").scalars()
    found = "\n".join(lines)
    connection.exec_driver_sql("DEALLOCATE told")
    return found


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"after": (4000,)},
        {"box": BOX, "gathered": True},
        {"box": BOX, "gathered": True, "after": (4000,)},
        {"shows": ("height", "use")},
        {"srid": 4326, "swapped": True},
        {"limit": 150},
    ],
    ids=str,
)
def test_a_page_is_the_one_that_is_bound_anew(
    filled: Engine, database_url: str, more: dict[str, Any]
) -> None:
    ask = Ask(BUILDINGS, **{"limit": 7, **more})
    with filled.connect() as connection:
        bound = [tuple(row) for row in connection.execute(items.features(ask))]
    assert len(bound) == ask.limit + 1
    assert directly(database_url, ready(ask)) == [bound]


@pytest.mark.parametrize("name", COLLECTIONS)
def test_every_collection_can_be_asked_so(engine: Engine, database_url: str, name: str) -> None:
    here = COLLECTIONS[name]
    asks = [Ask(here), Ask(here, after=(1,)), Ask(here, box=BOX, gathered=True)]
    single = often.one(Ask(here), 1)
    assert single is not None
    found = directly(database_url, *map(ready, asks), single)
    with engine.connect() as connection:
        for ask, rows in zip(asks, found, strict=False):
            assert rows == [tuple(row) for row in connection.execute(items.features(ask))]
        feature = connection.execute(items.feature(Ask(here), 1)).all()
    assert found[-1] == [tuple(row) for row in feature]


def test_a_text_is_made_once_for_a_shape_and_holds_nothing_that_was_asked() -> None:
    other = Ask(BUILDINGS, limit=83, box=(1.5, 2.5, 3.5, 4.5), gathered=True, after=(987654,))
    same = replace(other, limit=9, box=BOX, after=(5,))
    assert ready(other).sql is ready(same).sql
    assert "987654" not in ready(other).sql and "83" not in ready(other).sql


def test_a_late_page_and_a_box_are_found_by_their_indexes(filled: Engine) -> None:
    late, box = Ask(BUILDINGS, limit=10, after=(4000,)), Ask(BUILDINGS, 10, box=BOX, gathered=True)
    with filled.connect() as connection:
        connection.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
        by_key, by_place = (plan(connection, ready(ask)) for ask in (late, box))
    assert "pk_building" in by_key and "Sort" not in by_key
    assert "ix_building_footprint" in by_place and "Seq Scan" not in by_place


def test_what_is_rare_is_bound_anew() -> None:
    device = COLLECTIONS["devices"]
    for rare in (
        Ask(BUILDINGS, sort=(Sort(BUILDINGS.properties["height"]),)),
        Ask(BUILDINGS, srid=4547),
        Ask(BUILDINGS, box=BOX),
        Ask(BUILDINGS, where=(BUILDINGS.properties["name"].expression == "x",)),
        Ask(device, sight=[(3, None)]),
    ):
        assert often.page(rare) is None
    assert often.one(Ask(device, sight=[(3, None)]), 1) is None
