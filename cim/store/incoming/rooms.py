"""Floors and units from the staging table into the buildings they belong to."""

from dataclasses import replace

from cim.store.incoming import merge
from cim.store.incoming.stage import ROWS, Counts, Stage
from cim.store.queries.incoming import rooms as statements


def settle_buildings(stage: Stage) -> None:
    """Which building a row belongs to: of its own source, else the only one of that key.

    A row without a key of a building is of the one whose footprint takes most of its outline.
    """
    key = {"source_id": stage.source_id}
    stage.keys.clear()  # by place, they become others
    if stage.has("building"):
        stage.run(statements.FIND_BUILDINGS, **key)
        stage.set_aside(
            statements.AMBIGUOUS, "building", "ambiguous_building", value="s.building", **key
        )
    if stage.geometry:
        stage.run(statements.BUILDINGS_BY_PLACE)
        stage.run(statements.KEYS_BY_PLACE)
        stage.set_aside("s.by_place AND s.building_id IS NULL", "geometry", "nowhere")
    value = "s.building" if stage.has("building") else "s.building_id"
    stage.set_aside(statements.HOMELESS, "building", "no_building", value=value)


def enter_floors(stage: Stage) -> Counts:
    """Storeys as given: those that were generated become these, drawn outlines become plans."""
    counts = Counts()
    total = stage.number(f"SELECT count(*) FROM {ROWS}")
    stage.run(statements.RENAME_STOREYS, full=stage.full)
    given = [name for name in ("given_bottom", "given_height") if stage.has(name)]
    if stage.geometry and stage.has("z") and "given_bottom" not in given and _lifted(stage):
        given.append("given_bottom")
    counts.changed = stage.run(statements.update_storeys(given))
    counts.new = stage.run(statements.insert_storeys(given))
    counts.unchanged = total - counts.changed - counts.new
    counts.missing = stage.number(statements.COUNT_MISSING_STOREYS)
    if stage.full:
        counts.ended = stage.run(statements.END_MISSING_STOREYS)
    if stage.geometry:
        stage.run(statements.DRAW_PLANS)
        stage.run(statements.USE_PLANS)
    return counts


def _lifted(stage: Stage) -> bool:
    """Floors out of the heights at which outlines were drawn; whether there are any."""
    if not stage.number(statements.COUNT_LIFTED):
        return False
    stage.run(statements.ADD_BOTTOM)
    stage.tallies["unclear_z"] = stage.number(statements.COUNT_UNCLEAR)
    return bool(stage.run(statements.BOTTOMS_OF_OUTLINES))


def place_units(stage: Stage) -> None:
    """Storeys and entrances of staged units, found or made; one unit a number and storey."""
    if stage.has("entrance"):
        stage.run(statements.MAKE_ENTRANCES)
        stage.run(statements.FIND_ENTRANCES)
    stage.run(statements.FIND_STOREYS)
    stage.set_aside(
        "s.storey_id IS NULL AND s.storey_no IS NULL", "storey", "no_storey", value="s.storey"
    )
    stage.run(statements.MAKE_STOREYS)
    stage.run(statements.FIND_STOREYS)
    stage.set_aside(statements.SAME_ROOM, "room_no", "room_taken", value="s.room_no")
    stage.set_aside(
        statements.TAKEN, "room_no", "room_taken", value="s.room_no", source_id=stage.source_id
    )
    stage.run(statements.ADOPT_UNITS, source_id=stage.source_id)


def enter_units(stage: Stage) -> Counts:
    """Units as given; those that were generated in the same place have become these."""
    types = dict(stage.types)
    if not stage.has("entrance"):
        del types["entrance_id"]
    narrowed = replace(
        stage,
        types=types,
        insert_only=frozenset({"geom_status"}),
        sticky=stage.sticky | {"entrance_id"},
    )
    stage.run(statements.FREE_ROOMS, source_id=stage.source_id)
    counts = merge.by_source(narrowed)
    if stage.geometry:
        stage.run(statements.MARK_DRAWN)
    return counts
