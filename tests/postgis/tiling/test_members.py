"""Which tile each building is in: put right after any edit, it is what placing all anew gives."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from cim.store.copy import columns
from tiling.city.layers import BUILDINGS, Layer
from tiling.city.members import absorb, keep, members_of, place_all
from tiling.formats.tree import DEEPEST, Capacity, Key

SMALL = replace(BUILDINGS, capacity=Capacity(inner=3, leaf=6))
LEAVES = replace(BUILDINGS, capacity=Capacity(inner=0, leaf=4, highest_leaf=15))
NEVER = 0
"""A share of which no city is small enough for all to be placed anew."""

TYPES = {"footprint": "geometry", "footprint_area": "float8", "height": "float8"}
TYPES |= {"height_method": "text", "floors_above": "int2", "floors_method": "text"}


def insert(connection: Connection, seed: int, count: int) -> None:
    """Buildings about a few centres, some on one spot, of all sizes, some with many corners."""
    random = np.random.default_rng(seed)
    spread = random.choice([0.0, 1e-4, 0.003, 0.05], count)
    west, south = 113.75 + random.normal(0, spread), 23.0 + random.normal(0, spread)
    size = random.lognormal(-9, 1.2, count)
    boxes = shapely.box(west, south, west + size, south + size)
    crowded = random.random(count) < 0.03
    boxes[crowded] = shapely.segmentize(boxes[crowded], size[crowded] / 2_000)
    shapes = np.array([shapely.MultiPolygon([box]) for box in boxes])
    rows: dict[str, Any] = {
        "footprint": shapely.to_wkb(shapes).tolist(),
        "footprint_area": np.full(count, 100.0),
        "height": random.choice([3.0, 9.0, 90.0, 400.0], count),
        "height_method": ["given"] * count,
        "floors_above": np.ones(count, int),
        "floors_method": ["given"] * count,
    }
    columns.write(connection, "city.building", rows, TYPES)


EDITS = {
    "higher": "UPDATE city.building SET height = height * 3 + 1 WHERE id = ANY(:ids)",
    "lower": "UPDATE city.building SET height = 1 WHERE id = ANY(:ids)",
    "moved": """UPDATE city.building SET footprint = ST_Translate(footprint, 0.01, -0.004)
                WHERE id = ANY(:ids)""",
    "nudged": """UPDATE city.building SET footprint = ST_Translate(footprint, 2e-5, 0)
                 WHERE id = ANY(:ids)""",
    "grown": """UPDATE city.building SET footprint =
                    ST_Multi(ST_Scale(footprint, ST_Point(3, 3), ST_Centroid(footprint)))
                WHERE id = ANY(:ids) AND NOT ST_IsEmpty(footprint)""",
    "gone": "UPDATE city.building SET state = 'demolished' WHERE id = ANY(:ids)",
    "back": "UPDATE city.building SET state = 'existing' WHERE id = ANY(:ids)",
    "emptied": """UPDATE city.building SET footprint = 'SRID=4490;MULTIPOLYGON EMPTY'
                  WHERE id = ANY(:ids)""",
    "used": "UPDATE city.building SET use_code = 'office' WHERE id = ANY(:ids)",
}


def touch(connection: Connection, layer: Layer, ids: list[int]) -> None:
    connection.execute(
        text(
            "INSERT INTO platform.tile_touched (tileset, building_id) "
            "SELECT :t, unnest(CAST(:ids AS bigint[]))"
        ),
        {"t": layer.name, "ids": ids},
    )


def rows_of(connection: Connection) -> list[tuple[Any, ...]]:
    found = connection.execute(text("SELECT * FROM platform.tile_member ORDER BY building_id"))
    return [tuple(row) for row in found]


Edit = tuple[str, list[float]]
edits = st.lists(
    st.tuples(st.sampled_from([*EDITS, "new"]), st.lists(st.floats(0, 1, width=32), max_size=12)),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("layer", [SMALL, LEAVES])
@given(st.integers(0, 2**32), st.integers(1, 220), edits)
@settings(max_examples=40)
def test_members_put_right_are_those_placed_anew(
    engine: Engine, layer: Layer, seed: int, count: int, edits: list[Edit]
) -> None:
    with engine.connect() as connection:
        insert(connection, seed, count)
        keep(connection, layer, place_all(connection, layer))
        for name, chosen in edits:
            before = {row[1]: row for row in rows_of(connection)}
            if name == "new":
                newest = connection.scalar(text("SELECT max(id) FROM city.building"))
                insert(connection, seed + 1, len(chosen) + 1)
                ids = list(range(newest + 1, newest + len(chosen) + 2))
            else:
                all_ids = connection.scalars(text("SELECT id FROM city.building ORDER BY id")).all()
                ids = sorted({all_ids[int(place * (len(all_ids) - 1))] for place in chosen})
                connection.execute(text(EDITS[name]), {"ids": ids})
            touch(connection, layer, ids)
            dirty = absorb(connection, layer, NEVER)
            after = {row[1]: row for row in rows_of(connection)}
            moved = {i for i in before.keys() | after.keys() if before.get(i) != after.get(i)}
            needed = {
                Key(*row[2:4])
                for table in (before, after)
                for i, row in table.items()
                if i in moved or i in ids
            }
            assert needed <= dirty
        kept = rows_of(connection)
        keep(connection, layer, place_all(connection, layer))
        assert kept == rows_of(connection)
        connection.rollback()


def test_the_first_members_there_are_and_later_ones_are_written_alike(
    connection: Connection,
) -> None:
    insert(connection, 2, 300)
    members = place_all(connection, SMALL)
    connection.execute(text("TRUNCATE platform.tile_member"))
    built = "SELECT indexdef FROM pg_indexes WHERE tablename = 'tile_member' ORDER BY 1"
    indexes = connection.scalars(text(built)).all()
    keep(connection, SMALL, members)
    first = rows_of(connection)
    assert len(first) == 300
    assert connection.scalars(text(built)).all() == indexes and len(indexes) == 3
    keep(connection, SMALL, members)
    assert rows_of(connection) == first


def test_of_members_that_are_kept_only_those_that_differ_are_written(
    connection: Connection,
) -> None:
    insert(connection, 5, 200)
    before = place_all(connection, SMALL)
    keep(connection, SMALL, before)
    written = "SELECT building_id, ctid::text FROM platform.tile_member"
    places = dict(map(tuple, connection.execute(text(written))))
    connection.execute(text("UPDATE city.building SET height = height + 500 WHERE id % 50 = 0"))
    connection.execute(text("UPDATE city.building SET state = 'demolished' WHERE id % 50 = 1"))
    connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id % 50 = 2"))
    after = place_all(connection, SMALL)
    keep(connection, SMALL, after)
    found = rows_of(connection)
    now = dict(map(tuple, connection.execute(text(written))))
    stayed = [building for building, place in places.items() if now.get(building) == place]
    assert 140 <= len(stayed) <= 188
    connection.execute(text("TRUNCATE platform.tile_member"))
    keep(connection, SMALL, after)
    assert found == rows_of(connection)
    assert len(found) == 196


def test_members_of_one_tileset_leave_those_of_another_in_their_place(
    connection: Connection,
) -> None:
    insert(connection, 3, 50)
    connection.execute(text("TRUNCATE platform.tile_member"))
    other = replace(SMALL, name="other")
    keep(connection, other, place_all(connection, other))
    before = rows_of(connection)
    keep(connection, SMALL, place_all(connection, SMALL))
    found = rows_of(connection)
    assert len(found) == 100 and set(before) < set(found)


def test_what_is_touched_in_great_number_is_placed_anew(connection: Connection) -> None:
    insert(connection, 1, 300)
    keep(connection, SMALL, place_all(connection, SMALL))
    before = {row[1]: Key(*row[2:4]) for row in rows_of(connection)}
    connection.execute(text("UPDATE city.building SET height = 700 WHERE id % 2 = 0"))
    ids = connection.scalars(text("SELECT id FROM city.building WHERE id % 2 = 0")).all()
    touch(connection, SMALL, list(ids))
    dirty = absorb(connection, SMALL)
    after = {row[1]: Key(*row[2:4]) for row in rows_of(connection)}
    assert dirty == {
        key
        for table in (before, after)
        for identity, key in table.items()
        if identity in ids or before[identity] != after[identity]
    }
    assert absorb(connection, SMALL) == set()


def test_a_mark_without_a_building_stands_for_all(connection: Connection) -> None:
    insert(connection, 2, 50)
    connection.execute(
        text("INSERT INTO platform.tile_touched (tileset, building_id) VALUES ('buildings', NULL)")
    )
    dirty = absorb(connection, SMALL)
    members = place_all(connection, SMALL)
    assert dirty == set(members.keys()) and len(members) == 50
    assert members_of(connection, SMALL, dirty).building_id.tolist() == members.building_id.tolist()


def test_buildings_without_an_outline_are_told_apart(connection: Connection) -> None:
    insert(connection, 3, 5)
    connection.execute(
        text("""UPDATE city.building SET footprint = 'SRID=4490;MULTIPOLYGON EMPTY'
                WHERE id = (SELECT min(id) FROM city.building)""")
    )
    members = place_all(connection, SMALL)
    lowest = connection.scalar(text("SELECT min(id) FROM city.building"))
    assert members.lost.tolist() == [lowest] and len(members) == 4
    assert (members.level <= DEEPEST).all()
