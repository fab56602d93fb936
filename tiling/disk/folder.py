"""Where a tileset stands on disk, and how a new version takes the old one's place.

    tiles/buildings/3f0c…/tileset.json      a version, named after its content
    tiles/buildings/3f0c…/.version.json     what it is: whole, or what differs from another one
    tiles/buildings/current -> 3f0c…        the one that is served
    tiles/buildings/.work                   the next one, in the making

A version that came of a few changes holds only what changed, and names the one before it: a file
is looked for in the version, then in the one that it differs from.  Where the chain grows long the
newest is made whole, by links to the files of the others.

A version is written apart and renamed when it is whole; `current` is replaced in one step.  What
is served no more stays for an hour, so that a visit under way keeps its tiles.
"""

import errno
import fcntl
import filecmp
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import time
from types import TracebackType
from typing import Self, TextIO

from cim.errors import TilingError, why

CURRENT = "current"
"""The link to the version that is served."""

ROOTS = ("tileset.json", "layer.json")
"""Where a version begins, of tiles and of terrain."""

NOTE = ".version.json"
"""Says what a version is."""

WORK = ".work"
"""The version in the making; one that was broken off is gone on with."""

EXPLICIT = ".explicit"
"""Stands in a tileset's folder where its versions have the explicit tree too."""

PLAIN = ".no-outlines"
"""Stands in a tileset's folder where its tiles are not to say which edges are lines."""

PART = ".part"
"""Stands in the folder of a tileset of which all is in another one too."""

PACKED = ".gz"
"""What the gzipped copy of a file is called after it."""

LONGEST = 16
"""Versions in a chain from which the newest is made whole."""

KEPT = 3600.0
"""Seconds that a version stays after it was replaced."""

FULL = (errno.ENOSPC, errno.EDQUOT)

UNWRITABLE = (*FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
"""What the system says where a run can write no more."""

KEPT_WHOLE = 3
"""So many of them at most that were built anew from the ground up: those take room."""


@dataclass(frozen=True)
class Step:
    """A version in a chain: its folder, and the files of those before it that it has no more."""

    folder: Path
    gone: frozenset[str]


@dataclass(frozen=True)
class Version:
    """A version of a tileset as it can be read, through its chain."""

    steps: tuple[Step, ...]

    def find(self, path: str) -> Path | None:
        """The file of a relative path, or None where the version has none."""
        for step in self.steps:
            found = step.folder / path
            if found.is_file():
                return found
            if path in step.gone or path.removesuffix(PACKED) in step.gone:
                return None
        return None

    def files(self) -> dict[str, Path]:
        """Every file of the version by its relative path, in order."""
        found: dict[str, Path] = {}
        hidden: set[str] = set()
        for step in self.steps:
            for path in _files(step.folder):
                if path not in hidden:
                    found.setdefault(path, step.folder / path)
            hidden |= step.gone | {path + PACKED for path in step.gone}
        return dict(sorted(found.items()))


def version_at(folder: Path) -> Version:
    """The version in a folder (or at the link to it), with those that it builds upon."""
    steps: list[Step] = []
    folder = folder.resolve()
    while True:
        note = _note(folder)
        steps.append(Step(folder, frozenset(note.gone)))
        if not note.base or len(steps) > 100:
            return Version(tuple(steps))
        folder = folder.parent / note.base


def complete(folder: Path) -> None:
    """Make a version whole: every file of its chain is linked into its own folder."""
    folder = folder.resolve()
    version = version_at(folder)
    if len(version.steps) == 1:
        return
    for path, file in version.files().items():
        if file.parent != folder:
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                target.hardlink_to(file)
    _write_note(folder, replace(_note(folder), base=None, gone=()))


def want_explicit(path: Path, *, wanted: bool) -> None:
    """Have the versions of the tileset at `path` made with the explicit tree beside, or without."""
    _choose(path, EXPLICIT, marked=wanted)


def want_outlines(path: Path, *, wanted: bool) -> None:
    """Have the tiles of the tileset at `path` say which edges are lines, or not."""
    _choose(path, PLAIN, marked=not wanted)


def outlined(path: Path) -> bool:
    """Whether the tiles of the tileset at `path` are to say which edges are lines."""
    return not (path / PLAIN).exists()


def _choose(path: Path, mark: str, *, marked: bool) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        if marked:
            (path / mark).touch()
        else:
            (path / mark).unlink(missing_ok=True)
    except OSError as fault:
        raise failed(fault) from fault


class Folder:
    """A tileset's folder, held by one run; leave it without `switch` and nothing has changed."""

    def __init__(self, path: Path) -> None:
        """Of the tileset at `path`."""
        self.path = path
        self.work = path / WORK
        self._lock: TextIO | None = None

    def __enter__(self) -> Self:
        """Take the folder; raises TilingError where another run has it."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = (self.path / ".lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            if self._lock:
                self._lock.close()
            raise busy(self.path.name) from fault
        except OSError as fault:
            raise failed(fault) from fault
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go; what was begun stays to be gone on with."""
        if self._lock:
            self._lock.close()
        if isinstance(fault, OSError) and fault.errno in UNWRITABLE:
            raise failed(fault) from fault

    @property
    def current(self) -> str | None:
        """The version that is served, where one is."""
        link = self.path / CURRENT
        return os.readlink(link) if link.is_symlink() and link.is_dir() else None

    @property
    def explicit(self) -> bool:
        """Whether versions are to have the explicit tree too."""
        return (self.path / EXPLICIT).exists()

    def mark(self, *, part: bool) -> None:
        """Note whether it is a part of another tileset."""
        try:
            if part:
                (self.path / PART).touch()
            else:
                (self.path / PART).unlink(missing_ok=True)
        except OSError as fault:
            raise failed(fault) from fault

    def holds(self, version: str) -> bool:
        """Whether a version stands here with all that it builds upon."""
        folder = self.path / version
        steps = version_at(folder).steps if folder.is_dir() else ()
        return bool(steps) and all(
            any((step.folder / root).is_file() for root in ROOTS) for step in steps
        )

    def begin(self, terms: str) -> bool:
        """Make room for a version, or go on with one begun on the same terms; whether it is so."""
        if _note(self.work).terms == terms:
            return True
        shutil.rmtree(self.work, ignore_errors=True)
        try:
            self.work.mkdir()
            _write_note(self.work, _Note(terms=terms))
        except OSError as fault:
            raise failed(fault) from fault
        return False

    def clear(self, paths: Collection[str]) -> None:
        """Take away what a run that was broken off left, but for these files."""
        for path in list(_files(self.work)):
            if path not in paths:
                (self.work / path).unlink()

    def drop(self, path: str) -> None:
        """Take a file and its gzipped copy out of the version in the making, if it is there."""
        for name in (path, path + PACKED):
            (self.work / name).unlink(missing_ok=True)

    def write(self, path: str, content: bytes, packed: bytes | None = None) -> None:
        """Put a file of the new version in its place, and its gzipped copy beside it."""
        store(self.work / path, content)
        if packed is not None:
            store(self.work / (path + PACKED), packed)

    def finish(self, version: str, base: str | None, gone: Collection[str]) -> None:
        """The new version is written and goes by this name; `base` is what it differs from.

        One of the same name has the same content.  Whatever of it is not on disk as it was just
        written is put right.
        """
        target = self.path / version
        note = _Note(base, tuple(sorted(gone)), anew=base is None)
        if base is not None and target.exists() and not self.holds(version):
            shutil.rmtree(target)
        if target.exists():
            _mend(target, self.work)
            if base is None:
                _write_note(target, note)
            shutil.rmtree(self.work)
            return
        _write_note(self.work, note)
        self.work.rename(target)

    def switch(self, version: str) -> None:
        """Serve a version that stands here; then make it whole if its chain is long, and tidy."""
        before = self.current
        if before != version:
            if before:
                os.utime(self.path / before)  # from now on it is old
            new = self.path / ".next"
            new.unlink(missing_ok=True)
            new.symlink_to(version)
            link = self.path / CURRENT
            if link.is_dir() and not link.is_symlink():  # as some programs copy links
                link.rename(self.path / f"{CURRENT}-copied")  # it goes with what is old
            new.replace(link)
        if len(version_at(self.path / version).steps) > LONGEST:
            complete(self.path / version)
        self._tidy(version, before or version)

    def _tidy(self, version: str, before: str) -> None:
        """Remove what nobody is served any more, nor builds upon."""
        stand = [path for path in self.path.iterdir() if path.is_dir() and not path.is_symlink()]
        old = sorted(
            (path for path in stand if path.name not in (version, before, WORK)),
            key=lambda path: path.stat().st_mtime,
            reverse=True,
        )
        anew = [path for path in old if _note(path).anew][KEPT_WHOLE:]
        young = [path for path in old if time() - path.stat().st_mtime < KEPT and path not in anew]
        needed = {
            step.folder.name
            for path in (self.path / version, self.path / before, *young)
            for step in version_at(path).steps
        }
        for path in old:
            if path.name not in needed:
                shutil.rmtree(path)


def store(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the folders above it.

    Raises TilingError where the disk is full.
    """
    try:
        new = path.with_name(f".{path.name}")
        try:
            new.write_bytes(content)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_bytes(content)
        new.replace(path)
    except OSError as fault:
        raise failed(fault) from fault


def busy(name: str) -> TilingError:
    """What is said where two would build one tileset."""
    return TilingError(f"another build of {name} is under way", f"{name} 的另一次构建正在进行")


def failed(fault: OSError) -> TilingError:
    """What is said where the tiles cannot be written."""
    if fault.errno in FULL:
        return TilingError("the disk is full", "磁盘已满")
    en, zh = why(fault)
    return TilingError(f"the tiles cannot be written: {en}", f"无法写入瓦片：{zh}")


def _files(folder: Path) -> Iterator[str]:
    """The files below a folder, as relative paths; hidden ones are not part of a version."""
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        below = os.path.relpath(top, folder)
        for name in names:
            if not name.startswith("."):
                yield name if below == "." else f"{below}/{name}"


def _mend(target: Path, work: Path) -> None:
    for path in _files(work):
        old = target / path
        if not old.is_file() or not filecmp.cmp(old, work / path, shallow=False):
            old.parent.mkdir(parents=True, exist_ok=True)
            if old.is_dir():
                shutil.rmtree(old)
            (work / path).replace(old)


@dataclass(frozen=True)
class _Note:
    """What a version's folder says of itself; one that says nothing is whole.

    `terms` are those of a version in the making, `anew` says whether it was built from the ground.
    """

    base: str | None = None
    gone: tuple[str, ...] = ()
    terms: str = ""
    anew: bool = False


def _note(folder: Path) -> _Note:
    try:
        known = json.loads((folder / NOTE).read_bytes())
        base = known["base"] and Path(known["base"]).name  # a folder beside, wherever it says
        return _Note(base, tuple(known["gone"]), known["terms"], known["anew"])
    except (OSError, ValueError, LookupError, TypeError):
        return _Note()


def _write_note(folder: Path, note: _Note) -> None:
    store(folder / NOTE, json.dumps(asdict(note)).encode())
