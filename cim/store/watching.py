"""Triggers by which the city tells that a building's tiles are behind it.

What is watched is what the statements of a tileset read: these columns of these tables, whoever
writes them, by a load, the service or SQL.  The triggers are made by a tileset's first build, so
they cost nothing before; from then on what is written in a statement is looked through once.  They
fire for loads too, which switch other triggers off.

Plans are kept for a session.  One that was made for many rows would be compiled again for each
statement after it, which takes most of a second for a single row: so none is compiled (`jit`).
"""

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final

import psycopg
from sqlalchemy import Column, Connection, Table, text
from sqlalchemy.dialects.postgresql.base import PGDialect
from sqlalchemy.sql import ClauseElement, visitors
from sqlalchemy.sql.util import ClauseAdapter

from cim.model.base import CITY
from cim.model.buildings import building as building_table
from cim.store.faults import folder_of, translated
from cim.store.queries.tiles.which import THERE, Which, shown

CHANNEL: Final = "cim_tiles"
"""Where it is notified; the payload is the tileset's name."""

MANY: Final = 100_000
"""Rows that come or go in one statement from which all buildings are marked, not each."""

_BUILDING: Final = {
    "building": "{row}.id",
    "floor_slot": "(SELECT p.building_id FROM city.floor_plan p WHERE p.id = {row}.plan_id)",
    "unit_storey": "(SELECT u.building_id FROM city.unit u WHERE u.id = {row}.unit_id)",
}
"""The building that a row belongs to, where `building_id` does not say so."""

_ALL_ON_IT: Final = ("admin_area", "grid", "estate")
"""Tables of which a change is one of all buildings, as any may lie in what they outline."""

_WHOLE: Final = """
CREATE OR REPLACE FUNCTION platform.{function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off AS $body$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO platform.tile_touched (tileset) VALUES ('{tileset}');
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO platform.tile_touched (tileset) SELECT '{tileset}' WHERE EXISTS (
            SELECT FROM stale o FULL JOIN fresh n ON {same_row}
            WHERE ROW({before}) IS DISTINCT FROM ROW({after}));
    ELSIF TG_OP = 'INSERT' THEN
        INSERT INTO platform.tile_touched (tileset)
        SELECT '{tileset}' WHERE EXISTS (SELECT FROM fresh);
    ELSE
        INSERT INTO platform.tile_touched (tileset)
        SELECT '{tileset}' WHERE EXISTS (SELECT FROM stale);
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('{channel}', '{tileset}');
    END IF;
    RETURN NULL;
END $body$
"""

_FUNCTION: Final = """
CREATE OR REPLACE FUNCTION platform.{function}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET jit TO off AS $body$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO platform.tile_touched (tileset) VALUES ('{tileset}');
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO platform.tile_touched (tileset, building_id)
        {changed};
    ELSIF TG_OP = 'INSERT' THEN
        IF (SELECT count(*) FROM (SELECT FROM {fresh} n LIMIT {many}) t) = {many} THEN
            INSERT INTO platform.tile_touched (tileset) VALUES ('{tileset}');
        ELSE
            INSERT INTO platform.tile_touched (tileset, building_id)
            SELECT DISTINCT '{tileset}', t.id FROM (SELECT {new} AS id FROM {fresh} n) t
            WHERE t.id IS NOT NULL;
        END IF;
    ELSIF (SELECT count(*) FROM (SELECT FROM {stale} o LIMIT {many}) t) = {many} THEN
        INSERT INTO platform.tile_touched (tileset) VALUES ('{tileset}');
    ELSE
        INSERT INTO platform.tile_touched (tileset, building_id)
        SELECT DISTINCT '{tileset}', t.id FROM (SELECT {old} AS id FROM {stale} o) t
        WHERE t.id IS NOT NULL;
    END IF;
    IF FOUND THEN
        PERFORM pg_notify('{channel}', '{tileset}');
    END IF;
    RETURN NULL;
END $body$
"""

_ITSELF: Final = """SELECT '{tileset}', coalesce(n.id, o.id)
        FROM {stale} o FULL JOIN {fresh} n ON {same_row}
        WHERE ROW({before}) IS DISTINCT FROM ROW({after})"""
"""Where a row is the building: each comes once, and there is nothing to sort."""

_PART: Final = """SELECT DISTINCT '{tileset}', t.id
        FROM {stale} o FULL JOIN {fresh} n ON {same_row}
        CROSS JOIN LATERAL (VALUES ({old}), ({new})) t(id)
        WHERE t.id IS NOT NULL AND ROW({before}) IS DISTINCT FROM ROW({after})"""
"""Where a row is part of a building, and perhaps of another one than before."""

_EVENTS: Final = {
    "insert": "AFTER INSERT ON {table} REFERENCING NEW TABLE AS fresh",
    "update": "AFTER UPDATE ON {table} REFERENCING OLD TABLE AS stale NEW TABLE AS fresh",
    "delete": "AFTER DELETE ON {table} REFERENCING OLD TABLE AS stale",
    "truncate": "AFTER TRUNCATE ON {table}",
}

_MADE: Final = """
    SELECT p.proname, obj_description(p.oid, 'pg_proc') FROM pg_proc p
    WHERE p.pronamespace = 'platform'::regnamespace AND p.proname LIKE :pattern"""


_ALL: Final = "INSERT INTO platform.tile_touched (tileset) VALUES (:tileset)"


def columns_read(statements: Iterable[ClauseElement]) -> dict[Table, set[str]]:
    """Which columns of which tables of the city these statements read."""
    found: dict[Table, set[str]] = {}
    for statement in statements:
        for element in visitors.iterate(statement):
            listed = [element, *getattr(element, "selected_columns", ())]  # a table lists its own
            for column in (base for one in listed for base in getattr(one, "base_columns", ())):
                if isinstance(column, Column) and column.table.schema == CITY:
                    found.setdefault(column.table, set()).add(column.name)
    return found


def watch(
    connection: Connection,
    tileset: str,
    statements: Iterable[ClauseElement],
    which: Which = THERE,
) -> bool:
    """Have everything told that these statements of a tileset read; whether that is new.

    Where it is about some buildings alone, the rows of others are not even compared.

    Where it is new, all buildings are marked as touched.  Writers at work are waited for, so that
    whoever reads afterwards sees what they wrote, or finds it marked.
    """
    wanted = {
        _name(tileset, table): (table, _function(tileset, table, names, which))
        for table, names in columns_read(statements).items()
    }
    made = _made(connection, tileset)
    if made == {name: _digest(body) for name, (_, body) in wanted.items()}:
        return False
    for name in made:
        connection.exec_driver_sql(f"DROP FUNCTION platform.{name} CASCADE")
    for name, (table, body) in wanted.items():
        connection.exec_driver_sql(body.replace("%", "%%"))
        for event, when in _EVENTS.items():
            connection.exec_driver_sql(
                f"CREATE TRIGGER {name}_{event} {when.format(table=table.fullname)} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION platform.{name}()"
            )
            connection.exec_driver_sql(
                f"ALTER TABLE {table.fullname} ENABLE ALWAYS TRIGGER {name}_{event}"
            )
        connection.exec_driver_sql(f"COMMENT ON FUNCTION platform.{name} IS '{_digest(body)}'")
    connection.execute(text(_ALL), {"tileset": tileset})
    return True


def unwatch(connection: Connection, tileset: str) -> None:
    """Have nothing told of a tileset any more."""
    for name in _made(connection, tileset):
        connection.exec_driver_sql(f"DROP FUNCTION platform.{name} CASCADE")


def _made(connection: Connection, tileset: str) -> Mapping[str, str]:
    """The functions that tell of a tileset, with what each was made from."""
    rows = connection.execute(text(_MADE), {"pattern": f"tiles\\_{_stem(tileset)}\\_%"})
    return {row.proname: row.obj_description for row in rows}


def _name(tileset: str, table: Table) -> str:
    return f"tiles_{_stem(tileset)}_{table.name}"


def _stem(tileset: str) -> str:
    """A tileset's name as functions can have it in theirs, and no other tileset's begins with.

    >>> _stem("buildings"), _stem("buildings-320505")
    ('buildings', 'xcf32ed8f4a67')
    """
    if re.fullmatch("[a-z]{1,30}", tileset):
        return tileset
    return f"x{blake2b(tileset.encode(), digest_size=6).hexdigest()}"


def _function(tileset: str, table: Table, names: set[str], which: Which) -> str:
    whole = table.name in _ALL_ON_IT
    building = "" if whole else _BUILDING.get(table.name, "{row}.building_id")
    if "{row}.building_id" in building and "building_id" not in table.c:
        raise TypeError(f"which building a row of {table.fullname} belongs to is not known")
    listed = sorted(names | {column.name for column in table.primary_key})
    chosen = "" if table is not building_table or which == THERE else _condition(which)
    stale, fresh = (f"(SELECT * FROM {name} t{chosen})" for name in ("stale", "fresh"))
    body = _WHOLE if whole else _FUNCTION
    body = body.replace("{changed}", _ITSELF if table is building_table else _PART)
    return body.format(
        function=_name(tileset, table),
        stale=stale if chosen else "stale",
        fresh=fresh if chosen else "fresh",
        tileset=tileset,
        channel=CHANNEL,
        many=MANY,
        same_row=" AND ".join(f"n.{column.name} = o.{column.name}" for column in table.primary_key),
        old=building.format(row="o"),
        new=building.format(row="n"),
        before=", ".join(f"o.{name}" for name in listed),
        after=", ".join(f"n.{name}" for name in listed),
    )


def _condition(which: Which) -> str:
    """Those of the rows `t` of buildings that are some of these.

    >>> _condition(Which(states=("planned",)))
    " WHERE t.ended_at IS NULL AND t.state IN ('planned')"
    """
    adapted = ClauseAdapter(building_table.alias("t")).traverse(shown(which))
    plain = PGDialect(paramstyle="named")  # type: ignore[no-untyped-call]  # SQLAlchemy's own
    written = adapted.compile(dialect=plain, compile_kwargs={"literal_binds": True})
    return f" WHERE {written}"


def _digest(body: str) -> str:
    return blake2b(body.encode(), digest_size=8).hexdigest()


def tell(connection: Connection, tileset: str) -> None:
    """Have those who listen look at a tileset as soon as the transaction is committed."""
    connection.execute(
        text("SELECT pg_notify(:channel, :name)"), {"channel": CHANNEL, "name": tileset}
    )


def listen(connection: Connection) -> None:
    """Hear of what is touched on this connection, from now on."""
    connection.exec_driver_sql(f"LISTEN {CHANNEL}")


def wait(connection: Connection, seconds: float) -> bool:
    """Whether something was touched within so many seconds; it returns as soon as it is."""
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("notifications are heard by psycopg only")
    with translated(folder_of(connection)):
        heard = list(driver.notifies(timeout=seconds, stop_after=1))
        list(driver.notifies(timeout=0))  # those that came together with it
    return bool(heard)
