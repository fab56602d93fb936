"""Formats: one file each with `read`, one entry in READERS.

    def read(path: Path, *, layer: str | None, encoding: str | None) -> Source

A reader yields batches as the file has them, never the whole file, and raises SourceError with
the file's name where the file is not what it claims to be.
"""

import dataclasses
import os
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from cim.errors import SourceError, UnknownFormat, why
from cim.load.readers import cityjson, parquet, sheet, table, vector, zipped
from cim.load.source import Batch, Source

READERS: dict[str, Callable[..., Source]] = {
    ".geojson": vector.read,
    ".json": cityjson.read_or_vector,
    ".jsonl": cityjson.read,
    ".geojsonl": vector.read,
    ".gpkg": vector.read,
    ".shp": vector.read,
    ".fgb": vector.read,
    ".gml": vector.read,
    ".kml": vector.read,
    ".gdb": vector.read,
    ".parquet": parquet.read,
    ".geoparquet": parquet.read,
    ".csv": table.read,
    ".tsv": table.read,
    ".txt": table.read,
    ".xlsx": sheet.read,
    ".xlsm": sheet.read,
    ".xls": sheet.read,
    ".ods": sheet.read,
}
"""Suffix → reader."""

LAYERS: dict[Callable[..., Source], Callable[[Path], list[str]]] = {
    vector.read: vector.layers,
    cityjson.read_or_vector: cityjson.layers_or_vector,
    sheet.read: sheet.layers,
}
"""Reader → the names of a file's layers or sheets, where it may have several."""

READERS[".zip"] = partial(zipped.read, dict(READERS))
LAYERS[READERS[".zip"]] = partial(zipped.layers, dict(READERS), dict(LAYERS))

_FOLDERS = (".gdb",)
"""What is a folder and yet a file."""


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a file with the reader of its suffix.

    Raises UnknownFormat, or SourceError where there is no such file or nothing in it; while its
    batches are read, also where the file changes meanwhile.
    """
    reader = _reader(path)
    try:
        before = _state(path)
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be opened: a part of it is {error.strerror}",
            f"{path.name} 无法打开：其组成文件{why(error)[1]}",
        ) from error
    source = reader(path, layer=layer, encoding=encoding)
    return dataclasses.replace(source, batches=_steady(path, before, source.batches))


def layers(path: Path) -> list[str]:
    """Names of a file's layers or sheets, without reading their rows; none where it has no names.

    Raises what `read` does.
    """
    found = LAYERS.get(_reader(path))
    return found(path) if found else []


def _reader(path: Path) -> Callable[..., Source]:
    """The reader of a file that is one, and may be read."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError as error:
        if path.is_symlink():
            raise SourceError(
                f"{path.name} is a link to a file that is not there",
                f"{path.name} 是链接，但所指的文件不存在",
            ) from error
        raise SourceError(f"no such file: {path}", f"没有这个文件：{path}") from error
    except OSError as error:
        raise SourceError(
            f"{path.name} cannot be opened: {error.strerror}",
            f"{path.name} 无法打开：{why(error)[1]}",
        ) from error
    suffix = path.suffix.lower()
    if stat.S_ISDIR(kind) and suffix not in _FOLDERS:
        raise SourceError(f"{path.name} is a folder, not a file", f"{path.name} 是文件夹，不是文件")
    if not stat.S_ISDIR(kind) and not stat.S_ISREG(kind):
        raise _no_file(path)
    if suffix not in READERS:
        raise _unknown(path)
    if not os.access(path, os.R_OK):
        raise SourceError(f"{path.name} may not be read by you", f"您没有读取 {path.name} 的权限")
    if stat.S_ISREG(kind) and path.stat().st_size == 0:
        raise SourceError(f"{path.name} is empty", f"{path.name} 是空文件")
    return READERS[suffix]


def _unknown(path: Path) -> UnknownFormat:
    beside = path.with_suffix(".shp")
    if path.suffix.lower() in vector.PARTS and beside.exists():
        return UnknownFormat(
            f"{path.name} is a part of a shapefile; name {beside.name} instead",
            f"{path.name} 只是 Shapefile 的一部分；请改用 {beside.name}",
        )
    known = " ".join(sorted(READERS))
    return UnknownFormat(
        f"{path.name}: no reader for {path.suffix or 'a file without an ending'}; known: {known}",
        f"{path.name}：不支持这种格式（{path.suffix or '无扩展名'}）；支持：{known}",
    )


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Sizes and times of a file and of those that belong to it; these are files, too."""
    found = []
    for item in vector.parts(path):
        now = item.stat()
        if not stat.S_ISREG(now.st_mode):
            raise _no_file(item)
        found.append((item.name, now.st_size, now.st_mtime_ns))
    return found


def _no_file(path: Path) -> SourceError:
    return SourceError(
        f"{path.name} is a device or a pipe, not a file", f"{path.name} 是设备或管道，不是文件"
    )


def _steady(
    path: Path, before: list[tuple[str, int, int]], batches: Iterator[Batch]
) -> Iterator[Batch]:
    """The batches of a file, which has to be the same at their end as at their beginning."""
    yield from batches
    try:
        same = _state(path) == before
    except OSError:
        same = False
    if not same:
        raise SourceError(
            f"{path.name} changed while it was read; load it again when it is complete",
            f"{path.name} 在读取期间发生变化；请在文件写完后重新导入",
        )
