"""Buildings, entrances, storeys and units.

A typical floor (标准层) is one `floor_plan` with its `floor_slot`s, shared by every storey drawn
alike: a tower of thirty storeys stores one plan. A geometry that is NULL is inherited:

    unit.outline → floor_slot.outline → floor_plan.outline → building.footprint
    storey outline = floor_plan.outline → building.footprint

Elevations are metres above the building's `ground_elev`, so a new terrain moves one column.
"""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from cim.model.base import CITY, geometry, identity, metadata, provenance, reference, times

building = Table(
    "building",
    metadata,
    identity(),
    Column("name", Text, comment="name or number as people say it, such as 3栋"),
    Column(
        "kind", Text, nullable=False, server_default=sql("'自然幢'"), comment="自然幢, 逻辑幢, 附属"
    ),
    reference("parent_building_id", f"{CITY}.building", "the physical building of a logical one"),
    reference("estate_id", f"{CITY}.estate", "estate it stands in"),
    reference("parcel_id", f"{CITY}.parcel", "parcel it stands on"),
    reference("admin_area_id", f"{CITY}.admin_area", "lowest area it stands in"),
    reference("grid_id", f"{CITY}.grid", "management grid it stands in"),
    Column(
        "state",
        Text,
        nullable=False,
        server_default=sql("'existing'"),
        comment="planned, under_construction, existing, partly_demolished, demolished",
    ),
    Column("use_code", Text, comment="code of list building_use"),
    Column("structure_code", Text, comment="code of list structure"),
    Column("fire_class", Text, comment="fire resistance class"),
    Column("built_year", SmallInteger, comment="year of completion"),
    Column("completed_on", Date, comment="day of acceptance"),
    geometry("footprint", "MULTIPOLYGON", "outline on the ground", nullable=False),
    Column("footprint_area", Float, nullable=False, comment="m² on the ellipsoid"),
    Column(
        "ground_elev",
        Float,
        nullable=False,
        server_default=sql("0"),
        comment="ground in the height datum (1985), m: its lowest place under the outline",
    ),
    Column("height", Float, nullable=False, comment="roof above ground_elev, m"),
    Column(
        "height_method",
        Text,
        nullable=False,
        comment="given (as loaded), floors (floors × storey height), default",
    ),
    Column("floors_above", SmallInteger, nullable=False, comment="storeys above ground"),
    Column(
        "floors_below",
        SmallInteger,
        nullable=False,
        server_default=sql("0"),
        comment="basement storeys",
    ),
    Column(
        "floors_method",
        Text,
        nullable=False,
        comment="given, height (height ÷ storey height), default",
    ),
    Column("podium_floors", SmallInteger, comment="lowest storeys used as podium (shops)"),
    Column(
        "units_per_floor",
        SmallInteger,
        comment="units on a typical floor, all entrances together, where known",
    ),
    Column("entrance_count", SmallInteger, comment="entrances (单元), where known"),
    Column("gross_area", Numeric(14, 2), comment="total floor area, m²"),
    Column("units_total", Integer, comment="units according to the source"),
    Column("has_lift", Boolean, comment="at least one lift"),
    Column("seismic_code", Text, comment="seismic class"),
    Column("safety_grade", Text, comment="A to D"),
    Column("illegal_flag", Boolean, comment="suspected illegal addition"),
    *provenance(),
    Column(
        "ground_method",
        Text,
        nullable=False,
        server_default=sql("'default'"),
        comment="how ground_elev came: given (as loaded), terrain, default",
    ),
    Column("ground_low", REAL, comment="lowest ground under the outline in the terrain, m"),
    Column("ground_high", REAL, comment="highest ground under the outline in the terrain, m"),
    CheckConstraint("floors_above >= 0 AND floors_below >= 0", name="floors"),
    CheckConstraint("height >= 0", name="height"),
    Index("uq_building_source", "source_id", "ext_id", unique=True),
    Index("ix_building_footprint", "footprint", postgresql_using="gist"),
    Index("ix_building_estate", "estate_id"),
    Index("ix_building_grid", "grid_id"),
    schema=CITY,
    comment="every building, planned ones included",
)

building_geom = Table(
    "building_geom",
    metadata,
    identity(),
    reference("building_id", f"{CITY}.building", "the building", nullable=False),
    Column("kind", Text, nullable=False, comment="solid, roof, mesh, ifc"),
    Column("lod", Text, comment="level of detail as its source names it"),
    Column("cim_level", SmallInteger, comment="CIM1 to CIM7"),
    geometry("geom", "GEOMETRY", "surfaces; z in the height datum", z=True),
    Column("asset_uri", Text, comment="model file, where the geometry is not in the table"),
    Column(
        "model_matrix",
        ARRAY(Float),
        comment="16 numbers, column-major, model to local east-north-up",
    ),
    Column("survey_date", Date, comment="day of survey"),
    Column(
        "is_current", Boolean, nullable=False, server_default=sql("true"), comment="the one to show"
    ),
    Index("ix_building_geom_building", "building_id"),
    Index(
        "uq_building_geom_current",
        "building_id",
        unique=True,
        postgresql_where=sql("is_current"),
    ),
    schema=CITY,
    comment="further representations of a building",
)

entrance = Table(
    "entrance",
    metadata,
    identity(),
    reference("building_id", f"{CITY}.building", "the building", nullable=False),
    Column("no", SmallInteger, nullable=False, comment="1, 2, 3 … along the building"),
    Column("name", Text, nullable=False, comment="as on the door, such as 1单元"),
    Column("lift_count", SmallInteger, comment="lifts behind it"),
    geometry("geom", "POINT", "the door on the outline"),
    Column("geom_status", Text, nullable=False, comment="surveyed, drawn, generated, none"),
    *times(),
    UniqueConstraint("building_id", "no"),
    schema=CITY,
    comment="entrances of a building (单元, 梯)",
)

floor_plan = Table(
    "floor_plan",
    metadata,
    identity(),
    reference("building_id", f"{CITY}.building", "the building", nullable=False),
    Column("kind", Text, nullable=False, comment="typical, ground, podium, basement, drawn"),
    geometry("outline", "MULTIPOLYGON", "NULL where it is the footprint"),
    Column("area", Float, nullable=False, comment="m²"),
    Column("geom_status", Text, nullable=False, comment="surveyed, drawn, generated"),
    Index("ix_floor_plan_building", "building_id"),
    schema=CITY,
    comment="a floor layout, stored once and shared by the storeys built alike (标准层)",
)

floor_slot = Table(
    "floor_slot",
    metadata,
    identity(),
    reference("plan_id", f"{CITY}.floor_plan", "the plan", nullable=False),
    Column(
        "no",
        SmallInteger,
        nullable=False,
        comment="1, 2, 3 … along the plan; the last digits of a room number",
    ),
    Column(
        "entrance_no",
        SmallInteger,
        comment="entrance that leads to it; NULL for none in particular",
    ),
    geometry("outline", "MULTIPOLYGON", "NULL where it is the whole plan"),
    Column("area", Float, nullable=False, comment="m²"),
    Column("orientation", Text, comment="N, NE, E …: the outward side"),
    UniqueConstraint("plan_id", "no"),
    schema=CITY,
    comment="the place of one unit on a floor plan",
)

storey = Table(
    "storey",
    metadata,
    identity(),
    reference("building_id", f"{CITY}.building", "the building", nullable=False),
    reference("plan_id", f"{CITY}.floor_plan", "its layout; NULL only until derived"),
    Column("no", SmallInteger, nullable=False, comment="-2, -1, 1 … n; 0 only for a mezzanine"),
    Column("label", Text, nullable=False, comment="as on the lift button: B1, 1, 3A, 避难层"),
    Column(
        "kind",
        Text,
        nullable=False,
        server_default=sql("'标准'"),
        comment="标准, 架空, 转换, 设备, 避难, 地下, 夹层, 屋面",
    ),
    Column("given_bottom", Float, comment="elev_bottom as loaded, where it was"),
    Column("given_height", Float, comment="storey height as loaded, where it was, m"),
    Column("elev_bottom", Float, comment="floor above ground_elev, m; NULL only until derived"),
    Column("elev_top", Float, comment="next floor above ground_elev, m; NULL only until derived"),
    Column("status", Text, nullable=False, comment="given (loaded) or generated"),
    *times(),
    CheckConstraint("elev_top > elev_bottom", name="elevations"),
    Index(
        "uq_storey_building_no",
        "building_id",
        "no",
        "label",
        unique=True,
        postgresql_where=sql("ended_at IS NULL"),
    ),
    Index("ix_storey_plan", "plan_id"),
    Index("ix_storey_ended", "building_id", "no", postgresql_where=sql("ended_at IS NOT NULL")),
    schema=CITY,
    comment="storeys, each with its elevations and its layout",
)

unit = Table(
    "unit",
    metadata,
    identity(),
    reference("building_id", f"{CITY}.building", "the building", nullable=False),
    reference("storey_id", f"{CITY}.storey", "the storey of its door", nullable=False),
    reference("entrance_id", f"{CITY}.entrance", "the entrance that leads to it"),
    # No foreign key: without an index on it, each slot deleted would be looked for in every unit,
    # and the index is larger than the slots.  `cim check` proves it instead (units_placed).
    Column("slot_id", BigInteger, comment="its place on the storey's plan; NULL where it has none"),
    Column("room_no", Text, nullable=False, comment="as on the door, such as 803"),
    Column(
        "kind",
        Text,
        nullable=False,
        server_default=sql("'residential'"),
        comment="code of list unit_kind",
    ),
    Column("use_now_code", Text, comment="present use, code of list unit_kind"),
    Column("use_planned_code", Text, comment="planned use, code of list unit_kind"),
    Column("area_gross", Numeric(14, 2), comment="registered floor area, m²"),
    Column("area_inner", Numeric(14, 2), comment="inner floor area, m²"),
    Column("area_shared", Numeric(14, 2), comment="apportioned shared area, m²"),
    Column("rooms", SmallInteger, comment="number of rooms"),
    Column("layout_code", Text, comment="layout such as 3室2厅"),
    geometry("outline", "MULTIPOLYGON", "own outline; NULL where it is its slot's"),
    Column("z_bottom", Float, comment="above ground_elev, m; NULL where it is the storey's"),
    Column("z_top", Float, comment="above ground_elev, m; NULL where it is the storey's"),
    Column(
        "geom_status", Text, nullable=False, comment="surveyed, floorplan, ifc, generated, none"
    ),
    Column(
        "occupancy_status",
        Text,
        nullable=False,
        server_default=sql("'unknown'"),
        comment="自住, 出租, 空置, 办公, 停用, unknown",
    ),
    Column("gas_supply", Text, comment="pipe, bottle, none"),
    Column("parent_unit_id", BigInteger, comment="the unit it was split from (隔断, 群租)"),
    *provenance(),
    Index(
        "uq_unit_room",
        "storey_id",
        sql("coalesce(entrance_id, 0)"),
        "room_no",
        unique=True,
        postgresql_where=sql("ended_at IS NULL"),
    ),
    Index("ix_unit_building", "building_id", "storey_id", "room_no"),
    Index(
        "uq_unit_source",
        "source_id",
        "ext_id",
        unique=True,
        postgresql_where=sql("ext_id IS NOT NULL"),
    ),
    schema=CITY,
    comment="units (户, 套): flats, shops, offices, parking spaces",
)

unit_storey = Table(
    "unit_storey",
    metadata,
    Column("unit_id", BigInteger, primary_key=True, comment="the unit"),
    Column("storey_id", BigInteger, primary_key=True, comment="a further storey it takes part in"),
    Column("share", Float, comment="share of its area there, 0 to 1"),
    geometry("outline", "MULTIPOLYGON", "its part there; NULL where it is not drawn"),
    Column("z_bottom", Float, comment="above ground_elev, m; NULL where it is the storey's"),
    Column("z_top", Float, comment="above ground_elev, m; NULL where it is the storey's"),
    schema=CITY,
    comment="further storeys of a unit (duplex)",
)
