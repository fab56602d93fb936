"""PostgreSQL's binary COPY format the other way: the bytes of rows become columns.

The format: https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.geometry.wkb import Blobs
from cim.store.copy.fields import FIXED, plain_type
from cim.store.copy.labels import labels

Integers = NDArray[np.int64]


def decode(messages: Sequence[bytes], types: Mapping[str, str]) -> dict[str, Any]:
    """Columns of rows, each a message of its own, without what stands before and after them.

    `types` names the PostgreSQL type of every column, in their order.  Numbers become arrays,
    NULL among floats NaN; booleans and integers with NULL among them become lists with None, as
    text is in any case; bytea becomes Blobs.  A text of which there are few values can be called
    `label` and becomes Labels, which is faster.

    >>> row = b"\\0\\2" + b"\\0\\0\\0\\2" + b"\\1\\0" + b"\\0\\0\\0\\1" + b"x"
    >>> found = decode([row, row], {"no": "int2", "name": "text"})
    >>> found["no"].tolist(), found["name"]
    ([256, 256], ['x', 'x'])
    >>> decode([], {"no": "int2"})["no"].tolist()
    []

    Raises ValueError where the rows are none of these types.
    """
    lengths = np.fromiter(map(len, messages), np.int64, len(messages))
    ends = np.cumsum(lengths)
    data = np.frombuffer(b"".join(messages), np.uint8)
    at = ends - lengths
    fields = _numbers(data, at, ">i2")
    if (fields != len(types)).any():
        raise ValueError(f"rows of {set(fields.tolist())} fields, not of {len(types)}")
    at = at + 2
    found = {}
    for name, kind in types.items():
        length = _numbers(data, at, ">i4").astype(np.int64)
        start = at + 4
        found[name] = _decoder(plain_type(kind))(data, start, start + length)
        at = start + np.maximum(length, 0)
    if (at != ends).any():
        raise ValueError("rows that go on behind their fields")
    return found


def _decoder(kind: str) -> Callable[[NDArray[np.uint8], Integers, Integers], Any]:
    if kind == "bytea":
        return Blobs
    if kind == "text":
        return _texts
    if kind == "label":
        return labels
    stored = FIXED[kind]

    def fixed(data: NDArray[np.uint8], starts: Integers, ends: Integers) -> Any:
        there = ends > starts
        if (ends - starts != stored.itemsize)[there].any():
            raise ValueError(f"fields that are no {kind}")
        if there.all():
            values = _numbers(data, starts, stored)
            return values.astype(stored.newbyteorder("="))
        values = _numbers(data, np.where(there, starts, 0), stored)
        values = values.astype(stored.newbyteorder("="))
        if stored.kind == "f":
            values[~there] = np.nan
            return values
        known = zip(values.tolist(), there.tolist(), strict=True)
        return [value if exists else None for value, exists in known]

    return fixed


def _numbers(data: NDArray[np.uint8], at: Integers, kind: str | np.dtype[Any]) -> NDArray[Any]:
    """The numbers that start at these bytes."""
    if not at.size:
        return np.empty(0, kind)
    count = data.size - np.dtype(kind).itemsize + 1
    if at.max() >= count:
        raise ValueError("a row that ends within a field")
    found: NDArray[Any] = np.ndarray((count,), kind, data, strides=(1,))[at]
    return found


def _texts(data: NDArray[np.uint8], starts: Integers, ends: Integers) -> list[str | None]:
    whole = data.tobytes()
    known: dict[bytes, str] = {}
    found: list[str | None] = []
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        if end < start:
            found.append(None)
            continue
        text = whole[start:end]
        if text not in known:
            known[text] = text.decode()
        found.append(known[text])
    return found
