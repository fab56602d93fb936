"""Where a mesh stands: its middle on a place or on its building's, its own zero on the ground."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Geometry

from cim.errors import MissingCrs, SourceError
from cim.load.meshes.reading import Mesh
from cim.load.models import placement
from cim.load.models.placement import Note

Points = NDArray[np.float64]

SMALLEST, WIDEST = 1.0, 2_000.0
"""Metres along its longest side between which a mesh may be a building."""


@dataclass(frozen=True)
class At:
    """A place as the user says it: degrees, metres in the height datum, degrees from north."""

    lon: float
    lat: float
    height: float | None = None
    rotation: float | None = None

    @classmethod
    def parse(cls, said: str) -> "At":
        """`113.75,23.02`, with a height, and with a rotation after it.

        Raises MissingCrs where it is something else.

        >>> At.parse("113.75,23.02,12.5,90"), At.parse("113.75，23.02").height
        (At(lon=113.75, lat=23.02, height=12.5, rotation=90.0), None)
        """
        try:
            numbers = [float(word) for word in said.replace("，", ",").split(",")]
        except ValueError:
            numbers = []
        sound = len(numbers) in {2, 3, 4} and all(map(np.isfinite, numbers))
        if not sound or abs(numbers[0]) > 180 or abs(numbers[1]) > 90:
            raise MissingCrs(
                f"--at {said!r} is not LON,LAT,HEIGHT,ROTATION, such as 113.75,23.02,12.5,15",
                f"--at {said!r} 不是“经度,纬度,高程,转角”，例如 113.75,23.02,12.5,15",
            )
        return cls(*numbers)


@dataclass(frozen=True)
class Placed:
    """A mesh where it stands.

    `surfaces` is WKB of its triangles in degrees and metres of the height datum; `matrix` takes the
    file's coordinates to east-north-up metres about `anchor` (degrees) at `height`.
    """

    surfaces: bytes
    matrix: list[float]
    anchor: tuple[float, float]
    height: float
    notes: tuple[Note, ...]


def sized(name: str, mesh: Mesh) -> None:
    """Refuse a mesh that is no building's by its size: its unit is probably another one."""
    side = float(np.ptp(mesh.corners, axis=0).max())
    if SMALLEST <= side <= WIDEST:
        return
    raise SourceError(
        f"{name} is {side:,.4g} m long, which no building is: say its unit in metres, such as "
        "--scale 0.001 for millimetres",
        f"{name} 长 {side:,.4g} 米，不是建筑的尺寸：请说明单位，如毫米用 --scale 0.001",
    )


def place(
    mesh: Mesh, footprint: Geometry, ground: float, at: At | None, rotation: float | None
) -> Placed:
    """A mesh on a place, or on a footprint (degrees) as it fits best, at the building's ground."""
    (west, south, low), (east, north, high) = mesh.corners.min(axis=0), mesh.corners.max(axis=0)
    middle = ((west + east) / 2, (south + north) / 2)
    if at is not None:
        said = placement.At(at.lon, at.lat, at.rotation)
        found = placement.by_place(middle, said, rotation)
    else:
        hull = shapely.convex_hull(shapely.multipoints(mesh.corners[:, :2]))
        found = placement.onto(footprint, (0.0, 1.0), hull, rotation)
    height = ground if at is None or at.height is None else at.height
    foot = 0.0 if low <= 0.0 <= high else float(low)  # a model's zero is its ground floor
    moved = found.move(mesh.corners[:, :2])
    corners = np.column_stack([moved, mesh.corners[:, 2] - foot + height])
    anchor = found.move(np.array([middle]))[0]
    return Placed(
        _wkb(corners[mesh.triangles]),
        _matrix(mesh, found.move, middle, foot),
        (float(anchor[0]), float(anchor[1])),
        height,
        found.notes,
    )


def _wkb(triangles: Points) -> bytes:
    closed = np.concatenate([triangles, triangles[:, :1]], axis=1).reshape(-1, 3)
    count = len(triangles)
    polygons = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, closed, (np.arange(count + 1) * 4, np.arange(count + 1))
    )
    found: bytes = shapely.to_wkb(shapely.multipolygons(polygons), output_dimension=3)
    return found


def _matrix(
    mesh: Mesh, move: Callable[[Points], Points], middle: tuple[float, float], foot: float
) -> list[float]:
    """Sixteen numbers, column-major, by what becomes of a step along each axis."""
    here = np.array(middle)
    steps = move(here + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    narrow = np.array([np.cos(np.radians(steps[0, 1])), 1.0])
    turned = (steps[1:] - steps[0]) * narrow
    turned /= np.sqrt((turned**2).sum(axis=1))[:, None]
    matrix = np.eye(4)
    matrix[:2, :2] = turned.T
    matrix[:3, 3] = [*(-turned.T @ here), -foot]
    found: list[float] = (matrix @ mesh.matrix).T.reshape(-1).tolist()
    return found
