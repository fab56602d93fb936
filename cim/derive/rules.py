"""The rules of thumb: how many units, entrances and metres where the source says nothing.

They apply per building, to arrays of buildings at once.  Whatever was given wins over them.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from zlib import crc32

import numpy as np

from cim.geometry.frame import Floats, Integers
from cim.settings import Settings

VERSION = 1
"""Raise it when the rules or kernels change what comes out: every building is derived anew."""

UNIT_KINDS = (
    "residential",
    "shop",
    "office",
    "parking",
    "public",
    "equipment",
    "workshop",
)
"""Codes of list unit_kind that are generated; elsewhere an index into this."""

RESIDENTIAL, SHOP, OFFICE, PARKING, PUBLIC, EQUIPMENT, WORKSHOP = range(7)

_BY_USE = {
    "residential": RESIDENTIAL,
    "mixed": RESIDENTIAL,
    "retail": SHOP,
    "office": OFFICE,
    "public": PUBLIC,
    "industry": WORKSHOP,
}

HOUSE = 150.0
"""m² of floor below which a house is one household a floor (自建房)."""

LARGE = 1_500.0
"""m² of floor from which a building of unknown use is not taken for homes."""

AREA = {RESIDENTIAL: 95.0, SHOP: 60.0, OFFICE: 400.0}
"""m² of floor a unit, its share of the common parts included."""

SHOP_FRONT = 4.0
"""Metres of street a shop needs: half of the outline of a square of that area is street."""

UNITS_BEHIND = 4
"""Flats of one floor that share an entrance."""

AREA_BEHIND = 200.0
"""m² of floor that an entrance at least serves."""

MOST = 60
"""Units of one floor that are generated without being asked for."""


@dataclass(frozen=True)
class Rules:
    """Default storey heights, metres."""

    residential: float
    retail: float
    office: float
    basement: float

    @classmethod
    def of(cls, settings: Settings) -> "Rules":
        """The rules as the settings have them."""
        return cls(
            settings.storey_height_residential,
            settings.storey_height_retail,
            settings.storey_height_office,
            settings.storey_height_basement,
        )

    @property
    def seed(self) -> int:
        """A number that changes with the rules: part of every input hash."""
        return crc32(repr((VERSION, astuple(self))).encode())

    def heights(self, kind: Integers) -> Floats:
        """Usual storey height by the kind of its units.

        >>> Rules(3.0, 4.2, 3.6, 3.5).heights(np.array([RESIDENTIAL, SHOP, PARKING])).tolist()
        [3.0, 4.2, 3.5]
        """
        table = np.array(
            [
                self.residential,
                self.retail,
                self.office,
                self.basement,
                self.office,
                self.office,
                self.retail,
            ]
        )
        return np.asarray(table[kind], dtype=np.float64)


def kinds(use: Sequence[str | None], area: Floats, above: Integers) -> Integers:
    """Kind of the units on a typical floor.

    Of unknown use are taken for homes: houses under HOUSE m², and buildings of two and more
    storeys under LARGE m².

    >>> kinds(["office", None, None], np.array([900, 120, 4000]), np.array([9, 1, 2])).tolist()
    [2, 0, 4]
    >>> kinds([], np.array([]), np.array([], dtype=int)).tolist()
    []
    """
    code = np.array([_BY_USE.get(word or "", -1) for word in use], dtype=np.int64)
    homes = (area < HOUSE) | ((above >= 2) & (area < LARGE))
    return np.where(code >= 0, code, np.where(homes, RESIDENTIAL, PUBLIC))


def podiums(use: Sequence[str | None], given: Floats, above: Integers, kind: Integers) -> Integers:
    """Lowest storeys that hold shops: as given, else one where the use is mixed.

    >>> podiums(["mixed", None], np.array([np.nan, 3]), np.array([6, 2]), np.array([0, 0])).tolist()
    [1, 2]
    """
    mixed = np.array([word == "mixed" for word in use], dtype=bool) & (above >= 2)
    wanted = np.where(np.isnan(given), mixed.astype(np.float64), given)
    return np.clip(wanted, 0, np.where(kind == SHOP, 0, above)).astype(np.int64)


def units(kind: Integers, area: Floats, given: Floats) -> Integers:
    """Units on a floor, where `given` is NaN by kind and area.

    >>> kind, nan = np.array([RESIDENTIAL, RESIDENTIAL, SHOP, OFFICE, PUBLIC]), np.nan
    >>> units(kind, np.array([120.0, 380, 600, 1500, 900]), np.full(5, nan)).tolist()
    [1, 4, 10, 4, 1]
    >>> units(kind[:1], np.array([120.0]), np.array([3.0])).tolist()
    [3]
    """
    size = np.full(len(kind), np.inf)
    for which, each in AREA.items():
        size[kind == which] = each
    count = np.round(area / size)
    count = np.where((kind == RESIDENTIAL) & (area < HOUSE), 1, count)
    fronts = np.floor(2 * np.sqrt(area) / SHOP_FRONT)
    count = np.where(kind == SHOP, np.minimum(count, fronts), count)
    known = given >= 1
    return np.where(known, given, np.clip(count, 1, MOST)).astype(np.int64)


def entrances(kind: Integers, area: Floats, count: Integers, given: Floats) -> Integers:
    """Entrances of a building with `count` units on a typical floor.

    >>> nan = np.nan
    >>> entrances(np.array([0, 0, 2]), np.array([400.0, 1200, 9000]), np.array([4, 12, 22]),
    ...           np.array([nan, nan, nan])).tolist()
    [1, 3, 1]
    """
    wanted = np.minimum(np.ceil(count / UNITS_BEHIND), np.floor(area / AREA_BEHIND))
    usual = np.where(kind == RESIDENTIAL, np.maximum(wanted, 1), 1)
    known = given >= 1
    return np.where(known, given, usual).astype(np.int64)
