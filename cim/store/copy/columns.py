"""Columns into the database and out of it, in binary and in batches: the road of millions of rows.

`write` sends PostgreSQL's binary COPY format, `read` uses a binary cursor on the server, `stream`
and `fetch` take rows by COPY.  All run inside the transaction of the SQLAlchemy connection they
are given; all but `fetch` keep no more than one batch in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import psycopg
from psycopg.pq import Format
from psycopg.sql import SQL, Composed, Identifier
from sqlalchemy import Connection, Select
from sqlalchemy.sql import Executable

from cim.store.copy.decoding import decode
from cim.store.copy.fields import FIXED, Values, plain_type
from cim.store.faults import folder_of, translated

BATCH = 20_000
"""Rows encoded, or fetched, at a time."""

Columns: TypeAlias = dict[str, Any]
"""Columns of equal length by their names."""

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"


def write(
    connection: Connection,
    table: str,
    columns: Mapping[str, Values],
    types: Mapping[str, str],
) -> int:
    """Append columns of equal length to a table and return the number of rows.

    `table` is `schema.table`, or the bare name of a temporary table.  `types` names the
    PostgreSQL type of every column: int2 int4 int8 float4 float8 bool date timestamptz text bytea
    jsonb geometry (or their long names), and anything else psycopg can send in binary, such as
    numeric and text[].

    None is NULL in every type; NaN is NULL in numbers, NaT in times.  Times need a zone; a numpy
    datetime64 is UTC.  `jsonb` takes dicts and lists, or a string that is JSON already.
    `geometry` takes WKB (then it is in SRID 4490), EWKB, or shapely geometries.

    Runs in the connection's transaction.  Raises StoreError where a value does not fit its type,
    StoreFull when the disk is.
    """
    rows, names = _rows(columns), _names(columns, types)
    return _send(connection, table, names, _frames(columns, names, types, rows), rows)


@dataclass(frozen=True)
class Encoded:
    """Rows as the database takes them: what threads can make while another one sends."""

    names: tuple[str, ...]
    rows: int
    body: bytes


def encode(columns: Mapping[str, Values], types: Mapping[str, str]) -> Encoded:
    """Columns as `write` takes them, ready for `send`; all at once, so give it a batch.

    Raises StoreError where a value does not fit its type.
    """
    rows, names = _rows(columns), _names(columns, types)
    return Encoded(tuple(names), rows, b"".join(_frames(columns, names, types, rows)))


def send(connection: Connection, table: str, encoded: Encoded) -> int:
    """Append encoded rows to a table, as `write` does, and return their number."""
    return _send(connection, table, encoded.names, iter([encoded.body]), encoded.rows)


def _rows(columns: Mapping[str, Values]) -> int:
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise ValueError(f"columns of different lengths: {sorted(lengths)}")
    return lengths.pop()


def _names(columns: Mapping[str, Values], types: Mapping[str, str]) -> list[str]:
    """Columns of fixed width first: neighbours without NULL are encoded together."""
    return sorted(columns, key=lambda name: plain_type(types[name]) not in FIXED)


def _frames(
    columns: Mapping[str, Values], names: Sequence[str], types: Mapping[str, str], rows: int
) -> Iterator[bytes]:
    from cim.store.copy.binary import encoder, frame  # noqa: PLC0415 - Arrow, which readers do without

    encoders = {name: encoder(name, plain_type(types[name])) for name in names}
    for start in range(0, rows, BATCH):
        fields = [encoders[name](columns[name][start : start + BATCH]) for name in names]
        yield frame(fields, min(BATCH, rows - start))


def _send(
    connection: Connection, table: str, names: Sequence[str], frames: Iterator[bytes], rows: int
) -> int:
    driver = _driver(connection)
    with (
        translated(folder_of(connection)),
        driver.cursor() as cursor,
        cursor.copy(_copy(table, names)) as copy,
    ):
        copy.write(SIGNATURE)
        for body in frames:
            copy.write(body)
        copy.write(END)
    return rows


def read(
    connection: Connection,
    statement: Executable,
    parameters: Mapping[str, Any] | None = None,
    *,
    size: int = BATCH,
) -> Iterator[dict[str, list[Any]]]:
    """Columns of a statement's result, `size` rows at a time; nothing at all for no rows.

    The cursor stays on the server, so memory does not grow with the result.  Geometry should be
    selected as ST_AsBinary and arrives as bytes; jsonb arrives as Python objects.

    Runs in the connection's transaction, which must stay open while batches are taken.
    """
    driver = _driver(connection)
    usual, driver.server_cursor_factory = driver.server_cursor_factory, _BinaryCursor
    try:
        result = connection.execute(
            statement, dict(parameters or {}), execution_options={"yield_per": size}
        )
    finally:
        driver.server_cursor_factory = usual
    names = list(result.keys())
    with translated(folder_of(connection)), result:
        for rows in result.partitions(size):
            yield dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def stream(
    connection: Connection, statement: Select[Any], types: Mapping[str, str], *, size: int = BATCH
) -> Iterator[Columns]:
    """Columns of a statement's result by COPY, `size` rows at a time; nothing at all for no rows.

    `types` names the PostgreSQL type of every column, in the statement's order: those of fixed
    width, text and bytea.  What they become: cim.store.copy.decoding.  Twice as fast as `read`.

    Runs in the connection's transaction, which must stay open while batches are taken.
    """
    with _copied(connection, statement) as messages:
        while batch := list(islice(messages, size)):
            yield decode(batch, types)


@dataclass(frozen=True)
class Ready:
    """A statement as it is sent, and the values that it brings itself."""

    text: bytes
    values: Mapping[str, Any]


def ready(connection: Connection, statement: Select[Any]) -> Ready:
    """A statement for `fetch`, made once for as often as it is run: that takes half a millisecond.

    The parameters that are open in it are given each time.
    """
    compiled = statement.compile(
        dialect=connection.dialect, compile_kwargs={"render_postcompile": True}
    )
    text = f"COPY ({compiled.string}) TO STDOUT (FORMAT binary)"
    return Ready(text.encode(), compiled.params)


def fetch(
    connection: Connection,
    statement: Select[Any] | Ready,
    types: Mapping[str, str],
    parameters: Mapping[str, Any] | None = None,
) -> Columns:
    """All columns of a statement's result at once, as `stream` has them; empty ones for no rows."""
    with _copied(connection, statement, parameters) as messages:
        return decode(list(messages), types)


@contextmanager
def _copied(
    connection: Connection,
    statement: Select[Any] | Ready,
    parameters: Mapping[str, Any] | None = None,
) -> Iterator[Iterator[bytes]]:
    """The rows of a statement, each as COPY sends it."""
    driver = _driver(connection)
    sent = statement if isinstance(statement, Ready) else ready(connection, statement)
    values = {**sent.values, **parameters} if parameters else sent.values
    with (
        translated(folder_of(connection)),
        driver.cursor() as cursor,
        cursor.copy(sent.text, values) as copy,
    ):
        yield arriving(copy)


def arriving(copy: psycopg.Copy) -> Iterator[bytes]:
    """The rows of a COPY in binary, without what comes before the first and after the last.

    What has arrived is taken from libpq as it lies there: psycopg would set up a wait for each row,
    which takes longer than all the rest.
    """
    arrived = copy.connection.pgconn.get_copy_data
    row = bytes(copy.read())[len(SIGNATURE) :]
    while row != END:
        yield row
        length, message = arrived(1)
        row = bytes(message if length > 0 else copy.read())
    copy.read()


class _BinaryCursor(psycopg.ServerCursor[Any]):
    """A server-side cursor whose rows travel in binary."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.format = Format.BINARY


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under an SQLAlchemy one, with its transaction begun."""
    if not connection.in_transaction():
        connection.begin()
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("columns travel by psycopg only")
    return driver


def _copy(table: str, names: Sequence[str]) -> Composed:
    return SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        Identifier(*table.split(".")), SQL(", ").join(map(Identifier, names))
    )
