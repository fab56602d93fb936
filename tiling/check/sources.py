"""Where a tileset is read from: a folder, an archive (.3tz), or an address on the web.

A source reads files by their path from tileset.json; it can be sent to another process.
"""

import struct
import zlib
from collections.abc import Iterator
from hashlib import md5
from http.client import HTTPException, HTTPResponse
from os.path import normpath
from pathlib import Path
from time import monotonic
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import Request, urlopen
from zipfile import BadZipFile, ZipFile

from tiling.check import limits
from tiling.check.reading import Malformed, Unjudged, too_large, unzipped
from tiling.disk.folder import NOTE, PACKED, Version, version_at

INDEX = "@3dtilesIndex1@"
"""The last entry of a .3tz: where each file is, by a hash of its path."""

PIECE = 1 << 16
"""Bytes that are taken from a server at a time."""


class Silent(OSError):
    """A server did not answer in time."""

    zh = "服务器未及时应答"

    def __init__(self) -> None:
        """Say so."""
        super().__init__(f"the server has not answered within {limits.PATIENCE:.0f} s")


class Source(Protocol):
    """Files of a tileset by their path from the folder that its tileset.json is in."""

    def read(self, path: str) -> bytes:
        """A file; raises FileNotFoundError where there is none, Unjudged where it is elsewhere."""

    def files(self) -> set[str] | None:
        """Every file there is; None where that cannot be known."""

    def copy(self, path: str) -> bytes | None:
        """The gzip file beside a file, if there is one."""


class Folder:
    """A folder on disk; of a version that holds only what changed, files of those before it too."""

    def __init__(self, root: Path) -> None:
        """Read below `root`."""
        self.root = root
        self._versions: dict[Path, Version] = {}

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        file = self._file(_local(path))
        if not file.is_file():  # nor may it be a pipe or a device, of which there is no end
            raise FileNotFoundError(path)
        return _bounded(file)

    def files(self) -> set[str]:
        """Every file below the folder."""
        if (self.root / NOTE).is_file():
            return set(version_at(self.root).files())
        return {
            file.relative_to(self.root).as_posix()
            for file in self.root.rglob("*")
            if file.is_file()
        }

    def copy(self, path: str) -> bytes | None:
        """The bytes of the gzip file beside it."""
        file = self._file(_local(path) + PACKED)
        return _bounded(file) if file.is_file() else None

    def _file(self, path: str) -> Path:
        """Where a file is: below the root, or where the version that it is in says."""
        file = Path(normpath(self.root / path))
        if file.is_file():
            return file
        for above in file.parents:
            if (above / NOTE).is_file():
                version = self._versions.setdefault(above, version_at(above))
                return version.find(file.relative_to(above).as_posix()) or file
            if above == self.root.parent:
                break
        return file


class Web:
    """A folder on a server; what it refers to on other servers is not read."""

    def __init__(self, url: str) -> None:
        """Read beside the tileset at `url`; the query of `url` is handed down to every file."""
        self.url = url
        self._silences = 0

    def read(self, path: str) -> bytes:
        """The file's bytes, unpacked where the server sent them gzipped."""
        whole = urlsplit(urljoin(self.url, path))
        first = urlsplit(self.url)
        if (whole.scheme, whole.netloc) != (first.scheme, first.netloc):
            raise Unjudged("contents on another server", "其他服务器上的内容")
        whole = whole._replace(query=whole.query or first.query)
        if self._silences >= limits.SILENT:
            raise Silent
        try:
            return self._asked(whole.geturl(), path)
        except Silent:
            self._silences += 1
            raise

    def _asked(self, url: str, path: str) -> bytes:
        request = Request(url, headers={"Accept-Encoding": "gzip"})
        try:
            with urlopen(request, timeout=limits.PATIENCE) as answer:
                content = _arriving(answer)
                packed = answer.headers.get("Content-Encoding") == "gzip"
        except HTTPError as fault:
            fault.close()
            if fault.code == 404:
                raise FileNotFoundError(path) from fault
            raise OSError(f"HTTP {fault.code}") from fault
        except TimeoutError as fault:
            raise Silent from fault
        except URLError as fault:
            if isinstance(fault.reason, TimeoutError):
                raise Silent from fault
            raise OSError(str(fault.reason)) from fault
        except HTTPException as fault:
            raise OSError(f"{type(fault).__name__}: {fault}") from fault
        return unzipped(content) if packed else content

    def files(self) -> None:
        """A server does not say."""
        return

    def copy(self, path: str) -> None:
        """A server sends copies when they are asked for."""
        return


class Archive:
    """A .3tz: a zip file with an index."""

    def __init__(self, path: Path) -> None:
        """Read out of the archive at `path`."""
        self.path = path
        self._zip: ZipFile | None = None

    def __getstate__(self) -> dict[str, Any]:
        """An open file cannot travel to another process."""
        return {"path": self.path, "_zip": None}

    def read(self, path: str) -> bytes:
        """The file's bytes."""
        try:
            found = self._opened().getinfo(_local(path))
            if found.file_size > limits.FILE:
                raise too_large("the file", "文件")
            return self._opened().read(found)
        except KeyError as fault:
            raise FileNotFoundError(path) from fault
        except (BadZipFile, EOFError, RuntimeError, zlib.error) as fault:
            raise Malformed(f"a broken entry: {fault}", f"条目已损坏：{fault}") from fault
        except NotImplementedError as fault:
            raise Unjudged("entries packed by zstandard", "以 zstandard 压缩的条目") from fault

    def files(self) -> set[str]:
        """Every file in the archive."""
        return set(self._opened().namelist()) - {INDEX}

    def copy(self, path: str) -> None:
        """An archive has no copies."""
        return

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong with the index, in English and Chinese."""
        try:
            entries = self._opened().infolist()
        except Malformed as fault:
            yield str(fault), fault.zh
            return
        if not entries or entries[-1].filename != INDEX:
            yield "the archive does not end with its index", "归档末尾没有索引"
            return
        try:
            index = self.read(INDEX)
        except Malformed as fault:
            yield f"its index: {fault}", f"索引：{fault.zh}"
            return
        whole = len(index) // 24 * 24
        found = [struct.unpack_from("<16sQ", index, start) for start in range(0, whole, 24)]
        true = {
            md5(item.filename.encode(), usedforsecurity=False).digest(): item.header_offset
            for item in entries[:-1]
        }
        if len(index) % 24 or dict(found) != true or len(found) != len(true):
            yield "the index does not lead to the files", "索引与文件不符"
        order = [struct.unpack("<QQ", digest) for digest, _ in found]
        if order != sorted(order):
            yield "the index is not sorted", "索引未排序"

    def _opened(self) -> ZipFile:
        if self._zip is None:
            try:
                self._zip = ZipFile(self.path)
            except (BadZipFile, ValueError, struct.error) as fault:
                raise Malformed(f"no archive: {fault}", f"不是归档文件：{fault}") from fault
        return self._zip


def _bounded(file: Path) -> bytes:
    """A file's bytes; raises Malformed where there are too many."""
    with file.open("rb") as stream:
        found = stream.read(limits.FILE + 1)
    if len(found) > limits.FILE:
        raise too_large("the file", "文件")
    return found


def _arriving(answer: HTTPResponse) -> bytes:
    """What a server sends; raises Malformed where that is too much, Silent where it dawdles."""
    if int(answer.headers.get("Content-Length") or 0) > limits.FILE:
        raise too_large("the file", "文件")
    ends, found = monotonic() + limits.PATIENCE, bytearray()
    while piece := answer.read1(PIECE):
        found += piece
        if len(found) > limits.FILE:
            raise too_large("the file", "文件")
        if monotonic() > ends:
            raise Silent
    if answer.length:  # it said that there is more
        raise OSError("the server broke off")
    return bytes(found)


def opened(place: str | Path) -> tuple[Source, str]:
    """The source of a tileset and the name of its tileset.json there.

    `place` is a folder, a tileset.json, a .3tz, or an http(s) URL of a tileset.json; nothing is
    read yet.
    """
    if str(place).startswith(("http://", "https://")):
        return Web(str(place)), urlsplit(str(place)).path.rpartition("/")[2]
    path = Path(place)
    if path.suffix == ".3tz" and path.is_file():
        return Archive(path), "tileset.json"
    if path.suffix == ".json" or path.is_file():
        return Folder(path.parent), path.name
    return Folder(path), "tileset.json"


def joined(base: str, uri: str) -> str:
    """A URI in a file at `base`, from the folder of the tileset.

    >>> joined("explicit/a/tileset.json", "../../content/1.glb?v=2")
    'content/1.glb?v=2'
    >>> joined("tileset.json", "../content/1.glb")
    '../content/1.glb'
    """
    if urlsplit(uri).scheme:
        return uri
    parts: list[str] = base.split("/")[:-1]
    for part in uri.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in (".", ""):
            parts.append(part)
    return "/".join(parts)


def _local(path: str) -> str:
    """A URI's path on disk; raises Unjudged where it is elsewhere."""
    found = urlsplit(path)
    if found.scheme or found.netloc:
        raise Unjudged("contents on a server", "服务器上的内容")
    return unquote(found.path)
