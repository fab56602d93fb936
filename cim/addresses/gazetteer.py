"""Names of places that a city knows, and finding one at the beginning of a text."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from cim.addresses.ladder import COUNTYLESS, LADDER, canonical
from cim.addresses.normal import normalise

LEVELS: Final = (
    "county", "town", "village", "natural_village", "zone", "road", "estate_name",
)  # fmt: skip
"""Levels whose names a gazetteer may hold."""

_WORDS: Final = {
    "county": ("自治县", "区", "县", "市"),
    "town": ("街道", "农场管理区", "园区", "镇", "乡"),
    "village": ("社区", "村"),
    "natural_village": ("村",),
}
"""Words that people leave off a name; what is left has two characters or more."""


class Place(NamedTuple):
    """A name at a level of the ladder, and the names of the places that it may lie in."""

    level: str
    name: str
    parents: frozenset[str] = frozenset()


class Found(NamedTuple):
    """A place found in a text: where its name ends, and whether it is there with its word."""

    place: Place
    end: int
    whole: bool


class Gazetteer:
    """Names known to a city, with and without their word; pure data, made once and then read.

    `places` are (level, name, parent): a level of `LEVELS`, a name as registered, and the name of
    the county, town or village that it lies in, or None.  Other levels and empty names are passed
    over.  Names with figures are left to the parser's words, which read every figure alike.

    >>> known = Gazetteer([("town", "虎门镇", None), ("village", "大宁社区居民委员会", "虎门镇")])
    >>> known.find("虎门大宁浦江路", 0, -1, {})
    Found(place=Place(level='town', name='虎门镇', parents=frozenset()), end=2, whole=False)
    >>> known.find("大宁社区浦江路", 0, -1, {}).place.name, known.find("", 0, -1, {})
    ('大宁社区', None)
    """

    def __init__(self, places: Iterable[tuple[str, str, str | None]]) -> None:
        """Set the names in order, each under all that people write for it."""
        merged: dict[tuple[str, str], set[str]] = {}
        for level, written, parent in places:
            name = canonical(level, normalise(written or ""))
            if level in LEVELS and _usable(name):
                above = merged.setdefault((level, name), set())
                if parent:
                    above.add(normalise(parent))
        self._names: dict[str, list[tuple[Place, bool]]] = {}
        for (level, name), above in merged.items():
            self._add(Place(level, name, frozenset(above)))
        for known in self._names.values():
            known.sort(key=lambda entry: (not entry[1], LADDER[entry[0].level]))
        self._lengths: dict[str, tuple[int, ...]] = {}
        for name in self._names:
            lengths = {len(name), *self._lengths.get(name[:2], ())}
            self._lengths[name[:2]] = tuple(sorted(lengths, reverse=True))

    def _add(self, place: Place) -> None:
        self._names.setdefault(place.name, []).append((place, True))
        for word in _WORDS.get(place.level, ()):
            bare = place.name.removesuffix(word)
            if len(bare) > 1 and bare != place.name:
                self._names.setdefault(bare, []).append((place, False))
                break

    @property
    def firsts(self) -> frozenset[str]:
        """The characters that its names begin with."""
        return frozenset(name[0] for name in self._names)

    def __len__(self) -> int:
        """How many spellings it knows."""
        return len(self._names)

    def find(self, text: str, start: int, rank: int, levels: dict[str, str]) -> Found | None:
        """The longest name that stands at `start`, of a level below `rank`, where `levels` fit."""
        for length in self._lengths.get(text[start : start + 2], ()):
            end = start + length
            if end > len(text):
                continue
            for place, whole in self._names.get(text[start:end], ()):
                if LADDER[place.level] > rank and _lies_in(place, levels):
                    return Found(place, end, whole)
        return None

    def ends_with_road(self, words: str) -> int:
        """How many characters of `words` are a known road's, at their end; 0 for none."""
        for length in range(min(len(words) - 2, 12), 2, -1):
            for place, _ in self._names.get(words[-length:], ()):
                if place.level == "road":
                    return length
        return 0


def _usable(name: str) -> bool:
    figures = any(char in "0123456789" for char in name)
    return len(name) > 1 and not figures and name not in COUNTYLESS


def _lies_in(place: Place, levels: dict[str, str]) -> bool:
    if not place.parents:
        return True
    above = [levels[level] for level in ("county", "town", "village") if level in levels]
    return not above or not place.parents.isdisjoint(above) or _unknown(place, levels)


def _unknown(place: Place, levels: dict[str, str]) -> bool:
    """Whether nothing is said at the level that the parents of a place are of."""
    if place.level == "village":
        return "town" not in levels
    return place.level == "town"


DONGGUAN: Final = Gazetteer(
    [("town", f"{name}街道", None) for name in "莞城 南城 东城 万江".split()]
    + [
        ("town", f"{name}镇", None)
        for name in (
            "石碣 石龙 茶山 石排 企石 横沥 桥头 谢岗 东坑 常平 寮步 樟木头 大朗 黄江 清溪 塘厦 "
            "凤岗 大岭山 长安 虎门 厚街 沙田 道滘 洪梅 麻涌 望牛墩 中堂 高埗"
        ).split()
    ]
)
"""The towns of a city without counties, known by their short names to everybody who writes them."""
