"""Organisations, where they are, and let houses."""

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Index, SmallInteger, Table, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from cim.model.base import CITY, identity, metadata, provenance, reference

organisation = Table(
    "organisation",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="registered name"),
    Column("uscc", Text, comment="unified social credit code, 18 characters"),
    Column("kind", Text, comment="企业, 个体, 机关, 社会组织, 物业, 业委会, 网格"),
    Column("industry_code", Text, comment="industry code; opaque"),
    Column("tags", ARRAY(Text), comment="三小: 小商铺, 小作坊, 小娱乐"),
    Column("status", Text, comment="active, closed …"),
    Column("contact_mask", Text, comment="contact, masked"),
    *provenance(),
    Index("uq_organisation_source", "source_id", "ext_id", unique=True),
    Index("ix_organisation_uscc", "uscc"),
    schema=CITY,
    comment="organisations: firms, shops, agencies, property companies",
)

org_location = Table(
    "org_location",
    metadata,
    identity(),
    reference("org_id", f"{CITY}.organisation", "the organisation", nullable=False),
    reference("unit_id", f"{CITY}.unit", "the unit"),
    reference("building_id", f"{CITY}.building", "the building, repeated for sums"),
    reference("address_id", f"{CITY}.std_address", "the address"),
    Column("role", Text, comment="注册地 or 经营地"),
    Column("from_date", Date, comment="since"),
    Column("to_date", Date, comment="until"),
    Index(
        "uq_org_location",
        "org_id",
        sql("coalesce(unit_id, 0)"),
        sql("coalesce(role, '')"),
        unique=True,
        postgresql_where=sql("to_date IS NULL"),
    ),
    Index("ix_org_location_unit", "unit_id"),
    Index("ix_org_location_building", "building_id"),
    schema=CITY,
    comment="where an organisation is",
)

rental_house = Table(
    "rental_house",
    metadata,
    identity(),
    Column("scope_type", Text, nullable=False, comment="building or unit"),
    Column("scope_id", BigInteger, nullable=False, comment="id of the building or unit"),
    Column("rooms_let", SmallInteger, comment="rooms let"),
    Column("tier", Text, comment="LOOSE 宽管, WARN 警示, STRICT 严管, BAN 禁租"),
    Column("tier_source", Text, comment="rule or manual"),
    Column("score", SmallInteger, comment="the rule's score"),
    Column("tier_at", DateTime(timezone=True), comment="when the tier was set"),
    Column("visits_per_month", SmallInteger, comment="visits due a month"),
    Column("signed_responsibility", Boolean, comment="landlord signed the responsibility paper"),
    Index("uq_rental_house_scope", "scope_type", "scope_id", unique=True),
    schema=CITY,
    comment="let houses and their management tier; the landlord is in pii.tenure",
)

rental_tier_history = Table(
    "rental_tier_history",
    metadata,
    identity(),
    reference("rental_house_id", f"{CITY}.rental_house", "the let house", nullable=False),
    Column("tier", Text, nullable=False, comment="the tier"),
    Column("reason", Text, comment="why"),
    Column(
        "at", DateTime(timezone=True), nullable=False, server_default=sql("now()"), comment="when"
    ),
    Index("ix_rental_tier_history_house", "rental_house_id"),
    schema=CITY,
    comment="tiers a let house has had",
)
