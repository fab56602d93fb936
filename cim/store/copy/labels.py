"""Texts of which there are few: each once, and for every row the number of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

_KEPT = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
"""The bits of a word of which so many bytes are kept."""

_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, eq=False)
class Labels(Sequence[str | None]):
    """A column of texts, `texts[number]`; a text is there once, or None.

    >>> some = Labels((None, "a"), np.array([1, 0, 1]))
    >>> list(some), list(some[np.array([2, 1])]), some[0]
    (['a', None, 'a'], ['a', None], 'a')
    """

    texts: tuple[str | None, ...]
    number: Integers

    def __len__(self) -> int:
        """How many rows."""
        return self.number.size

    @overload
    def __getitem__(self, index: int) -> str | None: ...
    @overload
    def __getitem__(self, index: "slice | NDArray[Any]") -> "Labels": ...
    def __getitem__(self, index: "int | slice | NDArray[Any]") -> "str | Labels | None":
        """The text of a row, or some rows."""
        if isinstance(index, slice | np.ndarray):
            return Labels(self.texts, self.number[index])
        return self.texts[int(self.number[index])]

    @staticmethod
    def joined(pieces: "Sequence[Labels]") -> "Labels":
        """All of them in one, in their order.

        >>> ab = Labels(("a", "b"), np.array([1, 0]))
        >>> list(Labels.joined([ab, ab[:1]]))
        ['b', 'a', 'b']
        """
        before = np.cumsum([0, *(len(piece.texts) for piece in pieces)]).tolist()
        return Labels(
            tuple(text for piece in pieces for text in piece.texts),
            np.concatenate(
                [piece.number + shift for piece, shift in zip(pieces, before, strict=False)]
            ),
        )


def labels(data: NDArray[np.uint8], starts: Integers, ends: Integers) -> Labels:
    """The texts in UTF-8 that lie in a buffer; None is one that ends before it starts.

    >>> list(labels(np.frombuffer(b"ab", np.uint8), np.array([0, 1, 0]), np.array([2, 0, 1])))
    ['ab', None, 'a']
    """
    sizes = np.maximum(ends - starts, -1)
    padded = np.append(data, np.zeros(8, np.uint8))
    words = np.ndarray((data.size + 1,), "<u8", padded, strides=(1,))
    same, first, number = _alike(words, starts, sizes)
    if not same:  # two texts that come to one sum: nobody has seen any
        first, number = np.arange(sizes.size), np.arange(sizes.size)
    spans = zip(starts[first].tolist(), sizes[first].tolist(), strict=True)
    texts = (data[at : at + size].tobytes().decode() if size >= 0 else None for at, size in spans)
    return Labels(tuple(texts), number)


def _alike(
    words: NDArray[np.uint64], starts: Integers, sizes: Integers
) -> tuple[bool, Integers, Integers]:
    """Rows put together by a sum over their words: the first of each sum, the sum of each row.

    Also whether all rows of a sum are the same text.
    """
    parts = [sizes.astype(np.uint64)]
    for done in range(0, int(sizes.max(initial=0)), 8):
        left = np.clip(sizes - done, 0, 8)
        place = np.where(left > 0, starts + done, 0)
        parts.append(words[place] & _KEPT[left])
    total = np.zeros(sizes.size, np.uint64)
    for part in parts:
        total = total * _ODD + part
    _, first, number = np.unique(total, return_index=True, return_inverse=True)
    return all(bool((part == part[first][number]).all()) for part in parts), first, number
