"""The walk network: crossings and the ways between them, two layers of one file."""

from collections.abc import Iterator

import numpy as np
import shapely

from sample_data import blocks
from sample_data.buildings import build
from sample_data.files import Columns
from sample_data.places import Community, Floats, Plan, to_degrees


def nodes(plan: Plan) -> Iterator[Columns]:
    """Crossings of the streets, ends of the village lanes."""
    for community in plan.communities:
        points, _ = _network(plan, community)
        yield {
            "node_id": _keys(community, np.arange(len(points))),
            "geometry": shapely.points(to_degrees(points)),
        }


def edges(plan: Plan) -> Iterator[Columns]:
    """Ways on foot; a village lane is closed to cars."""
    for community in plan.communities:
        points, ways = _network(plan, community)
        pairs = ways[:, :2]
        ends = points[pairs]
        yield {
            "edge_id": [f"W{community.code}{n + 1:05d}" for n in range(len(ways))],
            "from_node": _keys(community, pairs[:, 0]),
            "to_node": _keys(community, pairs[:, 1]),
            "length_m": np.round(np.hypot(*(ends[:, 1] - ends[:, 0]).T), 1),
            "modes": np.where(ways[:, 2] == 1, 1, 7),
            "barrier": np.zeros(len(ways), bool),
            "geometry": shapely.linestrings(to_degrees(ends)),
        }


def _keys(community: Community, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[str]:
    return [f"N{community.code}{n + 1:05d}" for n in numbers.tolist()]


def _network(
    plan: Plan, community: Community
) -> tuple[Floats, np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    """Points (n, 2) in metres; ways (m, 3): from, to, and whether it is a lane."""
    across, up = community.blocks
    i, j = np.meshgrid(np.arange(across + 1), np.arange(up + 1))
    points = [community.at(i.ravel() / across, j.ravel() / up)]
    number = np.arange((across + 1) * (up + 1)).reshape(up + 1, across + 1)
    east = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    north = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    ways = [np.column_stack([np.concatenate([east, north]), np.zeros(len(east) + len(north), int)])]
    count = number.size
    frames = build(plan, community).frames
    for block, kind in enumerate(frames.kind):
        if kind != "village":
            continue
        a, b = frames.half[block].tolist()
        row, column = divmod(block, across)
        west, far = int(number[row, column]), int(number[row, column + 1])
        for y in blocks.lanes(b).tolist():
            points.append(frames.place(block, np.array([[-a, y], [a, y]])))
            ways.append(np.array([[west, count, 1], [count, count + 1, 1], [count + 1, far, 1]]))
            west, far, count = count, count + 1, count + 2
    return np.concatenate(points), np.concatenate(ways)
