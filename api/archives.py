"""Archives (.3tz) in the tiles' folder, served from where they are."""

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import orjson

from api.files import Files, Loaded
from cim.errors import NotFound
from tiling.archive import SUFFIX
from tiling.build import digest
from tiling.combined import FILE
from tiling.packed import packed
from tiling.reading import Malformed
from tiling.sources import Archive

UNREADABLE = (BadZipFile, Malformed, OSError)
"""How reading an archive fails that is none, is cut off, or is packed in ways not known here."""


@dataclass(frozen=True)
class Opened:
    """An archive as it was when it was opened, and the version that it says it is."""

    archive: Archive
    stamp: tuple[int, int]
    version: str


class Archives:
    """Reads files out of tiles/NAME.3tz; the list of an archive is read once, until it changes."""

    def __init__(self, top: Path, files: Files) -> None:
        """Below the folder `top`; what was read is kept in `files`."""
        self.top, self.files = top, files
        self._opened: dict[str, Opened] = {}

    def find(self, name: str, path: str) -> tuple[Loaded, str] | None:
        """A file of an archive and the archive's version; None where there is no such archive.

        Raises NotFound where the archive lacks the file, or cannot be read.
        """
        place = self.top / f"{name}{SUFFIX}"
        try:
            stat = place.stat()
            known = self._known(name, place, (stat.st_mtime_ns, stat.st_size))
        except OSError:
            return None
        try:
            found = self.files.get(
                (f"{place}/{path}", *known.stamp), lambda: _loaded(known.archive.read(path))
            )
        except FileNotFoundError as fault:
            raise NotFound(
                f"The tileset {name!r} has no such file.", f"切片集“{name}”中没有该文件。"
            ) from fault
        except UNREADABLE as fault:
            raise broken(name) from fault
        return found, known.version

    def _known(self, name: str, place: Path, stamp: tuple[int, int]) -> Opened:
        known = self._opened.get(name)
        if known is None or known.stamp != stamp:
            archive = Archive(place)
            try:
                described = orjson.loads(archive.read(FILE))
                version = str(described["asset"].get("tilesetVersion", ""))
            except (*UNREADABLE, ValueError, KeyError, AttributeError) as fault:
                raise broken(name) from fault
            known = self._opened[name] = Opened(archive, stamp, version)
        return known


def broken(name: str) -> NotFound:
    """What is said of an archive that cannot be read."""
    return NotFound(
        f"The archive {name}{SUFFIX} cannot be read.", f"归档 {name}{SUFFIX} 无法读取。"
    )


def _loaded(content: bytes) -> Loaded:
    small = packed(content)
    return Loaded(
        content, small if len(small) < 0.95 * len(content) else None, digest(content).hex()
    )
