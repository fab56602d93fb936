"""A storey's outline divided into units: sections by entrance, rows by façade, then strips.

Three cuts of equal area, for all outlines at once, along the axes of each outline's own walls:

1. across the long axis into one section an entrance, in proportion to its units;
2. a section along the long axis into two rows, where that gives its flats the better shape and
   there are four or more of them, or the section is deep: every flat keeps a façade;
3. each row across the long axis into its units.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from cim.geometry.cuts import Flags, cut, multipolygons
from cim.geometry.frame import Floats, Frames, Integers, Shapes, along_walls, edges, plane
from cim.geometry.joining import joined

DEEP = 16.0
"""Depth in metres beyond which a row of flats from façade to façade would be absurdly long."""

CLOSE = 1e-6
"""Part of an outline's area that its units together may miss or overlap."""

FACINGS = ("E", "NE", "N", "NW", "W", "SW", "S", "SE")
"""Names of the eight directions, counter-clockwise from east."""


@dataclass(frozen=True)
class Slots:
    """The places of units, in the order of their groups and, within one, round its section."""

    owner: Integers
    """Outline each place is on; ascending."""
    group: Integers
    """Group (entrance) each place belongs to; ascending."""
    shape: Shapes
    """Multipolygon in degrees; empty where the outline could not be divided."""
    share: Floats
    """Part of the outline's area, 0 to 1; together 1 for each outline that was divided."""
    facing: Integers
    """Index into FACINGS of the outward side."""
    divided: Flags
    """For each outline: its units lie within it, do not overlap, are all there and fill it."""
    door: Floats
    """For each group: longitude and latitude on the outline where its entrance is, (n, 2)."""


def subdivide(outlines: Shapes, group_owner: Integers, group_units: Integers) -> Slots:
    """Divide outlines (polygons in degrees) among groups of units of equal area.

    `group_owner` (ascending) names the outline of each group, `group_units` ≥ 1 its units.
    An outline that cannot be divided into clean shapes is not `divided`: it has no geometry for
    its units, rather than a false one.  The same input gives the same bytes, in any company.

    >>> flat = np.array([shapely.box(120, 30, 120.0004, 30.0001)])
    >>> slots = subdivide(flat, np.array([0, 0]), np.array([2, 2]))
    >>> slots.divided.tolist(), slots.share.round(6).tolist(), slots.group.tolist()
    ([True], [0.25, 0.25, 0.25, 0.25], [0, 0, 1, 1])
    >>> [FACINGS[side] for side in slots.facing]
    ['S', 'S', 'S', 'S']
    >>> subdivide(flat[:0], np.array([], dtype=int), np.array([], dtype=int)).owner.shape
    (0,)
    """
    if not len(group_owner):
        return _nothing(len(outlines))
    frames = along_walls(outlines)
    parts = frames.enter(outlines, np.arange(len(outlines)))
    sections = cut(parts, group_owner, group_units.astype(np.float64), 0)
    rows, row_group, row_units, upper = _rows(sections, group_units)
    row = np.repeat(np.arange(len(rows)), row_units)
    pieces = cut(rows, row, np.ones(len(row)), 0)
    order = _round_order(row, row_group[row], upper[row])
    pieces, row = pieces[order], row[order]
    group = row_group[row]
    owner = group_owner[group]
    pieces = joined(_valid(multipolygons(pieces)), owner)
    shapes, share, divided = _checked(outlines, frames, pieces, owner)
    paired = np.zeros(len(group_owner), dtype=bool)
    paired[row_group[upper]] = True
    facing = _facing(outlines, frames, owner, upper[row], paired[group])
    doors = _doors(sections, frames, group_owner)
    return Slots(owner, group, shapes, share, facing, divided, doors)


def _nothing(outlines: int) -> Slots:
    none = np.empty(0, dtype=np.int64)
    shapes = np.empty(0, dtype=object)
    share, doors = np.empty(0), np.empty((0, 2))
    return Slots(none, none, shapes, share, none, np.zeros(outlines, dtype=bool), doors)


def _rows(sections: Shapes, units: Integers) -> tuple[Shapes, Integers, Integers, Flags]:
    """Sections parted into one or two rows: shapes, section, units, and which is the upper one."""
    west, south, east, north = np.nan_to_num(shapely.bounds(sections)).T
    length, depth = np.maximum(east - west, 1e-9), np.maximum(north - south, 1e-9)
    strips = _slimness(length / units, depth)
    grid = _slimness(length / np.ceil(units / 2), depth / 2)
    wanted = (units >= 4) | ((units >= 2) & (depth > DEEP))
    two = wanted & (grid < strips)
    section = np.repeat(np.arange(len(sections)), 1 + two)
    upper = np.zeros(len(section), dtype=bool)
    upper[1:] = section[1:] == section[:-1]
    half = np.where(upper, units[section] // 2, units[section] - units[section] // 2)
    row_units = np.where(two[section], half, units[section])
    shapes = cut(sections, section, row_units.astype(np.float64), 1)
    return multipolygons(shapes), section, row_units, upper


def _slimness(width: Floats, depth: Floats) -> Floats:
    return np.asarray(np.maximum(width, depth) / np.minimum(width, depth), dtype=np.float64)


def _round_order(row: Integers, group: Integers, upper: Flags) -> Integers:
    """Lower row eastwards, upper row back westwards: numbers run round the section."""
    place = np.arange(len(row))
    return np.lexsort((np.where(upper, -place, place), row, group))


def _valid(pieces: Shapes) -> Shapes:
    """Pieces whose ring touches itself, as after a cut through a corner, as several parts."""
    bad = ~shapely.is_valid(pieces)
    if bad.any():
        pieces = pieces.copy()
        pieces[bad] = multipolygons(shapely.make_valid(pieces[bad]))
    return pieces


def _checked(
    outlines: Shapes, frames: Frames, pieces: Shapes, owner: Integers
) -> tuple[Shapes, Floats, Flags]:
    """Pieces in degrees, their shares of the area, and which outlines came out whole."""
    count = len(outlines)
    area = shapely.area(pieces)
    whole = np.bincount(owner, area, count)
    shapes = _valid(frames.leave(pieces, owner))
    scale = np.linalg.det(frames.matrix)
    expected = shapely.area(outlines) * np.abs(scale)
    equal = np.abs(whole - expected) <= CLOSE * np.maximum(expected, 1e-12)
    bad = ~shapely.is_valid(shapes)
    bad |= area <= 0
    faulty = np.bincount(owner[bad], minlength=count) > 0
    divided = equal & ~faulty & (np.bincount(owner, minlength=count) > 0)
    share = np.divide(area, whole[owner], out=np.zeros(len(area)), where=whole[owner] > 0)
    shapes[~divided[owner]] = shapely.MultiPolygon()
    return shapes, np.where(divided[owner], share, 0.0), divided


def _facing(
    outlines: Shapes, frames: Frames, owner: Integers, upper: Flags, paired: Flags
) -> Integers:
    """Outward side: away from the other row; for a flat with both façades, the sunny one."""
    metres = np.diagonal(plane(outlines).matrix, axis1=1, axis2=2)
    away = frames.matrix[:, 1, :] / metres  # the second axis, as east and north
    away = away[owner]
    sunny = np.where(away[:, 1] > 0, -1.0, 1.0)
    sign = np.where(paired, np.where(upper, 1.0, -1.0), sunny)
    angle = np.arctan2(away[:, 1] * sign, away[:, 0] * sign)
    return (np.round(angle / (np.pi / 4)).astype(np.int64)) % 8


def _doors(sections: Shapes, frames: Frames, owner: Integers) -> Floats:
    """Points on the far side of each section, at its middle: lifts and stairs stand north."""
    bounds = shapely.bounds(sections)
    middle = (bounds[:, 0] + bounds[:, 2]) / 2
    walls = edges(sections)
    at = middle[walls.owner]
    run = walls.end[:, 0] - walls.start[:, 0]
    met = (np.minimum(walls.start[:, 0], walls.end[:, 0]) <= at) & (
        at <= np.maximum(walls.start[:, 0], walls.end[:, 0])
    )
    part = np.divide(at - walls.start[:, 0], run, out=np.zeros(len(run)), where=run != 0)
    across = walls.start[:, 1] + part * (walls.end[:, 1] - walls.start[:, 1])
    far = np.full(len(sections), -np.inf)
    np.maximum.at(far, walls.owner[met], across[met])
    points = np.column_stack([middle, far])
    inverse = np.linalg.inv(frames.matrix)[owner]
    found = np.isfinite(points).all(axis=1)
    points[~found] = 0.0
    degrees = np.einsum("nij,nj->ni", inverse, points) + frames.origin[owner]
    degrees[~found] = np.nan
    return np.asarray(degrees, dtype=np.float64)
