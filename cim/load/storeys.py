"""How storeys and entrances are written, and the numbers they are."""

import re

_DIGITS = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_FULL = str.maketrans("０１２３４５６７８９－", "0123456789-")


def number_of(word: str) -> int | None:
    """The storey that a word names: negative below ground, never beyond 200; None for no storey.

    >>> [number_of(w) for w in ("3", "3F", "第12层", "B1", "负二层", "地下1层", "十二楼", "3.0")]
    [3, 3, 12, -1, -2, -1, 12, 3]
    >>> number_of("屋顶"), number_of("9999"), number_of("")
    (None, None, None)
    """
    plain = word.strip().translate(_FULL).upper()
    below = re.match(r"(B|负|地下|-)第?", plain)
    rest = plain[below.end() :] if below else plain.removeprefix("第")
    rest = re.sub(r"(\.0+|F|层|楼)+$", "", rest)
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

    >>> label_of(-2), label_of(12)
    ('B2', '12')
    """
    return f"B{-number}" if number < 0 else str(number)


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
