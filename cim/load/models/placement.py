"""Where a model stands: from its own metres to degrees, and how that is known.

What the user says wins over what the file says; nothing is guessed without being told.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from cim import crs
from cim.errors import CimError, MissingCrs, SourceError
from cim.geometry import frame
from cim.load.models.model import Model

Points = NDArray[np.float64]
"""x and y, or longitude and latitude, shape (n, 2)."""

Note = tuple[str, str]
"""A sentence in English and one in Chinese."""

ALIKE = 0.02
"""Overlaps that differ by less than this are no reason to prefer one direction."""


@dataclass(frozen=True)
class Placement:
    """A way from the model's metres to degrees."""

    how: str
    """at, building, conversion or site."""
    move: Callable[[Points], Points]
    notes: tuple[Note, ...] = ()

    def place(self, shape: Geometry) -> Geometry:
        """A polygon of the model as a multipolygon in degrees, counter-clockwise."""
        moved = shapely.transform(shape, self.move)
        parts = [part for part in shapely.get_parts(moved) if part.geom_type == "Polygon"]
        return shapely.orient_polygons(shapely.multipolygons(parts))


@dataclass(frozen=True)
class At:
    """A place as the user says it: degrees, and degrees clockwise from north."""

    lon: float
    lat: float
    rotation: float | None = None

    @classmethod
    def parse(cls, said: str) -> "At":
        """`113.75,23.02` or `113.75,23.02,15`.

        Raises MissingCrs where it is something else.

        >>> At.parse("113.75,23.02,15"), At.parse("113.75，23.02").rotation
        (At(lon=113.75, lat=23.02, rotation=15.0), None)
        """
        try:
            numbers = [float(word) for word in said.replace("，", ",").split(",")]
        except ValueError:
            numbers = []
        sound = len(numbers) in {2, 3} and all(map(np.isfinite, numbers))
        if not sound or abs(numbers[0]) > 180 or abs(numbers[1]) > 90:
            raise MissingCrs(
                f"--at {said!r} is not LON,LAT,ROTATION in degrees, such as 113.75,23.02,15",
                f"--at {said!r} 不是“经度,纬度,转角”（度），例如 113.75,23.02,15",
            )
        return cls(*numbers)


def by_place(middle: tuple[float, float], at: At, rotation: float | None = None) -> Placement:
    """The middle of the model's ground outline on a place, its y axis turned from north.

    `rotation` counts clockwise in degrees and holds where `at` has none; 0 where neither has one.

    >>> there = by_place((5.0, 5.0), At(113.75, 23.02, 90.0))
    >>> there.move(np.array([[5.0, 5.0], [5.0, 1005.0]])).round(4).tolist()
    [[113.75, 23.02], [113.7598, 23.02]]
    """
    turn = next((angle for angle in (at.rotation, rotation) if angle is not None), 0.0)
    return Placement("at", _tangent(middle, (at.lon, at.lat), -turn))


def by_file(model: Model, system: str | None = None) -> Placement:
    """Where the file says: by its map conversion, else by its site; `system` is what --crs says.

    Raises MissingCrs where it says nothing, or names a system that nobody knows.
    """
    unknown: CimError | None = None
    if model.conversion is not None:
        try:
            return _converted(model, system)
        except MissingCrs as error:
            unknown = error
    if model.site is None:
        raise _unplaced(unknown)
    here = model.site
    turn = 90.0 - np.degrees(np.arctan2(model.north[1], model.north[0]))
    note = (
        f"placed by the site's latitude and longitude ({here.lat:.5f}, {here.lon:.5f}), which "
        "programs often fill with the next city: --at LON,LAT,ROTATION puts it elsewhere",
        f"按场地的经纬度（{here.lon:.5f}, {here.lat:.5f}）放置；许多软件默认填写附近城市的坐标，"
        "可用 --at 经度,纬度,转角 改放",
    )
    told = (note,) if unknown is None else ((str(unknown), unknown.zh), note)
    return Placement("site", _tangent((here.x, here.y), (here.lon, here.lat), turn), told)


def onto(
    footprint: Geometry, up: tuple[float, float], ground: Geometry, rotation: float | None
) -> Placement:
    """A model's ground outline onto a building's footprint (degrees), middle on middle.

    `up` is where the model has north.  Its direction is what is said, else the one of four along
    the smallest rectangles that covers the footprint best; of two alike, the one nearest to the
    model's own north.
    """
    frames = frame.plane(np.array([footprint]))
    there = frames.enter(np.array([footprint]), np.array([0]))[0]
    target, middle = shapely.centroid(there), shapely.centroid(ground)
    said = rotation is not None
    turns = [-float(rotation or 0.0)] if said else _along(there, ground)
    lies = [_covers(there, ground, turn) for turn in turns]
    north = 90.0 - np.degrees(np.arctan2(up[1], up[0]))
    good = [n for n, share in enumerate(lies) if share >= max(lies) - ALIKE]
    best = min(good, key=lambda n: abs((turns[n] - north + 180) % 360 - 180))
    anchor = frames.leave(np.array([target]), np.array([0]))[0]
    move = _tangent((middle.x, middle.y), (anchor.x, anchor.y), turns[best])
    angle = -turns[best] % 360
    notes = [
        (
            f"laid on the building's footprint, turned {angle:.1f}° clockwise from north; the "
            f"outlines agree by {lies[best]:.0%}",
            f"已套合到建筑轮廓，自正北顺时针转 {angle:.1f}°；轮廓重合度 {lies[best]:.0%}",
        )
    ]
    if len(good) > 1 and not said:
        others = "、".join(f"{-turns[n] % 360:.1f}°" for n in good if n != best)
        notes.append(
            (
                f"it fits as well turned by {others}: --rotation says which",
                f"转 {others} 同样吻合：可用 --rotation 指定",
            )
        )
    return Placement("building", move, tuple(notes))


def _converted(model: Model, system: str | None) -> Placement:
    found = model.conversion
    assert found is not None
    name = system or found.crs
    if not name:
        raise MissingCrs(
            "the model has a map conversion without a coordinate system; say --crs",
            "模型有地图转换但没有坐标系，请用 --crs 指定",
        )
    known = crs.canonical(name)
    along = np.array([found.abscissa, found.ordinate]) / np.hypot(found.abscissa, found.ordinate)
    turn = np.array([[along[0], -along[1]], [along[1], along[0]]]) * found.scale
    shift = np.array([found.eastings, found.northings])

    def move(points: Points) -> Points:
        east, north = (points @ turn.T + shift).T
        return np.column_stack(crs.to_4490(east, north, known))

    place = move(np.zeros((1, 2)))[0]
    if not np.isfinite(place).all() or abs(place[0]) > 180 or abs(place[1]) > 90:
        raise MissingCrs(
            f"the model's map conversion ({found.eastings:.0f}, {found.northings:.0f}) lies "
            f"outside {known}; say --crs or --at",
            f"模型的地图转换（{found.eastings:.0f}, {found.northings:.0f}）超出 {known} 的范围，"
            "请用 --crs 或 --at 指定",
        )
    note = (f"placed by its map conversion in {name}", f"按模型的地图转换放置，坐标系 {name}")
    return Placement("conversion", move, (note,))


def _unplaced(unknown: CimError | None) -> SourceError:
    en, zh = ("it does not say where it stands", "模型没有说明所在位置")
    if unknown is not None:
        en, zh = str(unknown), unknown.zh
    return MissingCrs(
        f"{en}; say --at LON,LAT,ROTATION (the middle of the building, degrees clockwise from "
        "north), or --building ID to lay it on that building's footprint",
        f"{zh}；请用 --at 经度,纬度,转角（建筑中心，自正北顺时针的度数），"
        "或用 --building 编号 套合到该建筑的轮廓",
    )


def _tangent(
    origin: tuple[float, float], place: tuple[float, float], turn: float
) -> Callable[[Points], Points]:
    """Metres around `origin`, turned counter-clockwise by degrees, as degrees around `place`."""
    frames = frame.plane(np.array([shapely.Point(place)]))
    back = np.linalg.inv(frames.matrix[0])
    angle = np.radians(turn)
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    whole = back @ spin

    def move(points: Points) -> Points:
        return np.asarray((points - np.array(origin)) @ whole.T + np.array(place))

    return move


def _along(there: Geometry, ground: Geometry) -> list[float]:
    """Four turns, degrees counter-clockwise, that lay one smallest rectangle along the other."""
    turn = _direction(there) - _direction(ground)
    return [turn + quarter for quarter in (0.0, 90.0, 180.0, 270.0)]


def _direction(shape: Geometry) -> float:
    """Degrees of the first side of the smallest rectangle around a shape."""
    corners = shapely.get_coordinates(shapely.minimum_rotated_rectangle(shape))
    run, rise = corners[1] - corners[0]
    return float(np.degrees(np.arctan2(rise, run)))


def _covers(there: Geometry, ground: Geometry, turn: float) -> float:
    """Intersection over union, middle on middle, both in metres."""
    angle = np.radians(turn)
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    here = shapely.get_coordinates(shapely.centroid(ground))[0]
    target = shapely.get_coordinates(shapely.centroid(there))[0]
    laid = shapely.transform(ground, lambda p: (p - here) @ spin.T + target)
    return float(
        shapely.area(shapely.intersection(laid, there)) / shapely.area(shapely.union(laid, there))
    )
