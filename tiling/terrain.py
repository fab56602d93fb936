"""From the city's rasters to tiles of terrain on disk: quantized-mesh, for CesiumJS and its kin.

tiles/terrain/VERSION/layer.json           what there is (TileJSON)
                     /LEVEL/X/Y.terrain    two tiles on level 0, rows from south to north
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from math import ceil, floor, log2
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import numpy as np
import rasterio
from rasterio.fill import fillnodata
from rasterio.windows import Window
from sqlalchemy import Connection

from cim.crs.geoid import geoid
from cim.errors import TilingError
from cim.settings import Settings
from cim.store import terrain
from cim.store.queries import terrain as queries
from cim.terrain.ground import Ground
from cim.terrain.layer import Box, Layer
from tiling import quantized
from tiling.folder import Folder
from tiling.layers import TERRAIN
from tiling.packed import packed
from tiling.relief import QUARTERS, SIDE, Nodes, Relief, joined, triangulated

DEEPEST = 18
"""No tile is smaller than this level's (76 m), however fine the raster."""

FINEST = 0.5
"""Metres that the triangles of the deepest level may differ from the lattice."""

COARSE = 77_067.0 / 4
"""Metres on level 0, halved from level to level: a quarter of what Cesium reckons with."""

REACH = 100
"""Cells over which holes of a raster are filled from around them, for show alone."""

STRIPE = 1024
"""Rows that are filled at a time."""

FORMAT = "quantized-mesh 1"
"""Changes when the same ground would be written otherwise."""

Progress = Callable[[int, int], None]
"""Called with the tiles done and their total."""


@dataclass
class Built:
    """What a run did."""

    path: Path
    version: str = ""
    tiles: int = 0
    bytes: int = 0
    packed: int = 0
    deepest: int = 0
    shift: float = 0.0
    model: str = ""
    seconds: float = 0.0


@dataclass
class _Run:
    """A run as it goes."""

    relief: Relief
    boxes: Sequence[Box]
    folder: Folder
    built: Built
    digests: dict[tuple[int, int, int], bytes] = field(default_factory=dict)
    progress: Progress | None = None
    total: int = 0


def build(
    settings: Settings,
    connection: Connection,
    progress: Progress | None = None,
    *,
    dry_run: bool = False,
) -> Built:
    """Build the terrain of the city as its rasters stand now.

    What is served stays until the new one is whole; a `dry_run` keeps nothing.  Raises TilingError
    where the city has no raster, a build is under way, the disk is full, or the geoid grid does
    not reach.
    """
    began = monotonic()
    layers = terrain.layers(connection, settings)
    if not layers:
        raise missing()
    rows = connection.execute(queries.LISTED).all()
    unit = unit_for(max(row.most for row in rows) - min(row.least for row in rows))
    deepest = level_for(min(row.cell for row in rows))
    above = geoid(settings)
    built = Built(settings.tiles_dir / TERRAIN, deepest=deepest, model=above.name)
    with (
        TemporaryDirectory(prefix="cim-") as filled,
        Folder(Path(filled) / TERRAIN if dry_run else built.path) as folder,
    ):
        shown = [_filled(layer, row.holes, Path(filled) / f"{number}.tif")
                 for number, (layer, row) in enumerate(zip(layers, rows, strict=True))]  # fmt: skip
        boxes = [layer.bounds for layer in layers]
        with Ground(settings, shown) as ground:
            west, south, east, north = box = _around(boxes)
            middle = np.array([(west + east) / 2]), np.array([(south + north) / 2])
            built.shift = float(above.height(*middle)[0])
            relief = Relief(ground, above, box, unit, deepest)
            folder.begin(FORMAT + " " + "".join(row.digest for row in rows))
            folder.clear(())
            run = _Run(relief, boxes, folder, built, progress=progress)
            run.total = sum((e - w) * (n - s) for w, s, e, n in _ranges(boxes, deepest))
            for x in (0, 1):
                _tile(run, 0, x, 0)
        _describe(run)
        folder.finish(built.version, None, ())
        folder.switch(built.version)
    built.seconds = monotonic() - began
    return built


def unit_for(span: float) -> float:
    """The step of heights, m, a power of two, for which a tile has steps enough.

    >>> unit_for(2751.0), unit_for(80.0), unit_for(9000.0)
    (0.125, 0.015625, 0.5)
    """
    return 2.0 ** max(ceil(log2((span + 250.0) / quantized.MOST)), -6)


def level_for(cell: float) -> int:
    """The level whose lattice is as fine as cells of so many metres.

    >>> level_for(79.6), level_for(25.0), level_for(0.5)
    (12, 14, 18)
    """
    return max(0, min(DEEPEST, ceil(log2(20_015_000 / SIDE / cell) - 0.1)))


def _around(boxes: Sequence[Box]) -> Box:
    wests, souths, easts, norths = zip(*boxes, strict=True)
    return min(wests), min(souths), max(easts), max(norths)


def _ranges(boxes: Sequence[Box], level: int) -> list[tuple[int, int, int, int]]:
    """The columns and rows of tiles that each box meets, ends excluded."""
    step = 180 / 2**level
    wide, high = 2 ** (level + 1), 2**level
    return [
        (
            max(0, floor((west + 180) / step)),
            max(0, floor((south + 90) / step)),
            min(wide, floor((east + 180) / step) + 1),
            min(high, floor((north + 90) / step) + 1),
        )
        for west, south, east, north in boxes
    ]


def _bounds(level: int, x: int, y: int) -> Box:
    step = 180 / 2**level
    return x * step - 180, y * step - 90, (x + 1) * step - 180, (y + 1) * step - 90


def _tile(run: _Run, level: int, x: int, y: int) -> Nodes | None:
    """Build a tile and all below it; its nodes, or None where no raster reaches."""
    within = any(w <= x < e and s <= y < n for w, s, e, n in _ranges(run.boxes, level))
    if not within and level > 0:
        return None
    if level < run.built.deepest and within:
        parts = [_tile(run, level + 1, 2 * x + right, 2 * y + up) for right, up in QUARTERS]
        nodes = joined(run.relief, (level, x, y), parts)
    else:
        nodes = run.relief.nodes(level, x, y)
    error = FINEST if level == run.built.deepest else max(FINEST, COARSE / 2**level)
    content = quantized.write(triangulated(nodes, run.relief.unit, _bounds(level, x, y), error))
    small = packed(content)
    run.folder.write(f"{level}/{x}/{y}.terrain", content, small)
    run.digests[level, x, y] = blake2b(content, digest_size=16).digest()
    run.built.tiles += 1
    run.built.bytes += len(content)
    run.built.packed += len(small)
    if run.progress and level == run.built.deepest:
        run.progress(run.built.tiles, max(run.total, run.built.tiles))
    return nodes


def _describe(run: _Run) -> None:
    """Write layer.json, and name the version after all of it."""
    built = run.built
    levels = [_ranges(run.boxes, level) for level in range(built.deepest + 1)]
    levels[0] = [(0, 0, 2, 1)]
    layer = {
        "tilejson": "2.1.0",
        "format": "quantized-mesh-1.0",
        "scheme": "tms",
        "projection": "EPSG:4326",
        "tiles": ["{z}/{x}/{y}.terrain?v={version}"],
        "extensions": ["octvertexnormals"],
        "bounds": list(_around(run.boxes)),
        "minzoom": 0,
        "maxzoom": built.deepest,
        "available": [
            [dict(zip(("startX", "startY", "endX", "endY"), (w, s, e - 1, n - 1), strict=True))
             for w, s, e, n in dict.fromkeys(ranges)]
            for ranges in levels
        ],
    }  # fmt: skip
    named = json.dumps(layer).encode()
    named += b"".join(f"{key}".encode() + run.digests[key] for key in sorted(run.digests))
    built.version = blake2b(named, digest_size=6).hexdigest()
    described = json.dumps({**layer, "version": built.version}).encode()
    run.folder.write("layer.json", described, packed(described))
    built.bytes += len(described)


def _filled(layer: Layer, holes: int, target: Path) -> Layer:
    """The raster with its holes filled from around them, for show: no building stands on it."""
    if not holes:
        return layer
    with rasterio.open(layer.path) as file:
        profile = {**file.profile, "driver": "GTiff", "tiled": True, "compress": None}
        with rasterio.open(target, "w", **profile) as out:
            for top in range(0, file.height, STRIPE):
                first = max(0, top - REACH)
                last = min(file.height, top + STRIPE + REACH)
                cells = file.read(1, window=Window(0, first, file.width, last - first), masked=True)
                known = ~np.ma.getmaskarray(cells)
                filled = cells.filled(profile["nodata"]).astype(np.float32)
                if known.any() and not known.all():
                    filled = fillnodata(filled, known.astype(np.uint8), max_search_distance=REACH)
                rows = min(STRIPE, file.height - top)
                part = filled[top - first : top - first + rows].astype(profile["dtype"])
                out.write(part, 1, window=Window(0, top, file.width, rows))
    return replace(layer, path=target)


def missing() -> TilingError:
    """What is said where there is no terrain to build."""
    return TilingError(
        "the city has no terrain: load a raster of ground heights with cim load terrain FILE",
        "城市还没有地形：请用 cim load terrain 文件 载入高程栅格",
    )
