"""Scattered units drawn together: a strip across a U takes in both arms, and no flat is two rooms.

The largest part of a unit stays; every other part goes to the neighbour with which it shares the
longest wall.  Areas are then less equal, and every unit is in one piece where its outline is.
"""

from typing import Any

import numpy as np
import shapely

from cim.geometry.cuts import multipolygons
from cim.geometry.frame import Integers, Shapes

SHORTEST = 1e-6
"""Metres of common wall below which two parts only touch."""


def joined(pieces: Shapes, owner: Integers) -> Shapes:
    """Pieces (multipolygons in metres, `owner` ascending) with stray parts given to neighbours.

    Parts without a neighbour stay where they are: a building of two blocks may have such a unit.

    >>> u = shapely.from_wkt("MULTIPOLYGON (((0 0,1 0,1 1,0 1,0 0)), ((0 3,1 3,1 4.5,0 4.5,0 3)))")
    >>> arm = shapely.from_wkt("MULTIPOLYGON (((1 0,2 0,2 4,1 4,1 0)))")
    >>> both = joined(np.array([u, arm]), np.array([0, 0]))
    >>> [int(number) for number in shapely.get_num_geometries(both)], shapely.area(both).tolist()
    ([1, 1], [1.5, 5.0])
    >>> joined(np.array([], dtype=object), np.array([], dtype=int)).shape
    (0,)
    """
    result = np.array(pieces, dtype=object)
    scattered = shapely.get_num_geometries(result) > 1
    for plan in np.unique(owner[scattered]).tolist():
        first, last = np.searchsorted(owner, [plan, plan + 1])
        result[first:last] = _joined_plan(result[first:last])
    return result


def _joined_plan(pieces: Shapes) -> Shapes:
    parts, unit = shapely.get_parts(pieces, return_index=True)
    area = shapely.area(parts)
    order = np.lexsort((-area, unit))
    main = order[np.append(True, unit[order][1:] != unit[order][:-1])]
    stray = np.setdiff1d(np.arange(len(parts)), main)
    homes = {int(unit[part]): [parts[part]] for part in main}
    waiting = stray[np.argsort(-area[stray], kind="stable")].tolist()
    while waiting:  # a part may touch only parts that have yet to find their home
        left = [part for part in waiting if not _housed(parts[part], homes)]
        if len(left) == len(waiting):
            break
        waiting = left
    for part in waiting:
        homes[int(unit[part])].append(parts[part])
    grown = [_one(homes.get(number, [])) for number in range(len(pieces))]
    return multipolygons(np.array(grown, dtype=object))


def _housed(part: Any, homes: dict[int, list[Any]]) -> bool:
    """Give the part to the unit with the longest common wall, if there is one."""
    units = [number for number, shapes in homes.items() for _ in shapes]
    shapes = np.array([shape for found in homes.values() for shape in found], dtype=object)
    shared = shapely.length(shapely.intersection(shapely.boundary(shapes), shapely.boundary(part)))
    length = np.bincount(units, shared)
    best = int(np.argmax(length))
    if length[best] <= SHORTEST:
        return False
    homes[best].append(part)
    return True


def _one(shapes: list[Any]) -> Any:
    return shapes[0] if len(shapes) == 1 else shapely.union_all(shapes)
