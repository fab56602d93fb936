"""What staged rows belong to: keys, rooms and addresses become ids, as sets.

What a row names and nobody knows is set aside; a row that names nothing stays as it is.
"""

from cim.store.incoming.stage import ROWS, Stage
from cim.store.queries.incoming import links as statements


def resolve(stage: Stage) -> None:
    """Fill building_id, entrance_id and unit_id (and storey_id, estate_id, facility_id, project_id)
    where staged."""
    _buildings(stage)
    _units(stage)
    if stage.has("storey_ref") and stage.has("storey_id"):
        stage.run(statements.storeys(ROWS))
        stage.set_aside(
            "s.storey_ref IS NOT NULL AND s.building_id IS NOT NULL AND s.storey_id IS NULL",
            "storey_ref",
            "no_storey",
            value="s.storey_ref",
        )
    if stage.has("estate_ref"):
        _by_key(stage, "estate_ref", "estate_id", "city.estate")
        stage.run(statements.estates_by_name(ROWS))
        _several(stage, "estate_ref", "estate_id")
        _unknown(stage, "estate_ref", "estate_id", "no_estate")
    if stage.has("facility_ref"):
        _by_key(stage, "facility_ref", "facility_id", "city.facility")
        _several(stage, "facility_ref", "facility_id")
        _unknown(stage, "facility_ref", "facility_id", "no_facility")
    if stage.has("project_ref"):
        _by_key(stage, "project_ref", "project_id", "city.project")
        stage.run(statements.projects_by_name(ROWS))
        _several(stage, "project_ref", "project_id")
        _unknown(stage, "project_ref", "project_id", "no_project")
    if stage.has("address_norm"):
        _addresses(stage)


def _by_key(stage: Stage, reference: str, column: str, table: str) -> None:
    stage.run(statements.by_key(ROWS, reference, column, table), source_id=stage.source_id)


def _unknown(stage: Stage, reference: str, column: str, reason: str) -> None:
    stage.set_aside(
        f"s.{reference} IS NOT NULL AND s.{column} IS NULL",
        reference,
        reason,
        value=f"s.{reference}",
    )


def _several(stage: Stage, reference: str, column: str) -> None:
    """What several sources have, and not this one, is nobody's in particular."""
    stage.set_aside(f"s.{column} = -1", reference, "ambiguous", value=f"s.{reference}")


def _buildings(stage: Stage) -> None:
    if not stage.has("building_ref"):
        return
    _by_key(stage, "building_ref", "building_id", "city.building")
    stage.set_aside(
        "s.building_id = -1", "building_ref", "ambiguous_building", value="s.building_ref"
    )
    _unknown(stage, "building_ref", "building_id", "no_building")


def _units(stage: Stage) -> None:
    """By key, else by building, entrance and room number."""
    if stage.has("unit_ref"):
        _by_key(stage, "unit_ref", "unit_id", "city.unit")
        stage.set_aside("s.unit_id = -1", "unit_ref", "ambiguous_unit", value="s.unit_ref")
        _unknown(stage, "unit_ref", "unit_id", "no_unit")
        stage.run(statements.of_units(ROWS))
    entrance = "entrance_ref" if stage.has("entrance_ref") else None
    if entrance:
        stage.run(statements.entrances(ROWS, entrance))
        stage.set_aside(
            "s.entrance_ref IS NOT NULL AND s.entrance_id IS NULL AND s.unit_id IS NULL "
            "AND s.building_id IS NOT NULL",
            "entrance_ref",
            "no_entrance",
            value="s.entrance_ref",
        )
    if stage.has("room_ref"):
        stage.run(statements.rooms(ROWS, "room_ref", entrance))
        stage.set_aside("s.unit_id = -1", "room_ref", "ambiguous_unit", value="s.room_ref")
        stage.set_aside(
            "s.room_ref IS NOT NULL AND s.building_id IS NOT NULL AND s.unit_id IS NULL",
            "room_ref",
            "no_unit",
            value="s.room_ref",
        )
        stage.run(statements.of_units(ROWS))


def _addresses(stage: Stage) -> None:
    """By address as text: the unit of just this address, else the room of its building's."""
    stage.run(statements.by_address(ROWS, "address_norm", "unit"))
    stage.run(statements.of_units(ROWS))
    stage.run(statements.by_address(ROWS, "address_place", "building"))
    stage.run(
        statements.entrances(ROWS, "address_entrance").replace(
            "s.entrance_id IS NULL", "s.entrance_id IS NULL AND s.unit_id IS NULL"
        )
    )
    stage.run(statements.rooms(ROWS, "address_room", "address_entrance"))
    stage.set_aside("s.unit_id = -1", "address", "ambiguous_unit")
    stage.run(statements.of_units(ROWS))
    if stage.has("address_id"):
        stage.run(statements.address_ids(ROWS, "address_norm"))
