"""One sheet of a workbook as Arrow on standard output: a program of its own, run by `sheet`.

A workbook has to be held whole, and one with a cell in its last corner may claim more memory than
there is: so it is read by a process with a limit, whose end is a sentence and not the end of the
city.  It knows nothing of the project; its arguments are the file, the sheet or nothing, and bytes.

The stream's metadata are the names of the sheets, the one that was read, and merged ranges; its
columns are the sheet's cells as text, `0`, `1` …, and `row`, 1 for the sheet's first.
"""

import datetime
import json
import os
import resource
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

ROWS, CELLS = 16_384, 2_000_000
"""Rows and cells of a batch, at most."""

HEAD = 50
"""Rows whose merged ranges are told one by one."""

LOCKED, NO_SHEET, EMPTY = 3, 4, 5
"""Ends of the process: a password is needed, the sheet is not there, or has no cells."""


def text(value: Any) -> str | None:
    """A cell as a person would type it; None where it is empty.

    >>> text(7.0), text(0.5), text(True), text(""), text("007")
    ('7', '0.5', 'TRUE', None, '007')
    >>> text(datetime.datetime(2024, 5, 1)), text(datetime.datetime(2024, 5, 1, 8, 30))
    ('2024-05-01', '2024-05-01 08:30:00')
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else f"{value:.15g}"  # as a spreadsheet shows
    if isinstance(value, datetime.datetime):
        day = value.time() == datetime.time()
        return value.date().isoformat() if day else value.isoformat(" ", "seconds")
    return str(value)


def rows(sheet: CalamineSheet) -> Iterator[tuple[int, list[str | None]]]:
    """Rows that hold anything, by number; cells that are merged downwards stand in each row."""
    _, left = sheet.start or (0, 0)
    tall = [pair for pair in sheet.merged_cell_ranges or [] if pair[1][0] > pair[0][0]]
    waiting = sorted(tall, reverse=True)
    down: dict[int, tuple[int, str | None]] = {}
    for place, cells in enumerate(sheet.iter_rows()):
        row = [None] * left + [text(value) for value in cells]
        while waiting and waiting[-1][0][0] <= place:
            (_, column), (last, _) = waiting.pop()
            if column < len(row):
                down[column] = (last, row[column])
        for column, (last, value) in list(down.items()):
            if place > last:
                del down[column]
            elif row[column] is None:
                row[column] = value
        if any(cell is not None for cell in row):
            yield place + 1, row


def batches(found: Iterable[tuple[int, list[str | None]]], width: int) -> Iterator[pa.RecordBatch]:
    """Rows as columns of text."""
    most = max(1, min(ROWS, CELLS // max(width, 1)))
    numbers: list[int] = []
    lines: list[list[str | None]] = []

    def batch() -> pa.RecordBatch:
        columns = [pa.array(column, pa.string()) for column in zip(*lines, strict=True)]
        return pa.RecordBatch.from_arrays(
            [*columns, pa.array(numbers, pa.int64())], schema=schema(width)
        )

    for number, row in found:
        numbers.append(number)
        lines.append(row)
        if len(lines) == most:
            yield batch()
            numbers, lines = [], []
    if lines:
        yield batch()


def schema(width: int, known: dict[str, Any] | None = None) -> pa.Schema:
    """Columns of a sheet, and what is known of it."""
    fields = [pa.field(str(number), pa.string()) for number in range(width)]
    metadata = {"sheet": json.dumps(known)} if known else None
    return pa.schema([*fields, pa.field("row", pa.int64())], metadata=metadata)


def choose(book: CalamineWorkbook, wanted: str | None) -> CalamineSheet:
    """The sheet that is wanted, or the first to be seen that has cells."""
    if wanted is not None:
        if wanted not in book.sheet_names:
            print(json.dumps(book.sheet_names), file=sys.stderr)  # noqa: T201 - the parent reads it
            sys.exit(NO_SHEET)
        return book.get_sheet_by_name(wanted)
    items = [item for item in book.sheets_metadata if item.typ == SheetTypeEnum.WorkSheet]
    seen = [item.name for item in items if item.visible == SheetVisibleEnum.Visible]
    for name in seen or [item.name for item in items]:
        sheet = book.get_sheet_by_name(name)
        if sheet.end:
            return sheet
    sys.exit(EMPTY)


def limit(room: int) -> None:
    """Take no more memory than is used now and `room` bytes."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # no Linux
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + room, used + room))


def opened(path: str) -> CalamineWorkbook:
    """The workbook as its name says, or else as its bytes do."""
    try:
        return CalamineWorkbook.from_path(path)
    except PasswordError:
        sys.exit(LOCKED)
    except CalamineError:
        with open(path, "rb") as file:
            return CalamineWorkbook.from_filelike(file)


def main(path: str, wanted: str, room: str) -> None:
    """Read one sheet."""
    limit(int(room))
    book = opened(path)
    sheet = choose(book, wanted or None)
    if not sheet.end:
        sys.exit(EMPTY)
    height, width = (last + 1 for last in sheet.end)
    merged = sheet.merged_cell_ranges or []
    known = {
        "sheets": book.sheet_names,
        "sheet": sheet.name,
        "merged": [(*a, *b) for a, b in merged if a[0] < HEAD],
        "tall": sum(1 for a, b in merged if a[0] >= HEAD and b[0] > a[0]),
        "rows": height,
    }
    with pa.ipc.new_stream(sys.stdout.buffer, schema(width, known)) as out:
        for batch in batches(rows(sheet), width):
            out.write_batch(batch)


if __name__ == "__main__":
    main(*sys.argv[1:])
