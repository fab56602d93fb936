"""Geometry that may come in: mended where it can be, refused with a reason where not.

Kernels over arrays of shapely geometries, in degrees; no I/O, no state.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

Geometries = NDArray[np.object_]
"""Shapely geometries or None, shape (n,)."""

Reasons = NDArray[np.object_]
"""A reason's code or None, shape (n,)."""

TOLERATED = 0.01
"""Largest share of its area that mending may change."""

TANGLE, SIMPLE, PAIRS = 20_000, 300, 1_000_000
"""Crossings of an outline with itself that are not unravelled, as that takes minutes; points of
outlines that are not looked at for them; and pairs of edges that are looked at."""

DIMENSION = {"point": 0, "line": 1, "polygon": 2}
"""What a kind of geometry is to GEOS."""


@dataclass(frozen=True)
class Mended:
    """What came of `mend`, row by row: the geometry (None where refused), why, and if touched."""

    geometry: Geometries
    reason: Reasons
    repaired: NDArray[np.bool_]


def parse(wkb: NDArray[np.object_]) -> Mended:
    """Geometries from WKB, in two dimensions; unclosed rings are closed and count as repaired.

    Reasons: `no_geometry` (nothing, or empty), `broken_geometry` (not WKB, or not finite).

    >>> parse(np.array([shapely.Point(1, 2).wkb, None, b"?"], dtype=object)).reason.tolist()
    [None, 'no_geometry', 'broken_geometry']
    >>> parse(np.array([], dtype=object)).geometry.size
    0
    """
    found = _read(wkb)
    given = np.array([item is not None for item in wkb], bool)
    lost = given & shapely.is_missing(found)
    if lost.any():
        found[lost] = [_fixed(item) for item in wkb[lost]]
    repaired = lost & ~shapely.is_missing(found)
    reason = np.full(len(wkb), None, dtype=object)
    reason[lost & ~repaired] = "broken_geometry"
    reason[~given | (given & shapely.is_empty(found))] = "no_geometry"
    points, row = shapely.get_coordinates(found, return_index=True)
    reason[row[~np.isfinite(points).all(axis=1)]] = "broken_geometry"
    refused = np.array([item is not None for item in reason], bool)
    deep = shapely.has_z(found).any() or shapely.has_m(found).any()
    flat: Geometries = shapely.force_2d(found) if deep else found
    flat[refused] = None
    return Mended(flat, reason, repaired & ~refused)


def _read(wkb: NDArray[np.object_]) -> Geometries:
    """Geometries where they can be read; arcs, which GEOS does not know, are none."""
    with np.errstate(invalid="ignore"):  # coordinates that are no numbers are told later
        try:
            found: Geometries = shapely.from_wkb(wkb, on_invalid="ignore")
        except NotImplementedError:
            found = np.array([_straight(item) for item in wkb], dtype=object)
    return found


def _straight(item: object) -> shapely.Geometry | None:
    try:
        return shapely.from_wkb(item, on_invalid="ignore")
    except NotImplementedError:
        return None


def _fixed(wkb: object) -> shapely.Geometry | None:
    """The geometry with its rings closed, where that is all that was wrong."""
    try:
        with np.errstate(invalid="ignore"):
            return shapely.from_wkb(wkb, on_invalid="fix")
    except (shapely.errors.GEOSException, NotImplementedError, TypeError, ValueError):
        return None


def mend(geometry: Geometries, kind: str) -> Mended:
    """Valid geometries of one kind (`point`, `line` or `polygon`), multi where there are parts.

    Polygons and lines come out as multi-geometries, outer rings counter-clockwise, without
    repeated points.  An invalid polygon is made valid by its structure (shells joined, holes cut);
    it is refused where that changes its area by more than TOLERATED.

    Reasons: `wrong_geometry` (another kind), `invalid_geometry` (beyond repair).

    >>> bow_tie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    >>> square = shapely.box(0, 0, 1, 1)
    >>> mended = mend(np.array([square, bow_tie, shapely.Point(0, 0), None]), "polygon")
    >>> mended.reason.tolist()
    [None, 'invalid_geometry', 'wrong_geometry', None]
    >>> mended.geometry[0].geom_type
    'MultiPolygon'
    >>> mend(np.array([], dtype=object), "polygon").geometry.size
    0
    """
    out = geometry.copy()
    here = ~shapely.is_missing(geometry)
    reason = np.full(len(geometry), None, dtype=object)
    kinds = shapely.get_type_id(geometry)
    repaired = np.zeros(len(out), bool)
    mixed = np.flatnonzero(here & ((kinds == 7) | _hollow(geometry, kinds)))
    for place in mixed:
        out[place], repaired[place] = _only(geometry[place], kind)
    wrong = here & (shapely.get_dimensions(out) != DIMENSION[kind])
    reason[wrong] = "wrong_geometry"
    out[wrong] = None
    repaired[wrong] = False
    if kind == "polygon":
        broken = ~shapely.is_missing(out) & ~shapely.is_valid(out)
        if broken.any():
            fixed, fine = _repair(out[broken])
            fixed[~fine] = None
            out[broken] = fixed
            repaired[broken] = fine
            reason[np.flatnonzero(broken)[~fine]] = "invalid_geometry"
        twice = _repeating(out)
        out[twice] = shapely.remove_repeated_points(out[twice])
        out = shapely.orient_polygons(out)
    return Mended(_multi(out, kind), reason, repaired)


def _repeating(geometry: Geometries) -> NDArray[np.intp]:
    """Places of geometries in which a point follows itself."""
    points, row = shapely.get_coordinates(geometry, return_index=True)
    same = (points[1:] == points[:-1]).all(axis=1) & (row[1:] == row[:-1])
    return np.unique(row[1:][same])


def _hollow(geometry: Geometries, kinds: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Which have parts of which some are empty."""
    several = np.flatnonzero((kinds >= 4) & (kinds <= 6))
    several = several[shapely.get_num_geometries(geometry[several]) > 1]
    parts, row = shapely.get_parts(geometry[several], return_index=True)
    hollow = np.zeros(len(geometry), bool)
    hollow[several[row[shapely.is_empty(parts)]]] = True
    return hollow


def _repair(broken: Geometries) -> tuple[Geometries, NDArray[np.bool_]]:
    """Made valid, and whether the area stayed what it was."""
    before = shapely.area(broken)
    many = np.flatnonzero(shapely.get_num_coordinates(broken) > SIMPLE)
    broken = broken.copy()
    broken[[place for place in many if _tangled(broken[place])]] = shapely.Polygon()
    fixed = shapely.make_valid(broken, method="structure", keep_collapsed=False)
    fixed = np.array([_only(item, "polygon")[0] for item in fixed], dtype=object)
    after = np.nan_to_num(shapely.area(fixed))
    fine = (after > 0) & (np.abs(after - before) <= TOLERATED * np.maximum(before, after))
    return fixed, fine & shapely.is_valid(fixed)


def _tangled(item: shapely.Geometry) -> bool:
    """Whether an outline crosses itself too often to be mended, judged by some of its edges."""
    points, ring = shapely.get_coordinates(
        shapely.get_rings(shapely.get_parts(item)), return_index=True
    )
    on = ring[1:] == ring[:-1]
    edges = shapely.linestrings(np.stack((points[:-1][on], points[1:][on]), axis=1))
    some = edges[:: max(1, len(edges) ** 2 // PAIRS)]
    crossings = shapely.STRtree(edges).query(some, predicate="crosses").shape[1]
    return bool(crossings * len(edges) / len(some) / 2 > TANGLE)


def _only(item: shapely.Geometry, kind: str) -> tuple[shapely.Geometry | None, bool]:
    """The parts of one dimension together, and whether others were left out.

    The item itself where it has none of that dimension.
    """
    parts = shapely.get_parts(item)
    while (shapely.get_type_id(parts) >= 4).any():
        parts = shapely.get_parts(parts)
    parts = parts[~shapely.is_empty(parts)]
    fitting = parts[shapely.get_dimensions(parts) == DIMENSION[kind]]
    if not fitting.size:
        return item, False
    make = {
        "point": shapely.multipoints,
        "line": shapely.multilinestrings,
        "polygon": shapely.multipolygons,
    }[kind]
    return make(fitting), len(fitting) < len(parts)


def _multi(geometry: Geometries, kind: str) -> Geometries:
    """Single parts as multi-geometries; points stay single where they are."""
    if kind == "point":
        several = shapely.get_type_id(geometry) == 4
        return np.where(several, shapely.centroid(geometry), geometry)
    single, make = {"polygon": (3, shapely.multipolygons), "line": (1, shapely.multilinestrings)}[
        kind
    ]
    out = geometry.copy()
    alone = np.flatnonzero(shapely.get_type_id(geometry) == single)
    if alone.size:
        out[alone] = make(geometry[alone], indices=np.arange(alone.size))
    return out
