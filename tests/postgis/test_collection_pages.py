"""How PostgreSQL goes about a page of a collection: a late page costs what the first costs."""

import json
from typing import Any

import pytest
import shapely
from sqlalchemy import Engine, text

from cim.store.queries.collections import items
from cim.store.queries.collections.definitions import COLLECTIONS
from cim.store.queries.collections.items import Ask, Sort
from tests.squares import SOUTH, WEST, insert

SIDE = 70
BUILDINGS = COLLECTIONS["buildings"]


@pytest.fixture(scope="module")
def filled(engine: Engine) -> Engine:
    insert(engine, SIDE)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE INDEX ix_test_height ON city.building (height, id)"))
        connection.execute(text("VACUUM ANALYZE city.building"))
    return engine


def read(engine: Engine, ask: Ask) -> tuple[list[int], int]:
    """The ids of a page, and how many pages of the database were touched for it."""
    statement = items.features(ask).compile(engine)
    with engine.connect() as connection:
        cursor: Any = connection.connection.cursor()
        cursor.execute(
            "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + str(statement), statement.params
        )
        plan = cursor.fetchone()[0]
        found = [row.id for row in connection.execute(items.features(ask))]
    plan = plan if isinstance(plan, list) else json.loads(plan)
    return found, plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"]


def test_a_late_page_touches_no_more_than_the_first(filled: Engine) -> None:
    first, early = read(filled, Ask(BUILDINGS, limit=10))
    last, late = read(filled, Ask(BUILDINGS, limit=10, after=(first[0] + SIDE * SIDE - 12,)))
    assert first == list(range(first[0], first[0] + 11))
    assert len(last) == 11 and last[-1] == first[0] + SIDE * SIDE - 1
    assert late <= early + 5


def test_a_late_page_that_is_sorted_touches_no_more_either(filled: Engine) -> None:
    sort = (Sort(BUILDINGS.properties["height"]),)
    with filled.connect() as connection:
        place = connection.execute(
            text("SELECT height, id FROM city.building ORDER BY height, id OFFSET 4800 LIMIT 1")
        ).one()
    _, early = read(filled, Ask(BUILDINGS, limit=10, sort=sort))
    found, late = read(filled, Ask(BUILDINGS, limit=10, sort=sort, after=tuple(place)))
    assert len(found) == 11 and late <= early + 5


def test_a_box_whose_ids_lie_late_is_not_sought_along_the_ids(filled: Engine) -> None:
    north = SOUTH + (SIDE - 4) * 5e-4
    box = shapely.to_wkb(shapely.box(WEST, north, WEST + 0.002, north + 0.002))
    here = (items.meets(BUILDINGS, box, upright=True),)
    found, gathered = read(filled, Ask(BUILDINGS, limit=5, where=here, gathered=True))
    assert len(found) == 6 and found == sorted(found)
    assert gathered < 60


def test_a_box_takes_what_meets_it_and_nothing_that_only_its_own_box_does(engine: Engine) -> None:
    corner = "SRID=4490;MULTIPOLYGON(((10 10,11 10,10 11,10 10)))"
    with engine.begin() as connection:
        key = connection.execute(
            text(
                "INSERT INTO city.building (footprint, footprint_area, height, height_method, "
                "floors_above, floors_method) VALUES (:g, 1, 3, 'given', 1, 'given') RETURNING id"
            ),
            {"g": corner},
        ).scalar_one()
        for bounds, expected in (
            ((10.9, 10.9, 12, 12), []),
            ((10.4, 10.4, 12, 12), [key]),
            ((9, 9, 12, 12), [key]),
        ):
            where = (items.meets(BUILDINGS, shapely.to_wkb(shapely.box(*bounds)), upright=True),)
            rows = connection.execute(items.features(Ask(BUILDINGS, where=where))).all()
            assert [row.id for row in rows] == expected
        connection.execute(text("DELETE FROM city.building WHERE id = :id"), {"id": key})
