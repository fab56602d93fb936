"""A floor model into the store: building, storeys, units with their parts, rooms.

Everything runs in the caller's transaction, through the staging tables that every load uses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table

from cim.model.buildings import building, storey, unit
from cim.model.spaces import unit_space
from cim.store.copy import columns
from cim.store.incoming import merge, places, rooms
from cim.store.incoming.stage import KEY_TYPES, Counts, Stage
from cim.store.queries.incoming import load as loading
from cim.store.queries.incoming import spaces as statements

Columns = Mapping[str, Sequence[Any]]
"""Columns of equal length, by name."""

BUILDING = {
    "name": "text",
    "footprint": "geometry",
    "footprint_area": "float8",
    "ground_elev": "float8",
    "ground_method": "text",
    "height": "float8",
    "height_method": "text",
    "floors_above": "int2",
    "floors_below": "int2",
    "floors_method": "text",
    "lon": "float8",
    "lat": "float8",
    "admin_area_id": "int8",
    "grid_id": "int8",
    "estate_id": "int8",
}

STOREY = {
    "building_id": "int8",
    "no": "int2",
    "label": "text",
    "kind": "text",
    "given_bottom": "float8",
    "given_height": "float8",
    "outline": "geometry",
    "outline_area": "float8",
}

UNIT = {
    "building_id": "int8",
    "storey_id": "int8",
    "entrance_id": "int8",
    "storey_no": "int2",
    "storey": "text",
    "room_no": "text",
    "kind": "text",
    "rooms": "int2",
    "outline": "geometry",
    "z_bottom": "float8",
    "z_top": "float8",
    "geom_status": "text",
}

SPACE = {
    "building_id": "int8",
    "storey_id": "int8",
    "unit_id": "int8",
    "name": "text",
    "kind": "text",
    "outline": "geometry",
    "area": "float8",
    "volume": "float8",
    "z_bottom": "float8",
    "z_top": "float8",
    "attrs": "jsonb",
}


@dataclass(frozen=True)
class Load:
    """One model on its way in."""

    connection: Connection
    source_id: int
    import_id: int
    full: bool = False

    def rows(self, sql: str, **parameters: Any) -> list[Any]:
        """The rows of a statement."""
        return list(self.connection.execute(loading.bound(sql), parameters).all())

    def run(self, sql: str, **parameters: Any) -> int:
        """Execute a statement; the number of rows it touched."""
        return self.connection.execute(loading.bound(sql), parameters).rowcount

    def stage(self, table: Table, object_type: str, types: dict[str, str], rows: Columns) -> Stage:
        """Rows laid ready for a table."""
        geometry = next((name for name, kind in types.items() if kind == "geometry"), None)
        stage = Stage(
            self.connection,
            table,
            object_type,
            types,
            self.source_id,
            self.import_id,
            geometry=geometry,
        )
        stage.create()
        count = len(rows["ext_id"])
        numbered = {"row_no": range(1, count + 1), **rows}
        if count:
            stage.add(columns.encode({n: list(v) for n, v in numbered.items()}, KEY_TYPES | types))
        stage.analyse()
        return stage


def enter_building(load: Load, row: Columns) -> tuple[int, Counts]:
    """The building that a model makes: its id, and whether it is new."""
    stage = load.stage(building, "building", BUILDING, row)
    stage.sticky = frozenset({"ground_method"})  # what the terrain said stays
    places.of_stage(stage, least_area=0.0, most_area=1e12, tiny=0.0)
    counts = merge.by_source(stage)
    known = load.rows(
        statements.KNOWN_BUILDING, source_id=load.source_id, guid=row["ext_id"][0], spaces=[]
    )
    return int(known[0].id), counts


def enter_storeys(load: Load, rows: Columns) -> tuple[dict[int, int], Counts]:
    """Storeys as the model has them, with their plans; ids by number."""
    stage = load.stage(storey, "storey", STOREY, rows)
    stage.full = load.full
    if not load.full:
        stage.run(statements.KEEP_LABELS)
    counts = rooms.enter_floors(stage)
    found = load.rows(statements.STOREYS)
    return {int(row.no): int(row.id) for row in found}, counts


def enter_units(load: Load, rows: Columns) -> tuple[dict[str, int], Counts, int]:
    """Units: ids by key, what became of them, and how many are a register's that got a shape."""
    stage = load.stage(unit, "unit", UNIT, rows)
    stage.run(statements.LINK_UNITS, source_id=load.source_id)
    linked = stage.number("SELECT count(*) FROM stage_linked")
    changed = stage.run(statements.DRAW_LINKED, import_id=load.import_id)
    stage.run(statements.TAKE_LINKED)
    rooms.place_units(stage)
    counts = rooms.enter_units(stage)
    stage.run(statements.OUTLINED, source_id=load.source_id)
    counts.changed += changed
    counts.unchanged += linked - changed
    keys = list(rows["ext_id"])
    found = load.rows(statements.UNIT_IDS, source_id=load.source_id, keys=keys)
    return {str(row.ext_id): int(row.id) for row in found}, counts, linked


def enter_parts(load: Load, units: Sequence[int], rows: Columns) -> None:
    """What units have on further storeys; what they no longer have there goes."""
    load.run(loading.create_stage("stage_parts", statements.PARTS_TYPES))
    if rows["unit_id"]:
        columns.write(load.connection, "stage_parts", rows, statements.PARTS_TYPES)
    load.run(statements.DROP_PARTS, units=list(units), import_id=load.import_id)
    load.run(statements.PUT_PARTS, import_id=load.import_id)


def enter_spaces(load: Load, rows: Columns) -> Counts:
    """Rooms, by their key in the model."""
    counts = merge.by_source(load.stage(unit_space, "unit_space", SPACE, rows))
    counts.missing = 0
    return counts


def missing(
    load: Load, table: Table, object_type: str, building_id: int, keys: Sequence[str]
) -> Counts:
    """What the model no longer has of a building: counted, and ended where it is to be."""
    which = {"source_id": load.source_id, "building_id": building_id, "keys": list(keys)}
    counts = Counts()
    counts.missing = int(load.rows(statements.missing(table.fullname), **which)[0][0])
    if load.full:
        feed = {"object_type": object_type, "import_id": load.import_id}
        counts.ended = load.run(statements.end_missing(table), **which, **feed)
    return counts
