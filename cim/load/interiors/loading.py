"""The interiors of a city model's buildings into the store, on the road of floor models."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection

from cim import crs
from cim.crs.geoid import CITY
from cim.load.interiors.reading import Interior, interior
from cim.load.models import placement
from cim.load.models.drawing import Drawn, Flat, draw
from cim.load.models.laying import Placed
from cim.load.models.loading import enter
from cim.load.pipeline import Progress, Request
from cim.load.readers import cityjson, citymodel, citystreams
from cim.load.readers.citymodel import Feature
from cim.load.report import Report
from cim.store.incoming import spaces
from cim.store.queries.incoming import load as statements
from cim.store.queries.incoming import spaces as queries

LISTED = 8
"""Objects that a note names."""

TOLD = {
    "waiting": (
        "interiors of buildings that did not come in", "未入库建筑的内部构造",
    ),
    "unsound": (
        "interiors that cannot be read: a geometry is not what its type says",
        "无法读取的内部构造（几何与类型不符）",
    ),
    "placeless": (
        "interiors without any unit or room that has a geometry",
        "没有带几何的户室或房间的内部构造",
    ),
    "lost": (
        "storeys without a geometry, a unit or a room: nothing tells how high they lie",
        "没有几何、户室或房间的楼层（高度未知）",
    ),
    "open": (
        "units and rooms that do not close: measured as prisms", "未封闭的户室或房间（按棱柱计量）",
    ),
    "addressed": (
        "units with an address, which is not read here: load addresses as a table",
        "带地址的户室（此处不读取地址，请以地址表载入）",
    ),
}  # fmt: skip
"""What is told with the names of the objects."""

ODD = {
    "no_solid": ("rooms without height: listed, not drawn", "没有高度的房间：仅登记"),
    "uneven_room": (
        "rooms that are no prisms, prism/solid: the unit is measured by the solid",
        "非棱柱房间（棱柱/实体体积）：房屋单元按实体体积计",
    ),
    "overlapping_rooms": ("rooms that overlap", "互相重叠的房间"),
}


@dataclass
class Found:
    """What is to be told of the interiors of a file."""

    units: int = 0
    rooms: int = 0
    named: dict[str, list[str]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    ids: list[int] = field(default_factory=list)

    def name(self, what: str, *names: str) -> None:
        """Objects about which something is to be told."""
        self.named.setdefault(what, []).extend(names)

    def notes(self) -> Iterator[tuple[str, str]]:
        """The sentences of it, in both languages."""
        said = f"{self.counts['new']} new, {self.counts['changed']} changed"
        yield (
            f"inside {len(self.ids):,} buildings: {self.units:,} units, {self.rooms:,} rooms "
            f"({said}, storeys with them)",
            f"{len(self.ids):,} 幢建筑的内部：{self.units:,} 个房屋单元、{self.rooms:,} 个房间"
            f"（连同楼层，新增 {self.counts['new']}，更新 {self.counts['changed']}）",
        )
        for what, names in self.named.items():
            en, zh = (TOLD | ODD)[what]
            listed = ", ".join(names[:LISTED]) + (" …" if len(names) > LISTED else "")
            yield f"{len(names):,} {en}: {listed}", f"{zh} {len(names):,}：{listed}"


def load(
    connection: Connection, path: Path, report: Report, request: Request, progress: Progress
) -> list[int]:
    """Give the buildings that came with a file the storeys, units and rooms that it has of them.

    After `pipeline.load`, in its transaction, whose staging tables go; what cannot be used is named
    in the report.  Returns the ids of the buildings.
    """
    model = citystreams.opened(path)
    model.look()
    system = report.crs or ""
    if not crs.is_projected(system):
        report.notes.append(
            (
                "units and rooms are not read of models in degrees: save it in a plane system",
                "经纬度坐标的模型不读取户室和房间：请另存为平面坐标",
            )
        )
        return []
    here = _here(connection, report, request)
    found, heights = Found(), cityjson.heights_of(model.header)
    own = heights.above in (None, CITY)
    for feature in model.features():
        if any(item["type"] in citymodel.INSIDE for item in feature.members.values()):
            _bring(here, found, feature, system, own=own)
            progress("keep", len(found.ids), None)
    report.notes += found.notes()
    return found.ids


def _here(connection: Connection, report: Report, request: Request) -> spaces.Load:
    connection.execute(statements.bound(statements.LOCK), {"kind": "model"})
    source = connection.execute(statements.bound(statements.SOURCE), {"name": report.source})
    assert report.import_id is not None  # pipeline.load has begun it
    return spaces.Load(connection, source.scalar_one(), report.import_id, request.full)


def _bring(here: spaces.Load, found: Found, feature: Feature, system: str, *, own: bool) -> None:
    try:
        inside = interior(feature, system)
    except (citymodel.Unsound, ValueError, IndexError, KeyError, TypeError, AttributeError):
        found.name("unsound", feature.key)
        return
    if inside is None:
        found.name("placeless", feature.key)
        return
    row = next(iter(here.rows(queries.OF_SOURCE, source_id=here.source_id, key=feature.key)), None)
    if row is None:
        found.name("waiting", feature.key)
        return
    base = row.ground_elev if own else citymodel.building(feature).base
    inside = replace(inside, model=replace(inside.model, zero=float(base)))
    drawn = _named(_standing(draw(inside.model, units=inside.told), float(base)), inside)
    place = placement.by_file(inside.model, system)
    placed = Placed(feature.key, inside.model, drawn, place, place.place(drawn.ground))
    counts = enter(here, placed, int(row.id), Report("model", feature.key, feature.key))
    found.ids.append(int(row.id))
    found.units += len(drawn.flats)
    found.rooms += sum(space.guid not in inside.called for space, _ in drawn.rooms)
    found.counts.update(new=counts.new, changed=counts.changed)
    for what, names in _odd(inside, drawn):
        if names:
            found.name(what, *names)


def _odd(inside: Interior, drawn: Drawn) -> list[tuple[str, tuple[str, ...]]]:
    own = [("lost", inside.lost), ("open", inside.open), ("addressed", inside.addressed)]
    return [*own, *drawn.named.items()]


def _standing(drawn: Drawn, zero: float) -> Drawn:
    """The same above the building's own ground: a model's is where its ground floor is.

    A floor model may count from anywhere; a city model's heights are those of the place.
    """
    up = drawn.zero - zero
    floors = [replace(floor, bottom=round(floor.bottom + up, 4)) for floor in drawn.floors]
    flats = [
        replace(
            flat,
            parts=tuple(
                replace(part, bottom=round(part.bottom + up, 4), top=round(part.top + up, 4))
                for part in flat.parts
            ),
        )
        for flat in drawn.flats
    ]
    return replace(drawn, zero=zero, floors=tuple(floors), flats=tuple(flats))


def _named(drawn: Drawn, inside: Interior) -> Drawn:
    """Units by their own ids, as they are called, and of the kind that the file says."""
    taken: Counter[tuple[int, str]] = Counter()
    flats: list[Flat] = []
    for flat in drawn.flats:
        key = flat.key.removeprefix(f"{inside.model.guid}/")
        room_no = inside.called.get(key, flat.room_no)
        taken[flat.no, room_no] += 1
        if taken[flat.no, room_no] > 1:
            room_no = f"{room_no} ({taken[flat.no, room_no]})"
        kind = inside.kinds.get(key, flat.kind)
        flats.append(replace(flat, key=key, room_no=room_no, kind=kind))
    return replace(drawn, flats=tuple(flats))
