"""What tilesets should hold, asked of the city itself and not of the tiler's own records."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    LargeBinary,
    Select,
    Table,
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
from cim.store.queries.tiles.which import THERE, Which, shown

FEATURES = {"id": "int8"}
UNITS = {"id": "int8", "storey_id": "int8"}
"""The columns of what is expected, as `cim.store.copy.numbers` reads them."""


def buildings(which: Which = THERE) -> Select[Any]:
    """The id of every building of which something is above the ground."""
    buried = and_(building.c.floors_above == 0, building.c.floors_below > 0)
    return select(building.c.id).where(shown(which), ~buried | (building.c.height > 0))


def storeys(which: Which = THERE) -> Select[Any]:
    """The id of every storey below the ground."""
    under = storey.join(building, building.c.id == storey.c.building_id)
    present = and_(storey.c.ended_at.is_(None), shown(which))
    return select(storey.c.id).select_from(under).where(present, storey.c.no <= -1)


def units(which: Which = THERE) -> CompoundSelect[Any]:
    """Id and storey of every unit with a place of its own, for each storey that it is on."""
    own = select(unit.c.id, unit.c.storey_id).select_from(_units())
    further = select(unit.c.id, unit_storey.c.storey_id).select_from(_parts())
    return union_all(
        own.where(_drawn(which)),
        further.where(_drawn(which), unit_storey.c.outline.is_not(None)),
    )


def left_out(name: str, part: Table | None = None) -> Select[Any]:
    """The ids that a tileset says it left out, those drawn in another way not among them.

    Of a tileset of units or storeys, `part`, a building of no tile stands for all of its own.
    """
    c = tile_skip.c
    named = select(c.object_id.label("id")).where(c.tileset == name, ~c.drawn)
    if part is None:
        return named
    whole = part.join(tile_skip, c.object_id == part.c.building_id)
    of_whole = select(part.c.id).select_from(whole).where(c.tileset == name, c.level < 0)
    return select(union_all(named.where(c.level >= 0), of_whole).subquery())


def some_buildings(name: str, ids: Sequence[int]) -> Select[Any]:
    """Of some buildings: id, outline (WKB, degrees), bottom, top (m in the height datum), solid.

    `name` is the tileset they are looked at in.

    `solid` is WKB of the surfaces that are drawn in place of a prism, None where none are.
    """
    instead = (
        select(tile_skip.c.object_id)
        .where(
            tile_skip.c.tileset == name,
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


def some_storeys(_name: str, ids: Sequence[int]) -> Select[Any]:
    """Of some storeys: as `some_buildings`, but for solids."""
    ground = building.c.ground_elev
    return (
        select(
            storey.c.id,
            _wkb(func.coalesce(floor_plan.c.outline, building.c.footprint)),
            (ground + storey.c.elev_bottom).label("bottom"),
            (ground + storey.c.elev_top).label("top"),
        )
        .select_from(
            storey.join(building, building.c.id == storey.c.building_id).outerjoin(
                floor_plan, floor_plan.c.id == storey.c.plan_id
            )
        )
        .where(storey.c.id.in_(ids))
    )


def some_units(_name: str, ids: Sequence[int]) -> CompoundSelect[Any]:
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


def _drawn(which: Which) -> ColumnElement[bool]:
    """Units that are reached by their place; the others are reached through the floor grid."""
    present = and_(unit.c.ended_at.is_(None), storey.c.ended_at.is_(None))
    return and_(present, unit.c.geom_status != "none", shown(which))


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
