"""Who may do what, and what was done: accounts, roles, keys, sessions, the audit log.

A schema of its own that no reading role sees.  What a person may not do to these tables, such as
give himself a role, the database refuses by itself: `cim/store/rules/security.sql`.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from cim.model.base import CITY, SECURITY, identity, metadata, reference


def moment(name: str, comment: str, *, now: bool = False) -> Column[Any]:
    """A point in time; with `now` it is there, and that of writing unless something is said."""
    default = sql("now()") if now else None
    return Column(
        name, DateTime(timezone=True), nullable=not now, server_default=default, comment=comment
    )


account = Table(
    "account",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="what the person signs in with"),
    Column("holder", Text, nullable=False, comment="whose it is: a staff number, lower case"),
    Column("password", Text, comment="Argon2id; NULL until a link was used"),
    moment("password_at", "when it was set"),
    Column(
        "must_change",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="may do nothing but set a new password",
    ),
    Column(
        "failed",
        SmallInteger,
        nullable=False,
        server_default=sql("0"),
        comment="failed tries since the last that did not",
    ),
    moment("locked_until", "no sign-in before"),
    Column("totp", LargeBinary, comment="secret of one-time codes, encrypted; NULL without"),
    Column("totp_step", BigInteger, comment="step of the last code used: none is used twice"),
    moment("made_at", "when it was made", now=True),
    reference("made_by", f"{SECURITY}.account", "the system administrator; NULL for the first"),
    moment("expires_at", "no sign-in from then on"),
    moment("ended_at", "taken away; never deleted"),
    moment("seen_at", "last sign-in"),
    CheckConstraint("name = lower(btrim(name)) AND name <> ''", name="name"),
    CheckConstraint("holder = lower(btrim(holder)) AND holder <> ''", name="holder"),
    UniqueConstraint("id", "holder", name="uq_account_id_holder"),
    Index("uq_account_name", "name", unique=True),
    schema=SECURITY,
    comment="people who sign in with a password",
)

role = Table(
    "role",
    metadata,
    Column("code", Text, primary_key=True, comment="code"),
    Column("name_zh", Text, nullable=False, comment="name in Chinese"),
    Column("name_en", Text, nullable=False, comment="name in English"),
    Column(
        "administers",
        Text,
        nullable=False,
        server_default=sql("''"),
        comment="system, security or audit for the three administrators; else empty",
    ),
    CheckConstraint("administers IN ('', 'system', 'security', 'audit')", name="administers"),
    UniqueConstraint("code", "administers", name="uq_role_code_administers"),
    Index(
        "uq_role_administers", "administers", unique=True, postgresql_where=sql("administers <> ''")
    ),
    schema=SECURITY,
    comment="what a person or a machine may be",
)


def held(name: str) -> list[Any]:
    """The role and its administration, together as the role has them."""
    return [
        Column("role", Text, nullable=False, comment="the role"),
        Column(
            "administers",
            Text,
            nullable=False,
            server_default=sql("''"),
            comment="what the role administers, repeated for the rules on it",
        ),
        ForeignKeyConstraint(
            ["role", "administers"],
            [f"{SECURITY}.role.code", f"{SECURITY}.role.administers"],
            name=f"fk_{name}_role",
        ),
    ]


role_right = Table(
    "role_right",
    metadata,
    identity(),
    *held("role_right"),
    Column("scope", Text, nullable=False, comment="what may be done: city.read, intake …"),
    Column("collection", Text, comment="with which collection: units, devices …; NULL for all"),
    Column("fields", ARRAY(Text), comment="which of its fields; NULL for all"),
    Column(
        "secrecy",
        SmallInteger,
        nullable=False,
        server_default=sql("0"),
        comment="up to which level of secrecy; 0 public",
    ),
    # An administrator administers and reads no data; nobody else administers.
    CheckConstraint(
        "CASE WHEN administers = '' THEN left(scope, 6) <> 'admin.' "
        "ELSE scope = 'admin.' || administers END",
        name="scope",
    ),
    Index(
        "uq_role_right",
        "role",
        "scope",
        "collection",
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
    schema=SECURITY,
    comment="what each role may do",
)

api_key = Table(
    "api_key",
    metadata,
    identity(),
    Column("name", Text, nullable=False, comment="what the machine is called in logs"),
    Column("prefix", Text, nullable=False, comment="how the key begins, to know it by"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of the whole key"),
    reference("owner_id", f"{SECURITY}.account", "who answers for it", nullable=False),
    Column("scopes", ARRAY(Text), comment="of the scopes of its roles only these; NULL for all"),
    moment("made_at", "when it was made", now=True),
    reference("made_by", f"{SECURITY}.account", "the security administrator", nullable=False),
    moment("expires_at", "good for nothing from then on"),
    moment("ended_at", "taken away; never deleted"),
    moment("used_at", "last use, written every ten minutes at most"),
    Index("uq_api_key_digest", "digest", unique=True),
    Index("uq_api_key_name", "name", unique=True, postgresql_where=sql("ended_at IS NULL")),
    schema=SECURITY,
    comment="keys of machines",
)

role_grant = Table(
    "role_grant",
    metadata,
    identity(),
    Column("account_id", BigInteger, comment="the person; or a key"),
    Column("holder", Text, comment="whose the account is, repeated for the rule of three"),
    reference("key_id", f"{SECURITY}.api_key", "the machine's key; or a person"),
    *held("role_grant"),
    reference("area_id", f"{CITY}.admin_area", "only there; NULL for the whole city, or a grid"),
    reference("grid_id", f"{CITY}.grid", "only there; NULL for the whole city, or an area"),
    moment("made_at", "when it was given", now=True),
    reference("made_by", f"{SECURITY}.account", "the security administrator; NULL for the first"),
    moment("expires_at", "good for nothing from then on"),
    moment("ended_at", "taken away; never deleted"),
    ForeignKeyConstraint(
        ["account_id", "holder"],
        [f"{SECURITY}.account.id", f"{SECURITY}.account.holder"],
        name="fk_role_grant_account_id",
    ),
    CheckConstraint(
        "num_nonnulls(account_id, key_id) = 1 AND (account_id IS NULL) = (holder IS NULL)",
        name="whose",
    ),
    CheckConstraint("num_nonnulls(area_id, grid_id) <= 1", name="place"),
    CheckConstraint(
        "administers = '' OR num_nonnulls(key_id, area_id, grid_id, expires_at) = 0",
        name="administrator",
    ),
    # The three administrators are three persons: of a holder's grants one alone administers.
    Index(
        "uq_role_grant_administrator",
        "holder",
        unique=True,
        postgresql_where=sql("administers <> '' AND ended_at IS NULL"),
    ),
    Index(
        "uq_role_grant",
        "account_id",
        "key_id",
        "role",
        "area_id",
        "grid_id",
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sql("ended_at IS NULL"),
    ),
    Index("ix_role_grant_key", "key_id", postgresql_where=sql("key_id IS NOT NULL")),
    schema=SECURITY,
    comment="which role each person and key has, and where",
)

link = Table(
    "link",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of what the link carries"),
    reference("account_id", f"{SECURITY}.account", "whose password it sets", nullable=False),
    moment("made_at", "when it was made", now=True),
    reference("made_by", f"{SECURITY}.account", "the administrator; NULL for the first"),
    reference("witness", f"{SECURITY}.account", "the second, where it is an administrator's"),
    Column("expires_at", DateTime(timezone=True), nullable=False, comment="useless from then on"),
    moment("used_at", "used: once"),
    schema=SECURITY,
    comment="links by which a password is set, each once",
)

session = Table(
    "session",
    metadata,
    Column("digest", LargeBinary, primary_key=True, comment="SHA-256 of the cookie"),
    reference("account_id", f"{SECURITY}.account", "who signed in here; NULL for elsewhere"),
    Column("subject", Text, comment="who signed in elsewhere: issuer and subject"),
    Column("name", Text, nullable=False, comment="what logs call the caller"),
    Column("roles", ARRAY(Text), comment="roles that the other place vouched for"),
    Column("areas", ARRAY(BigInteger), comment="areas it confined them to; NULL for none"),
    Column("grids", ARRAY(BigInteger), comment="grids it confined them to; NULL for none"),
    moment("made_at", "sign-in", now=True),
    moment("seen_at", "last use, written once a minute at most", now=True),
    Column("ends_at", DateTime(timezone=True), nullable=False, comment="over then, used or not"),
    moment("ended_at", "signed out"),
    CheckConstraint("(account_id IS NULL) = (subject IS NOT NULL)", name="whose"),
    Index("ix_session_account", "account_id"),
    Index("ix_session_ends", "ends_at"),
    schema=SECURITY,
    comment="who is signed in to the viewer",
)

rule = Table(
    "rule",
    metadata,
    Column("name", Text, primary_key=True, comment="the rule"),
    Column("value", Integer, nullable=False, comment="what holds"),
    Column("least", Integer, nullable=False, comment="least it may be"),
    Column("most", Integer, nullable=False, comment="most it may be"),
    Column("name_zh", Text, nullable=False, comment="what it says, in Chinese"),
    Column("name_en", Text, nullable=False, comment="what it says, in English"),
    CheckConstraint("value BETWEEN least AND most", name="value"),
    schema=SECURITY,
    comment="rules on passwords, sign-in and sessions",
)

bucket = Table(
    "bucket",
    metadata,
    Column("name", LargeBinary, primary_key=True, comment="SHA-256 of what is counted"),
    Column("tokens", Float, nullable=False, comment="tries left when last asked"),
    Column("at", DateTime(timezone=True), nullable=False, comment="when that was"),
    prefixes=["UNLOGGED"],
    schema=SECURITY,
    comment="how often something was tried of late: token buckets",
)

audit_lane = Table(
    "audit_lane",
    metadata,
    Column("lane", SmallInteger, primary_key=True, autoincrement=False, comment="the lane"),
    Column("first", BigInteger, nullable=False, comment="number of the first line kept"),
    Column("before", LargeBinary, nullable=False, comment="digest of the line before that"),
    Column("last", BigInteger, nullable=False, comment="number of the last line"),
    Column("digest", LargeBinary, nullable=False, comment="digest of the last line"),
    schema=SECURITY,
    comment="where each chain of the audit log begins and ends",
)

audit_log = Table(
    "audit_log",
    metadata,
    Column(
        "lane",
        SmallInteger,
        primary_key=True,
        autoincrement=False,
        comment="the chain it is in: several, so that writers need not wait for each other",
    ),
    Column(
        "no", BigInteger, primary_key=True, autoincrement=False, comment="1, 2, 3 … in the chain"
    ),
    Column("at", DateTime(timezone=True), primary_key=True, comment="when"),
    Column("event", Text, nullable=False, comment="what: sign_in, role_grant.insert …"),
    Column("success", Boolean, nullable=False, comment="whether it was done"),
    Column("actor", Text, comment="who, by the name of the account or key; NULL for the database"),
    Column("roles", Text, comment="in which roles"),
    Column("purpose", Text, comment="what for"),
    Column("object_type", Text, comment="with what: account, unit …"),
    Column("object_id", BigInteger, comment="its id"),
    Column("persons", Integer, comment="how many persons were shown"),
    Column("address", Text, comment="from which address"),
    Column("request", Text, comment="the request's id"),
    Column("detail", JSONB, nullable=False, server_default=sql("'{}'"), comment="what else"),
    Column("previous", LargeBinary, nullable=False, comment="digest of the line before"),
    Column("digest", LargeBinary, nullable=False, comment="SHA-256 of this line and `previous`"),
    Index("ix_audit_log_at", "at"),
    Index("ix_audit_log_actor", "actor", "at"),
    schema=SECURITY,
    postgresql_partition_by="RANGE (at)",
    comment="what happened, append-only, each line chained to the one before; a table a month",
)

purpose = Table(
    "purpose",
    metadata,
    Column("code", Text, primary_key=True, comment="what X-Purpose says"),
    Column("name_zh", Text, nullable=False, comment="name in Chinese"),
    Column("name_en", Text, nullable=False, comment="name in English"),
    Column(
        "plain",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="whether it needs names and numbers unmasked",
    ),
    Column(
        "demo",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="only in a demo, whose people are invented",
    ),
    moment("ended_at", "no longer a purpose; never deleted"),
    schema=SECURITY,
    comment="what personal data may be asked for",
)

seal = Table(
    "seal",
    metadata,
    Column("one", Boolean, primary_key=True, server_default=sql("true"), comment="there is one"),
    Column("secret", LargeBinary, nullable=False, comment="32 bytes that no login can read"),
    CheckConstraint("one", name="one"),
    schema=SECURITY,
    comment="what a transaction's list of opened persons is sealed with",
)
