"""Messages of a file, as they were recorded: a JSON line each."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

LAST: Final = 253_402_300_799_000_000
"""µs since 1970 of the last second of the year 9999: no message came later."""


class Line(msgspec.Struct, frozen=True):
    """A message of a file."""

    at: int
    """When it came, µs since 1970; 0 where the line does not say."""

    topic: str
    payload: bytes
    fault: str = ""
    """Why the line is no message, with file and row; its payload is then the line as it stands."""


def lines(path: Path) -> Iterator[Line]:
    """Messages of a file: {at: µs, topic, payload}, else the line itself as a payload.

    A line that is neither comes with its fault, and the next ones after it.
    """
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            line = raw.strip()
            if not line:
                continue
            try:
                yield _line(line)
            except (ValueError, RecursionError) as error:
                said = "nested too deeply" if isinstance(error, RecursionError) else error
                yield Line(0, "", line, f"{path.name}, line {number}: {said}")


def _line(raw: bytes) -> Line:
    """The message of a line; ValueError says what is wrong with it."""
    try:
        given = json.loads(raw.decode())  # bytes might be taken for UTF-16
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON: {error.msg} at character {error.pos + 1}") from error
    if not isinstance(given, dict) or "payload" not in given:
        return Line(0, "", raw)
    at, topic = given.get("at") or 0, given.get("topic") or ""
    if isinstance(at, float) and at.is_integer():
        at = int(at)
    if not isinstance(at, int) or not 0 <= at <= LAST:
        raise ValueError("at: it is no number of µs since 1970")
    if not isinstance(topic, str) or not topic.isprintable():
        raise ValueError("topic: it is no text, or has control characters")
    return Line(at, topic, _bytes(given["payload"]))


def _bytes(payload: Any) -> bytes:
    """A payload: {"base64": …}, a text, or JSON."""
    try:
        if isinstance(payload, dict) and set(payload) == {"base64"}:
            return base64.b64decode(payload["base64"], validate=True)
        if isinstance(payload, str):
            return payload.encode()
        return json.dumps(payload, ensure_ascii=False).encode()
    except TypeError as error:
        raise ValueError("payload: base64 is no text") from error
    except UnicodeEncodeError as error:
        raise ValueError("payload: half a character (a lone surrogate)") from error
    except ValueError as error:
        raise ValueError("payload: it is not base64") from error
