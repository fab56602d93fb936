"""From what a model holds to storeys, units and rooms, still in its own metres.

Pure.  Elevations are metres above the ground; a unit's part on a storey is the rooms it has there.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from shapely import Geometry

from cim.load.models import names
from cim.load.models.model import Level, Model, Space
from cim.load.storeys import label_of

APART = 0.3
"""Metres between floors below which two storeys of a model are one."""

RAISED = 1.5
"""Metres that a ground floor may lie above or below the building's zero; else it is the zero."""

LOW = 2.0
"""Metres under which a topmost storey without rooms is a roof."""

UNKNOWN_HEIGHT = 3.0
"""Metres of a topmost storey on which nothing stands."""

OFF = 0.01
"""Part of a solid's volume by which a room's prism may differ before it is told."""


@dataclass(frozen=True)
class Floor:
    """A storey to be."""

    no: int
    label: str
    kind: str
    bottom: float
    height: float
    outline: Geometry | None
    levels: tuple[str, ...]
    """GlobalIds of the model's storeys that are this one."""


@dataclass(frozen=True)
class Part:
    """What a unit has on one storey."""

    no: int
    outline: Geometry
    bottom: float
    top: float
    volume: float


@dataclass(frozen=True)
class Flat:
    """A unit to be: its rooms, lowest part first; without parts it has no outline."""

    key: str
    room_no: str
    kind: str
    spaces: tuple[Space, ...]
    no: int
    """Number of the storey of its door."""
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Drawn:
    """A building to be."""

    zero: float
    """The model's z of the ground."""
    floors: tuple[Floor, ...]
    flats: tuple[Flat, ...]
    rooms: tuple[tuple[Space, int], ...]
    """Every space with the number of its storey."""
    grouped: str
    """How the rooms of a unit were told: zones, properties, names, home, spaces."""
    odd: Counter[str]
    named: Mapping[str, tuple[str, ...]]
    """The rooms that each odd thing is about."""

    @property
    def ground(self) -> Geometry:
        """What the storeys above ground cover, roofs apart; else what any storey covers."""
        above = [f.outline for f in self.floors if f.no >= 0 and f.kind != "屋面" and f.outline]
        some = above or [floor.outline for floor in self.floors if floor.outline]
        return shapely.union_all(some, grid_size=1e-6)

    @property
    def above(self) -> int:
        """Storeys above ground without roofs."""
        return sum(floor.no > 0 and floor.kind != "屋面" for floor in self.floors)

    @property
    def below(self) -> int:
        """Storeys under ground without foundations."""
        return sum(floor.no < 0 and floor.kind != "基础" for floor in self.floors)

    @property
    def height(self) -> float:
        """The highest ceiling above the ground, m."""
        return max(floor.bottom + floor.height for floor in self.floors)


def draw(
    model: Model, *, every_space: bool = False, units: Mapping[str, str] | None = None
) -> Drawn:
    """Storeys, units and rooms of a model; `every_space` makes each room a unit of its own.

    `units` says which rooms are of which unit, by their GlobalIds; others are then shared.
    """
    zero, floors = _floors(model)
    number = {guid: floor.no for floor in floors for guid in floor.levels}
    rooms = [(space, number[space.storey or ""]) for space in model.spaces]
    if units:
        told, how = dict(units), "zones"
    elif every_space:
        told, how = names.alone(model.spaces), "spaces"
    else:
        told, how = names.flats(model.spaces)
    flats = tuple(_flats(model, rooms, told, how, zero))
    named = _oddities([space for space, _ in rooms], dict(_by_storey(rooms)))
    odd = Counter({name: len(found) for name, found in named.items() if found})
    return Drawn(zero, tuple(floors), flats, tuple(rooms), how, odd, named)


def _floors(model: Model) -> tuple[float, list[Floor]]:
    merged = _merged(model.levels)
    levels = [level for level, _ in merged]
    above = [level.elevation - model.zero for level in levels]
    numbers = names.storey_numbers([level.name for level in levels], above)
    kinds = [names.storey_kind(level.name, no) for level, no in zip(levels, numbers, strict=True)]
    last = len(levels) - 1
    with_rooms = {space.storey for space in model.spaces if not names.is_void(space)}
    for n, (_, guids) in enumerate(merged):
        if kinds[n] in {"屋面", "基础"} and with_rooms & set(guids):
            kinds[n] = "地下" if numbers[n] < 0 else "标准"
    if last > 0 and kinds[last] == "标准" and not with_rooms & set(merged[last][1]):
        top = levels[last].top
        if top is not None and top - levels[last].elevation < LOW:
            kinds[last] = "屋面"
    numbers = _mezzanines(numbers, kinds)
    ground = next(level for level, no in zip(levels, numbers, strict=True) if no == 1)
    zero = model.zero
    if abs(ground.elevation - zero) > RAISED:
        zero = ground.elevation
    floors = []
    for n, (level, guids) in enumerate(merged):
        high = levels[n + 1].elevation if n < last else level.top
        tall = UNKNOWN_HEIGHT if high is None else high - level.elevation
        tall = tall if tall >= APART else UNKNOWN_HEIGHT
        label = level.name.strip() or label_of(numbers[n])
        bottom = round(level.elevation - zero, 4)
        top = round(level.elevation + tall - zero, 4)
        floors.append(
            Floor(numbers[n], label, kinds[n], bottom, round(top - bottom, 4), level.outline, guids)
        )
    return zero, floors


def _merged(levels: Sequence[Level]) -> list[tuple[Level, tuple[str, ...]]]:
    """Levels that lie apart; of those that do not the fuller one, covering what all do."""
    found: list[tuple[Level, tuple[str, ...]]] = []
    for level in sorted(levels, key=lambda level: level.elevation):
        if not found or level.elevation - found[-1][0].elevation >= APART:
            found.append((level, (level.guid,)))
            continue
        before, guids = found[-1]
        main = level if level.things > before.things else before
        shapes = [shape for shape in (before.outline, level.outline) if shape is not None]
        tops = [top for top in (before.top, level.top) if top is not None]
        both = replace(
            main,
            elevation=before.elevation,
            outline=shapely.union_all(shapes, grid_size=1e-6) if shapes else None,
            top=max(tops, default=None),
        )
        found[-1] = (both, (*guids, level.guid))
    return found


def _mezzanines(numbers: Sequence[int], kinds: Sequence[str]) -> list[int]:
    """A mezzanine over the ground floor is 0, and those above it count on from 2."""
    if not any(no == 2 and kind == "夹层" for no, kind in zip(numbers, kinds, strict=True)):
        return list(numbers)
    return [no if no < 2 else no - 1 if no > 2 else 0 for no in numbers]


def _flats(
    model: Model,
    rooms: Sequence[tuple[Space, int]],
    told: Mapping[str, str],
    how: str,
    zero: float,
) -> list[Flat]:
    groups: dict[str, list[tuple[Space, int]]] = {}
    for space, no in rooms:
        if space.guid in told:
            # A room alone is known by itself: another one may have its name.
            key = space.guid if how == "spaces" else f"{model.guid}/{told[space.guid]}"
            groups.setdefault(key, []).append((space, no))
    flats, taken = [], Counter[tuple[int, str]]()
    for key, group in groups.items():
        parts = tuple(_parts(group, zero))
        door = parts[0].no if parts else min(no for _, no in group)
        room_no = told[group[0][0].guid]
        taken[door, room_no] += 1
        if taken[door, room_no] > 1:
            room_no = f"{room_no} ({taken[door, room_no]})"
        spaces = tuple(space for space, _ in group)
        flats.append(Flat(key, room_no, names.unit_kind(spaces), spaces, door, parts))
    return flats


def _parts(group: Sequence[tuple[Space, int]], zero: float) -> list[Part]:
    """The rooms of a unit, storey by storey from the ground up, basements last.

    A part is a prism: what its rooms cover together, from their lowest floor up as high as makes it
    hold what their solids hold, so that rooms of unlike height and sloped ceilings are measured.
    """
    found = []
    for no, spaces in _by_storey(group):
        drawn = [space for space in spaces if space.outline is not None]
        if not drawn:
            continue
        outline = shapely.union_all([space.outline for space in drawn], grid_size=1e-6)
        content = sum(space.volume for space in drawn)
        bottom = min(space.bottom for space in drawn)
        found.append(
            Part(
                no=no,
                outline=outline,
                bottom=round(bottom - zero, 4),
                top=round(bottom - zero + content / outline.area, 4),
                volume=content,
            )
        )
    return sorted(found, key=lambda part: (part.no < 0, abs(part.no)))


def _by_storey(rooms: Sequence[tuple[Space, int]]) -> list[tuple[int, list[Space]]]:
    found: dict[int, list[Space]] = {}
    for space, no in rooms:
        found.setdefault(no, []).append(space)
    return sorted(found.items())


def _oddities(
    spaces: Sequence[Space], by_storey: Mapping[int, Sequence[Space]]
) -> dict[str, tuple[str, ...]]:
    """Rooms without a solid, rooms whose prism is not their solid, rooms that overlap."""
    drawn = [space for space in spaces if space.outline is not None]
    return {
        "no_solid": tuple(_name(space) for space in spaces if space.outline is None),
        "uneven_room": tuple(
            f"{_name(space)} {_prism(space):.1f}/{space.volume:.1f} m³"
            for space in drawn
            if abs(_prism(space) - space.volume) > OFF * space.volume
        ),
        "overlapping_rooms": tuple(
            f"{_name(one)} × {_name(other)}"
            for group in by_storey.values()
            for one, other in _overlaps([space for space in group if space.outline is not None])
        ),
    }


def _prism(space: Space) -> float:
    return float(shapely.area(space.outline) * (space.top - space.bottom))


def _overlaps(spaces: Sequence[Space]) -> list[tuple[Space, Space]]:
    """Pairs that share over 1 % of the smaller one's outline and over 0.1 m of height."""
    if len(spaces) < 2:
        return []
    shapes = np.array([space.outline for space in spaces], dtype=object)
    tree = shapely.STRtree(shapes)
    pairs = [(a, b) for a, b in tree.query(shapes, predicate="intersects").T.tolist() if a < b]
    return [
        (spaces[a], spaces[b])
        for a, b in pairs
        if min(spaces[a].top, spaces[b].top) - max(spaces[a].bottom, spaces[b].bottom) > 0.1
        and shapely.area(shapely.intersection(shapes[a], shapes[b]))
        > 0.01 * min(shapes[a].area, shapes[b].area)
    ]


def _name(space: Space) -> str:
    return " ".join(word for word in (space.name, space.long_name) if word) or space.guid
