"""The buildings of one community, as columns."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from sample_data import blocks, names, shapes
from sample_data.blocks import Lot
from sample_data.places import Community, Plan, to_degrees

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

AVENUE, STREET = 17.0, 9.0
"""Half the width between building lines, metres: on the community's border and inside it."""

BUILDING_WORDS = ("栋", "幢", "座", "号楼")
"""How an estate numbers its buildings; each keeps to one word."""

CENTRAL = ("showcase", "joined", "park", "offices", "estate", "school", "slabs", "estate", "site")
OUTER = ("estate", "park", "slabs", "school", "works", "estate", "slabs", "works", "park")


@dataclass(frozen=True, eq=False)
class Frames:
    """The blocks of a community: centres, angles and half sizes in metres, and kinds."""

    centre: Floats
    angle: Floats
    half: Floats
    kind: list[str]

    def place(self, block: int, local: Floats) -> Floats:
        """Points (n, 2) in a block's own axes → metres in the city."""
        angle = np.full(len(local), self.angle[block])
        return np.asarray(self.centre[block] + _turn(local, angle), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Buildings:
    """Buildings of a community, one array a column, all of the same length."""

    community: Community
    frames: Frames
    block: Ints
    role: Ints
    form: Ints
    centre: Floats
    size: Floats
    angle: Floats
    floors: Ints
    below: Ints
    per_floor: Ints
    entrances: Ints
    year: Ints
    state: NDArray[np.str_]
    estate: Ints
    """Number of the estate in the community, from 0; -1 for none."""
    lane: Ints
    """Lane of the village, from 1; 0 elsewhere."""
    number: Ints
    """Number in the estate, or door on the lane or street."""
    height: Floats
    """Metres; NaN where nobody measured it."""

    def __len__(self) -> int:
        """How many there are."""
        return len(self.block)

    @property
    def ids(self) -> list[str]:
        """Their keys in the source system."""
        return [f"B{self.community.code}{i + 1:05d}" for i in range(len(self))]

    @property
    def names(self) -> list[str]:
        """3栋, 二巷5号 …: as people say them."""
        return [_name(self, i) for i in range(len(self))]

    @property
    def has_lift(self) -> NDArray[np.bool_]:
        """Towers have lifts, and all else above seven storeys."""
        return np.asarray(self.floors > 7)

    @property
    def shop_front(self) -> NDArray[np.bool_]:
        """Village houses with a shop on the ground floor."""
        return np.asarray((self.role == blocks.HOUSE) & (self.number % 5 < 2))

    def footprints(self) -> NDArray[np.object_]:
        """Polygons in degrees."""
        drawn = shapes.footprints(self.form, self.centre, self.size, self.angle)
        return np.asarray(shapely.transform(drawn, to_degrees), dtype=object)

    def estate_outlines(self) -> list[shapely.Geometry]:
        """The blocks of each estate, in degrees, in the order of their numbers."""
        outlines = []
        for number in range(int(self.estate.max(initial=-1)) + 1):
            block = int(self.block[self.estate == number][0])
            ring = shapes.draw(
                np.array([shapes.RECTANGLE]),
                self.frames.centre[[block]],
                2 * self.frames.half[[block]] + 3,
                self.frames.angle[[block]],
            )[0]
            outlines.append(shapely.Polygon(to_degrees(ring)))
        return outlines


def estate_name(buildings: Buildings, estate: int) -> str:
    """What an estate is called; old ones are called after their village."""
    community = buildings.community
    first = buildings.role[buildings.estate == estate]
    serial = community.index * 5 + estate
    if len(first) and first[0] == blocks.SLAB:
        short = community.name.removesuffix("社区")
        return short + names.OLD_ESTATES[serial % len(names.OLD_ESTATES)]
    turn, which = divmod(serial, len(names.ESTATES))
    return names.ESTATES[which] + (f"{names.chinese(turn + 1)}期" if 0 < turn < 99 else "")


def word(buildings: Buildings, estate: int) -> str:
    """栋, 幢, 座 or 号楼: what this estate calls a building."""
    return BUILDING_WORDS[(buildings.community.index + estate) % len(BUILDING_WORDS)]


def _name(of: Buildings, i: int) -> str:
    role, number, estate = int(of.role[i]), int(of.number[i]), int(of.estate[i])
    if role == blocks.HOUSE:
        return f"{names.chinese(int(of.lane[i]))}巷{number}号"
    short = of.community.name.removesuffix("社区")
    if estate >= 0:
        if role == blocks.NURSERY:
            return estate_name(of, estate) + "幼儿园"
        return f"{'S' if role == blocks.PODIUM else ''}{number}{word(of, estate)}"
    place = {
        blocks.FACTORY: f"{short}工业园{number}号厂房",
        blocks.DORMITORY: f"{short}工业园宿舍",
        blocks.OFFICE: f"{short}商务中心{number}座",
        blocks.MALL: f"{short}广场",
        blocks.SCHOOL: f"{short}小学",
        blocks.CENTRE: f"{short}社区党群服务中心",
        blocks.HALL: f"{short}祠堂",
        blocks.PAVILION: f"{short}公园亭",
    }
    return place.get(role, f"{number}栋")


@lru_cache(maxsize=2)
def build(plan: Plan, community: Community) -> Buildings:
    """Build one community; the same every time."""
    rng = community.rng(0, plan.seed)
    frames = _frames(community, rng)
    planned = _lots(frames, rng)[: community.buildings]
    house = _houses(frames, community.buildings - len(planned), rng)
    lots = [lot for _, lot in planned]
    own_block = np.array([index for index, _ in planned], np.int64)
    estate, number = _numbers(own_block, lots)

    def column(name: str) -> NDArray[Any]:
        villages = house[name]
        own = np.array([getattr(lot, name) for lot in lots], villages.dtype)
        return np.concatenate([own, villages])

    block = np.concatenate([own_block, house["block"]])
    local = np.stack([column("x"), column("y")], axis=1)
    floors = column("floors")
    return Buildings(
        community=community,
        frames=frames,
        block=block,
        role=column("role"),
        form=column("form"),
        centre=frames.centre[block] + _turn(local, frames.angle[block]),
        size=np.stack([column("width"), column("depth")], axis=1),
        angle=frames.angle[block] + column("turned") * (np.pi / 2),
        floors=floors,
        below=column("below"),
        per_floor=column("per_floor"),
        entrances=column("entrances"),
        year=column("year"),
        state=column("state"),
        estate=np.concatenate([estate, np.full(len(house["block"]), -1)]),
        lane=np.concatenate([np.zeros(len(lots), np.int64), house["lane"]]),
        number=np.concatenate([number, house["number"]]),
        height=_heights(floors, rng),
    )


def _turn(points: Floats, angle: Floats) -> Floats:
    """Points (n, 2), each turned by its own angle."""
    cos, sin = np.cos(angle), np.sin(angle)
    x, y = points.T
    return np.stack([x * cos - y * sin, x * sin + y * cos], axis=1)


def _frames(community: Community, rng: np.random.Generator) -> Frames:
    """The blocks of a community: the squares of its quadrilateral, less the streets."""
    across, up = community.blocks
    i, j = (axis.ravel() for axis in np.meshgrid(np.arange(across), np.arange(up)))
    middle = community.at((i + 0.5) / across, (j + 0.5) / up)
    ends = community.at((i + 1.0) / across, (j + 0.5) / up) - middle
    angle = np.arctan2(ends[:, 1], ends[:, 0])
    offsets = [
        _turn(community.at((i + di) / across, (j + dj) / up) - middle, -angle)
        for di, dj in ((0, 0), (1, 0), (1, 1), (0, 1))
    ]
    half = np.abs(np.stack(offsets)).min(axis=0)
    low = np.where(np.stack([i, j], axis=1) == 0, AVENUE, STREET)
    high = np.where(np.stack([i, j], axis=1) == np.array([across - 1, up - 1]), AVENUE, STREET)
    centre = middle + _turn((low - high) / 2.0, angle)
    half = half - (low + high) / 2.0
    kind = _kinds(community, middle, half, rng)
    if community.index == 0 and "joined" in kind:
        _join(kind, centre, half)
    return Frames(centre, angle, half, kind)


def _join(kind: list[str], centre: Floats, half: Floats) -> None:
    """Give the showcase estate its neighbour's ground; the street between them is built over."""
    first, second = kind.index("showcase"), kind.index("joined")
    apart = float(np.hypot(*(centre[second] - centre[first])))
    centre[first] = (centre[first] + centre[second]) / 2
    half[first] = ((half[first, 0] + half[second, 0] + apart) / 2, min(half[[first, second], 1]))


def _kinds(
    community: Community, middle: Floats, half: Floats, rng: np.random.Generator
) -> list[str]:
    """What each block is: the village lies in the corner away from the centre of the city."""
    count = len(middle)
    away = community.corners[np.argmax(np.hypot(*community.corners.T))]
    distance = np.hypot(*(middle - away).T) + rng.uniform(0, 60, count)
    order = np.argsort(distance, kind="stable")
    villages = _village_blocks(community, half[order])
    kind = [""] * count
    for index in order[:villages].tolist():
        kind[index] = "village"
    rest = order[villages:][::-1].tolist()
    cycle = list(OUTER)
    if community.index == 0:
        cycle = list(CENTRAL)
        first, across = rest[0], community.blocks[0]
        beside = [n for n in (first - 1, first + 1) if n // across == first // across]
        near = next((n for n in beside if n in rest), None)
        if near is None:
            cycle.remove("joined")
        else:
            rest = [first, near, *(index for index in rest if index not in (first, near))]
    for turn, index in enumerate(rest):
        kind[index] = cycle[turn] if turn < len(cycle) else OUTER[turn % len(OUTER)]
    return kind


def _village_blocks(community: Community, half: Floats) -> int:
    """How many blocks, taken in this order, the village needs: not too dense, never too few."""
    plots = np.cumsum([len(blocks.village(a, b)[0]) for a, b in half.tolist()])
    others = len(half) - np.arange(1, len(half) + 1)
    wanted = community.buildings - 4 * len(half)
    enough = (plots * 0.82 >= wanted) & (plots >= community.buildings - 3 * others)
    if wanted <= 0 and community.buildings <= 3 * len(half):
        return 0
    return min(int(np.argmax(enough)) + 1, len(half) - 3)


def _lots(frames: Frames, rng: np.random.Generator) -> list[tuple[int, Lot]]:
    """Every planned building with its block, the showcase estate first."""
    order = sorted(range(len(frames.kind)), key=lambda i: (frames.kind[i] != "showcase", i))
    lots = []
    for index in order:
        kind = frames.kind[index]
        layout = blocks.LAYOUTS.get("estate" if kind == "showcase" else kind)
        if layout:
            a, b = frames.half[index].tolist()
            lots += [(index, lot) for lot in layout(a, b, rng)]
    return lots


def _numbers(block: Ints, lots: list[Lot]) -> tuple[Ints, Ints]:
    """The estate of every building (-1: none) and its number there, or in its block."""
    members = (blocks.TOWER, blocks.SLAB, blocks.NURSERY, blocks.PODIUM, blocks.SITE)
    estates: dict[int, int] = {}
    counts: dict[tuple[int, int], int] = {}
    estate, number = [], []
    for index, lot in zip(block.tolist(), lots, strict=True):
        member = lot.role in members
        estate.append(estates.setdefault(index, len(estates)) if member else -1)
        key = (-1 if not member else index, lot.role)
        counts[key] = counts.get(key, 0) + 1
        number.append(counts[key])
    return np.array(estate, np.int64), np.array(number, np.int64)


def _houses(frames: Frames, count: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Exactly `count` self-built houses on the plots of the village blocks, the densest middle."""
    points, lanes, doors, of = [np.zeros((0, 2))], [], [], []
    first_lane = 0
    for index in (i for i, kind in enumerate(frames.kind) if kind == "village"):
        centres, numbers = blocks.village(*frames.half[index].tolist())
        points.append(centres)
        lanes.append(numbers[:, 0] + first_lane)
        doors.append(numbers[:, 1])
        of.append(np.full(len(centres), index))
        first_lane += int(numbers[:, 0].max(initial=0))
    plots = np.concatenate(points)
    if len(plots) < count:
        raise ValueError(f"{count} houses on {len(plots)} plots")
    chosen = np.sort(rng.permutation(len(plots))[:count])
    n = len(chosen)
    margin = rng.uniform(0.35, 1.3, (n, 2))
    size = np.array([blocks.PLOT_WIDTH, blocks.PLOT_DEPTH]) - 2 * margin
    x, y = plots[chosen].T if n else np.zeros((2, 0))
    return {
        "block": np.concatenate([np.zeros(0, np.int64), *of])[chosen],
        "lane": np.concatenate([np.zeros(0, np.int64), *lanes])[chosen],
        "number": np.concatenate([np.zeros(0, np.int64), *doors])[chosen],
        "x": x,
        "y": y,
        "width": size[:, 0],
        "depth": size[:, 1],
        "turned": np.zeros(n, bool),
        "role": np.full(n, blocks.HOUSE),
        "form": np.where(rng.random(n) < 0.06, shapes.ELL, shapes.RECTANGLE),
        "floors": rng.choice(np.arange(2, 9), n, p=[0.06, 0.14, 0.24, 0.24, 0.18, 0.1, 0.04]),
        "below": np.zeros(n, np.int64),
        "per_floor": rng.choice(np.arange(1, 5), n, p=[0.45, 0.37, 0.12, 0.06]),
        "entrances": np.ones(n, np.int64),
        "year": rng.integers(1986, 2016, n),
        "state": np.full(n, "existing", "<U20"),
    }


def _heights(floors: Ints, rng: np.random.Generator) -> Floats:
    """Surveyed heights for two buildings in five, NaN for the rest."""
    height = np.round(floors * 3.0 + rng.uniform(0.6, 2.4, len(floors)), 1)
    return np.where(rng.random(len(floors)) < 0.4, height, np.nan)
