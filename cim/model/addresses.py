"""Addresses: the 15-level ladder, and what each address is the address of."""

from sqlalchemy import BigInteger, Boolean, Column, Date, Index, SmallInteger, Table, Text, func
from sqlalchemy import text as sql

from cim.model.base import CITY, geometry, identity, metadata, provenance, reference

SEARCHED = sql("level <= 13")
"""Only places down to the entrance are in the text indexes; a room is found from its building."""

std_address = Table(
    "std_address",
    metadata,
    identity(),
    Column("std_code", Text, comment="official address code; opaque"),
    Column(
        "level", SmallInteger, nullable=False, comment="deepest level filled, 1 city to 15 room"
    ),
    reference("parent_id", f"{CITY}.std_address", "the address one level up"),
    Column("province", Text, comment="省"),
    Column("city", Text, comment="1 市"),
    Column("county", Text, comment="2 县, 区; empty where the city has none"),
    Column("town", Text, comment="3 街道, 镇"),
    Column("village", Text, comment="4 社区, 村"),
    Column("squad", Text, comment="5 行政组"),
    Column("natural_village", Text, comment="6 自然村"),
    Column("zone", Text, comment="7 专业区: park, market"),
    Column("road", Text, comment="8 街路巷"),
    Column("lane", Text, comment="8 lane off the road"),
    Column("door_no", Text, comment="9 门牌, such as 12号"),
    Column("estate_name", Text, comment="10 小区"),
    Column("building_name", Text, comment="11 建筑物, such as 3栋"),
    Column("building_plate", Text, comment="12 楼牌"),
    Column("entrance_no", Text, comment="13 单元"),
    Column("floor_no", Text, comment="14 楼层"),
    Column("room_no", Text, comment="15 户室"),
    Column("full_text", Text, nullable=False, comment="as written"),
    Column(
        "norm_text",
        Text,
        nullable=False,
        comment="normalised: half-width, arabic numerals, one word a level",
    ),
    geometry("geom", "POINT", "place"),
    Column("position_quality", Text, comment="door, building, road, village"),
    Column(
        "status",
        Text,
        nullable=False,
        server_default=sql("'标准'"),
        comment="标准, 曾用, 别名, 待核",
    ),
    reference("admin_area_id", f"{CITY}.admin_area", "lowest area it lies in"),
    *provenance(),
    Index("uq_std_address_source", "source_id", "ext_id", unique=True),
    Index("ix_std_address_code", "std_code", postgresql_where=sql("std_code IS NOT NULL")),
    Index("ix_std_address_parent", "parent_id", "room_no"),
    Index("ix_std_address_norm", "norm_text", postgresql_ops={"norm_text": "text_pattern_ops"}),
    Index(
        "ix_std_address_trgm",
        "norm_text",
        postgresql_using="gin",
        postgresql_ops={"norm_text": "gin_trgm_ops"},
        postgresql_where=SEARCHED,
    ),
    Index(
        "ix_std_address_bigram",
        func.city.bigrams(sql("norm_text")),
        postgresql_using="gin",
        postgresql_where=SEARCHED,
    ),
    Index(
        "ix_std_address_estate",
        "estate_name",
        "building_name",
        postgresql_where=sql("level BETWEEN 10 AND 12"),
    ),
    Index(
        "ix_std_address_road",
        "road",
        "door_no",
        postgresql_where=sql("level BETWEEN 9 AND 12 AND road IS NOT NULL"),
    ),
    Index(
        "ix_std_address_village",
        "village",
        "door_no",
        "lane",
        postgresql_where=sql("level BETWEEN 9 AND 12 AND village IS NOT NULL AND road IS NULL"),
    ),
    Index("ix_std_address_geom", "geom", postgresql_using="gist"),
    schema=CITY,
    comment="standard addresses, one row a place from city to room",
)

address_link = Table(
    "address_link",
    metadata,
    Column("address_id", BigInteger, primary_key=True, comment="the address"),
    Column(
        "object_type",
        Text,
        primary_key=True,
        comment="building, entrance, storey, unit, estate, facility, parcel",
    ),
    Column("object_id", BigInteger, primary_key=True, comment="id in that type's table"),
    Column(
        "role",
        Text,
        nullable=False,
        server_default=sql("'主'"),
        comment="主, 别名, 历史, 门牌; 所在: lies in it, itself unknown",
    ),
    Column("method", Text, nullable=False, comment="code, ladder, place: how the link was found"),
    Column("score", SmallInteger, nullable=False, server_default=sql("100"), comment="0 to 100"),
    Column("valid_from", Date, comment="first day"),
    Column("valid_to", Date, comment="day it ceased"),
    Column(
        "level",
        SmallInteger,
        comment="deepest level of the ladder that matched; NULL where nobody said",
    ),
    Index("ix_address_link_object", "object_type", "object_id"),
    schema=CITY,
    comment="which object an address belongs to",
)

place_name = Table(
    "place_name",
    metadata,
    identity(),
    Column("level", SmallInteger, nullable=False, comment="level of the ladder: 3 town … 11 tower"),
    Column("name", Text, nullable=False, comment="as norm_text has it"),
    Column(
        "town",
        Text,
        nullable=False,
        server_default=sql("''"),
        comment="the town that addresses with the name lie in; empty where none says",
    ),
    Column("said", Text, comment="pinyin: syllables with a space between; NULL until it is read"),
    Column("initials", Text, comment="their first letters"),
    Column(
        "main",
        Boolean,
        nullable=False,
        server_default=sql("true"),
        comment="false for further readings of a name that may be said in several ways",
    ),
    Index(
        "uq_place_name",
        "name",
        "level",
        "town",
        unique=True,
        postgresql_where=sql("main"),
    ),
    Index("uq_place_name_said", "name", "level", "town", "said", unique=True),
    Index("ix_place_name_unread", "id", postgresql_where=sql("said IS NULL")),
    Index(
        "ix_place_name_initials",
        "initials",
        "said",
        postgresql_ops={"initials": "text_pattern_ops"},
    ),
    Index("ix_place_name_said", "said", "level"),
    Index(
        "ix_place_name_bigram",
        func.city.bigrams(sql("name")),
        postgresql_using="gin",
        postgresql_where=sql("main"),
    ),
    Index(
        "ix_place_name_lacking",
        func.city.lacking_one(sql("name")),
        postgresql_using="gin",
        postgresql_where=sql("main AND length(name) >= 4"),
    ),
    schema=CITY,
    comment="names that addresses are made of, as people type them: suggested, and forgiven",
)
