"""What a tile of terrain must keep to: rules that each give what is wrong, in two languages.

Of ours more is asked than the format does: shared places are told alike, to the last bit.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cim.crs import ecef
from tiling.terrain.plan import SIDE, Key
from tiling.terrain.quantized import MOST, NEVER_HIDDEN, Floats, Whole, horizon_point, oct_decoded
from tiling.terrain.reading import Tile

Findings = Iterator[tuple[str, str]]

NEAR = 0.01
"""Metres by which what bounds a tile may miss it."""

LOWEST, HIGHEST = -12_000.0, 10_000.0
"""Metres above the ellipsoid between which ground is, with what a geoid adds."""

SKIRT = 5 * 77_067.0
"""Metres on level 0, halved from level to level, that CesiumJS draws below a tile's border."""

WEST, SOUTH, EAST, NORTH = range(4)
SIDES = ("west", "south", "east", "north"), ("西", "南", "东", "北")


def heights(tile: Tile) -> Findings:
    """The header's heights are finite, in order, on Earth, and those of the vertices."""
    if not (np.isfinite([tile.least, tile.most]).all() and tile.least <= tile.most):
        yield "least and most height are in no order", "最低与最高高程颠倒或无效"
        return
    if tile.least < LOWEST or tile.most > HIGHEST:
        yield f"no ground lies at {tile.least:g} to {tile.most:g} m", "高程超出地球表面范围"
    for values in (tile.across, tile.up, tile.step):
        if values.size and (values.min() < 0 or values.max() > MOST):
            yield "a vertex lies outside the tile's steps", "顶点超出量化范围"
            return
    if tile.step.size and tile.step.min() != 0:
        yield "no vertex is as low as the header says", "没有顶点达到头部的最低高程"


def sphere(tile: Tile) -> Findings:
    """The bounding sphere holds every vertex, and little else; the centre is the tile's."""
    if not np.isfinite([*tile.centre, *tile.sphere, tile.radius, *tile.hidden]).all():
        yield "the header is not finite", "头部数值无效"
        return
    points = tile.points
    far = np.sqrt(((points - tile.sphere) ** 2).sum(axis=1)).max()
    if far > tile.radius + NEAR:
        yield f"a vertex lies {far - tile.radius:.2f} m outside the sphere", "顶点位于包围球之外"
    size = np.sqrt(((points.max(axis=0) - points.min(axis=0)) ** 2).sum())
    if tile.radius > 2 * size + 10:
        yield f"a sphere of {tile.radius:,.0f} m for {size:,.0f} m", "包围球过大"
    if np.sqrt(((tile.centre - tile.sphere) ** 2).sum()) > tile.radius + NEAR:
        yield "the centre is not the tile's", "中心不在瓦片内"


def horizon(tile: Tile) -> Findings:
    """Where the point of horizon culling is hidden, so is the whole tile."""
    if not np.isfinite(tile.hidden).all():
        return  # said by `sphere`
    radii = np.array([ecef.SEMI_MAJOR] * 2 + [ecef.SEMI_MAJOR * (1 - ecef.FLATTENING)])
    centre = tile.sphere / radii
    ray, told = centre / np.sqrt((centre**2).sum()), np.sqrt((tile.hidden**2).sum())
    if told < 1 or (tile.hidden / told) @ ray < 0.99:
        yield "the point of the horizon lies elsewhere", "地平线遮挡点位置错误"
        return
    needed = np.sqrt((horizon_point(tile.hidden * radii, tile.points) ** 2).sum())
    if told < min(needed, NEVER_HIDDEN) * (1 - 1e-6):
        yield "the horizon hides it too early", "地平线遮挡点过低，瓦片会过早消失"


def triangles(tile: Tile) -> Findings:
    """Triangles name vertices that there are, look up, and cover the tile once."""
    named = tile.triangles
    if not named.size or not tile.across.size:
        yield "no triangle", "没有三角形"
        return
    if named.max() >= tile.across.size:
        yield "an index is beyond the vertices", "索引超出顶点数"
        return
    if np.unique(named).size != tile.across.size:
        yield "a vertex is in no triangle", "有顶点不属于任何三角形"
    x, y = tile.across[named], tile.up[named]
    twice = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    if (twice < 0).any():
        yield "a triangle looks down", "三角形朝下"
    elif (twice == 0).any():
        yield "a triangle without area", "三角形面积为零"
    elif twice.sum() != 2 * MOST**2:
        yield "the triangles do not cover the tile once", "三角形未恰好覆盖瓦片一次"


def edges(tile: Tile) -> Findings:
    """Each border names all of its vertices and no other, corners on two of them."""
    where = (tile.across == 0, tile.up == 0, tile.across == MOST, tile.up == MOST)
    for side, (listed, lies) in enumerate(zip(tile.edges, where, strict=True)):
        en, zh = SIDES[0][side], SIDES[1][side]
        if listed.size and listed.max() >= lies.size:
            yield f"the {en} edge names a vertex that is not there", f"{zh}边索引超出顶点数"
        elif not lies[listed].all():
            yield f"a vertex of the {en} edge does not lie on it", f"{zh}边的顶点不在边上"
        elif not np.array_equal(np.sort(listed), np.flatnonzero(lies)):
            yield f"the {en} edge lacks a vertex, or has it twice", f"{zh}边缺少顶点或重复"
    if not all((where[a] & where[b]).any() for a in (WEST, EAST) for b in (SOUTH, NORTH)):
        yield "a corner has no vertex", "角点缺失"


def normals(tile: Tile) -> Findings:
    """Normals are as many as the vertices, of length 1, and look out of the Earth."""
    told = tile.normals
    if told is None:
        return
    found = oct_decoded(told)
    if np.abs(np.sqrt((found**2).sum(axis=1)) - 1).max(initial=0.0) > 1e-6:
        yield "a normal is not of length 1", "法线长度不为 1"
    flattened = np.array([1.0, 1.0, 1 / (1 - ecef.FLATTENING) ** 2])
    up = tile.points * flattened
    if ((found * up).sum(axis=1) <= 0).any():
        yield "a normal looks into the Earth", "法线指向地下"


RULES: tuple[tuple[str, Callable[[Tile], Findings]], ...] = (
    ("heights", heights), ("sphere", sphere), ("horizon", horizon), ("triangles", triangles),
    ("edges", edges), ("normals", normals),
)  # fmt: skip
"""What is asked of each tile alone, by the name of the rule."""


def border(tile: Tile, side: int) -> tuple[Whole, Floats, Any]:
    """Along a side: how far each vertex is, its height, its normal; in order."""
    along, fixed = (tile.up, tile.across) if side in (WEST, EAST) else (tile.across, tile.up)
    on = np.flatnonzero(fixed == (0 if side in (WEST, SOUTH) else MOST))
    on = on[np.argsort(along[on], kind="stable")]
    told = tile.normals
    return along[on], tile.heights[on], None if told is None else told[on]


def meet(tile: Tile, other: Tile, side: int, *, ours: bool) -> Findings:
    """Two tiles side by side share their border: `other` lies on that side of `tile`."""
    (here, high, normal), (there, low, its) = border(tile, side), border(other, (side + 2) % 4)
    name = "{}/{}/{}".format(*other.key)
    if not (here.size and there.size):
        return
    if ours and not (np.array_equal(here, there) and np.array_equal(high, low)):
        yield f"its border with {name} is open", f"与 {name} 的边界不闭合"
    elif ours and not np.array_equal(normal, its):
        yield f"its normals along {name} differ", f"与 {name} 边界的法线不一致"
    if ours:
        return
    both = np.union1d(here, there)
    gap = np.abs(np.interp(both, here, high) - np.interp(both, there, low)).max()
    if gap > SKIRT / 2 ** tile.key[0]:
        yield f"its border with {name} gapes by {gap:.1f} m", f"与 {name} 的边界相差 {gap:.1f} 米"


def nodes(tile: Tile) -> tuple[Whole, Whole]:
    """Column and row of each vertex on the lattice that tiles of ours stand on."""
    column, row = (
        np.rint(values * (SIDE / MOST)).astype(np.int64) for values in (tile.across, tile.up)
    )
    return column, row


def lattice(tile: Tile) -> Findings:
    """Of ours: vertices stand on the lattice, and the border has every node."""
    column, row = nodes(tile)
    exact = (np.rint(column * (MOST / SIDE)), np.rint(row * (MOST / SIDE)))
    if not (np.array_equal(exact[0], tile.across) and np.array_equal(exact[1], tile.up)):
        yield "a vertex is off the lattice", "顶点不在格网上"
    if any(border(tile, side)[0].size != SIDE + 1 for side in range(4)):
        yield "its border lacks a node", "边界缺少格网点"


def descends(tile: Tile, above: Tile) -> Findings:
    """Of ours: where a tile and the one above both have a node, it is at the same height."""
    (column, row), (wide, high) = nodes(tile), nodes(above)
    right, up = tile.key[1] % 2, tile.key[2] % 2
    whole = (column % 2 == 0) & (row % 2 == 0)
    mine = (row[whole] // 2 + up * SIDE // 2) * (SIDE + 1) + column[whole] // 2 + right * SIDE // 2
    _, here, there = np.intersect1d(mine, high * (SIDE + 1) + wide, return_indices=True)
    if not np.array_equal(tile.heights[whole][here], above.heights[there]):
        yield "it is higher or lower than the tile above at one place", "与上级瓦片同一位置高程不同"


def covered(tile: Tile, above: Tile, side: int) -> Findings:
    """Where the tile on that side is missing, the tile above shows: near enough for a skirt."""
    along, high, _ = border(tile, side)
    right, up = tile.key[1] % 2, tile.key[2] % 2
    across = along if side in (SOUTH, NORTH) else np.full(along.size, MOST if side == EAST else 0)
    north = along if side in (WEST, EAST) else np.full(along.size, MOST if side == NORTH else 0)
    shown = surface(above, (across + right * MOST) / 2, (north + up * MOST) / 2)
    gap = np.abs(shown - high).max(initial=0.0)
    if gap > SKIRT / 2 ** tile.key[0]:
        yield f"a gap of {gap:.1f} m to the tile above shows", f"与上级瓦片的接缝相差 {gap:.1f} 米"


def surface(tile: Tile, across: Floats, up: Floats) -> Floats:
    """Heights of a tile's triangles at places in steps of MOST; NaN where none is."""
    x, y = (values[tile.triangles].astype(float) for values in (tile.across, tile.up))
    near = (x.min(axis=1) <= across.max()) & (x.max(axis=1) >= across.min())
    near &= (y.min(axis=1) <= up.max()) & (y.max(axis=1) >= up.min())
    x, y, corners = x[near], y[near], tile.heights[tile.triangles[near]]
    size = (x[:, 1] - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (y[:, 1] - y[:, 0])
    size = np.where(size == 0, np.nan, size)
    found = np.full(across.shape, np.nan)
    for place, (east, north) in enumerate(zip(across.tolist(), up.tolist(), strict=True)):
        second = (
            (east - x[:, 0]) * (y[:, 2] - y[:, 0]) - (x[:, 2] - x[:, 0]) * (north - y[:, 0])
        ) / size
        third = (
            (x[:, 1] - x[:, 0]) * (north - y[:, 0]) - (east - x[:, 0]) * (y[:, 1] - y[:, 0])
        ) / size
        share = np.stack([1 - second - third, second, third], axis=1)
        within = np.flatnonzero((share >= -1e-9).all(axis=1))
        if within.size:
            found[place] = share[within[0]] @ corners[within[0]]
    return found


def sibling(key: Key, side: int) -> Key:
    """The tile on a side; beyond the antimeridian there is none."""
    east, north = ((-1, 0), (0, -1), (1, 0), (0, 1))[side]
    return key[0], key[1] + east, key[2] + north
