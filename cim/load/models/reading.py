"""An IFC file as a plain model: runs in the child process, the only place that knows the library.

ifcopenshell (LGPL) is used as a dependency.  `python -m cim.load.models.reading FILE` writes the
model as JSON to standard output, or one line `{"en": …, "zh": …}` where the file is refused.
"""

import os
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ifcopenshell
import ifcopenshell.geom
import ifcopenshell.util.element as elements
import ifcopenshell.util.placement as placements
import ifcopenshell.util.unit as units
import numpy as np
import orjson
import shapely
from shapely import Geometry

from cim.errors import CimError, SourceError
from cim.load.models import belonging, solids
from cim.load.models.georeference import conversion, site
from cim.load.models.model import Level, Model, Space

LARGEST = 512 << 20
"""Bytes of a model, unpacked."""

PROCESSOR = 900
"""Seconds of processor time, should the parent be gone."""

HEADER = 64 << 10
"""Bytes at the beginning among which the schema is named."""

SCHEMAS = ("IFC2X3", "IFC4", "IFC4X3")

SOLID = ("IfcSpace", "IfcWall", "IfcColumn", "IfcSlab", "IfcFooting", "IfcRoof", "IfcPlate")
"""What storeys and rooms are cut from."""

Entity = Any
"""An instance in the file."""


@dataclass(frozen=True)
class _Body:
    """The triangles of an element."""

    kind: str
    vertices: solids.Vertices
    faces: solids.Faces
    bottom: float
    top: float


def read(path: Path) -> Model:
    """The building of a file with the most storeys, and with it the others.

    SourceError where there is none, or where it is no IFC.
    """
    file = _opened(path)
    buildings = _buildings(file, path.name)
    tall = [building for building in buildings if _storeys(building)]
    if not tall:
        raise SourceError(
            f"{path.name} has no storeys (IfcBuildingStorey)",
            f"{path.name} 中没有楼层（IfcBuildingStorey）",
        )
    bodies, failed = _bodies(file)
    first, *others = [_model(file, building, bodies) for building in tall]
    bare = [_called(building) for building in buildings if building not in tall]
    return replace(first, failed=failed, others=others, bare=bare)


def _model(file: Any, building: Entity, bodies: dict[str, _Body]) -> Model:
    scale, storeys = units.calculate_unit_scale(file), _storeys(building)
    cuts = {guid: _cut(body) for guid, body in bodies.items() if body.kind == "IfcSpace"}
    context = _context(file)
    return Model(
        schema=str(file.schema_identifier),
        guid=building.GlobalId,
        name=building.LongName or building.Name or None,
        zero=_height(building, scale),
        north=_north(context),
        levels=list(_levels(storeys, bodies, cuts, scale)),
        spaces=[_space(space, owner, bodies, cuts) for space, owner in _spaces(storeys)],
        conversion=conversion(file, context, scale),
        site=site(file, scale),
    )


def _opened(path: Path) -> Any:
    """The file, from STEP text or from the one STEP text in an archive."""
    with path.open("rb") as stream:
        head = stream.read(2048)
    if head[:4] == b"PK\x03\x04":
        text = _unpacked(path)
    elif b"<ifcXML" in head or b"ifcXML" in head or (head.lstrip()[:5] == b"<?xml"):
        raise SourceError(
            f"{path.name} is ifcXML; save it as IFC (STEP text) instead",
            f"{path.name} 是 ifcXML，请另存为 IFC（STEP 文本）",
        )
    elif b"ISO-10303-21" not in head:
        raise SourceError(f"{path.name} is no IFC file", f"{path.name} 不是 IFC 文件")
    else:
        text = path.read_bytes()
    if b"END-ISO-10303-21" not in text[-4096:]:
        raise SourceError(
            f"{path.name} breaks off before its end: it was not copied or saved whole",
            f"{path.name} 不完整：文件在结尾之前中断，请重新导出或复制",
        )
    return _parsed(path.name, text)


def _parsed(name: str, text: bytes) -> Any:
    said = re.search(rb"FILE_SCHEMA\s*\(\s*\(\s*'([^']*)'", text[:HEADER], re.IGNORECASE)
    schema = said[1].decode("ascii", "replace") if said else "?"
    if not schema.upper().startswith(SCHEMAS):
        raise SourceError(
            f"{name} is of schema {schema[:40]}; IFC 2x3, 4 and 4x3 are read",
            f"{name} 的模式为 {schema[:40]}，仅支持 IFC 2x3、4 和 4x3",
        )
    try:
        file = ifcopenshell.file.from_string(text.decode("utf-8", "replace"))
        file.by_type("IfcProject")
    except Exception as error:  # the library raises plain RuntimeErrors
        raise _damaged(name) from error
    return file


def _damaged(name: str) -> SourceError:
    return SourceError(
        f"{name} is damaged: parts of it are missing or cannot be read as IFC",
        f"{name} 已损坏：部分内容缺失或无法按 IFC 读取",
    )


def _unpacked(path: Path) -> bytes:
    """The one model in an archive, read in memory: no path of the archive is ever used."""
    with zipfile.ZipFile(path) as archive:
        inside = [item for item in archive.infolist() if item.filename.lower().endswith(".ifc")]
        if len(inside) != 1:
            raise SourceError(
                f"{path.name} holds {len(inside)} IFC files; it should hold one",
                f"{path.name} 中有 {len(inside)} 个 IFC 文件，应只有一个",
            )
        text = b""
        if inside[0].file_size <= LARGEST:  # as it says itself; read no further in any case
            with archive.open(inside[0]) as stream:
                text = stream.read(LARGEST + 1)
    if not 0 < len(text) <= LARGEST:
        raise SourceError(
            f"{path.name} unpacks to nothing, or to over {LARGEST >> 20} MB",
            f"{path.name} 解压后为空或超过 {LARGEST >> 20} MB",
        )
    return text


def _buildings(file: Any, name: str) -> list[Entity]:
    """The buildings that are no part of another one, those with the most storeys first."""
    found = file.by_type("IfcBuilding")
    if not found:
        raise SourceError(
            f"{name} has no building (IfcBuilding)", f"{name} 中没有建筑（IfcBuilding）"
        )
    parts = {part.id() for building in found for part in _parts(building)}
    whole = [building for building in found if building.id() not in parts]
    return sorted(whole, key=lambda building: -len(_storeys(building)))


def _called(building: Entity) -> str:
    return str(building.LongName or building.Name or building.GlobalId)


def _storeys(building: Entity) -> list[Entity]:
    """Its storeys, those of its parts included."""
    found, waiting = [], [building]
    while waiting:
        for part in _parts(waiting.pop()):
            if part.is_a("IfcBuildingStorey"):
                found.append(part)
            if part.is_a("IfcBuilding") or part.is_a("IfcBuildingStorey"):
                waiting.append(part)
    return found


def _spaces(storeys: list[Entity]) -> Iterator[tuple[Entity, Entity]]:
    """Spaces with their storeys; of a space that has parts, the parts; each identifier once."""
    seen: set[str] = set()
    for storey in storeys:
        inside = {item.id(): item for item in _inside(storey) if item.is_a("IfcSpace")}
        for space in inside.values():
            parts = [part for part in _parts(space) if part.is_a("IfcSpace")]
            for one in parts or [space]:
                if one.GlobalId not in seen:
                    seen.add(one.GlobalId)
                    yield one, storey


def _bodies(file: Any) -> tuple[dict[str, _Body], int]:
    """Triangles in the model's own metres by GlobalId, and how many could not be made.

    Openings are left in the walls: an outline does not end at a door.
    """
    library: Any = ifcopenshell.geom  # its types are half there
    settings = library.settings()
    settings.set("use-world-coords", True)
    settings.set("disable-opening-subtractions", True)
    wanted = [item for kind in SOLID for item in _of_type(file, kind) if item.Representation]
    found: dict[str, _Body] = {}
    if not wanted:
        return found, 0
    shapes = library.iterator(settings, file, 1, include=wanted)
    more = shapes.initialize()
    while more:
        shape = shapes.get()
        vertices = np.array(shape.geometry.verts, np.float64).reshape(-1, 3)
        faces = np.array(shape.geometry.faces, np.int64).reshape(-1, 3)
        if len(faces) and np.isfinite(vertices).all():
            low, high = solids.bottom_and_top(vertices)
            found[shape.guid] = _Body(shape.type, vertices, faces, low, high)
        more = shapes.next()
    return found, len(wanted) - len(found)


def _of_type(file: Any, kind: str) -> list[Entity]:
    try:
        return list(file.by_type(kind))
    except RuntimeError:  # a class that this schema does not have
        return []


_Cuts = dict[str, tuple[Geometry, float]]
"""Outline and volume of rooms by GlobalId."""


def _levels(
    storeys: list[Entity], bodies: dict[str, _Body], cuts: _Cuts, scale: float
) -> Iterator[Level]:
    """Storeys from below, with what their walls, slabs and rooms cover."""
    rising = sorted(storeys, key=lambda storey: _height(storey, scale))
    floors = [_height(storey, scale) for storey in rising]
    for n, storey in enumerate(rising):
        on_it = {item.GlobalId for item in _things(storey)}
        here = [bodies[guid] for guid in on_it if guid in bodies]
        top = max((body.top for body in here), default=None)
        above = next((z for z in floors[n + 1 :] if z > floors[n] + 0.3), top)
        name = storey.LongName if not storey.Name else storey.Name
        rooms = [cuts[guid][0] for guid in on_it if guid in cuts]
        outline = _outline(list(bodies.values()), here, rooms, (floors[n], above))
        yield Level(storey.GlobalId, name or "", floors[n], top, outline, len(on_it))


def _things(storey: Entity) -> list[Entity]:
    """Everything on a storey, parts of elements included."""
    own = [item for item in _inside(storey) if not item.is_a("IfcBuildingStorey")]
    return own + [part for item in own for part in _parts(item)]


def _parts(thing: Entity) -> list[Entity]:
    return list(elements.get_parts(thing))


def _inside(storey: Entity) -> list[Entity]:
    return [*elements.get_contained(storey), *_parts(storey)]


def _outline(
    everything: list[_Body],
    here: list[_Body],
    rooms: list[Geometry],
    between: tuple[float, float | None],
) -> Geometry | None:
    """What a storey covers: its rooms and the walls that pass through it, then its slabs.

    A hole is a courtyard where a model has slabs and none closes it; else it is a room.
    """
    floor, above = between
    at = floor + min(1.2, ((above or floor + 3.0) - floor) / 2)
    walls = [
        solids.section(body.vertices, body.faces, at)
        for body in everything
        if body.kind.startswith(("IfcWall", "IfcColumn", "IfcPlate"))
        and body.bottom < at < body.top
    ]
    slabs = _seen([body for body in here if body.kind.startswith("IfcSlab")])
    joined = _closed(shapely.union_all([*walls, *rooms], grid_size=solids.GRID))
    if joined.is_empty:
        under = [body for body in here if body.kind in {"IfcFooting", "IfcRoof"}]
        joined = _closed(_seen(under) if slabs.is_empty else slabs)
    polygons = [_filled(polygon, slabs) for polygon in shapely.get_parts(joined)]
    large = [polygon for polygon in polygons if polygon.area >= 1.0] or polygons
    covered = shapely.union_all([*large, *rooms], grid_size=solids.GRID)
    return None if covered.is_empty else covered


def _seen(bodies: list[_Body]) -> Geometry:
    return shapely.union_all(
        [solids.footprint(body.vertices, body.faces) for body in bodies], grid_size=solids.GRID
    )


def _closed(shape: Geometry) -> Geometry:
    """Gaps narrower than a wall closed: between rooms, where the wall between was not modelled."""
    wide = shapely.buffer(shape, 0.15, join_style="mitre")
    return shapely.union_all([shapely.buffer(wide, -0.15, join_style="mitre"), shape])


def _filled(polygon: Geometry, slabs: Geometry) -> Geometry:
    open_air = [
        hole
        for hole in map(shapely.polygons, shapely.get_rings(polygon)[1:])
        if hole.area > 1.0
        and not slabs.is_empty
        and shapely.intersection(hole, slabs).area < hole.area / 2
    ]
    shell = shapely.polygons(shapely.get_exterior_ring(polygon))
    return shapely.difference(shell, shapely.union_all(open_air))


def _space(space: Entity, storey: Entity, bodies: dict[str, _Body], cuts: _Cuts) -> Space:
    body = bodies.get(space.GlobalId)
    outline, content = cuts.get(space.GlobalId, (None, 0.0))
    return Space(
        guid=space.GlobalId,
        name=(space.Name or "").strip() or None,
        long_name=(space.LongName or "").strip() or None,
        storey=storey.GlobalId,
        zone=belonging.zone(space),
        flat=belonging.flat(space),
        outline=None if outline is None or outline.is_empty else outline,
        bottom=body.bottom if body else 0.0,
        top=body.top if body else 0.0,
        volume=content,
    )


def _cut(body: _Body) -> tuple[Geometry, float]:
    content = solids.volume(body.vertices, body.faces)
    return solids.mean_section(body.vertices, body.faces, content)[0], content


def _height(thing: Entity, scale: float) -> float:
    """Metres of its placement in the model's z; of a storey without one, its Elevation."""
    placement = thing.ObjectPlacement
    if placement is None:
        return round(float(getattr(thing, "Elevation", None) or 0.0) * scale, 6)
    return round(float(placements.get_local_placement(placement)[2, 3]) * scale, 6)


def _context(file: Any) -> Entity | None:
    """The 3D context of the model, which has the true north and the map conversion."""
    contexts = file.by_type("IfcGeometricRepresentationContext", include_subtypes=False)
    models = [c for c in contexts if c.ContextType == "Model" and c.CoordinateSpaceDimension == 3]
    return (models or contexts or [None])[0]


def _north(context: Entity | None) -> tuple[float, float]:
    true = getattr(context, "TrueNorth", None)
    x, y = true.DirectionRatios[:2] if true else (0.0, 1.0)
    return (float(x), float(y)) if np.hypot(x, y) > 1e-9 else (0.0, 1.0)


def main(path: Path, megabytes: int) -> bytes:
    """The model as JSON, or why not, within so much memory."""
    for limit, most in (
        (resource.RLIMIT_AS, megabytes << 20),
        (resource.RLIMIT_CPU, PROCESSOR),
        (resource.RLIMIT_FSIZE, LARGEST),
    ):
        resource.setrlimit(limit, (most, most))
    try:
        return read(path).dump()
    except CimError as error:
        return orjson.dumps({"en": str(error), "zh": error.zh})
    except MemoryError:
        return orjson.dumps({"memory": True})
    except Exception:  # whatever a broken file makes the library trip over
        damaged = _damaged(path.name)
        return orjson.dumps({"en": str(damaged), "zh": damaged.zh})


if __name__ == "__main__":
    # The answer alone goes to standard output, whatever the library has to say.
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with answer:
        answer.write(main(Path(sys.argv[1]), int(sys.argv[2])))
