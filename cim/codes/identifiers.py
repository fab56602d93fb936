"""Identifiers of persons and organisations: shapes, and numbers that visibly belong to nobody.

Only shapes are checked: registers hold real documents with wrong check characters, and the
check rule of the credit code (GB 32100) has not been verified against its text.
"""

import re
from datetime import date
from typing import Final

CREDIT_CODE: Final = re.compile(r"[0-9A-HJ-NP-RTUWXY]{2}[0-9]{6}[0-9A-HJ-NP-RTUWXY]{10}")
"""Department and class, six digits of area, nine of the organisation, one check character."""

CITIZEN_ID: Final = re.compile(r"[0-9]{6}(?P<year>(?:18|19|20)[0-9]{2})[0-9]{4}[0-9]{3}[0-9X]")
"""Area, date of birth, sequence, check character (GB 11643)."""

NOWHERE: Final = "990000"
"""An area code that no province can have: what marks an identifier as invented."""

_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECKS: Final = "10X98765432"


def is_credit_code(code: str) -> bool:
    """Whether a text has the shape of a unified social credit code: 18 characters.

    >>> is_credit_code("91990000MA00000001"), is_credit_code("9199000"), is_credit_code("")
    (True, False, False)
    """
    return CREDIT_CODE.fullmatch(code) is not None


def is_citizen_id(number: str) -> bool:
    """Whether a text has the shape of an 18-character citizen number; its check is not asked.

    >>> is_citizen_id("99000019900101001X"), is_citizen_id("990000199001")
    (True, False)
    """
    return CITIZEN_ID.fullmatch(number) is not None


def birth_year(number: str) -> int | None:
    """Year of birth in a citizen number, or None where the text has another shape.

    >>> birth_year("99000019900101001X"), birth_year("C1234567")
    (1990, None)
    """
    found = CITIZEN_ID.fullmatch(number)
    return int(found["year"]) if found else None


def check_character(number: str) -> str:
    """The check character of the first 17 digits of a citizen number (ISO 7064 MOD 11-2).

    >>> check_character("11010519491231002")
    'X'
    """
    return _CHECKS[sum(int(d) * w for d, w in zip(number, _WEIGHTS, strict=True)) % 11]


def invented_citizen_id(number: int, born: date) -> str:
    """A citizen number that nobody can have, for samples and tests.

    Its area exists nowhere and its check character is wrong; only its shape and its date of birth
    are those of a real one.  `number` counts from 0 to 999.

    >>> invented_citizen_id(1, date(1990, 5, 17))
    '990000199005170017'
    >>> is_citizen_id(_) and is_invented(_)
    True
    """
    body = f"{NOWHERE}{born:%Y%m%d}{number % 1000:03d}"
    right = _CHECKS.index(check_character(body))
    return body + _CHECKS[(right + 1) % 11]


def invented_credit_code(number: int) -> str:
    """A credit code whose area exists nowhere, for samples and tests; `number` below 10⁹.

    >>> invented_credit_code(7)
    '919900000000000070'
    """
    return f"91{NOWHERE}{number % 10**9:09d}0"


def invented_phone(number: int) -> str:
    """A phone number that no network gives out (100…), for samples and tests.

    >>> invented_phone(1234)
    '10000001234'
    """
    return f"100{number % 10**8:08d}"


def is_invented(identifier: str) -> bool:
    """Whether an identifier says of itself that it belongs to nobody.

    >>> is_invented("99000019900101001X"), is_invented("919900000000000070")
    (True, True)
    >>> is_invented("440000199001010010"), is_invented("10000001234")
    (False, True)
    """
    return (
        identifier.startswith(NOWHERE)
        or identifier[2:8] == NOWHERE
        or re.fullmatch(r"100[0-9]{8}", identifier) is not None
    )
