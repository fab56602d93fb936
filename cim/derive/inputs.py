"""What storeys and units are made from: buildings, and what was loaded of their floors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely

from cim.geometry.cuts import Flags
from cim.geometry.frame import Floats, Integers, Shapes


@dataclass(frozen=True)
class GivenUnits:
    """Units as loaded, in the order in which they take their places on a storey."""

    id: Integers
    storey: Integers
    """Index of the storey in GivenStoreys."""
    entrance: Integers
    """Number of the entrance; 0 for none."""
    outline: Shapes
    """Own outline in degrees, or None."""


@dataclass(frozen=True)
class GivenStoreys:
    """Storeys as loaded."""

    building: Integers
    """Index of the building."""
    id: Integers
    no: Integers
    label: Sequence[str]
    kind: Sequence[str]
    bottom: Floats
    height: Floats
    plan: Integers
    """Id of the drawn plan, 0 for none."""
    outline: Shapes
    """Outline of the drawn plan in degrees, or None."""
    area: Floats
    """Area of the drawn plan, m²."""


@dataclass(frozen=True)
class Buildings:
    """Buildings to derive, by id, with what is given of their floors."""

    id: Integers
    footprint: Shapes
    area: Floats
    height: Floats
    above: Integers
    below: Integers
    podium: Floats
    units: Floats
    """Units per floor, NaN where unknown."""
    entrances: Floats
    use: Sequence[str | None]
    input_hash: Integers
    storeys: GivenStoreys
    rooms: GivenUnits

    def __len__(self) -> int:
        """How many buildings."""
        return len(self.id)


Columns = Mapping[str, Sequence[Any]]
"""Columns as the store reads them."""


def buildings(columns: Columns, chosen: Flags, storeys: Columns, units: Columns) -> Buildings:
    """The chosen rows of a batch, with the given storeys and units of these buildings.

    Raises shapely.GEOSException where the store holds bytes that are no geometry.
    """
    rows = np.flatnonzero(chosen)
    ids = _whole(columns["id"])[rows]
    given = _storeys(storeys, ids)
    return Buildings(
        id=ids,
        footprint=shapely.from_wkb(np.array(columns["footprint"], dtype=object)[rows]),
        area=_real(columns["footprint_area"])[rows],
        height=_real(columns["height"])[rows],
        above=_whole(columns["floors_above"])[rows],
        below=_whole(columns["floors_below"])[rows],
        podium=_real(columns["podium_floors"])[rows],
        units=_real(columns["units_per_floor"])[rows],
        entrances=_real(columns["entrance_count"])[rows],
        use=[columns["use_code"][row] for row in rows.tolist()],
        input_hash=_whole(columns["input_hash"])[rows],
        storeys=given,
        rooms=_units(units, given),
    )


def _storeys(columns: Columns, ids: Integers) -> GivenStoreys:
    column = {name: columns.get(name, []) for name in _STOREY}
    return GivenStoreys(
        building=np.searchsorted(ids, _whole(column["building_id"])),
        id=_whole(column["id"]),
        no=_whole(column["no"]),
        label=list(column["label"]),
        kind=list(column["kind"]),
        bottom=_real(column["given_bottom"]),
        height=_real(column["given_height"]),
        plan=_whole([plan or 0 for plan in column["plan_id"]]),
        outline=shapely.from_wkb(np.array(column["outline"], dtype=object)),
        area=_real(column["area"]),
    )


_STOREY = (
    "building_id",
    "id",
    "no",
    "label",
    "kind",
    "given_bottom",
    "given_height",
    "plan_id",
    "outline",
    "area",
)


def _units(columns: Columns, storeys: GivenStoreys) -> GivenUnits:
    order = np.argsort(storeys.id, kind="stable")
    storey = _whole(columns.get("storey_id", []))
    place = np.searchsorted(storeys.id, storey, sorter=order)
    known = np.zeros(len(storey), dtype=bool)
    if len(order):
        place = order[np.minimum(place, len(order) - 1)]
        known = storeys.id[place] == storey  # else the unit of a storey that has ended
    return GivenUnits(
        id=_whole(columns.get("id", []))[known],
        storey=place[known].astype(np.int64),
        entrance=_whole(columns.get("entrance_no", []))[known],
        outline=shapely.from_wkb(np.array(columns.get("outline", []), dtype=object)[known]),
    )


def _whole(values: Sequence[Any]) -> Integers:
    return np.array(values, dtype=np.int64)


def _real(values: Sequence[Any]) -> Floats:
    return np.array(values, dtype=np.float64)  # None becomes NaN
