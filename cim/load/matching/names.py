"""What a column is called, against what a field is called: Chinese, pinyin, English, cut short."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cim.load.fields import Field

CUT = 10
"""Bytes that a shapefile keeps of a column's name."""

_BRACKETS = re.compile(r"[(\[{【〔<](?P<inside>[^)\]}】〕>]*)[)\]}】〕>]\s*$")

_UNITS: dict[str, tuple[str, float]] = {
    "m": ("m", 1), "米": ("m", 1), "meter": ("m", 1), "meters": ("m", 1), "公尺": ("m", 1),
    "cm": ("m", 0.01), "厘米": ("m", 0.01), "mm": ("m", 0.001), "毫米": ("m", 0.001),
    "ft": ("m", 0.3048), "feet": ("m", 0.3048), "英尺": ("m", 0.3048), "dm": ("m", 0.1),
    "km": ("m", 1000), "公里": ("m", 1000), "千米": ("m", 1000),
    "m2": ("m²", 1), "㎡": ("m²", 1), "平方米": ("m²", 1), "平米": ("m²", 1), "sqm": ("m²", 1),
    "平方": ("m²", 1), "亩": ("m²", 666.67), "公顷": ("m²", 10_000), "万平方米": ("m²", 10_000),
    "层": ("", 1), "户": ("", 1), "套": ("", 1), "个": ("", 1), "年": ("", 1), "度": ("", 1),
}  # fmt: skip
"""Units that stand in names: what they measure, and how many of ours one of them is."""

_BEFORE = re.compile(
    r"^(该|本幢|本栋|本|实际|实测|现状|登记|测绘|建筑物|建筑|房屋|楼栋|楼宇|楼房|住宅|房产|总|所在|所属)+"
)
_AFTER = re.compile(r"(信息|数据|数值|值|情况|说明|_?\d)$")
"""What stands before and after a name in a table and says nothing new."""

_HOLLOW = frozenset(
    "bldg building buildings house num number nr total the count cnt value val field fld attr of"
    " in src orig".split()
)
"""Words of an English name that say nothing new."""

_SYLLABLES = re.compile(
    r"(?:(?:zh|ch|sh|[bpmfdtnlgkhjqxzcsryw])?"
    r"(?:iang|iong|uang|ang|eng|ing|ong|iao|ian|uai|uan|ai|ei|ui|ao|ou|iu|ie|ue|ve|er|an|en|in|un"
    r"|ia|ua|uo|a|o|e|i|u|v))+"
)


@dataclass(frozen=True)
class Match:
    """How sure a name is, 0 to 100, and why; `factor` is how many of our units one of its is."""

    sure: int
    en: str
    zh: str
    factor: float = 1.0


@lru_cache(maxsize=16_384)
def plain(name: str) -> str:
    """A name without case, spaces, punctuation and full-width forms.

    >>> plain("Floors_AG "), plain("地上 层数"), plain("Ｈeight")
    ('floorsag', '地上层数', 'height')
    """
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", name).lower())


@lru_cache(maxsize=16_384)
def bare(name: str) -> tuple[str, str | None, float]:
    """A name without the unit that it ends in, what the unit measures, and its size in ours.

    >>> bare("高度(m)"), bare("HEIGHT_CM"), bare("建筑面积（㎡）"), bare("备注（必填）")
    (('高度', 'm', 1), ('HEIGHT', 'm', 0.01), ('建筑面积', 'm²', 1), ('备注', None, 1.0))
    >>> bare("room")
    ('room', None, 1.0)
    """
    text = unicodedata.normalize("NFKC", name).strip()
    found = _BRACKETS.search(text)
    rest, unit = (text[: found.start()], found["inside"]) if found else (text, "")
    if not found:
        head, mark, tail = text.rpartition("_")
        rest, unit = (head, tail) if mark and tail.lower() in _UNITS else (text, "")
    what, factor = _UNITS.get(unit.strip().lower(), (None, 1.0))
    return rest.strip(" _") or text, what, factor


def match(name: str, field: Field, *, deep: bool) -> Match | None:
    """How well a column's name fits a field; None where it does not.

    Only with `deep` are unsure ways tried: words around the name, initials, slips of the pen.
    """
    short, what, factor = bare(name)
    found = _named(plain(name), field) or _named(plain(short), field)
    found = (
        found or _tagged(plain(short), field) or _cut(name, field) or _pinyin(plain(short), field)
    )
    for way in _UNSURE if deep else ():
        found = found or way(short, field)
    if found is None or (what and field.type not in ("number", "integer")):
        return found
    if factor != 1.0:
        return Match(
            min(found.sure, 40), f"{found.en}, but in another unit ({name})",
            f"{found.zh}，但单位不同（{name}）", factor,
        )  # fmt: skip
    return found


def words(field: Field) -> tuple[str, ...]:
    """Everything a field is called."""
    return (field.name, field.zh, *field.names)


def _named(key: str, field: Field) -> Match | None:
    for place, (word, known) in enumerate(_plain_words(words(field))):
        if key == known:
            return Match(98 - min(place, 8), f"is called {word}", f"列名即“{word}”")
    return None


def _tagged(key: str, field: Field) -> Match | None:
    """A part of an address as OpenStreetMap tags it: addr:street."""
    rest = key.removeprefix("addr")
    found = _named(rest, field) if rest != key and len(rest) >= 4 else None
    return found and Match(88, found.en, found.zh)


def _cut(name: str, field: Field) -> Match | None:
    """A name that a shapefile cut after ten bytes of one of its encodings."""
    text = name.strip()
    lengths = {len(text.encode("utf-8")), len(text.encode("gb18030"))}
    if len(text) < 4 or not any(CUT - 1 <= length <= CUT for length in lengths):
        return None
    for word in words(field):
        whole = len(word.encode("gb18030")) > CUT or len(word.encode("utf-8")) > CUT
        if whole and plain(word).startswith(plain(text)) and plain(word) != plain(text):
            return Match(85, f"is {word}, cut after ten letters", f"“{word}”被截为十个字节")
    return None


def _pinyin(key: str, field: Field) -> Match | None:
    """A name in full pinyin."""
    if len(key) < 4 or not _SYLLABLES.fullmatch(key):
        return None
    for word, full, _ in _readings(words(field)):
        if key == full:
            sure = 85 if len(word) > 1 else 40
            return Match(sure, f"is {word} in pinyin", f"“{word}”的拼音")
    return None


def _initials(name: str, field: Field) -> Match | None:
    """The first letters of a name in pinyin: jzgd, lc."""
    key = plain(name)
    if not 2 <= len(key) <= 8 or not key.isascii() or not key.isalpha():
        return None
    for word, _, first in _readings(words(field)):
        if key == first:
            sure = {2: 50, 3: 60}.get(len(key), 72)
            return Match(sure, f"may be {word} by its initials", f"可能是“{word}”的拼音首字母")
    return None


def _around(name: str, field: Field) -> Match | None:
    """A Chinese name with words before or behind it that say nothing new."""
    text = _AFTER.sub("", plain(name))
    if field.name == "ext_id" or text.isascii():
        return None
    for word, key in _plain_words(words(field)):
        if len(key) >= 2 and not key.isascii() and _BEFORE.sub("", text) == _BEFORE.sub("", key):
            return Match(70, f"reads like {word}", f"列名近似“{word}”")
    return None


def _tokens(name: str, field: Field) -> Match | None:
    """The same English words, in any order, without the hollow ones."""
    mine = _words_of(name)
    if field.name == "ext_id" or not mine:
        return None
    for word in words(field):
        if word.isascii() and mine == _words_of(word):
            return Match(68, f"reads like {word}", f"列名近似“{word}”")
    return None


@lru_cache(maxsize=1024)
def _plain_words(names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Names with what they are plainly."""
    return tuple((word, plain(word)) for word in names)


def _slip(name: str, field: Field) -> Match | None:
    """One slip of the pen in a long name."""
    key = plain(name)
    if field.name == "ext_id" or len(key) < 6:
        return None
    for word, other in _plain_words(words(field)):
        if len(other) >= 6 and key != other and _one_slip(key, other):
            return Match(60, f"may be {word}, misspelt", f"可能是“{word}”的误写")
    return None


def _one_slip(one: str, other: str) -> bool:
    """Whether two words differ by one letter changed, added or left out, or two changed over.

    >>> _one_slip("heigth", "height"), _one_slip("floors", "floor"), _one_slip("name", "game_")
    (True, True, False)
    """
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return True
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


@lru_cache(maxsize=4096)
def _words_of(name: str) -> frozenset[str]:
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name) if name.isascii() else []
    return frozenset(part.lower() for part in parts) - _HOLLOW


@lru_cache(maxsize=1024)
def _readings(names: tuple[str, ...]) -> tuple[tuple[str, str, str], ...]:
    """Chinese names with their pinyin and its initials."""
    from pypinyin import lazy_pinyin  # noqa: PLC0415 - a third of a second that few files need

    found = []
    for word in names:
        key = plain(word)
        if key.isascii():
            continue
        syllables = lazy_pinyin(key)
        found.append((word, "".join(syllables), "".join(item[0] for item in syllables)))
    return tuple(found)


_UNSURE: tuple[Callable[[str, Field], Match | None], ...] = (_around, _tokens, _initials, _slip)
"""Ways to read a name that only propose."""
