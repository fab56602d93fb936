"""PostgreSQL's binary COPY format: columns become the bytes of rows.

Columns of fixed width stay numpy arrays to the end; the others are one list of bytes each.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from operator import add
from typing import Any, TypeAlias

import numpy as np
import orjson
import psycopg
import shapely
from numpy.typing import NDArray
from psycopg.adapt import Transformer
from psycopg.pq import Format

from cim.errors import StoreError

Values: TypeAlias = Sequence[Any] | NDArray[Any]
"""One column: a list, a tuple or an array; None (and NaN, NaT) where there is no value."""

SRID = 4490
"""What plain WKB is taken to be in: CGCS2000 degrees."""

_NULL = b"\xff\xff\xff\xff"
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_EWKB_SRID = 0x20
"""The flag, in the highest byte of an EWKB geometry type, that says an SRID follows."""

_ALIASES = {
    "smallint": "int2",
    "integer": "int4",
    "int": "int4",
    "bigint": "int8",
    "real": "float4",
    "float": "float8",
    "double precision": "float8",
    "boolean": "bool",
    "varchar": "text",
    "json": "jsonb",
    "timestamp with time zone": "timestamptz",
}

FIXED: dict[str, np.dtype[Any]] = {
    "int2": np.dtype(">i2"),
    "int4": np.dtype(">i4"),
    "int8": np.dtype(">i8"),
    "float4": np.dtype(">f4"),
    "float8": np.dtype(">f8"),
    "bool": np.dtype("?"),
    "date": np.dtype(">i4"),
    "timestamptz": np.dtype(">i8"),
}
"""How the types of fixed width stand in a row."""


def plain_type(name: str) -> str:
    """The short name of a PostgreSQL type.

    >>> plain_type("double precision"), plain_type("numeric(14,2)")
    ('float8', 'numeric')
    """
    plain = name.lower().split("(")[0].strip()
    return _ALIASES.get(plain, plain)


# ── a batch of rows ────────────────────────────────────────────────────────────────────────────

Field: TypeAlias = NDArray[np.uint8] | list[bytes]
"""A column as it stands in the rows, lengths included: bytes of shape (rows, width), or a list."""


def frame(fields: Sequence[Field], rows: int) -> bytes:
    """Rows of the binary format: the number of fields, then every field.

    >>> frame([np.array([[0, 0, 0, 1, 7]], np.uint8), [_NULL]], 1)
    b'\\x00\\x02\\x00\\x00\\x00\\x01\\x07\\xff\\xff\\xff\\xff'
    >>> frame([[]], 0)
    b''
    """
    count = np.frombuffer(len(fields).to_bytes(2, "big"), np.uint8)
    run: list[NDArray[np.uint8]] = [np.broadcast_to(count, (rows, 2))]
    pieces: list[list[bytes]] = []
    for field in fields:
        if isinstance(field, list):
            if run:
                pieces.append(_slices(run))
                run = []
            pieces.append(field)
        else:
            run.append(field)
    if not pieces:
        return np.hstack(run).tobytes()
    if run:
        pieces.append(_slices(run))
    width = len(pieces)
    flat: list[bytes] = [b""] * (rows * width)
    for place, piece in enumerate(pieces):
        flat[place::width] = piece
    return b"".join(flat)


def _slices(run: Sequence[NDArray[np.uint8]]) -> list[bytes]:
    """Byte columns side by side, one bytes object a row."""
    joined = np.ascontiguousarray(np.hstack(run))
    rows: list[bytes] = joined.view(f"V{joined.shape[1]}").ravel().tolist()
    return rows


def _sized(payloads: Sequence[bytes | None]) -> list[bytes]:
    """Every payload with its length before it; NULL for None.

    >>> _sized([b"ab", None, b""])
    [b'\\x00\\x00\\x00\\x02ab', b'\\xff\\xff\\xff\\xff', b'\\x00\\x00\\x00\\x00']
    >>> _sized([])
    []
    """
    lengths = np.array([-1 if item is None else len(item) for item in payloads], ">i4")
    return list(map(add, lengths.view("V4").tolist(), [item or b"" for item in payloads]))


# ── one column ─────────────────────────────────────────────────────────────────────────────────


def encoder(name: str, kind: str) -> Callable[[Values], Field]:
    """The function that turns a slice of the column into fields."""
    if kind in FIXED:
        encode: Callable[[Values], Field] = _fixed(kind)
    elif kind == "text":
        encode = _words
    elif kind in _PAYLOADS:
        payload = _PAYLOADS[kind]

        def encode(values: Values) -> Field:
            return _sized(payload(_listed(values)))

    else:
        encode = _by_driver(kind)

    def checked(values: Values) -> Field:
        try:
            return encode(values)
        except (TypeError, ValueError, OverflowError, AttributeError) as error:
            # `from None`, and no value in the sentence: it may be personal data.
            raise StoreError(
                f"column {name}: a {type(error).__name__} while writing it as {kind}",
                f"字段 {name}:有值不能写成 {kind} 类型",
            ) from None

    return checked


def _fixed(kind: str) -> Callable[[Values], Field]:
    dtype = FIXED[kind]
    length = np.frombuffer(dtype.itemsize.to_bytes(4, "big"), np.uint8)

    def encode(values: Values) -> Field:
        numbers, missing = _numbers(values, kind)
        body = numbers.astype(dtype, copy=False).reshape(-1, 1).view(np.uint8)
        body = body.reshape(len(values), dtype.itemsize)
        field = np.hstack([np.broadcast_to(length, (len(values), 4)), body])
        if missing is None or not missing.any():
            return field
        listed = _slices([field])
        for place in np.flatnonzero(missing).tolist():
            listed[place] = _NULL
        return listed

    return encode


def _numbers(values: Values, kind: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """A column as numbers that fit its type, and where it has none."""
    missing = None
    if not isinstance(values, np.ndarray) or values.dtype.kind == "O":
        listed = list(values)
        missing = np.fromiter(map(_is_missing, listed), bool, len(listed))
        if missing.any():
            blank = next((item for item in listed if not _is_missing(item)), 0)
            listed = [blank if gone else item for gone, item in zip(missing, listed, strict=True)]
        values = _array(listed, kind)
    if kind in ("date", "timestamptz"):
        values, absent = _since_epoch(values, kind)
    elif values.dtype.kind == "f":
        absent = np.isnan(values)
    else:
        absent = None
    if absent is not None and absent.any():
        missing = absent if missing is None else missing | absent
        values = np.where(absent, 0, values)
    return _fitting(values, FIXED[kind]), missing


def _array(listed: list[Any], kind: str) -> NDArray[Any]:
    """Python values, none missing, as an array; times as their distance from 2000."""
    if kind == "date" and not isinstance(next(iter(listed), None), np.datetime64 | int):
        return np.array([item.toordinal() - _EPOCH_DAY for item in listed], np.int64)
    if kind == "timestamptz" and not isinstance(next(iter(listed), None), np.datetime64 | int):
        tick = timedelta(microseconds=1)
        return np.array([(item - _EPOCH) // tick for item in listed], np.int64)
    array = np.array(listed) if listed else np.empty(0, np.int64)
    if array.dtype.kind not in "iufbM":
        raise TypeError("not numbers")
    return array


def _since_epoch(values: NDArray[Any], kind: str) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """datetime64 as days or microseconds since 2000; integers are that already."""
    if values.dtype.kind != "M":
        return values, None
    unit = "D" if kind == "date" else "us"
    origin = np.array("2000-01-01", f"M8[{unit}]").astype(np.int64)
    return values.astype(f"M8[{unit}]").astype(np.int64) - origin, np.isnat(values)


def _fitting(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """The same numbers, once they are known to survive the cast.

    >>> _fitting(np.array([1.0, 2.0]), np.dtype(">i2")).tolist()
    [1, 2]
    >>> _fitting(np.array([1.5]), np.dtype(">i2"))
    Traceback (most recent call last):
    OverflowError: numbers that the type cannot hold
    """
    if dtype.kind == "f" or values.dtype == dtype:
        return values.astype(dtype)
    with np.errstate(invalid="ignore"):
        cast = values.astype(dtype)
    if (cast != values).any():
        raise OverflowError("numbers that the type cannot hold")
    return cast


def _listed(values: Values) -> list[Any]:
    """A column as Python values, None where there is none."""
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return [None if type(item) is float and isnan(item) else item for item in listed]


def _is_missing(item: Any) -> bool:
    """None, NaN or NaT.

    >>> [_is_missing(item) for item in (None, float("nan"), np.datetime64("NaT"), 0, "")]
    [True, True, True, False, False]
    """
    return item is None or bool(item != item)  # noqa: PLR0124 - only NaN and NaT differ from themselves


def _words(values: Values) -> list[bytes]:
    """Texts as they stand in the rows; one that repeats, as codes do, is encoded once.

    >>> [item.hex(" ") for item in _words(["a", None, "a"])]
    ['00 00 00 01 61', 'ff ff ff ff', '00 00 00 01 61']
    """
    listed = values.tolist() if isinstance(values, np.ndarray) else values
    different = list(set(listed))
    payloads = [None if item is None else item.encode() for item in _listed(different)]
    known = dict(zip(different, _sized(payloads), strict=True))
    return [known[item] for item in listed]


def _bytes(listed: list[Any]) -> list[bytes | None]:
    return [None if item is None else memoryview(item).tobytes() for item in listed]


def _json(listed: list[Any]) -> list[bytes | None]:
    return [None if item is None else b"\x01" + _as_json(item) for item in listed]


def _as_json(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    return item if isinstance(item, bytes) else orjson.dumps(item)


def _geometry(listed: list[Any]) -> list[bytes | None]:
    """EWKB with SRID 4490, unless the EWKB names one itself.

    >>> point = shapely.to_wkb(shapely.Point(1, 2))
    >>> int(shapely.get_srid(shapely.from_wkb(_geometry([point, None])[0])))
    4490
    """
    if any(isinstance(item, shapely.Geometry) for item in listed):
        shapes = np.array(listed, object)
        unsaid = shapely.get_srid(shapes) == 0
        shapes[unsaid] = shapely.set_srid(shapes[unsaid], SRID)
        made: list[bytes | None] = shapely.to_wkb(shapes, include_srid=True).tolist()
        return made
    little, big = SRID.to_bytes(4, "little"), SRID.to_bytes(4, "big")
    made = []
    for item in listed:
        if item is None:
            made.append(None)
        elif item[0] == 1:  # little-endian: the highest byte of the type is the fifth
            flag = item[4]
            tagged = flag & _EWKB_SRID
            made.append(
                item if tagged else item[:4] + bytes((flag | _EWKB_SRID,)) + little + item[5:]
            )
        else:
            flag = item[1]
            tagged = flag & _EWKB_SRID
            made.append(
                item if tagged else b"\0" + bytes((flag | _EWKB_SRID,)) + item[2:5] + big + item[5:]
            )
    return made


_PAYLOADS: dict[str, Callable[[list[Any]], list[bytes | None]]] = {
    "bytea": _bytes,
    "jsonb": _json,
    "geometry": _geometry,
}
"""Types whose values are one run of bytes, and how a column of them becomes that."""


def _by_driver(kind: str) -> Callable[[Values], Field]:
    """Any further type, a value at a time, as psycopg sends it."""
    found = psycopg.adapters.types.get(kind)
    if found is None:
        raise StoreError(f"no type is called {kind}", f"没有名为 {kind} 的类型")
    oid = found.array_oid if kind.endswith("[]") else found.oid
    transformer = Transformer()
    transformer.set_dumper_types([oid], Format.BINARY)

    def payload(item: Any) -> bytes | None:
        if kind == "numeric" and isinstance(item, float):
            item = Decimal(repr(item))
        (dumped,) = transformer.dump_sequence([item], [])
        return None if dumped is None else bytes(dumped)

    def encode(values: Values) -> Field:
        return _sized([payload(item) for item in _listed(values)])

    return encode
