"""Rooms within units, where a building model or a drawn plan knows them."""

from sqlalchemy import Column, Float, Index, Table, Text

from cim.model.base import CITY, geometry, identity, metadata, provenance, reference

unit_space = Table(
    "unit_space",
    metadata,
    identity(),
    reference("building_id", f"{CITY}.building", "the building", nullable=False),
    reference("storey_id", f"{CITY}.storey", "the storey it is on", nullable=False),
    reference("unit_id", f"{CITY}.unit", "the unit it belongs to; NULL for shared rooms"),
    Column("name", Text, comment="as the model names it"),
    Column("kind", Text, comment="室, 厅, 厨, 卫, 阳台, 走道 … or as the model says"),
    geometry("outline", "MULTIPOLYGON", "outline on the storey"),
    Column("area", Float, comment="m²"),
    Column("volume", Float, comment="m³, of the solid it was cut from"),
    Column("z_bottom", Float, comment="above ground_elev, m"),
    Column("z_top", Float, comment="above ground_elev, m"),
    *provenance(),
    Index("ix_unit_space_unit", "unit_id"),
    Index("ix_unit_space_storey", "storey_id"),
    Index("ix_unit_space_building", "building_id"),
    Index("uq_unit_space_source", "source_id", "ext_id", unique=True),
    schema=CITY,
    comment="rooms of units and shared rooms, from building models and drawn plans",
)
