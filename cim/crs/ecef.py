"""Earth-centred coordinates and local east-north-up frames, over arrays.

CGCS2000 longitude and latitude are taken as WGS 84's: the two differ by centimetres at most, and
3D Tiles know no other ellipsoid.  Formulas: EPSG Guidance Note 7-2, §4.1.1 (geographic to
geocentric) and Bowring 1976 (back again).
"""

from dataclasses import dataclass
from math import cos, radians, sin, sqrt

import numpy as np
from numpy.typing import NDArray

SEMI_MAJOR = 6378137.0
"""Metres."""

FLATTENING = 1 / 298.257223563
ECCENTRICITY2 = FLATTENING * (2 - FLATTENING)
"""First eccentricity, squared."""

REACH = 0.1
"""How far from a frame's origin `Frame.place` is exact, in radians (some 600 km)."""

Floats = NDArray[np.float64]


def from_geodetic(longitude: Floats, latitude: Floats, height: Floats) -> Floats:
    """Earth-centred X, Y, Z in metres, shape (n, 3), of degrees and ellipsoidal metres.

    >>> from_geodetic(np.array([113.75]), np.array([23.02]), np.array([10.0])).round(3).tolist()
    [[-2365432.815, 5375855.005, 2478761.9]]
    >>> from_geodetic(np.array([]), np.array([]), np.array([])).shape
    (0, 3)
    """
    lam, phi = np.radians(longitude), np.radians(latitude)
    sine = np.sin(phi)
    normal = SEMI_MAJOR / np.sqrt(1 - ECCENTRICITY2 * sine * sine)
    across = (normal + height) * np.cos(phi)
    return np.stack(
        [
            across * np.cos(lam),
            across * np.sin(lam),
            (normal * (1 - ECCENTRICITY2) + height) * sine,
        ],
        axis=-1,
    )


def to_geodetic(points: Floats) -> tuple[Floats, Floats, Floats]:
    """Longitude and latitude in degrees and ellipsoidal height in metres of X, Y, Z, shape (n, 3).

    Exact to a nanometre near the surface: Bowring's latitude, taken twice.

    >>> there = from_geodetic(np.array([-70.0]), np.array([-41.5]), np.array([1234.5]))
    >>> [round(float(value[0]), 7) for value in to_geodetic(there)]
    [-70.0, -41.5, 1234.5]
    >>> [value.size for value in to_geodetic(np.empty((0, 3)))]
    [0, 0, 0]
    """
    x, y, z = points[..., 0], points[..., 1], points[..., 2]
    semi_minor = SEMI_MAJOR * (1 - FLATTENING)
    second = ECCENTRICITY2 / (1 - ECCENTRICITY2)
    across = np.hypot(x, y)
    reduced = np.arctan2(z * SEMI_MAJOR, across * semi_minor)
    for _ in range(2):
        phi = np.arctan2(
            z + second * semi_minor * np.sin(reduced) ** 3,
            across - ECCENTRICITY2 * SEMI_MAJOR * np.cos(reduced) ** 3,
        )
        reduced = np.arctan2((1 - FLATTENING) * np.sin(phi), np.cos(phi))
    normal = SEMI_MAJOR / np.sqrt(1 - ECCENTRICITY2 * np.sin(phi) ** 2)
    height = across * np.cos(phi) + z * np.sin(phi) - SEMI_MAJOR**2 / normal
    return np.degrees(np.arctan2(y, x)), np.degrees(phi), height


@dataclass(frozen=True)
class Frame:
    """East-north-up metres about a point of the ellipsoid: `longitude`, `latitude` in degrees."""

    longitude: float
    latitude: float

    def matrix(self) -> list[float]:
        """Frame to earth-centred metres: 16 numbers, column-major, translation in [12..14].

        >>> [round(value, 6) for value in Frame(0.0, 0.0).matrix()]
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 6378137.0, 0.0, 0.0, 1.0]
        """
        lam, phi = radians(self.longitude), radians(self.latitude)
        normal = SEMI_MAJOR / sqrt(1 - ECCENTRICITY2 * sin(phi) ** 2)
        east = [-sin(lam), cos(lam), 0.0]
        north = [-sin(phi) * cos(lam), -sin(phi) * sin(lam), cos(phi)]
        up = [cos(phi) * cos(lam), cos(phi) * sin(lam), sin(phi)]
        origin = [normal * up[0], normal * up[1], normal * (1 - ECCENTRICITY2) * up[2]]
        columns = [[*east, 0.0], [*north, 0.0], [*up, 0.0], [*origin, 1.0]]
        return [value + 0.0 for column in columns for value in column]

    def place(self, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
        """Where degrees lie in the frame at ellipsoidal height 0, and which way is up there.

        Two arrays of shape (n, 3): metres, and unit vectors along the ellipsoid's normal; a point
        `h` metres up is `position + h * up`.  Only sums, products and square roots of the degrees
        are taken, so the same degrees give the same bits on any machine; points may lie up to
        `REACH` from the origin, and ValueError is raised beyond it.

        >>> position, up = Frame(113.75, 23.02).place(np.array([113.76]), np.array([23.02]))
        >>> position.round(3).tolist(), up.round(6).tolist()
        ([[1025.074, 0.035, -0.082]], [[0.000161, 0.0, 1.0]])
        >>> [value.shape for value in Frame(0, 0).place(np.array([]), np.array([]))]
        [(0, 3), (0, 3)]
        """
        east = np.radians(longitude - self.longitude)
        north = np.radians(latitude - self.latitude)
        if max(np.abs(east).max(initial=0), np.abs(north).max(initial=0)) > REACH:
            raise ValueError("too far from the frame's origin")
        sin_east, cos_east = _small_sine_cosine(east)
        sin_north, cos_north = _small_sine_cosine(north)
        phi = radians(self.latitude)
        s, c = sin(phi), cos(phi)
        sine = s * cos_north + c * sin_north
        cosine = c * cos_north - s * sin_north
        normal = SEMI_MAJOR / np.sqrt(1 - ECCENTRICITY2 * sine * sine)
        home = SEMI_MAJOR / sqrt(1 - ECCENTRICITY2 * s * s)
        outward = normal * cosine * cos_east - home * c
        polar = (1 - ECCENTRICITY2) * (normal * sine - home * s)
        position = np.stack(
            [normal * cosine * sin_east, c * polar - s * outward, c * outward + s * polar], axis=-1
        )
        flat = cosine * cos_east
        up = np.stack([cosine * sin_east, c * sine - s * flat, c * flat + s * sine], axis=-1)
        return position, up


def _small_sine_cosine(angle: Floats) -> tuple[Floats, Floats]:
    """Sine and cosine of angles up to REACH, by their series: exact to the last bit or two.

    numpy's own differ in the last bit from one processor to the next.
    """
    square = angle * angle
    sine = angle * (1 - square / 6 * (1 - square / 20 * (1 - square / 42 * (1 - square / 72))))
    cosine = 1 - square / 2 * (
        1 - square / 12 * (1 - square / 30 * (1 - square / 56 * (1 - square / 90)))
    )
    return sine, cosine
