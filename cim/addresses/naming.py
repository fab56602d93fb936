"""Names found without a word that ends them: province and city at the start, and known places."""

import re
from typing import Final

from cim.addresses.gazetteer import DONGGUAN, Found, Gazetteer
from cim.addresses.ladder import LADDER
from cim.addresses.walk import Walk
from cim.addresses.words import FUNCTIONAL, OPENING, PROVINCES, VILLAGE_AGAIN

_SHORT_ENDS: Final = frozenset(
    "aside numbered_squad building_name entrance_no floor_no room_no squad lane door_no bare "
    "shed".split()
)
"""Steps whose words do not lengthen the name before them."""

_STREETS: Final = frozenset({"road", "alley", "lane", "squad", "door_no", ""})
"""Steps before which a village may stand without its word, with another name behind it."""

_FUNCTIONAL: Final = frozenset("松滨东")
FIRST_OF_TOWNS: Final = _FUNCTIONAL | DONGGUAN.firsts
"""Characters that a town begins with which is known without a gazetteer."""

_AREA_GOES_ON: Final = re.compile("路|社区")
_GOES_ON: Final = re.compile("[东南西北中]?(?:路|街(?!道)|大道)|社区|工业|镇(?![东南西北中])")
_WORD_AHEAD: Final = re.compile("[东南西北中]?路|大道|[镇街村道]|社区|$")
_OFFICE: Final = re.compile("办事处|(?:居民|村民|民|居|村)?委(?:员)?会|村委")


def opening(walk: Walk) -> None:
    """Province and city without their words, behind a postal code or a label."""
    found = OPENING.match(walk.text)
    if found is None or found.end() == 0:
        return
    if found["label"]:
        walk.leave(found.end("label"))
    province, city = found["province"], found["city"]
    if province and PROVINCES[province] == "市":
        walk.leave(found.start("province"))
        walk.spell("city", found.end("province"), province + "市")
    elif province:
        walk.leave(found.start("province"))
        walk.spell("province", found.start("city") if city else found.end(), province + "省")
    if city and "city" not in walk.levels and not _begins_known(walk, found):
        walk.leave(found.start("city"))
        walk.spell("city", found.end(), city + "市")


def _begins_known(walk: Walk, found: re.Match[str]) -> bool:
    """黄石 begins 黄石港街道, too, where the gazetteer knows that."""
    if walk.known is None:
        return False
    place = walk.known.find(walk.text, found.start("city"), -1, {})
    if place is None or not place.whole or place.place.level == "county":
        return False
    return place.end > found.end("city")


def known(walk: Walk, end: int, step: str = "") -> None:
    """Take the known places that what waits before `end` begins with; `step` is what ends it."""
    if walk.rank >= LADDER["estate_name"]:
        return
    if walk.rank <= LADDER["county"]:
        _functional(walk, end)
    for gazetteer in _gazetteers(walk):
        while walk.start <= end and _known(walk, gazetteer, end, step):
            pass


def _gazetteers(walk: Walk) -> list[Gazetteer]:
    found = [walk.known] if walk.known is not None else []
    if walk.rank <= LADDER["county"] and walk.city == "东莞市":
        found.append(DONGGUAN)
    return found


def _known(walk: Walk, gazetteer: Gazetteer, end: int, step: str) -> bool:
    levels: dict[str, str] = {}
    for level in ("county", "town", "village"):
        if level in walk.levels:
            levels[level] = walk.spelling(level, walk.levels[level])
    found = gazetteer.find(walk.text, walk.start, walk.rank, levels)
    if found is None or not (found.whole or _stands_alone(walk, found, end, step)):
        return False
    level = found.place.level
    if level == "road" and "road" in walk.levels:
        return False
    if found.whole and _is_part(walk, found):
        return False
    if level in walk.levels:
        return False
    office = _OFFICE.match(walk.text, found.end) if found.whole else None
    if level == "village" and found.whole and found.place.name.endswith("村") and not office:
        office = VILLAGE_AGAIN.match(walk.text, found.end)
    walk.spell(level, office.end() if office else found.end, found.place.name)
    return True


def _stands_alone(walk: Walk, found: Found, end: int, step: str) -> bool:
    """Whether a name without its word is one here, and not the beginning of another name."""
    rest = end - found.end
    level = found.place.level
    if rest == 0:
        ends = step in _SHORT_ENDS and not (level == "village" and step == "building_name")
        return ends or end == len(walk.text)
    if rest == -1 and level == "town":
        return not _WORD_AHEAD.match(walk.text, found.end)
    return rest >= 2 and (level in ("county", "town") or step in _STREETS)


def _is_part(walk: Walk, found: Found) -> bool:
    """Whether a whole name only begins the name of a road or community, as 芦村 in 芦村路."""
    pattern = _AREA_GOES_ON if found.place.level in ("county", "town") else _GOES_ON
    return pattern.match(walk.text, found.end) is not None


def _functional(walk: Walk, end: int) -> None:
    if walk.text[walk.start : walk.start + 1] not in _FUNCTIONAL:
        return
    found = FUNCTIONAL.match(walk.text, walk.start)
    if found and (found.end() <= end or walk.text[found.end() - 1] in "区会"):
        walk.take("town", found.end())
