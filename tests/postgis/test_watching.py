"""What is watched is what a tileset's statements read, no more and no less."""

import time
from threading import Thread

from sqlalchemy import Connection, Engine, text
from sqlalchemy.sql import ClauseElement

from cim.model.buildings import building, floor_slot, unit
from cim.store.watching import columns_read, listen, wait, watch
from tiling.layers import BUILDINGS, LAYERS, UNITS


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
