"""Files that are being handed in: names made safe, a folder a group, bytes that go on at the end.

How much of a file is there is the size of the part on the disk, and nothing else: after a broken
connection, a killed service or a power cut it is what can be gone on from.  A file takes its own
name once it is whole.
"""

import errno
import fcntl
import os
import shutil
import unicodedata
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cim.errors import Conflict, InvalidQuery, NoRoom, NotFound, TooLarge
from cim.settings import Settings

GIGABYTE = 10**9

LONGEST_STEM = 200
"""Bytes of a name before its last ending; the disk takes 255 in all."""

RESERVE = GIGABYTE
"""Bytes of the disk that uploads leave free, for the database above all."""

MOST_FILES = 50
"""Files of one group; a shapefile has eight at most."""

MOST_GROUPS = 500
"""Groups that one key may have at a time."""

LEAST = 4096
"""Bytes that the smallest file is counted as."""


FULL = NoRoom(
    "the disk of the service has no room for this file.", "服务器磁盘空间不足，无法接收该文件。"
)


@dataclass(frozen=True)
class Place:
    """Where an upload stands on the disk."""

    folder: Path
    name: str
    file: str
    size: int

    @property
    def part(self) -> Path:
        """The file while it is not whole."""
        return self.folder / f".{self.name}.part"

    @property
    def whole(self) -> Path:
        """The file once it is."""
        return self.folder / self.file

    @property
    def complete(self) -> bool:
        """Whether it is whole."""
        return not self.part.exists() and self.whole.is_file()

    @property
    def offset(self) -> int:
        """Bytes that are there."""
        with suppress(FileNotFoundError):
            return min(self.part.stat().st_size, self.size)
        return self.size if self.whole.is_file() else 0


def clean_name(name: str) -> str:
    """A file's own name without a folder, fit for a disk; InvalidQuery where nothing is left.

    >>> clean_name("C:\\\\数据\\\\东城 楼栋.shp"), clean_name("../../etc/passwd")
    ('东城 楼栋.shp', 'passwd')
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    kept = "".join(mark if mark.isprintable() else "" for mark in last).lstrip(". ").strip()
    stem, dot, ending = kept.rpartition(".")
    if not dot:
        stem, ending = kept, ""
    stem = stem.encode("utf-8", "ignore")[:LONGEST_STEM].decode("utf-8", "ignore").strip()
    if not stem or len(ending.encode("utf-8", "ignore")) > 40:
        raise InvalidQuery(
            "the file needs a name, such as 楼栋.shp, given as `filename` in Upload-Metadata.",
            "文件须有名称（如 楼栋.shp），在 Upload-Metadata 的 filename 中给出。",
        )
    return f"{stem}{dot}{ending}"


def folder_of(settings: Settings, group: str) -> Path:
    """The folder of a group, made where it is missing; only the service's own user enters it."""
    settings.uploads_dir.mkdir(parents=True, mode=0o700, exist_ok=True)
    folder = path_of(settings, group).parent
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def path_of(settings: Settings, group: str, file: str = "-") -> Path:
    """Where a file of a group lies; NotFound where that were outside the group's own folder.

    The names come from rows that a login of the database writes: they are looked at once more
    where they become paths, links on the disk included.
    """
    top = settings.uploads_dir.resolve()
    folder, path = top / group, top / group / file
    if folder.parent != top or path.parent != folder or path.resolve() != path:
        raise NotFound("There is no such file among the uploads.", "上传目录中没有此文件。")
    return path


def place_of(settings: Settings, group: str, name: str, file: str, size: int) -> Place:
    """Where an upload stands; NotFound where its names lead elsewhere."""
    path_of(settings, group, name)
    return Place(path_of(settings, group, file).parent, name, file, size)


def check_room(settings: Settings, size: int, kept: int, groups: int, files: int) -> None:
    """Raise TooLarge or NoRoom where a file of that size is not taken.

    `kept` bytes are there or announced in all, `groups` of the caller, `files` in the group.
    """
    largest = settings.upload_largest_gb
    if size > largest * GIGABYTE:
        raise TooLarge(
            f"the file is larger than the {largest:g} GB that are taken; load it on the server "
            "with `cim load`.",
            f"文件超过 {largest:g} GB 的上限，请在服务器上用 cim load 载入。",
        )
    if files >= MOST_FILES:
        raise NoRoom(
            f"a group holds at most {MOST_FILES} files.", f"每组最多 {MOST_FILES} 个文件。"
        )
    if groups > MOST_GROUPS or kept + max(size, LEAST) > settings.upload_total_gb * GIGABYTE:
        raise NoRoom(
            "too many uploads are kept; delete some that are loaded, or try again in some days.",
            "保留的上传文件过多，请删除已载入的文件，或过几天再试。",
        )
    if shutil.disk_usage(settings.data_dir).free < size + RESERVE:
        raise FULL


def create(place: Place) -> None:
    """Begin a file; one of no bytes is whole at once."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    os.close(os.open(place.part, flags, 0o600))
    if place.size == 0:
        finish(place)


def finish(place: Place) -> None:
    """Give a whole file its own name."""
    os.rename(place.part, place.whole)


def delete(place: Place) -> None:
    """Take a file away, and its folder when it was the last."""
    for path in (place.part, place.whole):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        place.folder.rmdir()


def delete_group(settings: Settings, group: str) -> None:
    """Take a group's folder away."""
    shutil.rmtree(path_of(settings, group).parent, ignore_errors=True)


def delete_strays(settings: Settings, known: Collection[str]) -> None:
    """Take away folders that belong to no group that is known."""
    if settings.uploads_dir.is_dir():
        for folder in list(settings.uploads_dir.iterdir()):
            if folder.name not in known and folder.is_dir() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)


class Writer:
    """The end of a part, to which bytes are added; nobody else writes it meanwhile."""

    def __init__(self, place: Place, descriptor: int, offset: int) -> None:
        """Go on at `offset` bytes."""
        self.place, self.descriptor, self.began = place, descriptor, offset
        self.offset = offset

    def write(self, content: bytes) -> None:
        """Add bytes; TooLarge, and as it was, where they are more than were announced.

        NoRoom where the disk has become too full: what was announced has no room reserved.
        """
        if self.offset + len(content) > self.place.size:
            self.offset = self.began
            os.ftruncate(self.descriptor, self.began)
            raise TooLarge(
                f"{self.place.file} has more bytes than the {self.place.size:,} announced.",
                f"{self.place.file} 的数据超过了声明的 {self.place.size:,} 字节。",
            )
        disk = os.fstatvfs(self.descriptor)
        if disk.f_bavail * disk.f_frsize < len(content) + RESERVE:
            raise FULL
        view = memoryview(content)
        try:
            while view:
                written = os.pwrite(self.descriptor, view, self.offset)
                self.offset += written
                view = view[written:]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise FULL from error

    def settle(self) -> None:
        """Put what was added on the disk for good; a whole file takes its name.

        NotFound where the file was deleted meanwhile.
        """
        os.fdatasync(self.descriptor)
        if os.fstat(self.descriptor).st_nlink == 0:
            raise NotFound(
                f"{self.place.file} was deleted while it was sent.",
                f"{self.place.file} 在上传过程中已被删除。",
            )
        if self.offset == self.place.size:
            finish(self.place)


@contextmanager
def writing(place: Place, offset: int) -> Iterator[Writer]:
    """A writer that goes on at `offset`.

    One that is gone from the disk begins again.  Raises Conflict where the file has another number
    of bytes, is whole, or is being written.
    """
    if offset == 0 and not place.part.exists() and not place.whole.exists():
        place.folder.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileExistsError):
            create(place)
    try:
        descriptor = os.open(place.part, os.O_WRONLY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP):
            raise
        raise _elsewhere(place) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"{place.file} is being sent already; try again shortly.",
                f"{place.file} 正在上传，请稍后重试。",
            ) from None
        if os.fstat(descriptor).st_size != offset or place.part.exists() is False:
            raise _elsewhere(place)
        yield Writer(place, descriptor, offset)
    finally:
        os.close(descriptor)


def _elsewhere(place: Place) -> Conflict:
    return Conflict(
        f"{place.file} goes on at byte {place.offset:,}; ask with HEAD before sending more.",
        f"{place.file} 应从第 {place.offset:,} 字节继续上传，请先用 HEAD 查询。",
    )
