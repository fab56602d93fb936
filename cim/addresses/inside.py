"""Steps of the pass from the door to the room: estates, buildings, entrances, storeys, rooms."""

import re
from typing import Final

from cim.addresses import outside
from cim.addresses.ladder import LADDER
from cim.addresses.outside import Step, inner_village, lengthen
from cim.addresses.walk import Walk
from cim.addresses.words import ESTATES, HAMLETS, NUMBER_OF, TOKENS, TOWERS

_NUMBERED: Final = re.compile(
    "第?[0-9A-Z-]+(?:号楼|栋楼|栋|幢|座|棟)?|[甲乙丙丁戊](?:栋|幢|座|号楼)"
)


_SHOP: Final = re.compile("号(?:商铺|门面|门市|车间)$")
_COUNTERS: Final = frozenset("号室房户层楼单梯门栋幢座组队区期米路街道巷弄年月日平次个人元份之至")
_BRACKETED: Final = frozenset(("entrance_no", "floor_no", "room_no"))
_PHONE: Final = re.compile("([0-9]{3,4})-([0-9]{4,8})|()([0-9]{7,})")


def door(walk: Walk, found: re.Match[str]) -> None:
    """12号: a door; of an estate, a building; of a building, a room."""
    is_door = outside.door(walk, found)
    close(walk, found.start())
    if is_door or (walk.rank == LADDER["estate_name"] and "door_no" not in walk.levels):
        walk.take("door_no", found.end(), found.start())
    elif walk.rank < LADDER["building_name"]:
        walk.take("building_name", found.end(), found.start())
    elif walk.rank < LADDER["room_no"]:
        walk.take("room_no", found.end(), found.start())


def gate(walk: Walk, found: re.Match[str]) -> None:
    """2号门: on which side to go in."""
    close(walk, found.start())
    walk.leave(found.end())


def shed(walk: Walk, found: re.Match[str]) -> None:
    """1号厂房: a building with a number before its name; right behind a road, a door and it."""
    if walk.rank == LADDER["road"] and found.start() == walk.start:
        end = walk.text.index("号", found.start()) + 1
        walk.take("door_no", end)
        walk.take("building_name", found.end())
        return
    close(walk, found.start())
    if walk.rank < LADDER["building_name"]:
        walk.take("building_name", found.end(), found.start())


def phase(walk: Walk, found: re.Match[str]) -> None:
    """3期, B区: part of an estate or of a park."""
    begin, end = found.span()
    if begin == walk.start:
        village = inner_village(walk)
        if village and "estate_name" not in walk.levels:
            walk.rename(village, "estate_name")
        if _named_before(walk) and "estate_name" not in walk.levels:
            walk.rename("building_name", "estate_name")
        if walk.last in ("estate_name", "zone"):
            walk.take(walk.last, end)
        elif found.group()[0].isascii() and LADDER["town"] <= walk.rank < LADDER["zone"]:
            walk.take("zone", end)
        return
    if walk.rank == LADDER["estate_name"]:
        lengthen(walk, "estate_name", end)
    elif _part_of_village(walk, found):
        walk.take("natural_village", end)
    elif LADDER["county"] <= walk.rank < LADDER["estate_name"] and found.group()[0].isascii():
        walk.take("estate_name", end)
    elif found.group().endswith("区"):
        outside.area("county")(walk, found)


def _part_of_village(walk: Walk, found: re.Match[str]) -> bool:
    """南栅6区: a part of a village by number; where a building follows, it is an estate's."""
    numbered = found.group().endswith("区") and found.group()[:-1].isdigit()
    area = LADDER["town"] <= walk.rank <= LADDER["squad"]
    name = walk.text[walk.start : found.start()]
    return numbered and area and not name.endswith(ESTATES + TOWERS)


def estate(walk: Walk, found: re.Match[str]) -> None:
    """小区, 花园: an estate."""
    walk.aim(found.start())
    if found.start() <= walk.start and walk.last != "estate_name":
        return
    if walk.rank < LADDER["estate_name"]:
        walk.take("estate_name", found.end())
    elif walk.last == "estate_name" and walk.rank == LADDER["estate_name"]:
        lengthen(walk, "estate_name", found.end())


def tower(walk: Walk, found: re.Match[str]) -> None:
    """大厦, 广场: a building with a name."""
    walk.aim(found.start())
    if found.start() > walk.start and (walk.rank < LADDER["building_name"] or _named_before(walk)):
        walk.take("building_name", found.end())


def building(walk: Walk, found: re.Match[str]) -> None:
    """3栋: a building by number; what was before it is its estate."""
    begin = found.start()
    if walk.rank <= LADDER["estate_name"]:
        village = inner_village(walk) if begin == walk.start else ""
        if village and "estate_name" not in walk.levels:
            walk.rename(village, "estate_name")
        elif "estate_name" in walk.levels:
            lengthen(walk, "estate_name", begin)
        elif not walk.idle(begin):
            walk.waiting("estate_name", begin)
    elif walk.rank == LADDER["building_name"] and not walk.idle(begin):
        _tower_to_estate(walk)
        if walk.last == "estate_name":
            lengthen(walk, "estate_name", begin)
    elif walk.rank == LADDER["building_name"]:
        _tower_to_estate(walk)
    if walk.rank < LADDER["building_name"] or _second_tower(walk, found):
        walk.take("building_name", found.end(), begin)
    elif walk.rank < LADDER["building_plate"]:
        walk.take("building_plate", found.end(), begin)


def _tower_to_estate(walk: Walk) -> None:
    """金盈大厦 before B座 is a compound of several buildings."""
    named = not _NUMBERED.fullmatch(walk.words("building_name"))
    if named and "estate_name" not in walk.levels:
        walk.rename("building_name", "estate_name")


def _second_tower(walk: Walk, found: re.Match[str]) -> bool:
    """3号楼B座: a tower on a numbered building."""
    return (
        walk.rank == LADDER["building_name"]
        and walk.start == found.start()
        and walk.last == "building_name"
        and _NUMBERED.fullmatch(walk.words("building_name")) is not None
        and found.group().endswith(("座", "栋", "幢"))
    )


def within(level: str) -> Step:
    """A step for what lies within a building: the name before it is the building's or estate's."""

    def step(walk: Walk, found: re.Match[str]) -> None:
        close(walk, found.start())
        if level == "room_no" and walk.rank == LADDER["road"] and _SHOP.search(found.group()):
            walk.take("door_no", found.start() + found.group().index("号") + 1, found.start())
            return
        if level == "room_no" and "-" in found.group():
            dashed(walk, found)
        elif walk.rank < LADDER[level]:
            walk.take(level, found.end(), found.start())

    return step


def bare(walk: Walk, found: re.Match[str]) -> None:
    """A number without a word: a room where a door, an estate or a building came before."""
    written = found.group()
    end = found.end()
    if not _ends_here(walk, written, end) or walk.rank >= LADDER["room_no"]:
        return
    phone = _PHONE.fullmatch(written)
    if phone and len(phone[2] or phone[4]) > len(phone[1] or ""):
        return
    if walk.rank < LADDER["road"] and found.start() == walk.start:
        return
    close(walk, found.start())
    if re.fullmatch(r"B[0-9]{1,2}", written) and walk.rank < LADDER["floor_no"]:
        walk.take("floor_no", end)
    elif walk.rank >= LADDER["door_no"]:
        dashed(walk, found)


def _ends_here(walk: Walk, written: str, end: int) -> bool:
    """Whether a number stands alone; inside a building a name may follow that of the room."""
    text = walk.text
    if NUMBER_OF.search(text, walk.start, end - len(written)):
        return False
    if end == len(text) or text[end] in "( -":
        return True
    within = LADDER["building_name"] <= walk.rank <= LADDER["floor_no"]
    return within and written[-3:].isdigit() and len(written) > 2 and text[end] not in _COUNTERS


def dashed(walk: Walk, found: re.Match[str]) -> None:
    """3-2-803: building, entrance, room; 3-803: building or entrance, and room; else one room."""
    start, end = found.span()
    parts = re.split("-", found.group())
    number = re.match("[0-9A-Z]*", parts[-1])
    whole = number is not None and len(number.group()) >= 3 and not parts[-1].endswith("位")
    free = ["building_name", "entrance_no"] if walk.rank < LADDER["building_name"] else []
    if walk.rank in (LADDER["building_name"], LADDER["building_plate"]):
        free = ["entrance_no"]
    slots = [*free[: len(parts) - 1], "room_no"]
    if len(slots) != len(parts) or not whole or any(len(part) > 2 for part in parts[:-1]):
        walk.take("room_no", end, start)
        return
    for slot, part in zip(slots, parts, strict=True):
        walk.take(slot, start + len(part), start)
        start += len(part) + 1


def aside(walk: Walk, found: re.Match[str]) -> None:
    """What stands in brackets: a remark, but for a storey or room that is said nowhere else."""
    close(walk, found.start())
    within = TOKENS.fullmatch(walk.text, found.start() + 1, found.end() - 1)
    level = within.lastgroup if within else None
    if level in _BRACKETED and LADDER["door_no"] <= walk.rank < LADDER[level]:
        walk.take(level, found.end() - 1, found.start() + 1)
    walk.leave(found.end())


def close(walk: Walk, end: int) -> None:
    """Give what waits before `end` to the building or the estate that its last word tells of."""
    if walk.idle(end):
        return
    words = walk.text[walk.start : end].rstrip()
    last = end == len(walk.text) or walk.text[end] == "("
    tower = walk.rank < LADDER["building_name"] or _named_before(walk)
    if tower and words.endswith(TOWERS):
        walk.take("building_name", end)
    elif words.endswith(HAMLETS) and last and _in_village(walk):
        walk.take("natural_village", end)
    elif words.endswith(ESTATES) or not last:
        named = "estate_name" in walk.levels and walk.rank < LADDER["building_name"]
        walk.waiting("building_name" if named else "estate_name", end)
    else:
        walk.leave(end)


def _named_before(walk: Walk) -> bool:
    """Whether a building with a name, and no number, stands right before."""
    return (
        walk.rank == LADDER["building_name"]
        and walk.last == "building_name"
        and _NUMBERED.fullmatch(walk.words("building_name")) is None
    )


def _in_village(walk: Walk) -> bool:
    return LADDER["village"] <= walk.rank < LADDER["natural_village"]
