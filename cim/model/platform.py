"""The service itself: imports, quarantine, the change feed, what is derived, tilesets."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB

from cim.model.base import CITY, PLATFORM, identity, metadata, reference

data_import = Table(
    "data_import",
    metadata,
    identity(),
    Column("kind", Text, nullable=False, comment="what was loaded: buildings, units …"),
    Column("file", Text, nullable=False, comment="the file's name, without its folder"),
    Column("layer", Text, comment="the layer within it"),
    Column("source_id", SmallInteger, nullable=False, comment="the system it came from"),
    Column("mapping", JSONB, comment="field → column; of a model, where it was put"),
    Column("crs", Text, comment="coordinate system it was read in"),
    Column(
        "stats", JSONB, comment="rows read, new, changed, unchanged, repaired, set aside, missing"
    ),
    Column(
        "started_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=sql("now()"),
        comment="began",
    ),
    Column("finished_at", DateTime(timezone=True), comment="ended"),
    Column("proof", JSONB, comment="by what the same file is known again while nothing changed"),
    schema=PLATFORM,
    comment="every file that was loaded",
)

quarantine = Table(
    "quarantine",
    metadata,
    identity(),
    reference("import_id", f"{PLATFORM}.data_import", "the import", nullable=False),
    Column("kind", Text, nullable=False, comment="what was loaded"),
    Column("source_id", SmallInteger, nullable=False, comment="the system it came from"),
    Column("ext_id", Text, comment="the row's key in its source, where it has one"),
    Column("file", Text, nullable=False, comment="the file's name"),
    Column(
        "row_no",
        BigInteger,
        nullable=False,
        comment="row in the file: of tables as a spreadsheet shows it, of others from 1",
    ),
    Column("field", Text, comment="the field at fault"),
    Column("value", Text, comment="the value at fault; NULL for personal data"),
    Column("reason", Text, nullable=False, comment="code of the reason"),
    Column("reason_en", Text, nullable=False, comment="the reason in English"),
    Column("reason_zh", Text, nullable=False, comment="the reason in Chinese"),
    Column("record", JSONB, comment="the row as it came; NULL for personal data"),
    Column("record_enc", LargeBinary, comment="the row as it came, encrypted, for personal data"),
    Column("geom", LargeBinary, comment="the geometry as it came, WKB"),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=sql("now()"),
        comment="set aside",
    ),
    Column("cleared_at", DateTime(timezone=True), comment="when the mended row arrived"),
    Index(
        "ix_quarantine_open",
        "kind",
        "source_id",
        "ext_id",
        postgresql_where=sql("cleared_at IS NULL"),
    ),
    schema=PLATFORM,
    comment="rows that could not come in, with the reason; kept until mended",
)

change = Table(
    "change",
    metadata,
    identity(),
    Column(
        "at", DateTime(timezone=True), nullable=False, server_default=sql("now()"), comment="when"
    ),
    Column("object_type", Text, nullable=False, comment="building, unit …"),
    Column("object_id", BigInteger, nullable=False, comment="its id"),
    Column("op", Text, nullable=False, comment="insert, update, end"),
    Column("import_id", BigInteger, comment="the import that did it"),
    Column("before", JSONB, comment="what the changed fields were; never for personal data"),
    Index(
        "ix_change_object",
        "object_type",
        "object_id",
        postgresql_where=sql("op <> 'insert'"),  # when a row began, it says itself
    ),
    schema=PLATFORM,
    comment="the change feed: what changed, in order",
)

derived = Table(
    "derived",
    metadata,
    Column(
        "building_id", BigInteger, primary_key=True, autoincrement=False, comment="the building"
    ),
    Column(
        "input_hash",
        BigInteger,
        nullable=False,
        comment="hash of what its storeys and units were made from",
    ),
    Column(
        "at", DateTime(timezone=True), nullable=False, server_default=sql("now()"), comment="when"
    ),
    schema=PLATFORM,
    comment="which buildings have storeys and units, and made from what",
)

building_pop = Table(
    "building_pop",
    metadata,
    Column(
        "building_id", BigInteger, primary_key=True, autoincrement=False, comment="the building"
    ),
    Column("units", Integer, nullable=False, server_default=sql("0"), comment="units"),
    Column("residents", Integer, nullable=False, server_default=sql("0"), comment="residents"),
    schema=CITY,
    comment="sums per building, kept true by the loaders",
)

tileset = Table(
    "tileset",
    metadata,
    Column("name", Text, primary_key=True, comment="buildings, units …"),
    Column("version", Text, nullable=False, comment="changes with the content"),
    Column("built_at", DateTime(timezone=True), nullable=False, comment="when"),
    Column("feature_count", BigInteger, nullable=False, comment="features"),
    Column("tile_count", Integer, nullable=False, comment="tiles"),
    Column("bytes", BigInteger, nullable=False, comment="bytes on disk"),
    Column(
        "height_shift",
        Float,
        nullable=False,
        comment="metres added to reach the ellipsoid, at the city's centre",
    ),
    Column(
        "skipped", Integer, nullable=False, server_default=sql("0"), comment="features left out"
    ),
    schema=PLATFORM,
    comment="tilesets that were built",
)

tile_member = Table(
    "tile_member",
    metadata,
    Column("tileset", Text, primary_key=True, comment="the tileset"),
    Column(
        "building_id", BigInteger, primary_key=True, autoincrement=False, comment="the building"
    ),
    Column("level", SmallInteger, nullable=False, comment="level in the world quadtree"),
    Column("cell", BigInteger, nullable=False, comment="Morton code of the cell at that level"),
    Index("ix_tile_member_cell", "tileset", "level", "cell"),
    schema=PLATFORM,
    comment="which tile each building, or its units, is in",
)

tile_skip = Table(
    "tile_skip",
    metadata,
    Column("tileset", Text, primary_key=True, comment="the tileset"),
    Column(
        "object_id",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="building or unit left out",
    ),
    Column("reason_en", Text, nullable=False, comment="why, in English"),
    Column("reason_zh", Text, nullable=False, comment="why, in Chinese"),
    schema=PLATFORM,
    comment="features that no tile holds, with the reason",
)

setting = Table(
    "setting",
    metadata,
    Column("name", Text, primary_key=True, comment="name"),
    Column("value", JSONB, nullable=False, comment="value"),
    Column(
        "is_public",
        Boolean,
        nullable=False,
        server_default=sql("true"),
        comment="may be shown to anyone",
    ),
    schema=PLATFORM,
    comment="facts about this city that belong with its data",
)
