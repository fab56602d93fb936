"""A tileset as one file: .3tz, a zip with an index as its last entry.

The index has 24 bytes for each file, sorted: the MD5 of its path, and where its entry begins; so a
reader finds a file without going through the zip's own list.
https://github.com/erikdahlstrom/3tz-specification
"""

import struct
from collections.abc import Callable, Mapping
from hashlib import md5
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from tiling.check.sources import INDEX
from tiling.disk.folder import failed

SUFFIX = ".3tz"


def write(
    target: Path,
    files: Mapping[str, Path | bytes],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Write the files into an archive at `target`, whole or not at all; its size in bytes.

    The same files give the same bytes.  Raises TilingError where it cannot be written.
    """
    new = target.with_name(f".{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write(new, files, progress)
            new.replace(target)
        finally:
            new.unlink(missing_ok=True)
        return target.stat().st_size
    except OSError as fault:
        raise failed(fault) from fault


def index(entries: Mapping[str, int]) -> bytes:
    """The index of files by where they begin.

    The order is that of the two little-endian halves of each hash.

    >>> index({}), len(index({"tileset.json": 0, "a.glb": 300}))
    (b'', 48)
    """
    rows = [
        (md5(path.encode(), usedforsecurity=False).digest(), start)
        for path, start in entries.items()
    ]
    rows.sort(key=lambda row: struct.unpack("<QQ", row[0]))
    return b"".join(struct.pack("<16sQ", *row) for row in rows)


def _write(
    path: Path, files: Mapping[str, Path | bytes], progress: Callable[[int, int], None]
) -> None:
    entries: dict[str, int] = {}
    with ZipFile(path, "w") as made:
        for count, (name, content) in enumerate(files.items(), 1):
            found = content if isinstance(content, bytes) else content.read_bytes()
            entries[name] = _put(made, name, found, ZIP_DEFLATED)
            progress(count, len(files))
        _put(made, INDEX, index(entries), ZIP_STORED)


def _put(made: ZipFile, name: str, content: bytes, how: int) -> int:
    """Add an entry; where it begins."""
    entry = ZipInfo(name)  # its date is the oldest a zip knows, the same each time
    entry.compress_type = how
    entry.external_attr = 0o644 << 16
    made.writestr(entry, content)
    return entry.header_offset
