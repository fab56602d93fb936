"""What a walk through a tileset carries along: where it is, what it found, what is to judge."""

import struct
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import NDArray

from tiling.check import limits
from tiling.check.reading import Malformed
from tiling.check.sources import joined
from tiling.check.volumes import Region, Volume

Floats = NDArray[np.float64]

MANY_FAULTS = (
    f"{limits.FAULTS:,} faults: no more are looked for",
    f"已有 {limits.FAULTS:,} 处错误，不再继续检查",
)

UNREADABLE = (
    Malformed,
    OSError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
    struct.error,
    LinAlgError,
)
"""What reading a broken file may raise."""


class Enough(Exception):
    """A tileset is larger than any that is gone through; both sentences say how."""

    def __init__(self, en: str, zh: str) -> None:
        """Keep both sentences."""
        super().__init__(en)
        self.zh = zh


@dataclass(frozen=True)
class Fault:
    """One thing wrong: the file, the rule's number, and what it is in English and Chinese."""

    file: str
    rule: str
    en: str
    zh: str


@dataclass(frozen=True)
class Piece:
    """A content to be judged: its path, its frame, the volumes it has to lie in.

    `group` numbers the tileset in which each of its features may stand once; `ours` says whether
    the rules of the house hold too.
    """

    uri: str
    matrix: Floats
    volumes: tuple[Volume, ...]
    ours: bool
    group: int


@dataclass(frozen=True)
class Place:
    """What a tile has from those above it: its file, frame, volumes (the nearest first) and error.

    `query` is that of the file, which clients hand down to all that it refers to; `files` are the
    tilesets that led here, `depth` counts the tiles.
    """

    file: str
    matrix: Floats
    query: str = ""
    volumes: tuple[Volume, ...] = ()
    error: float = np.inf
    ours: bool = False
    group: int = 0
    schema: dict[str, Any] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    depth: int = 0

    def below(self, volume: Volume | None, error: float) -> "Place":
        """The place of a tile with this volume, in the same frame.

        A region within the region above stands for both.
        """
        if volume is None:
            return replace(self, error=error, depth=self.depth + 1)
        above = self.volumes
        if above and isinstance(volume, Region) and isinstance(above[0], Region):
            above = above[1:] if volume.within(above[0]) else above
        return replace(self, volumes=(volume, *above), error=error, depth=self.depth + 1)

    def refer(self, uri: str) -> str:
        """A URI in the file, from the folder of the tileset, with the query that is handed down."""
        found = joined(self.file, uri)
        return f"{found}?{self.query}" if self.query and "?" not in found else found

    def piece(self, uri: str) -> Piece:
        """A content that stands here."""
        return Piece(uri, self.matrix, self.volumes, self.ours, self.group)


@dataclass
class Notes:
    """What was found: faults, how many things could not be judged, and the files reached.

    `promised` are the features that each group says it has, -1 where it says nothing; `titles`
    its name; `tiles` and `tilesets` how many were met.
    """

    faults: list[Fault] = field(default_factory=list)
    unjudged: Counter[tuple[str, str]] = field(default_factory=Counter)
    reached: set[str] = field(default_factory=set)
    promised: list[int] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    tiles: int = 0
    tilesets: int = 0

    def fault(self, file: str, rule: str, en: str, zh: str) -> None:
        """Note what is wrong; raises Enough where that is too much to list."""
        self.faults.append(Fault(file, rule, en, zh))
        if len(self.faults) >= limits.FAULTS:
            raise Enough(*MANY_FAULTS)

    def met(self, *, tileset: bool = False) -> None:
        """Count a tile, or a tileset; raises Enough where there are too many."""
        if tileset:
            self.tilesets += 1
        else:
            self.tiles += 1
        if self.tiles > limits.TILES or self.tilesets > limits.TILESETS:
            raise Enough(
                f"more than {limits.TILES:,} tiles or {limits.TILESETS:,} external tilesets: "
                "the rest was not gone through",
                f"瓦片超过 {limits.TILES:,} 个或外部瓦片集超过 {limits.TILESETS:,} 个，其余未检查",
            )

    def broken(self, file: str, rule: str, fault: BaseException) -> None:
        """Note that a file cannot be read."""
        zh = getattr(fault, "zh", f"无法读取：{fault}")
        self.fault(file, rule, f"cannot be read: {fault}", zh)

    def reach(self, uri: str) -> None:
        """Note that a file is referred to."""
        self.reached.add(uri.partition("?")[0])

    def nested(self, name: str, place: Place, volume: Volume | None) -> None:
        """5: a region of ours lies in the region above."""
        above = place.volumes[0] if place.volumes else None
        if not (place.ours and isinstance(volume, Region) and isinstance(above, Region)):
            return
        if not volume.within(above):
            self.fault(name, "5", "a region reaches out of its parent's", "包围区域超出父瓦片")

    def legal(self, name: str, volume: Volume | None) -> None:
        """3, 4: a volume that can be."""
        if volume is None:
            self.unjudged["bounding volumes of another kind", "其他类型的包围体"] += 1
        elif not volume.legal():
            rule = "3" if isinstance(volume, Region) else "4"
            self.fault(name, rule, "an illegal bounding volume", "包围体非法")

    def stepped(self, name: str, error: float, above: float) -> None:
        """2: errors fall on the way down."""
        if error > above:
            self.fault(
                name, "2", "a child's error is larger than its parent's", "子瓦片误差大于父瓦片"
            )
