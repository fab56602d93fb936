"""People and their ties to units: a schema of its own, whose rows nobody sees by himself.

Names, ids and phones are stored encrypted, with a mask for showing and a keyed hash for look-up;
the key is a file outside the database (`cim.privacy`).  Rows are opened by a proof of who asks, one
transaction at a time: `cim/store/rules/people.sql`.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Index,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY

from cim.model.base import PII, identity, metadata, provenance, reference

person = Table(
    "person",
    metadata,
    identity(),
    Column("name_enc", LargeBinary, nullable=False, comment="name, encrypted"),
    Column("name_mask", Text, nullable=False, comment="name, masked: 张*"),
    Column("id_type", Text, comment="kind of identity document"),
    Column("id_no_enc", LargeBinary, comment="document number, encrypted"),
    Column("id_no_hash", LargeBinary, comment="keyed hash of the document number, for look-up"),
    Column("id_no_mask", Text, comment="document number, masked"),
    Column("sex_code", Text, comment="1 male 2 female 0 unknown"),
    Column("birth_year", SmallInteger, comment="year of birth"),
    Column(
        "is_minor14",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="under 14: shown to nobody",
    ),
    Column("phone_enc", LargeBinary, comment="phone number, encrypted"),
    Column("phone_hash", LargeBinary, comment="keyed hash of the phone number"),
    Column("phone_mask", Text, comment="phone number, masked"),
    *(column for column in provenance() if column.name != "attrs"),
    Column(
        "restricted_at",
        DateTime(timezone=True),
        comment="erased on request but for what the law keeps; shown to nobody",
    ),
    Index("uq_person_source", "source_id", "ext_id", unique=True),
    Index("ix_person_id_no_hash", "id_no_hash"),
    schema=PII,
    comment="persons",
)

residency = Table(
    "residency",
    metadata,
    identity(),
    reference("person_id", f"{PII}.person", "the person", nullable=False),
    Column("unit_id", BigInteger, comment="the unit"),
    Column("building_id", BigInteger, comment="the unit's building, repeated for sums"),
    Column("grid_id", BigInteger, comment="the building's grid, repeated for sums"),
    Column("address_id", BigInteger, comment="the address, where no unit is known"),
    Column("role", Text, comment="户主, 成员, 租客, 业主不住, 单位宿舍"),
    Column("kind", Text, comment="户籍, 常住, 流动, 境外"),
    Column("from_date", Date, comment="since"),
    Column("to_date", Date, comment="until"),
    Column("verified_at", DateTime(timezone=True), comment="last verified"),
    Column("legal_basis", Text, comment="legal basis of the record"),
    Column(
        "purpose_scope", ARRAY(Text), comment="purposes it may be used for; NULL for all configured"
    ),
    Index(
        "uq_residency_person_unit",
        "person_id",
        sql("coalesce(unit_id, 0)"),
        unique=True,
        postgresql_where=sql("to_date IS NULL"),
    ),
    Index("ix_residency_unit", "unit_id"),
    Index(
        "ix_residency_address",
        "address_id",
        postgresql_where=sql("unit_id IS NULL AND address_id IS NOT NULL"),
    ),
    Index("ix_residency_building", "building_id"),
    Index("ix_residency_grid", "grid_id", "kind"),
    schema=PII,
    comment="who lives where, in what role",
)

household = Table(
    "household",
    metadata,
    identity(),
    Column("unit_id", BigInteger, nullable=False, comment="the unit"),
    reference("head_person_id", f"{PII}.person", "head of the household"),
    Column("size_cached", SmallInteger, comment="number of members"),
    Index("ix_household_unit", "unit_id"),
    schema=PII,
    comment="households",
)

tenure = Table(
    "tenure",
    metadata,
    identity(),
    Column("unit_id", BigInteger, nullable=False, comment="the unit"),
    Column("party_type", Text, nullable=False, comment="person or organisation"),
    Column("party_id", BigInteger, nullable=False, comment="id of the person or organisation"),
    Column("kind", Text, nullable=False, comment="产权, 承租, 使用, 代管, 预售买受"),
    Column("share", Text, comment="share, such as 1/2"),
    Column("start_date", Date, comment="since"),
    Column("end_date", Date, comment="until"),
    Column("doc_ref", Text, comment="document"),
    Index("ix_tenure_unit", "unit_id"),
    schema=PII,
    comment="rights in units (LADM RRR)",
)
