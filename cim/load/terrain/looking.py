"""A raster looked at before it is loaded; nothing is kept."""

import json
from pathlib import Path

import shapely

from cim.load.inspection.outcome import Inspection, Score
from cim.load.terrain.keeping import keep
from cim.load.terrain.loading import told
from cim.load.terrain.reading import opened
from cim.load.terrain.wish import Wish


def look(path: Path, wish: Wish) -> Inspection:
    """What a raster of heights holds, every cell of it looked at, and what it covers.

    Raises what loading it would.
    """
    with opened(path, wish.crs, wish.heights) as raster:
        kept = keep(raster, None, lambda done: None)
        west, south, east, north = raster.extent.bounds
        shape = json.loads(shapely.to_geojson(raster.extent))
        feature = {"type": "Feature", "properties": {"row": 1}, "geometry": shape}
        return Inspection(
            file=path.name,
            layer=None,
            layers=(),
            format=raster.file.driver,
            encoding=None,
            rows=kept.cells,
            crs=raster.system,
            crs_proposals=(),
            extent=(west, south, east, north),
            geometry={"raster": 1},
            kinds=(Score("terrain", 100),),
            kind="terrain",
            columns=(),
            mapping=(),
            missing=(),
            oddities=(),
            footprints={"type": "FeatureCollection", "features": [feature]},
            notes=(*raster.notes, *told(raster, kept)),
        )
