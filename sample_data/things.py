"""Facilities and devices: lifts, gates, meters, cameras, smoke detectors, lamps, bins."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from sample_data import blocks, rooms
from sample_data.buildings import Buildings, build, estate_name
from sample_data.files import Columns
from sample_data.places import Plan, to_degrees
from sample_data.town import estate_ids


@dataclass(frozen=True, slots=True)
class Facility:
    """One facility and what it serves."""

    key: str
    kind: str
    name: str
    x: float
    y: float
    building: str | None = None
    entrance: int | None = None
    estate: str | None = None
    serves: str | None = None
    """building, entrance or estate, of those named above."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device, what it is bound to, and the streams it reports."""

    key: str
    kind: str
    name: str
    bound: str
    building: str | None = None
    entrance: int | None = None
    room: str | None = None
    estate: str | None = None
    facility: str | None = None
    x: float | None = None
    y: float | None = None
    azimuth: float | None = None


STREAMS: dict[str, tuple[tuple[str, str, str, int], ...]] = {
    "water_meter": (("累计用水量", "water_volume", "m3", 86_400),),
    "power_meter": (("累计用电量", "energy", "kW.h", 86_400),),
    "lift": (("运行次数", "trips", "1", 3_600), ("轿厢楼层", "car_storey", "1", 3_600)),
    "smoke": (("烟雾浓度", "smoke", "%/m", 43_200),),
    "environment": (
        ("气温", "air_temperature", "Cel", 3_600),
        ("相对湿度", "relative_humidity", "%", 3_600),
        ("PM2.5", "pm25", "ug/m3", 3_600),
    ),
    "level": (("满溢度", "fill_level", "%", 3_600),),
    "bin": (("满溢度", "fill_level", "%", 10_800),),
    "charger": (("功率", "power", "kW", 3_600),),
}
"""Class of device → its streams: name, property, unit (UCUM), seconds between readings."""


def facilities(plan: Plan) -> Iterator[Columns]:
    """Facilities as points."""
    for community in plan.communities:
        found = build(plan, community)
        rows = [*_lifts(found), *_of_estates(found), *_of_buildings(found)]
        yield {
            "设施编号": [f.key for f in rows],
            "设施类别": [f.kind for f in rows],
            "设施名称": [f.name for f in rows],
            "幢编号": [f.building for f in rows],
            "单元": [None if f.entrance is None else f"{f.entrance}" for f in rows],
            "小区编号": [f.estate for f in rows],
            "服务对象": [f.serves for f in rows],
            "geometry": shapely.points(
                to_degrees(np.array([(f.x, f.y) for f in rows]).reshape(-1, 2))
            ),
        }


def lift_count(buildings: Buildings, i: int) -> int:
    """Lifts behind one entrance of a tower."""
    return 2 if buildings.floors[i] > 18 else 1


def _lifts(buildings: Buildings) -> Iterator[Facility]:
    keys = buildings.ids
    for i in np.flatnonzero(buildings.role == blocks.TOWER).tolist():
        x, y = buildings.centre[i].tolist()
        for entrance in range(1, int(buildings.entrances[i]) + 1):
            for n in range(1, lift_count(buildings, i) + 1):
                yield Facility(
                    key=f"F{keys[i][1:]}-{entrance}{n}",
                    kind="lift",
                    name=f"{entrance}单元{n}号电梯",
                    x=x + 3.0 * n - 4.5,
                    y=y,
                    building=keys[i],
                    entrance=entrance,
                    serves="entrance",
                )


def _of_estates(buildings: Buildings) -> Iterator[Facility]:
    community = buildings.community
    count = int(buildings.estate.max(initial=-1)) + 1
    for estate, key in enumerate(estate_ids(community, count)):
        member = np.flatnonzero(buildings.estate == estate)
        block = int(buildings.block[member[0]])
        a, b = buildings.frames.half[block].tolist()
        name = estate_name(buildings, estate)
        kinds = (
            ("gate", "南门", 0.0, -b),
            ("waste", "垃圾分类投放点", a * 0.5, 2.0),
            ("charging", "电动车充电棚", -a * 0.5, 2.0),
        )
        for n, (kind, label, x, y) in enumerate(kinds):
            px, py = buildings.frames.place(block, np.array([[x, y]]))[0].tolist()
            yield Facility(
                f"F{key[1:]}-{n}", kind, name + label, px, py, estate=key, serves="estate"
            )


def _of_buildings(buildings: Buildings) -> Iterator[Facility]:
    keys, called = buildings.ids, buildings.names
    kinds = {
        blocks.NURSERY: "kindergarten",
        blocks.SCHOOL: "school",
        blocks.CENTRE: "service_centre",
        blocks.MALL: "commerce",
        blocks.PAVILION: "park",
    }
    for i in np.flatnonzero(np.isin(buildings.role, list(kinds))).tolist():
        role = int(buildings.role[i])
        if role in (blocks.SCHOOL, blocks.PAVILION) and buildings.number[i] % 2 == 0:
            continue
        x, y = buildings.centre[i].tolist()
        name = called[i].removesuffix("亭") if role == blocks.PAVILION else called[i]
        yield Facility(f"F{keys[i][1:]}", kinds[role], name, x, y, building=keys[i])
        if role == blocks.CENTRE:
            short = buildings.community.name
            yield Facility(
                f"F{keys[i][1:]}-H", "clinic", f"{short}卫生服务站", x + 8, y, building=keys[i]
            )


def of_community(plan: Plan, buildings: Buildings) -> list[Device]:
    """Every device of a community; flats of the showcase estate all have their meters."""
    return [
        *_meters(plan, buildings),
        *_of_lifts(buildings),
        *_of_entrances(buildings),
        *_of_blocks(buildings),
        *_of_houses(plan, buildings),
    ]


def _meters(plan: Plan, buildings: Buildings) -> Iterator[Device]:
    if buildings.community.index:
        return
    keys = buildings.ids
    for room in rooms.register(buildings, plan.seed):
        if room.kind == "parking":
            continue
        for kind, letter, name in (("water_meter", "W", "水表"), ("power_meter", "E", "电表")):
            yield Device(
                f"D{letter}{room.key[1:]}", kind, f"{room.number}{name}", "unit",
                building=keys[room.building], entrance=room.entrance, room=room.key,
            )  # fmt: skip


def _of_lifts(buildings: Buildings) -> Iterator[Device]:
    for lift in _lifts(buildings):
        yield Device(
            f"D{lift.key[1:]}", "lift", lift.name, "facility",
            building=lift.building, entrance=lift.entrance, facility=lift.key, x=lift.x, y=lift.y,
        )  # fmt: skip


def _of_entrances(buildings: Buildings) -> Iterator[Device]:
    """Door access at every entrance of a tower, and a camera that looks up its façade."""
    keys = buildings.ids
    for i in np.flatnonzero(buildings.role == blocks.TOWER).tolist():
        for entrance in range(1, int(buildings.entrances[i]) + 1):
            yield Device(
                f"DA{keys[i][1:]}-{entrance}", "access", f"{entrance}单元门禁", "entrance",
                building=keys[i], entrance=entrance,
            )  # fmt: skip
        away = buildings.size[i, 1] / 2 + 9
        angle = float(buildings.angle[i]) - np.pi / 2
        x, y = (buildings.centre[i] + away * np.array([np.cos(angle), np.sin(angle)])).tolist()
        facing = round(float(-np.degrees(buildings.angle[i])) % 360, 1)
        yield Device(
            f"DT{keys[i][1:]}", "throw_camera", f"{buildings.names[i]}高空抛物摄像机", "building",
            building=keys[i], x=x, y=y, azimuth=facing,
        )  # fmt: skip


def _of_blocks(buildings: Buildings) -> Iterator[Device]:
    """Cameras and bins of the estates, one weather station a community, lamps along the streets."""
    for facility in _of_estates(buildings):
        kind = {"gate": "camera", "waste": "bin", "charging": "charger"}[facility.kind]
        bound = "estate" if kind == "camera" else "facility"
        yield Device(
            f"D{facility.key[1:]}", kind, facility.name, bound,
            estate=facility.estate, facility=facility.key, x=facility.x, y=facility.y,
            azimuth=180.0 if kind == "camera" else None,
        )  # fmt: skip
    community = buildings.community
    x, y = community.at(np.array([0.5]), np.array([0.5]))[0].tolist()
    yield Device(f"DN{community.code}", "environment", f"{community.name}环境监测站", "", x=x, y=y)
    ends = np.linspace(0.02, 0.98, 14)
    for n, (px, py) in enumerate(community.at(ends, np.zeros(14)).tolist()):
        yield Device(
            f"DL{community.code}{n + 1:03d}", "street_lamp", f"路灯{n + 1}", "", x=px, y=py
        )


def _of_houses(plan: Plan, buildings: Buildings) -> Iterator[Device]:
    """A smoke detector in one village house in ten."""
    rng = buildings.community.rng(4, plan.seed)
    houses = np.flatnonzero(buildings.role == blocks.HOUSE)
    keys = buildings.ids
    for i in houses[rng.random(len(houses)) < 0.1].tolist():
        x, y = buildings.centre[i].tolist()
        yield Device(
            f"DS{keys[i][1:]}", "smoke", "首层烟感", "building", building=keys[i], x=x, y=y
        )


def devices(plan: Plan) -> Iterator[Columns]:
    """Devices with what they are bound to; those bound to something need no place of their own."""
    for community in plan.communities:
        rows = of_community(plan, build(plan, community))
        points = to_degrees(np.array([(d.x, d.y) for d in rows], float))
        yield {
            "设备编号": [d.key for d in rows],
            "设备类别": [d.kind for d in rows],
            "设备名称": [d.name for d in rows],
            "绑定类型": [d.bound or None for d in rows],
            "幢编号": [d.building for d in rows],
            "单元": [None if d.entrance is None else f"{d.entrance}" for d in rows],
            "房屋编号": [d.room for d in rows],
            "小区编号": [d.estate for d in rows],
            "设施编号": [d.facility for d in rows],
            "经度": points[:, 0],
            "纬度": points[:, 1],
            "方位角": [d.azimuth for d in rows],
        }
