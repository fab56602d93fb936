"""A drawn model as rows: its building, storeys, units, their parts and rooms, in degrees.

Pure.  Ids of buildings, storeys and units are given by the caller as the store has them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import shapely
from shapely import Geometry

from cim import crs
from cim.load.models import names
from cim.load.models.drawing import Drawn, Flat
from cim.load.models.model import Model, Space
from cim.load.models.placement import Placement

Rows = dict[str, list[Any]]
"""Columns of equal length, by name."""


@dataclass(frozen=True)
class Placed:
    """A drawn model with its place."""

    file: str
    """The file's name without its ending."""
    model: Model
    drawn: Drawn
    place: Placement
    ground: Geometry
    """Its ground outline in degrees."""


def building_row(placed: Placed, near: float) -> Rows:
    """The building that the model makes; `near` is the ground of its neighbour, m."""
    inside = shapely.point_on_surface(placed.ground)
    own = _own_ground(placed)
    return {
        "ext_id": [placed.model.guid],
        "name": [placed.model.name or placed.file],
        "footprint": [placed.ground],
        "footprint_area": [_area(placed.ground)],
        "ground_elev": [near if own is None else own],
        "ground_method": [None if own is None else "given"],
        "height": [round(max(placed.drawn.height, 0.1), 3)],
        "height_method": ["given"],
        "floors_above": [placed.drawn.above],
        "floors_below": [placed.drawn.below],
        "floors_method": ["given"],
        "lon": [inside.x],
        "lat": [inside.y],
        "admin_area_id": [None],
        "grid_id": [None],
        "estate_id": [None],
    }


def _own_ground(placed: Placed) -> float | None:
    """Elevation of the ground as the file has it, where that placed it."""
    model = placed.model
    if placed.place.how == "conversion" and model.conversion is not None:
        return round(model.conversion.height + placed.drawn.zero, 3)
    if placed.place.how == "site" and model.site is not None:
        return round(model.site.elevation, 3)
    return None


def storey_rows(placed: Placed, building_id: int) -> Rows:
    """Storeys with their plans."""
    floors = placed.drawn.floors
    outlines = [placed.place.place(f.outline) if f.outline else None for f in floors]
    return {
        "ext_id": [f"{placed.model.guid}/{floor.no}" for floor in floors],
        "building_id": [building_id] * len(floors),
        "no": [floor.no for floor in floors],
        "label": [floor.label for floor in floors],
        "kind": [floor.kind for floor in floors],
        "given_bottom": [floor.bottom for floor in floors],
        "given_height": [floor.height for floor in floors],
        "outline": outlines,
        "outline_area": [None if shape is None else _area(shape) for shape in outlines],
    }


def unit_rows(placed: Placed, building_id: int, ids: dict[int, int], label: dict[int, str]) -> Rows:
    """Units with what they have on the storey of their door."""
    flats = placed.drawn.flats
    doors = [flat.parts[0] if flat.parts else None for flat in flats]
    return {
        "ext_id": [flat.key for flat in flats],
        "building_id": [building_id] * len(flats),
        "storey_id": [ids[flat.no] for flat in flats],
        "storey_no": [flat.no for flat in flats],
        "storey": [label[flat.no] for flat in flats],
        "room_no": [flat.room_no for flat in flats],
        "kind": [flat.kind for flat in flats],
        "rooms": [_bedrooms(flat) for flat in flats],
        "outline": [door and placed.place.place(door.outline) for door in doors],
        "z_bottom": [door and door.bottom for door in doors],
        "z_top": [door and door.top for door in doors],
        "geom_status": ["ifc" if door else "none" for door in doors],
    }


def _bedrooms(flat: Flat) -> int | None:
    kinds = [names.room_kind(space.name, space.long_name) for space in flat.spaces]
    return kinds.count("室") or None


def part_rows(placed: Placed, ids: dict[int, int], units: dict[str, int]) -> Rows:
    """What units have on further storeys, and its share of the whole."""
    further = [
        (units[flat.key], part, sum(one.outline.area for one in flat.parts))
        for flat in placed.drawn.flats
        if flat.key in units
        for part in flat.parts[1:]
    ]
    return {
        "unit_id": [unit_id for unit_id, _, _ in further],
        "storey_id": [ids[part.no] for _, part, _ in further],
        "share": [round(part.outline.area / whole, 6) for _, part, whole in further],
        "outline": [placed.place.place(part.outline) for _, part, _ in further],
        "z_bottom": [part.bottom for _, part, _ in further],
        "z_top": [part.top for _, part, _ in further],
    }


def room_rows(
    placed: Placed, building_id: int, ids: dict[int, int], unit_of: dict[str, int | None]
) -> Rows:
    """Rooms, shared ones without a unit."""
    rooms, zero = placed.drawn.rooms, placed.drawn.zero
    shapes = [space.outline and placed.place.place(space.outline) for space, _ in rooms]

    def height(space: Space, z: float) -> float | None:
        return None if space.outline is None else round(z - zero, 4)

    return {
        "ext_id": [space.guid for space, _ in rooms],
        "building_id": [building_id] * len(rooms),
        "storey_id": [ids[no] for _, no in rooms],
        "unit_id": [unit_of.get(space.guid) for space, _ in rooms],
        "name": [_room_name(space) for space, _ in rooms],
        "kind": [names.room_kind(space.name, space.long_name) for space, _ in rooms],
        "outline": shapes,
        "area": [None if shape is None else _area(shape) for shape in shapes],
        "volume": [round(s.volume, 4) if s.outline is not None else None for s, _ in rooms],
        "z_bottom": [height(space, space.bottom) for space, _ in rooms],
        "z_top": [height(space, space.top) for space, _ in rooms],
        "attrs": [_attrs(space) for space, _ in rooms],
    }


def _room_name(space: Space) -> str:
    words = [word for word in (space.name, space.long_name) if word]
    if len(words) == 2 and words[1] in words[0]:
        return words[0]
    return " ".join(words) or space.guid


def _attrs(space: Space) -> bytes | None:
    said = {"zone": space.zone, "flat": space.flat}
    known = {name: value for name, value in said.items() if value}
    return orjson.dumps(known) if known else None


def _area(shape: Geometry) -> float:
    return round(float(crs.areas(np.array([shape], dtype=object))[0]), 4)
