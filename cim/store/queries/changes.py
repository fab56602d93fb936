"""Statements about the change feed.

Entries are in the order of transactions and, within one, of writing. A transaction can be read once
every older one has ended: what is below the horizon of a snapshot is there for good, and nothing
joins it later.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Executable,
    Integer,
    Select,
    Table,
    TextClause,
    any_,
    bindparam,
    func,
    literal_column,
    null,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import visitors

from cim.model import metadata
from cim.store.queries.collections.shape import Collection

CHANNEL: Final = "cim_changes"
"""Where it is notified that something was told."""

TELLING: Final = {
    "city.admin_area": "admin_area",
    "city.grid": "grid",
    "city.estate": "estate",
    "city.street": "street",
    "city.parcel": "parcel",
    "city.building": "building",
    "city.storey": "storey",
    "city.unit": "unit",
    "city.entrance": "entrance",
    "city.std_address": "address",
    "city.facility": "facility",
    "city.project": "project",
    "city.device": "device",
    "city.organisation": "organisation",
}
"""Tables the database tells of by itself (`rules/changes.sql`), with their types in the feed."""

TABLES: Final = {kind: metadata.tables[name] for name, kind in TELLING.items()}

_HORIZON: Final = """
    SELECT coalesce((
        SELECT open FROM pg_snapshot_xip(snapshot) AS open
        WHERE NOT EXISTS (
            SELECT FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
            JOIN pg_database d ON d.datname = current_database()
            WHERE l.locktype = 'transactionid' AND l.granted AND l.mode = 'ExclusiveLock'
              AND l.transactionid = CAST(open AS xid) AND a.datid <> d.oid)
        ORDER BY open LIMIT 1), pg_snapshot_xmax(snapshot)) AS xid
    FROM (SELECT pg_current_snapshot() AS snapshot OFFSET 0) taken"""
"""The oldest transaction that may still tell something: writers in other databases of the server
have numbers of the same row, and are not waited for where that can be seen."""

SPAN: Final = text(f"""
    SELECT generation, CAST(xid AS text) AS begins,
           CAST(({_HORIZON}) AS text) AS horizon,
           server = (SELECT CAST(system_identifier AS text) FROM pg_control_system()) AS same
    FROM platform.change_span""")
"""Which feed it is, from which transaction on it is kept, and before which it can be read."""

HEAD: Final = text(f"""
    SELECT CAST(c.xid AS text) AS transaction, c.id FROM platform.change c
    WHERE c.xid < ({_HORIZON}) ORDER BY c.xid DESC, c.id DESC LIMIT 1""")
"""The last entry that can be read."""

_ENTRIES: Final = """
    SELECT CAST(c.xid AS text) AS transaction, c.id, c.at, c.object_type, c.object_id, c.until_id,
           c.op, c.import_id, c.source_id,
           coalesce(c.fields, CASE WHEN jsonb_typeof(c.before) = 'object'
                                   THEN ARRAY(SELECT jsonb_object_keys(c.before)) END) AS fields,
           CAST(c.before ->> 'secrecy' AS smallint) AS was_secret,
           c.west, c.south, c.east, c.north
    FROM platform.change c
    WHERE (c.xid, c.id) >= (CAST(CAST(:xid AS text) AS xid8), :id)
      AND c.xid < CAST(CAST(:horizon AS text) AS xid8)
    ORDER BY c.xid, c.id LIMIT :most"""


def entries(xid: str, id: int, horizon: str, most: int) -> TextClause:
    """Entries from a place on, that one included, as far as they can be read."""
    return text(_ENTRIES).bindparams(xid=xid, id=id, horizon=horizon, most=most)


def of_run(
    kind: str, op: str, at: datetime, span: tuple[int, int], most: int
) -> Select[tuple[int]]:
    """Ids behind the first and up to the last that a run is of: those written at that time.

    One that was written again since is told of again, further on.
    """
    table = TABLES[kind]
    when = table.c.created_at if op == "insert" else table.c.updated_at
    first, last = span
    return (
        select(table.c.id)
        .where(table.c.id > first, table.c.id <= last, when == at)
        .order_by(table.c.id)
        .limit(most)
    )


def look(collection: Collection, table: Table, ids: Sequence[int]) -> Executable:
    """Where objects are and who may know of them, whether they are there still or have ended."""
    shape, nothing = collection.geometry, null()
    source = table.c.get("source_id")
    edges = zip("wsen", (func.ST_XMin, func.ST_YMin, func.ST_XMax, func.ST_YMax), strict=True)

    def whole(value: ColumnElement[int] | None, name: str) -> ColumnElement[int]:
        return (literal_column("NULL", Integer) if value is None else value).label(name)

    sought = bindparam("ids", list(ids), ARRAY(BigInteger))
    return (
        select(
            collection.key.label("id"),
            whole(collection.secrecy, "secrecy"),
            whole(collection.area, "area"),
            whole(collection.grid, "grid"),
            (nothing if source is None else source).label("source_id"),
            *(edge(shape).label(name) for name, edge in edges),
        )
        .select_from(collection.tables)
        .where(collection.key == any_(sought))
    )


SOURCES: Final = text("SELECT id, name FROM city.source_system")
"""The systems that objects come from."""


def of_imports(ids: Sequence[int]) -> TextClause:
    """The sources of imports."""
    return text(
        "SELECT id, source_id FROM platform.data_import WHERE id = ANY(CAST(:ids AS bigint[]))"
    ).bindparams(ids=list(ids))


def columns_of(shown: ColumnElement[object], table: Table) -> set[str]:
    """The columns of a table that an expression is made of."""
    return {
        str(column.name)
        for element in visitors.iterate(shown)
        for column in getattr(element, "base_columns", ())
        if getattr(column, "table", None) is table
    }


UP_TO: Final = text(f"""
    WITH first AS (SELECT c.xid FROM platform.change c
                    WHERE c.at >= CAST(:before AS timestamptz) ORDER BY c.xid LIMIT 1),
         horizon AS ({_HORIZON})
    SELECT CAST(CASE WHEN first.xid < horizon.xid THEN first.xid ELSE horizon.xid END AS text)
    FROM horizon LEFT JOIN first ON true""")
"""The transaction from which on is kept what was told since a time."""

TRIM: Final = text("""
    WITH bound AS (
        UPDATE platform.change_span SET xid = CAST(CAST(:xid AS text) AS xid8), trimmed_at = now()
         WHERE xid < CAST(CAST(:xid AS text) AS xid8) RETURNING xid),
    gone AS (
        DELETE FROM platform.change c USING bound b
         WHERE c.xid < b.xid AND NOT coalesce(c.before ? 'shown', false) RETURNING 1)
    SELECT count(*) FROM gone""")
"""Take away what is older; of buildings drawn as meshes it stays known what was drawn before."""

BRING_UP: Final = text("""
    WITH here AS (SELECT CAST(system_identifier AS text) AS server FROM pg_control_system()),
    other AS (
        UPDATE platform.change_span s SET server = h.server, xid = '2'::xid8,
               generation = substr(CAST(gen_random_uuid() AS text), 1, 8)
          FROM here h WHERE s.server <> h.server RETURNING 1)
    UPDATE platform.change SET xid = '2'::xid8 WHERE EXISTS (SELECT FROM other)""")
"""Of a database that was restored on another server, whose transactions are counted anew: all that
was told before keeps its order as of one old transaction, and positions are of another feed."""
