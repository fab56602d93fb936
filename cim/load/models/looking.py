"""A model looked at before it is loaded: its storeys, and where it would stand."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import shapely
from shapely import Geometry

from cim.errors import MissingCrs
from cim.load.inspection.outcome import Inspection, Score
from cim.load.models import placement, sandbox
from cim.load.models.drawing import Drawn, draw
from cim.load.models.model import Model
from cim.load.models.placement import At, Placement
from cim.load.pipeline import Request

SECONDS = 45.0
"""How long a look may take."""

STOREYS = ("楼层 storey", "标高 elevation, m", "面积 area, m²", "房间 rooms")


def look(path: Path, request: Request) -> Inspection:
    """What a model holds: a row a storey, and its ground outline in degrees.

    That it does not say where it stands is no error here but a note.  Raises SourceError where it
    cannot be read.
    """
    model = sandbox.read(path, seconds=SECONDS)
    drawn = draw(model, every_space=request.every_space)
    notes: list[tuple[str, str]] = []
    ground = None
    try:
        place = _place(model, drawn, request)
        notes += place.notes
        ground = None if drawn.ground.is_empty else place.place(drawn.ground)
    except MissingCrs as error:
        notes.append((str(error), error.zh))
    rooms = Counter(number for _, number in drawn.rooms)
    return Inspection(
        file=path.name,
        layer=None,
        layers=(),
        format=model.schema,
        encoding=None,
        rows=len(drawn.floors) + len(drawn.flats) + len(drawn.rooms),
        crs=model.conversion.crs if model.conversion else None,
        crs_proposals=(),
        extent=None if ground is None else _extent(ground),
        geometry=None,
        kinds=(Score("model", 100),),
        kind="model",
        columns=(),
        mapping=(),
        missing=(),
        oddities=(),
        preview={
            "columns": list(STOREYS),
            "rows": [
                [
                    floor.label,
                    f"{floor.bottom:.2f}",
                    f"{floor.outline.area:.1f}" if floor.outline else None,
                    str(rooms[floor.no]),
                ]
                for floor in drawn.floors
            ],
            "numbers": list(range(1, len(drawn.floors) + 1)),
        },
        footprints=None if ground is None else _drawn(ground),
        notes=tuple(notes),
    )


def _extent(ground: Geometry) -> tuple[float, float, float, float]:
    west, south, east, north = shapely.bounds(ground).tolist()
    return west, south, east, north


def _drawn(ground: Geometry) -> dict[str, Any]:
    shape = json.loads(shapely.to_geojson(ground))
    feature = {"type": "Feature", "properties": {"row": 1}, "geometry": shape}
    return {"type": "FeatureCollection", "features": [feature]}


def _place(model: Model, drawn: Drawn, request: Request) -> Placement:
    if request.at is not None:
        middle = shapely.box(*shapely.bounds(drawn.ground)).centroid
        return placement.by_place((middle.x, middle.y), At.parse(request.at), request.rotation)
    return placement.by_file(model, request.crs)
