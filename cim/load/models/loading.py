"""The road of a floor model: read in a child, drawn, placed, linked, kept; nothing is committed."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import shapely
from shapely import Geometry
from sqlalchemy import Connection

from cim.errors import NotFound, SourceError
from cim.load.kind import Kind
from cim.load.models import laying, placement, remembering, sandbox
from cim.load.models.drawing import Drawn, draw
from cim.load.models.laying import Placed
from cim.load.models.model import Model
from cim.load.models.placement import At
from cim.load.pipeline import Progress, Request
from cim.load.report import Report
from cim.model.buildings import unit
from cim.model.spaces import unit_space
from cim.settings import Settings
from cim.store.incoming import spaces
from cim.store.incoming.stage import Counts
from cim.store.queries.incoming import load as statements
from cim.store.queries.incoming import spaces as queries

KIND = Kind(
    name="model",
    zh="建筑模型",
    en="floor models (IFC): storeys, units and rooms of one building",
    table=unit,
    object_type="unit",
    fields=(),
    derives=True,
)
"""What a model goes by where kinds are named; it has no columns and no mapping."""

LEAST_SHARE = 0.3
"""Share of a model's ground outline that a footprint must take to be its building."""

LEAST_AREA = 2.0
"""m² of ground outline below which a model is of a wall, not of a building."""

FAR = 50.0
"""Kilometres from the rest of the city from which a place is told as odd."""

LISTED = 8
"""Rooms that a note names."""

ODD = {
    "no_solid": ("rooms without a solid: listed, not drawn", "没有实体的房间：仅登记，无轮廓"),
    "uneven_room": (
        "rooms that are no prisms, prism/solid: the unit is measured by the solid",
        "非棱柱房间（棱柱/实体体积）：房屋单元按实体体积计",
    ),
    "overlapping_rooms": ("rooms that overlap", "互相重叠的房间"),
}
"""What is told with the names of the rooms."""

GROUPED = {
    "zones": ("by the model's zones", "按模型中的分区（IfcZone）"),
    "properties": ("by a property of the rooms", "按房间属性"),
    "names": ("by the names of the rooms", "按房间名称"),
    "home": ("as one home: its rooms are those of a single home", "作为一户：房间构成一套住宅"),
    "spaces": ("each room by itself", "每个房间为一个单元"),
}


def load(
    connection: Connection,
    settings: Settings,
    path: Path,
    request: Request | None = None,
    progress: Progress = lambda step, done, total: None,
) -> Report:
    """Load one model; nothing is committed here.

    Raises SourceError (MissingCrs where it does not say where it stands) before anything is
    written, NotFound where there is no building of the id that was said.
    """
    began = time.monotonic()
    request = request or Request()
    name = request.source or path.stem
    model = sandbox.read(path, lambda: progress("read", 0, None))
    here = _begin(connection, path, name, request)
    request, recalled = remembering.recall(here, model.guid, request)
    report = Report("model", path.name, name)
    report.notes += recalled
    ids = [_one(here, path.name, model, report, request, progress)]
    remembering.keep(here, model.guid, request)
    ids += _others(here, path.name, model, report, request, progress)
    here.run(queries.REMEMBER, ids=ids)
    report.seconds = time.monotonic() - began
    report.import_id = here.import_id
    here.run(statements.END_IMPORT, stats=json.dumps(report.stats()), import_id=here.import_id)
    return report


def _one(
    here: spaces.Load, file: str, model: Model, report: Report, request: Request, progress: Progress
) -> int:
    """One building of a file into the city; its id, and in the report what became of it."""
    drawn = draw(model, every_space=request.every_space)
    count = len(drawn.floors) + len(drawn.flats) + len(drawn.rooms)
    progress("compare", count, count)
    placed = _placed(here, file, model, drawn, request)
    report.crs, report.read = placed.place.how, report.read + count
    report.notes += [*placed.place.notes, *_far(here, placed.ground)]
    building_id = _building(here, placed, report, request)
    progress("keep", count, count)
    report.counts = _sum((report.counts, enter(here, placed, building_id, report)))
    _tell(report, model, drawn)
    return building_id


def _others(
    here: spaces.Load, file: str, first: Model, report: Report, request: Request, progress: Progress
) -> list[int]:
    """The file's further buildings, each with a report of its own under its name; their ids.

    Where somebody says where the model stands, that is one building's place: the others are named.
    """
    ids: list[int] = []
    for model in first.others:
        name = model.name or model.guid
        if request.at is not None or request.building is not None:
            report.notes.append(
                (
                    f"{name} is another building of the file, and stays out: the place that was "
                    "said is one building's",
                    f"{name} 是文件中的另一幢建筑，未载入：所说的位置只属于一幢建筑",
                )
            )
            continue
        own = Report("model", file, report.source)
        try:
            ids.append(_one(here, file, model, own, request, progress))
        except SourceError as error:
            own.notes.append((f"it stays out: {error}", f"未载入：{error.zh}"))
        report.notes += [(f"{name}: {en}", f"{name}：{zh}") for en, zh in own.notes]
        report.counts = _sum((report.counts, own.counts))
        report.warnings.update(own.warnings)
        report.read += own.read
    for name in first.bare:
        report.notes.append(
            (
                f"{name} is a building without storeys, and stays out",
                f"{name} 没有楼层，未载入",
            )
        )
    return ids


def _begin(connection: Connection, path: Path, name: str, request: Request) -> spaces.Load:
    def one(sql: str, **parameters: Any) -> int:
        return int(connection.execute(statements.bound(sql), parameters).scalar_one())

    connection.execute(statements.bound(statements.LOCK), {"kind": "model"})
    source_id = one(statements.SOURCE, name=name)
    import_id = one(
        statements.BEGIN_IMPORT,
        kind="model",
        file=path.name,
        layer=None,
        source_id=source_id,
        mapping="{}",
        crs=request.crs,
    )
    return spaces.Load(connection, source_id, import_id, request.full)


def _placed(here: spaces.Load, file: str, model: Model, drawn: Drawn, request: Request) -> Placed:
    ground = drawn.ground
    if ground.is_empty or ground.area < LEAST_AREA:
        raise SourceError(
            f"{file} has no storey that covers any ground ({ground.area:.1f} m²): no walls, slabs "
            "or rooms that make a building",
            f"{file} 中没有占地的楼层（{ground.area:.1f} 平方米）：墙、板、房间不足以构成建筑",
        )
    if request.at is not None:
        west, south, east, north = shapely.bounds(ground).tolist()
        middle = ((west + east) / 2, (south + north) / 2)
        place = placement.by_place(middle, At.parse(request.at), request.rotation)
    elif request.building is not None:
        row = _existing(here, request.building, model)
        footprint = shapely.from_wkb(row.footprint)
        place = placement.onto(footprint, model.north, ground, request.rotation)
    else:
        place = placement.by_file(model, request.crs)
    return Placed(Path(file).stem, model, drawn, place, place.place(ground))


def _existing(here: spaces.Load, building_id: int, model: Model) -> Any:
    found = here.rows(queries.BUILDING, id=building_id, source_id=here.source_id, guid=model.guid)
    if not found:
        raise NotFound(
            f"No building has the id {building_id}.", f"没有编号为 {building_id} 的建筑。"
        )
    return found[0]


def _far(here: spaces.Load, ground: Geometry) -> list[tuple[str, str]]:
    middle = shapely.centroid(ground)
    far = here.rows(queries.FAR, lon=middle.x, lat=middle.y)[0][0]
    if far is None or far < FAR:
        return []
    return [
        (
            f"it stands {far:,.0f} km from the rest of the city; --at puts it elsewhere",
            f"模型距城市其他建筑 {far:,.0f} 公里；可用 --at 改放",
        )
    ]


def _building(here: spaces.Load, placed: Placed, report: Report, request: Request) -> int:
    """The building it stands on: as said, as before, by place, or a new one."""
    keys = {"source_id": here.source_id, "guid": placed.model.guid}
    guids = [space.guid for space in placed.model.spaces]
    known = here.rows(queries.KNOWN_BUILDING, spaces=guids, **keys)
    said = request.building and here.rows(queries.BUILDING, id=request.building, **keys)
    own = said or known
    if said and known and known[0].own and known[0].id != said[0].id:
        report.notes.append(
            (
                f"building {known[0].id}, which this model made before, is left without it",
                f"该模型此前新建的建筑 {known[0].id} 不再有模型",
            )
        )
    if own and not own[0].own:
        return _linked(here, placed, int(own[0].id), report, None)
    if not own:
        found = here.rows(queries.OVERLAPPED, outline=shapely.to_wkb(placed.ground))
        if found and found[0].share >= LEAST_SHARE:
            return _linked(here, placed, int(found[0].id), report, found[0].share)
    building_id, counts = spaces.enter_building(here, _row(here, placed))
    if counts.new:
        note = (
            f"a new building was made from the model, id {building_id}",
            f"已按模型新建建筑，编号 {building_id}",
        )
        report.notes.append(note)
    return building_id


def _linked(
    here: spaces.Load, placed: Placed, building_id: int, report: Report, share: float | None
) -> int:
    row = _existing(here, building_id, placed.model)
    part = "" if share is None else f" ({share:.0%})"
    name = row.name or ""
    report.notes.append(
        (
            f"it stands on building {building_id} {name}{part}".rstrip(),
            f"模型位于建筑 {building_id} {name}{part}".rstrip(),
        )
    )
    if row.floors_above != placed.drawn.above:
        report.notes.append(
            (
                f"the building has {row.floors_above} storeys above ground, the model "
                f"{placed.drawn.above}: storeys that the model lacks stay generated",
                f"建筑登记地上 {row.floors_above} 层，模型 {placed.drawn.above} 层："
                "模型缺少的楼层仍按推算",
            )
        )
    return building_id


def _row(here: spaces.Load, placed: Placed) -> dict[str, list[Any]]:
    inside = shapely.point_on_surface(placed.ground)
    near = here.rows(queries.NEAR_GROUND, lon=inside.x, lat=inside.y)
    return laying.building_row(placed, float(near[0][0]) if near else 0.0)


def enter(here: spaces.Load, placed: Placed, building_id: int, report: Report) -> Counts:
    """Storeys, units with their parts, and rooms, of a building; what became of them is told."""
    ids, storeys = spaces.enter_storeys(here, laying.storey_rows(placed, building_id))
    flats, label = placed.drawn.flats, {f.no: f.label for f in placed.drawn.floors}
    units, counts, linked = spaces.enter_units(
        here, laying.unit_rows(placed, building_id, ids, label)
    )
    spaces.enter_parts(here, list(units.values()), laying.part_rows(placed, ids, units))
    unit_of = {space.guid: units.get(flat.key) for flat in flats for space in flat.spaces}
    rooms = spaces.enter_spaces(here, laying.room_rows(placed, building_id, ids, unit_of))
    gone = spaces.missing(here, unit, "unit", building_id, [flat.key for flat in flats])
    lost = spaces.missing(
        here, unit_space, "unit_space", building_id, [s.guid for s, _ in placed.drawn.rooms]
    )
    counts.missing, counts.ended = gone.missing, gone.ended
    rooms.missing, rooms.ended = lost.missing, lost.ended
    for en, zh, one in (
        ("storeys", "楼层", storeys), ("units", "房屋单元", counts), ("rooms", "房间", rooms),
    ):  # fmt: skip
        report.notes.append((f"{en}: {_said(one)}", f"{zh}：{_said_zh(one)}"))
    if linked:
        report.notes.append(
            (
                f"{linked} units of the register got the model's outlines",
                f"{linked} 个已登记的房屋单元采用了模型轮廓",
            )
        )
    return _sum((storeys, counts, rooms))


def _sum(counts: Sequence[Counts]) -> Counts:
    whole = Counts()
    for one in counts:
        for name, value in vars(one).items():
            setattr(whole, name, getattr(whole, name) + value)
    return whole


def _said(counts: Counts) -> str:
    return (
        f"{counts.new} new, {counts.changed} changed, {counts.unchanged} unchanged, "
        f"{counts.missing} missing"
    )


def _said_zh(counts: Counts) -> str:
    return (
        f"新增 {counts.new}，更新 {counts.changed}，未变 {counts.unchanged}，"
        f"模型中已无 {counts.missing}"
    )


def _tell(report: Report, model: Model, drawn: Drawn) -> None:
    """What was left, how units were told, and which rooms are odd."""
    if model.failed:
        report.notes.append(
            (
                f"{model.failed} elements have a shape that cannot be made",
                f"{model.failed} 个构件的形状无法生成",
            )
        )
    if drawn.rooms:
        en, zh = GROUPED[drawn.grouped]
        report.notes.append((f"rooms were put into units {en}", f"房间归入单元的方式：{zh}"))
    report.warnings.update(drawn.odd)
    for name, rooms in drawn.named.items():
        if rooms:
            listed = ", ".join(rooms[:LISTED]) + (" …" if len(rooms) > LISTED else "")
            en, zh = ODD[name]
            report.notes.append((f"{en}: {listed}", f"{zh}：{listed}"))
