"""Terrain held against the city: are its tiles of the rasters that there are, and as high?"""

import numpy as np
from sqlalchemy import Connection

from cim.crs.geoid import Geoid, geoid
from cim.settings import Settings
from cim.terrain.ground import Ground
from tiling.check.findings import UNREADABLE, Fault
from tiling.check.sources import opened
from tiling.check.tileset import Report
from tiling.terrain.build import behind
from tiling.terrain.city import city_of
from tiling.terrain.parts import FINEST
from tiling.terrain.plan import SIDE, Key, bounds_of, path_of
from tiling.terrain.quantized import MOST, Floats, Whole
from tiling.terrain.reading import Tile, read
from tiling.terrain.rules import nodes, surface

TILES = 30
"""Tiles without others below them that are looked at, evenly among all."""

SLACK = 0.001
"""Metres of rounding."""


def compare(settings: Settings, connection: Connection, place: str, report: Report) -> list[Fault]:
    """What of this city's own terrain at `place` is not as its rasters say."""
    city = city_of(settings, connection)
    if city is None or behind(settings, connection):
        en = "of other rasters or another geoid than the city has: cim tile update"
        zh = "与城市现有栅格或大地水准面不符：请运行 cim tile update"
        return [Fault("layer.json", "rasters", en, zh)]
    lowest = [key for key in _keys(report) if not any(city.plan.below(key))]
    chosen = lowest[:: max(1, -(-len(lowest) // TILES))]
    source, _ = opened(place)
    faults: list[Fault] = []
    with Ground(settings, city.layers) as ground:
        for key in chosen:
            try:
                tile = read(source.read(path_of(key)), key)
            except UNREADABLE:
                continue  # said before
            faults += _off(tile, ground, geoid(settings), city.plan.unit)
    return faults


def _keys(report: Report) -> list[Key]:
    parts = (uri.removesuffix(".terrain").split("/") for uri in report.uris)
    return sorted((int(level), int(x), int(y)) for level, x, y in parts)


def _off(tile: Tile, ground: Ground, heights: Geoid, unit: float) -> list[Fault]:
    """Vertices, and nodes that triangles stand for, that are not as high as the raster is."""
    column, row = nodes(tile)
    off = _apart(tile, ground, heights, column, row, tile.heights)
    found = []
    if off > unit / 2 + SLACK:
        found.append((f"a vertex is {off:.2f} m off the raster", f"顶点与栅格相差 {off:.2f} 米"))
    inner = np.arange(3, SIDE, 7)
    column, row = (index.ravel() for index in np.meshgrid(inner, inner))
    across = (column * (MOST / SIDE)).astype(np.float64)
    up = (row * (MOST / SIDE)).astype(np.float64)
    shown = surface(tile, across, up)
    off = _apart(tile, ground, heights, column, row, shown)
    if off > 2 * FINEST + unit:
        found.append(
            (f"a triangle is {off:.2f} m off the raster", f"三角形与栅格相差 {off:.2f} 米")
        )
    return [Fault(path_of(tile.key), "heights", *one) for one in found]


def _apart(
    tile: Tile, ground: Ground, heights: Geoid, column: Whole, row: Whole, shown: Floats
) -> float:
    """The most that what is shown at nodes differs from the ground there, m; 0 where none is."""
    west, south, east, north = bounds_of(tile.key)
    there = west + (east - west) * column / SIDE, south + (north - south) * row / SIDE
    true = ground.heights(*there)
    known = np.isfinite(true)
    true[known] += heights.height(there[0][known], there[1][known])
    return float(np.abs(shown - true)[known].max(initial=0.0))
