"""Facilities, what they serve, and public assets."""

from sqlalchemy import BigInteger, Column, Date, Float, Index, SmallInteger, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from cim.model.base import CITY, geometry, identity, metadata, provenance, reference

facility = Table(
    "facility",
    metadata,
    identity(),
    Column("class_code", Text, nullable=False, comment="code of list facility_class"),
    Column("name", Text, nullable=False, comment="name"),
    reference("estate_id", f"{CITY}.estate", "estate"),
    reference("building_id", f"{CITY}.building", "building"),
    reference("unit_id", f"{CITY}.unit", "unit"),
    reference("org_id", f"{CITY}.organisation", "operator"),
    geometry("geom", "POINT", "place"),
    Column("elevation", Float, comment="above ground_elev, m"),
    Column("area_m2", Float, comment="floor area, m²"),
    Column("capacity", JSONB, comment="windows, terminals, items, beds …"),
    Column("open_hours", Text, comment="opening hours"),
    Column("status", Text, comment="open, closed, planned"),
    Column("level", SmallInteger, comment="rank within its class"),
    *provenance(),
    Index("uq_facility_source", "source_id", "ext_id", unique=True),
    Index("ix_facility_geom", "class_code", "geom", postgresql_using="gist"),
    Index("ix_facility_building", "building_id"),
    schema=CITY,
    comment="facilities: lifts, gates, clinics, schools, drop-off points …",
)

facility_service = Table(
    "facility_service",
    metadata,
    Column("facility_id", BigInteger, primary_key=True, comment="the facility"),
    Column(
        "object_type",
        Text,
        primary_key=True,
        comment="unit, entrance, storey, building, estate, grid",
    ),
    Column("object_id", BigInteger, primary_key=True, comment="id in that type's table"),
    Column("kind", Text, primary_key=True, comment="serves, covers, evacuates"),
    Index("ix_facility_service_object", "object_type", "object_id"),
    schema=CITY,
    comment="what a facility serves: lift → entrance, gate → estate",
)

asset = Table(
    "asset",
    metadata,
    identity(),
    Column("class_code", Text, nullable=False, comment="class"),
    Column("name", Text, comment="name"),
    reference("owner_org_id", f"{CITY}.organisation", "owner"),
    reference("estate_id", f"{CITY}.estate", "estate"),
    reference("building_id", f"{CITY}.building", "building"),
    Column("install_date", Date, comment="installed"),
    Column("warranty_end", Date, comment="end of warranty"),
    geometry("geom", "POINT", "place"),
    *provenance(),
    Index("ix_asset_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="public assets under maintenance",
)
