"""Addresses of what has none loaded, composed of what it stands in."""

import re
from collections.abc import Iterable, Mapping

from cim.addresses.ladder import canonical

LEVELS: dict[int, str] = {1: "province", 2: "city", 3: "county", 4: "town", 5: "village"}
"""Field of the address ladder that each level of administrative area fills."""


def storey_words(label: str) -> str:
    """A storey as an address says it.

    >>> [storey_words(label) for label in ("8", "B2", "-1", "3A", "避难层", "")]
    ['8层', '地下2层', '地下1层', '3A层', '避难层', '']
    """
    below = re.fullmatch(r"[Bb-](\d+)", label)
    if below:
        return f"地下{below[1]}层"
    return f"{label}层" if re.fullmatch(r"\d+[A-Za-z]?", label) else label


def room_words(room: str, kind: str = "residential") -> str:
    """A room as an address says it.

    >>> room_words("803"), room_words("101商铺"), room_words("B1-023", "parking"), room_words("")
    ('803室', '101商铺', 'B1-023号车位', '')
    """
    if not room or not room[-1].isascii():
        return room
    return room + ("号车位" if kind == "parking" else "室")


def building_words(name: str, estate: str = "") -> str:
    """A building as an address says it, without the name of its estate before it.

    >>> building_words("3"), building_words("示范小区3栋", "示范小区"), building_words("A座")
    ('3栋', '3栋', 'A座')
    """
    short = name.removeprefix(estate) or name
    return f"{short}栋" if re.fullmatch(r"[A-Za-z]?\d+", short) else short


def compose(
    areas: Iterable[tuple[int, str]], below: Mapping[str, str | None]
) -> tuple[str, dict[str, str]]:
    """The text and the filled ladder of a place, from its areas and what stands below them.

    `areas` are level and name; `below` holds ladder fields from estate_name on, in the words of
    an address; the ladder has them in their one spelling. Empty input gives an empty text.

    >>> compose([(2, "东莞市")], {"estate_name": "小区", "room_no": "803室"})
    ('东莞市小区803室', {'city': '东莞市', 'estate_name': '小区', 'room_no': '803'})
    >>> compose([], {})
    ('', {})
    """
    steps = {LEVELS[level]: name for level, name in sorted(areas) if level in LEVELS}
    steps |= {field: words for field, words in below.items() if words}
    ladder = {field: canonical(field, words) for field, words in steps.items()}
    return spaced(steps.values()), ladder


def spaced(words: Iterable[str]) -> str:
    """Words one after the other; two Latin ones, which would run together, with a space.

    >>> spaced(["示范小区", "3栋", "8层", "803室"]), spaced(["duplex", "Level 1", "A室"])
    ('示范小区3栋8层803室', 'duplex Level 1 A室')
    >>> spaced([])
    ''
    """
    return re.sub(r"(?<=[0-9A-Za-z])\0(?=[0-9A-Za-z])", " ", "\0".join(words)).replace("\0", "")
