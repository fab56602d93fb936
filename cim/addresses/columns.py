"""Many addresses at once, as columns: texts that differ in their figures alone are read once.

The parser asks of a figure only that it is one, never which: 3栋803室 and 5栋1102室 come apart at
the same words.  So a text's *shape*, its normalised text with every figure a zero, decides where
it comes apart.  A city of millions of addresses has few shapes: one for every street, hamlet and
estate, and not one for every door and room.  Each different shape is parsed once; every text of it
is cut at the same places.  `parse_many` equals `parse`, text by text.
"""

from collections.abc import Sequence
from typing import Any, Final, Protocol
from unicodedata import is_normalized, normalize
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from cim.addresses.gazetteer import Gazetteer
from cim.addresses.ladder import LADDER, canonical, deepest, join
from cim.addresses.normal import normalise
from cim.addresses.parser import address, walked
from cim.addresses.walk import Walk, tidy

Columns = dict[str, NDArray[Any]]
Place = tuple[int, int]
"""Where some characters begin and end in a normalised text."""

BATCH: Final = 16_384
"""Texts that are normalised together."""

SHAPES: Final = 30_000
"""Shapes that are remembered; then the memory starts anew, so that it stays as it is."""

SPELLINGS: Final = 50_000
"""Spellings of one level that are remembered."""

LONGEST: Final = 300
"""Characters of a text whose shape is worth remembering."""

_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_END: Final = "\0"


class _Arrow(Protocol):
    """An Arrow array or chunked array of texts."""

    def to_pylist(self) -> list[str | None]: ...


class _Layout:
    """Where the texts of one shape come apart."""

    __slots__ = ("level", "levels", "norm_text", "pattern", "remainder", "runs", "varying")

    def __init__(self, walk: Walk, shape: str) -> None:
        self.levels = walk.values()
        self.norm_text = join(self.levels)
        self.level = deepest(self.levels)
        runs = tuple(walk.aside())
        self.remainder = _left(walk.text, runs)
        self.runs = (
            runs if any("0" in shape[begin:end] for run in runs for begin, end in run) else ()
        )
        places: dict[str, tuple[Place, ...]] = {}
        varying: set[str] = set()
        for level, begin, end, counts in walk.spans:
            if level and counts:
                places[level] = (*places.get(level, ()), (begin, end))
                if "0" in shape[begin:end]:
                    varying.add(level)
        self.varying = tuple([(level, places[level]) for level in places if level in varying])
        self.pattern = _pattern(self.levels, varying)


def _pattern(levels: dict[str, str], varying: set[str]) -> tuple[str, tuple[str, ...]] | None:
    """The joined text as a format, and the levels that fill it; None if figures decide on it.

    A level that repeats the one above is left out of it: where both have figures, these decide.
    """
    words: list[str] = []
    filled: list[str] = []
    above = ""
    for level in LADDER:
        value = levels.get(level)
        if value is None or _left_out(level, levels):
            continue
        if level in varying or above in varying:
            alike = above and len(value) == len(levels[above])
            if alike and _zeroed(value) == _zeroed(levels[above]):
                return None
        if level in varying:
            filled.append(level)
            words.append("%s")
        elif value != levels.get(above):
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
    norms, shapes = _normalised([text or "" for text in texts])
    memory = _memory(gazetteer)
    seen: dict[str, int] = {}
    layouts: list[_Layout] = []
    rows: list[list[int]] = []
    for row, shape in enumerate(shapes):
        at = seen.get(shape)
        if at is None:
            seen[shape] = len(layouts)
            layouts.append(_layout(norms[row], shape, gazetteer, memory))
            rows.append([row])
        else:
            rows[at].append(row)
    filling = _Filling(len(norms))
    for layout, mine in zip(layouts, rows, strict=True):
        filling.fill(layout, mine, [norms[row] for row in mine], gazetteer)
    return filling.columns(layouts, rows)


class _Filling:
    """The columns of one batch on their way: what figures decide on, a shape at a time."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.varied: dict[str, tuple[list[int], list[str]]] = {}

    def fill(
        self, layout: _Layout, rows: list[int], norms: list[str], gazetteer: Gazetteer | None
    ) -> None:
        """Add the rows of one shape, whose normalised texts are given."""
        filled: dict[str, list[str]] = {}
        for level, places in layout.varying:
            spelt = _spelt[level]
            if len(places) == 1:
                ((begin, end),) = places
                words = [norm[begin:end] for norm in norms]
            else:
                words = ["".join([norm[b:e] for b, e in places]) for norm in norms]
            filled[level] = values = [spelt[word] for word in words]
            self._add(level, rows, values)
        if layout.runs:
            self._add("remainder", rows, [_left(norm, layout.runs) for norm in norms])
        if layout.pattern is None:
            joined = [address(walked(norm, gazetteer)).norm_text for norm in norms]
            self._add("norm_text", rows, joined)
        elif layout.pattern[1]:
            text, levels = layout.pattern
            each = zip(*[filled[level] for level in levels], strict=True)
            self._add("norm_text", rows, [text % values for values in each])

    def _add(self, name: str, rows: list[int], values: list[str]) -> None:
        all_rows, all_values = self.varied.setdefault(name, ([], []))
        all_rows += rows
        all_values += values

    def columns(self, layouts: list[_Layout], rows: list[list[int]]) -> Columns:
        """All columns: what is the same for a shape, and over it what is not."""
        which = np.empty(self.size, np.intp)
        which[[row for mine in rows for row in mine]] = np.repeat(
            np.arange(len(rows)), [len(mine) for mine in rows]
        )
        columns: Columns = {
            level: _objects([layout.levels.get(level) for layout in layouts])[which]
            for level in LADDER
        }
        columns["norm_text"] = _objects([layout.norm_text for layout in layouts])[which]
        columns["remainder"] = _objects([layout.remainder for layout in layouts])[which]
        columns["level"] = np.array([layout.level for layout in layouts], np.int16)[which]
        for name, (places, values) in self.varied.items():
            columns[name][places] = _objects(values)
        return columns


class _Spelt(dict[str, str]):
    """Canonical spellings of one level's words that have figures; bounded."""

    def __init__(self, level: str) -> None:
        super().__init__()
        self.level = level

    def __missing__(self, words: str) -> str:
        if len(self) >= SPELLINGS:
            self.clear()
        value = self[words] = canonical(self.level, words)
        return value


_spelt: Final = {level: _Spelt(level) for level in LADDER}


def _normalised(texts: list[str]) -> tuple[list[str], list[str]]:
    """The texts normalised, and their shapes; done to all together, as to each alone."""
    if any(_END in text for text in texts):
        norms = [normalise(text) for text in texts]
        return norms, [_zeroed(norm) for norm in norms]
    plain = [text if is_normalized("NFKC", text) else normalize("NFKC", text) for text in texts]
    norm = normalise(_END.join(plain))
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
        layout = _Layout(walked(norm, gazetteer), shape)
        if len(norm) <= LONGEST:
            if len(memory) >= SHAPES:
                memory.clear()
            memory[shape] = layout
    return layout


def _objects(values: Sequence[str | None]) -> NDArray[np.object_]:
    array = np.empty(len(values), object)
    array[:] = values
    return array
