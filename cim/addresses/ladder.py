"""The fifteen-level ladder: its names, one spelling a level, one text for an address.

Level 0 stands for the province, which the ladder leaves out; road and lane share level 8.
"""

import re
from collections.abc import Mapping
from typing import Final

from cim.addresses.normal import NUMERALS, number

LADDER: Final[dict[str, int]] = {
    "province": 0,
    "city": 1,
    "county": 2,
    "town": 3,
    "village": 4,
    "squad": 5,
    "natural_village": 6,
    "zone": 7,
    "road": 8,
    "lane": 8,
    "door_no": 9,
    "estate_name": 10,
    "building_name": 11,
    "building_plate": 12,
    "entrance_no": 13,
    "floor_no": 14,
    "room_no": 15,
}
"""Column of an address → level, from the widest to the narrowest."""

COUNTYLESS: Final = frozenset({"东莞市", "中山市", "儋州市", "嘉峪关市"})
"""Cities whose towns hang on the city itself; what is called 区 there is a town."""

_PARK: Final = ("高新技术产业开发区", "高新区", "科技产业园区", "园区", "管委会")

ALIASES: Final[dict[str, dict[tuple[str, str], str]]] = {
    "东莞市": {
        **{("town", f"{name}区"): f"{name}街道" for name in ("莞城", "南城", "东城", "万江")},
        **{("town", f"松山湖{word}"): "松山湖" for word in _PARK},
        ("town", "滨海湾新区"): "东莞滨海湾新区",
    },
    "中山市": {
        ("town", f"{name}区"): f"{name}街道" for name in ("石岐", "东", "西", "南", "五桂山")
    },
    "苏州市": {("county", "工业园区"): "苏州工业园区"},
}
"""Areas of a city as people say them → as they are registered."""

_BUILDING = re.compile(r"第?([0-9A-Z]+(?:-[0-9A-Z]+)*)(?:号楼|号厂房|栋楼|栋|幢|座|棟|号|楼)?")
_TOWERS = re.compile(r"第?([0-9]+)(?:号楼|栋|幢|座)([0-9A-Z]+)(?:栋|幢|座)")
_ENTRANCE = re.compile(r"第?([0-9A-Z]+|[东西南北中甲乙丙丁戊])(?:单元|梯|门洞|门|号)?")
_FLOOR = re.compile(r"第?(负|地下|B|-)?([0-9]+(?:-[0-9]+)?)(?:层|楼|F)?")
_ROOM = re.compile(r"(?:房号)?([0-9A-Z]+(?:-[0-9A-Z]+)*)(?:号房间|房间|号房|号室|室|房|户|号)?")
_SHOP = re.compile(
    r"(?:(?:商铺|铺位|门面|门市)(?P<after>[0-9A-Z-]+号?)|(?P<before>[0-9A-Z-]+号?)"
    r"(?:(?P<shop>商铺|铺位|铺面|门面|门市|铺)|(?P<stall>档口|档)|(?P<car>车位)))"
)
_DOOR = re.compile(
    r"(?:NO)?([甲乙丙丁特临]?)([0-9]+)"
    r"(?:-([0-9]+)号?|号(?:[-附]|之)([0-9]+)号?|号)?(院|大院)?"
)
_SQUAD = re.compile(r"第?\(?([0-9]+)\)?(?:村民小组|居民小组|小组|组|队|社)?")
_LANE = re.compile(f"([东南西北中前后]?)([{NUMERALS}]{{1,4}})(横?巷|街|弄|排)")
_HAMLET = re.compile(f"([{NUMERALS}]{{1,4}})(坊|围)")
_OFFICE = re.compile(r"(?:街道)?办事处$|街道办$")
_COMMITTEE = re.compile(r"(?:居民|村民)?委(?:员)?会$|居委会$|(?<=村)村委会$|村委$")


def canonical(level: str, value: str, city: str | None = None) -> str:
    """One spelling of one level, given as normalised text; what has no rule stays as it is.

    >>> [canonical("building_name", text) for text in ("3幢", "3号楼", "B座", "3", "贝克大厦")]
    ['3栋', '3栋', 'B栋', '3栋', '贝克大厦']
    >>> [canonical("floor_no", text) for text in ("8楼", "8F", "负1层", "B1", "地下2层")]
    ['8层', '8层', '-1层', '-1层', '-2层']
    >>> [canonical("door_no", text) for text in ("12号", "12-3号", "12号-3", "12号附3", "甲28号")]
    ['12号', '12-3号', '12-3号', '12-3号', '甲28号']
    >>> [canonical(*x) for x in (("room_no", "803室"), ("squad", "第3小组"))]
    ['803', '3组']
    >>> [canonical("room_no", text) for text in ("3号门面", "B123号车位", "15号档口", "商铺3号")]
    ['3号铺', 'B123车位', '15号档', '3号铺']
    >>> canonical("village", "大宁社区居民委员会"), canonical("village", "芦村村民委员会")
    ('大宁社区', '芦村')
    >>> canonical("town", "南城区", "东莞市")
    '南城街道'
    """
    rule = _RULES.get(level)
    if rule is not None:
        return rule(value)
    known = ALIASES.get(city or "")
    if level == "town":
        value = _OFFICE.sub("街道", value)
    return value if known is None else known.get((level, value), value)


def _building(value: str) -> str:
    found = _BUILDING.fullmatch(value)
    if found and not (value.isascii() and value.isalpha() and len(value) > 2):
        return found[1] + "栋"
    both = _TOWERS.fullmatch(value)
    return f"{both[1]}栋{both[2]}座" if both else value


def _entrance(value: str) -> str:
    found = _ENTRANCE.fullmatch(value)
    return found[1] + "单元" if found else value


def _floor(value: str) -> str:
    if value in ("首层", "底层", "底楼"):
        return "1层"
    found = _FLOOR.fullmatch(value)
    return f"{'-' if found[1] else ''}{found[2]}层" if found else value


def _room(value: str) -> str:
    found = _ROOM.fullmatch(value)
    if found:
        return found[1]
    shop = _SHOP.fullmatch(value)
    if shop is None:
        return value
    if shop["car"]:
        return shop["before"].removesuffix("号") + "车位"
    return (shop["before"] or shop["after"]) + ("档" if shop["stall"] else "铺")


def _door(value: str) -> str:
    found = _DOOR.fullmatch(value)
    if not found:
        return value
    prefix, main, before, after, yard = found.groups()
    branch = before or after
    return f"{prefix}{main}{'-' + branch if branch else ''}号{yard or ''}"


def _squad(value: str) -> str:
    found = _SQUAD.fullmatch(value)
    return found[1] + "组" if found else value


def _lane(value: str) -> str:
    found = _LANE.fullmatch(value)
    return f"{found[1]}{number(found[2])}{found[3]}" if found else value


def _hamlet(value: str) -> str:
    found = _HAMLET.fullmatch(value)
    return f"{number(found[1])}{found[2]}" if found else value


def _village(value: str) -> str:
    bare = _COMMITTEE.sub("", value)
    if bare == value:
        return value
    if bare.endswith(("村", "社区")):
        return bare
    return bare + ("社区" if value.endswith(("居民委员会", "居委会")) else "村")


_RULES = {
    "village": _village,
    "squad": _squad,
    "natural_village": _hamlet,
    "lane": _lane,
    "door_no": _door,
    "building_name": _building,
    "building_plate": _building,
    "entrance_no": _entrance,
    "floor_no": _floor,
    "room_no": _room,
}


def deepest(levels: Mapping[str, str]) -> int:
    """The deepest level that is filled, 1 city to 15 room; 0 for none.

    >>> deepest({"city": "东莞市", "room_no": "803"}), deepest({})
    (15, 0)
    """
    return max((LADDER[level] for level in levels), default=0)


def join(levels: Mapping[str, str]) -> str:
    """The normalised text: canonical levels in order, the same for every habit of writing.

    The province is left out where anything below it is known, a level that repeats the one above
    (东莞市 in the county slot) always, and the storey where a room number of three characters or
    more names it already, because many leave it out.

    >>> join({"city": "东莞市", "county": "东莞市", "town": "虎门镇", "estate_name": "丰泰花园",
    ...       "building_name": "3栋", "floor_no": "8层", "room_no": "803"})
    '东莞市虎门镇丰泰花园3栋803'
    >>> join({})
    ''
    """
    words: list[str] = []
    for level in LADDER:
        value = levels.get(level)
        if not value or (words and value == words[-1]):
            continue
        if level == "province" and len(levels) > 1:
            continue
        if level == "floor_no" and len(levels.get("room_no", "")) > 2:
            continue
        words.append(value)
    return "".join(words)


def full_text(levels: Mapping[str, str]) -> str:
    """The full text of an address as one would write it on a letter.

    >>> full_text({"province": "广东省", "city": "东莞市", "county": "东莞市", "town": "虎门镇",
    ...            "building_name": "3栋", "floor_no": "-1层", "room_no": "12"})
    '广东省东莞市虎门镇3栋负1层12室'
    >>> full_text({})
    ''
    """
    words: list[str] = []
    for level in LADDER:
        value = levels.get(level)
        if not value or (words and value == words[-1]):
            continue
        if level == "floor_no":
            value = value.replace("-", "负", 1) if value.startswith("-") else value
        elif level == "room_no" and value[-1].isascii() and value[-1].isalnum():
            value += "室"
        words.append(value)
    return "".join(words)
