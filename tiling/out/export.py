"""What is handed out of a tileset: the files of the version that is served, whole.

Where it is one tileset its files stand as they are; where it is all of them, each stands in a
folder of its name below one root.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cim.errors import NotFound
from tiling.disk import combined
from tiling.disk.combined import FILE, Member
from tiling.disk.folder import CURRENT, PACKED, version_at

ALL = "all"
"""What every tileset goes by."""


@dataclass(frozen=True)
class Tileset:
    """A tileset as it is served now: its version, and its files by their paths in it."""

    name: str
    version: str
    files: Mapping[str, Path]

    def member(self, url: str) -> Member:
        """The tileset below a root that finds it at `url`."""
        return Member(url, json.loads(self.files[FILE].read_bytes()))

    def contents(self) -> list[str]:
        """The paths of its files without their gzipped copies, tileset.json first."""
        found = (path for path in self.files if not path.endswith(PACKED))
        return sorted(found, key=lambda path: (path != FILE, path))


def chosen(tiles: Path, name: str) -> list[Tileset]:
    """The tilesets that a name stands for, `all` for each of the city; NotFound where none is."""
    names = list(combined.standing(tiles)) if name == ALL else [name]
    found = []
    for one in names:
        folder = (tiles / one / CURRENT).resolve()
        files = version_at(folder).files()
        if FILE in files:
            found.append(Tileset(one, folder.name, files))
    if not found:
        raise NotFound(
            f"no tileset {name} at {tiles}: run `cim tile build` first",
            f"{tiles} 处没有瓦片集 {name}：请先运行 `cim tile build`",
        )
    return found


def together(tilesets: list[Tileset]) -> dict[str, Path | bytes]:
    """The files of several tilesets below one root, or of the one there is, by their paths."""
    if len(tilesets) == 1:
        (one,) = tilesets
        return {path: one.files[path] for path in one.contents()}
    root = combined.describe(one.member(f"{one.name}/{FILE}") for one in tilesets)
    found: dict[str, Path | bytes] = {FILE: root}
    for one in tilesets:
        found |= {f"{one.name}/{path}": one.files[path] for path in one.contents()}
    return found
