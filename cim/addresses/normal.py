"""One spelling for a text: half-width, arabic numerals where they count, one kind of hyphen."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

_DIGITS: Final = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {
    "零": 0,
    "两": 2,
}
_TENS: Final = {"十": 10, "百": 100, "千": 1000}
NUMERALS: Final = "".join(_DIGITS) + "".join(_TENS)

COUNTED: Final = (
    "号|栋|幢|座|单元|梯|层|楼(?![村镇街路社])|(?:室|房|户)(?![屋湾村巷庄社街路])|组|队|巷|弄|期|区"
    rf"|(?:[村居]民)?小组|门(?![^0-9{NUMERALS}(\0])|排(?=[0-9{NUMERALS}])|\)(?![^组队\0])"
)
"""Words before which a Chinese numeral counts something, so 三单元 is 3单元 and 八一路 stays."""

# The run is taken whole and never given back: a long run costs what it is long, once.
_COUNT = re.compile(f"([{NUMERALS}]++)(?P<counts>(?={COUNTED}))?+")
_BARE = re.compile("[〇零一二三四五六七八九]{3,4}+(?![一-龥])")
_BEFORE_BARE: Final = "栋幢座元层楼号"
_PROPER = re.compile("号[0-9A-Z]{1,4}(?:-|栋|幢|座|号楼)")
"""After 一, 二, 三: 湖滨一号3栋 is an estate's name; but not after a word of `_BEFORE_DOOR`."""
_BEFORE_DOOR: Final = "路街道巷弄里村社区组号院座栋0123456789\0"
_DASH = re.compile(r"[‐-―−﹘﹣~〜_]++")
_BRANCH = re.compile(r"(?<=[0-9号])之(?=[0-9一二三四五六七八九十])")
_AFTER = re.compile(f"号-([{NUMERALS}]++)")
_NUMBER_SIGN = re.compile(r"(?<=[0-9A-Z])#(楼?)")
_BLOCK_SIGN = re.compile(r"(?<=[0-9A-Z])#(?=-[0-9]{1,2}-[0-9]{3,4}(?![0-9]))")
"""15#-2-402: a building, an entrance and a room."""
_OPENING: Final = "[【〔〖{「『《"
_CLOSING: Final = "]】〕〗}」』》"
_BRACKET = re.compile(f"[{re.escape(_OPENING + _CLOSING)}]")
_GAP = re.compile(r"[\s,;:、。·'\"|/\\]++")
_LONGEST: Final = 9
"""Characters of a numeral; longer ones are none."""


@lru_cache(4096)
def number(numeral: str) -> int:
    """The value of a Chinese numeral, in words (二十三) or digit by digit (二〇三).

    >>> [number(text) for text in ("十", "十一", "二十三", "一百零五", "二〇三", "两")]
    [10, 11, 23, 105, 203, 2]
    """
    if not any(char in _TENS for char in numeral):
        return int("".join(str(_DIGITS[char]) for char in numeral))
    total, pending = 0, 0
    for char in numeral:
        if char in _TENS:
            total += (pending or 1) * _TENS[char]
            pending = 0
        else:
            pending = _DIGITS[char]
    return total + pending


def _counted(found: re.Match[str]) -> str:
    numeral = found[1]
    if found["counts"] is None:
        return numeral
    if numeral in ("一", "二", "三") and _PROPER.match(found.string, found.end()):
        before = found.string[found.start() - 1 : found.start()]
        return found[0] if before and before not in _BEFORE_DOOR else str(number(numeral))
    return found[0] if len(numeral) > _LONGEST else str(number(numeral))


def _bare(found: re.Match[str]) -> str:
    before = found.string[found.start() - 1 : found.start()]
    return str(number(found[0])) if before and before in _BEFORE_BARE else found[0]


def _after(found: re.Match[str]) -> str:
    return found[0] if len(found[1]) > _LONGEST else f"号-{number(found[1])}"


def normalise(text: str) -> str:
    """One spelling of an address text; what it says stays the same, and it costs linear time.

    Full-width becomes half-width, letters upper case, every hyphen and a 之 between numbers `-`,
    `#` the word it stands for, every bracket a round one, and Chinese numerals arabic where they
    count something.  White space and commas go, but for one space where two numbers, or a word and
    a number, would run together.

    >>> normalise("虎门镇　大宁社区，浦江路１２号之３")
    '虎门镇大宁社区浦江路12号-3'
    >>> normalise("大河庄苑四号楼三单元1217室"), normalise("八一路二十三号"), normalise("3#楼b座")
    ('大河庄苑4号楼3单元1217室', '八一路23号', '3号楼B座')
    >>> normalise("负一层"), normalise("3栋 803"), normalise("3 803"), normalise("")
    ('负1层', '3栋803', '3 803', '')
    """
    plain = unicodedata.normalize("NFKC", text).upper()
    plain = _DASH.sub("-", _GAP.sub(_gap, plain))
    if "之" in plain:
        plain = _BRANCH.sub("-", plain)
    plain = _BARE.sub(_bare, _COUNT.sub(_counted, plain))
    if "号-" in plain:
        plain = _AFTER.sub(_after, plain)
    plain = _BRACKET.sub(lambda found: "(" if found[0] in _OPENING else ")", plain)
    if "#" in plain:
        plain = _NUMBER_SIGN.sub(r"号\1", _BLOCK_SIGN.sub("号楼", plain))
    return plain


def _gap(found: re.Match[str]) -> str:
    before = found.string[found.start() - 1 : found.start()]
    after = found.string[found.end() : found.end() + 1]
    alike = before.isascii() and after.isascii() and before.isalnum() and after.isalnum()
    return " " if alike and not (before.isalpha() and after.isalpha()) else ""
