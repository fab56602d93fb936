"""Terrain: the rasters of ground heights that the city has."""

from sqlalchemy import BigInteger, Column, Date, Float, Index, Integer, Table, Text

from cim.model.base import CITY, geometry, identity, metadata, provenance

terrain = Table(
    "terrain",
    metadata,
    identity(),
    Column("rank", Integer, nullable=False, comment="where rasters overlap the highest counts"),
    Column("file", Text, nullable=False, comment="cloud-optimised GeoTIFF below the data folder"),
    Column("digest", Text, nullable=False, comment="hash of its cells and of where they are"),
    geometry("extent", "POLYGON", "what the raster covers, holes included", nullable=False),
    Column("crs", Text, nullable=False, comment="its coordinate system: EPSG:4547, or WKT"),
    Column(
        "heights",
        Text,
        nullable=False,
        comment="what its heights are above: 1985 (the city's height datum), ellipsoid, egm96 …",
    ),
    Column("columns", Integer, nullable=False, comment="cells from west to east"),
    Column("rows", Integer, nullable=False, comment="cells from north to south"),
    Column("cell", Float, nullable=False, comment="size of a cell, m"),
    Column("holes", BigInteger, nullable=False, comment="cells without a height"),
    Column("least", Float, nullable=False, comment="lowest height as the raster has it, m"),
    Column("most", Float, nullable=False, comment="highest height as the raster has it, m"),
    Column("survey_date", Date, comment="day of survey, where known"),
    *provenance(),
    Index("uq_terrain_source", "source_id", "ext_id", unique=True),
    Index("ix_terrain_extent", "extent", postgresql_using="gist"),
    schema=CITY,
    comment="rasters of ground heights; the cells are files in the data folder",
)
