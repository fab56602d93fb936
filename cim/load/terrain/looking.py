"""A raster looked at before it is loaded; nothing is kept."""

import json
from dataclasses import replace
from pathlib import Path

import shapely

from cim.errors import MissingCrs
from cim.load.coordinates import propose
from cim.load.inspection.outcome import Inspection, Score
from cim.load.terrain.keeping import Kept, keep
from cim.load.terrain.loading import told
from cim.load.terrain.reading import Raster, numbers, opened
from cim.load.terrain.wish import Wish

FACTS = (
    "像元 cells", "大小 cell, m", "最低 lowest, m", "最高 highest, m", "无高程 without a height",
    "起算面 heights above",
)  # fmt: skip
"""What is shown of a raster."""

SHIFTED = ("gcj02", "bd09")
"""Systems of web maps, in which no raster of heights comes."""


def look(path: Path, wish: Wish, *, ask: bool = False) -> Inspection:
    """What a raster of heights holds, every cell of it looked at, and what it covers.

    Raises what loading it would; but with `ask`, that it does not say its coordinate system is no
    error but a note: somebody is there to be asked.
    """
    try:
        return _look(path, wish)
    except MissingCrs as error:
        if not ask:
            raise
        found = _outcome(path, None, None, [(str(error), error.zh)])
        metric = (one for one in propose(numbers(path)) if not one.code.startswith(SHIFTED))
        return replace(found, crs_proposals=tuple(metric))


def _look(path: Path, wish: Wish) -> Inspection:
    with opened(path, wish.crs, wish.heights) as raster:
        kept = keep(raster, None, lambda done: None)
        return _outcome(path, raster, kept, [*raster.notes, *told(raster, kept)])


def _outcome(
    path: Path, raster: Raster | None, kept: Kept | None, notes: list[tuple[str, str]]
) -> Inspection:
    rows = []
    if raster and kept:
        size = f"{raster.file.width:,} × {raster.file.height:,}"
        values = (
            f"{raster.cell:.3g}",
            f"{kept.least:,.7g}",
            f"{kept.most:,.7g}",
            f"{kept.holes:,}",
        )
        rows = [[size, *values, raster.heights]]
    footprints = None
    if raster:
        shape = json.loads(shapely.to_geojson(raster.extent))
        feature = {"type": "Feature", "properties": {"row": 1}, "geometry": shape}
        footprints = {"type": "FeatureCollection", "features": [feature]}
    west, south, east, north = raster.extent.bounds if raster else (0.0, 0.0, 0.0, 0.0)
    return Inspection(
        file=path.name,
        layer=None,
        layers=(),
        format=raster.file.driver if raster else path.suffix.lstrip("."),
        encoding=None,
        rows=kept.cells if kept else None,
        crs=raster.system if raster else None,
        crs_proposals=(),
        extent=(west, south, east, north) if raster else None,
        geometry={"raster": 1},
        kinds=(Score("terrain", 100),),
        kind="terrain",
        columns=(),
        mapping=(),
        missing=(),
        oddities=(),
        preview={"columns": list(FACTS), "rows": rows, "numbers": [1][: len(rows)]},
        footprints=footprints,
        notes=tuple(notes),
    )
