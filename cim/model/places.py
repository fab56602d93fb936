"""Places: areas, grids, estates, parcels, control zones, streets, the walk network."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cim.model.base import CITY, geometry, identity, metadata, provenance, reference

admin_area = Table(
    "admin_area",
    metadata,
    identity(),
    Column("code", Text, nullable=False, comment="administrative code, 2 to 12 digits"),
    Column(
        "level",
        SmallInteger,
        nullable=False,
        comment="1 province 2 city 3 county 4 town 5 village or community",
    ),
    reference(
        "parent_id", f"{CITY}.admin_area", "the area above; a town's may be a city (Dongguan)"
    ),
    Column("name", Text, nullable=False, comment="full name"),
    Column("short_name", Text, comment="name as people say it"),
    Column("kind", Text, comment="街道, 镇, 村, 社区, 园区 …"),
    Column(
        "is_pseudo",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="fills the county slot of a city without counties",
    ),
    geometry("geom", "MULTIPOLYGON", "extent"),
    *provenance(),
    Index("uq_admin_area_code", "code", unique=True, postgresql_where=sql("ended_at IS NULL")),
    Index("ix_admin_area_parent", "parent_id"),
    Index("ix_admin_area_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="administrative areas from province to community",
)

grid = Table(
    "grid",
    metadata,
    identity(),
    Column("code", Text, nullable=False, comment="grid code"),
    Column("name", Text, comment="name"),
    Column(
        "kind",
        Text,
        nullable=False,
        server_default=sql("'综合网格'"),
        comment="综合网格, 城管片, 警务, 责任区",
    ),
    Column("level", SmallInteger, comment="depth in its own tree"),
    reference("parent_id", f"{CITY}.grid", "the grid above"),
    reference("admin_area_id", f"{CITY}.admin_area", "the community it tiles"),
    Column("manager_ref", Text, comment="post in charge, never a name"),
    geometry("geom", "MULTIPOLYGON", "extent"),
    *provenance(),
    Index("uq_grid_code", "kind", "code", unique=True, postgresql_where=sql("ended_at IS NULL")),
    Index("ix_grid_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="management grids; each kind tiles its communities",
)

estate = Table(
    "estate",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="name as people say it"),
    Column("aliases", ARRAY(Text), comment="other names"),
    Column("kind", Text, comment="商品住宅, 老旧, 自建房片, 公寓, 园区"),
    reference("admin_area_id", f"{CITY}.admin_area", "community it lies in"),
    Column("property_org_id", BigInteger, comment="property company (organisation)"),
    Column("committee_status", Text, comment="state of the owners' committee"),
    Column("committee_term_end", Date, comment="end of the committee's term"),
    Column("built_year_min", SmallInteger, comment="first year of building"),
    Column("built_year_max", SmallInteger, comment="last year of building"),
    Column("gated", Boolean, comment="closed to passers-by"),
    Column("renewal_state", Text, comment="state of renewal"),
    Column("rating_current", Text, comment="基础型, 成长型, 标杆型"),
    geometry("geom", "MULTIPOLYGON", "extent"),
    *provenance(),
    Index("uq_estate_source", "source_id", "ext_id", unique=True),
    Index("ix_estate_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="residential estates and compounds (物业小区)",
)

parcel = Table(
    "parcel",
    metadata,
    identity(),
    Column("cadastral_code", Text, comment="parcel code as registered; opaque"),
    Column("land_use_code", Text, comment="code of list land_use"),
    Column("area", Numeric(14, 2), comment="m²"),
    Column("grant_start", Date, comment="start of the land grant"),
    Column("grant_end", Date, comment="end of the land grant"),
    Column("far_max", Numeric(6, 3), comment="highest floor area ratio"),
    Column("density_max", Numeric(5, 4), comment="highest building density, 0 to 1"),
    Column("height_max", Numeric(7, 2), comment="highest building, m"),
    Column("green_min", Numeric(5, 4), comment="least green share, 0 to 1"),
    Column("parking_min", Integer, comment="least number of parking spaces"),
    geometry("red_line", "MULTIPOLYGON", "boundary of the land grant"),
    *provenance(),
    Index("uq_parcel_source", "source_id", "ext_id", unique=True),
    Index("ix_parcel_code", "cadastral_code", postgresql_where=sql("cadastral_code IS NOT NULL")),
    Index("ix_parcel_red_line", "red_line", postgresql_using="gist"),
    schema=CITY,
    comment="parcels with their planning conditions (规划条件)",
)

control_zone = Table(
    "control_zone",
    metadata,
    identity(),
    Column("kind", Text, nullable=False, comment="控高, 退线, 视廊, 历史保护, 三线, 控规盒子"),
    Column("name", Text, comment="name"),
    Column("rule", JSONB, comment="the rule's numbers"),
    Column("z_base_datum", Text, comment="abs1985 or ground"),
    Column("doc_ref", Text, comment="the document that sets it"),
    geometry("geom", "MULTIPOLYGON", "extent"),
    *provenance(),
    Index("ix_control_zone_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="planning control zones",
)

street = Table(
    "street",
    metadata,
    identity(),
    Column("name", Text, comment="name"),
    Column("kind", Text, comment="路, 巷, 里"),
    reference("admin_area_id", f"{CITY}.admin_area", "town or community"),
    geometry("geom", "MULTILINESTRING", "centre lines"),
    *provenance(),
    Index("uq_street_source", "source_id", "ext_id", unique=True),
    Index("ix_street_name", "name"),
    Index("ix_street_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="streets, lanes and alleys",
)

net_node = Table(
    "net_node",
    metadata,
    identity(),
    geometry("geom", "POINT", "place", z=True),
    Index("ix_net_node_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="nodes of the walk network",
)

net_edge = Table(
    "net_edge",
    metadata,
    identity(),
    reference("a", f"{CITY}.net_node", "from", nullable=False),
    reference("b", f"{CITY}.net_node", "to", nullable=False),
    Column("length_m", Float, nullable=False, comment="length in metres"),
    Column(
        "modes",
        SmallInteger,
        nullable=False,
        server_default=sql("1"),
        comment="bits: 1 walk 2 cycle 4 car",
    ),
    Column(
        "barrier",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="a gate or wall closes it",
    ),
    Column("grade", Float, comment="slope, rise over run"),
    geometry("geom", "LINESTRING", "course"),
    Index("ix_net_edge_a", "a"),
    Index("ix_net_edge_b", "b"),
    Index("ix_net_edge_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="edges of the walk network, for isochrones",
)
