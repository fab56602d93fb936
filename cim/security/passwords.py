"""Passwords: hashed with Argon2id, judged by the rules that the city has."""

import re
import secrets
import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST: Final = 256
"""Characters; more is not read."""

_HASHER = PasswordHasher()
"""The library's parameters (RFC 9106, low memory: 64 MiB); they are written in every hash."""

_KINDS: Final = (r"[a-z]", r"[A-Z]", r"[0-9]", r"[^a-zA-Z0-9]")

_STRAIGHT: Final = "abcdefghijklmnopqrstuvwxyz 01234567890 qwertyuiop asdfghjkl zxcvbnm"


def plain(password: str) -> str:
    """A password as it is hashed, however the keyboard made its letters."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()


def hashed(password: str) -> str:
    """The Argon2id hash, with its salt and parameters."""
    return _HASHER.hash(plain(password))


@cache
def nobodys() -> str:
    """A hash to compare with where there is no account: it takes as long, and nothing fits."""
    return _HASHER.hash(secrets.token_urlsafe(32))


def fits(password: str, kept: str | None) -> bool:
    """Whether a password is the one of a hash; takes its time where there is none.

    >>> fits("a", None)
    False
    """
    try:
        right = _HASHER.verify(kept or nobodys(), plain(password[:LONGEST]))
    except (VerificationError, InvalidHashError):
        return False
    return right and kept is not None and len(password) <= LONGEST


def outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)


def faults(password: str, name: str, rules: Mapping[str, int]) -> list[tuple[str, str]]:
    """What speaks against a password, in English and Chinese; nothing for a good one.

    >>> rules = {"password_length": 12, "password_kinds": 3}
    >>> [en for en, _ in faults("Abc1", "li", rules)]
    ['it must have at least 12 characters']
    >>> [en for en, _ in faults("li-2026-xxxxxX", "li", rules)]
    []
    >>> [en for en, _ in faults("Zhang-0417-2026!", "zhang-0417", rules)]
    ['it must not contain the name of the account']
    >>> [en for en, _ in faults("Aa1Aa1Aa1Aa1Aa1", "li", rules)]
    ['it must have at least 6 different characters']
    """
    word = plain(password)
    found = []
    if len(word) < rules["password_length"]:
        least = rules["password_length"]
        found.append((f"it must have at least {least} characters", f"至少 {least} 个字符"))
    if len(password) > LONGEST:
        found.append((f"it must have at most {LONGEST} characters", f"至多 {LONGEST} 个字符"))
    if sum(bool(re.search(kind, word)) for kind in _KINDS) < rules["password_kinds"]:
        least = rules["password_kinds"]
        found.append(
            (
                f"it must mix {least} of: lower case, upper case, digits, others",
                f"须包含小写字母、大写字母、数字、其他字符中的至少 {least} 种",
            )
        )
    if len(name) > 3 and name.casefold() in word.casefold():
        found.append(("it must not contain the name of the account", "不得包含账户名"))
    if len(word) >= rules["password_length"] and len(set(word)) < 6:
        found.append(("it must have at least 6 different characters", "至少 6 个不同的字符"))
    if any(len(run) > 5 and run in _STRAIGHT for run in _runs(word.casefold())):
        found.append(("it must not be a row of keys or letters", "不得为连续的字母、数字或键位"))
    return found


def _runs(word: str) -> list[str]:
    """The longest pieces of a word that stand in a row on a keyboard or in the alphabet."""
    pieces = [""]
    for letter in word:
        if pieces[-1] + letter in _STRAIGHT:
            pieces[-1] += letter
        else:
            pieces.append(letter)
    return pieces
