"""Whether geometries have arcs, which the kernels do not know, by the first bytes of their WKB."""

import re

import numpy as np
import pyarrow as pa

COLLECTION, CIRCULAR, SURFACE = 7, 8, 14
"""Types of OGC's WKB: those from 8 (CircularString) to 14 (Surface) have arcs, 7 may hold some."""

_WITHIN = re.compile(rb"\x01[\x08-\x0e]([\x00\x03\x07\x0b])\x00[\x00\x20\x40\x80\xa0\xc0\xe0]")


def any_in(column: pa.Array) -> bool:
    """Whether a column of little-endian WKB, with ISO's types, has any arcs.

    >>> line, arc = bytes.fromhex("0102000000"), bytes.fromhex("0108000000")
    >>> any_in(pa.array([line, None])), any_in(pa.array([line, arc]))
    (False, True)
    >>> any_in(pa.array([], pa.binary()))
    False
    """
    large = pa.types.is_large_binary(column.type)
    if not (large or pa.types.is_binary(column.type)) or not len(column):
        return False
    _, offsets, data = column.buffers()
    if data is None:
        return False
    starts = np.frombuffer(offsets, np.int64 if large else np.int32)
    starts = starts[column.offset : column.offset + len(column) + 1]
    rows = np.flatnonzero(np.diff(starts) >= 5)
    bytes_ = np.frombuffer(data, np.uint8)
    first = starts[rows].astype(np.int64)
    kind = (bytes_[first + 1].astype(np.int64) | bytes_[first + 2].astype(np.int64) << 8) % 1000
    if ((kind >= CIRCULAR) & (kind <= SURFACE)).any():
        return True
    return any(
        _WITHIN.search(column[int(row)].as_py()) is not None for row in rows[kind == COLLECTION]
    )
