"""Where the sample city lies: towns under their real names, communities tiled from a seed.

Everything is drawn in metres east and north of one origin in Dongguan and turned into degrees at
the very end.  Communities are the cells of one lattice with shaken corners, so they tile without
gaps; a town owns the free cells nearest to where its real centre is.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray

from sample_data import names

Floats = NDArray[np.float64]

ORIGIN = (113.751, 23.0205)
"""Longitude and latitude of the point (0, 0)."""

METRES_PER_DEGREE = (111_320.0 * np.cos(np.radians(ORIGIN[1])), 110_750.0)
"""East and north, good to a few metres over the city: nothing here is surveyed."""

TOWNS = {
    "441900004": ("南城街道", "南城", 113.752, 23.020),
    "441900003": ("东城街道", "东城", 113.785, 23.030),
    "441900006": ("莞城街道", "莞城", 113.748, 23.042),
    "441900005": ("万江街道", "万江", 113.725, 23.050),
    "441900119": ("长安镇", "长安", 113.800, 22.805),
    "441900121": ("虎门镇", "虎门", 113.670, 22.815),
    "441900122": ("厚街镇", "厚街", 113.672, 22.940),
    "441900116": ("塘厦镇", "塘厦", 114.075, 22.810),
    "441900110": ("常平镇", "常平", 113.990, 22.975),
    "441900111": ("寮步镇", "寮步", 113.870, 22.995),
    "441900113": ("大朗镇", "大朗", 113.940, 22.940),
    "441900118": ("大岭山镇", "大岭山", 113.840, 22.900),
    "441900115": ("清溪镇", "清溪", 114.155, 22.845),
    "441900117": ("凤岗镇", "凤岗", 114.140, 22.745),
    "441900101": ("石碣镇", "石碣", 113.800, 23.100),
    "441900102": ("石龙镇", "石龙", 113.875, 23.108),
    "441900103": ("茶山镇", "茶山", 113.880, 23.062),
    "441900104": ("石排镇", "石排", 113.925, 23.090),
    "441900105": ("企石镇", "企石", 114.010, 23.060),
    "441900106": ("横沥镇", "横沥", 113.957, 23.025),
    "441900107": ("桥头镇", "桥头", 114.085, 23.020),
    "441900108": ("谢岗镇", "谢岗", 114.140, 22.960),
    "441900109": ("东坑镇", "东坑", 113.940, 22.992),
    "441900112": ("樟木头镇", "樟木头", 114.065, 22.910),
    "441900114": ("黄江镇", "黄江", 113.995, 22.880),
    "441900123": ("沙田镇", "沙田", 113.590, 22.910),
    "441900124": ("道滘镇", "道滘", 113.672, 23.002),
    "441900125": ("洪梅镇", "洪梅", 113.610, 22.992),
    "441900126": ("麻涌镇", "麻涌", 113.560, 23.045),
    "441900127": ("望牛墩镇", "望牛墩", 113.652, 23.055),
    "441900128": ("中堂镇", "中堂", 113.655, 23.092),
    "441900129": ("高埗镇", "高埗", 113.735, 23.092),
}
"""Division code → name, short name and roughly where the town's centre is."""


@dataclass(frozen=True, eq=False)
class Community:
    """One community: a quadrilateral of blocks, and how many buildings it is to hold."""

    index: int
    town: str
    code: str
    name: str
    cell: tuple[int, int]
    corners: Floats
    """(4, 2) metres, counter-clockwise from the south-west."""
    blocks: tuple[int, int]
    buildings: int

    @property
    def village(self) -> str:
        """What its urban village is called."""
        return self.name.removesuffix("社区") + "村"

    def at(self, u: Floats, v: Floats) -> Floats:
        """Points of the unit square, laid into the quadrilateral; shape (…, 2), metres."""
        a, b, c, d = self.corners
        u, v = np.asarray(u)[..., None], np.asarray(v)[..., None]
        return np.asarray(
            a * (1 - u) * (1 - v) + b * u * (1 - v) + c * u * v + d * (1 - u) * v,
            dtype=np.float64,
        )

    def rng(self, subject: int, seed: int) -> np.random.Generator:
        """The chance of one subject in this community, the same for the same seed."""
        return np.random.default_rng([seed, self.index, subject])


@dataclass(frozen=True, eq=False)
class Plan:
    """What is to be made: every community, and the seed that decides the rest."""

    seed: int
    communities: tuple[Community, ...]

    @property
    def buildings(self) -> int:
        """Buildings in all communities together."""
        return sum(community.buildings for community in self.communities)

    @property
    def towns(self) -> list[str]:
        """Codes of the towns that have a community, in the order of the table."""
        present = {community.town for community in self.communities}
        return [code for code in TOWNS if code in present]


def lay_out(buildings: int, seed: int) -> Plan:
    """Plan a city of exactly that many buildings.

    >>> plan = lay_out(1500, 7)
    >>> plan.buildings, len(plan.communities), plan.towns
    (1500, 4, ['441900004'])
    """
    large = buildings > 2400
    size = (1230.0, 935.0) if large else (660.0, 480.0)
    blocks = (6, 5) if large else (4, 3)
    count = -(-buildings // 2850) if large else (1 if buildings <= 300 else 4)
    share, rest = divmod(buildings, count)
    towns = list(TOWNS)[: max(1, min(len(TOWNS), count // 4))]
    cells = _claim(towns, count, size)
    taken: dict[str, int] = {}
    communities = []
    for index, (town, cell) in enumerate(cells):
        taken[town] = taken.get(town, 0) + 1
        communities.append(
            Community(
                index=index,
                town=town,
                code=f"{town}{taken[town]:03d}",
                name=names.community(taken[town] - 1) + "社区",
                cell=cell,
                corners=_corners(cell, size, seed),
                blocks=blocks,
                buildings=share + (index < rest),
            )
        )
    return Plan(seed, tuple(communities))


def _claim(
    towns: list[str], count: int, size: tuple[float, float]
) -> list[tuple[str, tuple[int, int]]]:
    """Let the towns take turns in claiming the free lattice cell nearest to their centres."""
    reach = int(np.ceil(np.sqrt(count))) + 3
    span = np.arange(-reach, reach)
    offsets = np.stack(np.meshgrid(span, span, indexing="ij"), axis=-1).reshape(-1, 2)
    free: set[tuple[int, int]] = set()
    queues = []
    for town in towns:
        centre = to_metres(np.array(TOWNS[town][2:])) / size
        if town == towns[0]:
            centre = np.zeros(2)
        cells = np.floor(centre).astype(int) + offsets
        distance = np.hypot(*((cells + 0.5 - centre) * size).T)
        order = np.lexsort((cells[:, 1], cells[:, 0], np.round(distance, 3)))
        queues.append(iter([(int(i), int(j)) for i, j in cells[order]]))
    claimed = []
    for turn in range(count):
        which = turn % len(towns)
        cell = next(cell for cell in queues[which] if cell not in free)
        free.add(cell)
        claimed.append((towns[which], cell))
    return claimed


def _corners(cell: tuple[int, int], size: tuple[float, float], seed: int) -> Floats:
    """The four corners of a lattice cell, each shaken the same way for all who share it."""
    around = ((0, 0), (1, 0), (1, 1), (0, 1))
    return np.array([_corner(cell[0] + i, cell[1] + j, size, seed) for i, j in around])


def _corner(i: int, j: int, size: tuple[float, float], seed: int) -> Floats:
    shake = np.random.default_rng([seed, i + 10_000, j + 10_000]).uniform(-0.045, 0.045, 2)
    return np.array([i, j]) * size + shake * size


def to_metres(lonlat: Floats) -> Floats:
    """Degrees → metres from the origin; shape (…, 2)."""
    return np.asarray((lonlat - np.array(ORIGIN)) * np.array(METRES_PER_DEGREE), dtype=np.float64)


def to_degrees(metres: Floats) -> Floats:
    """Metres from the origin → longitude and latitude to 1 cm; shape (…, 2).

    >>> to_degrees(np.zeros((1, 2))).tolist()
    [[113.751, 23.0205]]
    """
    return np.asarray(
        np.round(metres / np.array(METRES_PER_DEGREE) + np.array(ORIGIN), 7), dtype=np.float64
    )


def outline(community: Community) -> shapely.Geometry:
    """The community as a polygon in degrees, with a vertex wherever two of its grids meet."""
    us, vs = _divisions(community)
    south, east = community.at(us, us * 0), community.at(vs * 0 + 1, vs)
    north, west = community.at(us, us * 0 + 1)[::-1], community.at(vs * 0, vs)[::-1]
    ring = np.concatenate([south[:-1], east[:-1], north[:-1], west[:-1]])
    return shapely.Polygon(to_degrees(ring))


def _divisions(community: Community) -> tuple[Floats, Floats]:
    """Where the grids of a community are cut, 0 to 1, across and up."""
    across, up = max(1, community.blocks[0] // 2), max(1, community.blocks[1] // 3)
    return np.linspace(0, 1, across + 1), np.linspace(0, 1, up + 1)


def grids(community: Community) -> list[shapely.Geometry]:
    """The management grids of a community, in degrees; together they are the community."""
    us, vs = _divisions(community)
    cells = []
    for (v0, v1), (u0, u1) in ((v, u) for v in pairwise(vs) for u in pairwise(us)):
        ring = community.at(np.array([u0, u1, u1, u0]), np.array([v0, v0, v1, v1]))
        cells.append(shapely.Polygon(to_degrees(ring)))
    return cells
