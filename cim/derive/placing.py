"""New buildings into the store: ids taken in blocks, columns sent by COPY, nothing read back."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from sqlalchemy import Connection

from cim.derive.drawing import Drawing
from cim.derive.layouts import DRAWN, PLAN_KINDS
from cim.derive.rules import UNIT_KINDS
from cim.geometry.frame import Integers
from cim.geometry.subdivision import FACINGS
from cim.model.buildings import entrance, floor_plan, floor_slot, storey, unit
from cim.store.copy import columns
from cim.store.incoming import bulk
from cim.store.queries.incoming import derive as queries

Table = tuple[str, dict[str, Any], dict[str, str]]
"""A table's name, its columns, and their types."""

_PLAN_KIND = np.array(PLAN_KINDS, dtype=object)
_UNIT_KIND = np.array(UNIT_KINDS, dtype=object)
_FACING = np.array([*FACINGS, None], dtype=object)


def place(connection: Connection, drawing: Drawing) -> None:
    """Write a drawing of buildings that have nothing derived yet."""
    with bulk.trusted(connection):
        for name, values, types in tables(drawing, Numbers(connection)):
            columns.write(connection, name, values, types)
    units = np.bincount(drawing.units.building, minlength=len(drawing.building))
    sums = {"ids": drawing.building.tolist(), "units": units.tolist()}
    connection.execute(queries.count_units(), sums)


class Numbers:
    """Ids for new rows, taken from the tables' own sequences."""

    def __init__(self, connection: Connection) -> None:
        """Take them on this connection."""
        self.connection = connection

    def take(self, table: str, count: int) -> Integers:
        """So many ids that follow one another."""
        while count:
            first, last = self.connection.execute(
                queries.numbers(), {"table": table, "count": count}
            ).one()
            if last - first + 1 == count:  # else another session took some from between
                return np.arange(first, last + 1)
        return np.empty(0, dtype=np.int64)


def tables(drawing: Drawing, numbers: Any) -> Iterator[Table]:
    """The rows of each table, parents before children, with ids that `numbers.take` gives."""
    building, at = drawing.building, drawing.floors.building
    doors, plans, units = drawing.entrances, drawing.plans, drawing.units
    door_id = numbers.take("city.entrance", len(doors.no))
    yield entrances(drawing, door_id)
    plan_id = numbers.take("city.floor_plan", len(plans.kind))
    yield floor_plans(drawing, plan_id)
    slot_id = numbers.take("city.floor_slot", len(plans.slot_no))
    yield floor_slots(drawing, slot_id, plan_id)
    storey_id = numbers.take("city.storey", len(at))
    yield storeys(drawing, storey_id, plan_id)
    unit_id = numbers.take("city.unit", len(units.storey))
    yield unit_rows(drawing, unit_id, storey_id, (door_id, slot_id))
    yield (
        "platform.derived",
        {"building_id": building, "input_hash": drawing.input_hash},
        {"building_id": "int8", "input_hash": "int8"},
    )


def entrances(drawing: Drawing, ids: Integers) -> Table:
    """Rows of city.entrance."""
    doors = drawing.entrances
    known = np.array([point is not None for point in doors.point], dtype=bool)
    values = {
        "id": ids,
        "building_id": drawing.building[doors.building],
        "no": doors.no,
        "name": [f"{number}单元" for number in doors.no.tolist()],
        "geom": doors.point,
        "geom_status": np.where(known, "generated", "none").astype(object),
    }
    return "city.entrance", values, _types(int8="id building_id", int2="no", geometry="geom")


def floor_plans(drawing: Drawing, ids: Integers) -> Table:
    """Rows of city.floor_plan; an outline that is the footprint is NULL."""
    plans = drawing.plans
    values = {
        "id": ids,
        "building_id": drawing.building[plans.building],
        "kind": _PLAN_KIND[plans.kind],
        "outline": plans.outline,
        "area": plans.area,
        "geom_status": np.where(plans.kind == DRAWN, "drawn", "generated").astype(object),
    }
    types = _types(int8="id building_id", float8="area", geometry="outline")
    return "city.floor_plan", values, types


def floor_slots(drawing: Drawing, ids: Integers, plan_id: Integers) -> Table:
    """Rows of city.floor_slot."""
    plans = drawing.plans
    values = {
        "id": ids,
        "plan_id": plan_id[plans.slot_plan],
        "no": plans.slot_no,
        "entrance_no": plans.slot_entrance,
        "outline": plans.slot_outline,
        "area": plans.slot_area,
        "orientation": _FACING[plans.slot_facing],
    }
    types = _types(int8="id plan_id", int2="no entrance_no", geometry="outline", float8="area")
    return "city.floor_slot", values, types


def storeys(drawing: Drawing, ids: Integers, plan_id: Integers) -> Table:
    """Rows of city.storey."""
    floors = drawing.floors
    values = {
        "id": ids,
        "building_id": drawing.building[floors.building],
        "plan_id": plan_id[drawing.storey_plan],
        "no": floors.no,
        "label": floors.label,
        "kind": floors.kind,
        "elev_bottom": floors.bottom,
        "elev_top": floors.top,
        "status": np.full(len(ids), "generated", dtype=object),
    }
    types = _types(int8="id building_id plan_id", int2="no", float8="elev_bottom elev_top")
    return "city.storey", values, types


def unit_rows(
    drawing: Drawing, ids: Integers, storey_id: Integers, others: tuple[Integers, Integers]
) -> Table:
    """Rows of city.unit; `others` are the ids of entrances and of slots."""
    units = drawing.units
    door_id, slot_id = (np.append(found, 0) for found in others)
    values = {
        "id": ids,
        "building_id": drawing.building[units.building],
        "storey_id": storey_id[units.storey],
        "entrance_id": _nullable(door_id[units.entrance], units.entrance >= 0),
        "slot_id": _nullable(slot_id[units.slot], units.slot >= 0),
        "room_no": units.room_no,
        "kind": _UNIT_KIND[units.kind],
        "geom_status": np.where(units.slot >= 0, "generated", "none").astype(object),
    }
    return "city.unit", values, _types(int8="id building_id storey_id entrance_id slot_id")


def _nullable(ids: Integers, known: Any) -> Any:
    """Ids, with NULL where there is none; an array of floats only where one is missing."""
    if known.all():
        return ids
    return np.where(known, ids.astype(np.float64), np.nan)  # exact below 2**53


class _Types(dict[str, str]):
    """Types of columns; those not named are text."""

    def __missing__(self, name: str) -> str:
        return "text"


def _types(**names: str) -> dict[str, str]:
    return _Types({name: kind for kind, listed in names.items() for name in listed.split()})


@contextmanager
def first(connection: Connection, buildings: int) -> Iterator[None]:
    """Derive so many buildings within: where nothing is derived yet, indexes are made at the end.

    Measured on 100,000 buildings: keeping five indexes up to date row by row was half of the
    server's work.  Only where all the tables are empty: a merge needs the indexes.
    """
    with ExitStack() as stack:
        if connection.execute(queries.nothing_yet()).scalar_one():
            checked = not bulk.may_trust(connection)
            for table in (entrance, floor_plan, floor_slot, storey, unit):
                stack.enter_context(bulk.rebuilt(connection, table, buildings, keys_too=checked))
        yield
