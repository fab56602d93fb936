"""What tilesets should hold, asked of the city itself and not of the tiler's own records."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    LargeBinary,
    Select,
    and_,
    func,
    select,
    union_all,
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
from cim.model.platform import tile_skip
from cim.store.queries.terrain import foot

BUILDINGS = {"id": "int8"}
UNITS = {"id": "int8", "storey_id": "int8"}
"""The columns of what is expected, as `cim.store.numbers` reads them."""


def buildings() -> Select[Any]:
    """The id of every building that stands."""
    return select(building.c.id).where(_stands())


def units() -> CompoundSelect[Any]:
    """Id and storey of every unit with a place of its own, for each storey that it is on."""
    own = select(unit.c.id, unit.c.storey_id).select_from(_units())
    further = select(unit.c.id, unit_storey.c.storey_id).select_from(_parts())
    return union_all(
        own.where(_drawn()), further.where(_drawn(), unit_storey.c.outline.is_not(None))
    )


def left_out(name: str) -> Select[Any]:
    """The ids that a tileset says it left out, those drawn in another way not among them."""
    return select(tile_skip.c.object_id.label("id")).where(
        tile_skip.c.tileset == name, ~tile_skip.c.drawn
    )


def some_buildings(ids: Sequence[int]) -> Select[Any]:
    """Of some buildings: id, outline (WKB, degrees), bottom, top (m in the height datum), solid.

    `solid` is WKB of the surfaces that are drawn in place of a prism, None where none are.
    """
    instead = (
        select(tile_skip.c.object_id)
        .where(
            tile_skip.c.tileset == "buildings",
            tile_skip.c.object_id == building.c.id,
            tile_skip.c.drawn,
        )
        .exists()
    )
    shown = and_(building_geom.c.building_id == building.c.id, building_geom.c.is_current, ~instead)
    return (
        select(
            building.c.id,
            _wkb(building.c.footprint),
            foot().label("bottom"),
            (building.c.ground_elev + building.c.height).label("top"),
            func.ST_AsBinary(building_geom.c.geom, type_=LargeBinary).label("solid"),
        )
        .select_from(building.outerjoin(building_geom, shown))
        .where(building.c.id.in_(ids))
    )


def some_units(ids: Sequence[int]) -> CompoundSelect[Any]:
    """Of some units, on each of their storeys: as `some_buildings`, with `storey_id`."""
    outline = func.coalesce(
        unit.c.outline, floor_slot.c.outline, floor_plan.c.outline, building.c.footprint
    )
    own = _some(unit.c, outline).select_from(
        _units()
        .outerjoin(floor_slot, floor_slot.c.id == unit.c.slot_id)
        .outerjoin(floor_plan, floor_plan.c.id == storey.c.plan_id)
    )
    further = _some(unit_storey.c, unit_storey.c.outline).select_from(_parts())
    further = further.where(unit_storey.c.outline.is_not(None))
    return union_all(*(each.where(unit.c.id.in_(ids)) for each in (own, further)))


def _some(part: Any, outline: ColumnElement[Any]) -> Select[Any]:
    """Units of which `part` has the heights, if the storey does not say them."""
    ground = building.c.ground_elev
    return select(
        unit.c.id,
        _wkb(outline),
        (ground + func.coalesce(part.z_bottom, storey.c.elev_bottom)).label("bottom"),
        (ground + func.coalesce(part.z_top, storey.c.elev_top)).label("top"),
        storey.c.id.label("storey_id"),
    )


def _wkb(outline: ColumnElement[Any]) -> ColumnElement[bytes]:
    return func.ST_AsBinary(outline, type_=LargeBinary).label("outline")


def _stands() -> ColumnElement[bool]:
    return and_(building.c.ended_at.is_(None), building.c.state != "demolished")


def _drawn() -> ColumnElement[bool]:
    """Units that are reached by their place; the others are reached through the floor grid."""
    present = and_(unit.c.ended_at.is_(None), storey.c.ended_at.is_(None))
    return and_(present, unit.c.geom_status != "none", _stands())


def _units() -> FromClause:
    return unit.join(storey, storey.c.id == unit.c.storey_id).join(
        building, building.c.id == unit.c.building_id
    )


def _parts() -> FromClause:
    return (
        unit_storey.join(unit, unit.c.id == unit_storey.c.unit_id)
        .join(storey, storey.c.id == unit_storey.c.storey_id)
        .join(building, building.c.id == unit.c.building_id)
    )
