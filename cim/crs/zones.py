"""Gauss-Krüger zones of China, and what system numbers look like they are in.

A family is a datum and a width of zone, in two forms: plain eastings about 500,000, which do not
tell their zone, and eastings that begin with its number (38,474,373 is zone 38).  Codes: EPSG
registry, CGCS2000 4491-4554, Xian 1980 2327-2390, Beijing 1954 2401-2442, 21413-21423, 21453-21463.
"""

from dataclasses import dataclass

from cim.crs import china

Bounds = tuple[float, float, float, float]
"""West, south, east, north in the units of the numbers, whatever they are."""

MILLION = 1_000_000
_DEGREE = 110_900.0
"""Metres of a degree of latitude, near enough to tell which zones China has there."""

_LAND: tuple[tuple[float, int, int], ...] = (
    (20.0, 105, 120),
    (25.0, 96, 123),
    (30.0, 84, 123),
    (35.0, 78, 123),
    (41.0, 75, 126),
    (50.0, 81, 135),
    (54.0, 117, 129),
)
"""Up to which latitude, from and to which central meridian China has land."""

_WEIGHT = {114: 24, 120: 18, 117: 18, 111: 10, 108: 8, 105: 7, 123: 6, 126: 5, 102: 4, 87: 3}
"""How much of the country's building stands in a 3° zone, roughly: the rest counts one."""

MERCATOR = 20_037_509.0
"""Where web maps end, metres."""


@dataclass(frozen=True)
class Family:
    """Zones of one datum and width: first codes of both forms, first zone, its meridian."""

    datum: str
    width: int
    prefixed: int
    plain: int
    first: int
    last: int

    def meridian(self, zone: int) -> int:
        """Central meridian of a zone, degrees east."""
        return zone * self.width - (3 if self.width == 6 else 0)


FAMILIES = (
    Family("CGCS2000", 3, 4513, 4534, 25, 45),
    Family("CGCS2000", 6, 4491, 4502, 13, 23),
    Family("Xian 1980", 3, 2349, 2370, 25, 45),
    Family("Xian 1980", 6, 2327, 2338, 13, 23),
    Family("Beijing 1954", 3, 2401, 2422, 25, 45),
    Family("Beijing 1954", 6, 21413, 21453, 13, 23),
)
"""Every family, the present datum first."""


@dataclass(frozen=True)
class Zone:
    """One zone of one family, in one of its forms."""

    family: Family
    number: int
    prefixed: bool

    @property
    def code(self) -> str:
        """Its EPSG code."""
        first = self.family.prefixed if self.prefixed else self.family.plain
        return f"EPSG:{first + self.number - self.family.first}"

    @property
    def meridian(self) -> int:
        """Its central meridian, degrees east."""
        return self.family.meridian(self.number)

    def other(self) -> "Zone":
        """The same zone in the other form."""
        return Zone(self.family, self.number, not self.prefixed)


def known(code: str) -> Zone | None:
    """The zone that goes by an EPSG code; None where it is no Chinese zone.

    >>> zone = known("EPSG:4547")
    >>> zone.meridian, zone.number, zone.prefixed, zone.other().code
    (114, 38, False, 'EPSG:4526')
    >>> known("EPSG:4490"), known("gcj02")
    (None, None)
    """
    authority, _, digits = code.partition(":")
    if authority != "EPSG" or not digits.isdigit():
        return None
    for family in FAMILIES:
        for first, prefixed in ((family.prefixed, True), (family.plain, False)):
            place = int(digits) - first
            if 0 <= place <= family.last - family.first:
                return Zone(family, family.first + place, prefixed)
    return None


def prefix(bounds: Bounds) -> int | None:
    """The zone that eastings begin with; None where they begin with none.

    >>> prefix((38474000, 2546000, 38475000, 2547000)), prefix((474000, 2546000, 475000, 2547000))
    (38, None)
    """
    west, _, east, _ = bounds
    number = int(west // MILLION)
    return number if 13 <= number <= 45 and number == int(east // MILLION) else None


def swapped(bounds: Bounds) -> bool:
    """Whether numbers make sense only with their axes exchanged: latitude or northing first.

    >>> swapped((22.9, 113.7, 23.1, 113.8)), swapped((113.7, 22.9, 113.8, 23.1))
    (True, False)
    >>> swapped((2546000, 474000, 2547000, 475000)), swapped((2546000, 38474000, 2547000, 38475000))
    (True, True)
    >>> swapped((463113, 15224791, 463200, 15224800)), swapped((12.66e6, 2.6e6, 12.67e6, 2.7e6))
    (False, False)
    """
    west, south, east, north = bounds
    if max(abs(west), abs(east)) <= 90 and 90 < north <= 180 and south > 0:
        return True
    northing = MILLION < west <= east < 6.2 * MILLION
    numbered = prefix((south, west, north, east)) is not None
    return northing and (numbered or (south > 150_000 and north < 850_000))


def plain_zones(bounds: Bounds) -> list[tuple[Zone, int]]:
    """3° zones of CGCS2000 that eastings about 500,000 may be in, with shares of 100.

    >>> [(zone.code, share) for zone, share in plain_zones((474000, 2546000, 475000, 2547000))][:2]
    [('EPSG:4547', 24), ('EPSG:4548', 18)]
    >>> plain_zones((474000, 100, 475000, 200))
    []
    """
    west, south, east, north = bounds
    latitude = (south + north) / 2 / _DEGREE
    land = next(((w, e) for top, w, e in _LAND if latitude <= top), None)
    if land is None or latitude < 3 or west < 150_000 or east > 850_000:
        return []
    family = FAMILIES[0]
    found = [Zone(family, number, False) for number in range(family.first, family.last + 1)]
    found = [zone for zone in found if land[0] <= zone.meridian <= land[1]]
    weights = [_WEIGHT.get(zone.meridian, 1) for zone in found]
    shares = [
        (zone, weight * 100 // sum(weights)) for zone, weight in zip(found, weights, strict=True)
    ]
    return sorted(shares, key=lambda pair: -pair[1])


def numbered_zones(bounds: Bounds) -> list[tuple[Zone, int]]:
    """Zones whose number the eastings begin with, the present datum first, with shares of 100."""
    number = prefix(bounds)
    west, south, east, north = bounds
    if number is None or south < 0 or north > 6.5 * MILLION:
        return []
    within = [value - number * MILLION for value in (west, east)]
    if not 100_000 < within[0] <= within[1] < 900_000:
        return []
    share = {"CGCS2000": 70, "Xian 1980": 20, "Beijing 1954": 8}
    return [
        (Zone(family, number, True), share[family.datum])
        for family in FAMILIES
        if family.first <= number <= family.last
    ]


def in_china(bounds: Bounds) -> bool:
    """Whether degrees lie in the box in which web maps are shifted."""
    west, south, east, north = bounds
    return (
        west >= china.WEST and east <= china.EAST and south >= china.SOUTH and north <= china.NORTH
    )


def are_degrees(bounds: Bounds) -> bool:
    """Whether numbers can be longitude and latitude.

    >>> are_degrees((113.7, 22.9, 113.8, 23.1)), are_degrees((22.9, 113.7, 23.1, 113.8))
    (True, False)
    """
    west, south, east, north = bounds
    return -180 <= west <= east <= 180 and -90 <= south <= north <= 90


def are_mercator(bounds: Bounds) -> bool:
    """Whether numbers can be the metres of web maps."""
    return max(map(abs, bounds)) <= MERCATOR
