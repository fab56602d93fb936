"""Numbers by binary COPY, as arrays: rows of fixed width are read, and written, as they travel."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.sql import SQL, Identifier
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

from cim.store.copy.columns import END, SIGNATURE, arriving
from cim.store.faults import folder_of, translated

KINDS = {"int2": ">i2", "int4": ">i4", "int8": ">i8", "float8": ">f8"}
"""The types there are, as they travel."""

PIECE = 4_000_000
"""Bytes that are decoded at a time."""


def read(
    connection: Connection, statement: ClauseElement, types: Mapping[str, str]
) -> dict[str, NDArray[Any]]:
    """The columns that `types` names, in that order, of a statement that gives just these.

    Values are cast to their types; NULL is NaN, and no integer may be NULL.  Runs in the
    connection's transaction.  Raises ValueError for a NULL, StoreError where the database refuses.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("columns travel by psycopg only")
    if not connection.in_transaction():
        connection.begin()
    listed = ", ".join(
        f"coalesce(t.{name}::float8, 'NaN')" if kind == "float8" else f"t.{name}::{kind}"
        for name, kind in types.items()
    )
    compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
    text = f"COPY (SELECT {listed} FROM ({compiled}) t) TO STDOUT (FORMAT binary)"
    pieces: list[dict[str, NDArray[Any]]] = []
    body = bytearray()
    with translated(folder_of(connection)), driver.cursor() as cursor, cursor.copy(text) as copy:
        for row in arriving(copy):
            body += row
            if len(body) > PIECE:
                pieces.append(_columns(body, types))
                body = bytearray()
    pieces.append(_columns(body, types))
    return {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in types}


def write(
    connection: Connection,
    table: str,
    batches: Iterable[Mapping[str, NDArray[Any] | str]],
    types: Mapping[str, str],
    *,
    frozen: bool = False,
) -> None:
    """Append rows to a table, batch by batch, in columns of the `types`: numbers, without NULL.

    A column of text is a single string in each batch, that of all its rows.  Rows can be `frozen`,
    written so that nobody has to look at them again, where `bulk.filled` says so.  Runs in the
    connection's transaction.  Raises StoreFull where the disk is.
    """
    driver = connection.connection.driver_connection
    if not isinstance(driver, psycopg.Connection):
        raise TypeError("columns travel by psycopg only")
    if not connection.in_transaction():
        connection.begin()
    options = SQL("FORMAT binary, FREEZE" if frozen else "FORMAT binary")
    out = SQL("COPY {} ({}) FROM STDIN ({})").format(
        Identifier(*table.split(".")), SQL(", ").join(map(Identifier, types)), options
    )
    with translated(folder_of(connection)), driver.cursor() as cursor, cursor.copy(out) as copy:
        copy.write(SIGNATURE)
        for batch in batches:
            copy.write(_rows(batch, types))
        copy.write(END)


def _rows(batch: Mapping[str, NDArray[Any] | str], types: Mapping[str, str]) -> bytes:
    """The rows of some columns, as they travel.

    >>> rows = _rows({"a": np.array([7, 8]), "b": "x"}, {"a": "int2", "b": "text"})
    >>> rows.hex(" ", 13)
    '00020000000200070000000178 00020000000200080000000178'
    >>> _rows({"a": np.array([], int), "b": "x"}, {"a": "int2", "b": "text"})
    b''
    """
    texts = {name: text.encode() for name, text in batch.items() if isinstance(text, str)}
    kinds = {name: f"S{len(text)}" for name, text in texts.items()}
    row = _row({name: kinds.get(name, KINDS.get(kind, "")) for name, kind in types.items()})
    table = np.empty(max(np.size(batch[name]) for name in types if name not in texts), row)
    table["_count"] = len(types)
    for name in types:
        table[f"_length_{name}"] = row[name].itemsize
        table[name] = texts.get(name, batch[name])
    return table.tobytes()


def _row(kinds: Mapping[str, str]) -> np.dtype[Any]:
    """A row as it travels: how many fields, and the length of each before it."""
    fields: list[tuple[str, str]] = [("_count", ">i2")]
    for name, kind in kinds.items():
        fields += [(f"_length_{name}", ">i4"), (name, kind)]
    return np.dtype(fields)


def _columns(body: bytes | bytearray, types: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The columns of some rows.

    >>> row = bytes([0, 1, 0, 0, 0, 2, 0, 7])
    >>> _columns(row + row, {"a": "int2"})["a"].tolist()
    [7, 7]
    >>> _columns(b"", {"a": "int2"})["a"].tolist()
    []
    """
    row = _row({name: KINDS[kind] for name, kind in types.items()})
    rows, rest = divmod(len(body), row.itemsize)
    if rest:
        raise ValueError("a column holds NULL")
    table = np.frombuffer(body, row, rows)
    if any((table[f"_length_{name}"] < 0).any() for name in types):
        raise ValueError("a column holds NULL")
    return {
        name: table[name].astype(np.dtype(KINDS[kind]).newbyteorder("="))
        for name, kind in types.items()
    }
