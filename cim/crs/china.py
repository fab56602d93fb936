"""GCJ-02 and BD-09: the shifted degrees of Chinese web maps, forward and back.

AMap and Tencent give GCJ-02, Baidu gives BD-09.  Both are WGS84 degrees moved by up to a kilometre
by a published-by-use formula (the one of every open implementation, such as gcoord), on the
Krasovsky ellipsoid.  There is no closed inverse: it is found by fixed-point iteration, which gains
two to three digits a step because the shift changes by less than one part in a hundred.

All functions take and give arrays of degrees, longitude first, and leave what lies outside the
formula's box (72.004–137.8347 E, 0.8293–55.8271 N) as it is.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Degrees = NDArray[np.float64]
"""Degrees, any shape."""

WEST, SOUTH, EAST, NORTH = 72.004, 0.8293, 137.8347, 55.8271
"""The box within which the maps are shifted."""

_AXIS = 6378245.0
_ECCENTRICITY2 = 0.00669342162296594323
_BAIDU = np.pi * 3000.0 / 180.0
_TOLERANCE = 1e-12
_STEPS = 40


def inside(lon: Degrees, lat: Degrees) -> NDArray[np.bool_]:
    """Whether the formula shifts these places.

    >>> inside(np.array([113.75, 2.35]), np.array([23.02, 48.85])).tolist()
    [True, False]
    """
    return (lon >= WEST) & (lon <= EAST) & (lat >= SOUTH) & (lat <= NORTH)


def gcj02_from_wgs84(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """WGS84 degrees as AMap and Tencent show them.

    >>> lon, lat = gcj02_from_wgs84(np.array([116.404]), np.array([39.915]))
    >>> round(float(lon[0]), 6), round(float(lat[0]), 6)
    (116.410244, 39.916404)
    """
    here = inside(lon, lat)
    east, north = _shift(lon, lat)
    return np.where(here, lon + east, lon), np.where(here, lat + north, lat)


def wgs84_from_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """GCJ-02 degrees as WGS84; exact to 1e-9 degrees and better.

    >>> lon, lat = wgs84_from_gcj02(np.array([]), np.array([]))
    >>> lon.size, lat.size
    (0, 0)
    """
    return _solve(lambda x, y: (x + _shift(x, y)[0], y + _shift(x, y)[1]), lon, lat)


def bd09_from_gcj02(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """GCJ-02 degrees as Baidu shows them."""
    here = inside(lon, lat)
    east, north = _baidu(lon, lat)
    return np.where(here, east, lon), np.where(here, north, lat)


def gcj02_from_bd09(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """BD-09 degrees as GCJ-02; exact to 1e-9 degrees and better."""
    return _solve(_baidu, lon, lat)


def bd09_from_wgs84(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """WGS84 degrees as Baidu shows them."""
    return bd09_from_gcj02(*gcj02_from_wgs84(lon, lat))


def wgs84_from_bd09(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """BD-09 degrees as WGS84."""
    return wgs84_from_gcj02(*gcj02_from_bd09(lon, lat))


def _shift(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """By how many degrees GCJ-02 moves a WGS84 place."""
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    wave = (20.0 * np.sin(6.0 * x * np.pi) + 20.0 * np.sin(2.0 * x * np.pi)) * 2.0 / 3.0
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + wave
    north += (20.0 * np.sin(y * np.pi) + 40.0 * np.sin(y / 3.0 * np.pi)) * 2.0 / 3.0
    north += (160.0 * np.sin(y / 12.0 * np.pi) + 320.0 * np.sin(y * np.pi / 30.0)) * 2.0 / 3.0
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + wave
    east += (20.0 * np.sin(x * np.pi) + 40.0 * np.sin(x / 3.0 * np.pi)) * 2.0 / 3.0
    east += (150.0 * np.sin(x / 12.0 * np.pi) + 300.0 * np.sin(x / 30.0 * np.pi)) * 2.0 / 3.0
    phi = np.radians(lat)
    magic = 1.0 - _ECCENTRICITY2 * np.sin(phi) ** 2
    meridian = _AXIS * (1.0 - _ECCENTRICITY2) / (magic * np.sqrt(magic))
    parallel = _AXIS / np.sqrt(magic) * np.cos(phi)
    return np.degrees(east / parallel), np.degrees(north / meridian)


def _baidu(lon: Degrees, lat: Degrees) -> tuple[Degrees, Degrees]:
    """BD-09 of a GCJ-02 place."""
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * _BAIDU)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * _BAIDU)
    return radius * np.cos(angle) + 0.0065, radius * np.sin(angle) + 0.006


def _solve(
    forward: Callable[[Degrees, Degrees], tuple[Degrees, Degrees]], lon: Degrees, lat: Degrees
) -> tuple[Degrees, Degrees]:
    """The place that `forward` takes to (lon, lat), by fixed-point iteration."""
    here = inside(lon, lat)
    goal_x, goal_y = np.where(here, lon, 105.0), np.where(here, lat, 35.0)
    x, y = goal_x.copy(), goal_y.copy()
    for _ in range(_STEPS):
        found_x, found_y = forward(x, y)
        off_x, off_y = goal_x - found_x, goal_y - found_y
        x, y = x + off_x, y + off_y
        off = np.maximum(np.abs(off_x), np.abs(off_y))
        if off.size == 0 or off.max() < _TOLERANCE:
            break
    return np.where(here, x, lon), np.where(here, y, lat)
