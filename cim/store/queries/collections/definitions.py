"""Every public collection.

Nothing here tells whether somebody is at home: no occupancy, no reading, no last word of a device
in somebody's unit. What a source sent along unasked (`attrs`) is not shown either: nobody knows
what is in it.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Table,
    and_,
    case,
    func,
    select,
    union_all,
)

from cim.model.addresses import std_address
from cim.model.buildings import building, entrance, floor_plan, floor_slot, storey, unit
from cim.model.devices import device
from cim.model.facilities import facility
from cim.model.organisations import org_location, organisation
from cim.model.places import admin_area, estate, grid, parcel, street
from cim.model.projects import project
from cim.store.queries.collections.shape import (
    Collection,
    Near,
    Property,
    by_name,
    listed,
    shown,
)
from cim.store.queries.parts import LADDER

OVERHANG = 0.0005
"""Degrees, some fifty metres, by which what belongs to a building may stand out of its outline."""


def meets(column: ColumnElement[Any], shape: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the boxes of two geometries meet, which an index on the column answers."""
    return column.op("&&", is_comparison=True)(shape)


def _over(house: FromClause) -> Near:
    """By the outline of the building, whose index finds what has none of its own."""
    return lambda shape: meets(house.c.footprint, func.ST_Expand(shape, OVERHANG))


def _plain(name: str, zh: str, en: str, table: Table, **other: Any) -> Collection:
    """A collection that is one table with a geometry of its own."""
    shape = table.c[other.pop("column", "geom")]
    kind = {"MULTIPOLYGON": "MultiPolygon", "MULTILINESTRING": "MultiLineString", "POINT": "Point"}
    properties = by_name(*listed(table, other.pop("shows") + " updated_at"))
    return Collection(
        name=name,
        zh=zh,
        en=en,
        about=table.comment or "",
        tables=other.pop("tables", table),
        key=table.c.id,
        geometry=shape,
        geometry_kind=kind[shape.type.kind],  # type: ignore[arg-type]  # one of three
        properties=properties,
        present=table.c.ended_at.is_(None),
        sortable=tuple(name for name, each in properties.items() if each.kind != "strings"),
        changed="updated_at",
        **other,
    )


AREAS = _plain(
    "areas",
    "行政区划",
    "Administrative areas",
    admin_area,
    shows="code level parent_id name short_name kind is_pseudo",
)
GRIDS = _plain("grids", "网格", "Grids", grid, shows="code name kind level parent_id admin_area_id")
ESTATES = _plain(
    "estates",
    "小区",
    "Estates",
    estate,
    shows="name aliases kind admin_area_id built_year_min built_year_max gated renewal_state "
    "rating=rating_current",
)
STREETS = _plain("streets", "街路巷", "Streets", street, shows="name kind admin_area_id")
PARCELS = _plain(
    "parcels",
    "宗地",
    "Parcels",
    parcel,
    column="red_line",
    shows="cadastral_code land_use=land_use_code area grant_start grant_end far_max density_max "
    "height_max green_min parking_min",
)
PROJECTS = _plain(
    "projects",
    "建设项目",
    "Construction projects",
    project,
    shows="national_code name kind status admin_area_id",
)
BUILDINGS = _plain(
    "buildings",
    "建筑物",
    "Buildings",
    building,
    column="footprint",
    shows="name kind state use=use_code structure=structure_code built_year completed_on "
    "footprint_area gross_area ground_elev ground_method height height_method floors_above "
    "floors_below floors_method entrance_count units_total has_lift parent_building_id estate_id "
    "parcel_id admin_area_id grid_id",
)
FACILITIES = _plain(
    "facilities",
    "设施",
    "Facilities",
    facility,
    shows="class=class_code name estate_id building_id unit_id org_id elevation area=area_m2 "
    "open_hours status level",
)
ADDRESSES = _plain(
    "addresses",
    "标准地址",
    "Addresses",
    std_address,
    shows=f"std_code level parent_id {' '.join(LADDER)} full_text position_quality status "
    "admin_area_id",
)

_with_plan = storey.join(building, building.c.id == storey.c.building_id).outerjoin(
    floor_plan, floor_plan.c.id == storey.c.plan_id
)
STOREYS = Collection(
    name="storeys",
    zh="楼层",
    en="Storeys",
    about=storey.comment or "",
    tables=_with_plan,
    key=storey.c.id,
    geometry=func.coalesce(floor_plan.c.outline, building.c.footprint),
    geometry_kind="MultiPolygon",
    properties=by_name(
        *listed(storey, "building_id no label kind elev_bottom elev_top status updated_at")
    ),
    present=and_(storey.c.ended_at.is_(None), building.c.ended_at.is_(None)),
    sortable=("building_id", "no"),
    near=_over(building),
    changed="updated_at",
)

_placed = (
    unit.join(storey, storey.c.id == unit.c.storey_id)
    .join(building, building.c.id == unit.c.building_id)
    .outerjoin(floor_slot, floor_slot.c.id == unit.c.slot_id)
    .outerjoin(floor_plan, floor_plan.c.id == func.coalesce(floor_slot.c.plan_id, storey.c.plan_id))
)
UNITS = Collection(
    name="units",
    zh="户室",
    en="Units",
    about=unit.comment or "",
    tables=_placed,
    key=unit.c.id,
    geometry=case(
        (
            unit.c.geom_status != "none",
            func.coalesce(
                unit.c.outline, floor_slot.c.outline, floor_plan.c.outline, building.c.footprint
            ),
        )
    ),
    geometry_kind="MultiPolygon",
    properties=by_name(
        *listed(unit, "building_id storey_id entrance_id"),
        shown("storey_no", storey.c.no),
        *listed(unit, "room_no kind area_gross rooms layout=layout_code"),
        shown("elev_bottom", unit.c.z_bottom, func.coalesce(unit.c.z_bottom, storey.c.elev_bottom)),
        shown("elev_top", unit.c.z_top, func.coalesce(unit.c.z_top, storey.c.elev_top)),
        *listed(unit, "geom_status"),
    ),
    present=and_(unit.c.ended_at.is_(None), building.c.ended_at.is_(None)),
    sortable=("building_id", "storey_id", "room_no"),
    near=_over(building),
)

_doors = entrance.join(building, building.c.id == entrance.c.building_id)
ENTRANCES = Collection(
    name="entrances",
    zh="单元入口",
    en="Entrances",
    about=entrance.comment or "",
    tables=_doors,
    key=entrance.c.id,
    geometry=entrance.c.geom,
    geometry_kind="Point",
    properties=by_name(*listed(entrance, "building_id no name lift_count geom_status updated_at")),
    present=and_(entrance.c.ended_at.is_(None), building.c.ended_at.is_(None)),
    sortable=("building_id", "no"),
    near=_over(building),
    changed="updated_at",
)

_estate_area = select(estate.c.admin_area_id).where(estate.c.id == building.c.estate_id)
_grid_area = select(grid.c.admin_area_id).where(grid.c.id == building.c.grid_id)
_bound_estate = select(estate.c.admin_area_id).where(
    device.c.bind_type == "estate", estate.c.id == device.c.bind_id
)
_of_project = and_(device.c.bind_type == "project", project.c.id == device.c.bind_id)
_last_seen = shown(
    "last_seen",
    device.c.last_seen,
    case((device.c.bind_type.is_distinct_from("unit"), device.c.last_seen)),
)


def _devices_near(shape: ColumnElement[Any]) -> ColumnElement[bool]:
    """By their own places, and where they have none by those of buildings and sites: an index each,
    which one condition over all of them would not use."""
    near = device.alias("near")
    placeless = near.c.geom.is_(None)
    on_site = and_(near.c.bind_type == "project", near.c.bind_id == project.c.id)
    outline = func.ST_Expand(shape, OVERHANG)
    found = union_all(
        select(near.c.id).where(meets(near.c.geom, shape)),
        select(near.c.id)
        .select_from(building.join(near, near.c.building_id == building.c.id))
        .where(placeless, meets(building.c.footprint, outline))
        .correlate(None),
        select(near.c.id)
        .select_from(project.join(near, on_site))
        .where(placeless, meets(project.c.geom, shape))
        .correlate(None),
    )
    return device.c.id.in_(found)


DEVICES = Collection(
    name="devices",
    zh="设备",
    en="Devices",
    about=device.comment or "",
    tables=device.outerjoin(building, building.c.id == device.c.building_id).outerjoin(
        project, _of_project
    ),
    key=device.c.id,
    geometry=func.coalesce(
        device.c.geom,
        func.ST_PointOnSurface(building.c.footprint),
        func.ST_PointOnSurface(project.c.geom),
    ),
    geometry_kind="Point",
    properties=by_name(
        *listed(device, "class=class_code name model bind_type bind_id building_id elevation"),
        *listed(device, "install_on status"),
        _last_seen,
    ),
    present=device.c.ended_at.is_(None),
    sortable=("class", "building_id", "install_on"),
    near=_devices_near,
    secrecy=device.c.secrecy,
    area=func.coalesce(
        building.c.admin_area_id,
        _estate_area.scalar_subquery(),
        _grid_area.scalar_subquery(),
        _bound_estate.scalar_subquery(),
        project.c.admin_area_id,
    ),
    grid=building.c.grid_id,
)

_seat = (
    select(
        org_location.c.unit_id,
        org_location.c.building_id,
        func.ST_PointOnSurface(building.c.footprint).label("geom"),
    )
    .join(building, building.c.id == org_location.c.building_id)
    .where(
        org_location.c.org_id == organisation.c.id,
        org_location.c.to_date.is_(None),
        building.c.ended_at.is_(None),
    )
    .order_by((org_location.c.role == "经营地").desc().nulls_last(), org_location.c.id)
    .limit(1)
    .lateral("seat")
)
_there = (
    select(org_location.c.org_id)
    .join(building, building.c.id == org_location.c.building_id)
    .correlate(None)
)
ORGANISATIONS = Collection(
    name="organisations",
    zh="单位",
    en="Organisations",
    about=organisation.comment or "",
    tables=organisation.outerjoin(_seat, and_(True)),
    key=organisation.c.id,
    geometry=_seat.c.geom,
    geometry_kind="Point",
    properties=by_name(
        *listed(organisation, "name uscc kind industry=industry_code tags status"),
        Property(
            "building_id", _seat.c.building_id, "integer", org_location.c.building_id.comment or "",
            required=False,
        ),
        Property(
            "unit_id", _seat.c.unit_id, "integer", org_location.c.unit_id.comment or "",
            required=False,
        ),
        *listed(organisation, "updated_at"),
    ),
    present=organisation.c.ended_at.is_(None),
    sortable=("name", "kind", "updated_at"),
    near=lambda shape: organisation.c.id.in_(
        _there.where(meets(building.c.footprint, func.ST_Expand(shape, OVERHANG)))
    ),
    changed="updated_at",
)  # fmt: skip

COLLECTIONS: dict[str, Collection] = {
    each.name: each
    for each in (
        AREAS,
        GRIDS,
        ESTATES,
        STREETS,
        PARCELS,
        PROJECTS,
        BUILDINGS,
        STOREYS,
        UNITS,
        ENTRANCES,
        ADDRESSES,
        FACILITIES,
        DEVICES,
        ORGANISATIONS,
    )
}
"""By name, from the widest to the narrowest, then what hangs on them."""
