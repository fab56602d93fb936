"""From buildings to everything derived from them, as columns that point at each other by index.

Pure: no database, no clock, no chance.  A worker process can do it; the same buildings give the
same bytes.
"""

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from cim.derive.floors import Floors, floors
from cim.derive.inputs import Buildings
from cim.derive.layouts import Habits, Layouts, layouts
from cim.derive.rules import SHOP, Rules, entrances, kinds, podiums, units
from cim.geometry.cuts import Flags
from cim.geometry.frame import Floats, Integers, areas
from cim.geometry.subdivision import Slots, subdivide

Texts = NDArray[np.object_]
"""Texts, or WKB bytes, or None; shape (n,)."""


@dataclass(frozen=True)
class Entrances:
    """Doors along a building."""

    building: Integers
    no: Integers
    point: Texts
    """WKB in degrees, None where the outline gave no place."""


@dataclass(frozen=True)
class Plans:
    """Floor layouts and the places of units on them."""

    building: Integers
    kind: Integers
    """Index into PLAN_KINDS."""
    area: Floats
    drawn: Integers
    """Id in the store of a drawn plan, 0 for one to be made."""
    outline: Texts
    """WKB of a plan to be made that is not the footprint, else None."""
    slot_plan: Integers
    slot_no: Integers
    slot_entrance: Floats
    """Number of the entrance, NaN for none."""
    slot_outline: Texts
    """WKB multipolygon, None for the whole plan."""
    slot_area: Floats
    slot_facing: Integers
    """Index into FACINGS, -1 for a whole plan."""


@dataclass(frozen=True)
class Units:
    """Units on storeys."""

    building: Integers
    storey: Integers
    entrance: Integers
    """Index in Entrances, -1 for none."""
    slot: Integers
    """Index of the slot, -1 where the plan could not be divided."""
    room_no: Texts
    kind: Integers
    """Index into UNIT_KINDS."""
    given: Integers
    """Id in the store of a loaded unit that takes this place, 0 for a generated unit."""


@dataclass(frozen=True)
class Drawing:
    """Everything derived from a batch of buildings."""

    building: Integers
    """Their ids."""
    input_hash: Integers
    entrances: Entrances
    plans: Plans
    floors: Floors
    storey_id: Integers
    """Id in the store of a given storey, 0 for a generated one."""
    storey_plan: Integers
    units: Units


def draw(buildings: Buildings, rules: Rules) -> Drawing:
    """Entrances, plans, storeys and units of buildings."""
    habits = _habits(buildings)
    stacked = floors(buildings, habits.podium, habits.kind, rules)
    planned = layouts(buildings, stacked, habits)
    slots = _slots(planned)
    doors = _entrances(buildings, planned, habits, slots)
    plans, plan_of, slot_of = _plans(planned, slots)
    given = np.append(buildings.storeys.id, 0)
    return Drawing(
        building=buildings.id,
        input_hash=buildings.input_hash,
        entrances=doors,
        plans=plans,
        floors=stacked,
        storey_id=given[stacked.given],
        storey_plan=plan_of[planned.storey],
        units=_units(buildings, stacked, planned, doors, slot_of),
    )


def _habits(buildings: Buildings) -> Habits:
    kind = kinds(buildings.use, buildings.area, buildings.above)
    count = units(kind, buildings.area, buildings.units)
    shop, unknown = np.full(len(kind), SHOP), np.full(len(kind), np.nan)
    doors = entrances(kind, buildings.area, count, buildings.entrances)
    return Habits(
        kind=kind,
        units=count,
        shops=units(shop, buildings.area, unknown),
        entrances=doors,
        podium=podiums(buildings.use, buildings.podium, buildings.above, kind),
    )


@dataclass(frozen=True)
class _Placed:
    """Places of units, in the order of layouts and groups; some with a shape of their own."""

    layout: Integers
    group: Integers
    outline: Texts
    share: Floats
    facing: Integers
    real: Flags
    """The place can be drawn: it is the whole plan, or the plan was divided."""
    door: Floats
    """For each group, degrees, or NaN."""


def _slots(planned: Layouts) -> _Placed:
    group = np.repeat(np.arange(len(planned.group_layout)), planned.group_units)
    layout = planned.group_layout[group]
    places = np.bincount(layout, minlength=len(planned.building))
    divided = (places > 0) & ((places > 1) | ~planned.whole | planned.main)
    chosen = np.flatnonzero(divided)
    number = np.full(len(places), -1)
    number[chosen] = np.arange(len(chosen))
    groups = np.flatnonzero(divided[planned.group_layout])
    cut = subdivide(
        planned.shape[chosen],
        number[planned.group_layout[groups]],
        planned.group_units[groups],
    )
    at = divided[layout]
    whole = (places == 1) & planned.whole
    door = np.full((len(planned.group_layout), 2), np.nan)
    door[groups] = cut.door
    return _spread(planned, group, at, whole[layout], cut, door)


def _spread(
    planned: Layouts, group: Integers, at: Flags, whole: Flags, cut: Slots, door: Floats
) -> _Placed:
    """What was cut, laid beside the places that were not."""
    part = _parts(planned, np.unique(planned.group_layout[group[at]]))
    layout, count = planned.group_layout[group], len(group)
    outline, share = np.full(count, None, dtype=object), np.ones(count)
    facing, real = np.full(count, -1), whole.copy()
    inner = ~whole[at]  # of those cut, the ones that are not the whole plan
    rows = np.flatnonzero(at)[inner]
    outline[rows] = shapely.to_wkb(cut.shape[inner])
    share[rows], facing[rows] = cut.share[inner] * part[cut.owner[inner]], cut.facing[inner]
    real[rows] = cut.divided[cut.owner[inner]]
    return _Placed(layout, group, outline, share, facing, real, door)


def _parts(planned: Layouts, layout: Integers) -> Floats:
    """How much of its plan each divided layout has left: less than 1 beside drawn units."""
    part = np.ones(len(layout))
    rest = np.flatnonzero(~planned.whole[layout])
    left = areas(planned.shape[layout[rest]])
    part[rest] = np.minimum(left / np.maximum(planned.area[layout[rest]], 1e-9), 1)
    return part


def _entrances(buildings: Buildings, planned: Layouts, habits: Habits, slots: _Placed) -> Entrances:
    count = np.where(buildings.above > 0, habits.entrances, 0)
    np.maximum.at(count, planned.building[planned.group_layout], planned.group_entrance)
    building = np.repeat(np.arange(len(count)), count)
    first = np.concatenate([[0], np.cumsum(count)])[:-1]
    no = np.arange(len(building)) - first[building] + 1
    main = np.flatnonzero(planned.main[planned.group_layout])
    owner = planned.building[planned.group_layout[main]]
    rank = np.arange(len(main)) - np.searchsorted(owner, owner)
    fits = rank < count[owner]
    door = np.full((len(building), 2), np.nan)
    door[first[owner[fits]] + rank[fits]] = slots.door[main[fits]]
    point = np.full(len(building), None, dtype=object)
    known = ~np.isnan(door[:, 0])
    point[known] = shapely.to_wkb(shapely.points(door[known]))
    return Entrances(building, no, point)


def _plans(planned: Layouts, slots: _Placed) -> tuple[Plans, Integers, Integers]:
    """Plans that a storey uses; the plan of each layout, and the slot of each place."""
    used = np.zeros(len(planned.building), dtype=bool)
    used[planned.storey] = True
    plan_of = np.where(used, np.cumsum(used) - 1, -1)
    kept = slots.real & used[slots.layout]
    slot_of = np.where(kept, np.cumsum(kept) - 1, -1)
    layout = slots.layout[kept]
    places = np.bincount(slots.layout, minlength=len(used))
    first = np.concatenate([[0], np.cumsum(places)])[:-1]
    no = np.arange(len(slots.layout)) - first[slots.layout] + 1
    entrance = planned.group_entrance[slots.group[kept]].astype(np.float64)
    plans = Plans(
        building=planned.building[used],
        kind=planned.plan_kind[used],
        area=planned.area[used],
        drawn=planned.plan[used],
        outline=shapely.to_wkb(planned.outline[used]),
        slot_plan=plan_of[layout],
        slot_no=no[kept],
        slot_entrance=np.where(entrance > 0, entrance, np.nan),
        slot_outline=slots.outline[kept],
        slot_area=slots.share[kept] * planned.area[layout],
        slot_facing=slots.facing[kept],
    )
    return plans, plan_of, slot_of


def _units(
    buildings: Buildings, stacked: Floors, planned: Layouts, doors: Entrances, slot_of: Integers
) -> Units:
    group = np.repeat(np.arange(len(planned.group_layout)), planned.group_units)
    layout = planned.group_layout[group]
    places = np.bincount(layout, minlength=len(planned.building))
    first = np.concatenate([[0], np.cumsum(places)])[:-1]
    start = np.concatenate([[0], np.cumsum(planned.group_units)])[:-1]
    rank = np.arange(len(group)) - start[group] + 1  # within the group
    count = places[planned.storey]
    storey = np.repeat(np.arange(len(count)), count)
    begin = np.concatenate([[0], np.cumsum(count)])[:-1]
    place = first[planned.storey[storey]] + np.arange(len(storey)) - begin[storey]
    building = stacked.building[storey]
    entrance_no = planned.group_entrance[group[place]]
    door = np.searchsorted(doors.building, building) + entrance_no - 1
    given = np.zeros(len(storey), dtype=np.int64)
    named = np.zeros(len(count), dtype=bool)
    named[planned.room_storey] = True
    given[named[storey]] = buildings.rooms.id[planned.room]
    return Units(
        building=building,
        storey=storey,
        entrance=np.where(entrance_no > 0, door, -1),
        slot=slot_of[place],
        room_no=room_numbers(stacked.no[storey], rank[place]),
        kind=planned.unit_kind[layout[place]],
        given=given,
    )


def room_numbers(storey: Integers, rank: Integers) -> Texts:
    """Storey and place, as on the door.

    >>> room_numbers(np.array([8, 101, -1]), np.array([3, 12, 1])).tolist()
    ['803', '10112', 'B101']
    """
    key, back = np.unique(storey * 65_536 + rank, return_inverse=True)
    words = [
        f"B{-(value >> 16)}{value & 65_535:02d}"
        if value < 0
        else f"{value >> 16}{value & 65_535:02d}"
        for value in key.tolist()
    ]
    return np.array(words, dtype=object)[back]
