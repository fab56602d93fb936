"""Reference: code lists, code schemes, official codes and the systems that data come from."""

from sqlalchemy import BigInteger, Column, Date, ForeignKey, Index, SmallInteger, Table, Text
from sqlalchemy import text as sql

from cim.model.base import CITY, metadata

code_list = Table(
    "code_list",
    metadata,
    Column("code", Text, primary_key=True, comment="short name, such as building_use"),
    Column("title_zh", Text, nullable=False, comment="Chinese title"),
    Column("title_en", Text, nullable=False, comment="English title"),
    Column("version", Text, comment="edition of the list"),
    Column("standard", Text, comment="the standard it follows, if any"),
    schema=CITY,
    comment="named lists of codes",
)

code_item = Table(
    "code_item",
    metadata,
    Column(
        "list_code",
        Text,
        ForeignKey(f"{CITY}.code_list.code"),
        primary_key=True,
        comment="the list",
    ),
    Column("code", Text, primary_key=True, comment="the code, as stored in other tables"),
    Column("parent_code", Text, comment="the broader code of the same list"),
    Column("name_zh", Text, nullable=False, comment="Chinese name"),
    Column("name_en", Text, nullable=False, comment="English name"),
    Column(
        "sort", SmallInteger, nullable=False, server_default=sql("0"), comment="order on screen"
    ),
    schema=CITY,
    comment="the codes of each list, with their names",
)

code_scheme = Table(
    "code_scheme",
    metadata,
    Column("code", Text, primary_key=True, comment="short name, such as jgjt496 or gbt37346"),
    Column("title", Text, nullable=False, comment="title of the coding rule"),
    Column("issuer", Text, comment="who assigns the codes"),
    Column("regex", Text, comment="what a code looks like; a setting, not a truth"),
    Column("applies_to", Text, comment="object type: building, unit, parcel, address …"),
    schema=CITY,
    comment="official coding rules; none of their codes is a key here",
)

object_code = Table(
    "object_code",
    metadata,
    Column(
        "scheme", Text, ForeignKey(f"{CITY}.code_scheme.code"), primary_key=True, comment="the rule"
    ),
    Column("code", Text, primary_key=True, comment="the official code"),
    Column("object_type", Text, nullable=False, comment="building, unit, parcel, address …"),
    Column("object_id", BigInteger, nullable=False, comment="id in that type's table"),
    Column("status", Text, comment="current, former, provisional"),
    Column("valid_from", Date, comment="first day the code was valid"),
    Column("valid_to", Date, comment="day the code ceased to be valid"),
    Index("ix_object_code_object", "object_type", "object_id"),
    schema=CITY,
    comment="official codes of objects, one row a code",
)

source_system = Table(
    "source_system",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=True, comment="our key"),
    Column("name", Text, nullable=False, unique=True, comment="name used with --source"),
    Column("owner_org", Text, comment="department that keeps it"),
    Column("kind", Text, comment="survey, register, platform, open data …"),
    Column("contact", Text, comment="office to ask; no person"),
    Column("trust_level", SmallInteger, comment="1 low to 5 authoritative"),
    schema=CITY,
    comment="systems that data come from",
)
