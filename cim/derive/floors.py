"""The storeys of buildings: those given, those missing between them, and their elevations."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cim.derive.inputs import Buildings, GivenStoreys
from cim.derive.rules import PARKING, SHOP, Rules
from cim.geometry.frame import Floats, Integers
from cim.geometry.storeys import Stack, elevations, labels, stack

TYPICAL, PODIUM, BASEMENT, EQUIPMENT, COMMON, EMPTY = range(6)
"""What a storey is laid out as."""

LAYOUT_OF_KIND = {
    "设备": EQUIPMENT,
    "转换": EQUIPMENT,
    "架空": COMMON,
    "避难": COMMON,
    "屋面": EMPTY,
    "基础": EMPTY,
}
"""Kinds of given storeys that hold no homes: plant, open floors, refuges, roofs, foundations."""


@dataclass(frozen=True)
class Floors:
    """Storeys, ascending within each building."""

    building: Integers
    no: Integers
    label: NDArray[np.object_]
    kind: NDArray[np.object_]
    layout: Integers
    """TYPICAL, PODIUM …"""
    given: Integers
    """Index in GivenStoreys, -1 for a generated storey."""
    bottom: Floats
    top: Floats


def floors(buildings: Buildings, podium: Integers, unit_kind: Integers, rules: Rules) -> Floors:
    """Every storey of the buildings: a given one takes the place of those of its number."""
    given = buildings.storeys
    usual = stack(buildings.above, buildings.below)
    kept = ~np.isin(_key(usual.building, usual.no), _key(given.building, given.no))
    building = np.concatenate([usual.building[kept], given.building])
    no = np.concatenate([usual.no[kept], given.no])
    source = np.concatenate([np.full(kept.sum(), -1), np.arange(len(given.id))])
    # A mezzanine (0) stands on the ground floor; storeys of one number stand side by side.
    order = np.lexsort((source, np.where(no == 0, 1.5, no), building))
    building, no, source = building[order], no[order], source[order]
    layout = _layouts(no, podium[building], source, given)
    kind = unit_kind[building].copy()
    kind[layout == PODIUM], kind[layout == BASEMENT] = SHOP, PARKING
    bottom, top = _elevations(
        Stack(building, no), rules.heights(kind), source, given, buildings.height
    )
    return Floors(
        building=building,
        no=no,
        label=_words(labels(no), source, given.label),
        kind=_words(
            ["地下" if number < 0 else "标准" for number in no.tolist()], source, given.kind
        ),
        layout=layout,
        given=source,
        bottom=bottom,
        top=top,
    )


def _key(building: Integers, no: Integers) -> Integers:
    return building * 65_536 + no


def _layouts(no: Integers, podium: Integers, source: Integers, given: GivenStoreys) -> Integers:
    layout = np.where(no < 0, BASEMENT, np.where((no <= podium) & (no > 0), PODIUM, TYPICAL))
    special = np.array([LAYOUT_OF_KIND.get(kind, -1) for kind in given.kind] + [-1])[source]
    return np.where(special >= 0, special, layout)


def _elevations(
    storeys: Stack, usual: Floats, source: Integers, given: GivenStoreys, height: Floats
) -> tuple[Floats, Floats]:
    """Elevations by number: the first storey of a number speaks for those beside it."""
    key = _key(storeys.building, storeys.no)
    first = np.append(True, key[1:] != key[:-1])[: len(key)]
    lead = np.cumsum(first) - 1
    tall = np.append(given.height, np.nan)[source][first]
    floor = np.append(given.bottom, np.nan)[source][first]
    single = Stack(storeys.building[first], storeys.no[first])
    bottom, top = elevations(single, usual[first], tall, floor, height)
    return bottom[lead], top[lead]


def _words(usual: list[str], source: Integers, given: object) -> NDArray[np.object_]:
    words = np.array(usual, dtype=object)
    own = source >= 0
    words[own] = np.array(given, dtype=object)[source[own]]
    return words
