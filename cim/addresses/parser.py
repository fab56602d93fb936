"""The first parser: splits the text of an address into the levels of the ladder.

One pass over the words that end a level (市, 路, 号, 栋, 单元 …), found by one pattern of bounded
pieces, so any text costs time in proportion to its length.  What stands between two such words
belongs to the second, if the ladder still goes down there; otherwise it waits for the next.  What
fits nowhere is the remainder.  Names that a gazetteer knows are found without their word, too;
all others are taken as written.
"""

from dataclasses import dataclass
from typing import Final

from cim.addresses import inside, naming, outside
from cim.addresses.gazetteer import Gazetteer
from cim.addresses.ladder import LADDER, join
from cim.addresses.normal import normalise
from cim.addresses.outside import Step
from cim.addresses.walk import SEPARATORS, Walk, tidy
from cim.addresses.words import TOKENS

_COUNTY: Final = LADDER["county"]

Piece = tuple[str, str]
"""A level's name, empty for what belongs to none, and the characters that say it."""


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart: canonical levels, the joined text, and what was left over.

    `pieces` are the characters of the normalised text in their order, so nothing is lost: joined
    they are the text.  What is said twice stands twice among the pieces of its level.
    `remainder` is what belongs to no level, without brackets, a space between two parts.
    """

    levels: dict[str, str]
    norm_text: str
    remainder: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The normalised text, put together again from the pieces."""
        return "".join(words for _, words in self.pieces)


def parse(text: str, gazetteer: Gazetteer | None = None) -> Address:
    """Take an address apart; the text may be in any habit, and any text is answered.

    >>> found = parse("广东省东莞市虎门镇大宁社区浦江路2号丰泰花园三幢2单元８０３室")
    >>> found.levels["road"], found.levels["building_name"], found.levels["room_no"]
    ('浦江路', '3栋', '803')
    >>> found.norm_text
    '东莞市虎门镇大宁社区浦江路2号丰泰花园3栋2单元803'
    >>> parse("东莞市虎门镇大宁社区浦江路2号丰泰花园3号楼2单元8层803").norm_text == found.norm_text
    True
    >>> parse("芦村3组上围2巷5号(近市场)").remainder
    '近市场'
    >>> places = Gazetteer([("town", "虎门镇", None), ("village", "大宁村", "虎门镇")])
    >>> parse("虎门大宁2巷", places).norm_text
    '虎门镇大宁村2巷'
    >>> parse("")
    Address(levels={}, norm_text='', remainder='', pieces=())
    """
    return address(walked(normalise(text), gazetteer))


def walked(text: str, gazetteer: Gazetteer | None = None) -> Walk:
    """The finished pass over a text that is normalised."""
    walk = Walk(text, gazetteer)
    naming.opening(walk)
    for found in TOKENS.finditer(text, walk.start):
        begin = found.start()
        if begin < walk.start:
            continue
        if text[walk.start] in SEPARATORS:
            walk.gap()
        walk.shorten(begin)
        name = found.lastgroup or ""
        if gazetteer is not None or (
            walk.rank <= _COUNTY and text[walk.start] in naming.FIRST_OF_TOWNS
        ):
            naming.known(walk, begin, name)
        if begin >= walk.start:
            _STEPS[name](walk, found)
    walk.gap()
    walk.shorten(len(text))
    naming.known(walk, len(text))
    inside.close(walk, len(text))
    return walk


def address(walk: Walk) -> Address:
    """What a finished pass has found."""
    levels = walk.values()
    text = walk.text
    left = ["".join([text[begin:end] for begin, end in run]) for run in walk.aside()]
    pieces = tuple([(level, text[begin:end]) for level, begin, end, _ in walk.spans])
    return Address(levels, join(levels), tidy(left), pieces)


_STEPS: Final[dict[str, Step]] = {
    "aside": inside.aside,
    "gate": inside.gate,
    "shed": inside.shed,
    "building_name": inside.building,
    "entrance_no": inside.within("entrance_no"),
    "floor_no": inside.within("floor_no"),
    "room_no": inside.within("room_no"),
    "squad": outside.squad,
    "numbered_squad": outside.numbered_squad,
    "group": outside.group,
    "lane": outside.lane,
    "phase": inside.phase,
    "door_no": inside.door,
    "bare": inside.bare,
    "village": outside.village,
    "zone": outside.zone,
    "estate": inside.estate,
    "school": inside.estate,
    "tower": inside.tower,
    "town": outside.area("town"),
    "province": outside.area("province"),
    "county": outside.area("county"),
    "city": outside.area("city"),
    "road": outside.road,
    "section": outside.section,
    "alley": outside.alley,
}
