"""Steps of the pass from the province to the door: areas, villages, parks, roads, lanes."""

import re
from collections.abc import Callable
from typing import Final

from cim.addresses.ladder import COUNTYLESS, LADDER, canonical
from cim.addresses.walk import Walk
from cim.addresses.words import (
    COUNTY_CITIES,
    ESTATES,
    TOWERS,
    VILLAGE_GOES_ON,
    VILLAGE_PARK,
    VILLAGE_SIDE,
)

Step = Callable[[Walk, re.Match[str]], None]

_LETTERS: Final = re.compile("[A-Z ]{2,40}+(?=[一-鿿])")
_ESTATE_VILLAGE: Final = re.compile("[一二三四五六七八九十新师工]村$|[里坊]$|[0-9]区$")
_OFF_ROAD: Final = re.compile(
    "(?![与和及交])(?![东南西北][延侧]|延长线|延伸)[一-鿿]{3,6}+(?<![线段街路内])(?<!自编|地址)"
)
"""A lane off a road that has no word of its own: 十全街吴衙场29号."""
_BESIDE: Final = ("旁", "旁边", "侧", "对面", "附近", "隔壁")
_HAN: Final = re.compile("[^一-鿿㐀-䶿]")


def area(level: str) -> Step:
    """A step for a word of a province, city, county or town."""

    def step(walk: Walk, found: re.Match[str]) -> None:
        if found.start() == walk.start:
            return
        words = walk.text[walk.start : found.end()]
        slot = _slot(walk, level, words)
        if words in (walk.levels.get(slot), walk.levels.get(level)) or words == "市辖区":
            walk.again(slot, found.end())
        elif walk.levels.get("city") == words or walk.spelt.get("city") == words:
            walk.again("city", found.end())
        elif walk.rank < LADDER[slot]:
            _foreign(walk, found.start())
            if slot == "town" and walk.rank == LADDER["county"]:
                _second_county(walk, found.start())
            walk.take(slot, found.end())
        elif slot == "town" and walk.rank == LADDER["town"] and "街道" in found.group():
            walk.leave(found.end())
        elif slot == "town" and _town_in_park(walk, found.start()):
            walk.take(slot, found.end())
            walk.rank = LADDER[slot]

    return step


def _town_in_park(walk: Walk, end: int) -> bool:
    """金桥开发区金河镇: behind a park that no town was named before."""
    free = "town" not in walk.levels and "village" not in walk.levels
    return free and walk.last == "zone" and end - walk.start <= 6


def _second_county(walk: Walk, end: int) -> None:
    """开发区铁山区大王镇: the ladder has one county; the other is left."""
    at = max(walk.text.rfind(word, walk.start + 1, end - 1) for word in "区县")
    if at > 0:
        walk.leave(at + 1)


def _slot(walk: Walk, level: str, words: str) -> str:
    if level == "city" and (walk.rank == LADDER["city"] or words in COUNTY_CITIES):
        return "county"
    if level == "county" and walk.city in COUNTYLESS:
        return "town" if walk.rank >= LADDER["city"] else level
    if level == "county" and words.endswith("新区") and walk.rank == LADDER["county"]:
        return "town"
    return level


def _foreign(walk: Walk, end: int) -> None:
    """Leave what is no Chinese character at the beginning of an area's or road's name."""
    at = end
    while at > walk.start and not _HAN.match(walk.text, at - 1):
        at -= 1
    if at < end:
        walk.leave(at)


def village(walk: Walk, found: re.Match[str]) -> None:
    """村 and 社区: the first names the village, the next the natural village within it."""
    words = walk.text[walk.start : found.end()]
    if not words.endswith(("社区", "会", "委")) and _goes_on(walk, found):
        return
    if found.start() == walk.start:
        if walk.last == "village" and found.group() != "村":
            walk.again("village", found.end())
        return
    if LADDER["village"] <= walk.rank < LADDER["road"] and _said(walk, words):
        walk.again("village", found.end())
    elif walk.rank < LADDER["village"]:
        walk.take("village", found.end())
    elif _below_area(walk):
        walk.take("village", found.end())
        walk.rank = LADDER["village"]
    elif walk.rank < LADDER["natural_village"] and "社区" not in words:
        walk.take("natural_village", found.end())
    elif walk.rank == LADDER["road"]:
        _village_at_road(walk, found, words)


def _said(walk: Walk, words: str) -> bool:
    """塘厦村塘厦村委会: the village once more, maybe by its office."""
    said = walk.levels.get("village")
    return said is not None and said in (words, canonical("village", words))


def _below_area(walk: Walk) -> bool:
    """Right behind a park, or behind a 管理区 that is no town's: that stands above the village."""
    if walk.rank == LADDER["zone"]:
        return walk.last == "zone" and "village" not in walk.levels
    managed = walk.last == "village" and walk.words("village").endswith("管理区")
    if managed and "county" in walk.levels and "town" not in walk.levels:
        walk.rename("village", "town")
        return True
    return False


def _village_at_road(walk: Walk, found: re.Match[str], words: str) -> None:
    """Behind a road a community, or a hamlet whose doors follow."""
    if words.endswith("社区") and "village" not in walk.levels:
        walk.take("village", found.end())
    elif words.endswith("村") and walk.text[found.end() : found.end() + 1].isdigit():
        walk.take("natural_village" if "village" in walk.levels else "village", found.end())


def _goes_on(walk: Walk, found: re.Match[str]) -> bool:
    """Whether 村 is in the middle of a name: 王村镇, 周村区, 新村路."""
    text, end = walk.text, found.end()
    if found.group() == "村":
        after = VILLAGE_GOES_ON.match(text, end)
        if after:
            again = text[walk.start : end + 1] == walk.levels.get("town")
            return again or not (after.group() == "镇" and walk.rank >= LADDER["town"])
        if VILLAGE_PARK.match(text, end) and text[walk.start : end] != walk.words("village"):
            return walk.rank in (LADDER["village"], LADDER["squad"])
        if VILLAGE_SIDE.match(text, end):
            return walk.rank != LADDER["town"]
    return text.startswith(("社区", "居委"), end) and walk.rank < LADDER["village"]


def squad(walk: Walk, found: re.Match[str]) -> None:
    """3组, (3)组, 西3组, and a bare (3) behind a village."""
    if walk.rank > LADDER["natural_village"]:
        return
    begin = found.start()
    if begin == walk.start + 1 and walk.text[walk.start] in "东南西北中上下前后":
        begin = walk.start
    _village_waiting(walk, begin)
    if "squad" not in walk.levels and walk.start == begin:
        walk.take("squad", found.end())


def numbered_squad(walk: Walk, found: re.Match[str]) -> None:
    """(3) behind a village is its third group; anywhere else a remark."""
    inside = LADDER["village"] <= walk.rank <= LADDER["natural_village"]
    if "squad" not in walk.levels and (inside or not found.group().endswith(")")):
        squad(walk, found)
    if walk.start <= found.start():
        walk.leave(found.end())


def group(walk: Walk, found: re.Match[str]) -> None:
    """大厚岭下组: a group with a name; 村民小组 alone names none."""
    if walk.rank not in (LADDER["village"], LADDER["natural_village"]) or "squad" in walk.levels:
        return
    if found.start() > walk.start:
        walk.take("squad", found.end())
    else:
        walk.leave(found.end())


def _village_waiting(walk: Walk, end: int) -> None:
    """A name before a squad, a numbered lane or a door is a village, even without 村.

    In a town's streets, where no village is named, it is a road.
    """
    _renamed_hamlet(walk)
    if walk.idle(end):
        return
    if walk.rank < LADDER["village"] and "town" in walk.levels:
        walk.take("village", end)
    elif walk.rank == LADDER["county"] or (
        walk.words("village").endswith("社区")
        and walk.text[end - 1] == "坊"
        and end - walk.start > 2
    ):
        walk.take("road", end)
    else:
        walk.waiting("natural_village", end)


def _renamed_hamlet(walk: Walk) -> None:
    """皂三新村 before a lane or a door is a hamlet, and no estate."""
    if walk.last == "estate_name" and walk.rank == LADDER["estate_name"]:
        ends = walk.words("estate_name").endswith(("新村", "新区"))
        if ends and "natural_village" not in walk.levels and "road" not in walk.levels:
            walk.rename("estate_name", "natural_village")


def zone(walk: Walk, found: re.Match[str]) -> None:
    """工业园, 市场: a park; 开发区 and its like right below a city stand for a county."""
    if found.start() < walk.start or "zone" in walk.levels:
        return
    words = walk.text[walk.start : found.end()]
    county = words.endswith(("开发区", "高新区", "经开区", "度假区", "保税区"))
    if words in ("苏州工业园区", "工业园区") and walk.city == "苏州市":
        county = True
    unnamed = found.start() == walk.start
    if county and walk.rank == LADDER["city"] and walk.city not in COUNTYLESS:
        walk.take("county", found.end())
    elif unnamed and county and walk.rank < LADDER["county"]:
        walk.take("town" if walk.city in COUNTYLESS else "county", found.end())
    elif walk.rank < LADDER["estate_name"] and not (unnamed and found.group() in ("市场", "园区")):
        walk.take("zone", found.end())


def road(walk: Walk, found: re.Match[str]) -> None:
    """路, 街, 大道: the first names the road, the next the lane off it."""
    if found.start() <= walk.start and found.group() not in ("大街", "大道", "步行街"):
        return
    words = walk.text[walk.start : found.end()]
    if words[0] in "与和及" and walk.rank == LADDER["road"]:
        walk.leave(found.end())
    elif words == walk.levels.get("road"):
        walk.again("road", found.end())
    elif walk.rank < LADDER["road"]:
        _foreign_letters(walk, found.start())
        _hamlet_before(walk, found.end())
        walk.take("road", found.end())
    elif walk.rank == LADDER["road"]:
        _second_road(walk, found, words)


def _second_road(walk: Walk, found: re.Match[str], words: str) -> None:
    if walk.last == "road" and found.group() in ("步行街", "商业街"):
        walk.take("road", found.end())
    elif "lane" not in walk.levels:
        walk.take("lane", found.end())


def _foreign_letters(walk: Walk, end: int) -> None:
    """SIP星港街: letters before a road's name are a remark, but one, as in S358省道, may be its."""
    found = _LETTERS.match(walk.text, walk.start, end)
    if found:
        walk.leave(found.end())


def _hamlet_before(walk: Walk, end: int) -> None:
    """A known road's name at the end of what waits leaves a hamlet before it."""
    if walk.known is not None:
        length = walk.known.ends_with_road(walk.text[walk.start : end][-40:])
        if length and end - length > walk.start:
            _village_waiting(walk, end - length)


def section(walk: Walk, found: re.Match[str]) -> None:
    """莞樟路黄江段: a part of a road."""
    if walk.last != "road" or walk.rank != LADDER["road"]:
        return
    after = walk.text[found.end() : found.end() + 1]
    if found.start() == walk.start or after.isdigit():
        lengthen(walk, "road", found.end())


def alley(walk: Walk, found: re.Match[str]) -> None:
    """A named 巷 or 弄: a road, or the lane off one."""
    if walk.rank > LADDER["road"] or "lane" in walk.levels:
        return
    if found.start() == walk.start and not (found.group() == "横巷" and walk.last == "road"):
        return
    if "road" in walk.levels:
        walk.take("lane", found.end())
    elif found.group() == "里":
        _village_waiting(walk, found.end())
    else:
        walk.take("road", found.end())


def lane(walk: Walk, found: re.Match[str]) -> None:
    """3巷: a lane by number; the name before it is the village it lies in."""
    _renamed_hamlet(walk)
    if walk.rank > LADDER["road"] or "lane" in walk.levels:
        return
    begin = found.start()
    if begin > walk.start and not found.group()[0].isdigit():
        begin += 1
    if walk.rank < LADDER["zone"]:
        _village_waiting(walk, begin)
    walk.take("lane", found.end())


def door(walk: Walk, found: re.Match[str]) -> bool:
    """What waits before a door is its village's or belongs to its road; tell if it is a door."""
    if walk.rank < LADDER["zone"] or walk.rank == LADDER["estate_name"]:
        _village_waiting(walk, found.start()) if walk.rank < LADDER["zone"] else _renamed_hamlet(
            walk
        )
    elif walk.rank == LADDER["road"] and "lane" not in walk.levels:
        _off_road(walk, found.start())
        lengthen(walk, "road", found.start())
    yard = found.group().endswith("院") and "door_no" not in walk.levels
    return walk.rank < LADDER["door_no"] or yard


def _off_road(walk: Walk, end: int) -> None:
    """十全街吴衙场29号: a name of its own behind a road is a lane off it, unless an estate's."""
    if walk.idle(end):
        return
    words = walk.text[walk.start : end]
    if words.endswith(_BESIDE):
        walk.leave(end)
    elif _OFF_ROAD.fullmatch(words) and not words.endswith(ESTATES + TOWERS):
        walk.take("lane", end)


def lengthen(walk: Walk, level: str, end: int) -> None:
    """Let a level's words go on up to `end`, within reason, unless an estate's name begins."""
    if walk.idle(end):
        return
    words = walk.text[max(walk.start, end - 4) : end]
    begins = level == "road" and words.endswith(ESTATES + TOWERS)
    if not begins and len(walk.levels.get(level, "")) <= 40:
        walk.take(level, end)


def inner_village(walk: Walk) -> str:
    """The level of a 村 right before a numbered building, which is an estate's; empty for none."""
    level = walk.last
    if level in ("village", "natural_village") and walk.rank == LADDER[level]:
        words = walk.words(level)
        if _ESTATE_VILLAGE.search(words):
            return level
    return ""
