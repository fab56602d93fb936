"""Many addresses at once, as columns: texts that differ in their figures alone are read once.

The parser asks of a figure only that it is one, never which: 3栋803室 and 5栋1102室 come apart at
the same words.  So a text's *shape*, its normalised text with every figure a zero, decides where
it comes apart.  A city of millions of addresses has few shapes: one for every street, hamlet and
estate, and not one for every door and room.  Each different shape is parsed once; every text of it
is cut at the same places.  `parse_many` equals `parse`, text by text.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cim.addresses.gazetteer import Gazetteer
from cim.addresses.ladder import LADDER, deepest
from cim.addresses.normal import normalise
from cim.addresses.parser import Address, address, walked
from cim.addresses.walk import Walk, tidy

Columns = dict[str, NDArray[Any]]
Place = tuple[int, int]
"""Where some characters begin and end in a normalised text."""

BATCH: Final = 16_384
"""Texts that are normalised together."""

SHAPES: Final = 30_000
"""Shapes that are remembered; then the memory starts anew, so that it stays as it is."""

LONGEST: Final = 300
"""Characters of a text whose shape is worth remembering."""

_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_END: Final = "\0"
_LEVELS: Final = tuple(LADDER)


class _Arrow(Protocol):
    """An Arrow array or chunked array of texts."""

    def to_pylist(self) -> list[str | None]: ...


class _Layout:
    """Where the texts of one shape come apart."""

    __slots__ = ("address", "level", "pattern", "runs", "varying", "walk")

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.address = address(walk)
        self.level = deepest(self.address.levels)
        places: dict[str, list[Place]] = {}
        for level, begin, end, counts in walk.spans:
            if level and counts:
                places.setdefault(level, []).append((begin, end))
        text = walk.text
        self.varying = tuple(
            (level, tuple(found))
            for level, found in places.items()
            if any(_has_figure(text[begin:end]) for begin, end in found)
        )
        runs = walk.aside()
        varies = any(_has_figure(text[begin:end]) for run in runs for begin, end in run)
        self.runs = tuple(runs) if varies else ()
        self.pattern = _pattern(self.address, {level for level, _ in self.varying})


def _has_figure(words: str) -> bool:
    return any(char in "0123456789" for char in words)


def _pattern(address: Address, varying: set[str]) -> tuple[str, tuple[str, ...]] | None:
    """The joined text as a format, and the levels that fill it; None if figures decide on it.

    A level that repeats the one above is left out of it: where both have figures, these decide.
    """
    words: list[str] = []
    filled: list[str] = []
    above = ""
    for level in LADDER:
        value = address.levels.get(level)
        if value is None or _left_out(level, address.levels):
            continue
        if level in varying:
            if above in varying:
                mine, others = _zeroed(value), _zeroed(address.levels[above])
                if mine == others:
                    return None
            filled.append(level)
            words.append("%s")
        elif value != address.levels.get(above):
            words.append(value.replace("%", "%%"))
        above = level
    return "".join(words), tuple(filled)


def _left_out(level: str, levels: dict[str, str]) -> bool:
    if level == "province":
        return len(levels) > 1
    return level == "floor_no" and len(levels.get("room_no", "")) > 2


def _left(norm: str, runs: tuple[tuple[Place, ...], ...]) -> str:
    return tidy(["".join([norm[begin:end] for begin, end in run]) for run in runs])


def _zeroed(words: str) -> str:
    return words.encode("utf-8", "surrogatepass").translate(_ZERO).decode("utf-8", "surrogatepass")


def parse_many(texts: Sequence[str | None] | _Arrow, gazetteer: Gazetteer | None = None) -> Columns:
    """Take many addresses apart, as `parse` does each of them.

    `texts` are a list, an object array or an Arrow array; a missing text is read as an empty one.
    The answer has, for each level of the ladder, an object array of canonical texts or None;
    `norm_text` and `remainder`, object arrays of texts; and `level`, the deepest level (int16).

    >>> found = parse_many(["东莞市虎门镇浦江路2号", "东莞市虎门镇浦江路16号", None])
    >>> found["door_no"].tolist(), found["level"].tolist()
    (['2号', '16号', None], [9, 9, 0])
    >>> found["norm_text"].tolist()
    ['东莞市虎门镇浦江路2号', '东莞市虎门镇浦江路16号', '']
    """
    given = texts.to_pylist() if hasattr(texts, "to_pylist") else texts
    parts = [_batch(given[at : at + BATCH], gazetteer) for at in range(0, len(given), BATCH)]
    if len(parts) == 1:
        return parts[0]
    return {
        name: np.concatenate([part[name] for part in parts] or [np.empty(0, kind)])
        for name, kind in _KINDS.items()
    }


_KINDS: Final[dict[str, type[Any]]] = {
    **dict.fromkeys((*LADDER, "norm_text", "remainder"), object),
    "level": np.int16,
}

_layouts: dict[str, _Layout] = {}
_layouts_of: WeakKeyDictionary[Gazetteer, dict[str, _Layout]] = WeakKeyDictionary()


def _batch(texts: Sequence[str | None], gazetteer: Gazetteer | None) -> Columns:
    memory = _memory(gazetteer)
    norms, shapes = _normalised([text or "" for text in texts])
    seen: dict[str, int] = {}
    layouts: list[_Layout] = []
    which = np.empty(len(norms), np.intp)
    varied: dict[str, tuple[list[int], list[str]]] = {}
    joined: list[str] = []
    for row, (norm, shape) in enumerate(zip(norms, shapes, strict=True)):
        at = seen.get(shape)
        if at is None:
            at = seen[shape] = len(layouts)
            layouts.append(_layout(norm, shape, gazetteer, memory))
        which[row] = at
        layout = layouts[at]
        values: dict[str, str] = {}
        for level, places in layout.varying:
            words = "".join([norm[begin:end] for begin, end in places])
            values[level] = value = layout.walk.spelling(level, words)
            rows, list_ = varied.setdefault(level, ([], []))
            rows.append(row)
            list_.append(value)
        if layout.runs:
            rows, list_ = varied.setdefault("remainder", ([], []))
            rows.append(row)
            list_.append(_left(norm, layout.runs))
        if layout.pattern is None:
            joined.append(address(walked(norm, gazetteer)).norm_text)
        else:
            text, filled = layout.pattern
            joined.append(text % tuple([values[level] for level in filled]))
    return _columns(layouts, which, varied, joined)


def _normalised(texts: list[str]) -> tuple[list[str], list[str]]:
    """The texts normalised, and their shapes; done to all together, as to each alone."""
    if any(_END in text for text in texts):
        norms = [normalise(text) for text in texts]
        return norms, [_zeroed(norm) for norm in norms]
    norm = normalise(_END.join(texts))
    return norm.split(_END), _zeroed(norm).split(_END)


def _memory(gazetteer: Gazetteer | None) -> dict[str, _Layout]:
    """The shapes known so far; each gazetteer has its own, which goes with it."""
    if gazetteer is None:
        return _layouts
    return _layouts_of.setdefault(gazetteer, {})


def _layout(
    norm: str, shape: str, gazetteer: Gazetteer | None, memory: dict[str, _Layout]
) -> _Layout:
    layout = memory.get(shape)
    if layout is None:
        layout = _Layout(walked(norm, gazetteer))
        if len(norm) <= LONGEST:
            if len(memory) >= SHAPES:
                memory.clear()
            memory[shape] = layout
    return layout


def _columns(
    layouts: list[_Layout],
    which: NDArray[np.intp],
    varied: dict[str, tuple[list[int], list[str]]],
    joined: list[str],
) -> Columns:
    columns: Columns = {}
    for level in _LEVELS:
        columns[level] = _objects([layout.address.levels.get(level) for layout in layouts])[which]
    columns["remainder"] = _objects([layout.address.remainder for layout in layouts])[which]
    for level, (rows, values) in varied.items():
        columns[level][rows] = _objects(values)
    columns["norm_text"] = _objects(joined)
    columns["level"] = np.array([layout.level for layout in layouts], np.int16)[which]
    return columns


def _objects(values: Sequence[str | None]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
