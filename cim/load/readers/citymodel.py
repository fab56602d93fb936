"""A building of a city model: its surfaces by level of detail, the outline under them, its heights.

Works on one building at a time, out of the objects of CityJSON; no I/O.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import orjson
import shapely
from numpy.typing import NDArray

BUILDING, PART, STOREY = "Building", "BuildingPart", "BuildingStorey"
UNIT, ROOM = "BuildingUnit", "BuildingRoom"
DRAWN = (BUILDING, PART, "BuildingInstallation")
"""Types whose surfaces are drawn."""

INSIDE = (STOREY, UNIT, ROOM)
"""Types of what a building has inside: see `cim.load.interiors`."""

STOREYS = "storeysAboveGround"
"""The attribute of CityGML that says how many; where it is not there the storeys are counted."""

HIGHEST = 3.0
"""Levels of detail below this are shown; LoD3 has windows, which are many triangles."""

_DEPTH = {
    "MultiSurface": 0,
    "CompositeSurface": 0,
    "Solid": 1,
    "MultiSolid": 2,
    "CompositeSolid": 2,
}
"""Types of geometry, and how deep their surfaces lie."""

_GROUND = ("GroundSurface", "OuterFloorSurface")
_SMALLEST = 1e-6
"""Share of a square grid step below which a surface seen from above is a line."""

_SLIVER = 30
"""Grid steps along the side of what lies between surfaces that nearly meet."""

Points = NDArray[np.float64]


class Unsound(ValueError):
    """The geometry of a building is not what its type says."""


@dataclass(frozen=True)
class Model:
    """What the buildings of a file share: vertices (n, 3), and the templates with theirs.

    `already` says that the vertices were not counted from where the file says.
    """

    vertices: Points
    template_vertices: Points
    templates: Sequence[Any]
    already: bool = False


@dataclass(frozen=True)
class Feature:
    """A building with what belongs to it, by id."""

    key: str
    members: dict[str, Any]
    model: Model

    @property
    def attributes(self) -> dict[str, Any]:
        """Those of the building itself, those of its parts together in `parts`."""
        found = attributes(self.members.get(self.key) or {})
        kinds = [item["type"] for item in self.members.values()]
        if found.get(STOREYS) is None and STOREY in kinds:
            found[STOREYS] = kinds.count(STOREY)
        return found


@dataclass(frozen=True)
class Made:
    """A building as it goes into a row.

    `footprint` is WKB of an outline; `surfaces` WKB of a collection of multipolygons with heights,
    one a level of detail, `lods` their names, the one to be shown first; `base` and `top` metres.
    `broken` is a code of `cim.load.rows.REASONS` where there is something wrong with it.
    """

    footprint: bytes | None = None
    surfaces: bytes | None = None
    lods: str | None = None
    base: float = np.nan
    top: float = np.nan
    broken: str | None = None


@dataclass(frozen=True)
class Surfaces:
    """Surfaces of one level of detail as ragged arrays, rings closed, and what they mean.

    `points` (n, 3); `rings` and `surfaces` are where each ring and each surface ends.
    """

    points: Points
    rings: list[int]
    surfaces: list[int]
    meanings: list[str | None]

    def polygons(self) -> NDArray[np.object_]:
        """One polygon a surface, three-dimensional."""
        if not self.meanings:
            return np.empty(0, dtype=object)
        offsets = (np.array(self.rings), np.array(self.surfaces))
        found: NDArray[np.object_] = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, self.points, offsets
        )
        return found

    def moved(self, east: float, north: float) -> "Surfaces":
        """The same elsewhere, metres."""
        points = self.points + np.array([east, north, 0.0])
        return Surfaces(points, self.rings, self.surfaces, self.meanings)

    def seen(self, grid: float) -> shapely.Geometry | None:
        """What they cover as seen from above, in steps of `grid`; None where that is nothing."""
        found = _seen(self.polygons(), grid)
        return None if found is None else shapely.from_wkb(found)

    def volume(self) -> float:
        """What they enclose, m³: positive where they face outward.

        By the divergence theorem, each ring as a fan of triangles; holes, which run the other way,
        take off what they enclose.
        """
        whole, points = 0.0, self.points - self.points.mean(axis=0)
        for begin, end in pairwise(self.rings):
            ring = points[begin:end]
            whole += float((np.cross(ring[1:-1], ring[2:]) @ ring[0]).sum())
        return whole / 6


def body(item: Any, model: Model) -> Surfaces | None:
    """The surfaces of one object in its highest level of detail; None where it has none.

    Raises Unsound, ValueError, IndexError, KeyError, TypeError or AttributeError where they are not
    what their type says.
    """
    found: dict[str, list[Any]] = {}
    for geometry in item.get("geometry") or ():
        kind, lod, resolved = _resolved(geometry, model)
        if kind in _DEPTH:
            found.setdefault(lod, []).append((kind, *resolved))
    if not found:
        return None
    joined = _joined(found[max(found, key=_rank)])
    return joined if len(joined.polygons()) else None


def attributes(item: Any) -> dict[str, Any]:
    """The attributes of an object, its address among them; what is neither text nor number as JSON.

    >>> attributes({"attributes": {"height": 3.5, "tags": ["a"]}, "address": [{"street": "x"}]})
    {'height': 3.5, 'tags': '["a"]', 'address': '[{"street":"x"}]'}
    >>> attributes({})
    {}
    """
    found = item.get("attributes")
    listed = dict(found) if isinstance(found, dict) else {}
    if item.get("address") and "address" not in listed:
        listed["address"] = item["address"]
    return {
        name: orjson.dumps(v).decode() if isinstance(v, dict | list) else v
        for name, v in listed.items()
    }


def building(feature: Feature, *, projected: bool = True) -> Made:
    """The row of a building; `projected` says that its coordinates are metres, not degrees."""
    try:
        levels = _levels(feature)
    except (Unsound, IndexError, TypeError, ValueError, KeyError, AttributeError):
        return Made(broken="broken_geometry")
    drawn = {lod: found for lod, found in levels.items() if len(found.polygons())}
    if not drawn:
        return Made()
    grid = 1e-3 if projected else 1e-8
    footprint = _footprint(drawn, grid)
    solid = {lod: found for lod, found in drawn.items() if _rank(lod) > 0}
    if not solid:
        return Made(footprint)
    shown = to_show(solid)
    order = [shown, *sorted(set(solid) - {shown})]
    heights = solid[shown].points[:, 2]
    collection = shapely.geometrycollections(
        [shapely.multipolygons(solid[lod].polygons()) for lod in order]
    )
    return Made(
        footprint,
        shapely.to_wkb(collection),
        ",".join(order),
        float(heights.min()),
        float(heights.max()),
    )


def to_show(lods: Iterable[str]) -> str:
    """The level of detail to be shown: the highest below LoD3; of those above the lowest.

    >>> to_show(["1", "2.2", "3"]), to_show(["3.3", "3"])
    ('2.2', '3')
    """
    return max(lods, key=lambda lod: (_rank(lod) < HIGHEST, _shown_rank(lod)))


def _rank(lod: str) -> float:
    """A level of detail as a number; one without a name is 1."""
    try:
        return float(lod)
    except ValueError:
        return 1.0


def _shown_rank(lod: str) -> float:
    """The highest below LoD3 is shown; of those above the lowest."""
    rank = _rank(lod)
    return rank if rank < HIGHEST else -rank


def _levels(feature: Feature) -> dict[str, Surfaces]:
    """Surfaces of the whole building by level of detail.

    A part that lacks a level stands in it with the one below that it has, or else the one above.
    """
    members = [item for item in feature.members.values() if item["type"] in DRAWN]
    own: list[dict[str, list[Any]]] = []
    for item in members:
        mine: dict[str, list[Any]] = {}
        for geometry in item.get("geometry") or ():
            kind, lod, found = _resolved(geometry, feature.model)
            if kind in _DEPTH:
                mine.setdefault(lod, []).append((kind, *found))
        if mine:
            own.append(mine)
    names = sorted({lod for mine in own for lod in mine}, key=_rank)
    return {
        lod: _joined([one for mine in own for one in mine[_nearest(lod, list(mine))]])
        for lod in names
    }


def _nearest(lod: str, has: list[str]) -> str:
    if lod in has:
        return lod
    rank = _rank(lod)
    return min(has, key=lambda one: (_rank(one) > rank, abs(_rank(one) - rank)))


def _resolved(geometry: Any, model: Model) -> tuple[str, str, tuple[Any, Any, Points]]:
    """Type, level and (boundaries, semantics, vertices) of a geometry, or of its template."""
    vertices = model.vertices
    if geometry["type"] == "GeometryInstance":
        (reference,) = geometry["boundaries"]
        matrix = np.array(geometry["transformationMatrix"], np.float64).reshape(4, 4)
        moved = model.template_vertices @ matrix[:3, :3].T + matrix[:3, 3]
        vertices = moved + model.vertices[reference]
        geometry = model.templates[geometry["template"]]
    lod = geometry.get("lod")
    number = f"{lod:g}" if isinstance(lod, int | float) else str(lod or "1").replace(",", ".")
    return geometry["type"], number, (geometry["boundaries"], geometry.get("semantics"), vertices)


def _joined(parts: list[tuple[str, Any, Any, Points]]) -> Surfaces:
    """Surfaces of several geometries together."""
    points: list[Points] = []
    made = Surfaces(np.empty((0, 3)), [0], [0], [])
    total = 0
    for kind, boundaries, semantics, vertices in parts:
        meant = _meanings(semantics)
        flat: list[int] = []
        for rings, meaning in _flat(boundaries, meant, _DEPTH[kind]):
            sound = [ring for ring in rings if len(set(ring)) >= 3]
            if not rings or len(set(rings[0])) < 3:
                continue  # a line or a point: nothing is lost with it
            for ring in sound:
                flat += [*ring, ring[0]]
                made.rings.append(total + len(flat))
            made.surfaces.append(len(made.rings) - 1)
            made.meanings.append(meaning)
        numbers = np.array(flat, np.int64)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(vertices)):
            raise Unsound("a vertex that is not there")
        points.append(vertices[numbers])
        total += len(flat)
    every = np.concatenate(points)
    if not np.isfinite(every).all():
        raise Unsound("a vertex that is no number")
    return Surfaces(every, made.rings, made.surfaces, made.meanings)


def _meanings(semantics: Any) -> tuple[Any, list[str | None]]:
    """The values of the semantics, nested as the boundaries are, and the types they name."""
    if not isinstance(semantics, dict):
        return None, []
    kinds = [item.get("type") for item in semantics.get("surfaces") or ()]
    return semantics.get("values"), kinds


def _flat(
    boundaries: Any, meant: tuple[Any, list[str | None]], depth: int
) -> Iterator[tuple[list[list[int]], str | None]]:
    """Every surface, as its rings, with its meaning."""
    values, kinds = meant
    if depth:
        for place, inner in enumerate(boundaries):
            below = values[place] if isinstance(values, list) and place < len(values) else None
            yield from _flat(inner, (below, kinds), depth - 1)
        return
    for place, rings in enumerate(boundaries):
        value = values[place] if isinstance(values, list) and place < len(values) else None
        known = isinstance(value, int) and 0 <= value < len(kinds)
        yield rings, kinds[value] if known else None  # type: ignore[index]  # an int, if known


def _footprint(levels: dict[str, Surfaces], grid: float) -> bytes | None:
    """The outline: the ground where that is told, else the building as seen from above.

    A level 0 that is no roof is the ground by itself.
    """
    order = sorted(levels, key=_rank)
    for lod in order:
        found = levels[lod]
        if lod == "0" or lod.startswith("0."):
            ground = np.array([meaning != "RoofSurface" for meaning in found.meanings], bool)
        else:
            ground = np.array([meaning in _GROUND for meaning in found.meanings], bool)
        if ground.any():
            outline = _seen(found.polygons()[ground], grid)
            if outline is not None:
                return outline
    return _seen(levels[order[0]].polygons(), grid)


def _seen(polygons: NDArray[np.object_], grid: float) -> bytes | None:
    """What polygons cover as seen from above, as WKB; None where that is nothing."""
    flat = shapely.force_2d(polygons)
    flat = flat[np.abs(shapely.area(flat)) > _SMALLEST * grid * grid]
    broken = ~shapely.is_valid(flat)
    flat[broken] = shapely.make_valid(flat[broken], method="structure", keep_collapsed=False)
    if not flat.size:
        return None
    try:
        joined = shapely.union_all(flat, grid_size=grid)
    except shapely.errors.GEOSException:
        joined = shapely.union_all(flat)
    parts = shapely.get_parts(shapely.simplify(joined, grid))
    parts = parts[shapely.get_type_id(parts) == 3]
    parts = parts[shapely.area(parts) > (_SLIVER * grid) ** 2]
    if not parts.size:
        return None
    found: bytes = shapely.to_wkb(shapely.multipolygons(parts) if parts.size > 1 else parts[0])
    return found
