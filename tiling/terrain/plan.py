"""Which tiles of terrain there are, and which of them are behind the city's rasters; pure.

A tile stands where a raster does whose cells are as fine as its lattice: below a coarse raster
there are none of a fine one's levels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import ceil, log2
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cim.terrain.layer import Box
from tiling.terrain import quantized

Key = tuple[int, int, int]
"""Level, column from 180° W, row from 90° S."""

SIDE = 64
"""Steps of the lattice along a tile's side."""

DEEPEST = 18
"""No tile is smaller than this level's (76 m), however fine the raster."""

QUARTERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""The four parts of a tile: eastward, northward."""

OUTSIDE, BEHIND = 1, 2
"""What is no raster's: the ground that goes on outside the bounds of all, as it is at them; and
the coarse one behind holes and gaps."""

FORMAT = "quantized-mesh 3"
"""Changes when the same ground would be written otherwise."""

_CORNER = np.array([180.0, 90.0])


@dataclass(frozen=True)
class Sheet:
    """A raster as tiles depend on it: its digest, bounds in degrees, and its own deepest level."""

    digest: str
    box: Box
    level: int


@dataclass(frozen=True)
class Plan:
    """All that tiles come from: the rasters from the topmost down, the step of heights in m, what
    lifts heights to the ellipsoid, and a digest of what is shown where no raster has a height."""

    sheets: tuple[Sheet, ...]
    unit: float
    geoid: str
    behind: str = ""
    format: str = FORMAT

    @cached_property
    def levels(self) -> NDArray[np.int64]:
        """The deepest level of each sheet."""
        return np.array([sheet.level for sheet in self.sheets], np.int64)

    @cached_property
    def _boxes(self) -> NDArray[np.float64]:
        return np.array([sheet.box for sheet in self.sheets], np.float64).reshape(-1, 2, 2)

    @property
    def deepest(self) -> int:
        """The deepest level of all."""
        return int(self.levels.max())

    @property
    def box(self) -> Box:
        """The bounds of all rasters together."""
        (west, south), (east, north) = self._boxes[:, 0].min(axis=0), self._boxes[:, 1].max(axis=0)
        return float(west), float(south), float(east), float(north)

    def _cells(self, levels: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """First and last column and row of each sheet on a level, shape (n, 2, 2)."""
        step = 180 * 0.5 ** np.broadcast_to(levels, self.levels.shape)
        found: NDArray[np.int64] = np.floor((self._boxes + _CORNER) / step[:, None, None]).astype(
            np.int64
        )
        return found

    def has(self, key: Key) -> bool:
        """Whether there is such a tile."""
        level, x, y = key
        if level == 0:
            return x in (0, 1) and y == 0
        cells = self._cells(level)
        meets = (cells[:, 0] <= (x, y)).all(axis=1) & (cells[:, 1] >= (x, y)).all(axis=1)
        return bool((meets & (self.levels >= level)).any())

    def below(self, key: Key) -> list[Key | None]:
        """The four tiles that a tile is divided into, None where there is none."""
        level, x, y = key
        four = [(level + 1, 2 * x + right, 2 * y + up) for right, up in QUARTERS]
        return [one if self.has(one) else None for one in four]

    def count(self, key: Key) -> int:
        """About how many tiles there are of a tile and below it; overlaps count twice."""
        level, x, y = key
        deeper = np.maximum(self.levels - level, 0)
        cells = self._cells(self.levels)
        first = np.maximum(cells[:, 0], np.stack([x << deeper, y << deeper], axis=1))
        last = np.stack([((x + 1) << deeper) - 1, ((y + 1) << deeper) - 1], axis=1)
        sizes = np.maximum(np.minimum(cells[:, 1], last) - first + 1, 0).prod(axis=1)
        return 1 + int(sizes[self.levels > level].sum() * 4 / 3)

    def ranges(self, level: int) -> list[tuple[int, int, int, int]]:
        """Columns and rows of the tiles of a level: first and last column, first and last row."""
        if level == 0:
            return [(0, 1, 0, 0)]
        most = np.array([2 ** (level + 1), 2**level]) - 1
        cells = np.clip(self._cells(level)[self.levels >= level], 0, most)
        found = cells.transpose(0, 2, 1).reshape(-1, 4)
        return [tuple(row) for row in np.unique(found, axis=0).tolist()]

    def as_json(self) -> dict[str, Any]:
        """For a file; `plan_of` reads it."""
        return asdict(self)


def plan_of(known: dict[str, Any]) -> Plan:
    """The plan that a file holds."""
    sheets = tuple(Sheet(one["digest"], tuple(one["box"]), one["level"]) for one in known["sheets"])
    return Plan(**{**known, "sheets": sheets})


def unit_for(span: float) -> float:
    """The step of heights, m, a power of two, for which a tile has steps enough.

    >>> unit_for(2751.0), unit_for(80.0), unit_for(9000.0)
    (0.125, 0.015625, 0.5)
    """
    return 2.0 ** max(ceil(log2((span + 250.0) / quantized.MOST)), -6)


def level_for(cell: float) -> int:
    """The level whose lattice is as fine as cells of so many metres.

    >>> level_for(79.6), level_for(25.0), level_for(0.5)
    (12, 14, 18)
    """
    return max(0, min(DEEPEST, ceil(log2(20_015_000 / SIDE / cell) - 0.1)))


def bounds_of(key: Key) -> Box:
    """A tile's bounds in degrees."""
    level, x, y = key
    step = 180 / 2**level
    return x * step - 180, y * step - 90, (x + 1) * step - 180, (y + 1) * step - 90


def path_of(key: Key) -> str:
    """Where a tile is, from layer.json."""
    return "{}/{}/{}.terrain".format(*key)


@dataclass(frozen=True)
class Stale:
    """Which tiles are not what they would be now: all, those over some boxes, and some that show
    ground `beyond` the rasters.

    `margin` is how far outside a tile its normals look, degrees; `box` the bounds of all rasters:
    what lies outside shows what is at them.
    """

    everything: bool = False
    boxes: tuple[Box, ...] = ()
    margin: float = 0.0
    box: Box = (-180.0, -90.0, 180.0, 90.0)
    shown_beyond: frozenset[Key] = field(default=frozenset(), repr=False)

    def __call__(self, key: Key) -> bool:
        """Whether a tile is to be made anew."""
        if self.everything or key in self.shown_beyond:
            return True
        first, last = self.box[:2], self.box[2:]
        bounds = bounds_of(key)
        west, south = (min(max(a, b), c) for a, b, c in zip(bounds[:2], first, last, strict=True))
        east, north = (min(max(a, b), c) for a, b, c in zip(bounds[2:], first, last, strict=True))
        return any(
            one[0] <= east + self.margin and one[2] >= west - self.margin
            and one[1] <= north + self.margin and one[3] >= south - self.margin
            for one in self.boxes
        )  # fmt: skip

    def within(self, key: Key) -> "Stale":
        """The same for a tile and those below it, with no more than they need."""
        level, x, y = key
        shown = [
            one for one in self.shown_beyond
            if one[0] >= level and (one[1] >> one[0] - level, one[2] >> one[0] - level) == (x, y)
        ]  # fmt: skip
        return replace(self, shown_beyond=frozenset(shown))


def stale(old: Plan | None, new: Plan, shown_beyond: Callable[[int], frozenset[Key]]) -> Stale:
    """What of the tiles of an old plan is not as the new one has it.

    `shown_beyond` gives the old tiles that show ground OUTSIDE the rasters or BEHIND them, and is
    asked at need.
    """
    if old is None or (old.unit, old.geoid, old.format) != (new.unit, new.geoid, new.format):
        return Stale(everything=True)
    changed = {*old.sheets} ^ {*new.sheets}
    boxes = {sheet.box for sheet in changed} | {*_turned(old.sheets, new.sheets)}
    beyond = OUTSIDE * (old.box != new.box) + BEHIND * (old.behind != new.behind)
    coarsest = min(int(old.levels.min()), int(new.levels.min()))
    return Stale(
        boxes=tuple(sorted(boxes)),
        margin=1.001 * 180 / SIDE / 2**coarsest,
        box=new.box,
        shown_beyond=shown_beyond(beyond) if beyond else frozenset(),
    )


def _turned(old: Sequence[Sheet], new: Sequence[Sheet]) -> Iterator[Box]:
    """Where sheets overlap of which one lies above the other now, and lay below it before."""
    place = {sheet: number for number, sheet in reversed([*enumerate(old)])}
    both = [sheet for sheet in dict.fromkeys(new) if sheet in place]
    for number, above in enumerate(both):
        for below in both[number + 1 :]:
            if place[above] < place[below]:
                continue
            west, south = (max(pair) for pair in zip(above.box[:2], below.box[:2], strict=True))
            east, north = (min(pair) for pair in zip(above.box[2:], below.box[2:], strict=True))
            if west <= east and south <= north:
                yield west, south, east, north


def parts(plan: Plan, most: int, wanted: Callable[[Key], bool]) -> list[Key]:
    """Tiles that together with all below them are about `most` at most, and cover those wanted."""
    found: list[Key] = []
    left: list[Key] = [(0, 1, 0), (0, 0, 0)]
    while left:
        key = left.pop()
        if not wanted(key):
            continue
        if plan.count(key) <= most:
            found.append(key)
        else:
            left += [one for one in reversed(plan.below(key)) if one]
    return found
