"""Archives (.3tz) in the tiles' folder, served from where they are."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote
from zipfile import BadZipFile

import orjson
from fastapi import Depends, Request

from api.tilesets.files import Files, Loaded
from api.tilesets.making import NAME
from cim.errors import NotFound
from tiling.check.reading import Malformed
from tiling.check.sources import Archive
from tiling.disk.combined import FILE, POINTS, Member
from tiling.disk.folder import CURRENT
from tiling.formats.packed import packed
from tiling.out.archive import SUFFIX
from tiling.run.build import digest

UNREADABLE = (BadZipFile, Malformed, OSError)
"""How reading an archive fails that is none, is cut off, or is packed in ways not known here."""


@dataclass(frozen=True)
class Opened:
    """An archive as it was when it was opened, and what its tileset.json says."""

    archive: Archive
    stamp: tuple[int, int]
    document: Mapping[str, Any]

    @property
    def version(self) -> str:
        """The version that it says it is."""
        return str(self.document["asset"].get("tilesetVersion", ""))


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

    def standing(self) -> dict[str, Opened]:
        """The archives there are by name; those that cannot be read are left out, and so are those
        that a tileset of the same name hides.
        """
        found = {}
        for place in sorted(self.top.glob(f"*{SUFFIX}")):
            if not NAME.fullmatch(place.stem) or (self.top / place.stem / CURRENT).is_dir():
                continue
            with suppress(OSError, NotFound):
                stat = place.stat()
                stamp = stat.st_mtime_ns, stat.st_size
                found[place.stem] = self._known(place.stem, place, stamp)
        return found

    def _known(self, name: str, place: Path, stamp: tuple[int, int]) -> Opened:
        known = self._opened.get(name)
        if known is None or known.stamp != stamp:
            archive = Archive(place)
            try:
                described = orjson.loads(archive.read(FILE))
                found = Opened(archive, stamp, described)
                _ = found.version, Member("", described).region
            except (*UNREADABLE, ValueError, KeyError, TypeError, AttributeError) as fault:
                raise broken(name) from fault
            known = self._opened[name] = found
        return known


def described(name: str, known: Opened) -> dict[str, Any]:
    """An archive as the list of tilesets has it."""
    facts = known.document.get("metadata", {}).get("properties", {})
    extras = known.document["asset"].get("extras", {})
    points = known.document["asset"].get("generator") == POINTS
    return {
        "name": name,
        "url": f"/tiles/3d/{name}/{FILE}?v={quote(known.version)}",
        "version": known.version,
        "kind": "points" if points else "features",
        "built_at": datetime.fromtimestamp(known.stamp[0] / 1e9, UTC),
        "features": int(facts.get("features", extras.get("points", 0))),
        "height_shift": float(facts.get("heightShift", extras.get("heightShift", 0.0))),
    }


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


async def _of(request: Request) -> Archives:
    """Those of the app."""
    found: Archives = request.app.state.archives
    return found


ArchivesDep = Annotated[Archives, Depends(_of)]
"""The archives, by name in a handler's signature."""
