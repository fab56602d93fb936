"""How many entries the list of a GeoJSON file has, and which of them are no features.

GDAL gives the features alone: a bare geometry or a null between them is passed over in silence.
"""

import re
from pathlib import Path
from typing import Any

import ijson
import numpy as np
from numpy.typing import NDArray

MOST = 10
"""Places that are told one by one."""

_PIECE = 1 << 20
_LIST = re.compile(rb'"features"\s*:\s*\[')
_ESCAPED = re.compile(rb"\\.", re.DOTALL)

_QUOTE, _COMMA = b'",'
_SIGN = np.zeros(256, bool)
_SIGN[list(b'"{[}],')] = True
_STEP = np.zeros(256, np.int8)
_STEP[list(b"{[")], _STEP[list(b"}]")] = 1, -1

_FILE, _OBJECT, _ENTRIES = range(3)
"""How deep: outside everything, in the collection, in its list."""


def count(path: Path) -> int | None:
    """Entries of the list `features`, whatever they are; None where there is no such list.

    Brackets and commas are counted, a piece of the file at a time.
    """
    depth, quotes, entries, within = _FILE, 0, 0, False
    with path.open("rb") as file:
        while piece := _whole(file.read(_PIECE), file):
            text = _ESCAPED.sub(b"__", piece) if b"\\" in piece else piece
            letters = np.frombuffer(text, np.uint8)
            places = np.flatnonzero(_SIGN[letters])
            signs = letters[places]
            passed = quotes + np.cumsum(signs == _QUOTE)
            outside = passed % 2 == 0
            deep = depth + np.cumsum(_STEP[signs] * outside)
            if places.size:
                depth, quotes = int(deep[-1]), int(passed[-1])
            start = 0 if within else _begins(text, places, deep)
            if start is None:
                continue
            within = True
            closed = np.flatnonzero(deep[start:] < _ENTRIES)
            here = slice(start, start + int(closed[0]) if closed.size else None)
            commas = (signs[here] == _COMMA) & (deep[here] == _ENTRIES) & outside[here]
            entries += int(np.count_nonzero(commas))
            if closed.size:
                return entries + 1 if entries or not _empty(path) else 0
    return None


def no_features(path: Path) -> tuple[int, list[int]]:
    """How many entries of the list are no features, and the places of the first, from 1."""
    total = 0
    first: list[int] = []
    with path.open("rb") as file:
        for place, entry in enumerate(ijson.items(file, "features.item"), 1):
            if not _is_feature(entry):
                total += 1
                if len(first) < MOST:
                    first.append(place)
    return total, first


def _is_feature(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("type") == "Feature"


def _whole(piece: bytes, file: Any) -> bytes:
    """A piece that does not end between a backslash and what it escapes."""
    while piece.endswith(b"\\") and (more := file.read(1)):
        piece += more
    return piece


def _begins(text: bytes, places: NDArray[np.intp], deep: NDArray[np.int64]) -> int | None:
    """Which sign is the first within the list."""
    for found in _LIST.finditer(text):
        key, bracket = np.searchsorted(places, (found.start(), found.end() - 1)).tolist()
        if deep[key] == _OBJECT and deep[bracket] == _ENTRIES:
            return int(bracket) + 1
    return None


def _empty(path: Path) -> bool:
    with path.open("rb") as file:
        return next(iter(ijson.items(file, "features.item")), _empty) is _empty
