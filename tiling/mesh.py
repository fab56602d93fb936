"""Prisms: outlines raised between two heights, as one mesh of flat-shaded triangles."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from cim.crs.ecef import REACH, Frame
from tiling.rings import (
    Rings,
    parse,
    select,
    signed_areas,
    tidy,
    triangle_areas,
    triangulate,
)

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ROOF_TOLERANCE = 0.01
"""Share of its area by which a triangulated roof may be wrong before the feature is left out."""


class Reason(IntEnum):
    """Why a feature has no mesh."""

    FINE = 0
    NO_OUTLINE = 1
    NO_ELEVATION = 2
    NO_HEIGHT = 3
    NO_AREA = 4
    NO_ROOF = 5
    TOO_WIDE = 6


REASONS: dict[Reason, tuple[str, str]] = {
    Reason.NO_OUTLINE: ("it has no outline", "没有轮廓"),
    Reason.NO_ELEVATION: ("its elevation is not known", "缺少高程"),
    Reason.NO_HEIGHT: ("its top is not above its bottom", "顶部不高于底部"),
    Reason.NO_AREA: ("its outline has no area", "轮廓面积为零"),
    Reason.NO_ROOF: ("its outline crosses itself", "轮廓自相交"),
    Reason.TOO_WIDE: ("its outline reaches across hundreds of kilometres", "轮廓跨越数百千米"),
}
"""The sentences of each reason, in English and in Chinese."""


@dataclass(frozen=True)
class Mesh:
    """Triangles in a frame's metres (east, north, up).

    `positions` (n, 3) float64 and `normals` (n, 3) float32 a vertex, `features` (n,) the feature
    that it belongs to, counted among those that have a mesh; `triangles` (m, 3) counter-clockwise
    from outside.
    """

    positions: Floats
    normals: NDArray[np.float32]
    features: Integers
    triangles: Integers


@dataclass(frozen=True)
class Prisms:
    """The mesh, which features are in it, and the region they fill.

    `reasons` has a Reason for every feature that came in, FINE for those in the mesh; `region` is
    west, south, east, north in degrees, then lowest and highest ellipsoidal metres.
    """

    mesh: Mesh
    reasons: Integers
    region: tuple[float, float, float, float, float, float]


def prisms(
    outlines: Sequence[bytes | None],
    bottom: Floats,
    top: Floats,
    frame: Frame,
    *,
    closed: bool,
) -> Prisms:
    """Raise each outline from `bottom` to `top`, ellipsoidal metres, into one mesh.

    `outlines` are WKB polygons or multipolygons in degrees.  Walls stand along the ellipsoid's
    normal.  `closed` adds undersides.  A feature that has no solid is left out with its reason.

    >>> import shapely
    >>> square = shapely.to_wkb(shapely.box(113.75, 23.0, 113.7501, 23.0001))
    >>> frame = Frame(113.75, 23.0)
    >>> made = prisms([square, None], np.zeros(2), np.full(2, 9.0), frame, closed=True)
    >>> len(made.mesh.positions), len(made.mesh.triangles), made.reasons.tolist()
    (24, 12, [0, 1])
    >>> prisms([], np.zeros(0), np.zeros(0), Frame(0, 0), closed=True).mesh.triangles.shape
    (0, 3)
    """
    shape = parse(outlines)
    reasons = _first_reasons(shape, bottom, top)
    shape = _within_reach(shape, frame, reasons)
    plan, _ = frame.place(shape.points[:, 0], shape.points[:, 1])
    shape, corners = tidy(plan[:, :2], shape)
    plan = plan[corners, :2]
    triangles, polygon = triangulate(plan, shape)
    _second_reasons(reasons, shape, plan, triangles, polygon)
    shape, triangles = _only_sound(shape, triangles, polygon, reasons == Reason.FINE)
    number = np.cumsum(reasons == Reason.FINE) - 1
    mesh = extrude(shape, triangles, (bottom, top), frame, closed=closed)
    mesh = Mesh(mesh.positions, mesh.normals, number[mesh.features], mesh.triangles)
    fine = reasons == Reason.FINE
    return Prisms(mesh, reasons, _region(shape.points, bottom[fine], top[fine]))


def extrude(
    shape: Rings, caps: Integers, heights: tuple[Floats, Floats], frame: Frame, *, closed: bool
) -> Mesh:
    """Walls and roofs, and undersides where `closed`, of tidy rings with their cap triangles.

    `heights` are ellipsoidal bottoms and tops by feature.  Walls come first, then roofs, then
    undersides; each face has vertices of its own, so that normals are flat.
    """
    ground, up = frame.place(shape.points[:, 0], shape.points[:, 1])
    owner = shape.owner_of_corner
    low = ground + heights[0][owner, None] * up
    high = ground + heights[1][owner, None] * up
    following = shape.next_corner
    count = len(low)
    walls = np.stack([low, low[following], high[following], high], axis=1).reshape(-1, 3)
    quads = (np.arange(count) * 4)[:, None] + np.array([0, 1, 2, 0, 2, 3])
    positions, normals = [walls, high], [np.repeat(_outward(low, following, up), 4, axis=0), up]
    features = [np.repeat(owner, 4), owner]
    triangles = [quads.reshape(-1, 3), caps + 4 * count]
    if closed:
        positions, normals = [*positions, low], [*normals, -up]
        features = [*features, owner]
        triangles = [*triangles, caps[:, ::-1] + 5 * count]
    return Mesh(
        np.concatenate(positions),
        np.concatenate(normals).astype(np.float32),
        np.concatenate(features),
        np.concatenate(triangles),
    )


def _outward(low: Floats, following: Integers, up: Floats) -> Floats:
    """Unit normals of the walls: to the right of each edge, level with the ground."""
    edge = low[following] - low
    normal = np.stack(
        [
            edge[:, 1] * up[:, 2] - edge[:, 2] * up[:, 1],
            edge[:, 2] * up[:, 0] - edge[:, 0] * up[:, 2],
            edge[:, 0] * up[:, 1] - edge[:, 1] * up[:, 0],
        ],
        axis=-1,
    )
    length = np.sqrt(normal[:, 0] ** 2 + normal[:, 1] ** 2 + normal[:, 2] ** 2)
    return normal / length[:, None]


def _first_reasons(shape: Rings, bottom: Floats, top: Floats) -> Integers:
    """What the rows alone tell against a feature."""
    reasons = np.full(bottom.size, Reason.FINE, np.int64)
    reasons[~(top > bottom)] = Reason.NO_HEIGHT
    reasons[~(np.isfinite(bottom) & np.isfinite(top))] = Reason.NO_ELEVATION
    outlined = np.zeros(bottom.size, bool)
    outlined[shape.owner] = True
    reasons[~outlined] = Reason.NO_OUTLINE
    return reasons


def _second_reasons(
    reasons: Integers, shape: Rings, plan: Floats, triangles: Integers, polygon: Integers
) -> None:
    """Mark the features without area, and those whose roof does not cover their outline."""
    features = reasons.size
    outlined = np.zeros(features, bool)
    outlined[shape.owner] = True
    reasons[~outlined & (reasons == Reason.FINE)] = Reason.NO_AREA
    ring_owner = shape.owner[shape.polygon_of_ring]
    true = np.bincount(ring_owner, signed_areas(plan, shape), minlength=features)
    covered = np.bincount(shape.owner[polygon], triangle_areas(plan, triangles), minlength=features)
    wrong = np.abs(covered - true) > ROOF_TOLERANCE * np.abs(true)
    reasons[wrong & (reasons == Reason.FINE)] = Reason.NO_ROOF


def _within_reach(shape: Rings, frame: Frame, reasons: Integers) -> Rings:
    """The rings without the features that the frame cannot place, which are marked."""
    reach = np.degrees(REACH) * 0.99
    off = np.abs(shape.points - [frame.longitude, frame.latitude]).max(axis=1) > reach
    wide = np.zeros(reasons.size, bool)
    wide[shape.owner_of_corner[off]] = True
    reasons[wide & (reasons == Reason.FINE)] = Reason.TOO_WIDE
    return select(shape, ~wide[shape.owner])[0] if wide.any() else shape


def _only_sound(
    shape: Rings, triangles: Integers, polygon: Integers, fine: NDArray[np.bool_]
) -> tuple[Rings, Integers]:
    """The rings and triangles of the features that are fine."""
    kept = fine[shape.owner]
    if kept.all():
        return shape, triangles
    left, number = select(shape, kept)
    return left, number[triangles[kept[polygon]]]


def _region(
    points: Floats, bottom: Floats, top: Floats
) -> tuple[float, float, float, float, float, float]:
    if not len(points):
        return (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    low, high = bottom.min(), top.max()
    return float(west), float(south), float(east), float(north), float(low), float(high)
