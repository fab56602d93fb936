"""The service itself: imports, quarantine, the change feed, what is derived, tilesets."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import UserDefinedType

from cim.model.base import CITY, PLATFORM, identity, metadata, reference


class Xid8(UserDefinedType[str]):
    """The number of a transaction, which grows for ever; to Python it is text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Its name in the database."""
        return "XID8"


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
    Column(
        "solid",
        LargeBinary,
        comment="the solid as it came, WKB: a multipolygon with heights for each level of detail",
    ),
    Column(
        "solid_lods",
        Text,
        comment="these levels, the one to be shown first; empty where the solid cannot be read",
    ),
    Column(
        "solid_above",
        Text,
        comment="what its heights are above; NULL for the datum of the city",
    ),
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
    Column(
        "id",
        BigInteger,
        Identity(),
        nullable=False,
        comment="in the order of writing, within a transaction",
    ),
    Column(
        "at", DateTime(timezone=True), nullable=False, server_default=sql("now()"), comment="when"
    ),
    Column("object_type", Text, nullable=False, comment="building, unit …"),
    Column("object_id", BigInteger, nullable=False, comment="its id; of a run the first"),
    Column("op", Text, nullable=False, comment="insert, update, end, delete, truncate"),
    Column("import_id", BigInteger, comment="the import that did it"),
    Column(
        "before",
        JSONB,
        comment="what the changed fields were; never for personal data, nor of a run",
    ),
    Column(
        "xid",
        Xid8(),
        nullable=False,
        server_default=sql("pg_current_xact_id()"),
        comment="the transaction; it can be read once all older ones have ended",
    ),
    Column(
        "until_id",
        BigInteger,
        comment="of a run the last id: those between that were written at that time are meant",
    ),
    Column("fields", ARRAY(Text), comment="columns that changed"),
    Column("source_id", SmallInteger, comment="the system its row comes from"),
    Column("west", Float, comment="extent before and after, degrees; NULL where it has no place"),
    Column("south", Float, comment="its southern edge"),
    Column("east", Float, comment="its eastern edge"),
    Column("north", Float, comment="its northern edge"),
    PrimaryKeyConstraint("xid", "id"),
    Index(
        "ix_change_object",
        "object_type",
        "object_id",
        postgresql_where=sql("op <> 'insert'"),  # when a row began, it says itself
    ),
    schema=PLATFORM,
    comment="the change feed: what changed, in order",
)

change_span = Table(
    "change_span",
    metadata,
    Column(
        "one",
        Boolean,
        primary_key=True,
        server_default=sql("true"),
        comment="there is one row",
    ),
    Column(
        "generation",
        Text,
        nullable=False,
        server_default=sql("substr(gen_random_uuid()::text, 1, 8)"),
        comment="which feed positions are of; another one after the database was restored",
    ),
    Column("server", Text, nullable=False, comment="the server that counts its transactions"),
    Column(
        "xid",
        Xid8(),
        nullable=False,
        server_default=sql("'2'::xid8"),
        comment="what is older than this transaction is not kept as a whole",
    ),
    Column("trimmed_at", DateTime(timezone=True), comment="when that was last taken away"),
    CheckConstraint("one", name="one"),
    schema=PLATFORM,
    comment="which feed it is, and from where on all of it is kept",
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
    Column(
        "format",
        Text,
        nullable=False,
        server_default=sql("''"),
        comment="digest of all that the tiles' bytes come from besides their rows",
    ),
    Column(
        "base", Text, comment="the tileset that it is a part of; NULL where it is of the whole city"
    ),
    Column("selection", JSONB, comment="which part: states, box (degrees), area, grid or estate"),
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
    Column("place", BigInteger, nullable=False, comment="cell of its centre on the deepest level"),
    Column("size", Float, nullable=False, comment="its diagonal, m"),
    Column("weight", Integer, nullable=False, comment="features it counts for"),
    Column("vertices", Integer, nullable=False, comment="vertices it costs, estimated"),
    Column(
        "highest",
        SmallInteger,
        nullable=False,
        comment="highest level at which it may stand in a tile that has others below",
    ),
    Index("ix_tile_member_cell", "tileset", "level", "cell"),
    # Those that a tile above would have room for if another left it: few.
    Index(
        "ix_tile_member_lower",
        "tileset",
        "highest",
        "place",
        postgresql_where=sql("level > highest"),
    ),
    schema=PLATFORM,
    comment="which tile each building, or its units, is in, and by what it was put there",
)

tile = Table(
    "tile",
    metadata,
    Column("tileset", Text, primary_key=True, comment="the tileset"),
    Column(
        "level", SmallInteger, primary_key=True, autoincrement=False, comment="level in the world"
    ),
    Column(
        "cell",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="Morton code of the cell at that level",
    ),
    Column(
        "state",
        SmallInteger,
        nullable=False,
        comment="0 published, 1 built since, 2 to be built: what a run that broke off goes on with",
    ),
    Column("digest", LargeBinary, comment="BLAKE2b of its bytes, 16 bytes"),
    Column("size", Integer, comment="bytes"),
    Column("packed", Integer, comment="bytes of its gzipped copy"),
    Column("features", Integer, comment="features in it; 0 where none could be drawn"),
    Column(
        "region",
        ARRAY(Float),
        comment="west, south, east, north in degrees, lowest and highest ellipsoidal m",
    ),
    schema=PLATFORM,
    comment="the tiles of each tileset",
)

tile_touched = Table(
    "tile_touched",
    metadata,
    Column("tileset", Text, nullable=False, comment="the tileset"),
    Column("building_id", BigInteger, comment="the building; NULL for all"),
    Column(
        "at", DateTime(timezone=True), nullable=False, server_default=sql("now()"), comment="when"
    ),
    Index("ix_tile_touched_tileset", "tileset"),
    schema=PLATFORM,
    comment="buildings of which something changed that their tiles do not show yet",
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
    Column(
        "level",
        SmallInteger,
        primary_key=True,
        autoincrement=False,
        server_default=sql("-1"),
        comment="level of the tile it is missing from; -1 for a building that no tile can hold",
    ),
    Column(
        "cell",
        BigInteger,
        primary_key=True,
        autoincrement=False,
        server_default=sql("0"),
        comment="Morton code of that tile's cell",
    ),
    Column(
        "drawn",
        Boolean,
        nullable=False,
        server_default=sql("false"),
        comment="it is drawn all the same, as a prism in place of the solid it has",
    ),
    schema=PLATFORM,
    comment="features that no tile holds, or not as the solid they have, with the reason",
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
