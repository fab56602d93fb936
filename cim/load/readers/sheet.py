"""Workbooks (XLSX, XLSM, XLS, ODS): one sheet as text columns, by the numbers of its rows.

Formulas come as the values they were last worked out to, days as 2024-05-01.  A cell that is merged
downwards stands in each of its rows.  The workbook is read by a process of its own (`workbook`).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import weakref
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cim.errors import SourceError
from cim.load.readers import archive, heading, place, table, workbook
from cim.load.source import BATCH_ROWS, Batch, Source, without_nul

MOST_BYTES = 1 << 30
"""Bytes that a workbook may unpack to, and the memory that reading it may take."""

_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_SECRET = "EncryptedPackage".encode("utf-16-le")
_NOTED = 10


@dataclass
class _Sheet:
    """A sheet on its way in: what is known of it, its cells, and the process that reads it."""

    path: Path
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    stream: pa.RecordBatchReader
    known: dict[str, Any]


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a workbook's sheet, the first with cells unless `layer` names one.

    `encoding` says that of a text which merely goes by a workbook's name.
    """
    with path.open("rb") as file:
        head = file.read(512)
    if not head.startswith((_ZIP, _OLE)):
        return _text(path, head, encoding)
    _guard(path, head)
    sheet = _open(path, layer)
    first = _next(sheet)
    if first is None:
        raise _empty(path)
    rows = _rows(first)
    name = path.name if len(sheet.known["sheets"]) < 2 else f"{path.name} {sheet.known['sheet']}"
    found = heading.find(name, rows, [tuple(item) for item in sheet.known["merged"]])
    kept = {name: place for place, name in enumerate(found.names) if name}
    where = place.columns(list(kept))
    return Source(
        batches=_batches(sheet, first, kept, where, int(first["row"][0].as_py()) + found.row),
        crs=None,
        fields=[name for name in kept if name not in where],
        count=None,
        layer=sheet.known["sheet"],
        format=path.suffix[1:].upper(),
        layers=tuple(sheet.known["sheets"]),
        notes=[*_notes(sheet.known, found, layer), *found.notes],
    )


def layers(path: Path) -> list[str]:
    """Names of the sheets; none where it is no workbook."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head.startswith((_ZIP, _OLE)):
        return []
    _guard(path, head)
    return list(_open(path, None).known["sheets"])


def _text(path: Path, head: bytes, encoding: str | None) -> Source:
    """Many a system writes a table of text, or a web page, and calls it .xls."""
    if re.match(rb"\s*(\xef\xbb\xbf)?\s*<", head):
        raise SourceError(
            f"{path.name} is a web page or XML, not a workbook; open it and save it as .xlsx",
            f"{path.name} 实际是网页或 XML，不是电子表格；请打开后另存为 .xlsx",
        )
    if b"\0\0\0\0" in head:
        raise _unreadable(path)
    return table.read(path, encoding=encoding)


def _guard(path: Path, head: bytes) -> None:
    """Refuse what is encrypted, or would unpack to more than is read."""
    if head.startswith(_OLE):
        with path.open("rb") as file:
            start = file.read(1 << 20)
            file.seek(max(0, path.stat().st_size - (1 << 20)))
            end = file.read()
        if _SECRET in start or _SECRET in end:
            raise _locked(path)
        if path.stat().st_size > MOST_BYTES:
            raise _large(path)
        return
    if not zipfile.is_zipfile(path):
        raise _unreadable(path)
    archive.entries(path)
    if archive.real_size(path, MOST_BYTES) > MOST_BYTES:
        raise _large(path)


def _open(path: Path, layer: str | None) -> _Sheet:
    said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    process = subprocess.Popen(
        [sys.executable, "-I", workbook.__file__, str(path), layer or "", str(MOST_BYTES)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=said,
        env=os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"},  # the usual one reserves a GB
    )
    assert process.stdout is not None
    try:
        stream = pa.ipc.open_stream(process.stdout)
        known = json.loads(stream.schema.metadata[b"sheet"])
    except (pa.ArrowException, OSError) as error:
        process.stdout.close()
        process.wait()
        with said:
            said.seek(0)
            raise _fault(path, process.returncode, said.read()) from error
    sheet = _Sheet(path, process, said, stream, known)
    weakref.finalize(sheet, _end, process, said)
    return sheet


def _next(sheet: _Sheet) -> pa.RecordBatch | None:
    """The next rows; None at the end, which has to be a good one."""
    try:
        return sheet.stream.read_next_batch()
    except StopIteration:
        ended = sheet.process.wait()
    except (pa.ArrowException, OSError):
        ended = sheet.process.wait() or 1
    if ended:
        sheet.said.seek(0)
        raise _fault(sheet.path, ended, sheet.said.read())
    return None


def _end(process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    """Let go of the process, whatever it is at."""
    assert process.stdout is not None
    process.kill()
    process.stdout.close()
    process.wait()
    said.close()


def _rows(first: pa.RecordBatch) -> list[list[str]]:
    """The first rows as a heading is looked for in, blank ones in their places."""
    cells = first.drop_columns(["row"]).slice(0, heading.LOOK).to_pydict()
    numbers = first["row"].slice(0, heading.LOOK).to_pylist()
    rows = [[cell or "" for cell in row] for row in zip(*cells.values(), strict=True)]
    out: list[list[str]] = [[] for _ in range(numbers[-1])]
    for number, row in zip(numbers, rows, strict=True):
        out[number - 1] = row
    return out[: heading.LOOK * 4]


def _batches(
    sheet: _Sheet,
    first: pa.RecordBatch,
    kept: dict[str, int],
    where: tuple[str, ...],
    named: int,
) -> Iterator[Batch]:
    """The rows below the heading, whose last row is `named`."""
    read: pa.RecordBatch | None = first
    while read is not None:
        numbers = np.asarray(read["row"].to_numpy(zero_copy_only=False), np.int64)
        start = int(np.searchsorted(numbers, named, side="right"))
        columns = pa.RecordBatch.from_arrays(
            [read.column(place) for place in kept.values()], names=list(kept)
        )
        yield from _sliced(without_nul(columns), numbers, start, where)
        read = _next(sheet)


def _sliced(
    columns: pa.RecordBatch, numbers: NDArray[np.int64], start: int, where: tuple[str, ...]
) -> Iterator[Batch]:
    for begin in range(start, len(numbers), BATCH_ROWS):
        part = columns.slice(begin, BATCH_ROWS)
        here = numbers[begin : begin + BATCH_ROWS]
        geometry = place.geometry(part, where) if where else None
        gaps = int(here[-1]) - int(here[0]) + 1 != len(here)
        yield Batch(part.drop_columns(list(where)), geometry, int(here[0]), here if gaps else None)


def _notes(
    known: dict[str, Any], found: heading.Heading, layer: str | None
) -> list[tuple[str, str]]:
    notes = []
    others = [name for name in known["sheets"] if name != known["sheet"]]
    if others and layer is None:
        named = others[:_NOTED] + ["…"] * (len(others) > _NOTED)
        notes.append(
            (
                f"read: sheet {known['sheet']}; the others ({', '.join(named)}) need --layer",
                f"读取工作表：{known['sheet']}；其他工作表（{'、'.join(named)}）请用 --layer 指定",
            )
        )
    tall = known["tall"] + sum(1 for r0, _, r1, _ in known["merged"] if r1 > r0 > found.row)
    if tall:
        notes.append(
            (
                f"{tall:,} cells are merged downwards: their value is taken for each of the rows",
                f"有 {tall:,} 处纵向合并单元格：其值已填入所含各行",
            )
        )
    return notes


def _fault(path: Path, ended: int, said: bytes) -> SourceError:
    """What the end of the process means; its own words may quote the file and are not repeated."""
    if ended == workbook.LOCKED or b"PasswordError" in said:
        return _locked(path)
    if ended == workbook.EMPTY:
        return _empty(path)
    if ended == workbook.NO_SHEET:
        names = json.loads(said)
        return SourceError(
            f"{path.name} has no such sheet; it has {', '.join(names)}",
            f"{path.name} 没有这个工作表；现有：{'、'.join(names)}",
        )
    if ended < 0 or b"memory" in said.lower():
        return _large(path)
    return _unreadable(path)


def _empty(path: Path) -> SourceError:
    return SourceError(f"{path.name} has no rows", f"{path.name} 中没有数据行")


def _locked(path: Path) -> SourceError:
    return SourceError(
        f"{path.name} is encrypted; open it with its password and save it without",
        f"{path.name} 已加密；请用密码打开后另存为不加密的文件",
    )


def _large(path: Path) -> SourceError:
    return SourceError(
        f"{path.name} takes more memory than a workbook may, {MOST_BYTES >> 20:,} MB: save the "
        "sheet as CSV, or delete a stray cell far below or far to the right",
        f"{path.name} 所需内存超过 {MOST_BYTES >> 20:,} MB：请把工作表另存为 CSV，"
        "或删除远处多余的单元格",
    )


def _unreadable(path: Path) -> SourceError:
    return SourceError(
        f"{path.name} cannot be read: it is no workbook, or a damaged one",
        f"{path.name} 无法读取：不是电子表格，或文件已损坏",
    )
