"""The road of a mesh: read in a child, put on its building, kept; nothing is committed."""

import hashlib
import json
import shutil
import time
from pathlib import Path
from typing import Any

import shapely
from sqlalchemy import Connection

from cim.errors import MissingCrs, NotFound
from cim.load.kind import Kind
from cim.load.meshes import placing, reading
from cim.load.meshes.placing import At, Placed
from cim.load.pipeline import Progress, Request
from cim.load.report import Report
from cim.model.buildings import building_geom
from cim.settings import Settings
from cim.store.incoming.stage import Counts
from cim.store.queries.incoming import load as statements
from cim.store.queries.incoming import meshes as queries

KIND = Kind(
    name="mesh",
    zh="建筑网格模型",
    en="meshes (OBJ, glTF, PLY, STL): how one building is drawn",
    table=building_geom,
    object_type="building",
    fields=(),
)
"""What a mesh goes by where kinds are named; it has no columns and no mapping."""

FOLDER = "meshes"
"""Where, in the data folder, files of meshes are kept, by what is in them."""


def load(
    connection: Connection,
    settings: Settings,
    path: Path,
    request: Request | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Report:
    """Put a mesh beside the building that is said, or that stands where it is put.

    Nothing is committed here.  Raises SourceError where the file is no mesh of a building, and
    NotFound where there is no such building.
    """
    began = time.monotonic()
    request = request or Request()
    at = None if request.at is None else At.parse(request.at)
    one = _building(connection, request, at)
    mesh = reading.read(
        path, lambda: progress("read", 0, None), up=request.up, scale=request.scale or 1.0
    )
    placing.sized(path.name, mesh)
    report = Report("mesh", path.name, request.source or path.stem, read=1)
    footprint = shapely.from_wkb(one.footprint)
    placed = placing.place(mesh, footprint, one.ground_elev, at, request.rotation)
    progress("keep", 1, 1)
    report.import_id = _begin(connection, report, request)
    report.counts = _enter(connection, report.import_id, one.id, placed, asset(path))
    report.notes += [*placed.notes, *_told(one, len(mesh.triangles), mesh.open_edges)]
    report.seconds = time.monotonic() - began
    _run(connection, statements.END_IMPORT, stats=json.dumps(report.stats()),
         import_id=report.import_id)  # fmt: skip
    return report


def asset(path: Path) -> str:
    """What a file is called in the data folder: the same content, the same name."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:32]
    return f"{FOLDER}/{digest}{path.suffix.lower()}"


def keep(settings: Settings, path: Path) -> None:
    """Put the file itself into the data folder, where the store says that it is."""
    target = settings.data_dir / asset(path)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".part")
    shutil.copyfile(path, fresh)
    fresh.replace(target)


def _run(connection: Connection, sql: str, **parameters: Any) -> Any:
    return connection.execute(statements.bound(sql), parameters)


def _building(connection: Connection, request: Request, at: At | None) -> Any:
    if request.building is not None:
        found = _run(connection, queries.BUILDING, id=request.building).one_or_none()
        if found is None:
            raise NotFound(
                f"No building has the id {request.building}.",
                f"没有编号为 {request.building} 的建筑。",
            )
        return found
    if at is None:
        raise MissingCrs(
            "a mesh does not say which building it is: say --building ID, or --at LON,LAT",
            "网格模型没有说明属于哪幢建筑：请用 --building 编号 或 --at 经度,纬度",
        )
    found = _run(connection, queries.STANDING_AT, lon=at.lon, lat=at.lat).one_or_none()
    if found is None:
        raise NotFound(
            f"No building stands at {at.lon}, {at.lat}; say --building ID.",
            f"{at.lon}, {at.lat} 处没有建筑；请用 --building 编号。",
        )
    return found


def _begin(connection: Connection, report: Report, request: Request) -> int:
    _run(connection, statements.LOCK, kind="mesh")
    source_id = _run(connection, statements.SOURCE, name=report.source).scalar_one()
    said = {"at": request.at, "building": request.building, "rotation": request.rotation}
    number: int = _run(
        connection,
        statements.BEGIN_IMPORT,
        kind="mesh",
        file=report.file,
        layer=None,
        source_id=source_id,
        mapping=json.dumps({"place": said}),
        crs=None,
    ).scalar_one()
    return number


def _enter(
    connection: Connection, import_id: int, building_id: int, placed: Placed, uri: str
) -> Counts:
    row = {
        "building_id": building_id,
        "uri": uri,
        "matrix": placed.matrix,
        "surfaces": placed.surfaces,
    }
    kept = _run(connection, queries.KEPT, **row).one_or_none()
    if kept is not None and kept.same:
        return Counts(unchanged=1)
    number = None if kept is None else kept.id
    hidden = _run(connection, queries.HIDE, building_id=building_id, id=number).scalars().all()
    shown = None if kept is not None and kept.is_current else next(iter(hidden), 0)
    if kept is None:
        _run(connection, queries.ADD, **row)
    else:
        _run(connection, queries.CHANGE, id=number, **row)
    _run(connection, queries.RECORD, building_id=building_id, import_id=import_id, shown=shown)
    return Counts(new=1) if kept is None else Counts(changed=1)


def _told(one: Any, triangles: int, open_edges: bool) -> list[tuple[str, str]]:
    name = f"building {one.id} {one.name or ''}".rstrip()
    told = [
        (
            f"{name} is drawn as this mesh of {triangles:,} triangles, without its colours",
            f"建筑 {one.id} {one.name or ''} 按该网格绘制（{triangles:,} 个三角面，不含颜色）",
        )
    ]
    if open_edges:
        told.append(
            (
                "the mesh is not closed: where it is open, one sees through it",
                "网格不封闭：开口处可透视",
            )
        )
    return told
