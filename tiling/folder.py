"""Where a tileset stands on disk, and how a new version takes the old one's place.

    tiles/buildings/3f0c…/tileset.json      a version, named after its content
    tiles/buildings/current -> 3f0c…        the one that is served

A version is written apart and renamed when it is whole; `current` is replaced in one step.  The
version before it stays until the next build, so that a visit under way keeps its tiles.
"""

import errno
import fcntl
import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import TextIO

from cim.errors import TilingError

CURRENT = "current"
"""The link to the version that is served."""


class Folder:
    """A tileset's folder, held by one build; leave it without `finish` and nothing has changed."""

    def __init__(self, path: Path, *, dry_run: bool = False) -> None:
        """Prepare for a build of the tileset at `path`; a dry run touches no file."""
        self.path = path
        self.fresh: Path | None = None if dry_run else path / f".fresh-{os.getpid()}"
        self._lock: TextIO | None = None
        self._version: str | None = None

    def __enter__(self) -> "Folder":
        """Take the folder; raises TilingError where another build has it."""
        if self.fresh is None:
            return self
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for left in self.path.glob(".fresh-*"):  # of a build that was killed
                shutil.rmtree(left)
            self.fresh.mkdir()
        except BlockingIOError as fault:
            if self._lock:
                self._lock.close()
            raise TilingError(
                f"another build of {self.path.name} is under way",
                f"{self.path.name} 的另一次构建正在进行",
            ) from fault
        except OSError as fault:
            raise _failed(fault) from fault
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Switch to the new version, if it was finished and nothing went wrong since."""
        try:
            if kind is None and self._version:
                self._switch(self._version)
        finally:
            if self.fresh:
                shutil.rmtree(self.fresh, ignore_errors=True)
            if self._lock:
                self._lock.close()
        if isinstance(fault, OSError) and fault.errno == errno.ENOSPC:
            raise _failed(fault) from fault

    def write(self, path: str, content: bytes) -> None:
        """Put a file of the new version in its place."""
        if self.fresh:
            store(self.fresh / path, content)

    def finish(self, version: str) -> None:
        """The new version is whole, and goes by this name."""
        if self.fresh is None:
            return
        if not (self.path / version).exists():  # else it is the same, file by file
            self.fresh.rename(self.path / version)
        self._version = version

    def _switch(self, version: str) -> None:
        link = self.path / CURRENT
        before = os.readlink(link) if link.is_symlink() else version
        new = self.path / ".next"
        new.unlink(missing_ok=True)
        new.symlink_to(version)
        new.replace(link)
        for old in self.path.iterdir():
            if old.is_dir() and not old.is_symlink() and old.name not in (version, before):
                shutil.rmtree(old)


def store(path: Path, content: bytes) -> None:
    """Write a file, with the folders above it; raises TilingError where the disk is full."""
    try:
        try:
            path.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as fault:
        raise _failed(fault) from fault


def _failed(fault: OSError) -> TilingError:
    if fault.errno == errno.ENOSPC:
        return TilingError("the disk is full", "磁盘已满")
    return TilingError(
        f"the tiles cannot be written: {fault.strerror}", f"无法写入瓦片：{fault.strerror}"
    )
