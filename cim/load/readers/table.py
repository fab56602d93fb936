"""CSV, streamed; geometry from longitude and latitude columns, or from a column of WKT.

Every column is read as text: a code such as 007 keeps its zeros, and the fields know their types.
Rows go by the numbers that a spreadsheet shows; blank ones are left out, and those with more or
fewer cells than the table has columns are handed on as broken.
"""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
from numpy.typing import NDArray

from cim.errors import SourceError, why
from cim.load.readers import encoding as texts
from cim.load.readers import heading, place
from cim.load.source import BATCH_ROWS, Batch, Source, without_nul

_BLOCK = 4 << 20
"""Bytes that are parsed at a time, and the largest row."""

_LINE = 1 << 20
"""Characters of the longest line among the first ones."""

_SEPARATORS = ",\t;|"
_SAID = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_QUOTES = re.compile(r'"[^"]*"')
_MOSTLY, _FEW = 0.5, 10
"""Of how many rows uneven ones may be how many, before the table is called none."""


@dataclass
class _Opened:
    """A table whose columns are known.

    `skip` lines stand before its first row, which is row `first`; `uneven` takes the rows that
    have not `names` cells, by number, as they are parsed.
    """

    path: Path
    encoding: str
    separator: str
    names: list[str]
    skip: int
    first: int
    notes: list[tuple[str, str]]
    uneven: list[tuple[int, str]] = field(default_factory=list)

    @property
    def kept(self) -> list[str]:
        """The columns that have a name: a spreadsheet adds some that have none."""
        return [name for name in self.names if name]


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a CSV file; `encoding` where it is none of UTF-8, UTF-16, GB18030 and Big5."""
    try:
        _texts(path)
        said = texts.checked(path, encoding) if encoding else texts.detect(path)
        table = _look(path, said)
        if encoding is None and not said.startswith("utf-8"):
            table.notes.append(_read_as(said))
    except (OSError, UnicodeError, csv.Error) as error:
        raise _broken(path, error) from error
    where = place.columns(table.kept)
    return Source(
        batches=_batches(table, where),
        crs=None,
        fields=[name for name in table.kept if name not in where],
        count=None,
        format="CSV",
        encoding=said,
        notes=table.notes,
    )


def _read_as(said: str) -> tuple[str, str]:
    name = said.upper()
    return (
        f"texts are read as {name}; where they make no sense, say --encoding",
        f"文字按 {name} 读取；如有乱码，请用 --encoding 指定",
    )


def _texts(path: Path) -> None:
    """Refuse a workbook whose name was changed to that of a text."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise SourceError(
            f"{path.name} is a workbook, not text; name it .xlsx or .xls",
            f"{path.name} 是电子表格而不是文本；请把扩展名改为 .xlsx 或 .xls",
        )


def _look(path: Path, encoding: str) -> _Opened:
    """The first rows, for the names of the columns and where they stand."""
    with path.open(encoding=encoding, newline="") as file:
        lines = _lines(path, file)
    said = _SAID.fullmatch(lines[0]) if lines else None
    extra = 1 if said else 0
    separator = said[1] if said else _separator(lines)
    reader = csv.reader(lines[extra:], delimiter=separator)
    rows: list[list[str]] = []
    ends: list[int] = []
    try:
        for row in reader:
            rows.append(row)
            ends.append(reader.line_num)
            if len(row) > heading.MOST_COLUMNS and sum(map(bool, row)) > heading.MOST_COLUMNS:
                raise heading.too_wide(path.name, len(row))
    except csv.Error:  # a cell too large for a heading
        pass
    found = heading.find(path.name, rows)
    names = found.names + [""] * (_width(rows, found) - len(found.names))
    return _Opened(
        path, encoding, separator, names, ends[found.row] + extra, found.row + 2, found.notes
    )  # fmt: skip


def _width(rows: list[list[str]], found: heading.Heading) -> int:
    """Cells of a row: those of the heading, or more where every row ends in empty ones."""
    named = len(rows[found.row])
    below = [row for row in rows[found.row + 1 :] if row]
    widths = {len(row) for row in below}
    empty = not any(cell.strip() for row in below for cell in row[named:])
    return max(named, *widths) if len(widths) == 1 and empty else named


def _lines(path: Path, file: io.TextIOWrapper) -> list[str]:
    """The first lines, as many as may be needed for the heading."""
    lines: list[str] = []
    for _ in range(2 * heading.LOOK):
        line = file.readline(_LINE)
        if len(line) == _LINE:
            if not lines:
                raise SourceError(
                    f"{path.name}: the first line has more than a million characters; it is no "
                    "table, or its lines do not end",
                    f"{path.name}：首行超过一百万个字符，不是表格或缺少换行",
                )
            break
        if not line:
            break
        lines.append(line)
    return lines


def _separator(lines: list[str]) -> str:
    """What separates cells: what the first line with any of the signs has most of."""
    for line in lines:
        bare = _QUOTES.sub("", line)
        if any(sign in bare for sign in _SEPARATORS):
            return max(_SEPARATORS, key=bare.count)
    return ","


def _open(table: _Opened) -> pc_csv.CSVStreamingReader:
    def uneven(row: Any) -> str:
        table.uneven.append((row.number, row.text))
        return "skip"

    names = [name or f"\0{number}" for number, name in enumerate(table.names)]
    return pc_csv.open_csv(
        table.path,
        read_options=pc_csv.ReadOptions(
            encoding="utf-8" if table.encoding.startswith("utf-8") else table.encoding,
            block_size=_BLOCK,
            column_names=names,
            skip_rows=table.skip,
            use_threads=False,  # rows have numbers only so
        ),
        parse_options=pc_csv.ParseOptions(
            delimiter=table.separator,
            newlines_in_values=True,
            ignore_empty_lines=False,  # they count
            invalid_row_handler=uneven,
        ),
        convert_options=pc_csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()),
            include_columns=table.kept,
            null_values=["", "NULL", "null", "\\N"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _batches(table: _Opened, where: tuple[str, ...]) -> Iterator[Batch]:
    row = table.first
    try:
        for read in _parsed(table):
            numbers = _numbers(read.num_rows, row, table)
            row = int(numbers[-1]) + 1 if len(numbers) else row
            yield from _sliced(table, where, *_whole(table, read, numbers, row))
        if table.uneven:
            nothing = pa.RecordBatch.from_pydict(
                {name: pa.array([], pa.string()) for name in table.kept}
            )
            none = np.empty(0, np.int64)
            yield from _sliced(table, where, *_whole(table, nothing, none, None))
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise _broken(table.path, error, row) from error


def _parsed(table: _Opened) -> Iterator[pa.RecordBatch]:
    """Blocks of the file; none where it ends with its heading."""
    try:
        stream = _open(table)
    except pa.ArrowInvalid as error:
        if "Could not skip" in str(error) or "Empty CSV" in str(error):
            return
        raise
    yield from stream


def _numbers(count: int, row: int, table: _Opened) -> NDArray[np.int64]:
    """Numbers of the next `count` sound rows from `row` on: uneven ones have taken theirs."""
    shift = table.first - table.skip - 1
    taken = np.array([number + shift for number, _ in table.uneven], np.int64)
    taken = taken[taken >= row]
    places = np.arange(count, dtype=np.int64)
    before = np.searchsorted(taken - row - np.arange(len(taken)), places, side="right")
    return row + places + before


def _whole(
    table: _Opened, read: pa.RecordBatch, numbers: NDArray[np.int64], before: int | None
) -> tuple[pa.RecordBatch, NDArray[np.int64], NDArray[np.object_] | None]:
    """Sound rows and uneven ones before row `before` (all: None) by number, blank ones left out."""
    filled = _filled(read)
    if not filled.all():
        read, numbers = read.filter(pa.array(filled)), numbers[filled]
    shift = table.first - table.skip - 1
    mine = [(n + shift, text) for n, text in table.uneven if before is None or n + shift < before]
    if not mine:
        return read, numbers, None
    del table.uneven[: len(mine)]
    odd = [_cells(table, number, text) for number, text in mine]
    odd_numbers = np.array([number for number, _ in mine], np.int64)
    _bearable(table, [reason for _, reason in odd], read.num_rows, odd_numbers)
    columns = {
        name: pa.array([cells.get(name) for cells, _ in odd], pa.string()) for name in table.kept
    }
    both = pa.concat_batches([read, pa.RecordBatch.from_pydict(columns, schema=read.schema)])
    every = np.concatenate((numbers, odd_numbers))
    broken = np.full(len(every), None, dtype=object)
    broken[read.num_rows :] = [reason for _, reason in odd]
    order = np.argsort(every, kind="stable")
    return both.take(pa.array(order)), every[order], broken[order]


def _filled(read: pa.RecordBatch) -> NDArray[np.bool_]:
    """Which rows hold anything."""
    if not read.num_columns or any(column.null_count == 0 for column in read.columns):
        return np.ones(read.num_rows, bool)
    filled = pc.is_valid(read.columns[0])
    for column in read.columns[1:]:
        filled = pc.or_(filled, pc.is_valid(column))
    return np.asarray(filled.to_numpy(zero_copy_only=False), bool)


def _cells(table: _Opened, number: int, text: str) -> tuple[dict[str, str | None], str | None]:
    """An uneven row by column, and why it is none: what is too much stands in the last column.

    Cells too many are no fault where they are empty.
    """
    csv.field_size_limit(_BLOCK)
    lines = io.StringIO(text.replace("\0", ""), newline="")
    try:
        cells = next(csv.reader(lines, delimiter=table.separator, strict=True), [])
    except csv.Error as error:
        raise SourceError(
            f"{table.path.name}: a quotation mark in row {number} is never closed, or stands "
            "within a cell",
            f"{table.path.name}：第 {number} 行的引号没有闭合，或位置不对",
        ) from error
    width = len(table.names)
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    reason = None if len(cells) == width else "uneven"
    if len(cells) > width:
        cells[width - 1 :] = [table.separator.join(cells[width - 1 :])]
    padded: list[str | None] = [cell or None for cell in cells] + [None] * (width - len(cells))
    return {name: cell for name, cell in zip(table.names, padded, strict=True) if name}, reason


def _bearable(
    table: _Opened, reasons: list[str | None], sound: int, numbers: NDArray[np.int64]
) -> None:
    """Refuse a table most of whose rows do not have its columns: it is read the wrong way."""
    uneven = sum(reason is not None for reason in reasons)
    if uneven >= _FEW and uneven > _MOSTLY * (sound + len(reasons)):
        raise SourceError(
            f"{table.path.name}: from row {numbers[0]} on most rows have not the "
            f"{len(table.names)} columns that the heading names",
            f"{table.path.name}：从第 {numbers[0]} 行起，多数行的单元格数与表头的 "
            f"{len(table.names)} 列不符",
        )


def _sliced(
    table: _Opened,
    where: tuple[str, ...],
    read: pa.RecordBatch,
    numbers: NDArray[np.int64],
    broken: NDArray[np.object_] | None,
) -> Iterator[Batch]:
    read = without_nul(read)
    for start in range(0, read.num_rows, BATCH_ROWS):
        part = read.slice(start, BATCH_ROWS)
        here = numbers[start : start + BATCH_ROWS]
        geometry = place.geometry(part, where) if where else None
        gaps = int(here[-1]) - int(here[0]) + 1 != len(here)
        yield Batch(
            part.drop_columns(list(where)),
            geometry,
            int(here[0]),
            here if gaps else None,
            None if broken is None else broken[start : start + BATCH_ROWS],
        )


def _broken(path: Path, error: Exception, row: int | None = None) -> SourceError:
    """What is wrong with the file, never in Arrow's words: they quote the row."""
    en, zh = _reason(error)
    where, wo = (f" in or after row {row}", f"第 {row} 行或其后") if row else ("", "")
    return SourceError(
        f"{path.name} cannot be read{where}: {en}", f"{path.name} {wo}无法读取：{zh}"
    )


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, UnicodeError) or "invalid UTF8" in str(error):
        return (
            "its text is not in one encoding, UTF-8, UTF-16 or GB18030; say --encoding",
            "文字不是统一的 UTF-8、UTF-16 或 GB18030 编码；请用 --encoding 指定",
        )
    if isinstance(error, OSError):
        return why(error)
    if "straddl" in str(error):
        return (
            "a cell is larger than 4 MB, or its quotation mark is never closed",
            "某个单元格超过 4 MB，或引号没有闭合",
        )
    return ("it is no table of rows and columns", "内容不是由行和列组成的表格")
