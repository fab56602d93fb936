"""Statements of the tiler: what there is, where it goes, and the rows of every tile in turn."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Delete,
    FromClause,
    Insert,
    Select,
    and_,
    column,
    delete,
    func,
    literal,
    or_,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from cim.model.buildings import (
    building,
    building_geom,
    floor_plan,
    floor_slot,
    storey,
    unit,
    unit_storey,
)
from cim.model.platform import tile_member, tile_skip, tileset
from cim.model.reference import code_item
from cim.store.queries.tiles.members import any_of
from cim.store.queries.tiles.rows import buried
from cim.store.queries.tiles.which import THERE, Which, risen, shown, sunk

SOLID = ("solid", "mesh")
"""Kinds of representations that are drawn in place of a building's prism."""

WALLED_CORNER = 5
"""Vertices that a corner of an outline costs, by which those of surfaces are counted."""

SKIP_TYPES = {"tileset": "text", "object_id": "int8", "reason_en": "text", "reason_zh": "text"}
"""The columns of platform.tile_skip, as they are copied in."""


def building_extents(among: Sequence[int] | None = None, which: Which = THERE) -> Select[Any]:
    """Every building to be shown: id, west, south, east, north, height, units 1, corners.

    Of one that is drawn as a solid, box, height and corners are the solid's.  What is all below
    the ground has nothing to show there.  With `among` only those of these ids.
    """
    solid = building_geom.c.geom
    rise = func.ST_ZMax(solid) - func.ST_ZMin(solid)
    points = func.ST_NPoints(solid) / WALLED_CORNER
    return (
        select(
            building.c.id,
            *_box(solid),
            func.greatest(building.c.height, rise).label("height"),
            literal(1).label("units"),
            func.coalesce(points, func.ST_NPoints(building.c.footprint)).label("corners"),
        )
        .select_from(_with_solids(building))
        .where(shown(which), risen(), *_among(building.c.id, among))
    )


def unit_extents(among: Sequence[int] | None = None, which: Which = THERE) -> Select[Any]:
    """Every building with units to be shown: as `building_extents`, with its units and corners."""
    own = (
        select(unit.c.building_id, func.ST_NPoints(_unit_outline()).label("corners"))
        .select_from(_units())
        .where(_present(which), *_among(unit.c.building_id, among))
    )
    further = (
        select(unit.c.building_id, func.ST_NPoints(unit_storey.c.outline).label("corners"))
        .select_from(_parts())
        .where(
            _present(which),
            unit_storey.c.outline.is_not(None),
            *_among(unit.c.building_id, among),
        )
    )
    drawn = union_all(own, further).subquery()
    counted = (
        select(
            drawn.c.building_id,
            func.count().label("units"),
            func.sum(drawn.c.corners).label("corners"),
        )
        .group_by(drawn.c.building_id)
        .subquery()
    )
    return (
        select(
            building.c.id,
            *_box(),
            building.c.height,
            counted.c.units,
            counted.c.corners,
        )
        .select_from(building.join(counted, counted.c.building_id == building.c.id))
        .where(shown(which), *_among(building.c.id, among))
    )


def storey_extents(among: Sequence[int] | None = None, which: Which = THERE) -> Select[Any]:
    """Every building with storeys below the ground: as `building_extents`, with their number.

    `height` is how deep they reach.  A building that is nothing but basements is here with no
    units too, so long as nothing has made storeys of them.
    """
    outline = func.coalesce(floor_plan.c.outline, building.c.footprint)
    counted = (
        select(
            storey.c.building_id,
            func.count().label("units"),
            func.sum(func.ST_NPoints(outline)).label("corners"),
            func.greatest(-func.min(storey.c.elev_bottom), 0.0).label("depth"),
        )
        .select_from(
            storey.join(building, building.c.id == storey.c.building_id).outerjoin(
                floor_plan, floor_plan.c.id == storey.c.plan_id
            )
        )
        .where(buried(), shown(which), *_among(storey.c.building_id, among))
        .group_by(storey.c.building_id)
        .subquery()
    )
    return (
        select(
            building.c.id,
            *_box(),
            func.coalesce(counted.c.depth, 0.0).label("height"),
            func.coalesce(counted.c.units, 0).label("units"),
            func.coalesce(counted.c.corners, 0).label("corners"),
        )
        .select_from(building.outerjoin(counted, counted.c.building_id == building.c.id))
        .where(
            or_(counted.c.building_id.is_not(None), sunk()),
            shown(which),
            *_among(building.c.id, among),
        )
    )


def unsampled() -> Select[Any]:
    """Those of the tables read here whose statistics are missing, or older than most rows.

    An empty table is left alone: once it is known as empty, whoever fills it within one statement's
    life is planned for as if it stayed so, and deriving units looks through it for each building.
    """
    seen = table(
        "pg_stat_user_tables",
        column("relid", BigInteger),
        column("schemaname"),
        column("relname"),
        column("n_mod_since_analyze", BigInteger),
        column("n_live_tup", BigInteger),
        column("last_analyze", DateTime),
        column("last_autoanalyze", DateTime),
    ).c
    read = [item.name for item in (building, floor_plan, floor_slot, storey, unit)]
    never = and_(seen.last_analyze.is_(None), seen.last_autoanalyze.is_(None))
    return select(seen.relname).where(
        seen.schemaname == building.schema,
        seen.relname.in_(read),
        or_(never, seen.n_mod_since_analyze * 2 > seen.n_live_tup),
        func.pg_relation_size(seen.relid) > 0,
    )


def codes(list_code: str) -> Select[Any]:
    """The codes of a list, in their order."""
    return (
        select(code_item.c.code)
        .where(code_item.c.list_code == list_code)
        .order_by(code_item.c.sort, code_item.c.code)
    )


def forget(name: str) -> tuple[Delete, Delete]:
    """Take a tileset's members and skips away, before they are written anew."""
    return (
        delete(tile_member).where(tile_member.c.tileset == name),
        delete(tile_skip).where(tile_skip.c.tileset == name),
    )


def record(values: dict[str, Any]) -> Insert:
    """Write down that a tileset was built; `values` are the columns of platform.tileset."""
    statement = insert(tileset).values(values)
    fresh = {name: statement.excluded[name] for name in values if name != "name"}
    return statement.on_conflict_do_update(index_elements=["name"], set_=fresh)


def listed() -> Select[Any]:
    """Every tileset that was built."""
    return select(tileset).order_by(tileset.c.name)


def skipped(name: str, limit: int) -> Select[Any]:
    """Features that a tileset left out, with the reason."""
    return (
        select(tile_skip.c.object_id, tile_skip.c.reason_en, tile_skip.c.reason_zh)
        .where(tile_skip.c.tileset == name)
        .order_by(tile_skip.c.object_id)
        .limit(limit)
    )


def _with_solids(source: FromClause) -> FromClause:
    """Buildings with the representation to show in place of their prism, where they have one."""
    return source.outerjoin(
        building_geom,
        and_(
            building_geom.c.building_id == building.c.id,
            building_geom.c.is_current,
            building_geom.c.kind.in_(SOLID),
        ),
    )


def _box(solid: ColumnElement[Any] | None = None) -> list[ColumnElement[Any]]:
    """The box of the footprint, or that around it and what is drawn in its place."""
    shape = building.c.footprint
    sides = (
        ("west", func.ST_XMin, func.least),
        ("south", func.ST_YMin, func.least),
        ("east", func.ST_XMax, func.greatest),
        ("north", func.ST_YMax, func.greatest),
    )
    return [
        (side(shape) if solid is None else among(side(shape), side(solid))).label(name)
        for name, side, among in sides
    ]


def _among(column: ColumnElement[int], ids: Sequence[int] | None) -> list[ColumnElement[bool]]:
    return [] if ids is None else [column == any_of(ids)]


def _present(which: Which) -> ColumnElement[bool]:
    """Units with a place of their own; the others are reached through the floor grid."""
    return and_(
        unit.c.ended_at.is_(None),
        storey.c.ended_at.is_(None),
        unit.c.geom_status != "none",
        shown(which),
    )


def _units() -> FromClause:
    return (
        unit.join(storey, storey.c.id == unit.c.storey_id)
        .join(building, building.c.id == unit.c.building_id)
        .outerjoin(floor_slot, floor_slot.c.id == unit.c.slot_id)
        .outerjoin(floor_plan, floor_plan.c.id == storey.c.plan_id)
    )


def _parts() -> FromClause:
    """What units have on further storeys."""
    return (
        unit_storey.join(unit, unit.c.id == unit_storey.c.unit_id)
        .join(storey, storey.c.id == unit_storey.c.storey_id)
        .join(building, building.c.id == unit.c.building_id)
    )


def _unit_outline() -> ColumnElement[Any]:
    return func.coalesce(
        unit.c.outline, floor_slot.c.outline, floor_plan.c.outline, building.c.footprint
    )
