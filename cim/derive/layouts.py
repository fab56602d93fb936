"""Layouts: what each storey is divided into, each different one once (标准层)."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from cim.derive.floors import (
    BASEMENT,
    COMMON,
    EMPTY,
    EQUIPMENT,
    PODIUM,
    TYPICAL,
    Floors,
)
from cim.derive.inputs import Buildings
from cim.derive.rules import EQUIPMENT as EQUIPMENT_UNIT
from cim.derive.rules import PARKING, PUBLIC, RESIDENTIAL, SHOP
from cim.geometry.cuts import Flags
from cim.geometry.frame import Floats, Integers, Shapes

PLAN_KINDS = ("typical", "ground", "podium", "basement", "drawn")
"""Values of floor_plan.kind."""

DRAWN = 4
"""Index of a plan that was drawn by a surveyor."""

_PLAN_KIND = np.array([0, 2, 3, 0, 0, 0])  # by TYPICAL, PODIUM, BASEMENT, EQUIPMENT, COMMON, EMPTY


@dataclass(frozen=True)
class Layouts:
    """Ways to divide a storey; groups of units follow one another, layout by layout."""

    building: Integers
    plan_kind: Integers
    """Index into PLAN_KINDS."""
    unit_kind: Integers
    """Index into UNIT_KINDS."""
    area: Floats
    """m² of the whole plan."""
    plan: Integers
    """Id of the drawn plan in the store, 0 where it is to be made."""
    outline: Shapes
    """Outline of a plan to be made beside a drawn one that is divided otherwise; else None."""
    shape: Shapes
    """What is divided, degrees: the footprint, a drawn outline, or what drawn units leave of it."""
    whole: Flags
    """The shape is the whole plan."""
    main: Flags
    """The typical floor, where the doors are."""
    group_layout: Integers
    group_entrance: Integers
    """Number of the entrance, 0 for none in particular."""
    group_units: Integers
    storey: Integers
    """Layout of each storey."""
    room: Integers
    """For each place, in order: the index in GivenUnits that takes it where `named`; else -1."""
    room_storey: Integers
    """The storey such a place is on."""


@dataclass(frozen=True)
class Habits:
    """What holds for all floors of a building that are not told otherwise."""

    kind: Integers
    units: Integers
    shops: Integers
    entrances: Integers
    podium: Integers


def layouts(buildings: Buildings, floors: Floors, habits: Habits) -> Layouts:
    """The layouts of all storeys, and which storey has which."""
    key = floors.building * 8 + floors.layout
    plain = _plain(buildings, floors)
    distinct, storey = np.unique(key, return_inverse=True)
    building, layout = distinct // 8, distinct % 8
    groups = _usual_groups(building, layout, habits)
    usual = _Usual(building, layout, storey.astype(np.int64), *groups)
    return _Assembly(buildings, floors, habits, usual).all(plain)


def _plain(buildings: Buildings, floors: Floors) -> Flags:
    """Storeys that need no layout of their own."""
    plain = np.ones(len(floors.no), dtype=bool)
    given = floors.given >= 0
    own = np.zeros(len(buildings.storeys.id) + 1, dtype=bool)
    own[:-1] = buildings.storeys.plan > 0
    own[buildings.rooms.storey] = True
    plain[given] = ~own[floors.given[given]]
    return plain


@dataclass(frozen=True)
class _Usual:
    building: Integers
    layout: Integers
    storey: Integers
    group_layout: Integers
    group_entrance: Integers
    group_units: Integers


def _usual_groups(
    building: Integers, layout: Integers, habits: Habits
) -> tuple[Integers, Integers, Integers]:
    """Groups by entrance on typical floors of homes, one group elsewhere, none on a roof."""
    units = np.ones(len(building), dtype=np.int64)
    typical, podium = layout == TYPICAL, layout == PODIUM
    units[typical], units[podium] = habits.units[building[typical]], habits.shops[building[podium]]
    homes = typical & (habits.kind[building] == RESIDENTIAL)
    count = np.where(homes, np.minimum(habits.entrances[building], units), 1)
    count[layout == EMPTY] = 0
    group = np.repeat(np.arange(len(building)), count)
    first = np.concatenate([[0], np.cumsum(count)])[:-1]
    place = np.arange(len(group)) - first[group]
    share, rest = units[group] // count[group], units[group] % count[group]
    shops = habits.kind[building[group]] == SHOP
    led = typical[group] & ~shops
    return group, np.where(led, place + 1, 0), share + (place < rest)


_Row = tuple[int, int, int, float, int, Any, bool, Any]
"""Building, plan kind, unit kind, area, drawn plan, shape, whole, outline."""


class _Assembly:
    """Joins the usual layouts with those that given storeys and units call for."""

    def __init__(self, buildings: Buildings, floors: Floors, habits: Habits, usual: _Usual) -> None:
        self.buildings, self.floors, self.habits, self.usual = buildings, floors, habits, usual
        self.rows: list[_Row] = []
        self.groups: list[tuple[int, int, int]] = []
        self.storey = usual.storey.copy()
        self.known: dict[Any, int] = {}
        self.divided: set[int] = set()
        self.rooms: list[int] = []
        self.room_storeys: list[int] = []

    def all(self, plain: Flags) -> Layouts:
        """Every layout; `plain` storeys have the usual ones."""
        by_storey: dict[int, list[int]] = defaultdict(list)
        for room, place in enumerate(self.buildings.rooms.storey.tolist()):
            by_storey[place].append(room)
        for storey in np.flatnonzero(~plain).tolist():
            self._own(storey, by_storey[int(self.floors.given[storey])])
        return self._joined(plain)

    def _own(self, storey: int, rooms: list[int]) -> None:
        """A layout for a storey with a drawn plan or given units, or one it can share."""
        given, units = self.buildings.storeys, self.buildings.rooms
        place = int(self.floors.given[storey])
        free = [room for room in rooms if units.outline[room] is None]
        drawn = [units.outline[room] for room in rooms if units.outline[room] is not None]
        usual = int(self.usual.storey[storey])
        groups = self._counted(free) if rooms else self._usual_of(usual)
        self.rooms += free
        self.room_storeys += [storey] * len(free)
        key = (int(given.plan[place]), usual, tuple(groups), storey if drawn else -1)
        if key not in self.known:
            self.known[key] = len(self.usual.building) + len(self.rows)
            self.rows.append(self._row(storey, place, drawn))
            self.groups += [(self.known[key], *group) for group in groups]
        self.storey[storey] = self.known[key]

    def _row(self, storey: int, place: int, drawn: list[Any]) -> _Row:
        given, floors = self.buildings.storeys, self.floors
        building, layout = int(floors.building[storey]), int(floors.layout[storey])
        plan, outline = int(given.plan[place]), given.outline[place]
        area = float(given.area[place]) if plan else float(self.buildings.area[building])
        kind = DRAWN if plan else int(_PLAN_KIND[layout])
        shape = self.buildings.footprint[building] if outline is None else outline
        if drawn:
            shape = _remainder(shape, drawn)
        # Storeys drawn alike share a plan until they are divided differently.
        copied = outline if plan in self.divided else None
        plan, unit = 0 if plan in self.divided else plan, self._unit_kind(building, layout)
        self.divided.update({plan} - {0})
        return building, kind, unit, area, plan, shape, not drawn, copied

    def _counted(self, rooms: list[int]) -> list[tuple[int, int]]:
        counts: dict[int, int] = defaultdict(int)
        for room in rooms:
            counts[int(self.buildings.rooms.entrance[room])] += 1
        return sorted(counts.items())

    def _usual_of(self, layout: int) -> list[tuple[int, int]]:
        first, last = np.searchsorted(self.usual.group_layout, [layout, layout + 1])
        entrances = self.usual.group_entrance[first:last].tolist()
        return list(zip(entrances, self.usual.group_units[first:last].tolist(), strict=True))

    def _unit_kind(self, building: int, layout: int) -> int:
        return int(unit_kinds(np.array([building]), np.array([layout]), self.habits)[0])

    def _joined(self, plain: Flags) -> Layouts:
        usual, count = self.usual, len(self.usual.building)
        columns = list(zip(*self.rows, strict=True)) or [()] * 8
        groups = list(zip(*self.groups, strict=True)) or [()] * 3
        footprints = self.buildings.footprint[usual.building]
        extra = np.empty(len(self.rows), dtype=object)
        extra[:] = columns[5]
        outline = np.full(count + len(self.rows), None, dtype=object)
        outline[count:] = columns[7]
        main = np.concatenate([usual.layout == TYPICAL, np.zeros(len(self.rows), dtype=bool)])
        building = np.concatenate([usual.building, _whole(columns[0])])
        used = np.zeros(len(building), dtype=bool)
        used[self.storey] = True
        joined = Layouts(
            building=building,
            plan_kind=np.concatenate([_PLAN_KIND[usual.layout], _whole(columns[1])]),
            unit_kind=np.concatenate(
                [unit_kinds(usual.building, usual.layout, self.habits), _whole(columns[2])]
            ),
            area=np.concatenate([self.buildings.area[usual.building], np.array(columns[3], float)]),
            plan=np.concatenate([np.zeros(count, dtype=np.int64), _whole(columns[4])]),
            outline=outline,
            shape=np.concatenate([footprints, extra]),
            whole=np.concatenate([np.ones(count, dtype=bool), np.array(columns[6], dtype=bool)]),
            main=main,
            group_layout=np.concatenate([usual.group_layout, _whole(groups[0])]),
            group_entrance=np.concatenate([usual.group_entrance, _whole(groups[1])]),
            group_units=np.concatenate([usual.group_units, _whole(groups[2])]),
            storey=self.storey,
            room=_whole(self.rooms),
            room_storey=_whole(self.room_storeys),
        )
        return joined


def unit_kinds(building: Integers, layout: Integers, habits: Habits) -> Integers:
    """Kind of the units of each layout."""
    fixed = {PODIUM: SHOP, BASEMENT: PARKING, EQUIPMENT: EQUIPMENT_UNIT, COMMON: PUBLIC}
    kind = habits.kind[building].copy()
    for which, value in fixed.items():
        kind[layout == which] = value
    return kind


def _remainder(shape: Any, drawn: list[Any]) -> Any:
    """What drawn units leave of a floor; the thin rims that drawing leaves are no room."""
    left = shapely.difference(shape, shapely.union_all(drawn))
    parts = shapely.get_parts(left)
    kept = parts[(shapely.get_type_id(parts) == 3) & (shapely.area(parts) > 1e-12)]
    return shapely.multipolygons(kept)


def _whole(values: Any) -> Integers:
    return np.array(values, dtype=np.int64)
