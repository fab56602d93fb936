"""Numbers out of the database by binary COPY, as arrays: rows of fixed width need no decoding."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from sqlalchemy import Connection
from sqlalchemy.sql import ClauseElement

from cim.store.columns import arriving
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
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in types}


def _columns(body: bytes | bytearray, types: Mapping[str, str]) -> dict[str, NDArray[Any]]:
    """The columns of some rows.

    >>> row = bytes([0, 1, 0, 0, 0, 2, 0, 7])
    >>> _columns(row + row, {"a": "int2"})["a"].tolist()
    [7, 7]
    >>> _columns(b"", {"a": "int2"})["a"].tolist()
    []
    """
    fields: list[tuple[str, str]] = [("_count", ">i2")]
    for name, kind in types.items():
        fields += [(f"_length_{name}", ">i4"), (name, KINDS[kind])]
    row = np.dtype(fields)
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
