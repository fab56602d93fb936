"""How storeys and entrances are written, and the numbers they are."""

import re

_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_FULL = str.maketrans("０１２３４５６７８９－", "0123456789-")


_GROUND = frozenset({"G", "GF", "GROUND", "GROUNDFLOOR", "首层", "底层", "地面层", "首", "底"})
_MEZZANINE = frozenset({"M", "MF", "MEZZANINE", "夹层", "一夹层", "1夹层"})
_CELLAR = frozenset({"地下室", "BASEMENT", "CELLAR"})


def number_of(word: str) -> int | None:
    """The storey that a word names: negative below ground, never beyond 200; None for no storey.

    0 is the mezzanine over the ground floor.

    >>> [number_of(w) for w in ("3", "3F", "第12层", "B1", "负二层", "地下1层", "十二楼", "3.0")]
    [3, 3, 12, -1, -2, -1, 12, 3]
    >>> [number_of(w) for w in ("L2", "F5", "Level 3", "首层", "G", "mezzanine", "夹层", "地下室")]
    [2, 5, 3, 1, 1, 0, 0, -1]
    >>> number_of("屋顶"), number_of("9999"), number_of("")
    (None, None, None)
    """
    plain = word.strip().translate(_FULL).upper()
    joined = plain.replace(" ", "")
    for words, called in ((_GROUND, 1), (_MEZZANINE, 0), (_CELLAR, -1)):
        if joined in words:
            return called
    below = re.match(r"(B|负|地下|-)第?", plain)
    above = re.match(r"(LEVEL|FLOOR|STOREY|[LF])[ ._-]?(?=[0-9]+(\.0+)?$)", plain)
    rest = plain[below.end() :] if below else plain[above.end() :] if above else plain
    rest = re.sub(r"(\.0+|F|层|楼)+$", "", rest.removeprefix("第"))
    number = int(rest) if rest.isascii() and rest.isdigit() and len(rest) < 4 else _chinese(rest)
    if number is None or number > 200:
        return None
    return -number if below else number


def _chinese(word: str) -> int | None:
    """A Chinese numeral below one hundred.

    >>> _chinese("二十三"), _chinese("十"), _chinese("五"), _chinese("甲")
    (23, 10, 5, None)
    """
    tens, sign, units = word.partition("十")
    if not sign:
        return _DIGITS.get(word) if len(word) == 1 else None
    if (tens and tens not in _DIGITS) or (units and units not in _DIGITS):
        return None
    return (_DIGITS[tens] if tens else 1) * 10 + (_DIGITS[units] if units else 0)


def label_of(number: int) -> str:
    """What stands on the lift button.

    >>> label_of(-2), label_of(12), label_of(0)
    ('B2', '12', 'M')
    """
    return f"B{-number}" if number < 0 else str(number) if number else "M"


def entrance_of(word: str) -> int | None:
    """The number of an entrance: 1单元, 2梯, 乙单元, A; None where it is none.

    >>> [entrance_of(w) for w in ("1单元", "第二单元", "B座", "乙", "3", "东")]
    [1, 2, 2, 2, 3, None]
    """
    plain = word.strip().translate(_FULL).upper().removeprefix("第")
    plain = re.sub(r"(单元|梯|座|门|号)+$", "", plain)
    if plain.isascii() and plain.isdigit() and len(plain) < 4:
        return int(plain)
    if len(plain) == 1 and "A" <= plain <= "Z":
        return ord(plain) - ord("A") + 1
    if plain and plain in "甲乙丙丁戊己庚辛":
        return "甲乙丙丁戊己庚辛".index(plain) + 1
    return _chinese(plain)
