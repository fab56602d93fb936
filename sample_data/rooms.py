"""Storeys and rooms of the showcase estate, the one that has a register of its own."""

from dataclasses import dataclass

import numpy as np

from sample_data import blocks
from sample_data.buildings import Buildings

PARKING_SPACES = 36
"""Below each row of shops."""

REFUGE_FROM, REFUGE_AT = 32, 16
"""A tower of that many storeys has a refuge storey (避难层), and which one it is."""


@dataclass(frozen=True, slots=True)
class Storey:
    """One storey as a floor table gives it; metres."""

    no: int
    label: str
    kind: str
    bottom: float
    height: float


@dataclass(frozen=True, slots=True)
class Room:
    """One row of the register of rooms."""

    key: str
    building: int
    entrance: int | None
    storey: int
    number: str
    kind: str
    area: float
    occupancy: str


def showcase(buildings: Buildings) -> list[int]:
    """Buildings of the showcase estate: the first estate of the first community."""
    if buildings.community.index:
        return []
    return np.flatnonzero(buildings.estate == 0).tolist()


def storeys(buildings: Buildings, i: int) -> list[Storey]:
    """The storeys of a building of the showcase estate, from the lowest up."""
    role, floors = int(buildings.role[i]), int(buildings.floors[i])
    below = int(buildings.below[i])
    tower = role == blocks.TOWER
    found = []
    bottom = -3.8 * below
    for no in (*range(-below, 0), *range(1, floors + 1)):
        label, kind = (f"B{-no}" if no < 0 else str(no)), ("地下" if no < 0 else "标准")
        height = 3.0 if tower else 4.2
        if no < 0:
            height = 3.8
        elif tower and no == 1:
            kind, height = "架空", 4.8
        elif tower and no == REFUGE_AT and floors >= REFUGE_FROM:
            label, kind, height = "避难层", "避难", 3.6
        found.append(Storey(no, label, kind, round(bottom, 2), height))
        bottom += height
    return found


def height(buildings: Buildings, i: int) -> float:
    """Roof above ground of a building of the showcase estate, metres."""
    top = storeys(buildings, i)[-1]
    return round(top.bottom + top.height, 2)


def register(buildings: Buildings, seed: int) -> list[Room]:
    """Every flat, shop and parking space of the showcase estate."""
    rng = buildings.community.rng(1, seed)
    rooms: list[Room] = []
    ids = buildings.ids
    for i in showcase(buildings):
        role = int(buildings.role[i])
        area = float(np.prod(buildings.size[i]))
        for storey in storeys(buildings, i):
            if role == blocks.TOWER and storey.kind == "标准":
                rooms += _flats(buildings, i, storey.no, area, ids[i], rng)
            elif role == blocks.PODIUM and storey.no > 0:
                rooms += _shops(buildings, i, storey.no, area, ids[i], rng)
            elif role == blocks.PODIUM:
                rooms += _parking(i, storey.no, ids[i])
    return rooms


def _flats(
    buildings: Buildings, i: int, no: int, area: float, key: str, rng: np.random.Generator
) -> list[Room]:
    entrances = int(buildings.entrances[i])
    each = int(buildings.per_floor[i]) // entrances
    size = area * 0.84 / (entrances * each)
    states = rng.choice(["自住", "出租", "空置"], (entrances, each), p=[0.62, 0.25, 0.13])
    return [
        Room(
            key=f"{key}-{entrance + 1}-{no:02d}{n + 1:02d}",
            building=i,
            entrance=entrance + 1,
            storey=no,
            number=f"{no}{n + 1:02d}",
            kind="residential",
            area=round(size * (1.06 if n % 2 else 0.94), 2),
            occupancy=str(states[entrance, n]),
        )
        for entrance in range(entrances)
        for n in range(each)
    ]


def _parking(i: int, no: int, key: str) -> list[Room]:
    numbers = [f"P{n:03d}" for n in range(1, PARKING_SPACES + 1)]
    return [
        Room(f"{key}-{number}", i, None, no, number, "parking", 12.5, "unknown")
        for number in numbers
    ]


def _shops(
    buildings: Buildings, i: int, no: int, area: float, key: str, rng: np.random.Generator
) -> list[Room]:
    count = int(buildings.per_floor[i])
    states = rng.choice(["出租", "空置"], count, p=[0.85, 0.15])
    return [
        Room(
            key=f"{key}-S{no}{n + 1:02d}",
            building=i,
            entrance=None,
            storey=no,
            number=f"{no}{n + 1:02d}",
            kind="shop",
            area=round(area * 0.6 / count, 2),
            occupancy=str(states[n]),
        )
        for n in range(count)
    ]


def layout(area: float) -> str:
    """The layout people expect of that many square metres.

    >>> layout(88.0)
    '3室2厅'
    """
    steps = ((55, "1室1厅"), (80, "2室1厅"), (110, "3室2厅"), (10_000, "4室2厅"))
    return next(name for limit, name in steps if area < limit)
