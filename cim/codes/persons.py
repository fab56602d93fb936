"""Nothing of persons: which names of streams and fields are refused.

Marks of a body (faces, plates, voices) are `biometric`; what says who somebody is (name,
telephone, number of a document or card) is `personal`. The names are data: `persons.json`.
"""

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

REFUSED: Final = ("biometric", "personal")
"""The reasons, the graver first."""

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\x00-\x7f]+")
_KEYS: Final = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\.){1,120})"\s*:')


@lru_cache(1)
def _lists() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        files("cim.codes").joinpath("persons.json").read_text(encoding="utf-8")
    )
    return found


@lru_cache(100_000)
def refused(name: str) -> str | None:
    """Why a stream or a field of that name is refused; None where it is taken.

    >>> refused("faceUrl"), refused("data.plate_no"), refused("人脸抓拍"), refused("idCardNo")
    ('biometric', 'biometric', 'biometric', 'personal')
    >>> refused("surface_temperature"), refused("plate_heater"), refused("voiceAlarm")
    (None, None, None)
    >>> refused("开门人姓名"), refused("deviceName"), refused("simCardNo")
    ('personal', None, None)
    """
    lists = _lists()
    said = f" {' '.join(word.lower() for word in _WORDS.findall(name))} "
    for phrase in lists["allowed"]:
        said = said.replace(phrase, " ")
    return next((reason for reason in REFUSED if _is_of(said, lists[reason])), None)


def _is_of(said: str, names: dict[str, list[str]]) -> bool:
    return any(f" {words} " in said for words in (*names["words"], *names["phrases"])) or any(
        part in said for part in names["parts"]
    )


def within(payload: bytes) -> str | None:
    r"""Why a JSON payload may not be kept, not even as a fault: it has a field of such a name.

    Bytes that are no JSON are searched too; a field's name is what stands in quotes before a colon.

    >>> within(b'{"deviceId": "c-1", "data": {"facePic": "aGVsbG8="}}')
    'biometric'
    >>> within(b'{"surface": 1}'), within('{"a": {"手机号": "x"}}'.encode()), within(b"\xff\x00")
    (None, 'personal', None)
    """
    found = {refused(key) for key in {_text(found) for found in _KEYS.findall(payload)}}
    return next((reason for reason in REFUSED if reason in found), None)


def _text(key: bytes) -> str:
    """A name as it is written in JSON, escapes read."""
    text = key.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
