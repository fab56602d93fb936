"""Shells: triangles of a surface put the same way round, outward, as far as they enclose anything.

Pure: vertices of many features together, in whole steps, so that what meets is equal.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

FLAT = 1e-3
"""Share of (area)^1.5 below which a volume is none."""

ROUNDS = 64
"""How often the smallest number is handed on to neighbours; shells have some ten faces across."""

_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)
_OWN = np.uint64(0x27D4EB2F165667C5)


@dataclass(frozen=True)
class Shells:
    """What is known of the triangles once they are turned.

    `turned` says which triangles have to be read backward; `fluxes` (features, 3) are the volumes
    in cubic steps that the faces' x, y and z parts give by the divergence theorem: all the same
    where the surface is closed, or open at its foot alone; `area` its square steps.
    """

    turned: NDArray[np.bool_]
    fluxes: Floats
    area: Floats


def weld(places: NDArray[np.integer], owner: Integers) -> Integers:
    """A number for every vertex, the same for those of one feature at one place.

    >>> places = np.array([[1, 2, 3], [0, 0, 0], [1, 2, 3], [1, 2, 3]])
    >>> weld(places, np.array([0, 0, 0, 1])).tolist()
    [0, 1, 0, 2]
    """
    with np.errstate(over="ignore"):
        mixed = (places.astype(np.int64).astype(np.uint64) * _MIX).sum(axis=1, dtype=np.uint64)
        mixed ^= owner.astype(np.uint64) * _OWN
        mixed = (mixed ^ (mixed >> np.uint64(29))) * _MIX[1]
    _, first, number = np.unique(mixed, return_index=True, return_inverse=True)
    rank = np.empty(first.size, np.int64)
    rank[np.argsort(first)] = np.arange(first.size)  # in the order in which they come
    return rank[number.reshape(-1)]


def turn(points: Floats, triangles: Integers, owner: Integers, count: int) -> Shells:
    """Which of the triangles face inward, by the volume of the shell that they belong to.

    `points` (n, 3) steps about anything near, welded; `owner` the feature of each triangle, of
    `count`.  Where neighbours are put against each other, trimesh finds a way that suits all.

    >>> cube = np.array([[x, y, z] for x in (0, 9) for y in (0, 9) for z in (0, 9)], float)
    >>> quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    >>> faces = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))])
    >>> turn(cube, faces[:, ::-1], np.zeros(12, int), 1).turned.all().item()
    True
    >>> found = turn(cube, faces, np.zeros(12, int), 1)
    >>> found.turned.any().item(), found.fluxes.tolist()
    (False, [[729.0, 729.0, 729.0]])
    >>> turn(np.empty((0, 3)), np.empty((0, 3), int), np.empty(0, int), 0).turned.size
    0
    """
    turned = np.zeros(len(triangles), bool)
    if len(triangles):
        crossed = np.unique(owner[_against(triangles)])
        for feature in crossed.tolist():
            own = np.flatnonzero(owner == feature)
            turned[own] = _repaired(points, triangles[own])
        wound = np.where(turned[:, None], triangles[:, ::-1], triangles)
        shell = _shells(wound, len(points))
        volume = _volumes(points, wound, shell)
        turned ^= (volume < 0)[shell]
    wound = np.where(turned[:, None], triangles[:, ::-1], triangles)
    return Shells(turned, *_fluxes(points, wound, owner, count))


def _against(triangles: Integers) -> Integers:
    """Triangles with an edge that another one runs along in the same direction."""
    start = triangles.reshape(-1)
    end = triangles[:, [1, 2, 0]].reshape(-1)
    _, number, times = np.unique(
        start * (int(triangles.max()) + 1) + end, return_inverse=True, return_counts=True
    )
    return np.flatnonzero(times[number.reshape(-1)] > 1) // 3


def _repaired(points: Floats, triangles: Integers) -> NDArray[np.bool_]:
    """Which triangles of one feature trimesh turns so that neighbours agree."""
    import trimesh  # noqa: PLC0415 - a tenth of a second that few tiles need

    used, faces = np.unique(triangles, return_inverse=True)
    mesh = trimesh.Trimesh(points[used], faces.reshape(-1, 3), process=False)
    before = np.array(mesh.faces)
    repair: Any = trimesh.repair
    repair.fix_winding(mesh)
    same = (mesh.faces[:, None, :] == np.stack([np.roll(before, k, 1) for k in range(3)], 1)).all(2)
    return np.asarray(~same.any(axis=1), bool)


def _shells(triangles: Integers, vertices: int) -> Integers:
    """The number of the shell of each triangle: what hangs together by vertices."""
    least = np.arange(vertices)
    for _ in range(ROUNDS):
        mine = least[triangles].min(axis=1)
        spread = least.copy()
        np.minimum.at(spread, triangles.reshape(-1), np.repeat(mine, 3))
        spread = np.minimum(spread, spread[spread])
        if (spread == least).all():
            break
        least = spread
    _, number = np.unique(least[triangles[:, 0]], return_inverse=True)
    return np.asarray(number.reshape(-1), np.int64)


def _volumes(points: Floats, triangles: Integers, shell: Integers) -> Floats:
    """Signed volume of each shell about its own foot; 0 where it is none to speak of."""
    fluxes, area = _fluxes(points, triangles, shell, int(shell.max()) + 1)
    volume: Floats = fluxes.sum(axis=1) / 3
    volume[np.abs(volume) < FLAT * area * np.sqrt(area)] = 0.0
    return volume


def _fluxes(
    points: Floats, triangles: Integers, owner: Integers, count: int
) -> tuple[Floats, Floats]:
    """The volume of each owner by x, by y and by z about the middle of its foot, and its area."""
    corners = points[triangles]
    times = np.maximum(np.bincount(owner, minlength=count), 1)
    middle = np.stack(
        [np.bincount(owner, corners[:, :, k].mean(axis=1), minlength=count) / times for k in (0, 1)]
        + [_least(corners[:, :, 2].min(axis=1, initial=np.inf), owner, count)],
        axis=1,
    )
    corners = corners - middle[owner][:, None, :]
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = (
        np.stack(
            [
                a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
                a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
                a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
            ],
            axis=1,
        )
        / 2
    )
    centre = (corners[:, 0] + corners[:, 1] + corners[:, 2]) / 3
    fluxes: Floats = np.stack(
        [np.bincount(owner, centre[:, k] * across[:, k], minlength=count) for k in range(3)], axis=1
    )
    size = np.sqrt(across[:, 0] ** 2 + across[:, 1] ** 2 + across[:, 2] ** 2)
    area: Floats = np.bincount(owner, size, minlength=count).astype(np.float64)
    return fluxes, area


def _least(values: Floats, owner: Integers, count: int) -> Floats:
    found = np.full(count, np.inf)
    np.minimum.at(found, owner, values)
    return np.where(np.isfinite(found), found, 0.0)
