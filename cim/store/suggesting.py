"""What may be meant while somebody types: names first, then addresses, then rooms.

Characters, pinyin, its initials and figures may stand side by side: hmft3d803 is 虎门…丰泰…3栋803.
The steps are a generator of statements, as those of `geocoding`.
"""

import re
import unicodedata
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from sqlalchemy import TextClause

from cim.addresses import Gazetteer, normalise, parse, pinyin
from cim.store.queries import addresses, names

Rows = Sequence[Any]
Asking = Generator[TextClause, Rows, Rows]
Steps = Generator[TextClause, Rows, "list[Suggested]"]

COUNTED: Final = {
    "d": "栋", "dong": "栋", "z": "座", "zuo": "座", "h": "号", "hao": "号", "hl": "号楼",
    "x": "巷", "xiang": "巷", "dy": "单元", "danyuan": "单元", "s": "室", "shi": "室",
    "l": "楼", "lou": "楼", "c": "层", "ceng": "层",
}  # fmt: skip
"""Letters behind a figure → the word that they stand for."""

NAMES: Final = 6
"""Names that one run of letters is tried as."""

TEXTS: Final = 4
"""Texts that letters are read as which are looked for."""

SURE: Final = 80
"""Score from which on what a reading finds is not a guess."""

NAMED: Final = 90
"""Score of a name that begins or holds what was typed; one that is all of it has more."""

SHORT: Final = 2
"""Characters that say too little to look for them within addresses: names hold them."""

_AREA: Final = (2, 3, 4)
_PART = re.compile(r"[a-z']+|[^a-z']+")


@dataclass(frozen=True, slots=True)
class Name:
    """A name that letters or characters may stand for."""

    level: int
    name: str
    town: str
    whole: bool

    @property
    def text(self) -> str:
        """With the town before it, where that says more."""
        return self.name if self.level <= _AREA[1] else self.town + self.name


@dataclass(frozen=True, slots=True)
class Suggested:
    """A suggestion; `marks` are the parts of the text that were typed, as begin and end."""

    id: int | None
    text: str
    level: int
    score: int
    object: tuple[str, int] | None
    building_id: int | None
    unit_id: int | None
    lon: float | None
    lat: float | None
    marks: tuple[tuple[int, int], ...]


def steps(q: str, limit: int, gazetteer: Gazetteer | None = None) -> Steps:
    """Suggestions for what was typed, best first."""
    parts = divided(q)
    if any(lettered for _, lettered in parts):
        found = yield from _lettered(parts, limit, gazetteer)
        if found:
            return found
    return (yield from _written(q, limit, gazetteer))


def divided(q: str) -> list[tuple[str, bool]]:
    """The runs of what was typed, and whether each is letters that stand for characters.

    >>> divided("hmft3d803"), divided("丰泰3栋")
    ([('hmft', True), ('3栋803', False)], [('丰泰3栋', False)])
    >>> divided("天安数码城C1栋"), divided("B座"), divided("虎门ft")
    ([('天安数码城C1栋', False)], [('B座', False)], [('虎门', False), ('ft', True)])
    """
    plain = unicodedata.normalize("NFKC", q).lower()
    runs = _PART.findall(plain)
    found: list[tuple[str, bool]] = []
    for at, typed in enumerate(runs):
        run = typed
        before = runs[at - 1] if at else ""
        after = runs[at + 1] if at + 1 < len(runs) else ""
        letters = run.replace("'", "")
        lettered = letters.isascii() and letters.isalpha()
        if lettered and before[-1:].isdigit() and letters in COUNTED:
            run, lettered = COUNTED[letters], False
        elif lettered:
            code = len(letters) == 1 and (before or after)
            lettered = not code and bool(pinyin.ways(letters))
        if lettered:
            found.append((letters, True))
        elif found and not found[-1][1]:
            found[-1] = (found[-1][0] + run.upper(), False)
        else:
            found.append((run.upper(), False))
    return found


def _ways(letters: str) -> list[tuple[str, str]]:
    return [(pinyin.initials(" ".join(way)), pinyin.pattern(way)) for way in pinyin.ways(letters)]


def _named(letters: str, limit: int) -> Generator[TextClause, Rows, list[Name]]:
    """The names that a run of letters may stand for; of an area and something in it, the two."""
    levels = tuple(names.LEVELS.values()) if len(letters) > 1 else _AREA
    found = _names((yield names.typed(_ways(letters), 2 * limit, levels)))
    if found or len(letters) < 3:
        return found[:limit]
    cuts = {way: at for at in range(1, len(letters) - 1) for way in _ways(letters[:at])}
    heads = sorted(cuts, key=lambda way: -cuts[way])
    whole: list[Name] = []
    areas = (yield names.areas_typed(heads, NAMES)) if heads else []
    for row in areas:
        tails = _ways(letters[cuts[heads[row.rank]] :])
        rest = (yield names.typed(tails, 4 * limit)) if tails else []
        town = row.name if row.level == _AREA[1] else row.town
        above = row.name if row.level == _AREA[1] else row.town + row.name
        inside = [each for each in _names(rest) if each.town in ("", town)]
        whole += [
            Name(each.level, each.name, above, each.whole)
            for each in inside
            if each.level > row.level
        ]
        if len(whole) >= limit:
            break
    return whole[:limit]


def _names(rows: Rows) -> list[Name]:
    """Names, each once; one that no town is known of only where it has no other."""
    found = [_name(row) for row in rows]
    placed = {(each.level, each.name) for each in found if each.town}
    return [
        each
        for each in dict.fromkeys(found)
        if each.town or each.level <= _AREA[1] or (each.level, each.name) not in placed
    ]


def _name(row: Any) -> Name:
    return Name(row.level, row.name, row.town, bool(row.whole))


def _lettered(parts: list[tuple[str, bool]], limit: int, gazetteer: Gazetteer | None) -> Steps:
    """Suggestions where letters stand for characters."""
    meant: list[list[Name | str]] = []
    for words, lettered in parts:
        if lettered:
            candidates = yield from _named(words, limit if len(parts) == 1 else NAMES)
            if not candidates:
                return []
            meant.append([*candidates])
        else:
            meant.append([words])
    if len(meant) == 1:
        some = [each for each in meant[0] if isinstance(each, Name)]
        found = yield from _placed(some[:limit], [each.name for each in some])
        if len(found) < limit:
            found += yield from _addresses(some[0].text, limit - len(found), gazetteer)
        return found
    found = []
    combinations = list(product(*meant))[:TEXTS]
    texts = ["".join(map(_text, each)) for each in combinations]
    # An address may leave its town out.
    bare = ["".join(map(_bare, each)) for each in combinations]
    for words in [*texts, *(words for words in bare if words not in texts)]:
        found += yield from _addresses(words, limit - len(found), gazetteer)
        if len(found) >= limit or (found and words is texts[-1]):
            break
    found = _once(found)
    if not found and isinstance(meant[-1][0], Name):
        last = [each for each in meant[-1] if isinstance(each, Name)]
        found = yield from _placed(last[:limit], [each.name for each in last])
    return found


def _text(part: Name | str) -> str:
    return part if isinstance(part, str) else part.text


def _bare(part: Name | str) -> str:
    return part if isinstance(part, str) else part.name


def _written(q: str, limit: int, gazetteer: Gazetteer | None) -> Steps:
    """Suggestions where characters are typed as they are."""
    words = normalise(q)
    found: list[Suggested] = []
    some: list[Name] = []
    if not any(char.isdigit() or char.isspace() for char in words):
        if len(words) > 1:
            rows = yield names.holding(words, limit)
        elif words and "㐀" <= words <= "鿿":
            letter = pinyin.initials(pinyin.readings(words)[0])
            rows = yield names.beginning(words, letter, limit)
        else:
            rows = []
        some = _names(rows)[: max(1, limit // 2)]
        found = (yield from _placed(some, [words] * len(some))) if some else []
    if (found and found[0].score > NAMED) or len(words) <= SHORT:
        first = some[0] if some else None
        if first and first.level <= _AREA[1] and len(found) < limit:
            rows = yield names.within(first.name, limit - len(found))
            inside = _names(rows)
            found += yield from _placed(inside, [words] * len(inside))
        elif first and len(found) < limit:
            found += yield from _addresses(first.text, limit - len(found), gazetteer)
    if len(found) < limit:
        rows = yield addresses.search(q, limit, gazetteer, anywhere=len(words) > SHORT)
        said = _said(q, gazetteer)
        found += [_suggested(row, [words, *said]) for row in rows]
    return _once(found)[:limit]


def _addresses(words: str, limit: int, gazetteer: Gazetteer | None) -> Steps:
    rows = yield addresses.search(words, max(limit, 1), gazetteer)
    said = _said(words, gazetteer)
    return [_suggested(row, said) for row in rows if row.score >= SURE][: max(limit, 0)]


def _once(found: list[Suggested]) -> list[Suggested]:
    """Each suggestion once."""
    return list({(each.text, each.id, each.unit_id): each for each in reversed(found)}.values())[
        ::-1
    ]


def _said(words: str, gazetteer: Gazetteer | None) -> list[str]:
    """The words that may be marked: the levels as they are spelt, and as they were written."""
    found = parse(words, gazetteer)
    return [*found.levels.values(), *(said for _, said in found.pieces)]


def _placed(some: Sequence[Name], said: Sequence[str]) -> Steps:
    """Names as suggestions, with where they are."""
    columns = [each.level for each in some], [each.name for each in some], [e.town for e in some]
    rows = yield names.standing(*columns)
    return [
        Suggested(
            id=None,
            text=each.text,
            level=each.level,
            score=NAMED + 5 if each.whole else NAMED,
            object=(row.object_type, row.object_id) if row.object_type else None,
            building_id=None,
            unit_id=None,
            lon=row.lon,
            lat=row.lat,
            marks=marked(each.text, [words]),
        )
        for each, words, row in zip(some, said, rows, strict=True)
    ]


def _suggested(row: Any, said: Sequence[str]) -> Suggested:
    return Suggested(
        id=row.id,
        text=row.text,
        level=row.level,
        score=row.score,
        object=(row.object_type, row.object_id) if row.object_type else None,
        building_id=row.building_id,
        unit_id=row.unit_id,
        lon=row.lon,
        lat=row.lat,
        marks=marked(row.text, said),
    )


def marked(text: str, said: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Where these words stand in a text, parts that meet as one.

    >>> marked("东莞市丰泰花园3栋803室", ["丰泰花园", "3栋", "803"]), marked("浦江路", ["x", ""])
    (((3, 12),), ())
    """
    covered = [False] * len(text)
    for words in filter(None, said):
        at = text.rfind(words)
        if at >= 0:
            covered[at : at + len(words)] = [True] * len(words)
    spans: list[tuple[int, int]] = []
    for at, here in enumerate(covered):
        if here and spans and spans[-1][1] == at:
            spans[-1] = (spans[-1][0], at + 1)
        elif here:
            spans.append((at, at + 1))
    return tuple(spans)
