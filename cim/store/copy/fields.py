"""The types of columns, on their way into the database and out of it."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = Sequence[Any] | NDArray[Any]
"""One column: a list, a tuple or an array; None (and NaN, NaT) where there is no value."""

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
