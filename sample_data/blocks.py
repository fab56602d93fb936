"""What stands on one block: an estate of towers, rows of slabs, a village, works, a park …

Each layout is a function of the block's half width and half depth in metres and of chance; it
answers with lots in the block's own axes, x along the street, y away from it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sample_data.shapes import COURT, ELL, NOTCHED, RECTANGLE, YOU

(
    TOWER, SLAB, HOUSE, PODIUM, NURSERY, FACTORY, DORMITORY, OFFICE, SCHOOL, CENTRE, HALL, MALL,
    PAVILION, SITE,
) = range(14)  # fmt: skip
"""Roles of a building in its block."""

USES = {
    TOWER: "residential", SLAB: "residential", HOUSE: "residential", PODIUM: "retail",
    NURSERY: "public", FACTORY: "industry", DORMITORY: "residential", OFFICE: "office",
    SCHOOL: "public", CENTRE: "public", HALL: "public", MALL: "retail", PAVILION: "public",
    SITE: "residential",
}  # fmt: skip
"""Role → code of list building_use."""


@dataclass(frozen=True, slots=True)
class Lot:
    """One building, in the axes of its block."""

    role: int
    x: float
    y: float
    width: float
    depth: float
    floors: int
    form: int = RECTANGLE
    below: int = 0
    per_floor: int = 1
    entrances: int = 1
    year: int = 2000
    state: str = "existing"
    turned: bool = False
    """A quarter turn."""


Chance = np.random.Generator
Layout = Callable[[float, float, Chance], list[Lot]]


def estate(a: float, b: float, rng: Chance) -> list[Lot]:
    """Towers in two rows around a garden with a kindergarten; shops along the street."""
    year = int(rng.integers(2004, 2023))
    tallest = int(rng.integers(22, 34))
    per_entrance = int(rng.integers(2, 5))
    columns = max(2, int(2 * a // 48))
    pitch = 2 * a / columns
    lots = []
    for row, y in enumerate((-b + 38.0, b - 16.0)):
        for column in range(columns):
            entrances = 2 if row and rng.random() < 0.4 else 1
            floors = max(18, tallest - int(rng.integers(0, 7)) - 4 * (1 - row))
            lots.append(
                Lot(
                    TOWER,
                    x=-a + pitch * (column + 0.5) + rng.uniform(-2, 2),
                    y=y + rng.uniform(-3, 3) * (column % 2),
                    width=min(pitch - 14, 20.0 + 5 * entrances + 2 * per_entrance),
                    depth=19.0,
                    floors=floors,
                    form=NOTCHED,
                    below=2,
                    per_floor=per_entrance * entrances,
                    entrances=entrances,
                    year=year,
                )
            )
    lots.append(
        Lot(NURSERY, 0.0, 6.0, 34.0, 22.0, 3, form=YOU, entrances=1, per_floor=6, year=year)
    )
    return lots + _street_front(a, b, year)


def _street_front(a: float, b: float, year: int) -> list[Lot]:
    """Shops on the south side, an L and a row with the gate between them; parking below."""
    width = a * 0.84
    corner = Lot(PODIUM, -a + width / 2, -b + 11.0, width, 22.0, 2, ELL, 1, int(width // 8))
    row = Lot(PODIUM, a - width / 2, -b + 5.0, width, 9.5, 2, RECTANGLE, 1, int(width // 7))
    return [replace(lot, year=year) for lot in (corner, row)]


def slabs(a: float, b: float, rng: Chance) -> list[Lot]:
    """An old estate: rows of slab blocks of six to nine storeys."""
    year = int(rng.integers(1984, 2003))
    columns = max(1, int(2 * a // 54))
    rows = max(1, int(2 * b // 27))
    lots = []
    for row in range(rows):
        floors = int(rng.integers(6, 10))
        for column in range(columns):
            entrances = int(rng.integers(2, 4))
            lots.append(
                Lot(
                    SLAB,
                    x=-a + 2 * a / columns * (column + 0.5),
                    y=-b + 2 * b / rows * (row + 0.5),
                    width=16.0 * entrances,
                    depth=11.0,
                    floors=floors,
                    per_floor=2 * entrances,
                    entrances=entrances,
                    year=year,
                )
            )
    return lots


def works(a: float, b: float, rng: Chance) -> list[Lot]:
    """Two or three factory halls, a dormitory and an office."""
    year = int(rng.integers(1992, 2018))
    halls = 2 if a < 90 else 3
    pitch = 2 * a / halls
    lots = [
        Lot(
            FACTORY,
            x=-a + pitch * (i + 0.5),
            y=-b * 0.36,
            width=pitch - 12,
            depth=b * 1.0,
            floors=int(rng.integers(2, 6)),
            per_floor=2,
            year=year,
        )
        for i in range(halls)
    ]
    lots.append(
        Lot(DORMITORY, -a * 0.45, b - 12, a * 0.8, 15.0, int(rng.integers(5, 8)),
            per_floor=14, entrances=2, year=year)
    )  # fmt: skip
    lots.append(Lot(OFFICE, a * 0.5, b - 14, a * 0.5, 20.0, 4, per_floor=6, year=year))
    return lots


def offices(a: float, b: float, rng: Chance) -> list[Lot]:
    """An office tower, a lower one, and a court block."""
    year = int(rng.integers(2006, 2024))
    return [
        Lot(OFFICE, -a * 0.45, b * 0.35, 38.0, 38.0, int(rng.integers(28, 41)),
            below=3, per_floor=8, year=year),
        Lot(OFFICE, a * 0.5, b * 0.4, 32.0, 30.0, int(rng.integers(16, 27)),
            below=2, per_floor=6, year=year),
        Lot(MALL, 0.0, -b * 0.52, a * 1.6, b * 0.62, int(rng.integers(4, 7)), form=COURT,
            below=2, per_floor=10, entrances=2, year=year),
    ]  # fmt: skip


def school(a: float, b: float, rng: Chance) -> list[Lot]:
    """A school round a court, its hall, and the community's service centre."""
    year = int(rng.integers(1995, 2022))
    return [
        Lot(SCHOOL, -a * 0.4, b * 0.3, a * 0.95, b * 0.9, 5, form=COURT, per_floor=8,
            entrances=2, year=year),
        Lot(SCHOOL, a * 0.55, b * 0.45, 36.0, 26.0, 2, per_floor=2, year=year),
        Lot(CENTRE, a * 0.5, -b * 0.55, 44.0, 24.0, 4, form=ELL, below=1, per_floor=6,
            year=year + 1),
    ]  # fmt: skip


def park(a: float, b: float, rng: Chance) -> list[Lot]:
    """A park: three pavilions in the green."""
    return [
        Lot(PAVILION, x * a, y * b, 11.0, 8.0, 1, year=2012, turned=bool(rng.random() < 0.5))
        for x, y in ((-0.4, 0.3), (0.35, -0.2), (0.1, 0.6))
    ]


def site(a: float, b: float, rng: Chance) -> list[Lot]:
    """An estate that is being built: some towers up, some only planned."""
    lots = estate(a, b, rng)
    states = ("under_construction", "planned")
    return [
        Lot(SITE, lot.x, lot.y, lot.width, lot.depth, lot.floors, NOTCHED, 2, lot.per_floor,
            lot.entrances, 2026, states[i % 2])
        for i, lot in enumerate(lots)
        if lot.role == TOWER
    ]  # fmt: skip


LAYOUTS: dict[str, Layout] = {
    "estate": estate,
    "slabs": slabs,
    "works": works,
    "offices": offices,
    "school": school,
    "park": park,
    "site": site,
}
"""Kind of block → what stands on it; `village` is laid out by `village`, all blocks at once."""

LANE, ALLEY, PLOT_WIDTH, PLOT_DEPTH, ROW = 3.2, 2.6, 10.4, 11.0, 25.2
"""Metres: lane between rows, alley across, one plot, two plots and a lane."""


def village(a: float, b: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Plots of an urban village: centres (n, 2), and (n, 2) lane and door numbers from 1.

    Rows stand back to back along lanes, with an alley after every sixth house.

    >>> centres, doors = village(70.0, 66.0)
    >>> len(centres), doors.max(axis=0).tolist()
    (120, [5, 24])
    """
    columns = int((2 * a + ALLEY) // PLOT_WIDTH)
    xs = np.arange(columns) * PLOT_WIDTH + np.arange(columns) // 6 * ALLEY
    xs = xs[xs + PLOT_WIDTH <= 2 * a]
    lanes = max(1, int(2 * b // ROW))
    lane, side, column = np.meshgrid(
        np.arange(lanes), np.arange(2), np.arange(len(xs)), indexing="ij"
    )
    x = xs[column] + PLOT_WIDTH / 2 - (xs[-1] + PLOT_WIDTH) / 2
    y = lane * ROW + side * (PLOT_DEPTH + LANE) + PLOT_DEPTH / 2 - lanes * ROW / 2
    door = column * 2 + side + 1
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    doors = np.stack([(lane + 1).ravel(), door.ravel()], axis=1)
    return centres.astype(np.float64), doors.astype(np.int64)


def lanes(b: float) -> NDArray[np.float64]:
    """Where the lanes of a village block run: y of each centre line, metres."""
    count = max(1, int(2 * b // ROW))
    return np.asarray(
        np.arange(count) * ROW + PLOT_DEPTH + LANE / 2 - count * ROW / 2, dtype=np.float64
    )
