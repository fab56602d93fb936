"""The first parser: splits the text of an address into the levels of the ladder.

One pass over the words that end a level (市, 路, 号, 栋, 单元 …), found by one pattern of bounded
pieces, so any text costs time in proportion to its length.  What stands between two such words
belongs to the second, if the ladder still goes down there; otherwise it waits for the next.  What
fits nowhere is the remainder.  Nothing is looked up: names of places are taken as written.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cim.addresses.ladder import COUNTYLESS, LADDER, canonical, join
from cim.addresses.normal import normalise
from cim.addresses.words import ESTATES, FUNCTIONAL, OPENING, PROVINCES, TOKENS, TOWERS

Piece = tuple[str, str]
"""A level's name, empty for what belongs to none, and the characters that say it."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart: canonical levels, the joined text, and what was left over.

    `pieces` are the characters of the normalised text in their order, so nothing is lost.
    """

    levels: dict[str, str]
    norm_text: str
    remainder: str
    pieces: tuple[Piece, ...]


class _Walk:
    """Where the pass stands: how deep on the ladder, and what waits for its level."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.start = 0
        self.rank = -1
        self.levels: dict[str, str] = {}
        self.pieces: list[Piece] = []

    def take(self, level: str, end: int, begin: int | None = None) -> None:
        """Give the characters up to `end` to a level; those before `begin` to none."""
        begin = self.start if begin is None else begin
        self.leave(begin)
        words = self.text[begin:end]
        if level in self.levels:
            self.levels[level] += words
        else:
            self.levels[level] = words
        self.pieces.append((level, words))
        self.rank = max(self.rank, LADDER[level])
        self.start = end

    def leave(self, end: int) -> None:
        """Give the characters up to `end` to no level."""
        if end > self.start:
            self.pieces.append(("", self.text[self.start : end]))
            self.start = end

    def rename(self, level: str, other: str) -> None:
        """Move what a level was given to another one, as if it had been read so."""
        self.levels[other] = self.levels.pop(level)
        self.pieces = [(other if name == level else name, words) for name, words in self.pieces]
        self.rank = LADDER[other]

    def waiting(self, level: str, end: int) -> None:
        """Give what waits before `end` to a level where that is free, else to none."""
        if end <= self.start:
            return
        if level in self.levels or LADDER[level] < self.rank:
            self.leave(end)
        else:
            self.take(level, end)


def parse(text: str) -> Address:
    """Take an address apart; the text may be in any habit, and any text is answered.

    >>> found = parse("广东省东莞市虎门镇大宁社区浦江路2号丰泰花园三幢2单元８０３室")
    >>> found.levels["road"], found.levels["building_name"], found.levels["room_no"]
    ('浦江路', '3栋', '803')
    >>> found.norm_text
    '东莞市虎门镇大宁社区浦江路2号丰泰花园3栋2单元803'
    >>> parse("东莞市虎门镇大宁社区浦江路2号丰泰花园3号楼2单元8层803").norm_text == found.norm_text
    True
    >>> parse("芦村3组上围2巷5号(近市场)").remainder
    '(近市场)'
    >>> parse("")
    Address(levels={}, norm_text='', remainder='', pieces=())
    """
    return read(normalise(text))


def read(text: str) -> Address:
    """Take an address apart whose text is normalised already."""
    walk = _Walk(text)
    _open(walk)
    for found in TOKENS.finditer(walk.text, walk.start):
        if found.start() >= walk.start:
            _STEPS[found.lastgroup or ""](walk, found)
    _close(walk, len(walk.text))
    levels = _canonical(walk.levels)
    remainder = "".join(words for level, words in walk.pieces if not level)
    return Address(levels, join(levels), remainder.strip("- "), tuple(walk.pieces))


def _canonical(written: dict[str, str]) -> dict[str, str]:
    city = written.get("city")
    return {level: canonical(level, value, city) for level, value in written.items()}


def _open(walk: _Walk) -> None:
    found = OPENING.match(walk.text)
    if found is None or found.end() == 0:
        return
    province, city = found["province"], found["city"]
    if province and PROVINCES[province] == "市":
        walk.take("city", found.end("province"), found.start("province"))
        walk.levels["city"] = province + "市"
    elif province:
        end = found.start("city") if city else found.end()
        walk.take("province", end, found.start("province"))
        walk.levels["province"] = province + "省"
    if city:
        walk.take("city", found.end(), found.start("city"))
        walk.levels["city"] = city + "市"


def _area(level: str) -> Callable[[_Walk, re.Match[str]], None]:
    def step(walk: _Walk, found: re.Match[str]) -> None:
        slot = level
        if level == "city" and walk.rank == LADDER["city"]:
            slot = "county"
        if level == "county" and walk.levels.get("city") in COUNTYLESS:
            slot = "town"
        if walk.rank < LADDER[slot] and found.start() > walk.start:
            walk.take(slot, found.end())

    return step


def _village(walk: _Walk, found: re.Match[str]) -> None:
    """村 and 社区: the first names the village, the next the natural village within it."""
    _functional(walk, found.start())
    if found.start() == walk.start:
        if walk.pieces and walk.pieces[-1][0] == "village":
            _lengthen(walk, "village", found.end())
        return
    if walk.rank < LADDER["village"]:
        walk.take("village", found.end())
    elif walk.rank < LADDER["natural_village"]:
        walk.take("natural_village", found.end())


def _functional(walk: _Walk, end: int) -> None:
    """松山湖 and its like stand in the town's place without a town's word."""
    if walk.rank <= LADDER["county"]:
        found = FUNCTIONAL.match(walk.text, walk.start)
        if found and found.end() <= end:
            walk.take("town", found.end())


def _squad(walk: _Walk, found: re.Match[str]) -> None:
    if walk.rank > LADDER["natural_village"]:
        return
    _village_waiting(walk, found.start())
    if "squad" not in walk.levels:
        walk.take("squad", found.end())


def _village_waiting(walk: _Walk, end: int) -> None:
    """A name before a squad, a numbered lane or a door is a village, even without 村."""
    _functional(walk, end)
    slot = "village" if walk.rank < LADDER["village"] and "town" in walk.levels else None
    walk.waiting(slot or "natural_village", end)


def _zone(walk: _Walk, found: re.Match[str]) -> None:
    """开发区, 工业园: a county right after the city, else a zone; after a road an estate."""
    _functional(walk, found.end())
    if found.start() < walk.start:
        return
    unnamed = found.start() == walk.start
    if walk.rank == LADDER["city"] and walk.levels["city"] not in COUNTYLESS:
        walk.take("county", found.end())
    elif unnamed and walk.rank < LADDER["county"]:
        walk.take("town" if walk.levels.get("city") in COUNTYLESS else "county", found.end())
    elif unnamed and walk.rank > LADDER["town"]:
        return
    elif walk.rank < LADDER["zone"]:
        walk.take("zone", found.end())
    elif walk.rank < LADDER["estate_name"]:
        walk.take("estate_name", found.end())


def _road(walk: _Walk, found: re.Match[str]) -> None:
    _functional(walk, found.start())
    if found.start() <= walk.start:
        return
    if walk.text[walk.start] in "与和及" and walk.rank == LADDER["road"]:
        walk.leave(found.end())
    elif walk.rank < LADDER["road"]:
        walk.take("road", found.end())
    elif walk.rank == LADDER["road"] and "lane" not in walk.levels:
        walk.take("lane", found.end())


def _alley(walk: _Walk, found: re.Match[str]) -> None:
    _functional(walk, found.start())
    if found.start() > walk.start and walk.rank <= LADDER["road"] and "lane" not in walk.levels:
        walk.take("lane", found.end())


def _lane(walk: _Walk, found: re.Match[str]) -> None:
    """3巷: a lane by number; the name before it is the village it lies in."""
    if walk.rank > LADDER["road"] or "lane" in walk.levels:
        return
    if walk.rank < LADDER["zone"]:
        _village_waiting(walk, found.start())
    walk.take("lane", found.end())


def _door(walk: _Walk, found: re.Match[str]) -> None:
    """12号: a door; of an estate, a building; of a building, a room."""
    if walk.rank < LADDER["road"]:
        _village_waiting(walk, found.start())
    elif walk.rank == LADDER["road"] and "lane" not in walk.levels:
        _lengthen(walk, "road", found.start())
    _close(walk, found.start())
    yard = "院" in found.group() and "door_no" not in walk.levels
    if walk.rank < LADDER["door_no"] or yard:
        walk.take("door_no", found.end())
    elif walk.rank < LADDER["building_name"]:
        walk.take("building_name", found.end(), found.start())
    elif walk.rank < LADDER["room_no"]:
        walk.take("room_no", found.end(), found.start())


def _phase(walk: _Walk, found: re.Match[str]) -> None:
    """3期, B区: part of an estate, or a part of a village."""
    if walk.rank == LADDER["estate_name"] or found.start() > walk.start:
        if walk.rank <= LADDER["estate_name"] and walk.rank >= LADDER["zone"]:
            _lengthen(walk, "estate_name", found.end())
    elif walk.rank < LADDER["zone"] and walk.rank >= LADDER["town"]:
        walk.take("zone", found.end())


def _lengthen(walk: _Walk, level: str, end: int) -> None:
    """Let a level's words go on up to `end`, within reason, unless an estate's name begins."""
    words = walk.text[max(walk.start, end - 4) : end]
    begins = level == "road" and words.endswith(ESTATES + TOWERS)
    if end > walk.start and not begins and len(walk.levels.get(level, "")) <= 40:
        walk.take(level, end)


def _estate(walk: _Walk, found: re.Match[str]) -> None:
    _functional(walk, found.start())
    if found.start() > walk.start and walk.rank < LADDER["estate_name"]:
        walk.take("estate_name", found.end())


def _tower(walk: _Walk, found: re.Match[str]) -> None:
    _functional(walk, found.start())
    if found.start() > walk.start and walk.rank < LADDER["building_name"]:
        walk.take("building_name", found.end())


def _building(walk: _Walk, found: re.Match[str]) -> None:
    _functional(walk, found.start())
    if walk.rank <= LADDER["estate_name"]:
        if "estate_name" in walk.levels:
            _lengthen(walk, "estate_name", found.start())
        walk.waiting("estate_name", found.start())
    elif walk.rank == LADDER["building_name"] and "estate_name" not in walk.levels:
        walk.rename("building_name", "estate_name")
    if walk.rank < LADDER["building_name"]:
        walk.take("building_name", found.end(), found.start())
    elif walk.rank < LADDER["building_plate"]:
        walk.take("building_plate", found.end(), found.start())


def _inside(level: str) -> Callable[[_Walk, re.Match[str]], None]:
    """A step for what lies within a building: the name before it is the building's or estate's."""

    def step(walk: _Walk, found: re.Match[str]) -> None:
        _functional(walk, found.start())
        _close(walk, found.start())
        if level == "room_no" and "-" in found.group():
            _dashed(walk, found)
        elif walk.rank < LADDER[level]:
            walk.take(level, found.end())

    return step


def _bare(walk: _Walk, found: re.Match[str]) -> None:
    """A number without a word: a room where a door, an estate or a building came before."""
    written = found.group()
    end = found.end()
    if not _ends_here(walk.text, end) or walk.rank >= LADDER["room_no"]:
        return
    if walk.rank < LADDER["road"] and found.start() == walk.start:
        return
    _functional(walk, found.start())
    _close(walk, found.start())
    if re.fullmatch(r"B[0-9]{1,2}", written) and walk.rank < LADDER["floor_no"]:
        walk.take("floor_no", end)
    elif walk.rank >= LADDER["door_no"]:
        _dashed(walk, found)


def _ends_here(text: str, end: int) -> bool:
    return end == len(text) or text[end] in "( -"


def _dashed(walk: _Walk, found: re.Match[str]) -> None:
    """3-2-803: building, entrance, room; 3-803: building or entrance, and room; else one room."""
    start, end = found.span()
    parts = re.split("-", found.group())
    number = re.match("[0-9A-Z]*", parts[-1])
    whole = number is not None and len(number.group()) >= 3
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


def _aside(walk: _Walk, found: re.Match[str]) -> None:
    _close(walk, found.start())
    walk.leave(found.end())


def _close(walk: _Walk, end: int) -> None:
    """Give what waits before `end` to the building or the estate that its last word tells of."""
    _functional(walk, end)
    if end <= walk.start:
        return
    words = walk.text[max(walk.start, end - 4) : end]
    if words.endswith(TOWERS) and walk.rank < LADDER["building_name"]:
        walk.take("building_name", end)
    elif words.endswith(ESTATES) or (end < len(walk.text) and walk.text[end] != "("):
        named = "estate_name" in walk.levels and walk.rank < LADDER["building_name"]
        walk.waiting("building_name" if named else "estate_name", end)
    else:
        walk.leave(end)


_STEPS: Final[dict[str, Callable[[_Walk, re.Match[str]], None]]] = {
    "aside": _aside,
    "building_name": _building,
    "entrance_no": _inside("entrance_no"),
    "floor_no": _inside("floor_no"),
    "room_no": _inside("room_no"),
    "squad": _squad,
    "lane": _lane,
    "phase": _phase,
    "door_no": _door,
    "bare": _bare,
    "village": _village,
    "zone": _zone,
    "estate": _estate,
    "tower": _tower,
    "town": _area("town"),
    "province": _area("province"),
    "county": _area("county"),
    "city": _area("city"),
    "road": _road,
    "alley": _alley,
}
