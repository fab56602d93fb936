"""The same file once more: known by its bytes, while nothing of what it brought has changed.

What a load makes of a file hangs on the file, on what was asked, on the settings, on this program
and on the tables it looks into.  Where all of these are what they were when the file was loaded
last, and no row of it has been touched since, it has nothing to say, and is not read again.
"""

import hashlib
import json
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import pyproj
import shapely

from cim.load.kind import Kind
from cim.settings import Settings
from cim.store.incoming.again import Before, Proof, before, begin, unchanged
from cim.store.incoming.stage import Stage

_PIECE = 1 << 20
_PARTS = (".shp", ".dbf", ".shx", ".prj", ".cpg", ".qpj")
"""Files that stand beside one another under one name."""
_JOURNALS = ("-wal", "-journal")
"""What SQLite keeps beside a GeoPackage that is being written."""


@dataclass(frozen=True)
class Look:
    """A file as it stood when the load began, and what it will be known by."""

    stood: tuple[tuple[str, int, int], ...]
    path: Path
    print: Future[str]

    @property
    def size(self) -> int:
        """Bytes of all its parts."""
        return sum(size for _, size, _ in self.stood)

    def proof(self) -> Proof | None:
        """What it may be known by; None where it was written to while it was read."""
        return Proof(self.print.result(), self.size) if _stand(self.path) == self.stood else None


def look(pool: Executor, settings: Settings, kind: Kind, path: Path, asked: Any) -> Look | None:
    """Begin to take the print of a file.

    None for a kind whose files are always read, and for what is no file, such as a pipe.
    """
    if kind.again is None or not _parts(path):
        return None
    return Look(_stand(path), path, pool.submit(_print, settings, kind, path, asked))


def known(stage: Stage, kind: Kind, look: Look | None) -> Before | None:
    """The load that this one would repeat without any effect; None where it must be done."""
    if look is None or kind.again is None:
        return None
    begin(stage)
    last = before(stage, kind.name)
    if last is None or last.proof.size != look.size or look.proof() != last.proof:
        return None
    return last if unchanged(stage, last, kind.again) else None


def _stand(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every part of a file."""
    found = [(part, part.stat()) for part in _parts(path)]
    return tuple((part.name, stat.st_size, stat.st_mtime_ns) for part, stat in found)


def _parts(path: Path) -> list[Path]:
    """The file and what belongs to it: a folder's files, a shapefile's, a database's journal."""
    if path.is_dir():
        return sorted(part for part in path.rglob("*") if part.is_file())
    beside = [path.with_name(path.name + end) for end in _JOURNALS]
    if path.suffix.lower() in _PARTS:
        beside += [
            part
            for part in path.parent.iterdir()
            if part.stem == path.stem and part.suffix.lower() in _PARTS
        ]
    return sorted(part for part in {path, *beside} if part.is_file())


def _print(settings: Settings, kind: Kind, path: Path, asked: Any) -> str:
    """A hash of all that a load hangs on, the database left out."""
    told = {
        "kind": kind.name,
        "asked": str(asked),
        "settings": settings.model_dump(mode="json", exclude={"data_dir", "database_url"}),
        "made by": [_program(), shapely.geos_version_string, pyproj.proj_version_str],
    }
    found = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for part in _parts(path):
        found.update(b"\0" + part.name.encode(errors="surrogateescape") + b"\0")
        with part.open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
    return found.hexdigest()


@cache
def _program() -> str:
    """A hash of this program: what it makes of a row may differ from what another version makes."""
    found = hashlib.sha256()

    def take(folder: Traversable) -> None:
        for item in sorted(folder.iterdir(), key=lambda each: each.name):
            if item.is_dir():
                take(item)
            elif not item.name.endswith(".pyc"):
                found.update(item.name.encode() + item.read_bytes())

    take(files("cim"))
    return found.hexdigest()
