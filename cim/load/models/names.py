"""What the names in a model mean: storeys, rooms, and which rooms are one flat.

Pure.  Models name things in any language; what no word tells is told by number and place.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from cim.load.models.model import Space
from cim.load.storeys import number_of

GROUND = re.compile(
    r"ground ?floor|^ground\b|erdgeschoss|\beg\b|rez.de.chauss|\brdc\b|planta baja|begane grond"
    r"|首层|底层|地面层|一层|^一楼",
    re.IGNORECASE,
)
ROOF = re.compile(r"\broof|\bdach\b|toiture|cubierta|屋顶|屋面|天面|女儿墙", re.IGNORECASE)
FOUNDATION = re.compile(
    r"\bfdn\b|foundation|footing|fundament|fondation|cimient|基础|承台", re.IGNORECASE
)
MEZZANINE = re.compile(r"mezzanine|zwischengeschoss|entresol|夹层", re.IGNORECASE)

CELLAR = re.compile(
    r"basement|cellar|keller|\bug\b|souterrain|sous-sol|sótano|parking|地下|车库", re.IGNORECASE
)

_NUMBERED = re.compile(
    r"(?:level|floor|storey|story|niveau|etage|geschoss|l|og)[ _.-]*0*(\d{1,3})$"
)

ROOMS = (
    ("厨", r"kitchen|küche|kueche|cuisine|cocina|keuken|厨"),
    ("卫", r"bath|\bbad\b|\bwc\b|toilet|shower|dusche|salle de bain|lavatory|卫|浴|厕"),
    ("厅", r"living|wohn|dining|salon|séjour|lounge|galerie|客厅|餐厅|起居|厅$"),
    ("室", r"bed ?room|schlaf|chambre|kinder|buero|büro|study|卧|书房|儿童房"),
    ("阳台", r"balcon|terrace|loggia|阳台|露台"),
    ("走道", r"corridor|hallway|entrance hall|foyer|\bflur\b|diele|lobby|走道|走廊|玄关|过道|门厅"),
    ("楼梯", r"\bstair|treppe|escalier|楼梯"),
    ("车位", r"parking|garage|车位|车库"),
    ("设备", r"utility|technical|mechanical|electrical|plant|shaft|设备|机房|管井"),
    ("办公", r"\boffice|办公"),
    ("商铺", r"\bshop|retail|store$|laden|商铺|店"),
    ("屋面", r"\broof|\bdach\b|屋顶|屋面"),
)
"""Kinds of rooms and the words that tell them, the first that fits holding."""

_ROOMS = tuple((kind, re.compile(words, re.IGNORECASE)) for kind, words in ROOMS)

LIVED_IN = frozenset({"厨", "卫", "厅", "室"})
"""Rooms that make a home."""

KINDS_ALONE = {"办公": "office", "商铺": "shop", "车位": "parking", "设备": "equipment"}
"""Kinds of units that are one room; a home is residential, the rest public."""

FLAT_PROPERTIES = (
    "occupancyzonename",
    "apartment",
    "apartmentnumber",
    "flatnumber",
    "dwelling",
    "unitnumber",
    "wohnung",
    "wohnungsnummer",
    "户号",
    "套号",
    "户",
)
"""Names of properties that say to which flat a room belongs, small and without blanks."""

_LETTERED = re.compile(r"^([A-Za-z]{1,2})[-_. ]?\d{3}$")
_PREFIXED = re.compile(r"^([A-Za-z]?\d{3,4})[-_./ ]\s*\S+")
_FLAT_WORD = re.compile(
    r"^(?:unit|apartment|apt\.?|flat|wohnung|whg\.?|appartement|户|套)\s*[-_:]?\s*(?=\S)",
    re.IGNORECASE,
)


def room_kind(*words: str | None) -> str | None:
    """What a room is for, told by its names; None where no word is known.

    >>> room_kind("A103", "Kitchen"), room_kind("主卧"), room_kind("7")
    ('厨', '室', None)
    """
    for word in reversed([word for word in words if word]):
        for kind, pattern in _ROOMS:
            if pattern.search(word):
                return kind
    return None


def storey_kind(name: str, number: int) -> str:
    """The kind of a storey: 屋面, 基础, 夹层, 地下 or 标准.

    >>> storey_kind("T/FDN", -1), storey_kind("Roof", 3), storey_kind("Level 1", 1)
    ('基础', '屋面', '标准')
    """
    for pattern, kind in ((FOUNDATION, "基础"), (ROOF, "屋面"), (MEZZANINE, "夹层")):
        if pattern.search(name):
            return kind
    return "地下" if number < 0 else "标准"


def storey_numbers(names: Sequence[str], elevations: Sequence[float]) -> list[int]:
    """Numbers of storeys that ascend by elevation: -1, 1, 2 …, never 0.

    `elevations` are metres above the building's zero.  The ground floor is the one that is called
    so (首层, Ground Floor, Erdgeschoss, Level 0, 1F), else the lowest whose floor is no deeper than
    0.6 m; the others are counted from it, whatever figures their names have: a tower without a
    fourth floor has a fourth storey all the same.

    >>> storey_numbers(["T/FDN", "Level 1", "Level 2", "Roof"], [-1.25, 0, 3.1, 6])
    [-1, 1, 2, 3]
    >>> storey_numbers(["B1", "1F", "2F"], [-3.9, 0, 3.9]), storey_numbers([], [])
    ([-1, 1, 2], [])
    """
    if not names:
        return []
    said = [_number(name) for name in names]
    high = [
        n
        for n, z in enumerate(elevations)
        if z >= -0.6 and not _underground(names[n], said[n]) and not MEZZANINE.search(names[n])
    ]
    # Called the ground floor; else 0, as in Europe, else 1, where none that counts lies below it.
    called = [n for n, name in enumerate(names) if said[n] is None and GROUND.search(name)]
    zeros = [n for n, number in enumerate(said) if number == 0 and n in high]
    ones = [n for n, number in enumerate(said) if number == 1]
    if ones and high and high[0] < ones[0]:
        ones = []
    ground = next(iter((*called, *zeros, *ones, *high)), len(names) - 1)
    return [n - ground + 1 if n >= ground else n - ground for n in range(len(names))]


def _number(name: str) -> int | None:
    numbered = _NUMBERED.search(name.strip().lower())
    return int(numbered[1]) if numbered else number_of(name)


def _underground(name: str, number: int | None) -> bool:
    return (number or 0) < 0 or bool(FOUNDATION.search(name) or CELLAR.search(name))


def flat_of(value: str, name: str) -> str | None:
    """The flat that a property speaks of, without the words around it.

    >>> flat_of("Unit A OccupancyZoneName", "OccupancyZoneName"), flat_of("Wohnung 3", "Wohnung")
    ('A', '3')
    >>> flat_of("OccupancyZoneName", "OccupancyZoneName") is None
    True
    """
    plain = re.sub(rf"\s*{re.escape(name)}\s*$", "", value.strip(), flags=re.IGNORECASE)
    return _FLAT_WORD.sub("", plain).strip() or None


def flats(spaces: Sequence[Space]) -> tuple[dict[str, str], str]:
    """Which spaces make one unit, GlobalId to the unit's name, and how that was told.

    In this order: `zones` of the model, `properties` of the spaces, `names` of the spaces
    (A101 and A203 are of flat A, 801-1 of flat 801, where such a group has the rooms of a home),
    `home` (all rooms are those of one home), `spaces` (each is a unit of its own).  Roof spaces,
    and what no zone or property names, are of no unit.
    """
    rooms = [space for space in spaces if not is_void(space)]
    for how, told in (
        ("zones", {s.guid: s.zone for s in rooms if s.zone}),
        ("properties", {s.guid: s.flat for s in rooms if s.flat}),
        ("names", _named(rooms)),
        ("home", _home(rooms)),
    ):
        if told and len(told) * 2 >= len(rooms):
            return told, how
    return {space.guid: _own_name(space) for space in rooms}, "spaces"


def alone(spaces: Sequence[Space]) -> dict[str, str]:
    """Each space a unit of its own, by its name."""
    return {space.guid: _own_name(space) for space in spaces if not is_void(space)}


def unit_kind(spaces: Sequence[Space]) -> str:
    """Code of list unit_kind for a unit of these spaces."""
    kinds = {room_kind(space.name, space.long_name) for space in spaces}
    if kinds & LIVED_IN and (len(spaces) > 1 or kinds & {"室", "厅"}):
        return "residential"
    found = [KINDS_ALONE[kind] for kind in sorted(kinds - {None}, key=str) if kind in KINDS_ALONE]
    return found[0] if len(spaces) == 1 and found else "public"


def is_void(space: Space) -> bool:
    """Whether it is the space under a roof, and no room."""
    return room_kind(space.name, space.long_name) == "屋面"


def _own_name(space: Space) -> str:
    return space.name or space.long_name or space.guid


def _named(rooms: Sequence[Space]) -> dict[str, str]:
    """Flats by the names of their rooms; a letter that is a wing has no kitchen and no bed."""
    groups: Mapping[str, list[Space]] = defaultdict(list)
    for space in rooms:
        found = _LETTERED.match(space.name or "") or _PREFIXED.match(space.name or "")
        if found:
            groups[found[1]].append(space)
    homes = {name: group for name, group in groups.items() if _is_home(group)}
    return {space.guid: name for name, group in homes.items() for space in group}


def _home(rooms: Sequence[Space]) -> dict[str, str]:
    kinds = [room_kind(space.name, space.long_name) for space in rooms]
    lived = sum(kind in LIVED_IN for kind in kinds)
    if kinds.count("厨") > 1 or "室" not in kinds or "厅" not in kinds or lived * 2 < len(kinds):
        return {}
    return {space.guid: "1" for space in rooms}


def _is_home(group: Sequence[Space]) -> bool:
    kinds = {room_kind(space.name, space.long_name) for space in group}
    return bool(kinds & {"厨", "卫"}) and bool(kinds & {"室", "厅"})
