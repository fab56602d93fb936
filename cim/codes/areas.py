"""Administrative codes: what level a code names, and which codes stand above it.

Two digits name a province, four a city, six a county, nine a town or subdistrict, twelve a
village or community.  A city without counties (Dongguan) fills the county slot with a
pseudo-county, so its towns have codes of the same shape as everywhere else.
"""

from typing import Final

LEVELS: Final = {2: 1, 4: 2, 6: 3, 9: 4, 12: 5}
"""Digits of a code → level: 1 province, 2 city, 3 county, 4 town, 5 village or community."""

PSEUDO_COUNTIES: Final = frozenset({"441900", "442000", "460400"})
"""County slots of cities without counties: Dongguan, Zhongshan, Danzhou (NBS codes, 2023)."""


def trim(code: str) -> str | None:
    """The shortest form of an administrative code, or None where it is none.

    Registers pad codes with zeros; a pseudo-county keeps its six digits only where the twelve
    were written, because six digits with two zeros also name the city.

    >>> trim("440000"), trim("320500"), trim("320505000000"), trim("441900003000")
    ('44', '3205', '320505', '441900003')
    >>> trim("441900"), trim("441900000000"), trim("4419000030018"), trim("东莞")
    ('441900', '441900', None, None)
    """
    digits = code.strip()
    if not (digits.isascii() and digits.isdigit()) or len(digits) not in LEVELS:
        return None
    if len(digits) == 12 and digits.endswith("000"):
        digits = digits[:9]
    if len(digits) == 9 and digits.endswith("000"):
        digits = digits[:6]
    if len(digits) == 6 and digits.endswith("00") and digits not in PSEUDO_COUNTIES:
        digits = digits[:4]
    if len(digits) == 4 and digits.endswith("00"):
        digits = digits[:2]
    return None if digits == "00" else digits


def level(code: str) -> int | None:
    """Level of an administrative code, 1 province to 5 village, or None where it is no code.

    >>> [level(code) for code in ("44", "4419", "441900", "441900003", "441900003001", "44190")]
    [1, 2, 3, 4, 5, None]
    """
    short = trim(code)
    return None if short is None else LEVELS[len(short)]


def is_pseudo_county(code: str) -> bool:
    """Whether a code fills the county slot of a city that has no counties.

    >>> is_pseudo_county("441900"), is_pseudo_county("320505")
    (True, False)
    """
    return trim(code) in PSEUDO_COUNTIES


def above(code: str) -> tuple[str, ...]:
    """Codes of the areas above, the nearest first; a loader takes the first that exists.

    >>> above("441900003001")
    ('441900003', '441900', '4419', '44')
    >>> above("44"), above("nonsense")
    ((), ())
    """
    short = trim(code)
    if short is None:
        return ()
    return tuple(short[:length] for length in sorted(LEVELS, reverse=True) if length < len(short))
