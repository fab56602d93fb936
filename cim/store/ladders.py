"""Addresses on their way in: what each is the address of, and the address above it."""

from cim.store import merge
from cim.store.queries import ladders as statements
from cim.store.queries import links as references
from cim.store.stage import ROWS, Counts, Stage


def settle(stage: Stage) -> None:
    """Find the building, entrance and unit: by code, by the ladder, else by place."""
    _by_code(stage)
    stage.run(f"CREATE INDEX ON {ROWS} (row_no)")
    stage.run(f"ANALYZE {ROWS}")
    stage.run(statements.towns_without_word(ROWS))
    stage.run(statements.buildings_of_addresses(ROWS))
    stage.run(statements.buildings_of_estates(ROWS))
    stage.run(statements.estates(ROWS))
    if stage.geometry:
        stage.run(statements.buildings_by_place(ROWS))
    stage.run(references.entrances(ROWS, "entrance_no"))
    stage.run(references.rooms(ROWS, "room_no", "entrance_no"))
    stage.run(f"UPDATE {ROWS} SET unit_id = NULL WHERE unit_id = -1")
    stage.run(statements.areas(ROWS) if stage.geometry else statements.AREAS_OF_BUILDINGS)
    _tally(stage)


def _by_code(stage: Stage) -> None:
    for reference, column, table, unknown, several in (
        ("building_ref", "building_id", "city.building", "no_building", "ambiguous_building"),
        ("unit_ref", "unit_id", "city.unit", "no_unit", "ambiguous_unit"),
    ):
        if not stage.has(reference):
            continue
        stage.run(references.by_key(ROWS, reference, column, table), source_id=stage.source_id)
        value = f"s.{reference}"
        stage.set_aside(f"s.{column} = -1", reference, several, value=value)
        missing = f"s.{reference} IS NOT NULL AND s.{column} IS NULL"
        stage.set_aside(missing, reference, unknown, value=value)
    if stage.has("unit_ref"):
        stage.run(references.of_units(ROWS))
    stage.run(
        f"UPDATE {ROWS} SET method = 'code', score = 100 "
        "WHERE building_id IS NOT NULL OR unit_id IS NOT NULL"
    )


def _tally(stage: Stage) -> None:
    """Count the addresses of buildings and rooms that belong to nothing known."""
    unlinked = stage.number(
        f"SELECT count(*) FROM {ROWS} WHERE level >= 9 AND building_id IS NULL "
        "AND estate_id IS NULL"
    )
    if unlinked:
        stage.tallies["unlinked"] = unlinked


def enter(stage: Stage) -> Counts:
    """Into the table, with the buildings' addresses that rooms need, and linked."""
    key = {"source_id": stage.source_id}
    stage.run(statements.adopt(ROWS), **key)
    counts = merge.by_source(stage)
    stage.run(statements.parents(ROWS), **key)
    stage.run(statements.hang(ROWS), **key)
    stage.run(statements.END_EMPTY, **key)
    stage.run(statements.MEANT, **key)
    stage.run("ANALYZE stage_meant")
    stage.run(statements.UNLINK)
    stage.run(statements.LINK)
    return counts
