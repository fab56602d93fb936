"""Well-known binary by columns: many byte strings in one buffer, and polygons read out of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

POLYGON, MULTIPOLYGON = 3, 6
"""WKB's types, in the plane and without an SRID."""

HEAD = 9
"""Bytes before what is in a polygon or multipolygon: order of bytes, type, how many."""


@dataclass(frozen=True, eq=False)
class Blobs(Sequence[bytes | None]):
    """Byte strings that lie in one buffer; None is one that ends before it starts.

    Several may be the same bytes, which then are there once.

    >>> some = Blobs(np.frombuffer(b"abcd", np.uint8), np.array([0, 2, 0]), np.array([2, 1, 2]))
    >>> list(some), list(some[np.array([1, 0])]), len(some)
    ([b'ab', None, b'ab'], [None, b'ab'], 3)
    """

    data: NDArray[np.uint8]
    starts: Integers
    ends: Integers

    def __len__(self) -> int:
        """How many there are."""
        return self.starts.size

    def __iter__(self) -> Iterator[bytes | None]:
        """Each in turn."""
        data = self.data.tobytes()
        for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True):
            yield data[start:end] if end >= start else None

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: "slice | NDArray[Any]") -> "Blobs": ...
    def __getitem__(self, index: "int | slice | NDArray[Any]") -> "bytes | Blobs | None":
        """One of them, or some; the bytes themselves stay where they are."""
        if isinstance(index, slice | np.ndarray):
            return Blobs(self.data, self.starts[index], self.ends[index])
        start, end = int(self.starts[index]), int(self.ends[index])
        return self.data[start:end].tobytes() if end >= start else None

    def distinct(self) -> tuple["Blobs", Integers]:
        """Those that are different places of the buffer, and for each of these its number there.

        >>> same = Blobs(np.frombuffer(b"ab", np.uint8), np.array([1, 0, 1]), np.array([2, 1, 2]))
        >>> found, number = same.distinct()
        >>> list(found), number.tolist()
        ([b'a', b'b'], [1, 0, 1])
        """
        if (np.diff(self.starts) > 0).all() and (self.ends >= self.starts).all():
            return self, np.arange(len(self))
        both = self.starts * (self.data.size + 1) + self.ends
        places = np.where(self.ends < self.starts, -1, both)
        _, first, number = np.unique(places, return_index=True, return_inverse=True)
        return self[first], number

    @staticmethod
    def joined(pieces: "Sequence[Blobs]") -> "Blobs":
        """All of them in one, in their order.

        >>> ab = Blobs(np.frombuffer(b"ab", np.uint8), np.array([0, 1]), np.array([1, 2]))
        >>> list(Blobs.joined([ab, ab[:1], ab[:0]]))
        [b'a', b'b', b'a']
        >>> list(Blobs.joined([]))
        []
        """
        if not pieces:
            return Blobs(np.empty(0, np.uint8), np.empty(0, np.int64), np.empty(0, np.int64))
        before = np.cumsum([0, *(piece.data.size for piece in pieces)]).tolist()
        shifted = list(zip(pieces, before, strict=False))
        return Blobs(
            np.concatenate([piece.data for piece in pieces]),
            np.concatenate([piece.starts + shift for piece, shift in shifted]),
            np.concatenate([piece.ends + shift for piece, shift in shifted]),
        )


class Ragged(NamedTuple):
    """Polygons: the corners of their rings, without a ring's closing one.

    Ring `i` is `points[rings[i]:rings[i + 1]]`, polygon `j` has the rings from `polygons[j]` up to
    `polygons[j + 1]`, its outer one first, and belongs to the outline `owner[j]`.
    """

    points: Floats
    rings: Integers
    polygons: Integers
    owner: Integers


def ragged(outlines: Blobs) -> Ragged | None:
    """The polygons of plain little-endian WKB polygons and multipolygons, all at once.

    None where anything else is among them: an SRID, a third dimension, another type, something
    empty, cut short or not closed.  A library that reads everything takes over there.

    >>> import shapely
    >>> wkb = shapely.to_wkb(shapely.MultiPolygon([shapely.box(0, 0, 2, 1)]))
    >>> some = Blobs(np.frombuffer(wkb, np.uint8), np.array([0, 9]), np.array([len(wkb)] * 2))
    >>> found = ragged(some)
    >>> found.points.shape, found.rings.tolist(), found.polygons.tolist(), found.owner.tolist()
    ((8, 2), [0, 4, 8], [0, 1, 2], [0, 1])
    >>> ragged(some[:0]).points.shape
    (0, 2)
    >>> ragged(Blobs(some.data[:-1], some.starts, some.ends - 1)) is None
    True
    """
    present = np.flatnonzero(outlines.ends >= outlines.starts)
    walk = _Walk(outlines.data, present, outlines.starts[present], outlines.ends[present])
    try:
        owner, start, count, outer = walk.rings()
        numbers = _anywhere(outlines.data, "<f8")
        last = start + 16 * (count - 1)
        for coordinate in (0, 8):
            _demand(numbers[start + coordinate] == numbers[last + coordinate])
    except _Other:
        return None
    offsets = np.concatenate([[0], np.cumsum(count - 1)]).astype(np.int64)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], count - 1)
    place = np.repeat(start, count - 1) + 16 * within
    first = np.flatnonzero(outer)
    points = np.stack([numbers[place], numbers[place + 8]], axis=1)
    return Ragged(points, offsets, np.append(first, outer.size), owner[first])


class _Other(Exception):
    """Something other than plain polygons."""


def _demand(conditions: NDArray[np.bool_]) -> None:
    if not conditions.all():
        raise _Other


@dataclass
class _Walk:
    """A reader in every outline at once, a ring a step."""

    data: NDArray[np.uint8]
    owner: Integers
    at: Integers
    end: Integers

    def rings(self) -> tuple[Integers, Integers, Integers, NDArray[np.bool_]]:
        """Owner, first byte, number of corners of every ring in order, and whether it is outer."""
        kind, polygons = self._head(np.arange(self.at.size))
        many = kind == MULTIPOLYGON
        _demand(many | (kind == POLYGON))
        self.at = self.at + np.where(many, HEAD, 0)
        polygons, left = np.where(many, polygons, 1), np.zeros(self.at.size, np.int64)
        found = [(self.owner[:0], self.at[:0], self.at[:0], np.zeros(0, bool))]
        while (going := np.flatnonzero((polygons > 0) | (left > 0))).size:
            outer = left[going] == 0
            fresh = going[outer]
            kind, left[fresh] = self._head(fresh)
            _demand(kind == POLYGON)
            polygons[fresh] -= 1
            self.at[fresh] += HEAD
            self._reach(going, 4)
            corners = _anywhere(self.data, "<u4")[self.at[going]].astype(np.int64)
            _demand(corners >= 4)
            found.append((self.owner[going], self.at[going] + 4, corners, outer))
            self.at[going] += 4 + 16 * corners
            left[going] -= 1
            self._reach(going, 0)
        _demand(self.at == self.end)
        owner, start, corners, outer = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.argsort(owner, kind="stable")
        return owner[order], start[order], corners[order], outer[order]

    def _reach(self, which: Integers, length: int) -> None:
        """See that that many bytes are left in each."""
        _demand(self.at[which] + length <= self.end[which])

    def _head(self, which: Integers) -> tuple[Integers, Integers]:
        """Type and number of parts at each place; type 0 where the bytes run the other way."""
        self._reach(which, HEAD)
        place, numbers = self.at[which], _anywhere(self.data, "<u4")
        kind = np.where(self.data[place] == 1, numbers[place + 1], 0)
        count = numbers[place + 5].astype(np.int64)
        _demand(count > 0)
        return kind, count


def _anywhere(data: NDArray[np.uint8], kind: str) -> NDArray[Any]:
    """The number that starts at each byte of a buffer."""
    width = np.dtype(kind).itemsize
    return np.ndarray((max(data.size - width + 1, 0),), kind, data, strides=(1,))
