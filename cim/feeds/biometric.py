"""No faces, plates or voices: which names of streams and fields are refused, as data."""

import json
import re
from functools import lru_cache
from importlib.resources import files
from typing import Final

_WORDS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\x00-\x7f]+")
_KEYS: Final = re.compile(rb'"((?:[^"\\\x00-\x1f]|\\.){1,120})"\s*:')


@lru_cache(1)
def _lists() -> dict[str, tuple[str, ...]]:
    found = json.loads(files("cim.feeds").joinpath("biometric.json").read_text(encoding="utf-8"))
    return {key: tuple(found[key]) for key in ("words", "phrases", "parts", "allowed")}


@lru_cache(100_000)
def named(name: str) -> bool:
    """Whether a stream or a field of that name holds a mark of somebody's body.

    >>> named("faceUrl"), named("data.plate_no"), named("人脸抓拍"), named("voicePrint")
    (True, True, True, True)
    >>> named("surface_temperature"), named("plate_heater"), named("voiceAlarm"), named("power")
    (False, False, False, False)
    """
    lists = _lists()
    said = f" {' '.join(word.lower() for word in _WORDS.findall(name))} "
    for phrase in lists["allowed"]:
        said = said.replace(phrase, " ")
    return (
        any(f" {word} " in said for word in lists["words"])
        or any(f" {phrase} " in said for phrase in lists["phrases"])
        or any(part in said for part in lists["parts"])
    )


def within(payload: bytes) -> bool:
    r"""Whether a JSON payload has a field of such a name: then it is not kept, not even as a fault.

    Bytes that are no JSON are searched too; a field's name is what stands in quotes before a colon.

    >>> within(b'{"deviceId": "c-1", "data": {"facePic": "aGVsbG8="}}')
    True
    >>> within(b'{"surface": 1}'), within('{"a": {"车牌号": "x"}}'.encode()), within(b"\xff\x00")
    (False, True, False)
    """
    return any(named(key) for key in {_text(found) for found in _KEYS.findall(payload)})


def _text(key: bytes) -> str:
    """A name as it is written in JSON, escapes read."""
    text = key.decode("utf-8", "replace")
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text
