"""Do the tiles hold what the database says they should: every feature once, where it belongs?

All ids are counted; of a sample, heights and outlines are compared with their rows.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import Connection, Table

from cim.crs.ecef import Frame, from_geodetic
from cim.crs.geoid import Geoid
from cim.model.buildings import storey, unit
from cim.store.copy import columns, numbers
from cim.store.queries.tiles import census as queries
from cim.store.queries.tiles.which import THERE, Which
from tiling.check.content import Content, names
from tiling.check.findings import UNREADABLE, Fault
from tiling.check.reading import parse_content
from tiling.check.sources import opened
from tiling.check.tileset import Held, Ids, Report
from tiling.city import parts

Floats = NDArray[np.float64]
Row = Mapping[str, Any]

TILES, FEATURES = 30, 10
"""How many tiles are looked at, and how many features of each."""

NAMED = 5
"""Ids that a fault names; the rest is counted."""

NEAR = 0.02
"""Metres by which a height or a corner may be off, besides the step of the positions."""

SHARE = 0.02
"""Share of an outline's area that may be off."""

MANY = 500
"""Triangles from which it pays to try whether they lie side by side."""

LINE = 1e-3
"""Square metres: a surface that covers less, seen from above, stands upright."""

STOREY = np.uint64(32)


@dataclass(frozen=True)
class Expected:
    """How the features of one tileset are asked for: all of them, and some with their rows.

    `all` takes which buildings it is about, `some` the tileset's name and ids; `part` is the table
    of the features where they are no buildings.
    """

    all: Callable[[Which], Any]
    types: Mapping[str, str]
    some: Callable[[str, Sequence[int]], Any]
    which: Which = THERE
    part: Table | None = None


_BUILDINGS = Expected(queries.buildings, queries.FEATURES, queries.some_buildings)

EXPECTED: dict[str, Expected] = {
    "buildings": _BUILDINGS,
    "units": Expected(queries.units, queries.UNITS, queries.some_units, part=unit),
    "planned": replace(_BUILDINGS, which=Which(states=("planned",))),
    "underground": Expected(queries.storeys, queries.FEATURES, queries.some_storeys, part=storey),
}
"""The tilesets that can be held against the database."""


def expected_of(connection: Connection, name: str) -> Expected:
    """What a tileset of the city, or a part of one, should hold; NotFound where it is none."""
    layer = parts.known(connection, name)
    return replace(EXPECTED[layer.base], which=layer.which) if layer.base else EXPECTED[name]


def compare(connection: Connection, name: str, report: Report, heights: Geoid) -> list[Fault]:
    """What a tileset of the city holds too much, too little, or elsewhere than its rows say.

    Raises NotFound where it is none of the city's.
    """
    expected = expected_of(connection, name)
    found = report.ids(0)
    faults = list(counted(connection, name, expected, found))
    held = [one for one in report.held if one.ids.size]
    chosen = held[:: max(1, len(held) // TILES)]
    rows = _rows(connection, name, expected, chosen)
    source, _ = opened(report.path)
    for one in chosen:
        try:
            glb = parse_content(source.read(one.piece.uri))
            content = Content(glb, one.piece.matrix, one.piece.volumes)
            faults += sampled(content, one.piece.uri, rows, heights)
        except UNREADABLE:  # named already by the check itself
            continue
    return faults


def counted(connection: Connection, name: str, expected: Expected, found: Ids) -> Iterator[Fault]:
    """Features that no tile holds and nobody named as left out, and those nobody knows."""
    read = numbers.read(connection, expected.all(expected.which), expected.types)
    wanted = read.pop("id").astype(np.uint64)
    if "storey_id" in read:
        wanted = wanted << STOREY | read["storey_id"].astype(np.uint64)
    shift = STOREY if "storey_id" in read else np.uint64(0)
    named = queries.left_out(name, expected.part)
    skipped = numbers.read(connection, named, queries.FEATURES)["id"].astype(np.uint64)
    lost = np.setdiff1d(wanted, found)
    lost = lost[~np.isin(lost >> shift, skipped)]
    strange = np.setdiff1d(found, wanted)
    both = np.intersect1d(found >> shift, skipped)
    file = "tileset.json"
    if lost.size:
        yield Fault(
            file,
            "ids",
            f"{lost.size} features of the city are in no tile, and not named as left out: "
            f"{_some(lost >> shift)}",
            f"城市中有 {lost.size} 个要素不在任何瓦片中，也未记为略去：{_some(lost >> shift)}",
        )
    if strange.size:
        yield Fault(
            file,
            "ids",
            f"{strange.size} features in tiles that the city does not have: "
            f"{_some(strange >> shift)}",
            f"瓦片中有 {strange.size} 个要素不在城市中：{_some(strange >> shift)}",
        )
    if both.size:
        yield Fault(
            file,
            "ids",
            f"{both.size} features are drawn, and named as left out: {_some(both)}",
            f"有 {both.size} 个要素已绘制却记为略去：{_some(both)}",
        )


def _some(ids: Ids) -> str:
    more = ", …" if ids.size > NAMED else ""
    return ", ".join(map(str, np.unique(ids)[:NAMED].tolist())) + more


def _picked(ids: Ids) -> NDArray[np.int64]:
    """Which features of a tile are looked at."""
    return np.unique(np.linspace(0, ids.size - 1, FEATURES).astype(np.int64))


def _rows(
    connection: Connection, name: str, expected: Expected, chosen: Sequence[Held]
) -> dict[int, dict[str, Any]]:
    """The rows of the features looked at, by what names each."""
    shift = STOREY if "storey_id" in expected.types else np.uint64(0)
    ids = {int(number) for one in chosen for number in one.ids[_picked(one.ids)] >> shift}
    found: dict[int, dict[str, Any]] = {}
    for batch in columns.read(connection, expected.some(name, sorted(ids))) if ids else ():
        for values in zip(*batch.values(), strict=True):
            row = dict(zip(batch, values, strict=True))
            found[(row["id"] << int(shift)) | row.get("storey_id", 0)] = row
    return found


def sampled(content: Content, uri: str, rows: Mapping[int, Row], heights: Geoid) -> Iterator[Fault]:
    """Features of a tile whose heights or outlines are not those of their rows."""
    ids = names(content.glb)
    for feature in _picked(ids).tolist():
        row = rows.get(int(ids[feature]))
        if row is None:  # counted among the strange
            continue
        outlines = meant(shapely.from_wkb(row["outline"]))
        west, south, east, north = outlines[0].bounds
        frame = Frame((west + east) / 2, (south + north) / 2)
        shift = heights.height(np.array([frame.longitude]), np.array([frame.latitude]))[0]
        drawn = _drawn(content, feature, frame)
        true = [_local(outline, frame, row["top"] + shift) for outline in outlines]
        if row.get("solid"):
            seen, row = _of_solid(row, frame, shift)
            true = [seen]
        for rule, en, zh in _differing(row, drawn, true, shift, NEAR + 2 * content.step):
            which = f"feature {row['id']} ", f"要素 {row['id']} "
            yield Fault(uri, rule, which[0] + en, which[1] + zh)


def meant(outline: shapely.Geometry) -> list[shapely.Geometry]:
    """What an outline may mean: one that crosses itself, or whose parts do, can be read in ways.

    >>> twice = shapely.MultiPolygon([shapely.box(0, 0, 2, 1), shapely.box(1, 0, 3, 1)])
    >>> sorted(shape.area for shape in meant(twice))
    [3.0, 3.0, 3.0]
    """
    if outline.is_valid:
        return [outline]
    parts = shapely.make_valid(shapely.get_parts(outline))
    ways = [shapely.make_valid(outline, method=how) for how in ("linework", "structure")]
    return [*ways, shapely.union_all(parts)]


def _differing(
    row: Row, drawn: "_Drawn", meanings: Sequence[shapely.Geometry], shift: float, slack: float
) -> Iterator[tuple[str, str, str]]:
    """Rule and words for each way in which a feature is not drawn as its row says."""
    bottom, top = row["bottom"] + shift, row["top"] + shift
    if abs(drawn.top - top) > slack:
        yield (
            "heights",
            f"ends at {drawn.top:.2f} m, its row at {top:.2f} m",
            f"顶高 {drawn.top:.2f} m，数据库为 {top:.2f} m",
        )
    if abs(drawn.bottom - bottom) > slack:
        yield (
            "heights",
            f"begins at {drawn.bottom:.2f} m, its row at {bottom:.2f} m",
            f"底高 {drawn.bottom:.2f} m，数据库为 {bottom:.2f} m",
        )
    apart = [(drawn.plan.symmetric_difference(one).area, one) for one in meanings]
    off, true = min(apart, key=lambda found: found[0])
    if off > true.length * slack + true.area * SHARE:
        yield (
            "outlines",
            f"is not drawn on its outline: {off:.1f} m² differ",
            f"与其轮廓不符：相差 {off:.1f} m²",
        )


@dataclass(frozen=True)
class _Drawn:
    """A feature as drawn: its plan in a local frame, and its ellipsoidal heights."""

    plan: shapely.Geometry
    bottom: float
    top: float


def _drawn(content: Content, feature: int, frame: Frame) -> _Drawn:
    """What a tile draws of a feature: its faces that look up, seen from above."""
    (part,) = content.parts
    assert part.triangles is not None
    of = content.feature_ids
    corners = part.triangles[of[part.triangles[:, 0]] == feature]
    matrix = np.array(frame.matrix()).reshape(4, 4).T
    local = (content.positions - matrix[:3, 3]) @ matrix[:3, :3]
    faces = local[corners][:, :, :2]
    one, other = faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]
    upward = one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] > 1e-4
    plan = _covered(shapely.polygons(faces[upward]))
    height = content.places.geodetic[2][of == feature]
    return _Drawn(plan, float(height.min()), float(height.max()))


def _covered(triangles: NDArray[Any]) -> shapely.Geometry:
    """What triangles cover; where there are many that lie side by side, at once."""
    if len(triangles) > MANY:
        with suppress(shapely.errors.GEOSException):
            found = shapely.coverage_union_all(triangles)
            if found.is_valid and np.isclose(found.area, shapely.area(triangles).sum()):
                return found
    return shapely.union_all(triangles, grid_size=1e-4)


def _of_solid(row: Row, frame: Frame, shift: float) -> tuple[shapely.Geometry, Row]:
    """What surfaces cover as seen from above, and the row with their heights."""
    surfaces = shapely.from_wkb(row["solid"])
    heights = shapely.get_coordinates(surfaces, include_z=True)[:, 2]
    faces = shapely.get_parts(_local(shapely.force_2d(surfaces), frame, heights.max() + shift))
    faces = shapely.make_valid(faces[shapely.area(faces) > LINE])
    ends = {"bottom": float(heights.min()), "top": float(heights.max())}
    return shapely.union_all(faces, grid_size=1e-4), {**row, **ends}


def _local(outline: shapely.Geometry, frame: Frame, height: float) -> shapely.Geometry:
    """An outline in degrees as metres in a local frame, seen from above."""
    matrix = np.array(frame.matrix()).reshape(4, 4).T

    def place(degrees: Floats) -> Floats:
        earth = from_geodetic(degrees[:, 0], degrees[:, 1], np.full(len(degrees), height))
        found: Floats = ((earth - matrix[:3, 3]) @ matrix[:3, :3])[:, :2]
        return found

    return shapely.transform(outline, place)
