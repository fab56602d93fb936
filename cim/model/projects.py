"""Construction projects: what is being built, and where."""

from sqlalchemy import Column, Index, Table, Text

from cim.model.base import CITY, geometry, identity, metadata, provenance, reference

project = Table(
    "project",
    metadata,
    identity(),
    Column("national_code", Text, comment="code of the national register of projects; opaque"),
    Column("name", Text, nullable=False, comment="name"),
    Column("kind", Text, comment="新建, 改建, 老旧小区改造, 加装电梯, 拆除"),
    Column("status", Text, comment="planned, building, suspended, completed"),
    reference("admin_area_id", f"{CITY}.admin_area", "community it lies in"),
    geometry("geom", "MULTIPOLYGON", "extent of the site"),
    *provenance(),
    Index("uq_project_source", "source_id", "ext_id", unique=True),
    Index("ix_project_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="construction projects and their sites",
)
