"""A building of a city model as a floor model: its storeys, and its units as rooms or by rooms.

Works on one building at a time; no I/O.  Lengths are metres of the file's own plane, counted from
a corner of the building so that areas and volumes keep their digits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from shapely import Geometry

from cim.codes import code_of
from cim.load.models.model import Conversion, Level, Model, Space
from cim.load.readers import citymodel
from cim.load.readers.citymodel import ROOM, STOREY, UNIT, Feature

STOREY_GAP = 1.5
"""Metres between floors from which they are of two storeys, where the file has no storeys."""

THIN = 0.1
"""Metres under which a body is a floor alone."""

OPEN = (0.02, 1.01)
"""Shares of its prism between which the volume of a body lies; others do not close."""

NAMES = ("name", "gml:name", "number", "label", "unitNumber", "roomNumber")
"""Attributes that a storey, unit or room is called by, the first that is there."""

FUNCTIONS = ("function", "usage", "class")
"""Attributes that say what it is for."""


@dataclass(frozen=True)
class Interior:
    """What a building has inside.

    `told` says of rooms which unit they are of; `called` and `kinds` of units what is on their
    door and their code of list unit_kind.  `lost` are storeys of which nothing tells the height,
    `open` rooms whose surfaces do not close, `addressed` units with an address.
    """

    model: Model
    told: dict[str, str]
    called: dict[str, str]
    kinds: dict[str, str]
    lost: tuple[str, ...]
    open: tuple[str, ...]
    addressed: tuple[str, ...]


def interior(feature: Feature, system: str) -> Interior | None:
    """The interior of a building, None where nothing of it has a place.

    Raises what `citymodel.body` does.
    """
    members = {key: item for key, item in feature.members.items() if item["type"] in _INSIDE}
    if not members:
        return None
    corner = _corner(feature, members)
    bodies = {key: _body(feature, item, corner) for key, item in members.items()}
    rooms = dict(_rooms(members, bodies))
    if not rooms:
        return None
    levels, of_level, lost = _levels(members, bodies, rooms)
    spaces = [
        _space(key, members[key], unit, of_level[key], bodies[key]) for key, unit in rooms.items()
    ]
    units = {unit: members[unit] for unit in dict.fromkeys(rooms.values()) if unit}
    model = Model(
        "CityJSON",
        feature.key,
        None,
        min(body.bottom for body in bodies.values() if body),
        levels=levels,
        spaces=spaces,
        conversion=Conversion(corner[0], corner[1], 0.0, 1.0, 0.0, 1.0, system),
    )
    kinds = {key: _kind(item) for key, item in units.items()}
    return Interior(
        model,
        {room: unit for room, unit in rooms.items() if unit},
        {key: _name(item) or key for key, item in units.items()},
        {key: kind for key, kind in kinds.items() if kind},
        lost,
        tuple(key for key in rooms if (body := bodies[key]) and body.open),
        tuple(key for key, item in units.items() if item.get("address")),
    )


_INSIDE = (STOREY, UNIT, ROOM)


@dataclass(frozen=True)
class _Body:
    outline: Geometry
    bottom: float
    top: float
    volume: float
    open: bool

    @property
    def thin(self) -> bool:
        return self.top - self.bottom < THIN


def _corner(feature: Feature, members: dict[str, Any]) -> tuple[float, float]:
    for item in (*members.values(), *feature.members.values()):
        body = citymodel.body(item, feature.model)
        if body is not None:
            x, y = np.floor(body.points[:, :2].min(axis=0)).tolist()
            return float(x), float(y)
    return 0.0, 0.0


def _body(feature: Feature, item: Any, corner: tuple[float, float]) -> _Body | None:
    """What an object fills: seen from above, from its lowest to its highest point."""
    found = citymodel.body(item, feature.model)
    if found is None:
        return None
    moved = found.moved(-corner[0], -corner[1])
    outline = moved.seen(1e-3)
    if outline is None:
        return None
    bottom, top = float(moved.points[:, 2].min()), float(moved.points[:, 2].max())
    prism = float(shapely.area(outline)) * (top - bottom)
    volume = abs(moved.volume())
    closed = OPEN[0] * prism < volume <= OPEN[1] * prism
    return _Body(outline, bottom, top, volume if closed else prism, not closed)


def _rooms(
    members: dict[str, Any], bodies: dict[str, _Body | None]
) -> Iterator[tuple[str, str | None]]:
    """Rooms with their units; a unit without rooms that have a place is a room itself."""
    filled = set()
    for key, item in members.items():
        if item["type"] == ROOM and bodies[key]:
            unit = next((one for one in _above(key, members) if members[one]["type"] == UNIT), None)
            filled.add(unit)
            yield key, unit
    for key, item in members.items():
        if item["type"] == UNIT and bodies[key] and key not in filled:
            yield key, key


def _above(key: str, members: dict[str, Any]) -> list[str]:
    """What an object is part of inside the building, the nearest first, by either's account."""
    found: list[str] = []
    waiting = [key]
    while waiting and len(found) < 8:  # never in a circle
        here = waiting.pop(0)
        said = [p for p in members[here].get("parents") or () if p in members]
        said += [p for p, item in members.items() if here in (item.get("children") or ())]
        fresh = [p for p in dict.fromkeys(said) if p not in found and p != key]
        found += fresh
        waiting += fresh
    return found


def _levels(
    members: dict[str, Any], bodies: dict[str, _Body | None], rooms: dict[str, str | None]
) -> tuple[list[Level], dict[str, str], tuple[str, ...]]:
    """Storeys by elevation, the storey of each room, and storeys that nothing gives a height."""
    of: dict[str, str] = {}
    for key in rooms:
        storey = next((one for one in _above(key, members) if members[one]["type"] == STOREY), None)
        if storey is not None:
            of[key] = storey
    held: dict[str, list[_Body]] = {
        key: [body for room, s in of.items() if s == key and (body := bodies[room])]
        for key, item in members.items()
        if item["type"] == STOREY
    }
    names = {key: _name(members[key]) or "" for key in held}
    own = {key: [body] if (body := bodies[key]) and not body.thin else held[key] for key in held}
    lost = tuple(key for key, found in own.items() if not found and bodies[key] is None)
    own |= {key: [b] for key, found in own.items() if not found and (b := bodies[key])}
    known = {key: min(body.bottom for body in found) for key, found in own.items() if found}
    left = sorted((bodies[key].bottom, key) for key in rooms if key not in of)  # type: ignore[union-attr]  # rooms have bodies
    for bottom, key in left:
        near = [one for one, z in known.items() if abs(z - bottom) < STOREY_GAP]
        storey = min(near, key=lambda one: abs(known[one] - bottom)) if near else f"at {bottom:g}"
        known.setdefault(storey, bottom)
        names.setdefault(storey, "")
        of[key] = storey
        own.setdefault(storey, []).append(bodies[key])  # type: ignore[arg-type]  # rooms have bodies
    levels = [
        Level(
            key,
            names[key],
            z,
            max(body.top for body in own[key]),
            shapely.union_all([body.outline for body in own[key]], grid_size=1e-6),
            sum(storey == key for storey in of.values()),
        )
        for key, z in sorted(known.items(), key=lambda one: one[1])
    ]
    return levels, of, lost


def _space(key: str, item: Any, unit: str | None, storey: str, body: _Body | None) -> Space:
    drawn = body is not None and not body.thin
    return Space(
        guid=key,
        name=_name(item),
        long_name=_function(item),
        storey=storey,
        zone=unit,
        flat=None,
        outline=body.outline if body and drawn else None,
        bottom=body.bottom if body else 0.0,
        top=body.top if body else 0.0,
        volume=body.volume if body and drawn else 0.0,
    )


def _name(item: Any) -> str | None:
    said = item.get("attributes") or {}
    return next((str(said[name]) for name in NAMES if said.get(name) not in (None, "")), None)


def _functions(item: Any) -> Sequence[str]:
    said = item.get("attributes") or {}
    found = [said[name] for name in FUNCTIONS if said.get(name)]
    return [str(one) for value in found for one in (value if isinstance(value, list) else [value])]


def _function(item: Any) -> str | None:
    return next(iter(_functions(item)), None)


def _kind(item: Any) -> str | None:
    codes = (code_of("unit_kind", word) for word in _functions(item))
    return next((code for code in codes if code), None)
