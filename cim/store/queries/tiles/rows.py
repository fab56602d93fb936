"""Statements that the tiles' features are read by, for some buildings at a time.

Units are read in narrow pieces: the outline of a floor's slot once, however many storeys have it.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    SmallInteger,
    and_,
    cast,
    collate,
    func,
    select,
)

from cim.model.buildings import (
    building,
    building_geom,
    floor_plan,
    floor_slot,
    storey,
    unit,
    unit_storey,
)
from cim.store.queries.terrain import foot
from cim.store.queries.tiles.members import Ids, any_of, in_runs
from cim.store.queries.tiles.which import THERE, Which, centre, shown

SOLID = ("solid", "mesh")
"""Kinds of representations that are drawn in place of a building's prism."""


NO_YEAR = -32768
"""Stands for a year that is not known."""


class Query(NamedTuple):
    """A statement, and the PostgreSQL type of each of its columns in their order."""

    statement: Select[Any]
    types: Mapping[str, str]


def building_rows(ids: Ids, which: Which = THERE) -> dict[str, Query]:
    """The buildings of these ids that are shown: `features`, and the `solids` that some have."""
    fields: dict[str, tuple[str, ColumnElement[Any]]] = {
        "id": ("int8", building.c.id),
        "outline": ("bytea", _wkb(building.c.footprint)),
        "bottom": ("float8", foot()),
        "top": ("float8", building.c.ground_elev + building.c.height),
        **_centre(),
        "height": ("float8", building.c.height),
        "floors": ("int2", building.c.floors_above),
        "use": ("label", building.c.use_code),
        "year": ("int2", cast(func.coalesce(building.c.built_year, NO_YEAR), SmallInteger)),
        "state": ("label", building.c.state),
        "generated": ("bool", building.c.height_method != "given"),
    }
    solids = {
        "id": ("int8", building_geom.c.building_id),
        "solid": ("bytea", _wkb(building_geom.c.geom)),
        "mesh": ("bool", building_geom.c.kind == "mesh"),
    }
    return {
        "features": _query(fields, in_runs(building.c.id, ids), shown(which)),
        "solids": _query(
            solids,
            in_runs(building_geom.c.building_id, ids),
            building_geom.c.is_current,
            building_geom.c.kind.in_(SOLID),
        ),
    }


def unit_rows(ids: Ids, which: Which = THERE) -> dict[str, Query]:
    """The units of these buildings, in pieces to be joined by their ids.

    `features` have one row a unit, `parts` one for each further storey it takes part in; an outline
    that is NULL is that of the slot, else the plan of the storey, else the building.
    """
    kept = building.c.id == any_of(ids)
    buildings = {
        "id": ("int8", building.c.id),
        "outline": ("bytea", _wkb(building.c.footprint)),
        "ground": ("float8", building.c.ground_elev),
        **_centre(),
    }
    plans = {"id": ("int8", floor_plan.c.id), "outline": ("bytea", _wkb(floor_plan.c.outline))}
    slots = {"id": ("int8", floor_slot.c.id), "outline": ("bytea", _wkb(floor_slot.c.outline))}
    storeys = {
        "id": ("int8", storey.c.id),
        "plan_id": ("int8", func.coalesce(storey.c.plan_id, -1)),
        "no": ("int2", storey.c.no),
        "bottom": ("float8", storey.c.elev_bottom),
        "top": ("float8", storey.c.elev_top),
    }
    own = {"storey_id": ("int8", unit.c.storey_id), **_drawn(unit.c)}
    further = {"storey_id": ("int8", unit_storey.c.storey_id), **_drawn(unit_storey.c)}
    of_plan = floor_plan.c.building_id == any_of(ids)
    of_unit = unit.c.building_id == any_of(ids)
    return {
        "buildings": _query(buildings, kept, shown(which)),
        "plans": _query(plans, of_plan, floor_plan.c.outline.is_not(None)),
        "slots": Query(
            _select(slots)
            .select_from(floor_slot.join(floor_plan, floor_plan.c.id == floor_slot.c.plan_id))
            .where(of_plan, floor_slot.c.outline.is_not(None)),
            _types(slots),
        ),
        "storeys": _query(
            storeys, storey.c.building_id == any_of(ids), storey.c.ended_at.is_(None)
        ),
        "features": _query({**_unit(), **own}, of_unit, placed()),
        "parts": Query(
            _select({**_unit(), **further})
            .select_from(unit_storey.join(unit, unit.c.id == unit_storey.c.unit_id))
            .where(of_unit, placed(), unit_storey.c.outline.is_not(None)),
            _types({**_unit(), **further}),
        ),
    }


def storey_rows(ids: Ids, which: Which = THERE) -> dict[str, Query]:
    """The storeys below the ground of these buildings, in pieces to be joined by their ids.

    `features` have one row a storey; its outline is that of its plan, else the building's.
    `kinds` tell of each storey with units what most of them are.
    """
    buildings = {
        "id": ("int8", building.c.id),
        "outline": ("bytea", _wkb(building.c.footprint)),
        "ground": ("float8", building.c.ground_elev),
        "use": ("label", building.c.use_code),
        **_centre(),
    }
    plans = {"id": ("int8", floor_plan.c.id), "outline": ("bytea", _wkb(floor_plan.c.outline))}
    kinds = {
        "id": ("int8", storey.c.id),
        "kind": ("label", func.mode().within_group(collate(unit.c.kind, "C"))),
    }
    storeys = {
        "id": ("int8", storey.c.id),
        "building_id": ("int8", storey.c.building_id),
        "plan_id": ("int8", func.coalesce(storey.c.plan_id, -1)),
        "no": ("int2", storey.c.no),
        "bottom": ("float8", storey.c.elev_bottom),
        "top": ("float8", storey.c.elev_top),
        "generated": ("bool", storey.c.status == "generated"),
    }
    of_plan = floor_plan.c.building_id == any_of(ids)
    of_storey = storey.c.building_id == any_of(ids)
    return {
        "buildings": _query(buildings, building.c.id == any_of(ids), shown(which)),
        "plans": _query(plans, of_plan, floor_plan.c.outline.is_not(None)),
        "kinds": Query(
            _select(kinds)
            .select_from(storey.join(unit, unit.c.storey_id == storey.c.id))
            .where(of_storey, unit.c.building_id == any_of(ids), buried())
            .where(unit.c.ended_at.is_(None))
            .group_by(storey.c.id),
            _types(kinds),
        ),
        "features": _query(storeys, of_storey, buried()),
    }


def buried() -> ColumnElement[bool]:
    """Storeys below the ground, as they are numbered."""
    return and_(storey.c.ended_at.is_(None), storey.c.no < 0)


def placed() -> ColumnElement[bool]:
    """Units with a place of their own; the others are reached through the floor grid."""
    return and_(unit.c.ended_at.is_(None), unit.c.geom_status != "none")


_Fields = Mapping[str, tuple[str, ColumnElement[Any]]]
"""Columns by the names they are given, each with its type."""


def _query(fields: _Fields, *where: ColumnElement[bool]) -> Query:
    return Query(_select(fields).where(*where), _types(fields))


def _select(fields: _Fields) -> Select[Any]:
    return select(*(value.label(name) for name, (_, value) in fields.items()))


def _types(fields: _Fields) -> dict[str, str]:
    return {name: kind for name, (kind, _) in fields.items()}


def _unit() -> dict[str, tuple[str, ColumnElement[Any]]]:
    return {
        "id": ("int8", unit.c.id),
        "building_id": ("int8", unit.c.building_id),
        "slot_id": ("int8", func.coalesce(unit.c.slot_id, -1)),
        "kind": ("label", unit.c.kind),
        "generated": ("bool", unit.c.geom_status == "generated"),
    }


def _drawn(part: Any) -> dict[str, tuple[str, ColumnElement[Any]]]:
    """What a unit, or its part on a further storey, has of its own."""
    return {
        "bottom": ("float8", part.z_bottom),
        "top": ("float8", part.z_top),
        "outline": ("bytea", _wkb(part.outline)),
    }


def _wkb(shape: ColumnElement[Any]) -> ColumnElement[bytes]:
    return func.ST_AsBinary(shape, type_=LargeBinary)


def _centre() -> dict[str, tuple[str, ColumnElement[Any]]]:
    longitude, latitude = centre()
    return {"longitude": ("float8", longitude), "latitude": ("float8", latitude)}
