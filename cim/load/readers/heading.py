"""Which row of a table names its columns, and whether any does.

Tables come with title lines above the names, names over two rows, columns without a name, and with
no names at all.  What a first line holds that is no heading may be somebody's data, so no message
here repeats a cell.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from cim.errors import SourceError

LOOK = 50
"""Rows that are looked at for the names of the columns, and for whether there are any."""

MOST_COLUMNS = 2_000
"""Columns a table may have: more are a mistake, and each costs memory in every batch."""

_VALUE = re.compile(
    r"[-+]?[\d,]*\.?\d+%?|\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?.*|\(?(POINT|(MULTI)?POLYGON)\b.*",
    re.I,
)
"""A cell that is a value: a number, a day, a geometry."""

_SOMEBODY = re.compile(r"\d{11}")
"""What names of columns do not hold, but numbers of documents and phones do."""

Row = Sequence[str]
Merge = tuple[int, int, int, int]
"""A merged range: first row, first column, last row, last column, from 0."""


@dataclass(frozen=True)
class Heading:
    """Names of the columns, empty where one has none; their last row, from 0; remarks."""

    names: list[str]
    row: int
    notes: list[tuple[str, str]]


def find(file: str, rows: Sequence[Row], merged: Sequence[Merge] = ()) -> Heading:
    """The names of a table's columns, from its first rows.

    The first row that is filled to more than half of the widest one is taken; what stands above it
    is a title.  Raises SourceError where no row names columns, where too many are named, and where
    two have one name.

    >>> find("a", [["房屋清单", "", ""], [], ["编号", "层数", "高度"], ["A1", "6", "18"]]).row
    2
    >>> find("a", [["编号", "地上", ""], ["", "层数", "高度"]], [(0, 0, 1, 0), (0, 1, 0, 2)]).names
    ['编号', '层数', '高度']
    """
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    widest = max(filled, default=0)
    if widest == 0:
        raise SourceError(f"{file} has no rows", f"{file} 中没有数据行")
    if max(len(row) for row in rows) > MOST_COLUMNS and widest > MOST_COLUMNS:
        raise too_wide(file, widest)
    first = next(place for place, count in enumerate(filled) if _wide(count, widest))
    last = _last(rows, first, merged)
    names = _names(rows, first, last, merged)
    if _is_data(rows[first], rows[last + 1 :]):
        raise SourceError(
            f"{file}: row {first + 1} seems to be data; it must name the columns",
            f"{file}：第 {first + 1} 行似乎是数据；首行应为列名",
        )
    _distinct(file, names)
    return Heading(
        names, last, [*_told(rows, first, last, filled), *_nameless(names, rows[last + 1 :])]
    )


def too_wide(file: str, columns: int) -> SourceError:
    """The refusal of a table with more columns than any table has."""
    return SourceError(
        f"{file} has {columns:,} columns; at most {MOST_COLUMNS:,} are read",
        f"{file} 有 {columns:,} 列；最多读取 {MOST_COLUMNS:,} 列",
    )


def letters(column: int) -> str:
    """What a spreadsheet calls a column, from 0.

    >>> letters(0), letters(25), letters(26), letters(16_383)
    ('A', 'Z', 'AA', 'XFD')
    """
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _wide(count: int, widest: int) -> bool:
    return count * 2 > widest if widest > 2 else count > 0


def _last(rows: Sequence[Row], first: int, merged: Sequence[Merge]) -> int:
    """The last row of the heading: cells of the first that are merged downwards, or have parts."""
    last = max([r1 for r0, _, r1, _ in merged if r0 == first and r1 - r0 < 3], default=first)
    across = any(r0 == r1 == first and c1 > c0 for r0, c0, r1, c1 in merged)
    if last == first and across:
        last = first + 1
    last = min(last, len(rows) - 1)
    below = [cell for row in rows[first + 1 : last + 1] for cell in row if cell.strip()]
    return first if any(_VALUE.fullmatch(cell.strip()) for cell in below) else last


def _names(rows: Sequence[Row], first: int, last: int, merged: Sequence[Merge]) -> list[str]:
    """The lowest name of each column, with what stands over it where that alone tells it apart."""
    width = max(len(row) for row in rows)
    levels = [
        [_plain(cell) for cell in row] + [""] * (width - len(row)) for row in rows[first : last + 1]
    ]
    if last > first:
        for r0, c0, r1, c1 in merged:
            if first <= r0 <= last and r0 == r1:
                end = min(c1 + 1, width)  # more cells may be merged than any row has
                levels[r0 - first][c0:end] = levels[r0 - first][c0 : c0 + 1] * (end - c0)
    chains = [[name for name in column if name] for column in zip(*levels, strict=True)]
    lowest = Counter(chain[-1] for chain in chains if chain)
    names = []
    for chain in chains:
        alone = not chain or lowest[chain[-1]] == 1
        names.append((chain[-1] if chain else "") if alone else " ".join(dict.fromkeys(chain)))
    while names and not names[-1]:
        names.pop()
    return names


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", name.replace("\0", "").lstrip("\ufeff")).strip()


def _is_data(names: Row, below: Sequence[Row]) -> bool:
    """Whether what should be names are values.

    They are where one could be somebody's number, where half are numbers or days, and where some,
    but not all, stand in their own column again.
    """
    cells = [(place, _plain(cell)) for place, cell in enumerate(names) if _plain(cell)]
    values = sum(bool(_VALUE.fullmatch(cell)) for _, cell in cells)
    if any(_SOMEBODY.search(cell) for _, cell in cells) or values * 2 > len(cells):
        return True
    columns = [{_plain(row[place]) for row in below if place < len(row)} for place, _ in cells]
    again = sum(cell in column for (_, cell), column in zip(cells, columns, strict=True))
    return again < len(cells) and again > (0 if values else 1)


def _distinct(file: str, names: list[str]) -> None:
    count = sum(bool(name) for name in names)
    if count > MOST_COLUMNS:
        raise too_wide(file, count)
    if not count:
        raise SourceError(f"{file}: the first row names no columns", f"{file}：首行没有列名")
    for name, times in Counter(names).items():
        if name and times > 1:
            places = [letters(place) for place, other in enumerate(names) if other == name]
            raise SourceError(
                f"{file}: columns named twice: {', '.join(places)} have one name; rename them",
                f"{file}：列名重复：{'、'.join(places)} 列同名；请改名后再导入",
            )


def _nameless(names: list[str], below: Sequence[Row]) -> list[tuple[str, str]]:
    """That columns without a name are left out, where they hold something."""
    width = max([len(row) for row in below], default=0)
    columns = [place for place in range(width) if place >= len(names) or not names[place]]
    lost = [p for p in columns if any(p < len(row) and row[p].strip() for row in below)]
    if not lost:
        return []
    named = [letters(place) for place in lost[:10]]
    return [
        (
            f"columns without a name are left out: {', '.join(named)}",
            f"没有列名的列未导入：{'、'.join(named)}",
        )
    ]


def _told(rows: Sequence[Row], first: int, last: int, filled: list[int]) -> list[tuple[str, str]]:
    notes = []
    if any(filled[:first]):
        notes.append(
            (
                f"the columns are named in row {first + 1}; what stands above it is left out",
                f"列名取自第 {first + 1} 行；其上的标题未导入",
            )
        )
    if last > first:
        notes.append(
            (
                f"the names of the columns stand in rows {first + 1} to {last + 1}",
                f"列名取自第 {first + 1} 至 {last + 1} 行（多行表头）",
            )
        )
    return notes
