"""Archives that come from anywhere: what is in them, and that it may be unpacked.

Nothing is believed that an archive says of itself: names that lead out of it, links, secrets and
sizes that grow while they are unpacked are refused before anything reads them.
"""

import errno
import lzma
import shutil
import stat
import struct
import tempfile
import weakref
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath

from cim.errors import SourceError, why

MOST_FILES = 10_000
"""Files an archive may hold."""

MOST_BYTES = 8 << 30
"""Bytes an archive may unpack to."""

MOST_TIMES = 200
"""How often larger than packed a file may be that unpacks to more than `FREE` bytes."""

FREE = 64 << 20
"""Bytes that any file may unpack to, however well it packs."""

_PIECE = 1 << 20
_ENCRYPTED, _UTF8 = 0x1, 0x800
_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, NotImplementedError, EOFError,
    RuntimeError, ValueError, LookupError, OverflowError,
)  # fmt: skip
"""What `zipfile` raises for archives that are damaged."""


class Unpacked:
    """A folder of unpacked files that goes when nobody holds it any more."""

    def __init__(self) -> None:
        """Make the folder."""
        self.folder = Path(tempfile.mkdtemp(prefix="cim-"))
        self._end = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def close(self) -> None:
        """Remove the folder now."""
        self._end()


def entries(path: Path) -> dict[str, zipfile.ZipInfo]:
    """The files of an archive by name, Chinese names as they were meant.

    Raises SourceError where it is no archive, or one that must not be unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
    except (*_FAULTS, OSError) as error:
        raise SourceError(
            f"{path.name} is no readable archive, or is cut off",
            f"{path.name} 不是可读的压缩包，或不完整",
        ) from error
    if len(found) > MOST_FILES:
        raise SourceError(
            f"{path.name} holds {len(found):,} files; at most {MOST_FILES:,} are read",
            f"{path.name} 含 {len(found):,} 个文件；最多 {MOST_FILES:,} 个",
        )
    named = {_name(item): item for item in found if not item.is_dir()}
    for name, item in named.items():
        _allowed(path, name, item)
    return named


def _name(item: zipfile.ZipInfo) -> str:
    """A file's name: as flagged, else UTF-8 or GB18030 rather than the DOS letters of 1981."""
    if item.flag_bits & _UTF8:
        return item.orig_filename
    try:
        raw = item.orig_filename.encode("cp437")
    except UnicodeEncodeError:
        return item.orig_filename
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return item.orig_filename


def _allowed(path: Path, name: str, item: zipfile.ZipInfo) -> None:
    """Refuse names that lead out of the archive, links, and what a password is needed for."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or PureWindowsPath(name).drive or "\0" in name:
        raise SourceError(
            f"{path.name} holds a file whose name leads out of the archive; it is not unpacked",
            f"{path.name} 中有文件名指向压缩包之外，不予解压",
        )
    if stat.S_ISLNK(item.external_attr >> 16):
        raise SourceError(
            f"{path.name} holds a symbolic link; it is not unpacked",
            f"{path.name} 中有符号链接，不予解压",
        )
    if item.flag_bits & _ENCRYPTED:
        raise SourceError(
            f"{path.name} is encrypted; unpack it with its password first",
            f"{path.name} 已加密；请先用密码解压",
        )
    if item.file_size > max(FREE, item.compress_size * MOST_TIMES):
        raise _bomb(path)


def _bomb(path: Path) -> SourceError:
    return SourceError(
        f"{path.name} unpacks to far more than it can hold; it is not read",
        f"{path.name} 解压后的大小异常，不予读取",
    )


def unpack(path: Path, names: Iterable[str], found: dict[str, zipfile.ZipInfo]) -> Unpacked:
    """Some files of an archive, as `entries` names them, in a folder of their own.

    Raises SourceError where they are not what the archive says, or find no room.
    """
    names = list(names)
    out = Unpacked()
    try:
        _fill(path, out.folder, names, found)
    except BaseException:
        out.close()
        raise
    return out


def _fill(path: Path, folder: Path, names: list[str], found: dict[str, zipfile.ZipInfo]) -> None:
    try:
        _room(path, folder, sum(found[name].file_size for name in names))
        with zipfile.ZipFile(path) as archive:
            for name in names:
                target = folder / PurePosixPath(name.replace("\\", "/"))
                target.parent.mkdir(parents=True, exist_ok=True)
                _copy(path, archive, found[name], target)
    except _FAULTS as error:
        raise SourceError(
            f"{path.name} cannot be unpacked: a file in it is damaged",
            f"{path.name} 无法解压：其中的文件已损坏",
        ) from error
    except OSError as error:
        raise _unplaced(path, error) from error


def _room(path: Path, folder: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise SourceError(
            f"{path.name} unpacks to {size >> 20:,} MB; at most {MOST_BYTES >> 20:,} MB are read",
            f"{path.name} 解压后为 {size >> 20:,} MB；最多 {MOST_BYTES >> 20:,} MB",
        )
    if size > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, "")


def _copy(path: Path, archive: zipfile.ZipFile, item: zipfile.ZipInfo, target: Path) -> None:
    """One file; `zipfile` ends at the size that was said, and its sum shows whether that is all."""
    with archive.open(item) as packed, target.open("xb") as out:
        written = 0
        while piece := packed.read(_PIECE):
            written += len(piece)
            out.write(piece)
    if written != item.file_size:
        raise _bomb(path)


def _unplaced(path: Path, error: OSError) -> SourceError:
    if error.errno == errno.ENOSPC:
        return SourceError(
            f"{path.name} cannot be unpacked: no room in the folder for temporary files",
            f"{path.name} 无法解压：临时文件夹空间不足",
        )
    en, zh = why(error)
    return SourceError(f"{path.name} cannot be unpacked: {en}", f"{path.name} 无法解压：{zh}")


def real_size(path: Path, most: int) -> int:
    """Bytes that an archive unpacks to, counted by unpacking; counting ends beyond `most`."""
    size = 0
    try:
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                with archive.open(item) as packed:
                    while piece := packed.read(_PIECE):
                        size += len(piece)
                        if size > most:
                            return size
    except (*_FAULTS, OSError) as error:
        raise SourceError(
            f"{path.name} cannot be unpacked: a file in it is damaged",
            f"{path.name} 无法解压：其中的文件已损坏",
        ) from error
    return size
