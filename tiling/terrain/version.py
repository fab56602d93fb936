"""What a version of the terrain is made of: its layer.json, a record of each tile, its plan."""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiling.terrain.parts import TILE, Tiles
from tiling.terrain.plan import BEHIND, OUTSIDE, Key, Plan, path_of, plan_of

PLAN, RECORD = ".plan.json", ".tiles.npy"
"""What a version was made from; a record of each of its tiles."""


def made_from(folder: Path) -> Plan | None:
    """What a version was made from; None where there is no version, or it does not say."""
    try:
        return plan_of(json.loads((folder / PLAN).read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def record_of(folder: Path) -> Tiles:
    """The record of each tile of a version; empty where there is none."""
    try:
        found: Tiles = np.load(folder / RECORD)
        return found
    except (OSError, ValueError):
        return np.empty(0, TILE)


def together(before: Tiles, fresh: Tiles, plan: Plan) -> tuple[Tiles, list[str]]:
    """The record of all tiles in order, of those that were and those made now, and which are gone.

    A tile shows ground beyond the rasters where one below it does: who looks for those looks down.
    """
    again = np.isin(codes_of(before), codes_of(fresh))
    stays = np.zeros(before.size, bool)
    for place in np.flatnonzero(~again).tolist():
        stays[place] = plan.has(key_of(before[place]))
    gone = [path_of(key_of(before[place])) for place in np.flatnonzero(~again & ~stays).tolist()]
    record = np.concatenate([before[stays], fresh])
    record = record[np.argsort(codes_of(record), kind="stable")]
    for level in range(int(record["level"].max()), 0, -1):
        for what in (OUTSIDE, BEHIND):
            lower = record[(record["level"] == level) & (record["beyond"] & what > 0)]
            above = lower.copy()
            above["level"], above["x"], above["y"] = level - 1, lower["x"] // 2, lower["y"] // 2
            record["beyond"][np.isin(codes_of(record), codes_of(above))] |= what
    return record, gone


def codes_of(tiles: Tiles) -> NDArray[np.int64]:
    """Tiles by level, column, row as a number each."""
    level, x, y = (tiles[name].astype(np.int64) for name in ("level", "x", "y"))
    return (level << 56) | (x << 28) | y


def key_of(tile: np.void) -> Key:
    """The key of a record."""
    return int(tile["level"]), int(tile["x"]), int(tile["y"])


def described(plan: Plan, version: str) -> bytes:
    """The bytes of layer.json."""
    names = "startX", "endX", "startY", "endY"
    layer = {
        "tilejson": "2.1.0",
        "format": "quantized-mesh-1.0",
        "scheme": "tms",
        "projection": "EPSG:4326",
        "tiles": ["{z}/{x}/{y}.terrain?v={version}"],
        "extensions": ["octvertexnormals"],
        "bounds": list(plan.box),
        "minzoom": 0,
        "maxzoom": plan.deepest,
        "available": [
            [dict(zip(names, row, strict=True)) for row in plan.ranges(level)]
            for level in range(plan.deepest + 1)
        ],
        "version": version,
    }
    return json.dumps(layer).encode()
