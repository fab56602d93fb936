"""PostgreSQL's binary COPY format: columns become the bytes of rows.

Columns are bytes side by side: numpy arrays where they have one width, else Arrow's, which are
joined row by row outside Python's lock.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import isnan
from typing import Any, TypeAlias

import numpy as np
import orjson
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import shapely
from numpy.typing import NDArray
from psycopg.adapt import Transformer
from psycopg.pq import Format

from cim.errors import StoreError
from cim.store.copy.fields import FIXED, Values

SRID = 4490
"""What plain WKB is taken to be in: CGCS2000 degrees."""

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1).toordinal()
_EWKB_SRID = 0x20
"""The flag, in the highest byte of an EWKB geometry type, that says an SRID follows."""
_LONGEST = 1 << 40
"""Bytes; no value is as long."""

# ── a batch of rows ────────────────────────────────────────────────────────────────────────────

Part: TypeAlias = NDArray[np.uint8] | pa.LargeBinaryArray
"""A piece of every row: bytes of shape (rows, width), or bytes of any length."""

Field: TypeAlias = list[Part]
"""A column as it stands in the rows, lengths included, in one piece or several."""


def frame(fields: Sequence[Field], rows: int) -> bytes:
    """Rows of the binary format: the number of fields, then every field.

    >>> frame([[np.array([[0, 0, 0, 1, 7]], np.uint8)], [np.array([[255] * 4], np.uint8)]], 1)
    b'\\x00\\x02\\x00\\x00\\x00\\x01\\x07\\xff\\xff\\xff\\xff'
    >>> frame([[]], 0)
    b''
    """
    count = np.frombuffer(len(fields).to_bytes(2, "big"), np.uint8)
    run: list[NDArray[np.uint8]] = [np.broadcast_to(count, (rows, 2))]
    pieces: list[pa.LargeBinaryArray] = []
    for part in (part for field in fields for part in field):
        if isinstance(part, np.ndarray):
            run.append(part)
            continue
        if run:
            pieces.append(_even(np.hstack(run)))
            run = []
        pieces.append(part)
    if not pieces:
        return np.hstack(run).tobytes()
    if run:
        pieces.append(_even(np.hstack(run)))
    joined = pc.binary_join_element_wise(*pieces, pa.scalar(b"", pa.large_binary()))
    return _bytes_of(joined).tobytes()


def _even(matrix: NDArray[np.uint8]) -> pa.LargeBinaryArray:
    """Bytes of one width for every row, shape (rows, width)."""
    offsets = np.arange(len(matrix) + 1, dtype=np.int64) * matrix.shape[1]
    return _binary(offsets, matrix)


def _uneven(matrix: NDArray[np.uint8], used: NDArray[np.bool_]) -> pa.LargeBinaryArray:
    """Those bytes of every row that are used; both of shape (rows, width)."""
    offsets = np.concatenate(([0], np.cumsum(used.sum(axis=1), dtype=np.int64)))
    return _binary(offsets, matrix[used])


def _binary(offsets: NDArray[np.int64], data: NDArray[np.uint8]) -> pa.LargeBinaryArray:
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(data))]
    return pa.Array.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def _bytes_of(array: pa.LargeBinaryArray) -> NDArray[np.uint8]:
    """The bytes of all rows, one after the other."""
    offsets = _offsets(array)
    data = array.buffers()[2]
    whole = np.empty(0, np.uint8) if data is None else np.frombuffer(data, np.uint8)
    return whole[offsets[0] : offsets[-1]]


def _offsets(array: pa.LargeBinaryArray) -> NDArray[np.int64]:
    """Where each row begins in the bytes, and where the last one ends."""
    found = np.frombuffer(array.buffers()[1], np.int64)
    return found[array.offset : array.offset + len(array) + 1]


def _sized(values: pa.Array, *, extra: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The length of every row's bytes as it stands before them, and which rows have any.

    `extra` bytes come between; the length of NULL is -1.
    """
    there = pc.is_valid(values).to_numpy(zero_copy_only=False)
    lengths = np.where(there, np.diff(_offsets(values)) + extra, -1)
    return _fitting(lengths, np.dtype(">i4")).view(np.uint8).reshape(-1, 4), there


def _whole(values: pa.Array) -> pa.LargeBinaryArray:
    """The same bytes, of which NULL has none."""
    offsets, data = _offsets(values), values.buffers()[2]
    return pa.Array.from_buffers(
        pa.large_binary(), len(values), [None, pa.py_buffer(offsets), data or pa.py_buffer(b"")]
    )


# ── one column ─────────────────────────────────────────────────────────────────────────────────


def encoder(name: str, kind: str) -> Callable[[Values], Field]:
    """The function that turns a slice of the column into a field."""
    if kind in FIXED:
        encode: Callable[[Values], Field] = _fixed(kind)
    elif kind in _PAYLOADS:
        encode = _PAYLOADS[kind]
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
            return [field]
        field[missing, :4] = 255
        used = np.ones(field.shape, bool)
        used[missing, 4:] = False
        return [_uneven(field, used)]

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


def _words(values: Values) -> Field:
    """Texts as they stand in the rows.

    >>> _words(["a", None])[0].tolist()
    [[0, 0, 0, 1], [255, 255, 255, 255]]
    """
    if not isinstance(values, np.ndarray):
        values = np.array(values, dtype=object)
    words = pa.array(values, pa.large_string(), from_pandas=True)
    return [_sized(words)[0], _whole(words)]


def _bytes(values: Values) -> Field:
    return _payloads(
        [None if item is None else memoryview(item).tobytes() for item in _listed(values)]
    )


def _payloads(listed: list[bytes | None]) -> Field:
    payloads = pa.array(listed, pa.large_binary())
    return [_sized(payloads)[0], _whole(payloads)]


def _json(values: Values) -> Field:
    """JSON, each behind the version of the format: 1."""
    listed = [None if item is None else _as_json(item) for item in _listed(values)]
    payloads = pa.array(listed, pa.large_binary())
    lengths, there = _sized(payloads, extra=1)
    head = np.hstack([lengths, np.ones((len(listed), 1), np.uint8)])
    used = np.ones(head.shape, bool)
    used[~there, 4] = False
    return [_uneven(head, used), _whole(payloads)]


def _as_json(item: Any) -> bytes:
    if isinstance(item, str):
        return item.encode()
    return item if isinstance(item, bytes) else orjson.dumps(item)


def _geometry(values: Values) -> Field:
    """EWKB with SRID 4490, unless the EWKB names one itself.

    >>> point = shapely.to_wkb(shapely.Point(1, 2))
    >>> made = frame([_geometry([point])], 1)
    >>> int(shapely.get_srid(shapely.from_wkb(made[6:])))
    4490
    """
    shapes = np.empty(len(values), dtype=object)
    shapes[:] = values
    first = next((item for item in shapes if item is not None), None)
    if isinstance(first, shapely.Geometry):
        shapes = shapely.to_wkb(shapes, include_srid=True)
    wkb = pa.array(shapes, pa.large_binary())
    return _with_srid(wkb)


def _with_srid(wkb: pa.LargeBinaryArray) -> Field:
    """WKB with the SRID behind its first five bytes: the order of bytes, and the type."""
    there = pc.is_valid(wkb).to_numpy(zero_copy_only=False)
    head = np.zeros((len(wkb), 13), np.uint8)
    begins = _offsets(wkb)[:-1][there]
    head[there, 4:9] = _bytes_of(wkb)[(begins - _offsets(wkb)[0])[:, None] + np.arange(5)]
    little = head[:, 4] == 1
    flag = np.where(little, head[:, 8], head[:, 5])
    said = (flag & _EWKB_SRID) != 0
    head[little, 8] |= _EWKB_SRID
    head[~little, 5] |= _EWKB_SRID
    head[little, 9:] = list(SRID.to_bytes(4, "little"))
    head[~little, 9:] = list(SRID.to_bytes(4, "big"))
    lengths = np.diff(_offsets(wkb)) + np.where(said, 0, 4)
    head[:, :4] = np.where(there, lengths, -1).astype(">i4").view(np.uint8).reshape(-1, 4)
    used = np.ones(head.shape, bool)
    used[said, 9:] = False
    used[~there, 4:] = False
    return [_uneven(head, used), pc.binary_slice(_whole(wkb), 5, _LONGEST)]


_PAYLOADS: dict[str, Callable[[Values], Field]] = {
    "text": _words,
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
        return _payloads([payload(item) for item in _listed(values)])

    return encode
