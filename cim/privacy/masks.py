"""What may be shown of a name, a document number and a phone number.

One rule each, chosen to show little: of a name only its first character, so a double surname
shows its first half; of a number only where its shape is known, so anything odd shows nothing and
not even its length.
"""

import re
import unicodedata
from typing import Final

HIDDEN: Final = "****"
"""What stands for a value of unknown shape."""

_CITIZEN: Final = re.compile(r"[0-9]{17}[0-9X]")
_MOBILE: Final = re.compile(r"1[0-9]{10}")
_SEPARATORS: Final = re.compile(r"[\s\-()]")


def plain_id(number: str) -> str:
    """A document number as it is hashed: half-width, upper case, without spaces or hyphens.

    >>> plain_id(" 990000 19900101 001x "), plain_id("Ｃ１２３４")
    ('99000019900101001X', 'C1234')
    """
    return _SEPARATORS.sub("", unicodedata.normalize("NFKC", number)).upper()


def plain_phone(number: str) -> str:
    """A phone number as it is hashed: half-width digits, without the country code of China.

    >>> plain_phone("+86 100-0000-1234"), plain_phone("0769-00001234")
    ('10000001234', '076900001234')
    """
    digits = _SEPARATORS.sub("", unicodedata.normalize("NFKC", number))
    for prefix in ("+86", "0086"):
        if digits.startswith(prefix):
            return digits[len(prefix) :]
    return digits


def mask_name(name: str | None) -> str:
    """A name with all but its first character hidden, at most three stars; empty for none.

    >>> mask_name("张三"), mask_name("张小三"), mask_name("欧阳小三"), mask_name("John Smith")
    ('张*', '张**', '欧***', 'J***')
    >>> mask_name("张"), mask_name(""), mask_name(None)
    ('*', '', '')
    """
    letters = (name or "").strip()
    if len(letters) <= 1:
        return "*" * len(letters)
    return letters[0] + "*" * min(len(letters) - 1, 3)


def mask_id(number: str | None) -> str:
    """A citizen number with its area and its last four characters; any other number hidden.

    >>> mask_id("99000019900101123X"), mask_id("C12345678"), mask_id(""), mask_id(None)
    ('9900**********123X', '****', '', '')
    """
    plain = plain_id(number or "")
    if not plain:
        return ""
    return f"{plain[:4]}{'*' * 10}{plain[-4:]}" if _CITIZEN.fullmatch(plain) else HIDDEN


def mask_phone(number: str | None) -> str:
    """A mobile number with its first three and last four digits; any other number hidden.

    >>> mask_phone("10000001234"), mask_phone("0769-00001234"), mask_phone(None)
    ('100****1234', '****', '')
    """
    plain = plain_phone(number or "")
    if not plain:
        return ""
    return f"{plain[:3]}****{plain[-4:]}" if _MOBILE.fullmatch(plain) else HIDDEN
