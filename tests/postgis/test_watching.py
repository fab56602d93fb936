"""What is watched is what a tileset's statements read, no more and no less."""

import time
from threading import Thread

from sqlalchemy import Connection, Engine, text
from sqlalchemy.sql import ClauseElement

from cim.model.buildings import building, floor_slot, unit
from cim.store.queries.tiles.which import Which
from cim.store.watching import columns_read, listen, wait, watch
from tiling.city.layers import BUILDINGS, LAYERS, PLANNED, UNITS


def statements(layer_name: str) -> tuple[ClauseElement, ...]:
    layer = LAYERS[layer_name]
    return tuple(layer.reads())


def functions(connection: Connection) -> set[str]:
    found = connection.scalars(
        text(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'platform'::regnamespace "
            "AND proname LIKE 'tiles%'"
        )
    )
    return set(found)


def test_the_columns_that_statements_read_are_known_by_table() -> None:
    read = columns_read(statements(UNITS.name))
    assert {"outline"} <= read[floor_slot] and {"kind", "slot_id", "ended_at"} <= read[unit]
    assert "occupancy_status" not in read[unit] and "name" not in read[building]
    assert unit not in columns_read(statements(BUILDINGS.name))


def test_triggers_come_with_the_first_build_and_are_made_anew_for_other_columns(
    connection: Connection,
) -> None:
    assert functions(connection) == set()
    both = statements(BUILDINGS.name)
    assert watch(connection, "buildings", both)
    assert "tiles_buildings_building" in functions(connection)
    assert not watch(connection, "buildings", both)
    connection.execute(text("DELETE FROM platform.tile_touched"))
    assert watch(connection, "buildings", [building.select()])
    touched = connection.execute(text("SELECT tileset, building_id FROM platform.tile_touched"))
    assert [tuple(row) for row in touched] == [("buildings", None)]
    assert functions(connection) == {"tiles_buildings_building"}


def test_many_buildings_are_each_marked_once_and_nothing_is_compiled_for_that(
    connection: Connection,
) -> None:
    box = "ST_Multi(ST_MakeEnvelope(113, 22, 113.001, 22.001, 4490))"
    connection.execute(
        text(
            "INSERT INTO city.building (footprint, footprint_area, height, height_method,"
            f" floors_above, floors_method) SELECT {box}, 1, 3, 'given', 1, 'given'"
            " FROM generate_series(1, 50)"
        )
    )
    for layer in LAYERS.values():
        watch(connection, layer.name, layer.reads(), layer.which)
    connection.execute(text("DELETE FROM platform.tile_touched"))
    connection.execute(text("UPDATE city.building SET height = height + 1 WHERE id % 2 = 0"))
    marked = "SELECT building_id FROM platform.tile_touched WHERE tileset = 'buildings'"
    moved = "SELECT id FROM city.building WHERE height = 4"
    found = [sorted(connection.scalars(text(one)).all()) for one in (marked, moved)]
    assert found[0] == found[1] and len(found[0]) == 25
    compiled = "SELECT proname FROM pg_proc WHERE proname LIKE 'tiles\\_%'"
    compiled += " AND 'jit=off' <> ALL(proconfig)"
    assert functions(connection) and not connection.scalars(text(compiled)).all()


def test_whoever_listens_hears_at_once_and_else_waits(engine: Engine) -> None:
    def touch() -> None:
        time.sleep(0.3)
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_notify('cim_tiles', 'buildings')"))

    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        listen(connection)
        assert not wait(connection, 0.1)
        thread = Thread(target=touch)
        thread.start()
        began = time.monotonic()
        assert wait(connection, 20.0) and time.monotonic() - began < 10
        thread.join()


def test_of_some_buildings_alone_the_rows_of_others_mark_nothing(
    connection: Connection,
) -> None:
    box = BUILDINGS.part("box", Which(box=(113.0, 22.0, 114.0, 23.0)))
    for layer in (PLANNED, box):
        watch(connection, layer.name, layer.reads(), layer.which)

    def marked(statement: str) -> set[tuple[str, int | None]]:
        connection.execute(text("DELETE FROM platform.tile_touched"))
        connection.execute(text(statement))
        rows = connection.execute(text("SELECT tileset, building_id FROM platform.tile_touched"))
        return {(row[0], row[1]) for row in rows}

    assert marked("""
        INSERT INTO city.building (id, state, footprint, footprint_area, height, height_method,
                                   floors_above, floors_method)
        OVERRIDING SYSTEM VALUE
        SELECT id, state, ST_Multi(ST_MakeEnvelope(west, 22.5, west + 0.001, 22.501, 4490)),
               1, 3, 'given', 1, 'given'
        FROM (VALUES (1, 'existing', 113.5), (2, 'planned', 113.5), (3, 'existing', 114.5),
                     (4, 'planned', 114.5)) v(id, state, west)
    """) == {("planned", 2), ("planned", 4), ("box", 1)}
    grown = marked("UPDATE city.building SET height = height + 1")
    assert grown == {("planned", 2), ("planned", 4), ("box", 1)}
    assert marked("UPDATE city.building SET state = 'existing' WHERE id IN (2, 3)") == {
        ("planned", 2),
        ("box", 2),
    }
    away = "UPDATE city.building SET footprint = ST_Translate(footprint, {}, 0) WHERE id = {}"
    assert marked(away.format(2, 1)) == {("box", 1)}
    assert marked(away.format(-1, 3)) == {("box", 3)}
    assert marked(away.format(-2, 1)) == {("box", 1)}
    assert marked("UPDATE city.building SET state = 'planned' WHERE id = 1") == {
        ("planned", 1),
        ("box", 1),
    }
    assert marked("DELETE FROM city.building WHERE id IN (1, 4)") == {
        ("planned", 1),
        ("planned", 4),
    }
