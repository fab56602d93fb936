"""Formats: one file each with `read`, one entry in READERS.

    def read(path: Path, *, layer: str | None, encoding: str | None) -> Source

A reader yields batches as the file has them, never the whole file, and raises SourceError with
the file's name where the file is not what it claims to be.
"""

import os
from collections.abc import Callable
from pathlib import Path

from cim.errors import SourceError, UnknownFormat
from cim.load.readers import parquet, table, vector
from cim.load.source import Source

READERS: dict[str, Callable[..., Source]] = {
    ".geojson": vector.read,
    ".json": vector.read,
    ".geojsonl": vector.read,
    ".gpkg": vector.read,
    ".shp": vector.read,
    ".zip": vector.read,
    ".fgb": vector.read,
    ".parquet": parquet.read,
    ".geoparquet": parquet.read,
    ".csv": table.read,
    ".tsv": table.read,
    ".txt": table.read,
}
"""Suffix → reader."""


def read(path: Path, *, layer: str | None = None, encoding: str | None = None) -> Source:
    """Open a file with the reader of its suffix.

    Raises UnknownFormat, or SourceError where there is no such file or nothing in it.
    """
    if not path.exists():
        raise SourceError(f"no such file: {path}", f"没有这个文件：{path}")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = " ".join(sorted(READERS))
        raise UnknownFormat(
            f"{path.name}: no reader for {path.suffix or 'a file without an ending'}; "
            f"known: {known}",
            f"{path.name}：不支持这种格式（{path.suffix or '无扩展名'}）；支持：{known}",
        )
    if path.is_file() and not os.access(path, os.R_OK):
        raise SourceError(f"{path.name} may not be read by you", f"您没有读取 {path.name} 的权限")
    if path.is_file() and path.stat().st_size == 0:
        raise SourceError(f"{path.name} is empty", f"{path.name} 是空文件")
    return reader(path, layer=layer, encoding=encoding)
